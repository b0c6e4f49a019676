"""How often a request is sent to the server, and what it sends, for each verb."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

CHUNK_BYTES = 255 * 1024
KIB = bytes(1024)
BackendFactory = Callable[..., GridFSBackend]


@pytest.fixture
def listened(make: BackendFactory, commands: Any) -> GridFSBackend:
    """A backend whose commands are counted, and which has written before."""
    backend = make(mongo_options={'event_listeners': [commands]})
    backend.write('first', b'')
    commands.taken()
    return backend


def test_reading_a_small_file_finds_its_document_and_its_chunk(listened: GridFSBackend, commands: Any) -> None:
    listened.write('x', KIB)
    commands.taken()
    for read in (
        lambda: listened.read('x'),
        lambda: b''.join(listened.read_chunks('x')),
        lambda: listened.open('x', 'rb').read(),
        lambda: listened.read_range('x', 10, 20),
    ):
        read()
        assert commands.taken() == ['find files', 'find chunks']


def test_metadata_takes_one_request(listened: GridFSBackend, commands: Any) -> None:
    listened.write('x', KIB)
    commands.taken()
    for look in (lambda: listened.exists('x'), lambda: listened.exists('missing'), lambda: listened.stat('x')):
        look()
        assert commands.taken() == ['find files']
    assert listened.metadata('x')['checksum']
    assert commands.taken() == ['find files']


def test_saving_a_new_small_file_takes_two_inserts_and_one_query(listened: GridFSBackend, commands: Any) -> None:
    listened.save(io.BytesIO(KIB), 'x', overwrite=True)
    assert commands.taken() == ['insert chunks', 'find files', 'insert files']
    listened.save(io.BytesIO(KIB), 'y', overwrite=False)
    assert commands.taken() == ['find files', 'insert chunks', 'insert files']


def test_a_name_that_is_taken_is_refused_before_anything_is_sent(listened: GridFSBackend, commands: Any) -> None:
    listened.write('x', KIB)
    commands.taken()
    with pytest.raises(fs.FileExists):
        listened.save(io.BytesIO(KIB), 'x', overwrite=False)
    assert commands.taken() == ['find files']


def test_replacing_a_file_takes_two_removals_more(listened: GridFSBackend, commands: Any) -> None:
    """The first time, one of the two slots of the name is freed besides."""
    listened.write('x', KIB)
    commands.taken()
    listened.write('x', KIB)
    removal = ['delete files', 'delete chunks']
    assert commands.taken() == ['insert chunks', 'find files', 'update files', 'insert files', *removal]
    for _ in range(3):
        listened.write('x', KIB)
        assert commands.taken() == ['insert chunks', 'find files', 'insert files', *removal]


def test_deleting_a_file_or_a_folder_takes_three_commands(listened: GridFSBackend, commands: Any) -> None:
    for number in range(50):
        listened.write(f'folder/{number}', KIB)
    commands.taken()
    for name in ('folder/1', 'folder'):
        listened.delete(name)
        assert commands.taken() == ['find files', 'delete files', 'delete chunks']
    listened.delete('folder')
    assert commands.taken() == ['find files']


def test_moving_a_file_moves_no_content(listened: GridFSBackend, commands: Any) -> None:
    for name in ('x', 'taken'):
        listened.write(name, KIB)
    commands.taken()
    listened.move('x', 'y', overwrite=False)
    assert commands.taken() == ['find files', 'update files']
    listened.move('y', 'taken')
    assert commands.taken() == ['find files', 'update files', 'update files', 'delete files', 'delete chunks']


def test_copying_a_small_file_reads_and_writes_it(listened: GridFSBackend, commands: Any) -> None:
    listened.write('x', KIB)
    commands.taken()
    listened.copy('x', 'y')
    assert commands.taken() == ['find files', 'find chunks', 'insert chunks', 'find files', 'insert files']


def test_listing_is_one_query_and_then_goes_on_page_by_page(
    listened: GridFSBackend, commands: Any, database: Database[Any]
) -> None:
    database['docs.files'].insert_many(
        [{'filename': f'many/{number:04}', 'length': 0, 'chunkSize': CHUNK_BYTES} for number in range(250)]
    )
    listened.page_size = 100
    assert sum(1 for _ in listened.list_files('many/')) == 250
    assert commands.taken() == ['find files', 'getMore files', 'getMore files']
    assert sum(1 for _ in listened.scan('many/')) == 250
    assert commands.taken() == ['find files', 'getMore files', 'getMore files']


def test_a_listing_that_is_left_leaves_no_cursor_behind(
    listened: GridFSBackend, commands: Any, database: Database[Any]
) -> None:
    database['docs.files'].insert_many(
        [{'filename': f'many/{number:04}', 'length': 0, 'chunkSize': CHUNK_BYTES} for number in range(150)]
    )
    listened.page_size = 100
    found = listened.list_files('many/')
    assert next(found) == 'many/0000'
    found.close()  # type: ignore[attr-defined]  # a generator
    assert commands.taken() == ['find files', 'killCursors files']


def test_a_range_moves_only_the_chunks_that_hold_it(listened: GridFSBackend, commands: Any) -> None:
    content = b''.join(number.to_bytes(4, 'big') for number in range(2_500_000))
    listened.save(io.BytesIO(content), 'x', overwrite=True)
    commands.taken()
    for start, stop, chunks in (
        (5_000_000, 5_001_000, 1),
        (CHUNK_BYTES - 1, CHUNK_BYTES + 1, 2),
        (len(content) - 1, len(content), 1),
    ):
        assert listened.read_range('x', start, stop) == content[start:stop]
        assert _chunks_moved(commands) == chunks
        assert commands.taken() == ['find files', 'find chunks']
    assert listened.read_range('x', 7, 7) == b''
    assert commands.taken() == ['find files']


def test_serving_finds_a_file_once(listened: GridFSBackend, commands: Any, make: BackendFactory) -> None:
    """A range costs the document and the chunks that hold it; HEAD and 304 the document alone."""
    listened.save(io.BytesIO(bytes(5_000_000)), 'x.txt', overwrite=True)
    storage, app = fs.Storage('docs', fs.ALL), Flask('served')
    app.config.update({f'DOCS_FS_{key.upper()}': value for key, value in listened.config.items()})
    app.config.update(DOCS_FS_BACKEND=GridFSBackend, DOCS_FS_SERVE=True, SECRET_KEY='a secret of the tests')
    fs.init_app(app, storage)
    client = app.test_client()
    commands.taken()
    response = client.get('/docs/x.txt', headers={'Range': 'bytes=4000000-4000999'})
    assert (response.status_code, response.data) == (206, bytes(1000))
    assert _chunks_moved(commands) == 1
    assert commands.taken() == ['find files', 'find chunks']
    assert client.head('/docs/x.txt').status_code == 200
    assert commands.taken() == ['find files']
    assert client.get('/docs/x.txt', headers={'If-None-Match': response.headers['ETag']}).status_code == 304
    assert commands.taken() == ['find files']
    for conditions in ({'If-None-Match': '"older"'}, {'If-Range': response.headers['ETag'], 'Range': 'bytes=0-9'}):
        assert client.get('/docs/x.txt', headers=conditions).data[:10] == bytes(10)
        assert commands.taken()[:2] == ['find files', 'find chunks']


def test_looking_into_a_file_fetches_a_chunk_and_reading_on_several(listened: GridFSBackend, commands: Any) -> None:
    listened.save(io.BytesIO(bytes(20 * CHUNK_BYTES)), 'x', overwrite=True)
    commands.taken()
    with listened.open('x', 'rb') as file:
        file.seek(-1000, io.SEEK_END)
        assert file.read() == bytes(1000)
        assert commands.taken() == ['find files', 'find chunks', 'find chunks']
        file.seek(0)
        assert len(file.read()) == 20 * CHUNK_BYTES
    assert commands.taken() == ['find chunks'] * 5


def test_indexes_are_made_once_at_the_first_write(make: BackendFactory, commands: Any, database: Database[Any]) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    assert commands.taken() == []
    assert not backend.exists('x')
    assert list(backend.list_files()) == []
    backend.delete('x')
    assert backend.sweep() == 0
    assert [command for command in commands.taken() if command.startswith(('create', 'insert', 'delete'))] == []
    backend.write('x', KIB)
    made = ['createIndexes files', 'createIndexes chunks', 'createIndexes files']
    assert made == [command for command in commands.taken() if command.startswith('create')]
    backend.write('y', KIB)
    assert [command for command in commands.taken() if command.startswith('create')] == []
    keys = [[*index['key']] for index in database['docs.files'].list_indexes()]
    assert sorted(keys) == [['_id'], ['filename', 'metadata.slots'], ['filename', 'uploadDate']]
    assert sorted([*index['key']] for index in database['docs.chunks'].list_indexes()) == [['_id'], ['files_id', 'n']]


def test_a_large_file_is_sent_by_several_chunks_at_once(listened: GridFSBackend, commands: Any) -> None:
    """No chunk waits for the response to the one before: four of them make 1 MiB."""
    listened.save(io.BytesIO(bytes(20 * CHUNK_BYTES)), 'x', overwrite=True)
    assert commands.taken() == [*['insert chunks'] * 5, 'find files', 'insert files']
    listened.read('x')
    assert commands.taken() == ['find files', *['find chunks'] * 5]


def _chunks_moved(commands: Any) -> int:
    return sum(
        len(answer.reply['cursor']['firstBatch'])
        for answer in commands.answers
        if answer.command_name == 'find' and answer.reply['cursor']['ns'].endswith('.chunks')
    )
