"""HTTP on one connection: request after request, each passed on whole or struck by its fault."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn

from .faults import Fault
from .framing import Body, Head, Malformed, request_body, response_body, status_of, take_head
from .records import ProxiedRequest
from .relay import Closed, Relay, all_of
from .sockets import BUFFER_BYTES, BufferedSocket


class HttpRelay(Relay):
    """Carries HTTP/1 between one client and the server. What is no HTTP passes as it is."""

    def carry(self) -> None:
        while True:
            head: Head | None = None
            try:
                head = self._next_head()
                body = request_body(head)
            except Malformed:
                _put_back(self.client, head)
                return self.tunnel(self.connect(), self.pass_up, self.pass_down)
            self._handle(head, body)

    def _next_head(self) -> Head:
        client, upstream = self.client, self.upstream
        while True:
            if (head := take_head(client.inbox)) is not None:
                return head
            if upstream is not None and upstream.inbox:
                # A response to no request, such as 408 Request Timeout.
                self.pass_down(all_of(upstream.inbox))
            if client.ended or (upstream is not None and upstream.ended):
                self.flush(client)
                raise Closed
            self.step()

    def _handle(self, head: Head, body: Body) -> None:
        request = ProxiedRequest(head.line[0], head.line[1], head.headers, self.record.number)
        self.records.requested(request)
        fault = self.faults.for_request(request)
        if fault is not None and fault.kind == 'respond':
            self._respond(head, body, request, fault)
            return
        if fault is not None and fault.kind == 'hang':
            self.hold()
        exchange = _Exchange(self, request, body, fault)
        self.pass_up(head.raw)
        exchange.run()

    def _respond(self, head: Head, body: Body, request: ProxiedRequest, fault: Fault) -> None:
        expects = head.has('expect', '100-continue')
        while not (expects or body.done):
            piece = body.take(self.client.inbox, BUFFER_BYTES)
            self.record.bytes_up += len(piece)
            request.bytes_up += len(piece)
            if not piece:
                if self.client.ended:
                    raise Closed
                self.step()
        # Whether a client that was refused its 100 still sends the body cannot be known (RFC 9110 §10.1.1).
        is_last = expects or head.has('connection', 'close') or head.version == 'HTTP/1.0'
        request.status = fault.status
        content = b'' if request.method == 'HEAD' else fault.body
        request.bytes_down += len(content)
        self.pass_down(_response_head(fault, is_last) + content)
        self.records.note()
        self.flush(self.client)
        if is_last:
            self.part()


class _Exchange:
    """One request and its response, both on their way at once."""

    def __init__(self, relay: HttpRelay, request: ProxiedRequest, body: Body, fault: Fault | None) -> None:
        self._relay = relay
        self._client = relay.client
        self._upstream: BufferedSocket = relay.connect()
        self._request = request
        self._body = body
        self._response: Body | None = None
        self._fault = fault
        kind, after_bytes = (None, None) if fault is None else (fault.kind, fault.after_bytes)
        self._kind = kind
        self._max_up = after_bytes if kind == 'cut_upload' else None
        self._max_down = after_bytes if kind == 'cut_download' else None

    def run(self) -> None:
        """Carry both to their end.

        :raises Closed: If the connection ends before, or with them.
        """
        client, upstream, relay = self._client, self._upstream, self._relay
        while True:
            self._carry_request()
            self._carry_response()
            responded = self._response is not None and self._response.done
            if responded and self._body.done and not client.outbox and not upstream.outbox:
                return
            if client.drained and not upstream.outbox:
                upstream.finish()
            if upstream.drained and not client.outbox:
                relay.part()
            relay.step()

    def _carry_request(self) -> None:
        request, upstream = self._request, self._upstream
        room = _room(upstream, request.bytes_up, self._max_up)
        if room and (piece := self._body.take(self._client.inbox, room)):
            request.bytes_up += len(piece)
            self._relay.pass_up(piece)
        if self._max_up is not None and (self._body.done or request.bytes_up == self._max_up):
            self._relay.flush(upstream)
            raise Closed

    def _carry_response(self) -> None:
        while self._response is None:
            head: Head | None = None
            try:
                head = take_head(self._upstream.inbox)
                if head is None:
                    return
                self._begin_response(head)
            except Malformed:
                _put_back(self._upstream, head)
                self._become_tunnel()
        room = _room(self._client, self._request.bytes_down, self._max_down)
        piece = self._response.take(self._upstream.inbox, room)
        if self._kind == 'lose_response':
            if self._response.done:
                raise Closed
            return
        self._request.bytes_down += len(piece)
        self._relay.pass_down(piece)
        if self._max_down is not None and (self._response.done or self._request.bytes_down == self._max_down):
            self._relay.flush(self._client)
            raise Closed

    def _begin_response(self, head: Head) -> None:
        status = status_of(head)
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._relay.pass_down(head.raw)
            self._become_tunnel()
        if status < HTTPStatus.OK:
            self._relay.pass_down(head.raw)
            return
        self._response = response_body(head, self._request.method)
        self._request.status = status
        self._relay.records.note()
        if self._kind == 'lose_response':
            return
        if self._fault is not None and self._kind == 'delay':
            self._relay.delay(self._fault)
        self._relay.pass_down(head.raw)

    def _become_tunnel(self) -> NoReturn:
        self._relay.tunnel(self._upstream, self._relay.pass_up, self._relay.pass_down)
        raise Closed


def _put_back(side: BufferedSocket, head: Head | None) -> None:
    """Let a head that turned out to be none, once it was read, pass like all that follows."""
    if head is not None:
        side.inbox[:0] = head.raw


def _room(side: BufferedSocket, passed: int, max_bytes: int | None) -> int:
    """How many bytes may be given to *side* now, if *max_bytes* may pass in all and *passed* did."""
    room = max(0, BUFFER_BYTES - len(side.outbox))
    return room if max_bytes is None else min(room, max_bytes - passed)


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
