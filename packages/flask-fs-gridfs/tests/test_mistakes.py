"""Mistakes in the settings, and what the error says about them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo.errors import ServerSelectionTimeoutError

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend
from flask_fs_gridfs.errors import kind_of, reason_for
from flask_fs_testing.servers import MongoService

QUICKLY = {'serverSelectionTimeoutMS': 300}
NAMES = 'DOCS_FS_MONGO_URL and FS_GRIDFS_MONGO_URL'


def unavailable(url: str) -> str:
    backend = GridFSBackend('docs', {'mongo_url': url, 'mongo_options': QUICKLY})
    with pytest.raises(fs.Unavailable) as raised:
        backend.read('x')
    return str(raised.value)


@pytest.fixture
def web_server() -> Iterator[int]:
    """The port of a server that sends the same HTTP response to everything."""
    with socket.create_server(('127.0.0.1', 0)) as server:

        def respond() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')

        threading.Thread(target=respond, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_not_there_is_reported_with_the_setting_of_its_url() -> None:
    message = unavailable('mongodb://127.0.0.1:9/office')
    assert '127.0.0.1:9: ' in message
    assert message.endswith(f'. Check {NAMES}.')


def test_a_web_server_is_reported_with_the_setting_of_its_url(web_server: int) -> None:
    assert unavailable(f'mongodb://127.0.0.1:{web_server}/office').endswith(f'. Check {NAMES}.')


@pytest.mark.parametrize('verb', [lambda backend: backend.read('x'), lambda backend: backend.write('x', b'')])
def test_a_wrong_password_is_reported_without_it(mongo_service: MongoService, verb: Any) -> None:
    server = urlsplit(mongo_service.url).netloc.rpartition('@')[2]
    settings = {'mongo_url': f'mongodb://me:hidden@{server}/office', 'mongo_options': QUICKLY}
    backend = GridFSBackend('docs', settings)
    with pytest.raises(fs.PermissionDenied, match=f'check the user and password in {NAMES}') as raised:
        verb(backend)
    assert 'hidden' not in str(raised.value)


def test_a_login_that_pymongo_repeats_until_it_gives_up_is_no_missing_server() -> None:
    error = ServerSelectionTimeoutError("full error: {'ok': 0.0, 'errmsg': 'words', 'code': 18}, Timeout: 5s, Topology")
    reason = reason_for(error, location='docs', settings='DOCS_FS_', connection='mongo_client')
    assert kind_of(error) is fs.PermissionDenied
    assert reason == (
        'docs: the server does not accept this login; check the user and password in DOCS_FS_MONGO_CLIENT and '
        'FS_GRIDFS_MONGO_CLIENT'
    )


@pytest.mark.parametrize('password', ['a@b/c', 'a/b', 'a/b@c'])
@pytest.mark.parametrize('scheme', ['mongodb', 'mongodb+srv'])
def test_a_password_that_is_not_encoded_is_refused_before_its_parts_become_hosts(scheme: str, password: str) -> None:
    with pytest.raises(fs.ConfigurationError, match='user and password percent-encoded') as raised:
        GridFSBackend('docs', {'mongo_url': f'{scheme}://me:{password}@db.example.org/office'})
    assert password not in str(raised.value)


def test_options_may_contain_an_at_sign() -> None:
    GridFSBackend('docs', {'mongo_url': 'mongodb://127.0.0.1/office?appname=a@b/c'})
