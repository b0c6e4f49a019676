from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, redirect
from flask.testing import FlaskClient
from werkzeug.http import http_date

import flask_fs as fs
from flask_fs import signing
from flask_fs.backends import FileInfo
from flask_fs.backends.contract import Opened
from flask_fs.backends.http import respond
from flask_fs.backends.local import LocalBackend


@pytest.fixture
def client(app: Flask, storage: fs.Storage) -> FlaskClient:
    storage.write('a/x.txt', '0123456789')
    storage.write('empty.txt', '')
    return app.test_client()


URL = '/files/a/x.txt'


def test_a_file_is_served_with_its_facts(client: FlaskClient, storage: fs.Storage) -> None:
    response = client.get(URL)
    info = storage.stat('a/x.txt')
    assert (response.status_code, response.data) == (200, b'0123456789')
    assert info.modified is not None
    assert {
        'Content-Type': 'text/plain; charset=utf-8',
        'Content-Length': '10',
        'ETag': f'"{info.etag}"',
        'Last-Modified': http_date(info.modified),
        'Accept-Ranges': 'bytes',
        'Cache-Control': 'no-cache',
        'X-Content-Type-Options': 'nosniff',
    } == dict(response.headers)


def test_head_tells_the_same_and_sends_nothing(client: FlaskClient) -> None:
    response = client.head(URL)
    assert (response.status_code, response.data) == (200, b'')
    assert dict(client.get(URL).headers) == dict(response.headers)


@pytest.mark.parametrize(
    'path', ['/files/none', '/files/a', '/files/', '/other/x', '/files/a%5Cx', '/fs/files/a/x.txt']
)
def test_what_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize('path', ['/files/../../x', '/files/%2e%2e/x', '/files/a/./x.txt', '/files/x%00'])
def test_a_hostile_address_finds_nothing(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'PATCH'])
def test_nothing_can_be_changed_over_http(client: FlaskClient, method: str) -> None:
    assert client.open(URL, method=method).status_code == 405


# --- Conditions.


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({'If-None-Match': '{etag}'}, 304),
        ({'If-None-Match': 'W/{etag}'}, 304),
        ({'If-None-Match': '"other", {etag}'}, 304),
        ({'If-None-Match': '*'}, 304),
        ({'If-None-Match': '"other"'}, 200),
        ({'If-Modified-Since': '{date}'}, 304),
        ({'If-Modified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT'}, 200),
        ({'If-Modified-Since': 'nonsense'}, 200),
        ({'If-None-Match': '"other"', 'If-Modified-Since': '{date}'}, 200),
        ({'If-Match': '{etag}'}, 200),
        ({'If-Match': '*'}, 200),
        ({'If-Match': '"other"'}, 412),
        ({'If-Match': 'W/{etag}'}, 412),
        ({'If-Unmodified-Since': '{date}'}, 200),
        ({'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT'}, 412),
        ({'If-None-Match': '{etag}', 'Range': 'bytes=0-1'}, 304),
    ],
)
def test_conditions_are_kept(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    first = client.get(URL).headers
    filled = {key: value.format(etag=first['ETag'], date=first['Last-Modified']) for key, value in headers.items()}
    response = client.get(URL, headers=filled)
    assert response.status_code == status
    if status == 304:
        assert response.data == b''
        assert 'Content-Length' not in response.headers
        assert first['ETag'] == response.headers['ETag']
        assert response.headers['X-Content-Type-Options'] == 'nosniff'


def test_a_changed_file_is_sent_again(client: FlaskClient, storage: fs.Storage) -> None:
    etag = client.get(URL).headers['ETag']
    storage.write('a/x.txt', 'changed!!!!', overwrite=True)
    assert client.get(URL, headers={'If-None-Match': etag}).data == b'changed!!!!'


# --- Ranges.


@pytest.mark.parametrize(
    ('given', 'content', 'told'),
    [
        ('bytes=0-0', b'0', 'bytes 0-0/10'),
        ('bytes=2-4', b'234', 'bytes 2-4/10'),
        ('bytes=7-', b'789', 'bytes 7-9/10'),
        ('bytes=7-100', b'789', 'bytes 7-9/10'),
        ('bytes=-3', b'789', 'bytes 7-9/10'),
        ('bytes=-100', b'0123456789', 'bytes 0-9/10'),
    ],
)
def test_one_range_is_sent_as_206(client: FlaskClient, given: str, content: bytes, told: str) -> None:
    response = client.get(URL, headers={'Range': given})
    assert (response.status_code, response.data, response.headers['Content-Range']) == (206, content, told)
    assert response.headers['Content-Length'] == str(len(content))


@pytest.mark.parametrize('given', ['bytes=10-', 'bytes=10-20', 'bytes=100-200'])
def test_a_range_beyond_the_end_is_416(client: FlaskClient, given: str) -> None:
    response = client.get(URL, headers={'Range': given})
    assert (response.status_code, response.headers['Content-Range']) == (416, 'bytes */10')


@pytest.mark.parametrize('given', ['bytes=0-1,3-4', 'lines=1-2', 'bytes=4-2', 'bytes', 'bytes=a-b', ''])
def test_what_is_no_single_range_gets_the_whole_file(client: FlaskClient, given: str) -> None:
    response = client.get(URL, headers={'Range': given})
    assert (response.status_code, response.data) == (200, b'0123456789')


def test_an_empty_file_has_no_range(client: FlaskClient) -> None:
    assert client.get('/files/empty.txt', headers={'Range': 'bytes=0-'}).status_code == 416
    response = client.get('/files/empty.txt')
    assert (response.status_code, response.data) == (200, b'')


@pytest.mark.parametrize(
    ('given', 'status'),
    [
        ('{etag}', 206),
        ('W/{etag}', 200),
        ('"other"', 200),
        ('{date}', 206),
        ('Thu, 01 Jan 1970 00:00:00 GMT', 200),
        ('nonsense', 200),
    ],
)
def test_if_range_resumes_only_the_same_file(client: FlaskClient, given: str, status: int) -> None:
    first = client.get(URL).headers
    if_range = given.format(etag=first['ETag'], date=first['Last-Modified'])
    response = client.get(URL, headers={'Range': 'bytes=2-', 'If-Range': if_range})
    assert response.status_code == status


def test_a_range_of_head_is_the_whole(client: FlaskClient) -> None:
    assert client.head(URL, headers={'Range': 'bytes=2-3'}).status_code == 200


# --- Who may see what.


@pytest.mark.parametrize(
    ('config', 'debug', 'status'),
    [
        ({'FS_SERVE': None}, False, 404),
        ({'FS_SERVE': None}, True, 200),
        ({'FS_SERVE': False}, True, 404),
        ({'FS_SERVE': True}, False, 200),
        ({'FS_SERVE': True, 'FILES_FS_SERVE': False}, False, 404),
    ],
)
def test_files_are_served_only_where_configured(
    make_app: Callable[..., Flask], config: dict[str, Any], debug: bool, status: int
) -> None:
    storage = fs.Storage()
    app = make_app(storage, **config)
    app.debug = debug
    with app.app_context():
        storage.write('x.txt', 'x')
        assert storage.url('x.txt') == '/files/x.txt'
        assert app.test_client().get('/files/x.txt').status_code == status


@pytest.mark.parametrize(
    ('at_first', 'when_configured', 'later', 'status'),
    [
        (False, False, False, 404),
        (False, False, True, 200),
        (False, True, True, 200),
        (True, True, True, 200),
        (True, True, False, 404),
        (True, False, False, 404),
    ],
)
def test_without_a_setting_files_are_served_while_debug_is_on(
    tmp_path: Path, at_first: bool, when_configured: bool, later: bool, status: int
) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.debug = at_first
    fs.init_app(app)
    assert app.config['FS_SERVE'] is at_first
    app.debug = when_configured
    storage = fs.Storage()
    fs.init_app(app, storage)
    app.debug = later
    with app.app_context():
        storage.write('x.txt', 'x')
    assert app.test_client().get('/files/x.txt').status_code == status


@pytest.mark.parametrize(('given', 'status'), [(False, 404), (True, 200), ('no', 404), (0, 404)])
def test_what_is_set_after_the_first_init_app_holds_for_later_storages(tmp_path: Path, given: Any, status: int) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.debug = not given or given == 'no'
    fs.init_app(app)
    app.config['FS_SERVE'] = given
    storage = fs.Storage()
    fs.init_app(app, storage)
    with app.app_context():
        storage.write('x.txt', 'x')
    assert app.test_client().get('/files/x.txt').status_code == status


def test_the_log_says_once_why_files_are_not_served_outside_of_debug_mode(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    fs.init_app(app, fs.Storage())
    client = app.test_client()
    assert [client.get('/files/x.txt').status_code for _ in range(2)] == [404, 404]
    messages = [record.getMessage() for record in caplog.records if 'FS_SERVE' in record.getMessage()]
    assert len(messages) == 1
    assert messages[0].startswith("The files of storage 'files' are not served, because FS_SERVE is not set")


def test_the_log_does_not_mention_files_that_must_not_be_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config['FS_SERVE'] = False
    fs.init_app(app, fs.Storage())
    assert app.test_client().get('/files/x.txt').status_code == 404
    assert 'FS_SERVE' not in caplog.text


@pytest.mark.parametrize(
    ('verdict', 'status'),
    [
        (lambda _: True, 200),
        (lambda _: False, 403),
        (lambda _: None, 403),
        (lambda filename: filename == 'x.txt', 200),
        (lambda _: redirect('/login'), 302),
        (lambda _: abort(401), 401),
    ],
)
@pytest.mark.parametrize('where', ['storage', 'setting'])
def test_the_application_decides_who_may_see_a_file(
    make_app: Callable[..., Flask], verdict: Any, status: int, where: str
) -> None:
    storage = fs.Storage('private', authorize=verdict if where == 'storage' else None)
    app = make_app(storage, **({'PRIVATE_FS_AUTHORIZE': verdict} if where == 'setting' else {}))
    with app.app_context():
        storage.write('x.txt', 'x')
    response = app.test_client().get('/private/x.txt')
    assert response.status_code == status
    if status == 200:
        assert response.headers['Cache-Control'] == 'private, no-cache'


@pytest.mark.parametrize('mistaken', [('no', 403), 'a coroutine', 'a future'])
def test_what_is_true_by_accident_opens_nothing(make_app: Callable[..., Flask], mistaken: Any) -> None:
    class Pending:
        def __await__(self) -> Any:
            raise AssertionError

    async def authorize(_: str) -> bool:
        return False

    verdicts: dict[Any, Any] = {'a coroutine': authorize, 'a future': lambda _: Pending()}
    storage = fs.Storage('private', authorize=verdicts.get(mistaken, lambda _: mistaken))
    app = make_app(storage, TESTING=False)
    # With Flask's extra for asynchronous views, a coroutine is run.
    expected = {'a coroutine': (403, 500)}.get(mistaken, (500,))
    with app.app_context():
        storage.write('x.txt', 'secret')
    response = app.test_client().get('/private/x.txt')
    assert response.status_code in expected
    assert 'secret' not in response.text


def test_leave_is_asked_before_the_store_is(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('private', authorize=lambda _: False)
    app = make_app(storage)
    assert app.test_client().get('/private/not-there').status_code == 403


def test_cache_control_is_a_setting(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage()
    app = make_app(storage, FS_BACKEND=kind, FILES_FS_CACHE_CONTROL='public, max-age=31536000, immutable')
    with app.app_context():
        storage.write('x.txt', 'x')
    response = app.test_client().get('/files/x.txt')
    assert response.headers['Cache-Control'] == 'public, max-age=31536000, immutable'


@pytest.mark.parametrize(
    'asked',
    [
        'public, max-age=60, immutable',
        'max-age=60, immutable, s-maxage=600',
        'PUBLIC, Max-Age=60, S-MaxAge=600, immutable',
    ],
)
def test_no_setting_lets_shared_caches_keep_what_depends_on_who_asks(
    make_app: Callable[..., Flask], asked: str
) -> None:
    storage = fs.Storage('mine', authorize=lambda _: True)
    open_to_all = fs.Storage('all')
    app = make_app(storage, open_to_all, FS_CACHE_CONTROL=asked, SERVER_NAME='localhost')
    with app.app_context():
        links = [storage.url(storage.save(io.BytesIO(b'x'), 'x.txt')), open_to_all.signed_url('x.txt')]
        open_to_all.write('x.txt', 'x')
    for link in links:
        with app.test_client().get(link) as response:
            assert response.status_code == 200
            seen = response.headers['Cache-Control'].split(', ')
            assert sorted(seen) == ['immutable', 'max-age=60', 'private']


# --- Content of strangers.


@pytest.mark.parametrize(
    'name', ['x.html', 'x.htm', 'x.xhtml', 'x.svg', 'x.xml', 'x.xsl', 'x.js', 'x.css', 'x.swf', 'x.mhtml', 'x.rss']
)
def test_active_content_is_sandboxed(client: FlaskClient, storage: fs.Storage, name: str) -> None:
    storage.write(name, '<script>alert(1)</script>')
    for response in (client.get(f'/files/{name}'), client.get(f'/files/{name}', headers={'Range': 'bytes=0-3'})):
        assert response.headers['Content-Security-Policy'].startswith("sandbox; default-src 'none';")
        assert response.headers['X-Content-Type-Options'] == 'nosniff'


@pytest.mark.parametrize('name', ['x.png', 'x.jpg', 'x.pdf', 'x.mp3', 'x.mp4', 'x.txt'])
def test_inert_content_is_shown_as_it_is(client: FlaskClient, storage: fs.Storage, name: str) -> None:
    storage.write(name, 'x')
    assert 'Content-Security-Policy' not in client.get(f'/files/{name}').headers


# --- How it is sent.


def test_the_servers_file_wrapper_gets_the_real_file_but_for_a_range(
    make_app: Callable[..., Flask],
) -> None:
    storage = fs.Storage()
    app = make_app(storage)
    with app.app_context():
        storage.write('x.txt', '0123456789')
    wrapped = []

    def wrapper(file: Any, block: int) -> Any:
        wrapped.append(file)
        return iter(lambda: file.read(block), b'')

    client = app.test_client()
    environ = {'wsgi.file_wrapper': wrapper}
    assert client.get('/files/x.txt', environ_overrides=environ).data == b'0123456789'
    assert client.get('/files/x.txt', headers={'Range': 'bytes=2-3'}, environ_overrides=environ).data == b'23'
    whole, part = wrapped
    assert whole.fileno() > 2
    with pytest.raises(io.UnsupportedOperation):
        part.fileno()
    for file in wrapped:
        file.close()


def test_the_facts_and_the_bytes_are_those_of_one_file(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fs.Storage()
    app = make_app(storage)
    with app.app_context():
        storage.write('x.txt', 'old')
        original = LocalBackend._open_file

        def replaced_meanwhile(self: LocalBackend, name: str) -> Any:
            opened = original(self, name)
            storage.write('x.txt', 'new and longer', overwrite=True)
            return opened

        monkeypatch.setattr(LocalBackend, '_open_file', replaced_meanwhile)
        response = app.test_client().get('/files/x.txt')
    assert (response.data, response.headers['Content-Length']) == (b'old', '3')


def test_a_view_of_the_applications_own_serves_and_names_a_file(app: Flask, storage: fs.Storage) -> None:
    storage.write('x.html', '<p>')

    @app.get('/mine/<path:name>')
    def mine(name: str) -> Any:
        return storage.serve(name, download_name='Résumé "final".html', private=True)

    response = app.test_client().get('/mine/x.html')
    assert response.data == b'<p>'
    assert (
        response.headers['Content-Disposition'] == 'attachment; filename="Resume \\"final\\".html"; '
        "filename*=UTF-8''R%C3%A9sum%C3%A9%20%22final%22.html"
    )
    assert response.headers['Cache-Control'] == 'private, no-cache'
    with app.test_request_context(), pytest.raises(fs.FileNotFound):
        storage.serve('none')


def test_an_unavailable_store_is_503(app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise fs.Unavailable('x')

    monkeypatch.setattr(storage.backend, '_open', down)
    response = app.test_client().get('/files/x')
    assert (response.status_code, response.headers['Cache-Control']) == (503, 'no-store')


@pytest.mark.parametrize('handled', [False, True])
@pytest.mark.parametrize(
    ('verdict', 'filename', 'status'), [(True, 'absent', 404), (True, 'a/../b', 404), (False, 'x.txt', 403)]
)
def test_no_cache_keeps_a_refusal(
    make_app: Callable[..., Flask], verdict: bool, filename: str, status: int, handled: bool
) -> None:
    storage = fs.Storage('files', fs.ALL, authorize=lambda _: verdict)
    app = make_app(storage)
    if handled:
        app.register_error_handler(status, lambda _: ('a page of our own', status))
    response = app.test_client().get(f'/files/{filename}')
    assert (response.status_code, response.headers['Cache-Control']) == (status, 'no-store')


def test_an_application_may_let_caches_keep_its_refusals(make_app: Callable[..., Flask]) -> None:
    app = make_app(fs.Storage('files'))
    app.register_error_handler(404, lambda _: ('gone', 404, {'Cache-Control': 'max-age=60'}))
    assert app.test_client().get('/files/absent').headers['Cache-Control'] == 'max-age=60'


def test_redirect_mode_sends_the_browser_to_the_store(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Signing(LocalBackend):
        capabilities = LocalBackend.capabilities | fs.Capability.SIGNED_URL

        def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
            return f'https://store.example/{name}?until={int(time.time()) + expires_s}&method={method}'

    storage = fs.Storage()
    app = make_app(storage, FS_BACKEND=Signing, FILES_FS_SERVING='redirect')
    # The links live for five minutes, and at most 75 s longer, so that they stay the same in between.
    for now, until in ((75_000.0, 75_300), (75_000.5, 75_375), (75_074.9, 75_375), (75_075.1, 75_450)):
        monkeypatch.setattr(signing.time, 'time', lambda now=now: now)
        response = app.test_client().get('/files/a/x.txt')
        assert response.status_code == 302
        assert response.headers['Location'] == f'https://store.example/a/x.txt?until={until}&method=GET'
        assert response.headers['Cache-Control'] == 'private, no-store'
    with app.app_context():
        assert storage.signed_url('y', expires_s=5).startswith('https://store.example/y?until=75080&')


def test_a_stream_of_the_store_is_closed_if_it_cannot_be_sent(app: Flask) -> None:
    class Broken(Response):
        def __init__(self, *_: Any, **__: Any) -> None:
            raise RuntimeError('no answer')

    stream = io.BytesIO(b'1')
    info = FileInfo('x', 1, None)
    app.response_class = Broken
    with app.test_request_context('/'), pytest.raises(RuntimeError, match='no answer'):
        respond(lambda: pytest.fail('requested again'), lambda *_, **__: Opened(info, stream))
    assert stream.closed


def test_a_file_that_is_replaced_while_it_is_opened_is_served_as_it_is_then(app: Flask) -> None:
    """First the store raises it, then the file has become shorter than the range between metadata and bytes."""
    info = FileInfo('x', 9, None)
    outcomes: list[Any] = [fs.Replaced('x'), fs.RangeNotSatisfiable('x'), Opened(info, io.BytesIO(b'56'))]

    def open_file(*_: Any, **__: Any) -> Opened:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with app.test_request_context('/', headers={'Range': 'bytes=5-6'}):
        response = respond(lambda: info, open_file)
        response.direct_passthrough = False
        assert (response.status_code, response.headers['Content-Range'], response.data) == (206, 'bytes 5-6/9', b'56')
