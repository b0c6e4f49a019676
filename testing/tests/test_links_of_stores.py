"""A store that signs links itself passes the checks of links; one that is careless about them is caught."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from flask_fs.backends import Capability
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing import BackendConformance, MemoryHarness
from flask_fs_testing.checks import links

pytestmark = pytest.mark.slow

KEY = b'a key of the store'
READING = 'test_a_signed_link_is_good_for_one_file_one_method_and_a_while'
STORING = 'test_a_signed_link_to_store_stores_one_file'
LIVING = 'test_a_link_lives_no_longer_than_said'


def signature(method: str, name: str, expires: str) -> str:
    return hmac.new(KEY, f'{method} {name} {expires}'.encode(), hashlib.sha256).hexdigest()


class Store(ThreadingHTTPServer):
    """The files of one backend, for those who come with a link. ``careless`` says what it does not check."""

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.backend: MemoryBackend | None = None
        self.careless = ''

    def allows(self, method: str, name: str, query: dict[str, list[str]]) -> bool:
        [expires], [given] = query.get('expires', ['0']), query.get('signature', [''])
        genuine = hmac.compare_digest(given, signature(method, name, expires))
        in_time = self.careless == 'time' or int(expires) > time.time()
        return self.careless == 'everything' or (genuine and in_time)


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def do_DELETE(self) -> None:
        self.respond()

    def respond(self) -> None:
        backend, url = self.server.backend, urlsplit(self.path)
        name = unquote(url.path[1:])
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        content = b'refused'
        assert backend is not None
        if allowed := self.server.allows(self.command, name, parse_qs(url.query)):
            if self.command == 'PUT' and self.server.careless != 'storing':
                backend.write(name, body)
            content = backend.read(name) if self.command == 'GET' else b''
        self.send_response(200 if allowed else 403)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Signing(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL
    store: Store

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.store.backend = self

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        expires = str(int(time.time()) + expires_s)
        signed = signature(method, name, expires)
        return f'http://127.0.0.1:{self.store.server_port}/{quote(name)}?expires={expires}&signature={signed}'


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(check: str, store: Store, folder: Path) -> None:
    backend = type('Signing', (Signing,), {'store': store})
    harness = type('SigningHarness', (MemoryHarness,), {'backend_class': backend})
    getattr(BackendConformance(), check)(harness(folder))


@pytest.mark.slow
@pytest.mark.parametrize('check', [READING, STORING, LIVING])
def test_links_of_a_careful_store_pass(check: str, store: Store, tmp_path: Path) -> None:
    run(check, store, tmp_path)


@pytest.mark.parametrize(
    ('careless', 'check', 'message'),
    [
        ('everything', READING, "Expected the link for another file to be refused; saw status 200 with b'other'"),
        ('everything', STORING, 'Expected a link for another file to store nothing; saw status 200'),
        ('storing', STORING, 'Expected a link for PUT to store the content; saw status 200'),
        ('time', LIVING, 'Expected a link with a lifetime of 1 s to be refused; saw GET and PUT work after'),
    ],
)
def test_links_of_a_careless_store_are_caught(
    careless: str, check: str, message: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, '_GRACE_S', 1)
    store.careless = careless
    with pytest.raises(pytest.fail.Exception, match=re.escape(message)):
        run(check, store, tmp_path)
