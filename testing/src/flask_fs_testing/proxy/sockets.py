"""Sockets for an event loop, which buffer no more than a fixed amount."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

#: The maximum buffered for one direction of one connection, in bytes.
BUFFER_BYTES = 64 * 1024


class BufferedSocket:
    """One socket, with received bytes that are not processed yet, and bytes that still have to be sent.

    Not a transport of asyncio, because these drop received bytes if sending fails.

    :param changed: Called when something was received or sent.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> None:
        sock.setblocking(False)
        # A piece is passed on as it was received; waiting for more would only slow down tests.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._loop = loop
        self._changed = changed
        self.inbox = bytearray()
        self.outbox = bytearray()
        #: Whether the other side will send no more.
        self.ended = False
        #: Whether the other side is gone, and receives nothing anymore.
        self.broken = False
        self._finished = False

    @property
    def drained(self) -> bool:
        """Whether the other side will send no more, and everything that it sent was processed."""
        return self.ended and not self.inbox

    def watch(self, *, may_send: bool = True) -> bool:
        """Send as much as the network accepts now, and wait for more in both directions. True if this sent everything."""
        had_some = bool(self.outbox) and may_send
        if had_some:
            self._send()
        if self.outbox and may_send:
            self._loop.add_writer(self._sock, self._changed)
        else:
            self._loop.remove_writer(self._sock)
        if not self.ended and len(self.inbox) < BUFFER_BYTES:
            self._loop.add_reader(self._sock, self._receive)
        return had_some and not self.outbox

    def _receive(self) -> None:
        try:
            data = self._sock.recv(BUFFER_BYTES)
        except BlockingIOError:  # pragma: no cover - select() may err, and hardly ever does
            return
        except ConnectionError:
            self.broken = True
            data = b''
        self.inbox += data
        self.ended = not data
        if self.ended or len(self.inbox) >= BUFFER_BYTES:
            self._loop.remove_reader(self._sock)
        self._changed()

    def _send(self) -> None:
        try:
            sent = self._sock.send(self.outbox)
        except BlockingIOError:
            return
        except ConnectionError:
            # What the other side sent before it closed can still be received.
            self.broken = True
            sent = len(self.outbox)
        del self.outbox[:sent]

    def finish(self) -> None:
        """Signal that nothing more will be sent; the other side can still send."""
        if not self._finished:
            self._finished = True
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection."""
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()


def take(inbox: bytearray, size: int | None = None) -> bytes:
    """The first *size* bytes of *inbox*, or all of it, removed from it."""
    data = bytes(memoryview(inbox)[:size])
    del inbox[: len(data)]
    return data
