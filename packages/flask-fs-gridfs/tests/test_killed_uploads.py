"""Processes that are killed while they store a file, and what is swept after them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

PATIENCE_S = 60
OLD = b'old content'
DAY_S = 24 * 60 * 60
BackendFactory = Callable[..., GridFSBackend]


class Endless:
    """Gives so much, reports when that was read, and then nothing, for ever."""

    def __init__(self, after: int, reached: Any) -> None:
        self._left = after
        self._reached = reached

    def read(self, size: int = -1) -> bytes:
        self._left -= size
        if self._left < 0:
            self._reached.set()
            while True:
                time.sleep(PATIENCE_S)
        return bytes(size)


def kill_in_mid_upload(backend: GridFSBackend, name: str, *, create: bool) -> None:
    """Let a child store several batches of chunks, and kill it there."""
    context = multiprocessing.get_context('fork')
    reached = context.Event()
    child = context.Process(
        target=backend.save, args=(Endless(10_000_000, reached), name), kwargs={'overwrite': not create}
    )
    child.start()
    assert child.pid is not None
    assert reached.wait(PATIENCE_S)
    os.kill(child.pid, signal.SIGKILL)
    child.join(PATIENCE_S)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize('create', [False, True])
def test_a_killed_upload_leaves_the_old_file_whole_and_nothing_new(
    backend: GridFSBackend, database: Database[Any], *, create: bool
) -> None:
    backend.write('old', OLD)
    name = 'new' if create else 'old'
    kill_in_mid_upload(backend, name, create=create)
    assert {found: backend.read(found) for found in backend.list_files()} == {'old': OLD}
    assert not backend.exists('new')
    assert 255 * 1024 * database['docs.chunks'].count_documents({}) > 7_000_000
    # Of an upload that was heard of within a day nobody can know that it is dead.
    assert backend.sweep() == 0
    assert 255 * 1024 * database['docs.chunks'].count_documents({}) > 7_000_000
    assert backend.sweep(older_than_s=-10) == 1
    assert backend.sweep(older_than_s=-10) == 0
    assert database['docs.chunks'].count_documents({}) == 1
    assert backend.read('old') == OLD
    backend.write('new', b'new', overwrite=False)
    assert backend.read('new') == b'new'


def _orphan(database: Database[Any], age_s: float, **fields: Any) -> None:
    at = int(ObjectId().generation_time.timestamp() - age_s)
    made = ObjectId(at.to_bytes(4, 'big') + os.urandom(8))
    database['docs.chunks'].insert_one({'_id': made, 'files_id': made, 'n': 0, 'data': b'left', **fields})


def test_only_what_is_old_and_has_no_file_is_swept(backend: GridFSBackend, database: Database[Any]) -> None:
    """An upload that has begun long ago is alive if it has sent something lately."""
    backend.write('x', OLD)
    slow = ObjectId()
    _orphan(database, 2 * DAY_S)
    _orphan(database, DAY_S - 600)
    _orphan(database, 3 * DAY_S, files_id=slow)
    _orphan(database, 600, files_id=slow, n=1)
    # Made by a program whose ids contain no time.
    database['docs.chunks'].insert_one({'_id': 'theirs', 'files_id': 'theirs', 'n': 0, 'data': b'left'})
    assert backend.sweep() == 1
    assert database['docs.chunks'].count_documents({}) == 5
    assert backend.sweep(older_than_s=300) == 2
    assert backend.read('x') == OLD
    assert database['docs.chunks'].count_documents({}) == 2


def test_many_are_swept_page_by_page(
    backend: GridFSBackend, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('flask_fs_gridfs.sweep.PAGE_SIZE', 50)
    for number in range(30):
        backend.write(f'x{number}', OLD)
    ids = [ObjectId((0).to_bytes(4, 'big') + os.urandom(8)) for _ in range(130)]
    database['docs.chunks'].insert_many([{'_id': each, 'files_id': each, 'n': 0, 'data': b'left'} for each in ids])
    assert backend.sweep() == 130
    assert database['docs.chunks'].count_documents({}) == len(list(backend.list_files())) == 30


def test_files_of_other_programs_are_not_swept(backend: GridFSBackend, database: Database[Any]) -> None:
    """Their ids may be of any type."""
    for file_id in ('text', 7, {'a': 'document'}, ObjectId((0).to_bytes(4, 'big') + os.urandom(8))):
        database['docs.files'].insert_one({'_id': file_id, 'filename': str(file_id), 'length': 4, 'chunkSize': 1000})
        _orphan(database, 2 * DAY_S, files_id=file_id)
    assert backend.sweep() == 0
    assert {backend.read(name) for name in backend.list_files()} == {b'left'}


def test_a_source_that_fails_leaves_no_chunk(backend: GridFSBackend, database: Database[Any]) -> None:
    class Failing:
        left = 10_000_000

        def read(self, size: int = -1) -> bytes:
            self.left -= size
            if self.left < 0:
                raise RuntimeError('the client went away')
            return bytes(size)

    with pytest.raises(RuntimeError, match='the client went away'):
        backend.save(Failing(), 'x', overwrite=True)
    assert database['docs.chunks'].count_documents({}) == 0


def test_an_upload_that_loses_its_race_leaves_no_chunk(backend: GridFSBackend, database: Database[Any]) -> None:
    class Meanwhile:
        def __init__(self) -> None:
            self.sizes = [5_000_000]

        def read(self, size: int = -1) -> bytes:
            if not self.sizes:
                return b''
            backend.write('x', OLD, overwrite=False)
            return bytes(self.sizes.pop())

    with pytest.raises(fs.FileExists):
        backend.save(Meanwhile(), 'x', overwrite=False)
    assert backend.read('x') == OLD
    assert database['docs.chunks'].count_documents({}) == 1
