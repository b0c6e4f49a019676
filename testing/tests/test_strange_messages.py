"""The proxy between parties that do not speak HTTP as they should: what it does not understand passes as it is."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.proxy.framing import MAX_HEAD_BYTES

WAIT_S = 20
REQUEST = b'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'
Responder = Callable[[socket.socket], None]


@contextlib.contextmanager
def behind_proxy(respond: Responder) -> Iterator[tuple[FaultProxy, socket.socket]]:
    """A connection through a proxy to a server that takes one connection, and lets *respond* have it."""
    with socket.create_server(('127.0.0.1', 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(ConnectionError), listener.accept()[0] as connection:
                respond(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                FaultProxy(*listener.getsockname()) as proxy,
                socket.create_connection((proxy.host, proxy.port), timeout=WAIT_S) as client,
            ):
                yield proxy, client
        finally:
            # In case that the proxy never came.
            socket.create_connection(listener.getsockname(), WAIT_S).close()
            thread.join()


def read_all(sock: socket.socket) -> bytes:
    return b''.join(iter(lambda: sock.recv(100_000), b''))


@pytest.mark.parametrize(
    'response',
    [
        b'HTTP/1.1 abc OK\r\n\r\nthe rest',
        b'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nthe rest',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\nthe rest',
        b'no HTTP at all\r\n\r\nthe rest',
        b'HTTP/1.1 200 OK\r\nX-Long: ' + b'x' * MAX_HEAD_BYTES + b'\r\n\r\nthe rest',
    ],
    ids=['status', 'length', 'chunk', 'another protocol', 'a long head'],
)
def test_a_strange_response_passes_as_it_is(response: bytes) -> None:
    def give(connection: socket.socket) -> None:
        assert connection.recv(1000)
        connection.sendall(response)

    with behind_proxy(give) as (proxy, client):
        client.sendall(REQUEST)
        assert read_all(client) == response
        assert [request.path for request in proxy.requests] == ['/x']


@pytest.mark.parametrize(
    'request_',
    [b'PUT /x HTTP/1.1\r\nContent-Length: many\r\n\r\nthe rest', b'no HTTP at all\r\n\r\nthe rest'],
    ids=['length', 'another protocol'],
)
def test_a_strange_request_passes_as_it_is(request_: bytes) -> None:
    received: list[bytes] = []

    def take(connection: socket.socket) -> None:
        received.append(read_all(connection))
        connection.sendall(b'seen')

    with behind_proxy(take) as (proxy, client):
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b'seen'
        assert proxy.requests == []
    assert received == [request_]


def test_what_a_server_says_without_a_request_passes() -> None:
    """As when it closes a connection that was silent for too long (RFC 9110 §15.5.9)."""
    response, timed_out = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', b'HTTP/1.1 408 Request Timeout\r\n\r\n'
    first_read = threading.Event()

    def give(connection: socket.socket) -> None:
        assert connection.recv(1000)
        connection.sendall(response)
        assert first_read.wait(WAIT_S)
        connection.sendall(timed_out)

    with behind_proxy(give) as (_, client):
        client.sendall(REQUEST)
        received = b''
        while len(received) < len(response):
            received += client.recv(1000)
        first_read.set()
        assert received + read_all(client) == response + timed_out


def test_a_client_that_goes_before_a_response_of_ours_gets_none() -> None:
    with behind_proxy(lambda connection: None) as (proxy, client):
        proxy.respond(503)
        client.sendall(b'PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123')
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b''
        assert [(request.status, request.bytes_up) for request in proxy.requests] == [(None, 3)]


def test_a_response_of_ours_may_have_an_unknown_status() -> None:
    with behind_proxy(lambda connection: None) as (proxy, client):
        proxy.respond(599, 'no')
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b'HTTP/1.1 599 Fault\r\nContent-Length: 2\r\n\r\nno'


def test_a_fault_that_is_taken_back_while_its_condition_is_checked_does_not_strike() -> None:
    response = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'

    def give(connection: socket.socket) -> None:
        assert connection.recv(1000)
        connection.sendall(response)

    with behind_proxy(give) as (proxy, client):

        def take_back(_: object) -> bool:
            proxy.recover()
            return True

        fault = proxy.respond(503, when=take_back)
        client.sendall(REQUEST)
        assert read_all(client) == response
        assert fault.struck == 0
