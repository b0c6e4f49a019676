"""A supervisor and its users, each with a peer of the test on the other side."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_fs_testing.servers import supervisor
from flask_fs_testing.servers.connection import Address, Connection

WAIT_S = 20


@contextlib.contextmanager
def saying(*lines: bytes) -> Iterator[Address]:
    """The address of a peer that sends *lines* to one user and closes the connection."""
    with socket.create_server(('127.0.0.1', 0)) as listener:

        def say() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b''.join(lines))

        thread = threading.Thread(target=say)
        thread.start()
        yield Address(listener.getsockname()[1], 'ours')
        thread.join()


HELLO = b'{"token": "ours", "pids": {"small": 7}}\n'


def test_a_supervisor_that_has_gone_is_reported_after_what_it_said() -> None:
    with saying(HELLO, b'{"ended": "small ended with exit code 1"}\n') as address:
        connection = Connection(address)
    assert connection.pids == {'small': 7}
    ended: list[str] = []
    while len(ended) < 2:
        ended = connection.ended()
    assert ended == ['small ended with exit code 1', 'The supervisor has ended.']
    connection.leave()


@pytest.mark.parametrize(
    ('said', 'error', 'message'),
    [
        (b'', ConnectionError, 'The supervisor has ended'),
        (b'{"token": "ou', ConnectionError, 'The supervisor has ended'),
        (b'["ours"]\n', ValueError, 'Another program responds'),
        (b'{"token": "theirs"}\n', ValueError, 'Another program responds'),
        (b'SSH-2.0\n', ValueError, 'Expecting value'),
    ],
)
def test_who_is_no_supervisor_is_no_connection(said: bytes, error: type[Exception], message: str) -> None:
    with saying(said) as address, pytest.raises(error, match=message):
        Connection(address)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Callable[[], socket.socket], threading.Thread]]:
    """What connects to a supervisor of nothing, and the thread that it runs in."""
    monkeypatch.setattr(supervisor, 'FIRST_USER_S', 1)
    users: list[socket.socket] = []
    with socket.create_server(('127.0.0.1', 0)) as listener, contextlib.ExitStack() as stack:
        thread = threading.Thread(target=supervisor.serve, args=(listener, users, {}, 'ours'))

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(listener.getsockname(), WAIT_S))

        thread.start()
        yield connect, thread
        thread.join(WAIT_S)
    for user in users:
        user.close()


def test_a_supervisor_without_a_first_user_ends(serving: Any) -> None:
    _, thread = serving
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_supervisor_looks_at_nothing_that_users_say_and_stays_for_the_last(serving: Any) -> None:
    connect, thread = serving
    first, second = connect(), connect()
    for user in (first, second):
        assert json.loads(user.recv(1000)) == {'token': 'ours', 'pids': {}}
    first.sendall(b'{"token": "theirs"}\n')
    # Leaving without a word of goodbye: the operating system resets the connection.
    second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    second.close()
    third = connect()
    assert json.loads(third.recv(1000)) == {'token': 'ours', 'pids': {}}
    third.close()
    thread.join(0.2)
    assert thread.is_alive()
    first.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
