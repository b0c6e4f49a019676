"""What a server refuses: to those who may not, and what it cannot do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import DocumentTooLarge, DuplicateKeyError, ExecutionTimeout, OperationFailure

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs_gridfs import GridFSBackend, writer
from flask_fs_gridfs.errors import Vanished
from flask_fs_gridfs.store import Store


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a method of all collections fail, where *when* says so."""
    import mongomock

    def refuse(method: str, error: Exception, when: Callable[..., bool] = lambda *_, **__: True) -> None:
        for kind in (Collection, mongomock.Collection):
            inner = getattr(kind, method)

            def call(collection: Any, *args: Any, inner: Any = inner, **kwargs: Any) -> Any:
                if when(collection, *args, **kwargs):
                    raise error
                return inner(collection, *args, **kwargs)

            monkeypatch.setattr(kind, method, call)

    return refuse


@pytest.fixture
def mocked(mongomock_in_process: Callable[[], Any]) -> GridFSBackend:
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process(), 'mongo_db': 'mine'})
    backend.write('x', b'content')
    return backend


@pytest.mark.parametrize(
    ('error', 'kind', 'reason'),
    [
        (OperationFailure('secret words', 13, {'codeName': 'Unauthorized'}), fs.PermissionDenied, 'role readWrite'),
        (OperationFailure('secret words', 18), fs.PermissionDenied, 'user and password in DOCS_FS_MONGO_CLIENT'),
        (OperationFailure('secret words', 8000), fs.PermissionDenied, 'the server responded'),
        (OperationFailure('secret words', 10107), fs.Unavailable, r'\(10107\)'),
        (OperationFailure('x', 1, {'errorLabels': ['RetryableWriteError']}), fs.Unavailable, 'the server responded'),
        (ExecutionTimeout('secret words', 50), fs.Unavailable, 'ExecutionTimeout'),
        (DocumentTooLarge('secret words'), fs.BackendError, 'DocumentTooLarge'),
        (
            OperationFailure('secret words', 2, {'codeName': 'BadValue'}),
            fs.BackendError,
            r'mine.docs: .* BadValue \(2\)',
        ),
    ],
    ids=repr,
)
def test_what_the_server_responds_is_raised_in_the_words_of_flask_fs(
    mocked: GridFSBackend, refused: Callable[..., None], error: Exception, kind: type[fs.FSError], reason: str
) -> None:
    """With the cause, and without quoting what may hold documents."""
    for method in ('find', 'insert_one', 'find_one', 'delete_many'):
        refused(method, error)
    for verb in (
        lambda: mocked.exists('missing'),
        lambda: mocked.read('x'),
        lambda: mocked.write('x', b''),
        lambda: mocked.delete('x'),
        lambda: list(mocked.scan()),
    ):
        with pytest.raises(kind, match=reason) as caught:
            verb()
        assert type(caught.value) is kind
        assert caught.value.__cause__ is error
        assert 'secret words' not in str(caught.value)


def test_a_server_that_refuses_the_unique_index_gets_no_promise(
    mongomock_in_process: Callable[[], Any], refused: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Sharded collections take few unique indexes. Creating a file still looks first."""
    refused(
        'create_index',
        OperationFailure('cannot create a unique index', 67),
        lambda *_, **options: 'partialFilterExpression' in options,
    )
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process(), 'mongo_db': 'mine'})
    other = GridFSBackend('docs', {'mongo_client': mongomock_in_process(), 'mongo_db': 'mine'})
    with caplog.at_level(logging.WARNING):
        backend.write('x', b'content')
        backend.write('x', b'other', overwrite=True)
    assert ['ATOMIC_CREATE and COMPARE_AND_SWAP are not supported.' in record.message for record in caplog.records] == [
        True
    ]
    assert Capability.ATOMIC_CREATE not in backend.capabilities
    assert Capability.ATOMIC_CREATE in other.capabilities
    with pytest.raises(fs.FileExists):
        backend.write('x', b'content', overwrite=False)
    backend.write('y', b'content')
    with pytest.raises(fs.FileExists):
        backend.move('y', 'x', overwrite=False)
    backend.move('y', 'x')
    assert {name: backend.read(name) for name in backend.list_files()} == {'x': b'content'}


def test_leave_to_make_the_unique_index_is_needed_too(
    mongomock_in_process: Callable[[], Any], refused: Callable[..., None]
) -> None:
    """That a server cannot have one takes the promise away; that this user may not make it does not."""
    refused(
        'create_index',
        OperationFailure('not authorized', 13, {'codeName': 'Unauthorized'}),
        lambda *_, **options: 'partialFilterExpression' in options,
    )
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process()})
    with pytest.raises(fs.PermissionDenied, match='readWrite'):
        backend.write('x', b'')
    assert Capability.ATOMIC_CREATE in backend.capabilities


def test_a_file_without_any_metadata_is_moved_where_nothing_is_to_be_kept_in_them(
    mongomock_in_process: Callable[[], Any], refused: Callable[..., None]
) -> None:
    refused(
        'create_index',
        OperationFailure('cannot create a unique index', 67),
        lambda *_, **options: 'partialFilterExpression' in options,
    )
    client = mongomock_in_process()
    backend = GridFSBackend('docs', {'mongo_client': client, 'mongo_db': 'mine'})
    backend.write('x', b'content')
    files = client['mine']['docs.files']
    files.update_one({'filename': 'x'}, {'$set': {'metadata': None}})
    backend.move('x', 'y')
    assert backend.read('y') == b'content'
    assert [(found['filename'], found['metadata']) for found in files.find()] == [('y', None)]


@pytest.mark.parametrize(
    ('method', 'verb'),
    [
        ('insert_one', lambda backend: backend.write('x', b'new')),
        ('update_one', lambda backend: backend.move('y', 'x')),
    ],
)
def test_a_name_that_others_always_write_first_is_given_up(
    mocked: GridFSBackend, refused: Callable[..., None], method: str, verb: Callable[[GridFSBackend], object]
) -> None:
    mocked.write('y', b'other')
    requested: list[int] = []

    def is_about_files(collection: Any, *_: Any, **__: Any) -> bool:
        requested.append(1)
        return str(collection.name).endswith('.files')

    refused(method, DuplicateKeyError('secret words'), is_about_files)
    with pytest.raises(fs.FSError, match='too many writers write this name at the same time') as caught:
        verb(mocked)
    assert 'secret words' not in str(caught.value)
    assert len(requested) >= writer.MAX_ATTEMPTS
    assert {name: mocked.read(name) for name in mocked.list_files()} == {'x': b'content', 'y': b'other'}


def test_a_file_that_vanishes_at_every_look_is_said_so(mocked: GridFSBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def vanish(*_: Any) -> Any:
        looks.append(1)
        raise Vanished

    monkeypatch.setattr(Store, 'read_chunks', vanish)
    # It is there: only its content was never got hold of. Serving makes that a 503.
    with pytest.raises(fs.Replaced):
        mocked.read('x')
    assert len(looks) > 1


@pytest.mark.parametrize('last', ['\U0010ffff', '\ud7ff'])
def test_a_prefix_may_end_with_the_last_of_all_characters(mocked: GridFSBackend, last: str) -> None:
    names = [f'a{last}', f'a{last}b', f'a{last}{last}']
    for name in (*names, 'a', 'b', 'a\ue000', last):
        mocked.write(name, b'')
    assert sorted(mocked.list_files(f'a{last}')) == sorted(names)
    assert list(mocked.list_files(last)) == [last]
    assert list(mocked.list_files(f'a{last}{last}')) == [f'a{last}{last}']


def test_leave_to_make_indexes_is_needed(mongomock_in_process: Callable[[], Any], refused: Callable[..., None]) -> None:
    refused('create_index', OperationFailure('not authorized', 13, {'codeName': 'Unauthorized'}))
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process()})
    with pytest.raises(fs.PermissionDenied, match='readWrite'):
        backend.write('x', b'')
    assert Capability.ATOMIC_CREATE in backend.capabilities
