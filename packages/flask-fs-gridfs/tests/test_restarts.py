"""A server that goes away and comes back, connections that are dead when they are used, and responses that are lost."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect, NetworkTimeout, NotPrimaryError, WaitQueueTimeoutError

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend
from flask_fs_testing.servers import MongoService, SecantusServer
from flask_fs_testing.servers.base import free_ports

pytestmark = pytest.mark.slow

CONTENT = bytes(range(256)) * 10_000
BackendFactory = Callable[..., GridFSBackend]


class OnePort(SecantusServer):
    """On a port and with data that outlive it."""

    def __init__(self, port: int, data: Path) -> None:
        super().__init__()
        self._own_port, self._data = port, data

    def prepare(self) -> Mapping[str, list[str]]:
        [command] = super().prepare().values()
        self._port = self._own_port
        mine = {'--port': self._own_port, '--storage-path': self._data}
        return {
            'secantusdb': [
                *(
                    f'{option}={mine[option]}' if (option := part.partition('=')[0]) in mine else part
                    for part in command
                ),
                # It is killed, and what it has confirmed has to be there afterwards.
                '--sync-on-commit',
            ]
        }


@pytest.fixture
def server(tmp_path: Path) -> Callable[[], OnePort]:
    if missing := SecantusServer.missing():
        (pytest.fail if os.environ.get('FS_TEST_SERVICES') == 'required' else pytest.skip)(missing)
    [port] = free_ports(1)
    return lambda: OnePort(port, tmp_path / 'data')


def test_a_server_that_is_started_again_is_used_again(server: Callable[[], OnePort]) -> None:
    """While it is away every verb says so; afterwards the same backend goes on, and all files are there."""
    with server() as running:
        backend = GridFSBackend(
            'docs', {'mongo_url': running.service.url, 'mongo_options': {'serverSelectionTimeoutMS': 600}}
        )
        backend.save(io.BytesIO(CONTENT), 'x', overwrite=True)
        chunks = backend.read_chunks('x', 1000)
        seen = next(chunks)
    with pytest.raises(fs.Unavailable):
        b''.join(chunks)
    for verb in (
        lambda: backend.exists('x'),
        lambda: backend.read('x'),
        lambda: list(backend.list_files()),
        lambda: backend.write('x', b'new'),
        lambda: backend.write('new', b'new', overwrite=False),
        lambda: backend.delete('x'),
        lambda: backend.move('x', 'y'),
        backend.sweep,
    ):
        with pytest.raises(fs.Unavailable, match=r'docs: .*refused'):
            verb()
    with server():
        assert backend.read('x') == CONTENT
        chunks = backend.read_chunks('x', 1000)
        seen = next(chunks)
        backend.write('new', b'new', overwrite=False)
    # Whatever connections were kept are dead, and nobody has noticed.
    with server():
        backend.write('new', b'newer')
        assert seen + b''.join(chunks) == CONTENT
        assert backend.read('new') == b'newer'
        assert set(backend.list_files()) == {'x', 'new'}


class Breaking:
    """Makes an operation on a collection fail, before it is sent or after it was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._operation = ''
        self._left = self.struck = 0
        for method in ('find', 'find_one', 'insert_one', 'insert_many', 'update_one', 'delete_many'):
            monkeypatch.setattr(Collection, method, self._wrapped(method, getattr(Collection, method)))

    def strike(
        self,
        operation: str,
        error: Exception,
        *,
        after: bool = False,
        times: int = 1,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Fail at *operation*, such as ``insert_one files``, so many times; with *after*, the first one is done all the same.

        What happens *meanwhile* happens before each of them fails.
        """
        self._operation, self._error, self._after, self._left, self.struck = operation, error, after, times, 0
        self._meanwhile = meanwhile

    def _wrapped(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def operation(collection: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._left or self._operation != f'{method} {collection.name.rpartition(".")[2]}':
                return inner(collection, *args, **kwargs)
            self._left -= 1
            self.struck += 1
            if self._after:
                self._after = False
                inner(collection, *args, **kwargs)
            self._meanwhile()
            raise self._error

        return operation


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Breaking:
    return Breaking(monkeypatch)


@pytest.fixture
def plain(make: BackendFactory) -> GridFSBackend:
    """A backend whose client tries nothing again by itself, as with a server that is no replica set."""
    backend = make(mongo_options={'retryWrites': False, 'retryReads': False})
    backend.write('x', b'old content')
    backend.write('taken', b'taken')
    return backend


def left(database: Database[Any]) -> dict[str, int]:
    """The number of documents of each name, and of chunks without any."""
    documents = list(database['docs.files'].find())
    lost = set(database['docs.chunks'].distinct('files_id')) - {document['_id'] for document in documents}
    names = [document['filename'] for document in documents]
    return {**{name: names.count(name) for name in names}, **({'lost': len(lost)} if lost else {})}


CHANGES: Mapping[str, tuple[Callable[[GridFSBackend], object], list[str], dict[str, bytes]]] = {
    'replace': (
        lambda backend: backend.write('x', b'new'),
        ['insert_many chunks', 'insert_one files', 'update_one files', 'delete_many files', 'delete_many chunks'],
        {'x': b'new', 'taken': b'taken'},
    ),
    'create': (
        lambda backend: backend.write('y', b'new', overwrite=False),
        ['insert_many chunks', 'insert_one files'],
        {'x': b'old content', 'taken': b'taken', 'y': b'new'},
    ),
    'move': (
        lambda backend: backend.move('x', 'taken'),
        ['update_one files', 'delete_many files', 'delete_many chunks'],
        {'taken': b'old content'},
    ),
    'move and create': (
        lambda backend: backend.move('x', 'y', overwrite=False),
        ['update_one files'],
        {'y': b'old content', 'taken': b'taken'},
    ),
    'delete': (lambda backend: backend.delete('x'), ['delete_many files', 'delete_many chunks'], {'taken': b'taken'}),
}


@pytest.mark.parametrize('after', [False, True], ids=['before it arrives', 'after it was done'])
@pytest.mark.parametrize(
    ('change', 'operation'),
    [(change, operation) for change, (_, operations, _) in CHANGES.items() for operation in operations],
)
def test_a_command_whose_connection_dies_is_sent_again(
    plain: GridFSBackend, database: Database[Any], breaking: Breaking, change: str, operation: str, *, after: bool
) -> None:
    """Once, whether it had been done or not: the outcome is the same as without."""
    act, _, expected = CHANGES[change]
    breaking.strike(operation, AutoReconnect('the connection was cut'), after=after)
    act(plain)
    assert breaking.struck == 1
    assert {name: plain.read(name) for name in plain.list_files()} == expected
    assert dict.fromkeys(expected, 1) == left(database)


def test_a_creation_that_meets_another_writer_after_its_connection_died_has_failed(
    plain: GridFSBackend, make: BackendFactory, database: Database[Any], breaking: Breaking
) -> None:
    """What is there then is not its own, sent before: it is somebody else's."""
    rival = make()
    error = AutoReconnect('the connection was cut')
    breaking.strike('insert_one files', error, meanwhile=lambda: rival.write('new', b'of a rival', overwrite=False))
    with pytest.raises(fs.FileExists):
        plain.write('new', b'mine', overwrite=False)
    assert plain.read('new') == b'of a rival'
    assert left(database) == {'x': 1, 'taken': 1, 'new': 1}


def test_a_client_that_awaits_no_responses_gets_them_here(make: BackendFactory, mongo_service: MongoService) -> None:
    backend = make(mongo_url=f'{mongo_service.url}/?w=0')
    backend.write('x', b'1', overwrite=False)
    with pytest.raises(fs.FileExists):
        backend.write('x', b'2', overwrite=False)
    backend.write('x', b'3')
    assert make().read('x') == b'3'


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[MongoClient[Any]]:
    """The clients that were closed."""
    clients: list[MongoClient[Any]] = []
    close = MongoClient.close

    def note(client: MongoClient[Any]) -> None:
        clients.append(client)
        close(client)

    monkeypatch.setattr(MongoClient, 'close', note)
    return clients


def test_a_child_does_not_close_the_client_of_its_parent(make: BackendFactory, closed: list[MongoClient[Any]]) -> None:
    """Closing would end the parent's sessions at the server."""
    used = [make(mongo_options={'appname': 'parent'})]
    used[0].write('x', b'1')
    # What earlier tests have left is not counted.
    gc.collect()
    context = multiprocessing.get_context('fork')
    results = context.Queue()

    def work() -> None:
        before = len(closed)
        used.clear()
        gc.collect()
        results.put(len(closed) - before)

    child = context.Process(target=work)
    child.start()
    assert results.get(timeout=60) == 0
    child.join()
    assert child.exitcode == 0
    assert used[0].read('x') == b'1'


def test_a_client_that_nobody_uses_any_more_is_closed(make: BackendFactory, closed: list[MongoClient[Any]]) -> None:
    used = [make(mongo_options={'appname': 'closed'})]
    client = used[0].client
    used.clear()
    gc.collect()
    assert any(client is each for each in closed)


@pytest.mark.parametrize('change', CHANGES)
def test_a_server_that_is_too_slow_gets_no_second_request(
    plain: GridFSBackend, breaking: Breaking, change: str
) -> None:
    """Whoever has waited for half a minute does not want to wait for another one."""
    act, operations, _ = CHANGES[change]
    breaking.strike(operations[0], NetworkTimeout('timed out'), times=2)
    with pytest.raises(fs.Unavailable, match='timed out'):
        act(plain)
    assert breaking.struck == 1
    assert plain.read('x') == b'old content'


@pytest.mark.parametrize('after', [False, True], ids=['before it arrives', 'after it was done'])
def test_a_file_whose_document_is_in_doubt_is_whole_or_not_there(
    plain: GridFSBackend, database: Database[Any], breaking: Breaking, *, after: bool
) -> None:
    """When nobody can say whether the document has arrived, it is removed before its chunks are."""
    breaking.strike('insert_one files', AutoReconnect('the connection was cut'), after=after, times=2)
    with pytest.raises(fs.Unavailable):
        plain.write('x', b'new')
    assert plain.read('x') == b'old content'
    assert left(database) == {'x': 1, 'taken': 1}


@pytest.mark.parametrize('error', [NotPrimaryError('not primary'), WaitQueueTimeoutError('no connection is free')])
def test_a_busy_server_is_no_absence(plain: GridFSBackend, breaking: Breaking, error: Exception) -> None:
    for operation, verb in (
        ('find_one files', lambda: plain.exists('missing')),
        ('find_one files', lambda: plain.read('x')),
        ('find chunks', lambda: plain.read('x')),
        ('find files', lambda: list(plain.list_files())),
    ):
        breaking.strike(operation, error)
        with pytest.raises(fs.Unavailable) as caught:
            verb()
        assert caught.value.__cause__ is error
