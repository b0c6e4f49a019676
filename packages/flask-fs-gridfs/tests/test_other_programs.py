"""Files that other programs have put into GridFS, and ours as others see them."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64, ObjectId
from gridfs import GridFS, GridFSBucket
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]


@pytest.fixture
def theirs(database: Database[Any]) -> GridFS:
    return GridFS(database, 'docs')


def put(database: Database[Any], content: bytes, **fields: Any) -> Any:
    """Store a file in one chunk, with exactly these fields."""
    document = {'_id': ObjectId(), 'length': len(content), 'chunkSize': 1000, 'filename': 'x', **fields}
    database['docs.chunks'].insert_one({'files_id': document['_id'], 'n': 0, 'data': content})
    database['docs.files'].insert_one(document)
    return document['_id']


def left(database: Database[Any]) -> tuple[int, int]:
    return database['docs.files'].count_documents({}), database['docs.chunks'].count_documents({})


def test_the_newest_revision_is_read_and_listed_once(backend: GridFSBackend, theirs: GridFS) -> None:
    for number in range(3):
        theirs.put(f'revision {number}'.encode(), filename='x')
    assert backend.read('x') == b'revision 2'
    assert list(backend.list_files()) == ['x']
    assert [info.size for info in backend.scan()] == [10]


def test_the_upload_date_decides_and_then_the_id(backend: GridFSBackend, database: Database[Any]) -> None:
    day = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
    old, new = sorted(ObjectId() for _ in range(2))
    put(database, b'of the day, later id', _id=new, uploadDate=day)
    put(database, b'of the day', _id=old, uploadDate=day)
    put(database, b'of the day before', uploadDate=day - datetime.timedelta(1))
    assert backend.read('x') == b'of the day, later id'
    [info] = backend.scan()
    assert (str(new), day) == (info.etag, info.modified) == (backend.stat('x').etag, backend.stat('x').modified)


def test_replacing_a_file_removes_all_its_revisions(
    backend: GridFSBackend, theirs: GridFS, database: Database[Any]
) -> None:
    for number in range(3):
        theirs.put(f'revision {number}'.encode(), filename='x')
    backend.write('x', b'ours')
    assert backend.read('x') == theirs.get_last_version('x').read() == b'ours'
    assert left(database) == (1, 1)


def test_a_file_replaces_revisions_whose_writer_had_a_clock_ahead(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    """What was saved last counts, also where another host's clock says otherwise."""
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(1)
    put(database, b'of tomorrow', uploadDate=tomorrow)
    backend.write('y', b'moved')
    backend.write('x', b'ours')
    assert backend.read('x') == b'ours'
    modified = backend.stat('x').modified
    assert modified is not None
    assert modified > tomorrow - datetime.timedelta(seconds=1)
    backend.move('y', 'x')
    assert backend.read('x') == b'moved'
    assert left(database) == (1, 1)


def test_deleting_a_file_removes_all_its_revisions(
    backend: GridFSBackend, theirs: GridFS, database: Database[Any]
) -> None:
    for name in ('x', 'x', 'x/y', 'x/y', 'xy'):
        theirs.put(b'content', filename=name)
    backend.delete('x')
    assert list(backend.list_files()) == ['xy']
    assert left(database) == (1, 1)


def test_moving_a_file_leaves_none_of_its_revisions_behind(
    backend: GridFSBackend, theirs: GridFS, database: Database[Any]
) -> None:
    for number in range(3):
        theirs.put(f'revision {number}'.encode(), filename='x')
        theirs.put(b'taken', filename='y')
    backend.move('x', 'y')
    assert {name: backend.read(name) for name in backend.list_files()} == {'y': b'revision 2'}
    assert left(database) == (1, 1)


def test_a_file_of_another_program_is_there_for_create(backend: GridFSBackend, theirs: GridFS) -> None:
    theirs.put(b'theirs', filename='x')
    backend.write('y', b'ours')
    creations: tuple[Callable[[], object], ...] = (
        lambda: backend.write('x', b'ours', overwrite=False),
        lambda: backend.move('y', 'x', overwrite=False),
    )
    for create in creations:
        with pytest.raises(fs.FileExists):
            create()
    assert backend.read('x') == b'theirs'


def test_types_and_checksums_of_older_programs_are_reported(make: BackendFactory, database: Database[Any]) -> None:
    """They kept contentType and md5 beside the other fields; an md5 is reported where that algorithm is configured."""
    md5 = hashlib.md5(b'content', usedforsecurity=False).hexdigest()
    put(database, b'content', contentType='text/x-old', md5=md5, uploadDate=datetime.datetime(2015, 1, 1))  # noqa: DTZ001  # as such programs do
    backend = make()
    assert (backend.stat('x').mime, backend.stat('x').checksum) == ('text/x-old', None)
    assert backend.metadata('x')['checksum'] == f'sha256:{hashlib.sha256(b"content").hexdigest()}'
    assert make(checksum='md5').stat('x').checksum == f'md5:{md5}'
    assert datetime.datetime(2015, 1, 1, tzinfo=datetime.timezone.utc) == backend.stat('x').modified


@pytest.mark.parametrize(
    'fields',
    [
        {'metadata': None},
        {'metadata': 'text'},
        {'length': Int64(7), 'chunkSize': Int64(1000)},
        {'length': 7.0, 'chunkSize': 1000.0},
        {'_id': 'a "text" as id'},
        {'_id': {'a': 'document as id'}},
        {'uploadDate': None},
        {'metadata': {'contentType': '', 'checksum': 7, 'slots': None}},
    ],
    ids=repr,
)
def test_documents_of_any_form_can_be_used(
    make: BackendFactory, database: Database[Any], fields: dict[str, Any]
) -> None:
    backend = make()
    put(database, b'content', **fields)
    info = backend.stat('x')
    assert (info.name, info.size, info.mime, info.checksum) == ('x', 7, 'application/octet-stream', None)
    assert info.etag
    assert '"' not in info.etag
    assert backend.read('x') == b'content'
    backend.move('x', 'y.txt')
    assert backend.read('y.txt') == b'content'
    backend.write('y.txt', b'ours')
    backend.delete('y.txt')
    assert left(database) == (0, 0)


def test_names_that_are_no_text_are_not_listed(backend: GridFSBackend, database: Database[Any]) -> None:
    for name in (None, 7, b'bytes'):
        put(database, b'content', filename=name)
    put(database, b'content', filename='x')
    assert list(backend.list_files()) == ['x']


def test_names_that_no_verb_takes_are_not_listed_and_go_with_their_folder(
    backend: GridFSBackend, theirs: GridFS, database: Database[Any]
) -> None:
    for name in ('', '/lead.txt', './x', '.fs-tmp-1', 'a//b.txt', 'a/x'):
        theirs.put(b'content', filename=name)
    assert list(backend.list_files()) == [info.name for info in backend.scan()] == ['a/x']
    backend.delete('a')
    assert set(database['docs.files'].distinct('filename')) == {'', '/lead.txt', './x', '.fs-tmp-1'}


def test_other_programs_read_what_is_written_here(backend: GridFSBackend, database: Database[Any]) -> None:
    content = bytes(range(256)) * 4000
    backend.write('a/x.txt', content, mime='text/x-special')
    file = GridFSBucket(database, 'docs').open_download_stream_by_name('a/x.txt')
    assert file.read() == content
    assert {key: value for key, value in (file.metadata or {}).items() if key != 'slots'} == {
        'contentType': 'text/x-special',
        'checksum': f'sha256:{hashlib.sha256(content).hexdigest()}',
    }
    assert file.chunk_size == 255 * 1024
    document = database['docs.files'].find_one() or {}
    assert set(document) == {'_id', 'length', 'chunkSize', 'uploadDate', 'filename', 'metadata'}
    chunk = database['docs.chunks'].find_one() or {}
    assert set(chunk) == {'_id', 'files_id', 'n', 'data'}


def test_other_programs_may_replace_and_remove_what_is_written_here(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    backend.write('x', b'ours')
    bucket = GridFSBucket(database, 'docs')
    theirs = bucket.upload_from_stream('x', b'theirs')
    assert backend.read('x') == b'theirs'
    with pytest.raises(fs.FileExists):
        backend.write('x', b'ours', overwrite=False)
    bucket.delete(theirs)
    assert backend.read('x') == b'ours'
    for document in list(bucket.find({'filename': 'x'})):
        bucket.delete(document._id)
    backend.write('x', b'anew', overwrite=False)
    assert backend.read('x') == b'anew'


def test_a_moved_file_gets_the_type_of_its_new_name_unless_it_was_given_one(backend: GridFSBackend) -> None:
    for name, mime in (('x.txt', None), ('y.txt', 'text/x-special')):
        backend.write(name, b'', mime=mime)
        backend.move(name, f'{name}.html')
    assert [backend.stat(f'{name}.txt.html').mime for name in 'xy'] == ['text/html', 'text/x-special']


def test_chunks_may_have_any_size(make: BackendFactory) -> None:
    """A file is read by the size that it was written with, whatever is configured now."""
    content = bytes(range(256)) * 10
    small, large = make(chunk_bytes=7), make(chunk_bytes=1_000_000)
    small.write('small', content)
    large.write('large', content)
    for backend in (small, large):
        assert content == backend.read('small') == backend.read('large')
        assert backend.read_range('small', 5, 100) == content[5:100]
