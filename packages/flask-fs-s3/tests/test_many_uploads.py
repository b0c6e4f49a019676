"""Large uploads, and many at once, that go straight to the store: what of them the application gets, and what memory it takes."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

import flask_fs as fs
from flask_fs.backends.incoming import PIECE_BYTES, Incoming

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
BLOCK = os.urandom(MiB)

APPLICATION = """
import sys
import flask, flask_fs as fs
from flask_fs_s3 import S3Backend

def peak():
    # Not ru_maxrss: a process has that from its parent, and pytest is large.
    with open('/proc/self/status') as status:
        return int(next(line for line in status if line.startswith('VmHWM')).split()[1]) * 1024

storage = fs.Storage('kit', fs.ALL)
app = flask.Flask('kit')
app.config.update(given['config'], SECRET_KEY='a key', KIT_FS_BACKEND=S3Backend)
fs.init_app(app, storage)
with app.app_context():
    # What is loaded at the first use does not grow with the file.
    storage.write('small', bytes(1000))
    storage.copy('small', 'other')
    storage.signed_upload('other.bin', size=1)
    before = peak()
    ticket = storage.signed_upload('large.bin', size=given['size'], checksum=given['checksum'])
    print(json.dumps({'method': ticket.method, 'url': ticket.url, 'headers': dict(ticket.headers)}), flush=True)
    sys.stdin.readline()
    name = storage.accept_upload(ticket.token)
    print(json.dumps({'name': name, 'taken': peak() - before}), flush=True)
"""


def left(store: Any) -> list[str]:
    """What is in the bucket, besides the notes that keep an upload from being accepted twice."""
    return [name for name in store.names_raw() if not name.endswith('/ended')]


def blocks(count: int) -> Iterator[bytes]:
    return (BLOCK for _ in range(count))


def send(method: str, url: str, headers: Any, body: Any, size: int) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=600)
    try:
        connection.request(method, f'{parts.path}?{parts.query}', body, {'Content-Length': str(size), **headers})
        return connection.getresponse().status
    finally:
        connection.close()


# The store copies the gibibyte without a word: on a busy machine, for minutes.
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux reports it')
def test_a_gibibyte_passes_the_application_by(store: Any, proxy: Any, start: Callable[..., Any]) -> None:
    size, digest = 1024 * MiB, hashlib.sha256()
    for block in blocks(1024):
        digest.update(block)
    checksum = f'sha256:{digest.hexdigest()}'
    endpoints = {'endpoint': proxy.endpoint, 'public_endpoint': store.service.endpoint}
    settings = {**store.settings(), **endpoints, 'read_timeout_s': 600}
    config = {f'KIT_FS_{key.upper()}': value for key, value in settings.items()}
    child = start(APPLICATION, {'config': config, 'size': size, 'checksum': checksum})
    ticket = json.loads(child.stdout.readline())
    assert send(ticket['method'], ticket['url'], ticket['headers'], blocks(1024), size) == 200
    before = sum(one.bytes_down + one.bytes_up for one in proxy.connections)
    accepted = json.loads(child.communicate('\n', timeout=600)[0])
    passed = sum(one.bytes_down + one.bytes_up for one in proxy.connections) - before
    print(f'{accepted["taken"] / MiB:.1f} MiB of memory, {passed} bytes through the application')
    assert accepted['name'] == 'large.bin'
    assert accepted['taken'] < 16 * MiB
    # Heads of requests and responses, and the first bytes of the file, which show of what type it is.
    assert passed < 128 * 1024
    backend = store.make()
    assert (backend.stat('large.bin').size, backend.stat('large.bin').checksum) == (size, checksum)
    assert backend.read_range('large.bin', -MiB) == BLOCK
    assert left(store) == ['large.bin', 'other', 'small']


def test_many_uploads_at_once_are_all_accepted(store: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage)
    count = 200
    contents = [os.urandom(2000 + number) for number in range(count)]
    gate = threading.Barrier(count)

    def upload(number: int) -> str:
        content = contents[number]
        with app.test_request_context():
            ticket = storage.signed_upload(f'{number}.bin', size=len(content), mime='application/x-kit')
            gate.wait()
            assert send(ticket.method, ticket.url, ticket.headers, content, len(content)) == 200
            return storage.accept_upload(ticket.token)

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(upload, range(count))) == [f'{number}.bin' for number in range(count)]
    with app.app_context():
        for number, content in enumerate(contents):
            assert storage.read(f'{number}.bin') == content
            assert storage.stat(f'{number}.bin').mime == 'application/x-kit'
    assert len(left(store)) == count


def test_a_file_in_pieces_passes_the_application_by(store: Any, proxy: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage, endpoint=proxy.endpoint, public_endpoint=store.service.endpoint)
    content = os.urandom(PIECE_BYTES) + os.urandom(PIECE_BYTES) + b'the end'
    with app.app_context():
        incoming = Incoming(storage.backend, '0123')
        for begin in range(0, len(content), PIECE_BYTES):
            piece = content[begin : begin + PIECE_BYTES]
            signed = incoming.signed_request(
                begin, size=len(piece), max_bytes=None, mime=None, checksum=None, expires_s=600
            )
            assert send(signed.method, signed.url, signed.headers, piece, len(piece)) == 200
        incoming.create(incoming.pieces(), 'a.bin', create=True)
        incoming.discard()
        assert sum(one.bytes_down + one.bytes_up for one in proxy.connections) < 64 * 1024
        assert storage.read('a.bin') == content
    assert store.names_raw() == ['a.bin']
