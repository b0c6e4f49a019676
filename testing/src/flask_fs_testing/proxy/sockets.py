"""Sockets that are read and written without ever waiting on one of them alone."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

#: How much may wait in memory for one direction of one connection, in bytes.
BUFFER_BYTES = 64 * 1024


class BufferedSocket:
    """One socket, with what was received and not yet looked at, and what is still to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        # What came in one piece goes on in one piece; waiting for more would only slow tests down.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
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

    def receive(self) -> None:
        """Read what is there, a buffer at most."""
        try:
            data = self.sock.recv(BUFFER_BYTES)
        except BlockingIOError:  # pragma: no cover - select() may err, and hardly ever does
            return
        except ConnectionError:
            self.ended = self.broken = True
            return
        self.inbox += data
        self.ended = not data

    def send(self) -> None:
        """Send what the network takes now."""
        try:
            sent = self.sock.send(self.outbox)
        except BlockingIOError:  # pragma: no cover - select() may err, and hardly ever does
            return
        except ConnectionError:
            # What the other side said before it left can still be received.
            self.broken = True
            sent = len(self.outbox)
        del self.outbox[:sent]

    def finish(self) -> None:
        """Tell the other side that nothing more will come; after that it may still send."""
        if not self._finished:
            self._finished = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)


class Waker:
    """Wakes a thread that waits for sockets."""

    def __init__(self) -> None:
        self.sock, self._write_end = socket.socketpair()
        self.sock.setblocking(False)
        self._lock = threading.Lock()
        self._closed = False

    def wake(self) -> None:
        """Wake the thread, now or when it waits next; nothing happens if it has ended."""
        with self._lock:
            if not self._closed:
                self._write_end.send(b'!')

    def clear(self) -> None:
        """Be ready to wake the thread again."""
        with contextlib.suppress(BlockingIOError):
            self.sock.recv(BUFFER_BYTES)

    def close(self) -> None:
        """Free both ends."""
        with self._lock:
            self._closed = True
            self.sock.close()
            self._write_end.close()


class Poller:
    """Waits until one of several sockets can go on, or the waker rings."""

    def __init__(self, waker: Waker) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(waker.sock, selectors.EVENT_READ)
        self._waker = waker

    def wait(self, sockets: dict[BufferedSocket, int], timeout_s: float | None = None) -> None:
        """Receive and send once on each of *sockets* for which a direction is wanted and possible."""
        for side, events in sockets.items():
            self._want(side, events)
        for key, ready in self._selector.select(timeout_s):
            side = key.data
            if side is None:
                self._waker.clear()
                continue
            if ready & selectors.EVENT_READ:
                side.receive()
            if ready & selectors.EVENT_WRITE:
                side.send()

    def _want(self, side: BufferedSocket, events: int) -> None:
        registered = self._selector.get_map().get(side.sock)
        if registered is None:
            if events:
                self._selector.register(side.sock, events, side)
        elif not events:
            self._selector.unregister(side.sock)
        elif registered.events != events:
            self._selector.modify(side.sock, events, side)

    def close(self) -> None:
        """Free what watching takes."""
        self._selector.close()
