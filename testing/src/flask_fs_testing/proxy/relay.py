"""One connection of a client, from its first byte to its last."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import ClassVar, NoReturn

from .faults import Fault, Faults, Kind
from .records import ProxiedConnection, Records
from .sockets import BUFFER_BYTES, BufferedSocket, take

#: The timeout for the server behind the proxy to accept a connection.
CONNECT_TIMEOUT_S = 10


class Closed(Exception):
    """The connection has to be closed now."""


class Relay:
    """Carries bytes between one client and the server, in bounded memory, whatever the protocol.

    Created and used in the thread of an event loop.

    :param sock: The client's connection.
    :param server: Where the server is.
    :param faults: The planned faults.
    :param records: Where to count.
    """

    #: The faults that strike bytes, whatever the protocol, on their way up and down.
    faults_up: ClassVar[tuple[Kind, ...]] = ('hang', 'cut_upload')
    faults_down: ClassVar[tuple[Kind, ...]] = ('delay', 'cut_download')

    def __init__(self, sock: socket.socket, server: tuple[str, int], faults: Faults, records: Records) -> None:
        self.faults = faults
        self.records = records
        self.record = ProxiedConnection(len(records.connections))
        records.connections.append(self.record)
        records.note()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        #: Makes waiting code check again.
        self.wake = self._changed.set
        self.client = BufferedSocket(sock, self._loop, self.wake)
        self._server = server
        self.upstream: BufferedSocket | None = None
        #: How many delays are not over yet: meanwhile nothing is sent to the client.
        self._delays = 0
        self._stopped = False

    def stop(self) -> None:
        """Close the connection soon."""
        self._stopped = True
        self.wake()

    async def run(self) -> None:
        """Carry everything, and close both sides."""
        try:
            # A ConnectionError, or a server that cannot be reached, ends the client's connection too.
            with contextlib.suppress(Closed, OSError):
                await self.carry()
        finally:
            self.client.close()
            if self.upstream is not None:
                self.upstream.close()
            self.record.is_open = False
            self.records.note()

    async def connect(self) -> BufferedSocket:
        """The connection to the server, opened when it is first needed."""
        if self.upstream is None:
            connecting = self._loop.run_in_executor(None, socket.create_connection, self._server, CONNECT_TIMEOUT_S)
            self.upstream = BufferedSocket(await connecting, self._loop, self.wake)
        return self.upstream

    async def carry(self) -> None:
        """Carry bytes both ways, whatever the protocol, until both sides have ended."""
        client, upstream = self.client, await self.connect()
        while not (client.drained and upstream.drained and not client.outbox and not upstream.outbox):
            if client.inbox and len(upstream.outbox) < BUFFER_BYTES:
                await self._pass(client, upstream, self.faults_up)
            if upstream.inbox and len(client.outbox) < BUFFER_BYTES:
                await self._pass(upstream, client, self.faults_down)
            if client.drained and not upstream.outbox:
                upstream.finish()
            if upstream.drained and not client.outbox:
                client.finish()
            await self.step()

    async def _pass(self, source: BufferedSocket, target: BufferedSocket, faults: tuple[Kind, ...]) -> None:
        """Pass on what *source* has sent, if none of *faults* strikes it."""
        struck = self.faults.for_bytes(faults, self.record.number, len(source.inbox))
        if struck is not None:
            fault, allowed = struck
            self.send(target, take(source.inbox, allowed))
            if fault.kind == 'hang':
                await self.hold()
            elif fault.kind == 'delay':
                self.delay(fault)
            else:
                await self.flush(target)
                raise Closed
        self.send(target, take(source.inbox))

    def send(self, target: BufferedSocket, data: bytes) -> None:
        """Send *data* to the client or the server."""
        if target is self.client:
            self.record.bytes_down += len(data)
        else:
            self.record.bytes_up += len(data)
        target.outbox += data

    async def step(self) -> None:
        """Wait until something can be received or sent, and do it.

        :raises Closed: If the proxy is closing, or the client is gone.
        """
        sent_all = self.client.watch(may_send=not self._delays)
        if self.upstream is not None:
            sent_all |= self.upstream.watch()
        self._changed.clear()
        if not (sent_all or self._stopped):
            await self._changed.wait()
        if self._stopped or self.client.broken:
            raise Closed

    async def flush(self, side: BufferedSocket) -> None:
        """Send all that *side* still has to send."""
        while side.outbox:
            await self.step()

    def delay(self, fault: Fault) -> None:
        """Send nothing to the client for the delay of *fault*."""
        self._delays += 1
        self._loop.call_later(fault.delay_s, self._end_delay)

    def _end_delay(self) -> None:
        self._delays -= 1
        self.wake()

    async def part(self) -> NoReturn:
        """Close the connection when the client has read everything, even if it is still sending.

        Closing immediately would make its system discard what it has not read yet (RFC 9112 §9.6).

        :raises Closed: Always.
        """
        await self.flush(self.client)
        self.client.finish()
        while not self.client.ended:
            self.client.inbox.clear()
            await self.step()
        raise Closed

    async def hold(self) -> None:
        """Wait until the proxy releases it, or the client gives up.

        :raises Closed: If the client gave up.
        """
        records, before = self.records, self.records.releases
        records.held += 1
        records.note()
        try:
            while records.releases == before:
                if self.client.ended:
                    raise Closed
                await self.step()
        finally:
            records.held -= 1
            records.note()
