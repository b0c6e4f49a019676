"""What a server refuses: to those who may not, and what it cannot do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import DocumentTooLarge, ExecutionTimeout, OperationFailure

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs_gridfs import GridFSBackend


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a method of all collections fail, where *when* says so."""
    import mongomock

    def refuse(method: str, error: Exception, when: Callable[..., bool] = lambda *_, **__: True) -> None:
        for kind in (Collection, mongomock.Collection):
            inner = getattr(kind, method)

            def ask(collection: Any, *args: Any, inner: Any = inner, **kwargs: Any) -> Any:
                if when(collection, *args, **kwargs):
                    raise error
                return inner(collection, *args, **kwargs)

            monkeypatch.setattr(kind, method, ask)

    return refuse


@pytest.fixture
def mocked(mongomock_in_process: Callable[[], Any]) -> GridFSBackend:
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process(), 'mongo_db': 'mine'})
    backend.write('x', b'content')
    return backend


@pytest.mark.parametrize(
    ('error', 'kind', 'told'),
    [
        (OperationFailure('secret words', 13, {'codeName': 'Unauthorized'}), fs.PermissionDenied, 'role readWrite'),
        (OperationFailure('secret words', 18), fs.PermissionDenied, 'check the user and password in DOCS_FS_MONGO_URL'),
        (OperationFailure('secret words', 8000), fs.PermissionDenied, 'the server answered'),
        (OperationFailure('secret words', 10107), fs.Unavailable, r'\(10107\)'),
        (OperationFailure('x', 1, {'errorLabels': ['RetryableWriteError']}), fs.Unavailable, 'the server answered'),
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
def test_what_the_server_answers_is_told_in_the_words_of_flask_fs(
    mocked: GridFSBackend, refused: Callable[..., None], error: Exception, kind: type[fs.FSError], told: str
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
        with pytest.raises(kind, match=told) as caught:
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
        backend.write('x', b'other', create=False)
    assert ['ATOMIC_CREATE is not promised.' in record.message for record in caplog.records] == [True]
    assert Capability.ATOMIC_CREATE not in backend.capabilities
    assert Capability.ATOMIC_CREATE in other.capabilities
    with pytest.raises(fs.FileExists):
        backend.write('x', b'content', create=True)
    backend.write('y', b'content')
    with pytest.raises(fs.FileExists):
        backend.move('y', 'x', create=True)
    backend.move('y', 'x')
    assert {'x': b'content'} == {name: backend.read(name) for name in backend.list_files()}


def test_leave_to_make_indexes_is_needed(mongomock_in_process: Callable[[], Any], refused: Callable[..., None]) -> None:
    refused('create_index', OperationFailure('not authorized', 13, {'codeName': 'Unauthorized'}))
    backend = GridFSBackend('docs', {'mongo_client': mongomock_in_process()})
    with pytest.raises(fs.PermissionDenied, match='readWrite'):
        backend.write('x', b'')
    assert Capability.ATOMIC_CREATE in backend.capabilities
