"""Files sent to browsers: through the application, and by links signed for the store itself."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

import flask_fs as fs

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
CONTENT = b'0123456789'
Watch = Callable[[Any], AbstractContextManager[list[str]]]


@pytest.fixture(scope='module')
def storage() -> fs.Storage:
    return fs.Storage('kit', fs.ALL)


@pytest.fixture
def app(store: Any, proxy: Any, storage: fs.Storage) -> Flask:
    app = store.make_app(storage, endpoint=proxy.endpoint)
    store.put_raw('a.bin', CONTENT)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def _follow(url: str, method: str = 'GET', body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


# --- Through the application.


def test_a_whole_file_is_200_with_its_metadata(client: FlaskClient, storage: fs.Storage, app: Flask) -> None:
    with app.app_context():
        storage.write('page.txt', 'grüße')
        info = storage.stat('page.txt')
    response = client.get('/kit/page.txt')
    assert (response.status_code, response.data) == (200, 'grüße'.encode())
    assert response.headers['Content-Type'] == 'text/plain; charset=utf-8'
    assert response.headers['Content-Length'] == '7'
    assert response.headers['ETag'] == f'"{info.etag}"'
    assert info.modified.replace(microsecond=0) == response.last_modified
    assert response.headers['Accept-Ranges'] == 'bytes'


@pytest.mark.parametrize(
    ('requested', 'content', 'content_range'),
    [
        ('bytes=0-0', b'0', 'bytes 0-0/10'),
        ('bytes=2-4', b'234', 'bytes 2-4/10'),
        ('bytes=7-', b'789', 'bytes 7-9/10'),
        ('bytes=-3', b'789', 'bytes 7-9/10'),
        ('bytes=-99', CONTENT, 'bytes 0-9/10'),
        ('bytes=8-99', b'89', 'bytes 8-9/10'),
        ('bytes=0-', CONTENT, 'bytes 0-9/10'),
    ],
)
def test_one_range_is_206(client: FlaskClient, requested: str, content: bytes, content_range: str) -> None:
    response = client.get('/kit/a.bin', headers={'Range': requested})
    assert (response.status_code, response.data, response.headers['Content-Range']) == (206, content, content_range)
    assert response.headers['Content-Length'] == str(len(content))


@pytest.mark.parametrize('requested', ['bytes=10-', 'bytes=10-20', 'bytes=99-'])
def test_a_range_beyond_the_end_is_416(client: FlaskClient, requested: str) -> None:
    response = client.get('/kit/a.bin', headers={'Range': requested})
    assert (response.status_code, response.headers['Content-Range']) == (416, 'bytes */10')


@pytest.mark.parametrize('requested', ['bytes=0-1,4-5', 'bytes=5-2', 'lines=1-2', 'bytes=a-b', 'nonsense'])
def test_several_ranges_and_nonsense_give_the_whole_file(client: FlaskClient, requested: str) -> None:
    response = client.get('/kit/a.bin', headers={'Range': requested})
    assert (response.status_code, response.data) == (200, CONTENT)


@pytest.mark.parametrize(
    ('requested', 'status'), [(None, 200), ('bytes=0-', 416), ('bytes=0-10', 416), ('bytes=-5', 416)]
)
def test_an_empty_file_has_no_range(client: FlaskClient, store: Any, requested: str | None, status: int) -> None:
    store.put_raw('empty.bin', b'')
    response = client.get('/kit/empty.bin', headers={'Range': requested} if requested else {})
    assert response.status_code == status
    if status == 200:
        assert (response.data, response.headers['Content-Length']) == (b'', '0')


def test_a_head_gives_the_length_and_sends_nothing(client: FlaskClient) -> None:
    response = client.head('/kit/a.bin', headers={'Range': 'bytes=2-4'})
    assert (response.status_code, response.data, response.headers['Content-Length']) == (200, b'', '10')


@pytest.mark.parametrize('method', ['get', 'head'])
def test_a_missing_file_is_404(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)('/kit/missing.bin').status_code == 404
    assert getattr(client, method)('/kit/missing.bin', headers={'Range': 'bytes=0-1'}).status_code == 404


def test_what_the_browser_has_is_304_until_it_is_replaced(client: FlaskClient, store: Any) -> None:
    first = client.get('/kit/a.bin').headers
    for condition in ({'If-None-Match': first['ETag']}, {'If-Modified-Since': first['Last-Modified']}):
        response = client.get('/kit/a.bin', headers=condition)
        assert (response.status_code, response.data) == (304, b'')
    store.put_raw('a.bin', b'other')
    response = client.get('/kit/a.bin', headers={'If-None-Match': first['ETag']})
    assert (response.status_code, response.data) == (200, b'other')


def test_a_failed_precondition_is_412(client: FlaskClient) -> None:
    etag = client.get('/kit/a.bin').headers['ETag']
    assert client.get('/kit/a.bin', headers={'If-Match': '"other"'}).status_code == 412
    assert client.get('/kit/a.bin', headers={'If-Match': etag}).status_code == 200
    past = {'If-Unmodified-Since': 'Wed, 01 Jan 2020 00:00:00 GMT'}
    assert client.get('/kit/a.bin', headers=past).status_code == 412


def test_if_range_gives_the_rest_of_the_same_file_or_the_whole_of_another(client: FlaskClient, store: Any) -> None:
    etag = client.get('/kit/a.bin').headers['ETag']
    wanted = {'Range': 'bytes=5-', 'If-Range': etag}
    response = client.get('/kit/a.bin', headers=wanted)
    assert (response.status_code, response.data) == (206, CONTENT[5:])
    store.put_raw('a.bin', b'another file')
    response = client.get('/kit/a.bin', headers=wanted)
    assert (response.status_code, response.data) == (200, b'another file')


@pytest.mark.parametrize('requested', [{}, {'Range': 'bytes=5-'}], ids=['whole', 'range'])
def test_a_file_replaced_between_metadata_and_content_is_no_mixture(
    client: FlaskClient, store: Any, app: Flask, storage: fs.Storage, hook: Any, requested: dict[str, str]
) -> None:
    """With a condition the metadata is requested first; what is sent then must be the file that it is about."""
    replaced: list[bool] = []

    def replace(**_: Any) -> None:
        if not replaced:
            replaced.append(True)
            store.put_raw('a.bin', b'a longer file than before')

    with app.app_context():
        hook(storage.backend, 'before-send.s3.GetObject', replace)
    response = client.get('/kit/a.bin', headers={'If-None-Match': '"something else"', **requested})
    assert replaced
    start = 5 if requested else 0
    assert (response.status_code, response.data) == (206 if requested else 200, b'a longer file than before'[start:])
    assert str(len(response.data)) == response.headers['Content-Length']
    assert response.headers['ETag'] == client.get('/kit/a.bin').headers['ETag']


def test_a_refused_file_is_no_missing_one(client: FlaskClient, proxy: Any) -> None:
    proxy.answer(403, times=2)
    assert client.get('/kit/a.bin').status_code != 404
    assert client.head('/kit/a.bin').status_code != 404


def test_a_browser_that_stops_reading_a_large_file_frees_the_connection(
    client: FlaskClient, store: Any, proxy: Any
) -> None:
    store.put_raw('large.bin', os.urandom(8 * MiB))
    for _ in range(3):
        response = client.get('/kit/large.bin', buffered=False)
        assert next(iter(response.response))
        response.close()
    proxy.wait_until(lambda: proxy.open_connections == 0)
    assert sum(connection.bytes_down for connection in proxy.connections) < 20 * MiB


def test_a_response_that_is_never_read_frees_the_connection(client: FlaskClient, store: Any, proxy: Any) -> None:
    store.put_raw('large.bin', os.urandom(4 * MiB))
    client.get('/kit/large.bin', buffered=False).close()
    proxy.wait_until(lambda: proxy.open_connections == 0)


def test_pages_in_sequence_share_one_connection(client: FlaskClient, proxy: Any) -> None:
    for _ in range(3):
        client.get('/kit/a.bin')
        client.get('/kit/a.bin', headers={'Range': 'bytes=2-4'})
        client.get('/kit/a.bin', headers={'Range': 'bytes=20-'})
        client.head('/kit/a.bin')
        client.get('/kit/missing.bin')
    assert len(proxy.connections) == 1


# --- By links.


def test_redirect_serving_sends_the_browser_to_the_store(store: Any, storage: fs.Storage, sent: Watch) -> None:
    store.put_raw('a b/grüße.txt', CONTENT)
    app = store.make_app(storage, serving='redirect')
    with app.app_context(), sent(storage.backend) as operations:
        response = app.test_client().get('/kit/a%20b/gr%C3%BC%C3%9Fe.txt')
    assert operations == []
    assert response.status_code in (302, 303, 307)
    assert response.headers['Location'].startswith(store.service.endpoint)
    assert _follow(response.headers['Location'])[::2] == (200, CONTENT)
    assert _follow(response.headers['Location'], Range='bytes=2-4')[::2] == (206, b'234')


def test_a_link_saves_under_its_download_name(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        link = storage.signed_url('a.bin', download_name='Zürich "1"; a.bin')
    status, headers, content = _follow(link)
    assert (status, content) == (200, CONTENT)
    assert headers['Content-Disposition'].startswith('attachment')
    assert "filename*=UTF-8''Z%C3%BCrich" in headers['Content-Disposition']


def test_links_are_made_for_the_public_endpoint(store: Any, storage: fs.Storage, proxy: Any) -> None:
    app = store.make_app(storage, public_endpoint=proxy.endpoint)
    store.put_raw('a.bin', CONTENT)
    with app.app_context():
        link = storage.signed_url('a.bin')
        assert storage.read('a.bin') == CONTENT
    assert proxy.requests == []
    assert link.startswith(proxy.endpoint + '/')
    assert _follow(link)[::2] == (200, CONTENT)
    assert len(proxy.requests) == 1


def test_a_link_with_a_prefix_leads_to_the_file(store: Any, storage: fs.Storage) -> None:
    app = store.make_app(storage, prefix='tenants/7')
    store.put_raw('tenants/7/a.bin', CONTENT)
    with app.app_context():
        assert _follow(storage.signed_url('a.bin'))[::2] == (200, CONTENT)


@pytest.mark.parametrize('settings', [{}, {'request_checksums': 'when_supported'}], ids=['plain', 'with checksums'])
def test_a_link_to_store_stores(store: Any, storage: fs.Storage, settings: dict[str, str]) -> None:
    app = store.make_app(storage, **settings)
    with app.app_context():
        link = storage.signed_url('new.bin', method='PUT')
        assert _follow(link, 'PUT', b'sent')[0] == 200
        assert storage.read('new.bin') == b'sent'


def test_a_link_to_look_is_no_link_to_read(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        link = storage.signed_url('a.bin', method='HEAD')
    status, headers, _ = _follow(link, 'HEAD')
    assert (status, headers['Content-Length']) == (200, '10')
    assert _follow(link)[0] == 403


def test_a_link_is_refused_when_it_is_old(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        link = storage.signed_url('a.bin', expires_s=1)
    assert parse_qs(urlsplit(link).query)['X-Amz-Expires'] == ['1']
    deadline = time.monotonic() + 30
    while (response := _follow(link))[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert response[0] == 403
    assert CONTENT not in response[2]


def test_a_link_holds_no_secret(app: Flask, storage: fs.Storage, store: Any) -> None:
    with app.app_context():
        assert store.service.secret_key not in storage.signed_url('a.bin')
