"""Interrupts strike at the calls of one thread, and nothing of them is left afterwards."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from flask_fs_testing import interrupts
from flask_fs_testing.interrupts import INTERRUPTS, Moments, interrupting


def write_two(folder: Path) -> None:
    (folder / 'a').write_text('1', encoding='utf-8')
    (folder / 'b').write_text('2', encoding='utf-8')


@pytest.mark.parametrize('error', INTERRUPTS)
def test_one_comes_right_before_the_call_of_its_number(error: type[BaseException], tmp_path: Path) -> None:
    with interrupting(error) as moments:
        write_two(tmp_path)
    assert (moments.count, moments.struck, moments.on_network) == (2, False, False)
    (tmp_path / 'b').unlink()
    with pytest.raises(error), interrupting(error, at=2) as moments:
        write_two(tmp_path)
    assert moments.struck
    assert os.listdir(tmp_path) == ['a']


def test_removing_is_not_interrupted(tmp_path: Path) -> None:
    write_two(tmp_path)
    with interrupting(KeyboardInterrupt, at=1) as moments:
        (tmp_path / 'a').unlink()
    assert not moments.struck


def test_other_threads_are_left_alone(tmp_path: Path) -> None:
    thread = threading.Thread(target=write_two, args=(tmp_path,))
    with interrupting(KeyboardInterrupt, at=1) as moments:
        thread.start()
        thread.join()
    assert moments.count == 0
    assert (tmp_path / 'b').exists()


def exchange(client: socket.socket, server: socket.socket) -> bytes:
    client.sendall(b'request')
    server.send(b'response')
    return client.recv(100)


@pytest.mark.parametrize('at', [1, 2, 3])
def test_sending_is_interrupted_before_and_receiving_after_it(at: int) -> None:
    client, server = socket.socketpair()
    with client, server:
        with pytest.raises(KeyboardInterrupt), interrupting(KeyboardInterrupt, at) as moments:
            exchange(client, server)
        assert moments.on_network
        for end in (client, server):
            end.setblocking(False)
        # Of the request, what was sent before the interrupt; of the response nothing, as it came or was never sent.
        received = b'request' if at > 1 else b''
        assert (_received(server), _received(client)) == (received, b'')


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(100)
    except BlockingIOError:
        return b''


def test_nothing_is_left_of_it() -> None:
    before = dict(vars(socket.socket))
    with pytest.raises(KeyboardInterrupt), interrupting(KeyboardInterrupt, at=1):
        os.listdir()
    assert gc.isenabled()
    assert dict(vars(socket.socket)) == before
    with open(os.devnull, 'rb'):
        pass


def test_without_greenlet_something_else_that_is_no_exception_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'greenlet', None)
    stand_in = interrupts._greenlet_exit()
    assert issubclass(stand_in, BaseException)
    assert not issubclass(stand_in, Exception)
    with pytest.raises(stand_in):
        Moments(stand_in, 1).come()
