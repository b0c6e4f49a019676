"""Replacing one version of a file only: who wins, what is left, and what other programs may have stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from gridfs import GridFS
from pymongo.database import Database
from pymongo.errors import AutoReconnect, NetworkTimeout

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs_gridfs import GridFSBackend, claims
from flask_fs_gridfs.documents import HIDDEN_PREFIX, SUCCESSOR

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]


def swap(backend: GridFSBackend, content: bytes = b'swapped', name: str = 'x') -> None:
    backend.write(name, content, if_match=backend.stat(name).etag)


def assert_nothing_else_is_left(database: Database[Any], *names: str) -> None:
    documents = list(database['docs.files'].find())
    assert sorted(names) == sorted(document['filename'] for document in documents)
    ids = [document['_id'] for document in documents]
    assert [lost for lost in database['docs.chunks'].distinct('files_id') if lost not in ids] == []


@pytest.fixture
def backend(make: BackendFactory) -> GridFSBackend:
    backend = make()
    backend.write('x', b'old')
    return backend


@pytest.mark.parametrize('verb', ['write', 'move'])
def test_a_writer_that_looked_before_a_swap_is_not_lost(
    backend: GridFSBackend, make: BackendFactory, database: Database[Any], verb: str
) -> None:
    """It stores its file when the swap is done, with the older date; only then does it find out."""
    files, other = backend._store().files, make()
    backend.write('y', b'plain')
    method = 'insert_one' if verb == 'write' else 'update_one'
    real = getattr(files, method)

    def swap_first(*args: Any, **options: Any) -> Any:
        if verb == 'write' or 'filename' in args[1]['$set']:
            setattr(files, method, real)
            swap(other)
        return real(*args, **options)

    # So that no slot is freed first.
    backend.write('x', b'old')
    setattr(files, method, swap_first)
    if verb == 'write':
        backend.write('x', b'plain')
    else:
        backend.move('y', 'x')
    assert getattr(files, method) == real
    assert backend.read('x') == b'plain'
    assert_nothing_else_is_left(database, *backend.list_files())


# --- What is sent, and what goes wrong on the way.


def test_swapping_takes_two_updates_and_a_look_more_than_replacing(make: BackendFactory, commands: Any) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    backend.write('x', b'old')
    for _ in range(3):
        etag = backend.stat('x').etag
        commands.taken()
        backend.write('x', b'new', if_match=etag)
        assert commands.taken() == [
            'find files', 'insert chunks', 'insert files', 'find files', 'update files', 'update files',
            'delete files', 'delete chunks',
        ]  # fmt: skip


def test_another_version_is_refused_before_anything_is_sent(make: BackendFactory, commands: Any) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    backend.write('x', b'old')
    commands.taken()
    for name in ('x', 'missing'):
        with pytest.raises(fs.Changed):
            backend.write(name, b'new', if_match=str(ObjectId()))
        assert commands.taken() == ['find files']


def _losing(collection: Any, method: str, number: int, error: Exception) -> list[str]:
    """Lose the response to one of the calls of a method from now on: it is carried out."""
    real, calls = getattr(collection, method), list[str]()

    def call(*args: Any, **options: Any) -> Any:
        result = real(*args, **options)
        calls.append(method)
        if len(calls) == number:
            raise error
        return result

    setattr(collection, method, call)
    return calls


@pytest.mark.parametrize('number', [1, 2])
def test_a_claim_or_a_new_name_whose_response_was_lost_counts(
    backend: GridFSBackend, database: Database[Any], number: int
) -> None:
    _losing(backend._store().files, 'update_one', number, AutoReconnect('gone'))
    swap(backend)
    assert backend.read('x') == b'swapped'
    assert_nothing_else_is_left(database, 'x')


def test_a_claim_that_others_completed_while_its_response_was_lost_counts(
    backend: GridFSBackend, make: BackendFactory, database: Database[Any]
) -> None:
    files, other = backend._store().files, make()
    real = files.update_one

    def lose_and_replace(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        files.update_one = real  # type: ignore[method-assign]
        other.write('x', b'later')
        raise AutoReconnect('gone')

    files.update_one = lose_and_replace  # type: ignore[method-assign,assignment]
    swap(backend)
    assert backend.read('x') == b'later'
    assert_nothing_else_is_left(database, 'x')


def test_a_swap_that_others_completed_is_not_abandoned(
    backend: GridFSBackend, make: BackendFactory, database: Database[Any]
) -> None:
    """Its writer is cut off; by then its file has its name, and even another one."""
    files, other = backend._store().files, make()
    real = files.update_one

    def move_and_fail(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        files.update_one = real  # type: ignore[method-assign]
        other.move('x', 'y')
        raise NetworkTimeout('slow')

    files.update_one = move_and_fail  # type: ignore[method-assign,assignment]
    with pytest.raises(fs.Unavailable):
        swap(backend)
    assert {name: other.read(name) for name in other.list_files()} == {'y': b'swapped'}
    assert_nothing_else_is_left(database, 'y')


@pytest.mark.parametrize('verb', ['write', 'create', 'swap', 'move', 'remove', 'move here'])
def test_a_claim_whose_writer_was_cut_off_ends_with_its_file(
    backend: GridFSBackend, make: BackendFactory, database: Database[Any], verb: str
) -> None:
    """The writer gave up: the old version stays, and whoever comes next is not in the way of anybody."""
    etag, other = backend.stat('x').etag, make()
    _losing(backend._store().files, 'update_one', 1, NetworkTimeout('slow'))
    with pytest.raises(fs.Unavailable):
        backend.write('x', b'lost', if_match=etag)
    assert backend.read('x') == b'old'
    assert_nothing_else_is_left(database, 'x')
    assert database['docs.files'].count_documents({SUCCESSOR: {'$exists': True}}) == 1
    other.write('y', b'other')
    if verb == 'create':
        with pytest.raises(fs.FileExists):
            other.write('x', b'', overwrite=False)
    else:
        acts: dict[str, Callable[[], object]] = {
            'write': lambda: other.write('x', b'new'),
            'swap': lambda: other.write('x', b'new', if_match=etag),
            'move': lambda: other.move('x', 'z'),
            'remove': lambda: other.remove('x'),
            'move here': lambda: other.move('y', 'x'),
        }
        acts[verb]()
        assert database['docs.files'].count_documents({SUCCESSOR: {'$exists': True}}) == 0
    assert_nothing_else_is_left(database, *other.list_files())


@pytest.mark.parametrize('verb', ['write', 'swap', 'move', 'remove'])
def test_a_claim_whose_writer_died_is_completed_first(
    backend: GridFSBackend, make: BackendFactory, database: Database[Any], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> Any:
        raise Killed

    etag, other = backend.stat('x').etag, make()
    with monkeypatch.context() as patch:
        patch.setattr('flask_fs_gridfs.writer.reveal', die)
        patch.setattr('flask_fs_gridfs.writer.Writer.abandon', lambda *_, **__: None)
        with pytest.raises(Killed):
            backend.write('x', b'swapped', if_match=etag)
    assert other.read('x') == b'old'
    assert list(other.list_files()) == ['x']
    if verb == 'swap':
        with pytest.raises(fs.Changed):
            other.write('x', b'new', if_match=etag)
        assert other.read('x') == b'swapped'
    elif verb == 'move':
        other.move('x', 'z')
        assert other.read('z') == b'swapped'
    else:
        other.write('x', b'new') if verb == 'write' else other.remove('x')
    assert other.exists('x') == (verb in ('write', 'swap'))
    if verb == 'swap':
        # Looking at it did not change it; the next change does away with what it had replaced.
        other.write('x', b'new')
    assert_nothing_else_is_left(database, *other.list_files())


def test_what_a_dead_writer_had_hidden_is_swept(
    backend: GridFSBackend, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('flask_fs_gridfs.writer.claim', die)
        patch.setattr('flask_fs_gridfs.writer.Writer.abandon', lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            swap(backend)
    assert database['docs.files'].count_documents({'filename': {'$gte': HIDDEN_PREFIX, '$lt': '.g'}}) == 1
    assert list(backend.list_files()) == [info.name for info in backend.scan()] == ['x']
    assert [info.name for info in backend.folder().files] == ['x']
    assert backend.folder().folders == []
    assert backend.sweep() == 0
    assert backend.sweep(older_than_s=-10) == 1
    assert_nothing_else_is_left(database, 'x')
    swap(backend)
    assert backend.read('x') == b'swapped'


# --- Files of other programs.


@pytest.mark.parametrize('metadata', [None, 'text', 7, [], {}, {'slots': 'x'}, {'fs_successor': 'x'}, ...], ids=repr)
@pytest.mark.parametrize('file_id', [ObjectId('0123456789abcdef01234567'), 'text', {'a': 1}], ids=repr)
def test_files_of_other_programs_are_swapped(
    make: BackendFactory, database: Database[Any], metadata: Any, file_id: Any
) -> None:
    backend = make()
    fields = {} if metadata is ... else {'metadata': metadata}
    database['docs.files'].insert_one({'_id': file_id, 'filename': 'x', 'length': 3, 'chunkSize': 10, **fields})
    database['docs.chunks'].insert_one({'files_id': file_id, 'n': 0, 'data': b'old'})
    etag = backend.stat('x').etag
    backend.write('x', b'new', if_match=etag)
    with pytest.raises(fs.Changed):
        backend.write('x', b'newer', if_match=etag)
    assert backend.read('x') == b'new'
    assert_nothing_else_is_left(database, 'x')


def test_all_revisions_of_other_programs_go_with_the_swapped_one(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    theirs = GridFS(database, 'docs')
    for number in range(3):
        theirs.put(f'revision {number}'.encode(), filename='x')
    swap(backend)
    assert backend.read('x') == b'swapped'
    assert_nothing_else_is_left(database, 'x')


def test_an_id_that_is_used_again_is_another_version(
    make: BackendFactory, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and the claim, another program stores another file under the same id."""
    backend, files = make(), database['docs.files']
    files.insert_one({'_id': 'same', 'filename': 'x', 'length': 0, 'chunkSize': 10})
    real = claims.claim

    def claim(store: Any, document: Any, successor: ObjectId) -> bool:
        if not files.count_documents({'length': 3}):
            files.replace_one({'_id': 'same'}, {'filename': 'x', 'length': 3, 'chunkSize': 10})
        return real(store, document, successor)

    monkeypatch.setattr('flask_fs_gridfs.writer.claim', claim)
    with pytest.raises(fs.Changed):
        swap(backend)
    assert [found['_id'] for found in files.find()] == ['same']
    assert database['docs.chunks'].count_documents({}) == 0


def test_where_slots_are_not_unique_it_is_not_promised(
    mongomock_in_process: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('flask_fs_gridfs.store.Store.make_indexes', lambda _: ValueError('no such index'))
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process()})
    for _ in range(2):
        with pytest.raises(fs.OperationNotSupported):
            backend.write('x', b'', if_match='etag')
    assert Capability.COMPARE_AND_SWAP not in backend.capabilities
