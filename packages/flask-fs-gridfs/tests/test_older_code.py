"""What code for older packages uses of the backend."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database

from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]


def test_client_database_and_gridfs_are_there(backend: GridFSBackend, database: Database[Any]) -> None:
    assert isinstance(backend.client, MongoClient)
    assert isinstance(backend.fs, GridFS)
    assert database.name == backend.db.name
    assert backend.client is backend.db.client
    assert 'docs' in backend.db['docs.files'].full_name


def test_files_are_the_same_by_either_way(backend: GridFSBackend) -> None:
    backend.write('ours.txt', b'ours')
    file_id = backend.fs.put(b'theirs', filename='theirs.txt', content_type='text/plain')
    assert backend.fs.get_last_version('ours.txt').read() == b'ours'
    assert backend.read('theirs.txt') == b'theirs'
    assert backend.fs.list() == list(backend.list_files()) == ['ours.txt', 'theirs.txt']
    assert backend.fs.exists(filename='ours.txt')
    backend.fs.delete(file_id)
    assert not backend.exists('theirs.txt')


def test_nothing_is_made_before_it_is_used(make: BackendFactory) -> None:
    made: list[int] = []

    def give() -> Any:
        made.append(1)
        return MongoClient(make().config.mongo_url, connect=False)

    backend = GridFSBackend('docs', {'mongo_client': give})
    assert made == []
    with backend.client:
        assert backend.fs is not None
        assert made == [1]


def test_a_child_has_a_client_of_its_own(backend: GridFSBackend) -> None:
    backend.fs.put(b'theirs', filename='x')
    client, here = backend.client, multiprocessing.get_context('fork')
    receiver, sender = here.Pipe(duplex=False)

    def look() -> None:
        sender.send((backend.client is client, backend.fs.get_last_version('x').read()))

    child = here.Process(target=look)
    child.start()
    assert receiver.poll(60)
    assert receiver.recv() == (False, b'theirs')
    child.join()
