"""One connection of a client, from its first byte to its last, in a thread of its own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from .faults import Fault, Faults
from .records import Records
from .sockets import BUFFER_BYTES, BufferedSocket, Poller, Waker

#: How long the server behind the proxy may take to accept a connection.
CONNECT_TIMEOUT_S = 10


class Closed(Exception):
    """The connection is to be closed now."""


class Relay:
    """Carries bytes between one client and the server, in bounded memory, whatever the protocol.

    :param sock: The client's connection.
    :param server: Where the server is.
    :param faults: What is to go wrong.
    :param records: Where to count.
    """

    def __init__(self, sock: socket.socket, server: tuple[str, int], faults: Faults, records: Records) -> None:
        self.faults = faults
        self.records = records
        self.record = records.connected()
        self.client = BufferedSocket(sock)
        self._server = server
        self.upstream: BufferedSocket | None = None
        #: Before this time the client is sent nothing.
        self.silent_until = 0.0
        self._stopped = False
        self._waker = Waker()
        self._poller = Poller(self._waker)
        self._thread = threading.Thread(target=self._run, name=f'fault-proxy-{self.record.number}', daemon=True)

    def start(self) -> None:
        """Begin to carry bytes."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Look again whether what was waited for has come."""
        self._waker.wake()

    def stop(self) -> None:
        """Close the connection, and wait until that is done."""
        self._stopped = True
        self._waker.wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            # A ConnectionError, or a server that cannot be reached, ends the client's connection too.
            with contextlib.suppress(Closed, OSError):
                self.carry()
        finally:
            self._poller.close()
            self._waker.close()
            for side in (self.client, self.upstream):
                if side is not None:
                    side.sock.close()
            self.records.disconnected(self.record)

    def carry(self) -> None:
        """Carry everything there is."""
        self.tunnel(self.connect(), self._faulty_up, self._faulty_down)

    def connect(self) -> BufferedSocket:
        """The connection to the server, made when it is first needed."""
        if self.upstream is None:
            self.upstream = BufferedSocket(socket.create_connection(self._server, timeout=CONNECT_TIMEOUT_S))
        return self.upstream

    def tunnel(self, upstream: BufferedSocket, up: Callable[[bytes], None], down: Callable[[bytes], None]) -> None:
        """Carry bytes both ways, whatever they mean, until both sides have ended.

        :param up: Called with the client's bytes, to pass them on.
        :param down: Called with the server's bytes, to pass them on.
        """
        client = self.client
        while not (client.drained and upstream.drained and not client.outbox and not upstream.outbox):
            if client.inbox and len(upstream.outbox) < BUFFER_BYTES:
                up(all_of(client.inbox))
            if upstream.inbox and len(client.outbox) < BUFFER_BYTES:
                down(all_of(upstream.inbox))
            if client.drained and not upstream.outbox:
                upstream.finish()
            if upstream.drained and not client.outbox:
                client.finish()
            self.step()

    def pass_up(self, data: bytes) -> None:
        """Send *data* to the server."""
        self.record.bytes_up += len(data)
        self.connect().outbox += data

    def pass_down(self, data: bytes) -> None:
        """Send *data* to the client."""
        self.record.bytes_down += len(data)
        self.client.outbox += data

    def step(self) -> None:
        """Wait until something can be received or sent, and do it.

        :raises Closed: If the proxy is closing, or the client is gone.
        """
        silence_s = self.silent_until - time.monotonic()
        wanted = {self.client: _events(self.client, may_send=silence_s <= 0)}
        if self.upstream is not None:
            wanted[self.upstream] = _events(self.upstream)
        self._poller.wait(wanted, silence_s if silence_s > 0 else None)
        if self._stopped or self.client.broken:
            raise Closed

    def flush(self, side: BufferedSocket) -> None:
        """Send all that *side* still has to send."""
        while side.outbox:
            self.step()

    def delay(self, fault: Fault) -> None:
        """Send the client nothing for as long as *fault* says."""
        self.silent_until = time.monotonic() + fault.delay_s

    def part(self) -> NoReturn:
        """Close the connection when the client has read all, though it may still be sending.

        Closing at once would make its system forget what it has not read yet (RFC 9112 §9.6).

        :raises Closed: Always.
        """
        self.flush(self.client)
        self.client.finish()
        while not self.client.ended:
            self.client.inbox.clear()
            self.step()
        raise Closed

    def hold(self) -> None:
        """Wait until the proxy releases it, or the client gives up.

        :raises Closed: If the client gave up.
        """
        released = self.records.hold()
        try:
            while not released():
                if self.client.ended:
                    raise Closed
                self.step()
        finally:
            self.records.unhold()

    # --- Faults that need no requests.

    def _faulty_up(self, data: bytes) -> None:
        struck = self.faults.for_bytes(('hang', 'cut_upload'), self.record.number, len(data))
        if struck is None:
            self.pass_up(data)
            return
        fault, allowed = struck
        self.pass_up(data[:allowed])
        if fault.kind == 'cut_upload':
            self.flush(self.connect())
            raise Closed
        self.hold()
        self.pass_up(data[allowed:])

    def _faulty_down(self, data: bytes) -> None:
        struck = self.faults.for_bytes(('delay', 'cut_download'), self.record.number, len(data))
        if struck is None:
            self.pass_down(data)
            return
        fault, allowed = struck
        if fault.kind == 'cut_download':
            self.pass_down(data[:allowed])
            self.flush(self.client)
            raise Closed
        self.delay(fault)
        self.pass_down(data)


def _events(side: BufferedSocket, *, may_send: bool = True) -> int:
    events = 0
    if not side.ended and len(side.inbox) < BUFFER_BYTES:
        events |= selectors.EVENT_READ
    if side.outbox and may_send:
        events |= selectors.EVENT_WRITE
    return events


def all_of(inbox: bytearray) -> bytes:
    """What is in *inbox*, removed from it."""
    data = bytes(inbox)
    inbox.clear()
    return data
