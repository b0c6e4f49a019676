"""Sockets that an event loop receives from and sends to, no more than a buffer ahead."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

#: How much may wait in memory for one direction of one connection, in bytes.
BUFFER_BYTES = 64 * 1024


class BufferedSocket:
    """One socket, with what was received and not yet looked at, and what is still to be sent.

    Not one of asyncio's transports: these drop what was received when sending fails.

    :param changed: Called when something was received or sent.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> None:
        sock.setblocking(False)
        # What came in one piece goes on in one piece; waiting for more would only slow tests down.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._loop = loop
        self._changed = changed
        self.inbox = bytearray()
        self.outbox = bytearray()
        #: Whether the other side will send no more.
        self.ended = False
        #: Whether the other side is gone, and takes nothing any more.
        self.broken = False
        self._finished = False

    @property
    def drained(self) -> bool:
        """Whether the other side will send no more, and all that it sent was looked at."""
        return self.ended and not self.inbox

    def watch(self, *, may_send: bool = True) -> bool:
        """Send what the network takes now, and wait for more in both directions. True if this sent all there was to send."""
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
            # What the other side said before it left can still be received.
            self.broken = True
            sent = len(self.outbox)
        del self.outbox[:sent]

    def finish(self) -> None:
        """Say that nothing more will come; after that the other side may still send."""
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
