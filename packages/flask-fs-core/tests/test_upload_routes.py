"""The route from which clients get tickets for uploads."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

import flask_fs as fs
from flask_fs.backends.incoming import PIECE_BYTES, Incoming

ORIGIN = 'https://other.example'


@pytest.fixture
def announced() -> list[fs.AnnouncedUpload]:
    return []


@pytest.fixture
def verdict() -> list[Any]:
    """What ``authorize`` returns: the last one."""
    return [True]


@pytest.fixture
def app(
    make_app: Any, kind: str, storage: fs.Storage, announced: list[fs.AnnouncedUpload], verdict: list[Any]
) -> Flask:
    app: Flask = make_app(storage, FS_BACKEND=kind)
    user = {'id': '7'}

    def authorize(upload: fs.AnnouncedUpload) -> Any:
        announced.append(upload)
        return verdict[-1]

    fs.uploads(app, storage, authorize=authorize, user=lambda: user['id'], max_bytes=3 * PIECE_BYTES, origins=[ORIGIN])
    app.extensions['user'] = user
    return app


def request(app: Flask, verb: str = 'POST', /, **body: Any) -> TestResponse:
    return app.test_client().open('/uploads/files', method=verb, json=body)


def send(app: Flask, signed: dict[str, Any], content: bytes) -> TestResponse:
    url = urlsplit(signed['url'])
    return app.test_client().open(
        f'{url.path}?{url.query}', method=signed['method'], data=content, headers=signed['headers']
    )


def accept(app: Flask, storage: fs.Storage, token: str) -> str:
    with app.app_context():
        return storage.accept_upload(token, user='7')


def test_a_ticket_lets_a_client_send_a_file(app: Flask, storage: fs.Storage, announced: list[Any]) -> None:
    response = request(app, filename='C:\\My Photo.JPG', size=3, type='image/jpeg')
    assert response.status_code == 201
    assert response.headers['Cache-Control'] == 'no-store'
    assert announced == [fs.AnnouncedUpload('My_Photo.jpg', 3, 'image/jpeg')]
    assert send(app, response.json, b'\xff\xd8\xff').status_code == 201
    assert accept(app, storage, response.json['token']) == 'My_Photo.jpg'


def test_the_route_has_an_endpoint(app: Flask) -> None:
    with app.test_request_context():
        from flask import url_for

        assert url_for('fs.uploads', fs='files') == '/uploads/files'


def test_authorize_may_name_the_file(app: Flask, storage: fs.Storage, verdict: list[Any]) -> None:
    verdict.append('7/photo.txt')
    ticket = request(app, filename='a.txt').json
    send(app, ticket, b'hello')
    assert accept(app, storage, ticket['token']) == '7/photo.txt'


@pytest.mark.parametrize('no', [False, None, '', 0])
def test_what_is_not_authorized_is_refused(app: Flask, verdict: list[Any], no: Any) -> None:
    verdict.append(no)
    response = request(app, filename='a.txt')
    assert (response.status_code, response.json) == (403, {'error': 'This upload is not allowed.'})
    assert request(app, method='PUT', key='a.txt').status_code == 403


def test_authorize_may_respond(app: Flask, verdict: list[Any]) -> None:
    verdict.append(Response('Log in.', 401))
    response = request(app, filename='a.txt')
    assert (response.status_code, response.text) == (401, 'Log in.')


@pytest.mark.parametrize('verdict', [[({}, 403)]])
def test_what_authorize_must_not_return_is_an_error(app: Flask) -> None:
    app.testing = True
    with pytest.raises(TypeError, match="'authorize' returned tuple"):
        request(app, filename='a.txt')


def test_the_type_counts_only_if_it_is_that_of_the_name(app: Flask, storage: fs.Storage) -> None:
    lying, honest = (request(app, filename='a.png', type=mime).json for mime in ('text/html', 'image/png'))
    assert (lying['headers'], honest['headers']) == ({}, {'Content-Type': 'image/png'})
    send(app, lying, b'\x89PNG\r\n\x1a\n' + bytes(40))
    accept(app, storage, lying['token'])
    with app.app_context():
        assert storage.stat('a.png').mime == 'image/png'


@pytest.mark.parametrize(
    'body',
    [
        *({}, {'filename': None}, {'filename': 1}, {'filename': 'a', 'size': '1'}, {'filename': 'a', 'size': -1}),
        *({'filename': 'a', 'size': 1.0}, {'filename': 'a', 'type': 1}, {'filename': 'a', 'checksum': 'md5:1'}),
        *({'filename': 'a', 'size': True}, {'filename': 'a', 'checksum': 1}, {'filename': 'a', 'size': 2**70}),
        *({'method': 'PUT'}, {'method': 'PUT', 'key': 1}, {'method': 'PUT', 'key': 'a', 'contentType': 1}),
    ],
)
def test_malformed_requests_are_refused(app: Flask, body: dict[str, Any]) -> None:
    response = request(app, **body)
    assert response.status_code in (400, 413)
    assert response.json['error']


def test_a_size_that_no_file_has_is_refused(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='local')
    fs.uploads(app, storage, authorize=lambda upload: True)
    assert request(app, filename='a', size=2**63 - 1).status_code == 201
    # The name of a late piece would be too long for the store.
    response = request(app, filename='a', size=10**1000)
    assert (response.status_code, 'size must be' in response.json['error']) == (400, True)


def test_nested_json_is_refused(app: Flask) -> None:
    response = app.test_client().post('/uploads/files', data='[' * 60_000, content_type='application/json')
    assert (response.status_code, response.json['error']) == (400, 'The request body must be a JSON object.')


def test_only_small_json_objects_are_read(app: Flask) -> None:
    client = app.test_client()
    assert client.post('/uploads/files', data='{"filename": "a"}', content_type='text/plain').status_code == 415
    assert client.post('/uploads/files', data={'filename': 'a'}).status_code == 415
    for text in ('[]', '"a"', '{', '\x00'):
        assert client.post('/uploads/files', data=text, content_type='application/json').status_code == 400
    assert request(app, filename='a' * 70_000).status_code == 413
    assert client.get('/uploads/files').status_code in (404, 405)


@pytest.mark.parametrize(
    ('body', 'status', 'error'),
    [
        ({'filename': '../..'}, 422, 'no characters are left'),
        ({'filename': 'a.txt', 'size': 3 * PIECE_BYTES + 1}, 413, 'at most 25165824 bytes'),
        ({'token': 'x'}, 403, 'token'),
        ({'token': None}, 403, 'token'),
        ({'token': 'x', 'start': 0}, 403, 'token'),
    ],
)
def test_refusals_say_why(app: Flask, body: dict[str, Any], status: int, error: str) -> None:
    response = request(app, **body)
    assert response.status_code == status
    assert error in response.json['error']


def test_types_that_the_storage_does_not_allow_are_refused(make_app: Any) -> None:
    storage = fs.Storage('files', fs.IMAGES)
    app = make_app(storage)
    fs.uploads(app, storage, authorize=lambda _: True)
    response = request(app, filename='a.exe')
    assert response.status_code == 422
    assert 'allowed types:' in response.json['error']


def test_a_token_is_for_one_user(app: Flask) -> None:
    ticket = request(app, filename='a.txt', size=5).json
    send(app, ticket, b'hello')
    app.extensions['user']['id'] = '8'
    for body in ({'token': ticket['token']}, {'token': ticket['token'], 'start': 0}):
        assert request(app, **body).status_code == 403
    assert request(app, 'DELETE', token=ticket['token']).status_code == 403


def test_an_upload_in_pieces_is_resumed(app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * (PIECE_BYTES // 128) + b'tail'
    token = request(app, filename='a.bin', size=len(content)).json['token']
    last = request(app, token=token, start=2 * PIECE_BYTES).json
    assert set(last) == {'method', 'url', 'headers', 'fields'}
    assert send(app, last, b'tail').status_code == 201
    now = time.time()
    # An hour later the ticket has expired, but not the upload.
    monkeypatch.setattr('time.time', lambda: now + 3600)
    progress = request(app, token=token).json
    assert progress == {'size': len(content), 'piece_bytes': PIECE_BYTES, 'arrived': [[2 * PIECE_BYTES, 4]]}
    for start in (PIECE_BYTES, 0):
        assert send(app, request(app, token=token, start=start).json, content[start:][:PIECE_BYTES]).status_code == 201
    assert [start for start, _ in request(app, token=token).json['arrived']] == [0, PIECE_BYTES, 2 * PIECE_BYTES]
    accept(app, storage, token)
    with app.app_context():
        assert storage.read('a.bin') == content


@pytest.mark.parametrize('start', [1, -PIECE_BYTES, PIECE_BYTES, '0', None, True, 0.0])
def test_there_are_no_other_pieces(app: Flask, start: Any) -> None:
    token = request(app, filename='a.txt', size=5).json['token']
    assert request(app, token=token, start=start).status_code == 400


def test_a_file_of_unknown_size_has_no_pieces(app: Flask) -> None:
    token = request(app, filename='a.txt').json['token']
    assert request(app, token=token, start=0).status_code == 400
    assert request(app, token=token).json == {'size': None, 'piece_bytes': PIECE_BYTES, 'arrived': []}


def test_a_canceled_upload_is_gone(app: Flask, storage: fs.Storage) -> None:
    ticket = request(app, filename='a.txt').json
    send(app, ticket, b'hello')
    assert request(app, 'DELETE', token=ticket['token']).status_code == 204
    with app.app_context():
        assert [*storage.backend._scan('.fs-incoming/')] == []
    assert request(app, 'DELETE', token=ticket['token']).status_code == 204
    with pytest.raises(fs.NoFile):
        accept(app, storage, ticket['token'])


def test_an_unavailable_store_is_503(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    token = request(app, filename='a.txt').json['token']

    def fail(self: Incoming) -> Any:
        raise fs.Unavailable(reason='10.0.0.7:9000 refused the connection')

    monkeypatch.setattr(Incoming, 'arrived', fail)
    response = request(app, token=token)
    assert response.status_code == 503
    assert '10.0.0.7' not in response.text


def test_other_sites_may_be_allowed(app: Flask) -> None:
    client = app.test_client()
    ticket = request(app, filename='a.txt').json
    for url, method in (('/uploads/files', 'POST'), (ticket['url'], 'PUT')):
        asks = {'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'content-type'}
        allowed = client.options(url, headers={'Origin': ORIGIN, **asks})
        assert allowed.status_code == 204
        assert allowed.headers['Access-Control-Allow-Origin'] == ORIGIN
        assert allowed.headers['Access-Control-Allow-Credentials'] == 'true'
        assert method in allowed.headers['Access-Control-Allow-Methods']
        assert allowed.headers['Access-Control-Allow-Headers'] == 'content-type'
        assert allowed.headers['Vary'] == 'Origin'
        for other in ({}, {'Origin': 'https://evil.example'}, {'Origin': 'null'}):
            refused = client.options(url, headers={**other, **asks})
            assert not [name for name, _ in refused.headers if name.startswith('Access-Control')]
            assert refused.headers['Vary'] == 'Origin'
    # So that the page learns what was wrong.
    refused = client.post('/uploads/files', json={}, headers={'Origin': ORIGIN})
    assert (refused.status_code, refused.headers['Access-Control-Allow-Origin']) == (400, ORIGIN)
    refused = client.put('/files/.fs-incoming/x', headers={'Origin': ORIGIN})
    assert (refused.status_code, refused.headers['Access-Control-Allow-Origin']) == (403, ORIGIN)


def test_no_other_site_is_allowed_by_default(make_app: Any, storage: fs.Storage) -> None:
    app = make_app(storage)
    fs.uploads(app, storage, authorize=lambda _: True)
    response = app.test_client().post('/uploads/files', json={'filename': 'a'}, headers={'Origin': ORIGIN})
    assert not [name for name, _ in response.headers if name.startswith(('Access-Control', 'Vary'))]


def test_nothing_is_there_before_it_is_called(make_app: Any, storage: fs.Storage) -> None:
    assert request(make_app(storage), filename='a').status_code == 404
    app = make_app(storage)
    with pytest.raises(TypeError, match='authorize'):
        fs.uploads(app, storage)  # type: ignore[call-arg]
    with pytest.raises(fs.ConfigurationError, match='init_app'):
        fs.uploads(app, fs.Storage('others'), authorize=lambda _: True)
    with pytest.raises(TypeError, match='origins'):
        fs.uploads(app, storage, authorize=lambda _: True, origins=ORIGIN)
    fs.uploads(app, storage, authorize=lambda _: True, url='/tickets')
    with pytest.raises(fs.ConfigurationError, match='already called'):
        fs.uploads(app, storage, authorize=lambda _: True)
    assert app.test_client().post('/tickets', json={'filename': 'a.txt'}).status_code == 201


@pytest.mark.parametrize('first', [True, False])
def test_flask_wtf_protects_the_route_and_not_the_addresses(make_app: Any, storage: fs.Storage, first: bool) -> None:
    pytest.importorskip('flask_wtf')
    from flask_wtf.csrf import CSRFProtect, generate_csrf

    app: Flask = Flask('protected') if first else make_app(storage)
    if first:
        app.config.update(SECRET_KEY='a secret of the tests', FS_BACKEND='memory')
        CSRFProtect(app)
        fs.init_app(app, storage)
    else:
        CSRFProtect(app)
    fs.uploads(app, storage, authorize=lambda _: True)
    app.add_url_rule('/token', view_func=generate_csrf)
    client = app.test_client()
    assert client.post('/uploads/files', json={'filename': 'a.txt'}).status_code == 400
    headers = {'X-CSRFToken': client.get('/token').text}
    response = client.post('/uploads/files', json={'filename': 'a.txt'}, headers=headers)
    assert response.status_code == 201
    assert send(app, response.json, b'hello').status_code == 201


def test_uppy_gets_what_it_expects(app: Flask, storage: fs.Storage, announced: list[Any]) -> None:
    response = request(app, method='PUT', key='a.txt', contentType='text/plain')
    assert response.status_code == 200
    assert set(response.json) == {'url', 'key', 'headers'}
    assert announced == [fs.AnnouncedUpload('a.txt', None, 'text/plain')]
    assert send(app, {'method': 'PUT', **response.json}, b'hello').status_code == 201
    assert accept(app, storage, response.json['key']) == 'a.txt'
    request(app, method='PUT', key='uppy-1', contentType='text/plain', filename='b.txt', size=5)
    assert announced[1:] == [fs.AnnouncedUpload('b.txt', 5, 'text/plain')]


def test_uppy_hears_that_there_are_no_parts(app: Flask) -> None:
    response = request(app, method='POST', key='a.txt')
    assert response.status_code == 422
    assert 'multipart' in response.json['error']
    for token in ('a.txt', None, 1):
        assert request(app, method='PUT', key=token, uploadId='u', partNumber=1).status_code == 403
    for how in ({'uploadId': 1}, {'partNumber': '1'}, {'method': 1}):
        assert request(app, **{'method': 'PUT', 'key': 'a.txt', **how}).status_code == 400


def test_a_file_that_no_store_takes_at_once_begins_with_its_first_piece(make_app: Any, kind: str) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=kind)
    fs.uploads(app, storage, authorize=lambda upload: True)
    sent = request(app, filename='a.bin', size=6 * 1024**3).json
    assert urlsplit(sent['url']).query == 'start=0'
    assert send(app, sent, bytes(PIECE_BYTES)).status_code == 201
    assert request(app, token=sent['token']).json['arrived'] == [[0, PIECE_BYTES]]
