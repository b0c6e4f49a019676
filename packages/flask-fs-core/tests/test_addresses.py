from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs import signing


def test_an_address_is_a_path_of_the_application(app: Flask, storage: fs.Storage) -> None:
    assert storage.url('a/b #.txt') == '/files/a/b%20%23.txt'
    with app.test_request_context(base_url='https://example.org/sub'):
        assert storage.url('x') == '/sub/files/x'
        assert storage.url('x', external=True) == 'https://example.org/sub/files/x'
        assert storage.base_url == 'https://example.org/sub/files/'
    assert not storage.has_url


def test_a_leading_slash_is_dropped(app: Flask, storage: fs.Storage) -> None:
    assert storage.url('x') == storage.url('/x')
    with pytest.raises(fs.InvalidFilename):
        storage.url('//x')


def test_outside_a_request_a_full_address_needs_a_server_name(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    with make_app(storage).app_context(), pytest.raises(fs.ConfigurationError, match='Set SERVER_NAME'):
        storage.url('x', external=True)
    app = make_app(storage, SERVER_NAME='example.org', APPLICATION_ROOT='/sub', PREFERRED_URL_SCHEME='https')
    with app.app_context():
        assert storage.url('x', external=True) == 'https://example.org/sub/files/x'
        assert storage.url('x') == '/sub/files/x'
        assert storage.base_url == 'https://example.org/sub/files/'


@pytest.mark.parametrize(
    ('settings', 'address'),
    [
        ({'FILES_FS_URL': 'https://cdn.example/f/'}, 'https://cdn.example/f/a%20b'),
        ({'FILES_FS_URL': 'https://cdn.example/f'}, 'https://cdn.example/f/a%20b'),
        ({'FS_LOCAL_URL': 'https://cdn.example'}, 'https://cdn.example/files/a%20b'),
        ({'FS_URL': 'https://cdn.example/x/'}, 'https://cdn.example/x/files/a%20b'),
        ({'FS_URL': 'cdn.example'}, 'http://cdn.example/files/a%20b'),
        ({'FS_URL': '/static/up'}, '/static/up/files/a%20b'),
        ({'FS_URL': '/up', 'FILES_FS_PREFIX': 'in ner'}, '/up/files/in%20ner/a%20b'),
        ({'FILES_FS_URL': '/up', 'FILES_FS_PREFIX': 'inner'}, '/up/inner/a%20b'),
        ({'FS_PREFIX': '/media/'}, '/media/files/a%20b'),
        ({'FS_PREFIX': 'media/x'}, '/media/x/files/a%20b'),
        ({'FS_PREFIX': None}, '/files/a%20b'),
        ({'FS_PREFIX': ''}, '/files/a%20b'),
        ({'FS_PREFIX': '/'}, '/files/a%20b'),
    ],
)
def test_the_address_is_as_configured(make_app: Callable[..., Flask], settings: dict[str, Any], address: str) -> None:
    storage = fs.Storage()
    with make_app(storage, **settings).app_context():
        assert storage.url('a b') == address
        assert storage.has_url == ('URL' in next(iter(settings)))


def test_an_address_without_a_scheme_takes_that_of_the_request(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    with make_app(storage, FS_URL='cdn.example').test_request_context(base_url='https://example.org'):
        assert storage.url('x') == 'https://cdn.example/files/x'


def test_a_storage_configured_without_init_app_has_no_address_and_says_so() -> None:
    storage = fs.Storage('loose')
    app = Flask(__name__)
    storage.configure(app)
    with app.app_context(), pytest.raises(fs.ConfigurationError, match=r'fs\.init_app'):
        storage.url('x')


@pytest.mark.parametrize('before', [True, False])
def test_a_storage_configured_by_itself_has_an_address_in_an_application_with_flask_fs(
    tmp_path: Path, before: bool
) -> None:
    storage = fs.Storage('loose')
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config['FS_SERVE'] = True
    if before:
        storage.configure(app)
    fs.init_app(app)
    if not before:
        assert app.test_client().get('/loose/x.txt').status_code == 404
        storage.configure(app)
    storage.configure(app)
    with app.app_context():
        storage.write('x.txt', 'x')
        assert storage.url('x.txt') == '/loose/x.txt'
    assert app.test_client().get('/loose/x.txt').text == 'x'
    assert [rule.rule for rule in app.url_map.iter_rules()].count('/loose/<path:filename>') == 1


@pytest.mark.parametrize('prefix', [None, '', '/fs', '/deep/er'])
def test_the_applications_own_routes_stay_its_own(make_app: Callable[..., Flask], prefix: str | None) -> None:
    storage = fs.Storage('files')
    app = make_app(storage, FS_PREFIX=prefix)
    app.add_url_rule('/<a>/<path:b>', view_func=lambda a, b: f'{a}|{b}', endpoint='catch')
    app.add_url_rule('/', view_func=lambda: 'home', endpoint='home')
    with app.app_context():
        storage.write('x.txt', 'x')
    client = app.test_client()
    assert client.get('/other/x.txt').text == 'other|x.txt'
    assert client.get('/fs/other/x.txt').text == 'fs|other/x.txt'
    assert client.get('/').text == 'home'
    assert client.get(f'{prefix or ""}/files/x.txt').text == 'x'


@pytest.mark.parametrize('prefix', ['/<tenant>', '/<int:tenant>/x', '..', 'a/../b', 'a\\b', 5, b'fs'])
def test_a_prefix_that_is_no_path_is_refused(make_app: Callable[..., Flask], prefix: Any) -> None:
    with pytest.raises(fs.ConfigurationError, match=r'cannot use FS_PREFIX = .*: it must be the start of a URL path'):
        make_app(fs.Storage('files'), FS_PREFIX=prefix)


def test_a_prefix_may_be_mended(make_app: Callable[..., Flask]) -> None:
    app, storage = make_app(FS_PREFIX='<x>'), fs.Storage('files')
    with pytest.raises(fs.ConfigurationError, match='cannot use FS_PREFIX'):
        fs.init_app(app, storage)
    app.config['FS_PREFIX'] = '/x'
    fs.init_app(app, storage)
    with app.app_context():
        assert storage.url('a') == '/x/files/a'


def test_a_storage_behind_a_route_of_the_application_is_warned_about(make_app: Callable[..., Flask]) -> None:
    with pytest.warns(
        fs.ConfigurationWarning, match="'static' are not served, .* route /static/<path:filename>. Set FS_P"
    ):
        make_app(fs.Storage('static'))
    assert make_app(fs.Storage('static'), FS_PREFIX='/files')


def test_url_for_knows_the_endpoint(app: Flask, storage: fs.Storage) -> None:
    with app.test_request_context():
        assert app.url_for('fs.get_file', fs='files', filename='a b') == '/files/a%20b'


# --- Links signed by the application.


@pytest.fixture
def private(make_app: Callable[..., Flask], kind: str) -> tuple[Flask, fs.Storage]:
    """A storage that nobody may see without a signed link."""
    storage = fs.Storage('private', fs.ALL, authorize=lambda _: False)
    app = make_app(storage, FS_BACKEND=kind, FS_SERVE=False)
    with app.app_context():
        storage.write('a b.txt', 'secret')
        storage.write('other.txt', 'other')
    return app, storage


def signed(app: Flask, storage: fs.Storage, filename: str = 'a b.txt', **options: Any) -> str:
    with app.test_request_context():
        return storage.signed_url(filename, **options)


def test_a_signed_link_opens_what_is_closed_otherwise(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    client = app.test_client()
    assert client.get('/private/a%20b.txt').status_code == 404
    link = signed(app, storage)
    assert link.startswith('http://localhost/private/a%20b.txt?signature=')
    response = client.get(link)
    assert (response.status_code, response.data) == (200, b'secret')
    assert response.headers['Cache-Control'] == 'private, no-cache'
    assert client.head(link).status_code == 200
    assert client.get(link, headers={'Range': 'bytes=1-3'}).data == b'ecr'


@pytest.mark.parametrize('at', range(0, 200, 7))
def test_an_altered_link_is_refused(private: tuple[Flask, fs.Storage], at: int) -> None:
    app, storage = private
    base, _, signature = signed(app, storage).partition('=')
    at %= len(signature)
    altered = signature[:at] + ('A' if signature[at] != 'A' else 'B') + signature[at + 1 :]
    assert app.test_client().get(f'{base}={altered}').status_code == 403


@pytest.mark.parametrize('signature', ['', 'x', '.', 'W10.x', '%00', 'é', 'a' * 5000])
def test_rubbish_is_refused(private: tuple[Flask, fs.Storage], signature: str) -> None:
    app, _ = private
    assert app.test_client().get('/private/a%20b.txt', query_string={'signature': signature}).status_code == 403


def test_a_link_is_for_one_file_of_one_storage(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    other = fs.Storage('other')
    fs.init_app(app, other)
    query = urlsplit(signed(app, storage)).query
    response = app.test_client().get(f'/private/other.txt?{query}')
    assert response.status_code == 403
    assert 'for another file' in response.text
    assert app.test_client().get(f'/other/a%20b.txt?{query}').status_code == 403


def test_a_link_expires(private: tuple[Flask, fs.Storage], monkeypatch: pytest.MonkeyPatch) -> None:
    app, storage = private
    link = signed(app, storage, expires_s=60)
    now = time.time()
    monkeypatch.setattr(signing.time, 'time', lambda: now + 59)
    assert app.test_client().get(link).status_code == 200
    monkeypatch.setattr(signing.time, 'time', lambda: now + 76)
    response = app.test_client().get(link)
    assert response.status_code == 403
    assert 'has expired' in response.text


@pytest.mark.parametrize('lifetime_s', [1, 2, 3, 4, 60, 3600, 604_800])
def test_links_made_within_a_quarter_of_their_lifetime_are_the_same(
    private: tuple[Flask, fs.Storage], monkeypatch: pytest.MonkeyPatch, lifetime_s: int
) -> None:
    app, storage = private
    step = max(1, lifetime_s // 4)
    # Exactly at a moment when links change: those from then to the next one live the whole step longer, or less of it.
    begin = 1_000_000 * step - lifetime_s
    made = {}
    for since in (0.001, step / 2, step - 0.001, step, step + 0.001):
        monkeypatch.setattr(signing.time, 'time', lambda since=since: begin + since)
        made[since] = signed(app, storage, expires_s=lifetime_s)
        link = signing.verify(app, made[since].partition('=')[2], 'private', 'a b.txt', 'GET')
        assert lifetime_s <= link.expires - (begin + since) <= lifetime_s + step
    first, half, end, still, after = made.values()
    assert first == half == end == still != after
    other = signed(app, storage, 'other.txt', expires_s=lifetime_s)
    assert after.partition('=')[2] != other.partition('=')[2]


def test_a_browser_asks_again_by_the_same_link_and_gets_304(
    private: tuple[Flask, fs.Storage], monkeypatch: Any
) -> None:
    app, storage = private
    monkeypatch.setattr(signing.time, 'time', lambda: 1_000_000.5)
    client = app.test_client()
    etag = client.get(signed(app, storage)).headers['ETag']
    monkeypatch.setattr(signing.time, 'time', lambda: 1_000_100.5)
    assert client.get(signed(app, storage), headers={'If-None-Match': etag}).status_code == 304


def test_a_link_is_for_its_method(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    link = signed(app, storage, method='HEAD')
    assert app.test_client().head(link).status_code == 200
    response = app.test_client().get(link)
    assert response.status_code == 403
    assert 'only for HEAD requests' in response.text
    assert app.test_client().put(link).status_code == 405
    with pytest.raises(ValueError, match="must be 'GET', 'HEAD' or 'PUT', not 'DELETE'"):
        signed(app, storage, method='DELETE')


def test_the_application_signs_no_links_that_store(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    with pytest.raises(fs.OperationNotSupported, match='only for reading'):
        signed(app, storage, method='PUT')
    with pytest.raises(ValueError, match='for reading, not for PUT'):
        signed(app, storage, method='PUT', download_name='x.txt')


def test_a_link_that_stores_is_for_allowed_types(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('files', fs.IMAGES)
    with make_app(storage).test_request_context():
        with pytest.raises(fs.UnauthorizedFileType, match='allowed types: jpg'):
            storage.signed_url('x.exe', method='PUT')
        with pytest.raises(fs.OperationNotSupported):
            storage.signed_url('x.png', method='PUT')


@pytest.mark.parametrize(
    ('name', 'header'),
    [
        ('plain.txt', 'attachment; filename="plain.txt"'),
        ('Zürich 日.txt', 'attachment; filename="Zurich .txt"; filename*=UTF-8\'\'Z%C3%BCrich%20%E6%97%A5.txt'),
        ('日本', 'attachment; filename="download"; filename*=UTF-8\'\'%E6%97%A5%E6%9C%AC'),
        ('a"b;c.txt', 'attachment; filename="a\\"b;c.txt"'),
        ('100%22.txt', 'attachment; filename="100%22.txt"; filename*=UTF-8\'\'100%2522.txt'),
    ],
)
def test_a_link_can_name_the_download(private: tuple[Flask, fs.Storage], name: str, header: str) -> None:
    app, storage = private
    response = app.test_client().get(signed(app, storage, download_name=name))
    assert response.data == b'secret'
    assert response.headers['Content-Disposition'] == header


@pytest.mark.parametrize('name', ['', 'a/b', 'a\\b', 'a\r\nSet-Cookie: x', 'a\0'])
def test_a_download_name_that_is_no_plain_name_is_refused(private: tuple[Flask, fs.Storage], name: str) -> None:
    app, storage = private
    with pytest.raises(fs.InvalidFilename, match='a single name'):
        signed(app, storage, download_name=name)


@pytest.mark.parametrize('expires_s', [60, datetime.timedelta(seconds=60), datetime.timedelta(minutes=1)])
def test_a_lifetime_is_a_number_of_seconds_or_a_timedelta(private: tuple[Flask, fs.Storage], expires_s: Any) -> None:
    app, storage = private
    before = time.time()
    signature = urlsplit(signed(app, storage, expires_s=expires_s)).query.removeprefix('signature=')
    left = signing.verify(app, signature, 'private', 'a b.txt', 'GET').expires - before
    assert 60 <= left <= 76


def test_the_longest_lifetime_is_seven_days(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    assert signed(app, storage, expires_s=604_800)
    assert signed(app, storage, expires_s=datetime.timedelta(days=7))


@pytest.mark.parametrize(
    'expires_s',
    [
        *(0, -1, 604_801, 1.5, True, '60', None),
        datetime.timedelta(),
        datetime.timedelta(seconds=-60),
        datetime.timedelta(seconds=1.5),
        datetime.timedelta(days=7, seconds=1),
        datetime.timedelta.max,
    ],
)
def test_a_lifetime_out_of_bounds_is_refused(private: tuple[Flask, fs.Storage], expires_s: Any) -> None:
    app, storage = private
    with pytest.raises(ValueError, match='whole number of seconds from 1 to 604800'):
        signed(app, storage, expires_s=expires_s)


def test_signing_needs_a_secret_key_and_a_server_name(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    app = make_app(storage, SECRET_KEY=None)
    with pytest.raises(fs.ConfigurationError, match="need Flask's SECRET_KEY"):
        signed(app, storage, 'x')
    with make_app(storage).app_context(), pytest.raises(fs.ConfigurationError, match='Set SERVER_NAME'):
        storage.signed_url('x')


def test_links_outlive_a_new_key_where_the_old_one_is_a_fallback(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    link, old = signed(app, storage), app.config['SECRET_KEY']
    app.config.update(SECRET_KEY='new', SECRET_KEY_FALLBACKS=[old])
    assert app.test_client().get(link).status_code == 200
    assert app.test_client().get(signed(app, storage)).status_code == 200
    app.config.update(SECRET_KEY_FALLBACKS=[])
    assert app.test_client().get(link).status_code == 403


def forged(key: str | bytes, app: Flask) -> str:
    """A link to the private file, signed with *key*."""
    other = Flask('other')
    other.secret_key = key
    signature = signing.sign(other, signing.SignedLink('private', 'a b.txt', 'GET', 2**40))
    with app.test_request_context():
        return app.url_for('fs.get_file', fs='private', filename='a b.txt', signature=signature)


@pytest.mark.parametrize('given', ['an old key', b'an old key'])
def test_text_as_fallbacks_is_one_key_and_not_each_of_its_letters(
    private: tuple[Flask, fs.Storage], given: Any
) -> None:
    app, _ = private
    app.config['SECRET_KEY_FALLBACKS'] = given
    client = app.test_client()
    assert client.get(forged('an old key', app)).status_code == 200
    for letter in {*'an old key'}:
        assert client.get(forged(letter, app)).status_code == 403


@pytest.mark.parametrize('given', [[''], [None, 7, ''], 7, {'a': 1}, [b''], True])
def test_what_is_no_key_verifies_nothing_and_breaks_nothing(private: tuple[Flask, fs.Storage], given: Any) -> None:
    app, storage = private
    links = [signed(app, storage), *(forged(key, app) for key in ('7', 'None', 'True', 'a'))]
    good, *bad = [link.partition('=')[2] for link in links]
    # Flask's own sessions fail on some of these, so not by a request.
    app.config['SECRET_KEY_FALLBACKS'] = given
    assert signing.verify(app, good, 'private', 'a b.txt', 'GET')
    for signature in bad:
        with pytest.raises(signing.InvalidSignature):
            signing.verify(app, signature, 'private', 'a b.txt', 'GET')


@pytest.mark.parametrize('key', [None, '', b''])
def test_without_a_secret_key_a_stranger_gets_403(make_app: Callable[..., Flask], key: Any) -> None:
    storage = fs.Storage('private', fs.ALL)
    app = make_app(storage, SECRET_KEY=key, SECRET_KEY_FALLBACKS=['an old key'] if not key else [])
    with app.app_context():
        storage.write('a b.txt', 'x')
    for link in (forged('an old key', app), forged('7', app), forged('x', app).partition('=')[0] + '=1'):
        response = app.test_client().get(link)
        assert (response.status_code, response.headers['Cache-Control']) == (403, 'no-store')
    with (
        app.test_request_context(),
        pytest.raises(fs.ConfigurationError, match="need Flask's SECRET_KEY, a nonempty string"),
    ):
        storage.signed_url('a b.txt')


def test_text_as_fallbacks_gets_a_warning(make_app: Callable[..., Flask]) -> None:
    with pytest.warns(fs.ConfigurationWarning, match='SECRET_KEY_FALLBACKS is a string') as warned:
        make_app(fs.Storage(), SECRET_KEY_FALLBACKS='an old key of before')
    assert 'of before' not in str(warned[0].message)
    assert __file__.rpartition('/')[0] in warned[0].filename


def test_a_link_to_a_file_that_is_gone_is_404(private: tuple[Flask, fs.Storage]) -> None:
    app, storage = private
    link = signed(app, storage)
    with app.app_context():
        storage.delete('a b.txt')
    assert app.test_client().get(link).status_code == 404
