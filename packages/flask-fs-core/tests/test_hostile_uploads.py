"""Clients that send what no ticket says, and an application that changes or fails between a ticket and its file."""

from __future__ import annotations

import http.client
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs.backends.incoming import PIECE_BYTES, Incoming
from flask_fs.backends.local import LocalBackend

BASE = 'http://localhost'


def ticket_for(app: Flask, storage: fs.Storage, filename: str = 'a.txt', **how: Any) -> fs.UploadTicket:
    with app.test_request_context(base_url=BASE):
        return storage.signed_upload(filename, **how)


def send(app: Flask, ticket: fs.UploadTicket, content: bytes = b'hello', query: str = '') -> int:
    headers = dict(ticket.headers)
    return app.test_client().put(urlsplit(ticket.url).path + query, data=content, headers=headers).status_code


def sent(app: Flask, storage: fs.Storage, filename: str = 'a.txt', **how: Any) -> fs.UploadTicket:
    ticket = ticket_for(app, storage, filename, **how)
    assert send(app, ticket) == 201
    return ticket


def hidden(storage: fs.Storage) -> list[str]:
    return [info.name for info in storage.backend._scan('.fs-incoming/')]


# --- Tokens and addresses.


@pytest.mark.parametrize('token', ['\ud800', '\0', '.', 'a' * 1_000_000, b'x', 5, [], {}, None])
def test_whatever_is_no_token_is_refused(app: Flask, storage: fs.Storage, token: Any) -> None:
    with pytest.raises(fs.InvalidToken):
        storage.accept_upload(token)


def test_a_user_may_be_any_text(app: Flask, storage: fs.Storage) -> None:
    ticket = sent(app, storage, user='')
    for who in (None, '\ud800', 'a'):
        with pytest.raises(fs.InvalidToken):
            storage.accept_upload(ticket.token, user=who)
    assert storage.accept_upload(ticket.token, user='') == 'a.txt'


@pytest.mark.parametrize('start', ['abc', '', '1e3', '-1', '-8388608', '5', '%00', '9' * 5000, '99999999999999999999'])
@pytest.mark.parametrize('size', [None, PIECE_BYTES + 5])
def test_a_piece_begins_where_one_may(app: Flask, storage: fs.Storage, start: str, size: int | None) -> None:
    ticket = ticket_for(app, storage, size=size)
    assert send(app, ticket, bytes(PIECE_BYTES if size else 5), f'?start={start}') == 400
    assert hidden(storage) == []


def test_a_file_may_not_be_accepted_under_a_name_that_no_file_may_have(app: Flask, storage: fs.Storage) -> None:
    ticket = sent(app, storage)
    for name in ('../a.txt', '/a.txt', '.fs-incoming/a.txt', 'a//b.txt'):
        with pytest.raises(fs.InvalidFilename):
            storage.accept_upload(ticket.token, filename=name)
    assert storage.accept_upload(ticket.token) == 'a.txt'


def test_an_address_accepts_nothing_but_put(app: Flask, storage: fs.Storage) -> None:
    path = urlsplit(sent(app, storage).url).path
    statuses = {method: app.test_client().open(path, method=method).status_code for method in ('GET', 'HEAD', 'POST')}
    assert statuses == {'GET': 404, 'HEAD': 404, 'POST': 405}


# --- The body, by real servers and sockets.


@pytest.fixture
def listening(app: Flask, storage: fs.Storage) -> Iterator[int]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()
    server.server_close()


CHUNKED = 'Transfer-Encoding: chunked'


@pytest.mark.parametrize(
    ('how', 'header', 'body', 'status'),
    [
        ({}, CHUNKED, b'5\r\nhello\r\n0\r\n\r\n', 201),
        ({'size': 5}, CHUNKED, b'2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', 201),
        ({}, CHUNKED, b'5\r\nhe', 400),
        ({}, CHUNKED, b'5\r\nhello\r\n', 400),
        ({}, CHUNKED, b'zz\r\nhello\r\n0\r\n\r\n', 400),
        ({}, CHUNKED, b'-5\r\nhello\r\n0\r\n\r\n', 400),
        ({}, CHUNKED, b'3\r\nhello\r\n0\r\n\r\n', 400),
        ({'size': 5}, CHUNKED, b'4\r\nhell\r\n0\r\n\r\n', 400),
        ({'size': 5}, CHUNKED, b'5\r\nhello', 400),
        ({'size': 5}, CHUNKED, b'6\r\nhello!\r\n0\r\n\r\n', 413),
        ({'max_bytes': 5}, CHUNKED, b'6\r\nhello!\r\n0\r\n\r\n', 413),
        ({}, 'Content-Length: 5', b'hel', 400),
        ({'max_bytes': 5}, 'Content-Length: 99999999999999999999', b'hello', 413),
    ],
)
def test_a_body_that_is_not_whole_is_refused_and_stores_nothing(
    app: Flask, storage: fs.Storage, listening: int, how: dict[str, Any], header: str, body: bytes, status: int
) -> None:
    ticket = ticket_for(app, storage, **how)
    head = f'PUT {urlsplit(ticket.url).path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n'
    with socket.create_connection(('127.0.0.1', listening), timeout=30) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        with http.client.HTTPResponse(client) as response:
            response.begin()
            response.read()
            assert response.status == status
    assert len(hidden(storage)) == (status == 201)
    if status == 201:
        storage.accept_upload(ticket.token)
        assert storage.read('a.txt') == b'hello'


# --- What changes between a ticket and its file.


def test_the_limits_of_today_hold(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage)
    tickets = [sent(app, storage, f'{number}.txt') for number in range(2)]
    storage.config.max_bytes = storage.config['max_bytes'] = 4
    with pytest.raises(fs.FileTooLarge):
        storage.accept_upload(tickets[0].token)
    storage.config.max_bytes = storage.config['max_bytes'] = None
    storage.config.deny = storage.config['deny'] = ['txt']
    storage.extensions = fs.AllExcept(['txt'])
    with pytest.raises(fs.UnauthorizedFileType):
        storage.accept_upload(tickets[1].token)
    assert list(storage.list_files()) == []


def test_tickets_outlive_a_new_key_as_long_as_the_old_one_is_kept(app: Flask, storage: fs.Storage) -> None:
    ticket, late = sent(app, storage), ticket_for(app, storage, 'late.txt')
    app.config.update(SECRET_KEY='another key', SECRET_KEY_FALLBACKS=[app.config['SECRET_KEY']])
    assert send(app, late) == 201
    assert storage.accept_upload(ticket.token) == 'a.txt'
    app.config['SECRET_KEY_FALLBACKS'] = []
    assert send(app, late) == 403
    with pytest.raises(fs.InvalidToken):
        storage.accept_upload(late.token)


def test_a_ticket_is_for_one_application(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    one, two = make_app(storage, SECRET_KEY='1'), make_app(storage, SECRET_KEY='2')
    with one.app_context():
        ticket = sent(one, storage)
    assert send(two, ticket) == 403
    with two.app_context(), pytest.raises(fs.InvalidToken):
        storage.accept_upload(ticket.token)
    with one.app_context():
        assert storage.accept_upload(ticket.token) == 'a.txt'


def test_addresses_are_below_the_root_and_the_prefix(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, SERVER_NAME='example.com', APPLICATION_ROOT='/site', FS_PREFIX='/media')
    with app.app_context():
        url = storage.signed_upload('a.txt').url
    assert url.startswith('http://example.com/site/media/files/.fs-incoming/')
    path = urlsplit(url).path.removeprefix('/site')
    assert app.test_client().put(path, base_url='http://example.com/site', data=b'hello').status_code == 201


# --- What fails between a ticket and its file.


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, fs.FileNotFound, fs.UploadNotAllowed])
def test_a_validator_that_raises_keeps_the_upload_for_another_attempt(make_app: Any, error: Any) -> None:
    errors = [error('odd')]

    def validate(file: Any, name: str) -> None:
        if errors:
            raise errors.pop()

    storage = fs.Storage('files', fs.ALL, validators=[validate])
    app = make_app(storage)
    ticket = sent(app, storage)
    with pytest.raises(error):
        storage.accept_upload(ticket.token, conflict='rename')
    assert list(storage.list_files()) == []
    assert storage.accept_upload(ticket.token, conflict='rename') == 'a.txt'
    assert [name.rpartition('/')[2] for name in hidden(storage)] == ['ended']


def test_an_upload_that_goes_while_it_is_checked_has_not_arrived(
    make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage)
    ticket = sent(app, storage, 'a.png')
    progress = Incoming.progress

    def what_goes(incoming: Incoming) -> Any:
        found = progress(incoming)
        incoming.discard()
        return found

    monkeypatch.setattr(Incoming, 'progress', what_goes)
    with pytest.raises(fs.NoFile, match='no content arrived') as caught:
        storage.accept_upload(ticket.token)
    assert '.fs-incoming' not in str(caught.value)


def test_a_file_that_was_created_is_reported_although_the_rest_stays(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(PIECE_BYTES) + b'tail'
    ticket = ticket_for(app, storage, size=len(content))
    assert send(app, ticket, content[:PIECE_BYTES], '?start=0') == 201
    assert send(app, ticket, content[PIECE_BYTES:], f'?start={PIECE_BYTES}') == 201
    with monkeypatch.context() as patch:
        for hook in ('_remove', '_remove_many'):
            patch.setattr(storage.backend, hook, unavailable)
        assert storage.accept_upload(ticket.token, conflict='rename') == 'a.txt'
    assert storage.read('a.txt') == content
    assert storage.backend.sweep(older_than_s=-60)
    with pytest.raises(fs.NoFile):
        storage.accept_upload(ticket.token)


def unavailable(*_: Any) -> Any:
    raise fs.Unavailable


def test_of_many_who_replace_a_file_by_an_upload_none_loses_it(app: Flask, storage: fs.Storage) -> None:
    for turn in range(10):
        ticket = sent(app, storage)
        gate, outcomes = threading.Barrier(4), list[Any]()

        def accept(ticket: fs.UploadTicket = ticket, gate: Any = gate, outcomes: list[Any] = outcomes) -> None:
            with app.app_context():
                gate.wait()
                try:
                    outcomes.append(storage.accept_upload(ticket.token, conflict='replace'))
                except fs.FSError as error:
                    outcomes.append(type(error))

        threads = [threading.Thread(target=accept) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(outcomes) <= {'a.txt', fs.NoFile}, turn
        assert 'a.txt' in outcomes
        assert storage.read('a.txt') == b'hello'


def test_what_was_accepted_or_swept_is_not_among_deleted_files(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FILES_FS_RETENTION_DAYS=3)
    accepted, swept = sent(app, storage), sent(app, storage, 'b.txt')
    storage.accept_upload(accepted.token)
    storage.backend.sweep(older_than_s=-60)
    with pytest.raises(fs.NoFile):
        storage.accept_upload(swept.token)
    assert [*storage.deleted()] == []
    assert storage.read('a.txt') == b'hello'


def test_tickets_that_are_never_used_leave_nothing(tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = Flask('many')
    app.config.update(SECRET_KEY='key', FS_ROOT=str(tmp_path))
    fs.init_app(app, storage)
    with app.test_request_context():
        tokens = {storage.signed_upload('a.txt').token for _ in range(10_000)}
    assert len(tokens) == 10_000
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_thousands_of_open_uploads_are_in_nobodys_way(tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = Flask('many')
    app.config.update(SECRET_KEY='key', FS_ROOT=str(tmp_path))
    fs.init_app(app, storage)
    with app.test_request_context():
        for number in range(10_000):
            Incoming(storage.backend, f'{number:032x}').put(io.BytesIO(b'sent'))
    ticket = sent(app, storage)
    with app.app_context():
        assert list(storage.list_files()) == []
        assert storage.usage().files == 0
        assert storage.accept_upload(ticket.token) == 'a.txt'
        assert list(storage.list_files()) == ['a.txt']
        assert storage.backend.sweep(older_than_s=-60) == 10_000
        assert storage.read('a.txt') == b'hello'


def test_a_legacy_backend_has_no_uploads(make_app: Any) -> None:
    class Legacy(LocalBackend):
        capabilities = fs.Capability.NONE

    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FILES_FS_BACKEND=Legacy)
    with pytest.raises(fs.OperationNotSupported, match='under hidden names'):
        ticket_for(app, storage)
