"""Signed links, requested over real HTTP by a client without other credentials."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from flask import Flask
from werkzeug.http import parse_options_header
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs import signing
from flask_fs.backends import Capability

from ..guarantees import broken, check, declares
from ..harness import Harness
from .metadata import far_away

TIMEOUT_S = 30
#: The shortest lifetime of a link, how much later a store can notice its end, and how often the link is tried.
_LIFE_S, _GRACE_S, _PAUSE_S = 1, 5, 0.2
_ODD = ('a b.txt', "it's", 'a+b&c=d', '100%25', 'a#b?c', 'a;b', 'été/日本語.png', 'a/~b')
_ODD_DOWNLOADS = (
    'a b.txt',
    "it's.txt",
    'say "hi".txt',
    'a;b=c.txt',
    '100%25.txt',
    'a+b,c.txt',
    'Zürich.txt',
    '日本語.png',
)


class LinkChecks:
    """Links that work without other permissions."""

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='The signature does not cover the name, the method or the time. Check _signed_url.',
    )
    def test_a_signed_link_is_good_for_one_file_one_method_and_a_while(self, harness: Harness) -> None:
        """A signed link returns the file over HTTP; if it is altered, or used with another method, it does not."""
        with deployed(harness) as storage:
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
                    broken(f'Expected the link {what} to be refused; saw status {status} with {content!r}.')
            assert _fetch(link) == (200, b'content')

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='The link is signed for GET whatever the method, or for an entire folder. Check _signed_url.',
    )
    def test_a_signed_link_to_store_stores_one_file(self, harness: Harness) -> None:
        """A link signed by the store for PUT stores content under one name only, until it expires."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, serve=False)
        with app.test_request_context():
            if not declares(storage.backend, Capability.SIGNED_URL):
                with pytest.raises(fs.OperationNotSupported):
                    storage.signed_url('a/x.txt', method='PUT')
                return
            # Created first: a link does not permit creating the container.
            storage.write('other.txt', b'other')
            link = storage.signed_url('a/x.txt', method='PUT')
            headers = storage.backend.signed_put_headers
            status, _ = _fetch(link, 'PUT', b'sent', headers)
            if status >= 400 or not storage.exists('a/x.txt'):
                broken(f'Expected a link for PUT to store the content; saw status {status}.')
            assert storage.read('a/x.txt') == b'sent'
            for what, url in (
                ('for another file', link.replace('x.txt', 'y.txt')),
                ('unsigned', link.partition('?')[0]),
            ):
                status, _ = _fetch(url, 'PUT', b'sent', headers)
                if status < 400 or storage.exists('a/y.txt'):
                    broken(f'Expected a link {what} to store nothing; saw status {status}.')
            for method in ('GET', 'DELETE'):
                status, content = _fetch(link, method)
                if status < 400 or content == b'sent' or not storage.exists('a/x.txt'):
                    broken(f'Expected a link for PUT to be refused for {method}; saw status {status} with {content!r}.')

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='A part of the link is added after it was signed, or the signed policy omits it.',
    )
    def test_no_part_of_a_signed_link_can_be_changed(self, harness: Harness) -> None:
        """A signed link with any of its parts changed or removed, or for another file, below or next to it, returns nothing."""
        with deployed(harness) as storage:
            others = ('a/y.txt', 'a/x.txt2', 'b/x.txt', 'x.txt')
            for name in ('a/x.txt', *others):
                storage.write(name, name.encode())
            link = storage.signed_url('a/x.txt')
            parts = urlsplit(link)
            # A parameter without a value is a flag: it does not contain the file, the method or the expiry.
            given = parse_qsl(parts.query)
            changed = {f'for {name}': _for_another(link, name) for name in others}
            for number, (key, value) in enumerate(given):
                middle = len(value) // 2
                other = chr(ord(value[middle]) ^ 1)
                rest = given[:number], given[number + 1 :]
                for how, pairs in (
                    ('changed', [(key, value[:middle] + other + value[middle + 1 :])]),
                    ('removed', []),
                ):
                    query = urlencode([*rest[0], *pairs, *rest[1]])
                    changed[f'with {key} {how}'] = parts._replace(query=query).geturl()
            for what, url in changed.items():
                status, content = _fetch(url)
                if url != link and status < 400:
                    broken(f'Expected the link {what} to be refused; saw status {status} with {content!r}.')
            assert _fetch(link) == (200, b'a/x.txt')

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='The download name is added to the link after it was signed.',
    )
    def test_the_download_name_of_a_link_is_signed(self, harness: Harness) -> None:
        """The download name of a link cannot be changed: nobody can turn an image into a program."""
        with deployed(harness) as storage:
            storage.write('a/x.txt', b'content')
            link = storage.signed_url('a/x.txt', download_name='picture.png')
            assert _download_name(link) == 'picture.png'
            # In links of the application, it is part of the signature.
            changed = link.replace('picture.png', 'program.exe')
            if changed != link and _fetch(changed)[0] < 400:
                broken('Expected the link with another download name to be refused; saw it accepted.')

    @check(
        'signed_url',
        cause='The name is not quoted as a path, or quoted twice, or lacks the key prefix; or the header is built without quoting.',
    )
    def test_links_and_download_names_may_be_odd(self, harness: Harness) -> None:
        """Links work for files with any valid name, and with a key prefix, and save them under any printable name, exactly."""
        with deployed(harness, prefix='tenants/1') as storage:
            for name in _ODD:
                storage.write(name, name.encode())
                seen = _fetch(storage.signed_url(name))
                if seen != (200, name.encode()):
                    broken(f'Expected the link to {name!r} to return the file; saw {seen}.')
            for download_name in _ODD_DOWNLOADS:
                seen_name = _download_name(storage.signed_url('a b.txt', download_name=download_name))
                if seen_name != download_name:
                    broken(f'Expected a file to be saved as {download_name!r}; saw {seen_name!r}.')
            assert _download_name(storage.signed_url('a b.txt')) is None
            for refused in ('', 'a\r\nSet-Cookie: b', 'a\0b', '../a', 'a\\b'):
                with pytest.raises(fs.InvalidFilename):
                    storage.signed_url('a b.txt', download_name=refused)

    @check(
        'signed_url',
        proves=Capability.SIGNED_URL,
        cause='_signed_url ignores expires_s, treats it as minutes or as a point in time, computes with local time, or returns an '
        'earlier link.',
    )
    def test_a_link_lives_no_longer_than_said(self, harness: Harness) -> None:
        """Links for reading and for storing work immediately, and are refused after they expire, in any time zone and whatever was signed before."""
        with far_away(), deployed(harness) as storage:
            storage.write('a/x.txt', b'content')
            assert storage.signed_url('a/x.txt')
            links = {'GET': storage.signed_url('a/x.txt', expires_s=_LIFE_S)}
            if not declares(storage.backend, Capability.SIGNED_URL):
                assert _fetch(links['GET'])[0] == 200
                # The application signs, and its own clock decides about expiry.
                clock = SimpleNamespace(time=partial(later, _LIFE_S + _LIFE_S / 4 + 1))
                with mock.patch.object(signing, 'time', clock):
                    assert _fetch(links['GET'])[0] == 403
                return
            links['PUT'] = storage.signed_url('a/y.txt', method='PUT', expires_s=_LIFE_S)
            begun = time.monotonic()
            while links:
                tried_s = time.monotonic() - begun
                for method, link in list(links.items()):
                    headers = storage.backend.signed_put_headers if method == 'PUT' else {}
                    if _fetch(link, method, headers=headers)[0] >= 400:
                        del links[method]
                if links and tried_s > _LIFE_S + _GRACE_S:
                    alive = ' and '.join(links)
                    broken(
                        f'Expected a link with a lifetime of {_LIFE_S} s to be refused; saw {alive} work after {tried_s:.0f} s.'
                    )
                time.sleep(_PAUSE_S)


@contextlib.contextmanager
def deployed(harness: Harness, **more: Any) -> Generator[fs.Storage]:
    """A storage that is served only by signed links, during a request to its application, which is running."""
    storage = fs.Storage('kit', fs.ALL)
    app = harness.make_app(storage, serve=False, **more)
    with _listening(app) as base_url, app.test_request_context(base_url=base_url):
        yield storage


@contextlib.contextmanager
def _listening(app: Flask) -> Generator[str]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    # A short poll interval, because shutdown waits for it.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
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
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except urllib.error.URLError as error:
        broken(f'Expected a link that clients can request; saw {error.reason}.')
    except http.client.RemoteDisconnected:
        # A server that closes the connection has returned nothing.
        return 500, b''


def _for_another(link: str, name: str) -> str:
    """*link*, which is for ``a/x.txt``, with another name in its path."""
    parts = urlsplit(link)
    path = parts.path.replace('a/x.txt', name).replace('a%2Fx.txt', quote(name, safe=''))
    return parts._replace(path=path).geturl()


def _download_name(link: str) -> str | None:
    """The name under which browsers save the file from *link*, or None if they show it."""
    with urllib.request.urlopen(link, timeout=TIMEOUT_S) as response:
        disposition, options = parse_options_header(response.headers['Content-Disposition'])
    return options.get('filename') if disposition == 'attachment' else None


def later(seconds: float) -> float:
    """The time, this many seconds from now."""
    return time.time() + seconds
