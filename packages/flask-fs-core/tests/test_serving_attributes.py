"""What is stored with a file decides how it is served."""

from __future__ import annotations

import functools
import gzip
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs

PLAIN = b'body { margin: 0 }\n' * 100
#: Without the time, as the contents are among the names of tests, which all workers have to agree on.
compressed = functools.partial(gzip.compress, mtime=0)
ENCODED = compressed(PLAIN)
ATTRIBUTES: dict[str, Any] = {
    'mime': 'text/x-own',
    'cache_control': 'Public, Max-Age=60, S-MaxAge=600',
    'content_language': 'de, en-US',
    'download_name': 'Übung.txt',
}
SHOWN = {
    'Content-Type': 'text/x-own; charset=utf-8',
    'Cache-Control': 'Public, Max-Age=60, S-MaxAge=600',
    'Content-Language': 'de, en-US',
    'Content-Disposition': 'attachment; filename="Ubung.txt"; filename*=UTF-8\'\'%C3%9Cbung.txt',
}
HANDED_OVER = [{'USE_X_SENDFILE': True}, {'FS_LOCAL_ACCEL_REDIRECT': '/protected/'}]


def shown(response: Any) -> dict[str, str]:
    return {name: response.headers[name] for name in SHOWN if name in response.headers}


@pytest.fixture
def get(app: Flask, storage: fs.Storage) -> Callable[..., Any]:
    storage.write('a.txt', b'0123456789', **ATTRIBUTES)
    app.config['FILES_FS_CACHE_CONTROL'] = 'no-store'
    fs.init_app(app, storage)
    storage.write('a.txt', b'0123456789', overwrite=True, **ATTRIBUTES)

    def get(method: str = 'GET', url: str = '/files/a.txt', **headers: str) -> Any:
        return app.test_client().open(
            url,
            method=method,
            headers={name.replace('_', '-'): value for name, value in headers.items()},
            buffered=True,
        )

    return get


@pytest.mark.parametrize(
    ('method', 'headers', 'status'),
    [('GET', {}, 200), ('HEAD', {}, 200), ('GET', {'Range': 'bytes=2-3'}, 206), ('HEAD', {'Range': 'bytes=2-3'}, 200)],
)
def test_all_of_it_is_sent_instead_of_what_the_settings_say(
    get: Callable[..., Any], method: str, headers: dict[str, str], status: int
) -> None:
    response = get(method, **headers)
    assert (response.status_code, shown(response)) == (status, SHOWN)


def test_a_file_without_any_follows_the_settings(get: Callable[..., Any], storage: fs.Storage) -> None:
    storage.write('b.txt', b'')
    assert shown(get(url='/files/b.txt')) == {'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store'}


def test_304_has_what_caches_update(get: Callable[..., Any]) -> None:
    """And no more of what describes the content (RFC 9110 §15.4.5); Werkzeug leaves out Last-Modified too."""
    whole = get()
    response = get(If_None_Match=whole.headers['ETag'])
    assert (response.status_code, response.data) == (304, b'')
    kept = ('ETag', 'Cache-Control', 'Content-Disposition')
    assert {name: response.headers[name] for name in kept} == {name: whole.headers[name] for name in kept}
    assert not {'Content-Type', 'Content-Language', 'Content-Encoding'} & {*response.headers.keys()}


@pytest.mark.parametrize(('headers', 'status'), [({'Range': 'bytes=10-'}, 416), ({'If_Match': '"other"'}, 412)])
def test_an_error_about_the_file_is_not_kept_as_long_as_the_file(
    get: Callable[..., Any], headers: dict[str, str], status: int
) -> None:
    response = get(**headers)
    assert (response.status_code, response.headers['Cache-Control']) == (status, 'no-store')
    assert 'Content-Language' not in response.headers


def test_what_depends_on_the_visitor_is_private_all_the_same(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage('letters', fs.ALL, authorize=lambda filename: True)
    app = make_app(storage, FS_BACKEND=kind)
    with app.app_context():
        storage.write('a.txt', b'', **ATTRIBUTES)
    assert app.test_client().get('/letters/a.txt', buffered=True).headers['Cache-Control'] == 'max-age=60, private'


def test_a_signed_link_sends_it_too_and_its_own_name_wins(
    get: Callable[..., Any], app: Flask, storage: fs.Storage
) -> None:
    with app.test_request_context():
        links = [storage.signed_url('a.txt'), storage.signed_url('a.txt', download_name='other.txt')]
    responses = [get(url=link) for link in links]
    assert [response.headers['Content-Language'] for response in responses] == ['de, en-US'] * 2
    assert [response.headers['Cache-Control'] for response in responses] == ['max-age=60, private'] * 2
    assert responses[0].headers['Content-Disposition'] == SHOWN['Content-Disposition']
    assert responses[1].headers['Content-Disposition'] == 'attachment; filename="other.txt"'


def test_a_name_given_to_serve_wins(get: Callable[..., Any], app: Flask, storage: fs.Storage) -> None:
    with app.test_request_context():
        response = storage.serve('a.txt', download_name='other.txt')
        response.close()
    assert response.headers['Content-Disposition'] == 'attachment; filename="other.txt"'


@pytest.mark.parametrize('kind', ['local'], indirect=True)
def test_a_change_is_seen_by_who_has_the_file_already(get: Callable[..., Any], storage: fs.Storage) -> None:
    """On a store whose etags change with the attributes."""
    etag = get().headers['ETag']
    storage.set_attributes('a.txt', cache_control=None, download_name=None, content_language='fr')
    response = get(If_None_Match=etag)
    assert (response.status_code, response.headers['Content-Language']) == (200, 'fr')
    assert response.headers['Cache-Control'] == 'no-store'
    assert 'Content-Disposition' not in response.headers


@pytest.mark.parametrize('setting', HANDED_OVER)
def test_a_web_server_that_sends_the_file_gets_all_of_it(make_app: Callable[..., Flask], setting: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, **setting)
    with app.app_context():
        storage.write('a.txt', b'content', **ATTRIBUTES)
    response = app.test_client().get('/files/a.txt', buffered=True)
    assert (response.data, shown(response)) == (b'', SHOWN)


# --- Content that is stored encoded.


@pytest.mark.parametrize(('accept', 'body'), [('gzip', ENCODED), ('identity', PLAIN)])
@pytest.mark.parametrize('setting', [{}, *HANDED_OVER])
def test_precompressed_content_is_sent_as_the_client_accepts_it(
    make_app: Callable[..., Flask], kind: str, setting: Any, accept: str, body: bytes
) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=kind, **setting)
    with app.app_context():
        storage.save(io.BytesIO(ENCODED), 'site.css', content_encoding='gzip')
    response = app.test_client().get('/files/site.css', headers={'Accept-Encoding': accept}, buffered=True)
    assert (response.status_code, response.data) == (200, body)
    assert response.headers.get('Content-Encoding') == ('gzip' if accept == 'gzip' else None)
    assert (response.headers['Vary'], response.content_type) == ('Accept-Encoding', 'text/css; charset=utf-8')


PNG = b'\x89PNG\r\n\x1a\n' + bytes(100)


class OnlyRead:
    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


@pytest.mark.usefixtures('app')
@pytest.mark.parametrize('make', [io.BytesIO, OnlyRead])
@pytest.mark.parametrize(
    ('name', 'content', 'encoding'),
    [
        ('a.css', ENCODED, 'gzip'),
        ('a.css', ENCODED[:200], 'x-gzip'),
        ('a.css', compressed(bytes(8 << 20)), 'gzip'),
        ('a.png', compressed(PNG), 'gzip'),
        ('a.svg', compressed(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), 'gzip'),
        # What is encoded otherwise cannot be looked into.
        ('a.css', compressed(ENCODED), 'gzip, gzip'),
        ('a.png', b'<html><script>', 'br'),
        ('a.css', b'', 'gzip'),
        ('a.gz', ENCODED, None),
    ],
)
def test_encoded_content_is_checked_decoded(
    storage: fs.Storage, make: Callable[[bytes], Any], name: str, content: bytes, encoding: str | None
) -> None:
    storage.save(make(content), name, content_encoding=encoding)
    assert storage.read(name) == content


@pytest.mark.usefixtures('app')
@pytest.mark.parametrize('make', [io.BytesIO, OnlyRead])
@pytest.mark.parametrize(
    ('content', 'encoding'),
    [
        (compressed(b'<html><script>alert(1)</script>'), 'gzip'),
        (compressed(b'<html>' + bytes(1 << 20)), 'gzip'),
        (compressed(b'') + compressed(b'<html><script>alert(1)</script>'), 'gzip'),
        # It is not encoded at all.
        (b'<html><script>alert(1)</script>', 'gzip'),
        (compressed(PNG), None),
        (compressed(PNG), 'identity'),
    ],
)
def test_encoded_content_that_contradicts_the_name_is_refused(
    storage: fs.Storage, make: Callable[[bytes], Any], content: bytes, encoding: str | None
) -> None:
    with pytest.raises(fs.InvalidContent):
        storage.save(make(content), 'a.png', content_encoding=encoding)
    assert not storage.exists('a.png')


def test_validators_get_the_bytes_as_they_were_given(make_app: Callable[..., Flask], kind: str) -> None:
    seen = []
    storage = fs.Storage('files', fs.ALL, validators=[lambda file, name: seen.append(file.read())])
    with make_app(storage, FS_BACKEND=kind).app_context():
        storage.save(io.BytesIO(ENCODED), 'a.css', content_encoding='gzip')
    assert seen == [ENCODED]
