"""Signed links, followed over real HTTP by a client that has nothing else."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from types import MappingProxyType

import pytest
from flask import Flask
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs.backends import Capability

from ..guarantees import broken, check, declares
from ..harness import Harness

_TIMEOUT_S = 30


class LinkChecks:
    """Links that need no other permission."""

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='The signature does not cover the name, the method or the time. Look at _signed_url.',
    )
    def test_a_signed_link_is_good_for_one_file_one_method_and_a_while(self, harness: Harness) -> None:
        """A signed link gives the file, over HTTP, until it expires; altered, or with another method, it gives nothing."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, serve=False)
        with _listening(app) as base_url, app.test_request_context(base_url=base_url):
            storage.write('a/x.txt', b'content')
            storage.write('a/y.txt', b'other')
            link = storage.signed_url('a/x.txt', download_name='Zürich.txt')
            assert _fetch(link) == (200, b'content')
            base, _, query = link.partition('?')
            middle = len(query) // 2
            changed = 'A' if query[middle] != 'A' else 'B'
            for what, url, method in (
                ('for another file', link.replace('x.txt', 'y.txt'), 'GET'),
                ('without its signature', base, 'GET'),
                ('with a letter changed', f'{base}?{query[:middle]}{changed}{query[middle + 1 :]}', 'GET'),
                ('to delete', link, 'DELETE'),
                ('to write', link, 'PUT'),
            ):
                status, content = _fetch(url, method)
                if status < 400 or content in (b'content', b'other'):
                    broken(f'Expected the link {what} to be refused; seen status {status} with {content!r}.')
            assert _fetch(link) == (200, b'content')
            _wait_until_refused(storage.signed_url('a/x.txt', expires_s=1))

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='The link is signed for GET whatever the method, or for a whole folder. Look at _signed_url.',
    )
    def test_a_signed_link_to_store_stores_one_file(self, harness: Harness) -> None:
        """A link signed by the store for PUT stores what is sent, under one name, and no longer than it lives."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, serve=False)
        with app.test_request_context():
            if not declares(storage.backend, Capability.SIGNED_URL):
                with pytest.raises(fs.OperationNotSupported):
                    storage.signed_url('a/x.txt', method='PUT')
                return
            # Made first: a link is no permission to create the container.
            storage.write('other.txt', b'other')
            link = storage.signed_url('a/x.txt', method='PUT')
            headers = storage.backend.signed_put_headers
            status, _ = _fetch(link, 'PUT', b'sent', headers)
            if status >= 400 or not storage.exists('a/x.txt'):
                broken(f'Expected a link for PUT to store what is sent; seen status {status}.')
            assert storage.read('a/x.txt') == b'sent'
            for what, url in (
                ('for another file', link.replace('x.txt', 'y.txt')),
                ('unsigned', link.partition('?')[0]),
            ):
                status, _ = _fetch(url, 'PUT', b'sent', headers)
                if status < 400 or storage.exists('a/y.txt'):
                    broken(f'Expected a link {what} to store nothing; seen status {status}.')
            _wait_until_refused(storage.signed_url('a/x.txt', method='PUT', expires_s=1), 'PUT', headers)


@contextlib.contextmanager
def _listening(app: Flask) -> Generator[str]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.port}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fetch(
    url: str, method: str = 'GET', body: bytes = b'', headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body if method == 'PUT' else None, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except http.client.RemoteDisconnected:
        # A server that hangs up on a link has given nothing for it.
        return 500, b''


def _wait_until_refused(link: str, method: str = 'GET', headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """Follow *link*, which lives for a second, until it is refused."""
    deadline = time.monotonic() + _TIMEOUT_S
    while _fetch(link, method, headers=headers)[0] < 400:
        if time.monotonic() > deadline:
            broken(f'Expected a link that lives for 1 s to be refused; seen it work for {_TIMEOUT_S} s.')
        time.sleep(0.1)
