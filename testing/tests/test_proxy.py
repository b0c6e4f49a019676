from __future__ import annotations

import concurrent.futures
import gc
import glob
import hashlib
import http.client
import os
import socket
import threading
import time
import tracemalloc
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from flask_fs_testing.proxy import SLOW_DOWN, FaultProxy

MIB = 1024 * 1024
#: More than any buffer of the proxy and of the kernel, and no multiple of them.
LARGE = 5 * MIB + 12_345
WAIT_S = 20


def content(size: int) -> bytes:
    return hashlib.shake_128(b'flask-fs').digest(size)


class Upstream(BaseHTTPRequestHandler):
    """Responds to GET /SIZE with so many bytes, and keeps what it was sent; /chunked/SIZE, /closing/SIZE differ in framing."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        *how, size = self.path.strip('/').split('/')
        body = content(int(size))
        self.send_response(200)
        if 'chunked' in how:
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            for start in range(0, len(body), 70_001):
                piece = body[start : start + 70_001]
                self.wfile.write(b'%x;name=value\r\n%b\r\n' % (len(piece), piece))
            self.wfile.write(b'0\r\nX-Trailer: yes\r\n\r\n')
        elif 'closing' in how:
            self.send_header('Connection', 'close')
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
        else:
            self.send_header('Content-Length', size)
            self.end_headers()
            if self.command != 'HEAD':
                self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        received = self.read_body()
        self.server.received.append((self.path, received))
        if self.path == '/nothing':
            self.send_response(204)
            self.end_headers()
            return
        digest = hashlib.sha256(received).hexdigest().encode()
        self.send_response(201)
        self.send_header('Content-Length', str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)

    def do_DELETE(self) -> None:
        """Refuses before it has read anything, and closes when the client has read that."""
        self.send_response(413)
        self.send_header('Content-Length', '3')
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(b'no!')
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True

    def do_UPGRADE(self) -> None:
        self.send_response(101)
        self.end_headers()
        self.wfile.write(self.rfile.readline().upper())
        self.close_connection = True

    def handle_expect_100(self) -> bool:
        if self.path == '/refused':
            self.send_response(417)
            self.send_header('Content-Length', '0')
            self.send_header('Connection', 'close')
            self.end_headers()
            self.close_connection = True
            return False
        return super().handle_expect_100()

    def read_body(self) -> bytes:
        if self.headers.get('Transfer-Encoding') == 'chunked':
            pieces = []
            while size := int(self.rfile.readline().partition(b';')[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b''.join(pieces)
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Runs :class:`Upstream`, and keeps what was sent to it."""

    request_queue_size = 128
    # Closing waits for what still runs, so that it takes no memory in the next test.
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Upstream)
        self.received: list[tuple[str, bytes]] = []
        self.accepted = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.accepted += 1
        super().process_request(request, client_address)

    def handle_error(self, *_: Any) -> None:
        """Clients that go away half-way are what is tested."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy('127.0.0.1', server.server_port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=WAIT_S)
    yield connection
    connection.close()


def request(
    client: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes]:
    client.request(method, path, body, headers)
    response = client.getresponse()
    return response.status, response.read()


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection((proxy.host, proxy.port), timeout=WAIT_S)


def read_all(sock: socket.socket) -> bytes:
    return b''.join(iter(lambda: sock.recv(MIB), b''))


def read_until(sock: socket.socket, ending: bytes) -> bytes:
    data = b''
    while not data.endswith(ending):
        piece = sock.recv(MIB)
        assert piece, f'closed after {data!r}'
        data += piece
    return data


# --- What passes unharmed.


@pytest.mark.parametrize('path', ['/0', '/1', f'/{LARGE}', f'/chunked/{LARGE}', '/chunked/0', f'/closing/{LARGE}'])
def test_responses_of_every_framing_arrive_whole(client: http.client.HTTPConnection, path: str) -> None:
    size = int(path.rpartition('/')[2])
    for _ in range(2):
        assert request(client, 'GET', path) == (200, content(size))


def test_requests_of_every_framing_arrive_whole(client: http.client.HTTPConnection, server: Server) -> None:
    body = content(LARGE)
    pieces = [body[start : start + 99_991] for start in range(0, LARGE, 99_991)]
    expected = (201, hashlib.sha256(body).hexdigest().encode())
    assert request(client, 'PUT', '/sized', body) == expected
    assert request(client, 'PUT', '/chunked', iter(pieces)) == expected
    assert server.received == [('/sized', body), ('/chunked', body)]


def test_urllib_passes(proxy: FaultProxy) -> None:
    with urllib.request.urlopen(f'{proxy.endpoint}/{LARGE}', timeout=WAIT_S) as response:
        assert response.read() == content(LARGE)
    assert [request.method for request in proxy.requests] == ['GET']


def test_a_kept_connection_stays_one_on_both_sides(
    client: http.client.HTTPConnection, proxy: FaultProxy, server: Server
) -> None:
    for size in (0, 10, LARGE):
        request(client, 'GET', f'/{size}')
        request(client, 'PUT', '/a', content(size))
        request(client, 'HEAD', f'/{size}')
        request(client, 'PUT', '/nothing', b'12')
    assert (len(proxy.connections), server.accepted) == (1, 1)
    assert {request.connection for request in proxy.requests} == {0}
    assert [request.status for request in proxy.requests] == [200, 201, 200, 204] * 3


def test_pipelined_requests_get_their_responses_in_order(proxy: FaultProxy) -> None:
    sizes = [5, 0, 200_000, 1, 99]
    with connected(proxy) as sock:
        sock.sendall(b''.join(b'GET /%d HTTP/1.1\r\nHost: x\r\n\r\n' % size for size in sizes))
        stream = sock.makefile('rb')
        for size in sizes:
            while (line := stream.readline()) != b'\r\n':
                assert line
            assert stream.read(size) == content(size)
        stream.close()
    assert [request.path for request in proxy.requests] == [f'/{size}' for size in sizes]


def test_the_body_waits_for_100_continue(proxy: FaultProxy, server: Server) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
        assert read_until(sock, b'\r\n\r\n') == b'HTTP/1.1 100 Continue\r\n\r\n'
        sock.sendall(b'hello')
        assert read_until(sock, hashlib.sha256(b'hello').hexdigest().encode()).startswith(b'HTTP/1.1 201 ')
    assert server.received == [('/a', b'hello')]
    assert proxy.requests[0].status == 201


def test_a_refused_expectation_passes(proxy: FaultProxy, server: Server) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
        assert read_all(sock).startswith(b'HTTP/1.1 417 ')
    assert server.received == []


def test_a_response_in_the_middle_of_an_upload_arrives(proxy: FaultProxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'DELETE /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n' + bytes(1000))
        assert read_all(sock).endswith(b'\r\n\r\nno!')


def test_another_protocol_passes_after_an_upgrade(proxy: FaultProxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'UPGRADE / HTTP/1.1\r\nHost: x\r\n\r\nhello\n')
        assert read_all(sock).endswith(b'\r\n\r\nHELLO\n')


def test_what_is_no_http_passes(proxy: FaultProxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'nonsense\r\n\r\n')
        assert b'400' in read_all(sock)
    assert proxy.requests == []


@pytest.mark.parametrize('request_size', [1, 7, 1000])
def test_messages_in_small_pieces_are_understood(proxy: FaultProxy, server: Server, request_size: int) -> None:
    message = (
        b'PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
        b'A;name="value"\r\n0123456789\r\n00001\r\nX\r\n0\r\nX-Trailer: yes\r\nX-Other: yes\r\n\r\n'
        b'GET /3 HTTP/1.0\r\n\r\n'
    )
    with connected(proxy) as sock:
        for start in range(0, len(message), request_size):
            sock.sendall(message[start : start + request_size])
        assert read_all(sock).endswith(content(3))
    assert server.received == [('/a', b'0123456789X')]
    assert [request.method for request in proxy.requests] == ['PUT', 'GET']


def test_a_client_that_says_it_sends_no_more_still_gets_its_response(proxy: FaultProxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b'GET /%d HTTP/1.1\r\nHost: x\r\n\r\n' % LARGE)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).endswith(content(LARGE))


def test_many_connections_at_once_do_not_mix(proxy: FaultProxy) -> None:
    def work(number: int) -> bool:
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=WAIT_S)
        try:
            body = content(number * 10_007)
            expected = (201, hashlib.sha256(body).hexdigest().encode())
            return all(
                request(connection, 'PUT', '/a', body) == expected
                and request(connection, 'GET', f'/chunked/{len(body)}') == (200, body)
                for _ in range(3)
            )
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(48))) == [True] * 48
    assert (len(proxy.connections), len(proxy.requests)) == (48, 48 * 6)


def test_memory_does_not_grow_with_the_body() -> None:
    """64 MiB each way; the client and the server of the test, which move little at a time, are counted too."""
    size = 64 * MIB
    with socket.create_server(('127.0.0.1', 0)) as listener, FaultProxy(*listener.getsockname()) as proxy:
        done = threading.Thread(target=_swallow_and_spit, args=(listener, size))
        done.start()
        tracemalloc.start()
        with connected(proxy) as sock:
            sock.sendall(b'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % size)
            piece = bytes(64 * 1024)
            for _ in range(size // len(piece)):
                sock.sendall(piece)
            received = 0
            while data := sock.recv(64 * 1024):
                received += len(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        done.join()
    assert received > size
    assert peak < 2 * MIB


def _swallow_and_spit(listener: socket.socket, size: int) -> None:
    connection, _ = listener.accept()
    with connection:
        left = size
        while left > 0:
            left -= len(connection.recv(64 * 1024))
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % size)
        piece = bytes(64 * 1024)
        for _ in range(size // len(piece)):
            connection.sendall(piece)
        # Closing with bytes unread would reset the connection, and what is still on its way would be lost.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(64 * 1024):
            pass


# --- What is recorded.


def test_requests_are_recorded_with_their_sizes(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    request(client, 'PUT', '/a%20b?c=d', b'12345', **{'X-Note': 'yes'})
    request(client, 'GET', f'/{LARGE}')
    put, get = proxy.requests
    assert (put.method, put.path, put.status, put.bytes_up, put.bytes_down) == ('PUT', '/a%20b?c=d', 201, 5, 64)
    assert (get.method, get.status, get.bytes_up, get.bytes_down) == ('GET', 200, 0, LARGE)
    assert put.headers['x-note'] == 'yes'
    assert proxy.connections[0].bytes_down > LARGE


def test_open_connections_are_counted(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    request(client, 'GET', '/1')
    assert proxy.open_connections == 1
    client.close()
    proxy.wait_until(lambda: proxy.open_connections == 0)
    assert [connection.is_open for connection in proxy.connections] == [False]


def test_waiting_in_vain_says_what_was_seen(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    request(client, 'GET', '/1')
    with pytest.raises(TimeoutError, match='1 requests, 0 held, 1 connections open of 1'):
        proxy.wait_until(lambda: False, timeout_s=0.01)


# --- Faults.


@pytest.mark.parametrize('after_bytes', [0, 1, 1000, 3 * MIB])
def test_an_upload_is_cut_at_the_byte(client: http.client.HTTPConnection, proxy: FaultProxy, after_bytes: int) -> None:
    fault = proxy.cut_upload(after_bytes=after_bytes)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        request(client, 'PUT', '/a', content(LARGE))
    client.close()
    assert (fault.struck, fault.is_spent) == (1, True)
    assert (proxy.requests[0].bytes_up, proxy.requests[0].fault) == (after_bytes, 'cut_upload')
    assert request(client, 'PUT', '/b', b'')[0] == 201


def test_the_server_gets_what_went_before_the_cut() -> None:
    received = []
    with socket.create_server(('127.0.0.1', 0)) as listener, FaultProxy(*listener.getsockname()) as proxy:
        proxy.cut_upload(after_bytes=100_000)
        with connected(proxy) as sock:
            sock.sendall(b'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n' + bytes(150_000))
            connection, _ = listener.accept()
            with connection:
                received.append(read_all(connection))
    assert len(received[0].partition(b'\r\n\r\n')[2]) == 100_000


@pytest.mark.parametrize('path', [f'/{LARGE}', f'/chunked/{LARGE}', f'/closing/{LARGE}'])
@pytest.mark.parametrize('after_bytes', [0, 1, 100_000, 3 * MIB])
def test_a_download_is_cut_at_the_byte(proxy: FaultProxy, path: str, after_bytes: int) -> None:
    proxy.cut_download(after_bytes=after_bytes)
    with connected(proxy) as sock:
        sock.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        assert len(read_all(sock).partition(b'\r\n\r\n')[2]) == after_bytes
    assert (proxy.requests[0].status, proxy.requests[0].bytes_down) == (200, after_bytes)


def test_http_client_notices_a_cut_download(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    proxy.cut_download(after_bytes=1000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        request(client, 'GET', '/5000')
    assert caught.value.partial == content(5000)[:1000]


def test_short_uploads_and_downloads_are_cut_at_their_end(proxy: FaultProxy) -> None:
    proxy.cut_upload(after_bytes=1000)
    proxy.cut_download(after_bytes=1000)
    with connected(proxy) as sock:
        sock.sendall(b'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab')
        assert read_all(sock) == b''
    with connected(proxy) as sock:
        sock.sendall(b'GET /3 HTTP/1.1\r\nHost: x\r\n\r\n')
        assert read_all(sock).endswith(b'\r\n\r\n' + content(3))


def test_the_request_of_a_lost_response_was_carried_out(
    client: http.client.HTTPConnection, proxy: FaultProxy, server: Server
) -> None:
    proxy.lose_response()
    with pytest.raises(http.client.RemoteDisconnected):
        request(client, 'PUT', '/a', b'once')
    assert server.received == [('/a', b'once')]
    assert (proxy.requests[0].status, proxy.requests[0].bytes_down) == (201, 0)


def test_a_response_is_delayed(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    proxy.delay(0.2)
    begin = time.monotonic()
    assert request(client, 'GET', '/10') == (200, content(10))
    assert time.monotonic() - begin >= 0.2
    assert request(client, 'GET', '/10') == (200, content(10))


def test_a_client_whose_timeout_is_shorter_than_the_delay_gives_up(proxy: FaultProxy) -> None:
    proxy.delay(3600)
    client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=0.1)
    with pytest.raises(TimeoutError):
        request(client, 'GET', '/10')
    client.close()


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'PUT'])
def test_a_response_of_ours_keeps_the_connection(
    client: http.client.HTTPConnection, proxy: FaultProxy, server: Server, method: str
) -> None:
    proxy.respond(403, 'no', headers={'X-Why': 'test'})
    body = content(LARGE) if method == 'PUT' else None
    client.request(method, '/5', body)
    response = client.getresponse()
    assert (
        response.status,
        response.reason,
        response.headers['X-Why'],
        response.headers['Content-Length'],
    ) == (403, 'Forbidden', 'test', '2')
    assert response.read() == (b'' if method == 'HEAD' else b'no')
    assert request(client, 'GET', '/5') == (200, content(5))
    assert (len(proxy.connections), server.received, proxy.requests[0].bytes_up) == (1, [], len(body or b''))


def test_faults_strike_in_the_order_planned(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    proxy.respond(500, times=2)
    proxy.slow_down()
    responses = [request(client, 'GET', '/1') for _ in range(4)]
    assert responses == [(500, b''), (500, b''), (503, SLOW_DOWN), (200, content(1))]


def test_faults_strike_only_what_they_are_meant_for(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    fault = proxy.respond(500, when=lambda request: request.method == 'PUT' and request.path.startswith('/b'))
    assert request(client, 'GET', '/1')[0] == 200
    assert request(client, 'PUT', '/a', b'')[0] == 201
    assert fault.struck == 0
    assert request(client, 'PUT', '/b', b'')[0] == 500
    assert [request.fault for request in proxy.requests] == [None, None, 'respond']


def test_many_clients_share_a_fault_that_strikes_a_few_times(proxy: FaultProxy) -> None:
    proxy.respond(503, times=7)

    def work(_: int) -> int:
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=WAIT_S)
        try:
            return request(connection, 'GET', '/1')[0]
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(30))) == [200] * 23 + [503] * 7


def test_a_response_of_ours_refuses_an_expectation(proxy: FaultProxy) -> None:
    proxy.respond(403)
    with connected(proxy) as sock:
        sock.sendall(b'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
        head = read_all(sock)
    assert head.startswith(b'HTTP/1.1 403 Forbidden\r\n')
    assert b'\r\nConnection: close\r\n' in head


def test_a_request_hangs_until_it_is_released(
    client: http.client.HTTPConnection, proxy: FaultProxy, server: Server
) -> None:
    proxy.hang()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        response = pool.submit(request, client, 'PUT', '/a', b'late')
        proxy.wait_until(lambda: proxy.held == 1)
        assert server.received == []
        proxy.release()
        assert response.result(WAIT_S)[0] == 201
    assert server.received == [('/a', b'late')]
    assert proxy.held == 0


def test_a_client_that_gives_up_is_not_passed_on(proxy: FaultProxy, server: Server) -> None:
    proxy.hang()
    client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=0.1)
    with pytest.raises(TimeoutError):
        request(client, 'PUT', '/a', b'')
    client.close()
    proxy.wait_until(lambda: proxy.open_connections == 0)
    proxy.release()
    assert (server.received, server.accepted) == ([], 0)


def test_connections_are_refused_while_it_is_down(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    request(client, 'GET', '/1')
    port = proxy.port
    for _ in range(3):
        proxy.down()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            request(client, 'GET', '/1')
        client.close()
        with pytest.raises(ConnectionRefusedError):
            request(client, 'GET', '/1')
        client.close()
        proxy.up()
        assert request(client, 'GET', '/1') == (200, content(1))
    assert port == proxy.port


def test_recovering_forgets_and_releases(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    proxy.hang()
    proxy.respond(500, times=100)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        response = pool.submit(request, client, 'GET', '/1')
        proxy.wait_until(lambda: proxy.held == 1)
        proxy.recover()
        assert response.result(WAIT_S)[0] == 200
    assert request(client, 'GET', '/1')[0] == 200


def test_a_server_that_is_gone_ends_the_connection(server: Server) -> None:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
    with FaultProxy('127.0.0.1', port) as proxy, connected(proxy) as sock:
        sock.sendall(b'GET / HTTP/1.1\r\n\r\n')
        assert read_all(sock) == b''


# --- Any other protocol.


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets, in upper case."""

    def respond(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(MIB):
                    connection.sendall(data.upper())
            except ConnectionError:
                pass

    def accept() -> None:
        threads = []
        while True:
            connection, _ = listener.accept()
            if ending.is_set():
                connection.close()
                break
            threads.append(threading.Thread(target=respond, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    ending = threading.Event()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listener.getsockname()
        ending.set()
        socket.create_connection(listener.getsockname()).close()
        accepting.join()


@pytest.fixture
def plain(echo: tuple[str, int]) -> Iterator[FaultProxy]:
    with FaultProxy(*echo, http=False) as proxy:
        yield proxy


def test_any_protocol_passes_both_ways_at_once(plain: FaultProxy) -> None:
    data = content(LARGE)

    def send() -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    with connected(plain) as sock:
        sender = threading.Thread(target=send)
        sender.start()
        assert read_all(sock) == data.upper()
        sender.join()
    plain.wait_until(lambda: plain.open_connections == 0)
    record = plain.connections[0]
    assert (record.bytes_up, record.bytes_down, plain.requests) == (LARGE, LARGE, [])
    assert plain.endpoint == f'127.0.0.1:{plain.port}'


def test_the_connection_that_moves_so_much_is_cut(plain: FaultProxy) -> None:
    fault = plain.cut_upload(after_bytes=1000, times=2)
    with connected(plain) as quiet, connected(plain) as busy:
        quiet.sendall(b'ping')
        assert read_until(quiet, b'PING') == b'PING'
        busy.sendall(b'a' * 999)
        assert read_until(busy, b'A' * 999) == b'A' * 999
        busy.sendall(b'a')
        busy.shutdown(socket.SHUT_WR)
        assert read_all(busy) in (b'', b'A')
        assert fault.struck == 1
        quiet.sendall(b'ping')
        assert read_until(quiet, b'PING') == b'PING'
    assert [record.bytes_up for record in plain.connections] == [4 + 4, 1000]


def test_downloads_of_any_protocol_are_cut(plain: FaultProxy) -> None:
    plain.cut_download(after_bytes=10)
    with connected(plain) as sock:
        sock.sendall(b'a' * 1000)
        assert read_all(sock) == b'A' * 10


def test_any_protocol_hangs_and_is_delayed(plain: FaultProxy) -> None:
    plain.hang(times=2)
    plain.delay(1)
    with connected(plain) as sock:
        for number in (1, 2):
            sock.sendall(b'ping')
            plain.wait_until(lambda: plain.held == 1)
            assert plain.connections[0].bytes_up == 4 * (number - 1)
            begin = time.monotonic()
            plain.release()
            assert read_until(sock, b'PING') == b'PING'
            assert (number == 1) == (time.monotonic() - begin >= 1)


@pytest.mark.parametrize('name', ['lose_response', 'slow_down'])
def test_faults_of_requests_need_http(plain: FaultProxy, name: str) -> None:
    with pytest.raises(ValueError, match='needs HTTP requests'):
        getattr(plain, name)()
    with pytest.raises(ValueError, match='when= needs HTTP requests'):
        plain.cut_upload(when=lambda _: True)


def test_impossible_counts_are_refused(proxy: FaultProxy) -> None:
    with pytest.raises(ValueError, match='times must be 1 or more, not 0'):
        proxy.hang(times=0)
    with pytest.raises(ValueError, match='after_bytes must be 0 or more, not -1'):
        proxy.cut_upload(after_bytes=-1)


# --- What is left after it.


def test_nothing_is_left_after_closing(server: Server) -> None:
    def left() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith('fault-proxy')]

    def open_files() -> set[tuple[str, str]]:
        gc.collect()
        descriptors = glob.glob('/proc/self/fd/*')
        # Not that of looking, which is closed again.
        return {(descriptor, os.readlink(descriptor)) for descriptor in descriptors if os.path.islink(descriptor)}

    # Of earlier tests, some may still be open.
    before = open_files()
    with FaultProxy('127.0.0.1', server.server_port) as proxy:
        proxy.hang()
        proxy.delay(3600)
        socks = [connected(proxy) for _ in range(4)]
        for sock in socks[:3]:
            sock.sendall(b'GET /10 HTTP/1.1\r\nHost: x\r\n\r\n')
        proxy.wait_until(lambda: len(proxy.requests) == 3 and len(proxy.connections) == 4)
        assert left() != []
    assert left() == []
    for sock in socks:
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.close()
    # The server accepts, and closes its ends, in its own time.
    deadline = time.monotonic() + WAIT_S
    while open_files() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() - before == set()


def test_what_a_condition_raises_is_raised_when_the_proxy_closes(server: Server) -> None:
    proxy = FaultProxy('127.0.0.1', server.server_port)
    proxy.hang(when=lambda request: 1 / 0)
    with connected(proxy) as sock:
        sock.sendall(b'GET /10 HTTP/1.1\r\nHost: x\r\n\r\n')
        assert read_all(sock) == b''
    with pytest.raises(ZeroDivisionError):
        proxy.close()
    assert [thread for thread in threading.enumerate() if thread.name.startswith('fault-proxy')] == []
    proxy.close()
