"""Files whose chunks are not what their document says, and files that are replaced while they are read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend
from flask_fs_gridfs.documents import Document
from flask_fs_gridfs.store import Store

pytestmark = pytest.mark.slow

CHUNK_BYTES = 1000
CONTENT = b''.join(number.to_bytes(4, 'big') for number in range(1500))
BackendFactory = Callable[..., GridFSBackend]

#: What happens to the collections of a file of six chunks.
DAMAGES: Mapping[str, Callable[[Database[Any]], object]] = {
    'a missing chunk': lambda database: database['docs.chunks'].delete_one({'n': 3}),
    'a missing last chunk': lambda database: database['docs.chunks'].delete_one({'n': 5}),
    'no chunk': lambda database: database['docs.chunks'].delete_many({}),
    'a short chunk': lambda database: database['docs.chunks'].update_one({'n': 3}, {'$set': {'data': b'short'}}),
    'a long last chunk': lambda database: database['docs.chunks'].update_one({'n': 5}, {'$set': {'data': CONTENT}}),
    'a chunk of text': lambda database: database['docs.chunks'].update_one({'n': 3}, {'$set': {'data': 'text'}}),
    'a wrong number': lambda database: database['docs.chunks'].update_one({'n': 5}, {'$set': {'n': 6}}),
    'no length': lambda database: database['docs.files'].update_one({}, {'$unset': {'length': 1}}),
    'a longer length': lambda database: database['docs.files'].update_one({}, {'$set': {'length': 6001}}),
    'no chunkSize': lambda database: database['docs.files'].update_one({}, {'$set': {'chunkSize': 0}}),
}


def _read_all(backend: GridFSBackend) -> object:
    with backend.open('x', 'rb') as file:
        return file.read()


READS: Mapping[str, Callable[[GridFSBackend], object]] = {
    'read': lambda backend: backend.read('x'),
    'read_chunks': lambda backend: b''.join(backend.read_chunks('x')),
    'open': _read_all,
    'copy': lambda backend: backend.copy('x', 'y'),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_damaged_file_is_said_to_be_damaged(make: BackendFactory, database: Database[Any], damage: str) -> None:
    """It is never read short, and never taken for absent; it can be replaced and removed."""
    backend = make(chunk_bytes=CHUNK_BYTES)
    backend.write('x', CONTENT)
    DAMAGES[damage](database)
    for read in READS.values():
        with pytest.raises(fs.BackendError, match='it is damaged in'):
            read(backend)
    assert [document['filename'] for document in database['docs.files'].find()] == ['x']
    backend.write('x', b'new')
    assert backend.read('x') == b'new'
    backend.delete('x')
    assert database['docs.chunks'].count_documents({}) == 0


def test_what_is_whole_of_a_damaged_file_can_be_read(make: BackendFactory, database: Database[Any]) -> None:
    backend = make(chunk_bytes=CHUNK_BYTES)
    backend.write('x', CONTENT)
    DAMAGES['a missing chunk'](database)
    assert backend.read_range('x', 0, 3000) == CONTENT[:3000]


def test_a_reader_of_a_file_that_is_replaced_or_removed_gets_an_error(make: BackendFactory) -> None:
    """From the second fetch on; what was fetched when the file was opened can still be read."""
    backend = make(chunk_bytes=1024 * 1024)
    size = 5 * 1024 * 1024
    changes: tuple[Callable[[], object], ...] = (lambda: backend.write('x', b'new'), lambda: backend.delete('x'))
    for change in changes:
        backend.save(io.BytesIO(bytes(size)), 'x', overwrite=True)
        chunks = backend.read_chunks('x', 1024 * 1024)
        next(chunks)
        change()
        with pytest.raises(fs.Replaced):
            list(chunks)


@pytest.mark.parametrize('times', [1, 1000])
def test_reading_a_whole_file_that_is_replaced_begins_again(
    make: BackendFactory, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """A file that is replaced each time is unavailable."""
    backend, contents = make(chunk_bytes=1024 * 1024), [bytes([number]) * 5 * 1024 * 1024 for number in range(2)]
    backend.save(io.BytesIO(contents[0]), 'x', overwrite=True)
    read_chunks, replaced = Store.read_chunks, 0

    def replace_before_the_second_batch(store: Store, document: Document, first: int, count: int) -> list[bytes]:
        nonlocal replaced
        if first and replaced < times:
            replaced += 1
            backend.save(io.BytesIO(contents[1]), 'x', overwrite=True)
        return read_chunks(store, document, first, count)

    monkeypatch.setattr(Store, 'read_chunks', replace_before_the_second_batch)
    if times == 1:
        assert backend.read('x') == contents[1]
        return
    with pytest.raises(fs.Replaced):
        backend.read('x')
    assert replaced < 10


def test_a_reader_of_a_small_file_has_it_all(make: BackendFactory) -> None:
    backend = make()
    backend.write('x', b'old content')
    with backend.open('x', 'rb') as file, backend._open('x', 4).stream as stream:
        backend.write('x', b'new content')
        assert file.read() == b'old content'
        assert stream.read() == b'content'


def test_a_moved_file_can_be_read_on(make: BackendFactory) -> None:
    backend = make(chunk_bytes=1024 * 1024)
    content = CONTENT * 1000
    backend.save(io.BytesIO(content), 'x', overwrite=True)
    chunks = backend.read_chunks('x', 1024 * 1024)
    seen = next(chunks)
    backend.move('x', 'y')
    assert content == seen + b''.join(chunks)
