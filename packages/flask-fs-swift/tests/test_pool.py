"""The pool of connections by itself, in front of a small server."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flask_fs.backends.response_stream import DRAIN_BYTES
from flask_fs_swift.auth import Access
from flask_fs_swift.errors import PoolExhausted, Unreached
from flask_fs_swift.pool import Pool, Request, Slots

CONFIG = {'pool_size': 1, 'pool_timeout_s': 0.01, 'timeout_s': 5, 'insecure': False}
LARGE = bytes(DRAIN_BYTES * 40)


class Server(ThreadingHTTPServer):
    """Responds to every request with a large file, and records what was requested over which connection."""

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.requests: list[tuple[str, int]] = []
        self.url = f'http://127.0.0.1:{self.server_port}'


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.server.requests.append((self.path, self.client_address[1]))
        self.send_response(200)
        self.send_header('Content-Length', str(len(LARGE)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(LARGE)

    do_HEAD = do_GET  # noqa: N815  # the base class's name for it

    def handle(self):
        # A client that closes its connection half-way is what is tested.
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def pool():
    pool = Pool(CONFIG)
    yield pool
    pool.close()


def get(pool, server, *, stream=True, method='GET'):
    return pool.send(f'{server.url}/v1/a', Request(method, '/c/x', {}), 'token', stream=stream)


def test_a_connection_that_cannot_be_made_leaves_its_slot_to_the_next(pool):
    for _ in range(3):
        with pytest.raises(Unreached, match='the connection failed') as caught:
            pool.send('http://127.0.0.1:9/v1/a', Request('GET', '/c/x', {}), 'token')
        assert not caught.value.may_have_applied
        assert pool.in_use == 0


def test_when_all_connections_are_in_use_the_next_request_times_out(pool, server):
    stream = get(pool, server).body
    assert pool.in_use == 1
    with pytest.raises(PoolExhausted, match=r'all 1 connections were in use for 0\.01 s'):
        get(pool, server)
    stream.close()
    assert pool.in_use == 0
    assert get(pool, server, stream=False).content == LARGE


@pytest.mark.parametrize('end', ['read', 'close', 'drop'])
def test_a_connection_is_given_back_once(pool, server, end):
    stream = get(pool, server).body
    stream.read(1)
    if end == 'read':
        assert stream.read() == LARGE[1:]
    if end == 'drop':
        del stream
    else:
        stream.close()
        stream.close()
    assert pool.in_use == 0
    assert pool._server[1].pool.qsize() == 1
    get(pool, server).body.close()
    # One that was left half-way cannot be used again.
    (_, first), (_, second) = server.requests
    assert (end == 'read') == (first == second)


def test_a_response_without_content_leaves_its_connection_usable(pool, server):
    for _ in range(3):
        response = get(pool, server, method='HEAD', stream=False)
        assert (response.content, response.headers['content-length']) == (b'', str(len(LARGE)))
    assert len({port for _, port in server.requests}) == 1


def test_the_connection_used_last_is_used_next():
    slots = Slots(3)
    for slot in (None, 'first', 'last'):
        slots.put(slot)
    assert [slots.get() for _ in range(3)] == ['last', 'first', None]
    for block in (True, False):
        with pytest.raises(queue.Empty):
            slots.get(block, 0.01)
    assert slots.qsize() == 0


def test_a_proxy_of_the_environment_is_used(pool, server, monkeypatch):
    monkeypatch.setenv('http_proxy', server.url)
    monkeypatch.delenv('no_proxy', raising=False)
    monkeypatch.delenv('NO_PROXY', raising=False)
    response = pool.send('http://swift.test/v1/a', Request('GET', '/c/x', {}), 'token')
    assert response.content == LARGE
    assert [path for path, _ in server.requests] == ['http://swift.test/v1/a/c/x']


def test_a_missing_file_of_certificates_is_named():
    pool = Pool({**CONFIG, 'cacert': '/nowhere/ca.pem'})
    with pytest.raises(Unreached, match=r'/nowhere/ca\.pem') as caught:
        pool.send('https://127.0.0.1:9/v1/a', Request('GET', '/c/x', {}), 'token')
    assert not caught.value.is_temporary


def test_a_token_is_not_shown():
    assert repr(Access('https://store/v1/a', 'AUTH_tk1')) == "Access(url='https://store/v1/a')"
