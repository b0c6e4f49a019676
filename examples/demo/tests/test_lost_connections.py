"""An upload whose connection is lost before its end, over a real socket."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import struct
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

# Werkzeug drops what it has of an incomplete form without closing it: its temporary file, which has no name.
pytestmark = pytest.mark.filterwarnings('ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning')

CONTENT = os.urandom(200_000)
HEAD = (
    b'--border\r\nContent-Disposition: form-data; name="file"; filename="notes.txt"\r\nContent-Type: text/plain\r\n\r\n'
)
CONFLICT = b'\r\n--border\r\nContent-Disposition: form-data; name="conflict"\r\n\r\nreplace'
FORM = HEAD + CONTENT + CONFLICT + b'\r\n--border--\r\n'


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Garbage is gone before the next test, whose warnings are its own."""
    yield
    gc.collect()


@contextlib.contextmanager
def uploading(app: Flask) -> Generator[socket.socket]:
    """A connection to the application on which a form was announced. Afterwards the server has done all it will."""
    server = make_server('127.0.0.1', 0, app, threaded=True)
    # So that closing the server waits for the requests it still answers.
    vars(server)['daemon_threads'] = False
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    try:
        with socket.create_connection(('127.0.0.1', server.port), timeout=10) as connection:
            connection.sendall(
                f'POST /files HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Pigeonhole: 1\r\n'
                f'Content-Length: {len(FORM)}\r\nContent-Type: multipart/form-data; boundary=border\r\n\r\n'.encode()
            )
            yield connection
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def received(connection: socket.socket) -> bytes:
    return b''.join(iter(lambda: connection.recv(65536), b''))


def stored(tmp_path: Path) -> list[str]:
    """Every file on the disk, half ones and temporary ones included."""
    return [path.name for path in tmp_path.rglob('*') if path.is_file()]


@pytest.fixture
def old(files: Any) -> bytes:
    files.write('notes.txt', 'the old ones')
    return b'the old ones'


# Within the headers of the file, in its content, and between its end and the end of the form.
@pytest.mark.parametrize('sent', [0, 60, len(HEAD) + 1, len(HEAD) + 150_000, len(HEAD + CONTENT) + 20, len(FORM) - 5])
@pytest.mark.parametrize('how', ['closed', 'reset'])
def test_nothing_is_stored_and_the_old_file_stays(
    app: Flask, files: Any, old: bytes, tmp_path: Path, sent: int, how: str
) -> None:
    with uploading(app) as connection:
        connection.sendall(FORM[:sent])
        if how == 'closed':
            connection.shutdown(socket.SHUT_WR)
            assert received(connection).startswith((b'HTTP/1.1 400 ', b'HTTP/1.0 400 '))
        else:
            # With a linger of 0 s, closing resets the connection (socket(7)).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    assert (files.read('notes.txt'), stored(tmp_path)) == (old, ['notes.txt'])


def test_the_whole_form_is_stored(app: Flask, files: Any, old: bytes, tmp_path: Path) -> None:
    """The control: what the tests above send would replace the file if it arrived."""
    with uploading(app) as connection:
        connection.sendall(FORM)
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).startswith((b'HTTP/1.1 201 ', b'HTTP/1.0 201 '))
    assert (files.read('notes.txt'), stored(tmp_path)) == (CONTENT, ['notes.txt'])
