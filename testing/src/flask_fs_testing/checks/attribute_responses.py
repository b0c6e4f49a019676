"""Attributes as headers: in responses of the application, and for links that the store signs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from werkzeug.http import parse_options_header

import flask_fs as fs
from flask_fs.backends import Capability

from ..guarantees import broken, check, declares
from ..harness import Harness
from .attributes import GIVEN, gzipped
from .links import TIMEOUT_S, deployed

#: Headers that are not sent unless the attribute was given.
_ABSENT = ('Content-Encoding', 'Content-Language', 'Content-Disposition')


class AttributeResponseChecks:
    """The attributes that clients see."""

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='_open or _stat lacks an attribute that the other one has, or an overridden serve() sends some only with GET.',
    )
    def test_attributes_are_served_as_headers(self, harness: Harness) -> None:
        """Type, caching, encoding, languages and download name are sent with 200, 206 and 304, and for HEAD; those that were not given are not sent."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage)
        client, content = app.test_client(), gzipped(1000)
        with app.app_context():
            if not declares(storage.backend, Capability.ATTRIBUTES):
                return
            storage.write('a/given.bin', content, **GIVEN.given())
            storage.write('a/plain.txt', content)
        expected: dict[str, dict[str, str | None]] = {
            'a/given.bin': _headers(),
            'a/plain.txt': {'Content-Type': 'text/plain', 'Cache-Control': 'no-cache', **dict.fromkeys(_ABSENT)},
        }
        for name, headers in expected.items():
            etag = client.get(f'/kit/{name}').headers.get('ETag')
            for status, method, given in (
                (200, 'GET', {}),
                (200, 'HEAD', {}),
                (200, 'GET', {'If-None-Match': '"other"'}),
                (206, 'GET', {'Range': 'bytes=10-19'}),
                (206, 'GET', {'Range': 'bytes=-5', 'If-Range': etag}),
                (304, 'GET', {'If-None-Match': etag}),
                (304, 'HEAD', {'If-None-Match': etag}),
            ):
                if None in given.values():
                    continue  # The store does not support etags.
                response = client.open(f'/kit/{name}', method=method, headers={'Accept-Encoding': 'gzip', **given})
                what = f'{status} to {method} {name} with {given}'
                if response.status_code != status:
                    broken(f'Expected {what}; saw {response.status}.')
                if status == 304:
                    # Without content, it only has headers that update the client's copy (RFC 9110, 15.4.5).
                    _judge(response.headers, {'Cache-Control': headers['Cache-Control']}, what)
                else:
                    _judge(response.headers, headers, what)
                response.close()

    @check(
        '_signed_url',
        proves=Capability.SIGNED_URL,
        cause='The link overrides a header although no override was requested, or the attribute is in a metadata field that '
        'the store does not serve. Check _signed_url, and what _put sends.',
    )
    def test_attributes_are_honored_by_signed_links(self, harness: Harness) -> None:
        """The response to a signed link has the attributes of the file as headers, and the download name of the link if it has one."""
        with deployed(harness) as storage:
            if not declares(storage.backend, Capability.ATTRIBUTES):
                return
            storage.write('a/given.bin', gzipped(1000), **GIVEN.given())
            by_store = declares(storage.backend, Capability.SIGNED_URL)
            # Links that the application signs are for their bearer alone, and so not for shared caches.
            caching = GIVEN.cache_control if by_store else 'max-age=3600, private'
            expected = {**_headers(), 'Cache-Control': caching}
            _judge(_fetched(storage.signed_url('a/given.bin')), expected, 'a signed link')
            link = storage.signed_url('a/given.bin', download_name='Größe.txt')
            _judge(
                _fetched(link), {**expected, 'Content-Disposition': 'Größe.txt'}, 'a signed link with a download name'
            )
            storage.set_attributes('a/given.bin', **dict.fromkeys(GIVEN.given()))
            seen = _fetched(storage.signed_url('a/given.bin'))
            _judge(seen, dict.fromkeys(_ABSENT), 'a signed link to a file without attributes')


def _headers() -> dict[str, str | None]:
    return {
        'Content-Type': GIVEN.mime,
        'Cache-Control': GIVEN.cache_control,
        'Content-Encoding': GIVEN.content_encoding,
        'Content-Language': GIVEN.content_language,
        'Content-Disposition': GIVEN.download_name,
    }


def _judge(headers: Any, expected: Mapping[str, str | None], what: str) -> None:
    for header, wanted in expected.items():
        seen = headers.get(header)
        if seen is not None and header == 'Content-Type':
            # A charset can follow.
            seen, _ = parse_options_header(seen)
        elif seen is not None and header == 'Content-Disposition':
            kind, options = parse_options_header(seen)
            seen = options.get('filename') if kind == 'attachment' else None
        if seen != wanted:
            broken(f'Expected {header} {wanted!r} with {what}; saw {headers.get(header)!r}.')


def _fetched(link: str) -> Any:
    """The headers that a browser gets from *link*, as the store or the application sends them."""
    request = urllib.request.Request(link, headers={'Accept-Encoding': 'gzip'})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.headers
    except urllib.error.HTTPError as error:
        with error:
            broken(f'Expected a signed link to return the file; saw status {error.code}.')
