"""Bodies of responses: read to the end or not, their connection is released exactly once."""

from __future__ import annotations

import gc
import io
import os
from typing import IO, Any, cast

import pytest

import flask_fs as fs
from flask_fs.backends import Opened
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.response_stream import DRAIN_BYTES, READ_BYTES, ResponseStream

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Body(ResponseStream):
    """A body that arrives by at most *step* bytes at a time and breaks off after *until* ones."""

    def __init__(self, content: bytes = CONTENT, step: int = 1 << 30, until: int = 1 << 30) -> None:
        self.content = content
        self.step = step
        self.until = until
        self.received = 0
        self.sizes: list[int] = []
        self.released: list[bool] = []
        super().__init__(len(content))

    def _receive(self, size: int) -> bytes:
        self.sizes.append(size)
        if self.received >= self.until:
            raise ConnectionError
        piece = self.content[self.received : self.received + min(size, self.step)]
        self.received += len(piece)
        return piece

    def _release(self, *, reusable: bool) -> None:
        self.released.append(reusable)


@pytest.mark.parametrize('step', [1 << 30, 100_000, 7])
def test_all_of_a_body_is_read_in_bounded_pieces(step: int) -> None:
    content = CONTENT[: 10_000 if step == 7 else None]
    body = Body(content, step)
    assert body.read() == content
    assert max(body.sizes) <= READ_BYTES
    assert body.released == [True]
    assert body.read() == b''
    assert body.read(1) == b''
    body.close()
    assert body.released == [True]


def test_a_body_is_read_piece_by_piece() -> None:
    body = Body()
    buffer = bytearray(1000)
    assert body.read(100) == CONTENT[:100]
    assert body.readinto(buffer) == 1000
    assert bytes(buffer) == CONTENT[100:1100]
    assert body.read(600_000) == CONTENT[1100:601_100]
    assert body.readall() == CONTENT[601_100:]
    assert body.readinto(buffer) == 0
    assert body.released == [True]


def test_an_empty_body_releases_its_connection_when_it_is_closed() -> None:
    body = Body(b'')
    assert body.read() == b''
    body.close()
    assert body.released == [True]


@pytest.mark.parametrize('step', [1 << 30, 1000])
def test_a_short_rest_is_received_so_that_the_connection_can_be_used_again(step: int) -> None:
    body = Body(CONTENT[: DRAIN_BYTES + 1], step)
    body.read(1)
    body.close()
    assert body.received == DRAIN_BYTES + 1
    assert body.released == [True]


def test_a_long_rest_is_not_received() -> None:
    body = Body(CONTENT[: DRAIN_BYTES + 1])
    body.close()
    assert body.received == 0
    assert body.released == [False]


def test_a_dropped_body_is_closed() -> None:
    body = Body(CONTENT[:10])
    released = body.released
    del body
    gc.collect()
    assert released == [True]


def test_what_breaks_off_is_never_taken_for_the_end() -> None:
    body = Body(step=10, until=30)
    with pytest.raises(ConnectionError):
        body.read()
    assert body.released == [False]
    with pytest.raises(ConnectionError):
        body.read(1)
    body.close()
    assert body.released == [False]


def test_a_rest_that_cannot_be_received_is_no_error() -> None:
    body = Body(CONTENT[:100], step=10, until=30)
    body.close()
    assert body.released == [False]


def test_nothing_is_read_from_a_closed_body() -> None:
    body = Body()
    body.close()
    for read in (body.read, body.readall, lambda: body.readinto(bytearray(1)), lambda: body.read(0)):
        with pytest.raises(ValueError, match='closed'):
            read()


def test_a_child_leaves_the_connection_of_its_parent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body(CONTENT[:10])
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    body.close()
    assert body.received == 0
    assert body.released == [False]


def test_functions_are_enough_for_a_body() -> None:
    content, released = io.BytesIO(CONTENT), []
    body = ResponseStream(len(CONTENT), content.read, lambda: released.append(True))
    assert body.read(10) == CONTENT[:10]
    assert body.read() == CONTENT[10:]
    assert released == [True]
    body.close()
    assert released == [True]


def test_a_body_that_ends_before_its_length_is_never_taken_for_a_whole_one() -> None:
    """Whatever the client says, or does not say, of a connection that was cut."""
    released: list[bool] = []

    class Cut(MemoryBackend):
        errors = (KeyError,)

        def _open(self, name: str, *_: Any, **__: Any) -> Opened:
            stream = ResponseStream(20, io.BytesIO(b'ten bytes.').read, lambda: released.append(True))
            return Opened(self._stat(name), cast('IO[bytes]', stream))

    backend = Cut('avatars')
    backend.write('x', bytes(20))
    with pytest.raises(fs.Unavailable, match='10 bytes early') as caught:
        backend.read('x')
    assert (type(caught.value), caught.value.filename) == (fs.Unavailable, 'x')
    assert released == [True]
