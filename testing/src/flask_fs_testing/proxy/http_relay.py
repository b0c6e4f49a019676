"""HTTP on one connection: one request after another, each passed on completely or struck by its fault."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from .faults import Fault, Kind
from .framing import Body, Head, Malformed, request_body, response_body, take_head
from .records import ProxiedRequest
from .relay import Closed, Relay
from .sockets import BUFFER_BYTES, BufferedSocket, take


class HttpRelay(Relay):
    """Carries HTTP/1 between one client and the server. Other bytes pass unchanged."""

    faults_up: ClassVar[tuple[Kind, ...]] = ()
    faults_down: ClassVar[tuple[Kind, ...]] = ()

    async def carry(self) -> None:
        try:
            while True:
                await self._exchange(await self._next_head())
        except Malformed:
            await super().carry()

    async def _next_head(self) -> Head:
        client, upstream = self.client, self.upstream
        while (head := take_head(client.inbox)) is None:
            if upstream is not None and upstream.inbox:
                # A response to no request, such as 408 Request Timeout.
                self.send(client, take(upstream.inbox))
            if client.ended or (upstream is not None and upstream.ended):
                await self.flush(client)
                raise Closed
            await self.step()
        return head

    async def _exchange(self, head: Head) -> None:
        method, path, _ = head.line
        request = ProxiedRequest(method, path, head.headers, self.record.number)
        self.records.requests.append(request)
        self.records.note()
        body = request_body(head)
        fault = self.faults.for_request(request)
        if fault is not None and fault.kind == 'respond':
            await self._respond(head, body, request, fault)
            return
        if request.fault == 'hang':
            await self.hold()
        upstream = await self.connect()
        self.send(upstream, head.raw)
        await _Exchange(self, upstream, request, body, fault).run()

    async def _respond(self, head: Head, body: Body, request: ProxiedRequest, fault: Fault) -> None:
        expects = head.has('expect', '100-continue')
        while not (expects or body.done):
            piece = body.take(self.client.inbox, BUFFER_BYTES)
            self.record.bytes_up += len(piece)
            request.bytes_up += len(piece)
            if not piece:
                if self.client.ended:
                    raise Closed
                await self.step()
        # A client that does not get a 100 might or might not send the body (RFC 9110 §10.1.1).
        is_last = expects or head.has('connection', 'close') or head.line[2] == 'HTTP/1.0'
        request.status = fault.status
        content = b'' if request.method == 'HEAD' else fault.body
        request.bytes_down += len(content)
        self.send(self.client, _response_head(fault, is_last) + content)
        self.records.note()
        await self.flush(self.client)
        if is_last:
            await self.part()


@dataclass
class _Exchange:
    """One request and its response, both in transit at the same time."""

    relay: HttpRelay
    upstream: BufferedSocket
    request: ProxiedRequest
    body: Body
    fault: Fault | None
    response: Body | None = None

    async def run(self) -> None:
        """Carry both to their end.

        :raises Closed: If the connection ends before, or with them.
        """
        client, upstream, relay = self.relay.client, self.upstream, self.relay
        while True:
            await self._carry_request()
            await self._carry_response()
            responded = self.response is not None and self.response.done
            if responded and self.body.done and not client.outbox and not upstream.outbox:
                return
            if client.drained and not upstream.outbox:
                upstream.finish()
            if upstream.drained and not client.outbox:
                await relay.part()
            await relay.step()

    async def _carry_request(self) -> None:
        request = self.request
        room = self._room(self.upstream, 'cut_upload', request.bytes_up)
        piece = self.body.take(self.relay.client.inbox, room)
        request.bytes_up += len(piece)
        self.relay.send(self.upstream, piece)
        await self._cut(self.upstream, 'cut_upload', self.body, request.bytes_up)

    async def _carry_response(self) -> None:
        request = self.request
        while self.response is None:
            head = take_head(self.upstream.inbox)
            if head is None:
                return
            self._begin_response(head)
        piece = self.response.take(
            self.upstream.inbox, self._room(self.relay.client, 'cut_download', request.bytes_down)
        )
        if request.fault == 'lose_response':
            if self.response.done:
                raise Closed
            return
        request.bytes_down += len(piece)
        self.relay.send(self.relay.client, piece)
        await self._cut(self.relay.client, 'cut_download', self.response, request.bytes_down)

    def _begin_response(self, head: Head) -> None:
        if head.status >= HTTPStatus.OK:
            self.response = response_body(head, self.request.method)
            self.request.status = head.status
            self.relay.records.note()
            if self.request.fault == 'lose_response':
                return
            if self.fault is not None and self.fault.kind == 'delay':
                self.relay.delay(self.fault)
        self.relay.send(self.relay.client, head.raw)
        if head.status == HTTPStatus.SWITCHING_PROTOCOLS:
            # What follows is not HTTP.
            raise Malformed

    def _room(self, target: BufferedSocket, cut: Kind, passed: int) -> int:
        """How many bytes can be passed to *target* now, after *passed* bytes."""
        return max(0, min(BUFFER_BYTES - len(target.outbox), self._limit(cut) - passed))

    async def _cut(self, target: BufferedSocket, cut: Kind, body: Body, passed: int) -> None:
        """Close the connection if *cut* says so after this many bytes, or at the end of the *body*."""
        limit = self._limit(cut)
        if passed == limit or (body.done and limit < sys.maxsize):
            await self.relay.flush(target)
            raise Closed

    def _limit(self, cut: Kind) -> int:
        fault = self.fault
        return fault.after_bytes if fault is not None and fault.kind == cut else sys.maxsize


def _response_head(fault: Fault, is_last: bool) -> bytes:
    try:
        phrase = HTTPStatus(fault.status).phrase
    except ValueError:
        phrase = 'Fault'
    headers = {'Content-Length': str(len(fault.body)), **fault.headers}
    if is_last:
        headers['Connection'] = 'close'
    lines = [f'HTTP/1.1 {fault.status} {phrase}', *(f'{name}: {value}' for name, value in headers.items())]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')
