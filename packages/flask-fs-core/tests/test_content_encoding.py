from __future__ import annotations

import dataclasses
import gzip
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import flask_fs as fs
from flask_fs.backends.contract import Opened
from flask_fs.backends.http import respond
from flask_fs.backends.memory import MemoryBackend

PLAIN = b'body { margin: 0 }\n' * 500
ENCODED = gzip.compress(PLAIN[:3000], mtime=0) + gzip.compress(PLAIN[3000:], mtime=0)
URL = '/files/site.css'


class Encoding(MemoryBackend):
    """Says that whatever it keeps is encoded as a test says."""

    coding: str | None = 'gzip'

    def _found(self, name: str) -> tuple[fs.FileInfo, bytes]:
        info, content = super()._found(name)
        return dataclasses.replace(info, content_encoding=self.coding), content


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('files', fs.ALL)


@pytest.fixture
def client(make_app: Callable[..., Flask], storage: fs.Storage) -> FlaskClient:
    app = make_app(storage, FS_BACKEND=Encoding)
    with app.app_context():
        storage.write('site.css', ENCODED)
        storage.write('page.html', ENCODED)
        storage.write('broken.css', 'not gzip at all')
        storage.write('short.css', ENCODED[:-9])
        storage.write('empty.css', '')
        assert storage.read('site.css') == ENCODED
    return app.test_client()


def test_an_encoded_file_is_sent_as_it_is_and_says_so(client: FlaskClient) -> None:
    response = client.get(URL)
    assert (response.status_code, response.data) == (200, ENCODED)
    assert (response.headers['Content-Encoding'], response.headers['Vary']) == ('gzip', 'Accept-Encoding')
    assert (response.content_type, response.headers['Content-Length']) == ('text/css; charset=utf-8', str(len(ENCODED)))
    assert response.headers['Content-Security-Policy'].startswith('sandbox')
    assert dict(response.headers) == dict(client.head(URL).headers)


@pytest.mark.parametrize('accept', ['gzip', 'x-gzip', 'br, GZIP;q=0.1', '*', 'identity, *;q=0.5', None])
def test_who_accepts_the_encoding_gets_it(client: FlaskClient, accept: str | None) -> None:
    response = client.get(URL, headers={} if accept is None else {'Accept-Encoding': accept})
    assert (response.headers['Content-Encoding'], response.data) == ('gzip', ENCODED)


@pytest.mark.parametrize('accept', ['identity', '', 'br', 'gzip;q=0', 'gzip;q=0, *', 'br, *;q=0', 'deflate, br'])
@pytest.mark.parametrize('range_header', [{}, {'Range': 'bytes=2-4'}])
def test_who_does_not_accept_gzip_gets_the_content_decoded(
    client: FlaskClient, accept: str, range_header: dict[str, str]
) -> None:
    encoded = client.get(URL).headers
    response = client.get(URL, headers={'Accept-Encoding': accept, **range_header})
    assert (response.status_code, response.data) == (200, PLAIN)
    assert response.headers['Vary'] == 'Accept-Encoding'
    # It is another representation: not the same bytes, so that no ranges of the two can be mixed.
    assert response.headers['ETag'] == f'W/{encoded["ETag"]}'
    assert not {'Content-Encoding', 'Content-Length', 'Accept-Ranges', 'Content-Range'} & {*response.headers.keys()}
    assert response.headers['Content-Security-Policy'].startswith('sandbox')
    assert dict(response.headers) == dict(client.head(URL, headers={'Accept-Encoding': accept}).headers)


@pytest.mark.parametrize('accept', ['gzip', 'identity'])
def test_a_304_says_by_what_it_varies(client: FlaskClient, accept: str) -> None:
    headers = {'Accept-Encoding': accept}
    first = client.get(URL, headers=headers).headers
    response = client.get(URL, headers={**headers, 'If-None-Match': first['ETag']})
    assert (response.status_code, response.data) == (304, b'')
    assert (response.headers['Vary'], response.headers['ETag']) == ('Accept-Encoding', first['ETag'])
    assert 'Content-Encoding' not in response.headers


def test_a_range_is_one_of_the_encoded_bytes(client: FlaskClient) -> None:
    etag = client.get(URL).headers['ETag']
    response = client.get(URL, headers={'Range': 'bytes=2-4', 'If-Range': etag})
    assert (response.status_code, response.data) == (206, ENCODED[2:5])
    assert (response.headers['Content-Encoding'], response.headers['Vary']) == ('gzip', 'Accept-Encoding')
    assert response.headers['Content-Range'] == f'bytes 2-4/{len(ENCODED)}'
    beyond = client.get(URL, headers={'Range': 'bytes=99999-'})
    assert (beyond.status_code, beyond.headers.get('Content-Encoding')) == (416, None)


def test_active_content_is_sandboxed_encoded_and_decoded(client: FlaskClient) -> None:
    for accept in ('gzip', 'identity'):
        response = client.get('/files/page.html', headers={'Accept-Encoding': accept})
        assert response.headers['Content-Security-Policy'].startswith('sandbox')
        assert response.headers['X-Content-Type-Options'] == 'nosniff'


def test_what_is_not_gzip_is_not_acceptable_to_who_wants_it_decoded(client: FlaskClient) -> None:
    response = client.get('/files/broken.css', headers={'Accept-Encoding': 'identity'})
    assert response.status_code == 406
    assert 'cannot be decoded' in response.text
    assert client.get('/files/broken.css').data == b'not gzip at all'
    assert client.get('/files/empty.css', headers={'Accept-Encoding': 'identity'}).data == b''


def test_content_that_ends_too_early_fails_while_it_is_sent(client: FlaskClient) -> None:
    with pytest.raises(EOFError):
        client.get('/files/short.css', headers={'Accept-Encoding': 'identity'})


@pytest.mark.parametrize('coding', ['br', 'zstd', 'gzip, gzip', 'gzip, br', 'something'])
def test_other_encodings_are_sent_as_they_are(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    monkeypatch.setattr(Encoding, 'coding', coding)
    response = client.get(URL, headers={'Accept-Encoding': 'identity'})
    assert (response.headers['Content-Encoding'], response.headers['Vary']) == (coding, 'Accept-Encoding')
    assert response.data == ENCODED


@pytest.mark.parametrize('coding', [None, 'identity', 'aws-chunked', 'gzip\r\nSet-Cookie: a=b'])
def test_what_is_no_encoding_changes_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, coding: str | None
) -> None:
    monkeypatch.setattr(Encoding, 'coding', coding)
    response = client.get(URL, headers={'Accept-Encoding': 'identity'})
    assert response.data == ENCODED
    assert not {'Content-Encoding', 'Vary', 'Set-Cookie'} & {*response.headers.keys()}


@pytest.mark.parametrize('setting', [{'USE_X_SENDFILE': True}, {'FS_LOCAL_ACCEL_REDIRECT': '/protected'}])
def test_an_encoded_file_is_not_handed_to_a_web_server(
    make_app: Callable[..., Flask], storage: fs.Storage, setting: dict[str, Any]
) -> None:
    """nginx drops its Content-Encoding, and none of them decodes it."""
    app = make_app(storage, **setting)
    with app.app_context():
        storage.write('site.css', ENCODED, content_encoding='gzip')
    for accept, content in (('gzip', ENCODED), ('identity', PLAIN)):
        response = app.test_client().get(URL, headers={'Accept-Encoding': accept})
        assert response.data == content
        assert not {'X-Sendfile', 'X-Accel-Redirect'} & {*response.headers.keys()}


def test_a_file_is_requested_whole_when_it_came_as_a_part_that_cannot_be_decoded(app: Flask) -> None:
    requested: list[tuple[int, int | None]] = []
    part = io.BytesIO(ENCODED[2:5])
    info = fs.FileInfo('x', len(ENCODED), None, content_encoding='gzip')

    def open_file(start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        requested.append((start, stop))
        return Opened(info, part if stop is not None else io.BytesIO(ENCODED))

    headers = {'Range': 'bytes=2-4', 'Accept-Encoding': 'identity'}
    with app.test_request_context('/', headers=headers):
        response = respond(lambda: info, open_file)
        response.direct_passthrough = False
        assert (response.status_code, response.get_data(), part.closed) == (200, PLAIN, True)
    assert requested == [(2, 5), (0, None)]


def test_decoding_closes_the_file_and_holds_little_of_it(app: Flask) -> None:
    closed = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 <= size <= 1024 * 1024
            return super().read(size)

        def close(self) -> None:
            closed.append(True)
            super().close()

    bomb = gzip.compress(bytes(64 * 1024 * 1024), 1)
    info = fs.FileInfo('x', len(bomb), None, content_encoding='gzip')
    with app.test_request_context('/', headers={'Accept-Encoding': 'identity'}):
        response = respond(lambda: pytest.fail('requested again'), lambda *_, **__: Opened(info, Source(bomb)))
        sizes = [len(chunk) for chunk in response.iter_encoded()]
    assert max(sizes) <= 1024 * 1024
    assert sum(sizes) == 64 * 1024 * 1024
    assert closed
    assert re.match('application/octet-stream', response.headers['Content-Type'])
