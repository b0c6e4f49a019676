"""Files that a web server in front sends. That a real nginx does is tested with the page about it, in docs/tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.http import http_date

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.sendfile import by_location

HEADERS = {'X-Sendfile', 'X-Accel-Redirect'}
SIGN = {
    'X-Sendfile': {'USE_X_SENDFILE': True},
    'X-Accel-Redirect': {'FS_LOCAL_ACCEL_REDIRECT': '/protected/'},
}


@pytest.fixture(params=SIGN)
def header(request: pytest.FixtureRequest) -> str:
    """The header that tells the web server, one after the other."""
    return str(request.param)


@pytest.fixture
def client(make_app: Callable[..., Flask], header: str) -> FlaskClient:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, **SIGN[header])
    with app.app_context():
        storage.write('a/x.txt', '0123456789')
        storage.write('page.html', '<p>')
    return app.test_client()


@pytest.fixture
def nginx(make_app: Callable[..., Flask]) -> Callable[..., Any]:
    """Gives the answer for one file, as nginx gets it, of a storage with these settings."""

    def answer(filename: str = 'x.txt', *, ask: str | None = None, **config: Any) -> Any:
        storage = fs.Storage('letters', fs.ALL)
        app = make_app(storage, **config)
        with app.app_context():
            storage.write(filename, 'x')
        return app.test_client().get(f'/letters/{filename if ask is None else ask}')

    return answer


# --- What both headers have in common.


def test_an_override_may_give_a_path_object(make_app: Callable[..., Flask], header: str) -> None:
    class WithPaths(LocalBackend):
        def path(self, filename: str) -> Any:
            return Path(super().path(filename))

    storage = fs.Storage('files', fs.ALL)
    settings = {'X-Sendfile': {'USE_X_SENDFILE': True}, 'X-Accel-Redirect': {'FILES_FS_ACCEL_REDIRECT': '/protected/'}}
    app = make_app(storage, FS_BACKEND=WithPaths, **settings[header])
    with app.app_context():
        storage.write('a/x.txt', 'content')
    assert app.test_client().get('/files/a/x.txt').headers[header].endswith('/a/x.txt')


def test_the_bytes_are_left_to_the_web_server(client: FlaskClient, header: str) -> None:
    answer = client.get('/files/a/x.txt')
    assert (answer.status_code, answer.data) == (200, b'')
    assert {header} == HEADERS & set(answer.headers.keys())
    assert answer.headers[header][-len('/files/a/x.txt') :] == '/files/a/x.txt'


def test_all_else_that_browsers_need_is_told(client: FlaskClient) -> None:
    answer = client.get('/files/page.html')
    assert answer.headers['Content-Type'] == 'text/html; charset=utf-8'
    assert answer.headers['Cache-Control'] == 'no-cache'
    assert answer.headers['X-Content-Type-Options'] == 'nosniff'
    assert 'sandbox' in answer.headers['Content-Security-Policy']
    assert {'ETag', 'Last-Modified'} < set(answer.headers.keys())


def test_head_is_handed_over_too(client: FlaskClient) -> None:
    told = client.get('/files/a/x.txt').headers
    answer = client.head('/files/a/x.txt')
    assert (answer.status_code, answer.data) == (200, b'')
    assert dict(told) == dict(answer.headers)


@pytest.mark.parametrize('asked', ['bytes=0-1', 'bytes=-1', 'bytes=100-'])
def test_ranges_are_left_to_the_web_server(client: FlaskClient, header: str, asked: str) -> None:
    answer = client.get('/files/a/x.txt', headers={'Range': asked})
    assert (answer.status_code, answer.data) == (200, b'')
    assert header in answer.headers
    assert not {'Accept-Ranges', 'Content-Range'} & set(answer.headers.keys())


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({'If-None-Match': '{ETag}'}, 304),
        ({'If-None-Match': '*'}, 304),
        ({'If-Modified-Since': '{Last-Modified}'}, 304),
        ({'If-Match': '"other"'}, 412),
        ({'If-Unmodified-Since': http_date(0)}, 412),
    ],
)
def test_only_a_success_is_handed_over(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    whole = client.get('/files/a/x.txt').headers
    given = {key: value.format(**whole) for key, value in headers.items()}
    answer = client.get('/files/a/x.txt', headers=given)
    assert (answer.status_code, answer.data) == (status, b'')
    assert not HEADERS & set(answer.headers.keys())


@pytest.mark.parametrize('path', ['/files/none.txt', '/files/a'])
def test_what_is_not_there_is_not_handed_over(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert not HEADERS & set(answer.headers.keys())


def test_the_application_decides_first(make_app: Callable[..., Flask], header: str) -> None:
    storage = fs.Storage('files', fs.ALL, authorize=lambda filename: False)
    app = make_app(storage, **SIGN[header])
    with app.test_request_context():
        storage.write('x.txt', 'x')
        link = storage.signed_url('x.txt', download_name='Zoë.txt')
    client = app.test_client()
    refused, allowed, forged = client.get('/files/x.txt'), client.get(link), client.get(f'{link}x')
    assert [refused.status_code, allowed.status_code, forged.status_code] == [403, 200, 403]
    assert [header in answer.headers for answer in (refused, allowed, forged)] == [False, True, False]
    assert 'filename="Zoe.txt"' in allowed.headers['Content-Disposition']
    assert allowed.headers['Cache-Control'] == 'private, no-cache'


def test_files_without_a_path_are_sent_by_the_application(make_app: Callable[..., Flask], header: str) -> None:
    storage = fs.Storage()
    app = make_app(storage, FS_BACKEND='memory', **SIGN[header])
    with app.app_context():
        storage.write('x.txt', 'x')
    assert app.test_client().get('/files/x.txt').data == b'x'


# --- Apache and lighttpd.


def test_x_sendfile_is_the_quoted_path(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, USE_X_SENDFILE=True)
    with app.app_context():
        storage.write('日 %41.svg', '<svg/>')
        path = storage.path('日 %41.svg')
    told = app.test_client().get('/files/日 %2541.svg').headers['X-Sendfile']
    assert told.isascii()
    assert unquote(told) == path


def test_an_override_of_path_is_called_with_filenames_only(make_app: Callable[..., Flask], monkeypatch: Any) -> None:
    """One that spreads files by the first letter of their names cannot be called with an empty one."""
    monkeypatch.setattr(LocalBackend, 'path', lambda self, filename: os.path.join(self.root, filename[0], filename))
    storage = fs.Storage()
    app = make_app(storage, USE_X_SENDFILE=True)
    with app.app_context():
        storage.write('x.txt', 'x')
        path = os.path.join(str(storage.root), 'x', 'x.txt')
    assert app.test_client().get('/files/x.txt').headers['X-Sendfile'] == path


# --- nginx.


@pytest.mark.parametrize(
    ('settings', 'address'),
    [
        ({'FS_LOCAL_ACCEL_REDIRECT': '/protected/'}, '/protected/letters/x.txt'),
        ({'FS_LOCAL_ACCEL_REDIRECT': '/protected'}, '/protected/letters/x.txt'),
        ({'FS_ACCEL_REDIRECT': '/a/b/'}, '/a/b/letters/x.txt'),
        ({'LETTERS_FS_ACCEL_REDIRECT': '/post/'}, '/post/x.txt'),
        ({'LETTERS_FS_ACCEL_REDIRECT': '/post', 'FS_LOCAL_ACCEL_REDIRECT': '/protected/'}, '/post/x.txt'),
        ({'LETTERS_FS_ACCEL_REDIRECT': '/gesch ützt/'}, '/gesch%20%C3%BCtzt/x.txt'),
    ],
)
def test_a_location_for_all_gets_the_storages_name(
    nginx: Callable[..., Any], settings: dict[str, str], address: str
) -> None:
    assert nginx(**settings).headers['X-Accel-Redirect'] == address


def test_a_key_prefix_is_a_folder_below_the_location(nginx: Callable[..., Any]) -> None:
    prefix = {'LETTERS_FS_PREFIX': 'tenants/7'}
    common, own = nginx(FS_ACCEL_REDIRECT='/p/', **prefix), nginx(LETTERS_FS_ACCEL_REDIRECT='/p/', **prefix)
    assert common.headers['X-Accel-Redirect'] == '/p/letters/tenants/7/x.txt'
    assert own.headers['X-Accel-Redirect'] == '/p/tenants/7/x.txt'


@pytest.mark.parametrize(
    ('filename', 'ask', 'address'),
    [
        ('two words.txt', None, '/p/two%20words.txt'),
        ('Übung ☕.txt', None, '/p/%C3%9Cbung%20%E2%98%95.txt'),
        ('%41?#.txt', '%2541%3F%23.txt', '/p/%2541%3F%23.txt'),
        ('"it\'s".txt', None, '/p/%22it%27s%22.txt'),
    ],
)
def test_the_address_is_quoted(nginx: Callable[..., Any], filename: str, ask: str | None, address: str) -> None:
    answer = nginx(filename, ask=ask, LETTERS_FS_ACCEL_REDIRECT='/p/')
    assert answer.headers['X-Accel-Redirect'] == address


def test_nginx_comes_before_x_sendfile(nginx: Callable[..., Any]) -> None:
    answer = nginx(USE_X_SENDFILE=True, FS_ACCEL_REDIRECT='/p/')
    assert HEADERS & set(answer.headers.keys()) == {'X-Accel-Redirect'}


def test_the_tag_is_the_one_that_nginx_has_for_the_file(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    app = make_app(storage, FS_ACCEL_REDIRECT='/p/')
    with app.app_context():
        storage.write('x.txt', '0123456789')
        os.utime(storage.path('x.txt'), ns=(0, 0x65920080 * 10**9 + 987_654_321))
    assert app.test_client().get('/files/x.txt').headers['ETag'] == '"65920080-a"'


def test_an_overridden_path_within_the_root_is_followed(
    nginx: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = LocalBackend.path
    monkeypatch.setattr(
        LocalBackend, 'path', lambda backend, filename: plain(backend, f'{filename[:1]}/{filename}' if filename else '')
    )
    assert nginx(FS_ACCEL_REDIRECT='/p/').headers['X-Accel-Redirect'] == '/p/letters/x/x.txt'


def test_a_file_that_an_overridden_path_has_elsewhere_is_sent_by_the_application(
    nginx: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    plain = LocalBackend.path
    elsewhere = str(tmp_path / 'elsewhere.txt')
    monkeypatch.setattr(
        LocalBackend, 'path', lambda backend, filename: elsewhere if filename else plain(backend, filename)
    )
    answer = nginx(FS_ACCEL_REDIRECT='/p/')
    assert (answer.status_code, answer.data) == (200, b'x')
    assert not HEADERS & set(answer.headers.keys())


@pytest.mark.parametrize(
    'value',
    [
        '', '/', '//', '//host/p/', 'protected', '@named', 'https://example.org/p/', '/a/../b/', '/./a', '/a//b',
        '/a?b', '/a#b', '/a%20b', '/a\\b', '/a\nb', 7, b'/a',
    ],
)  # fmt: skip  # one value a line would hide the rest
def test_what_cannot_be_a_location_is_refused(make_app: Callable[..., Flask], value: object) -> None:
    with pytest.raises(fs.ConfigurationError, match=r'cannot use FS_LOCAL_ACCEL_REDIRECT = .*: it must be '):
        make_app(fs.Storage(), FS_LOCAL_ACCEL_REDIRECT=value)


def test_the_refusal_of_a_location_says_what_one_looks_like(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.ConfigurationError) as caught:
        make_app(fs.Storage(), FILES_FS_ACCEL_REDIRECT='protected')
    expected = (
        "Storage 'files' (local) cannot use FILES_FS_ACCEL_REDIRECT = 'protected': it must be the path of an internal "
        "nginx location, such as '/protected/': begin with a slash, and don't use empty parts, '.', '..', backslashes, "
        '?, # or %.'
    )
    assert str(caught.value) == expected


def test_a_file_whose_time_is_not_known_keeps_its_own_tag(make_app: Callable[..., Flask]) -> None:
    with make_app().test_request_context():
        response = by_location(fs.FileInfo('x.txt', 1, None, 'text/plain', None, 'tag'), '/protected/x.txt')
    assert response.get_etag() == ('tag', False)
