"""Tickets with which clients send files, and accepting what has arrived."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

import flask_fs as fs
from flask_fs.backends.incoming import PIECE_BYTES, Incoming
from flask_fs.references import FileReference
from flask_fs.signing import MAX_EXPIRES_S
from flask_fs.tickets import ACCEPT_S

PNG = b'\x89PNG\r\n\x1a\n' + bytes(40)


def ticket_for(app: Flask, storage: fs.Storage, filename: str, **how: Any) -> fs.UploadTicket:
    with app.test_request_context():
        return storage.signed_upload(filename, **how)


def send(app: Flask, ticket: fs.UploadTicket, content: bytes, *, query: str = '', **headers: str) -> TestResponse:
    url = urlsplit(ticket.url)
    return app.test_client().open(
        url.path + query, method=ticket.method, data=content, headers={**ticket.headers, **headers}
    )


def test_what_has_arrived_becomes_a_file_once_it_is_accepted(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'in/a.txt', size=5, mime='text/plain', checksum=sha256(b'hello'))
    assert send(app, ticket, b'hello').status_code == 201
    assert (
        list(storage.list_files()) == list(storage.scan()) == storage.folder().files == storage.folder().folders == []
    )
    assert storage.accept_upload(ticket.token) == 'in/a.txt'
    assert storage.read('in/a.txt') == b'hello'
    assert storage.stat('in/a.txt').mime == 'text/plain'
    assert left_of_uploads(storage) == ['ended']


def test_a_ticket_is_json(app: Flask, storage: fs.Storage) -> None:
    with app.test_request_context():
        ticket = storage.signed_upload('a.txt', mime='text/plain')
        given = app.json.loads(app.json.dumps(ticket))
    assert given == {
        'method': 'PUT',
        'url': ticket.url,
        'token': ticket.token,
        'headers': {'Content-Type': 'text/plain'},
        'fields': {},
    }


def test_an_upload_is_accepted_once(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    storage.accept_upload(ticket.token, conflict='rename')
    with pytest.raises(fs.NoFile, match='no content arrived, or the upload was already accepted'):
        storage.accept_upload(ticket.token, conflict='rename')
    assert list(storage.list_files()) == ['a.txt']


def test_of_many_who_accept_an_upload_at_once_one_does(app: Flask, storage: fs.Storage) -> None:
    outcomes: list[Any] = []
    for turn in range(10):
        ticket = ticket_for(app, storage, f'{turn}.txt')
        send(app, ticket, b'hello')
        gate = threading.Barrier(4)

        def accept(ticket: fs.UploadTicket = ticket, gate: threading.Barrier = gate) -> None:
            with app.app_context():
                gate.wait()
                try:
                    outcomes.append(storage.accept_upload(ticket.token, conflict='rename'))
                except (fs.NoFile, fs.Unavailable) as error:
                    outcomes.append(type(error))

        threads = [threading.Thread(target=accept) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(each for each in outcomes if isinstance(each, str)) == sorted(f'{turn}.txt' for turn in range(10))
    assert len(outcomes) == 40


@pytest.mark.parametrize(
    ('how', 'content', 'status'),
    [
        ({'size': 5}, b'longer', 400),
        ({'size': 5}, b'four', 400),
        ({'max_bytes': 5}, b'longer', 413),
        ({'checksum': f'sha256:{"0" * 64}', 'size': 5}, b'hello', 400),
        ({'checksum': f'sha256:{"0" * 64}'}, b'hello', 400),
    ],
)
def test_what_is_not_what_the_ticket_says_is_refused(
    app: Flask, storage: fs.Storage, how: dict[str, Any], content: bytes, status: int
) -> None:
    ticket = ticket_for(app, storage, 'a.txt', **how)
    assert send(app, ticket, content).status_code == status
    with pytest.raises(fs.NoFile):
        storage.accept_upload(ticket.token)
    assert [*storage.backend._scan('.fs-incoming/')] == []


def test_another_type_is_refused(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt', mime='text/plain')
    assert send(app, ticket, b'hello', **{'Content-Type': 'text/html'}).status_code == 415


def test_nothing_that_was_sent_is_replaced(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    assert send(app, ticket, b'hello').status_code == 201
    assert send(app, ticket, b'other').status_code == 412
    storage.accept_upload(ticket.token)
    assert storage.read('a.txt') == b'hello'


def test_a_client_that_goes_away_leaves_nothing(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    response = app.test_client().open(
        urlsplit(ticket.url).path, method='PUT', data=b'hel', environ_overrides={'CONTENT_LENGTH': '5'}
    )
    assert response.status_code == 400
    assert [*storage.backend._scan('.fs-incoming/')] == []


def test_a_ticket_is_for_one_storage_and_one_user(app: Flask, storage: fs.Storage, kind: str) -> None:
    other = fs.Storage('other', fs.ALL)
    fs.init_app(app, other)
    ticket = ticket_for(app, storage, 'a.txt', user='7')
    address = ticket.url.rpartition('/')[2]
    assert app.test_client().put(f'/other/.fs-incoming/{address}', data=b'x').status_code == 403
    assert app.test_client().put(f'/files/.fs-incoming/{address}x', data=b'x').status_code == 403
    # Neither of the two is worth anything in the place of the other one.
    assert app.test_client().put(f'/files/.fs-incoming/{ticket.token}', data=b'x').status_code == 403
    send(app, ticket, b'hello')
    for who in (None, '8'):
        with pytest.raises(fs.InvalidToken, match='altered'):
            storage.accept_upload(ticket.token, user=who)
    for token in (address, f'{ticket.token}x', '', 'é', None):
        with pytest.raises(fs.InvalidToken):
            storage.accept_upload(token, user='7')  # type: ignore[arg-type]
    assert storage.accept_upload(ticket.token, user='7') == 'a.txt'
    theirs = ticket_for(app, other, 'a.txt')
    with pytest.raises(fs.InvalidToken, match='another storage'):
        storage.accept_upload(theirs.token)


def test_a_ticket_expires_and_so_does_its_token(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, late = (ticket_for(app, storage, f'{number}.txt', expires_s=10) for number in range(2))
    send(app, ticket, b'hello')
    now = time.time()
    monkeypatch.setattr('flask_fs.tickets.time.time', lambda: now + 11)
    assert send(app, late, b'hello').status_code == 403
    assert storage.accept_upload(ticket.token) == '0.txt'
    monkeypatch.setattr('flask_fs.tickets.time.time', lambda: now + 11 + ACCEPT_S)
    with pytest.raises(fs.InvalidToken, match='expired'):
        storage.accept_upload(ticket.token)


@pytest.mark.parametrize('content', [b'<svg xmlns="http://www.w3.org/2000/svg"><script>', b'<!doctype html><script>'])
def test_a_script_under_the_name_of_a_picture_is_rejected(app: Flask, storage: fs.Storage, content: bytes) -> None:
    ticket = ticket_for(app, storage, 'a.png')
    send(app, ticket, content, **{'Content-Type': 'image/png'})
    with pytest.raises(fs.InvalidContent):
        storage.accept_upload(ticket.token)
    assert list(storage.list_files()) == []


def test_the_type_that_the_client_says_is_not_stored(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.png')
    send(app, ticket, PNG, **{'Content-Type': 'text/html'})
    storage.accept_upload(ticket.token)
    assert storage.stat('a.png').mime == 'image/png'


def test_validators_look_at_what_has_arrived(make_app: Any) -> None:
    seen: list[Any] = []
    storage = fs.Storage('files', fs.ALL, validators=[lambda file, name: seen.append((file.read(), name))])
    app = make_app(storage)
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    storage.accept_upload(ticket.token, filename='b.txt')
    assert seen == [(b'hello', 'b.txt')]
    assert storage.read('b.txt') == b'hello'


def test_what_may_not_be_there_gets_no_ticket(make_app: Any) -> None:
    storage = fs.Storage('files', fs.IMAGES)
    app = make_app(storage, FILES_FS_MAX_BYTES=100)
    with pytest.raises(fs.UnauthorizedFileType):
        ticket_for(app, storage, 'a.exe')
    with pytest.raises(fs.FileTooLarge):
        ticket_for(app, storage, 'a.png', size=101)
    for name in ('../a.png', '.fs-incoming/a.png', '/a.png'):
        with pytest.raises(fs.InvalidFilename):
            ticket_for(app, storage, name)
    for how in ({'size': -1}, {'max_bytes': 1.5}, {'checksum': 'md5:1'}, {'expires_s': 0}, {'mime': 'a'}):
        with pytest.raises(ValueError, match=next(iter(how))):
            ticket_for(app, storage, 'a.png', **how)
    assert send(app, ticket_for(app, storage, 'a.png'), bytes(101)).status_code == 413


def test_signals_are_sent_when_it_is_accepted(app: Flask, storage: fs.Storage) -> None:
    announced: list[str] = []
    receivers = [
        lambda sender, filename: announced.append(f'saving {filename}'),
        lambda sender, info: announced.append(f'saved {info.name} {info.size}'),
    ]
    fs.file_saving.connect(receivers[0], storage)
    fs.file_saved.connect(receivers[1], storage)
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    assert announced == []
    storage.accept_upload(ticket.token)
    assert announced == ['saving a.txt', 'saved a.txt 5']


def test_conflicts_are_those_of_save(app: Flask, storage: fs.Storage) -> None:
    storage.write('a.txt', b'old')
    tickets = [ticket_for(app, storage, 'a.txt') for _ in range(2)]
    for ticket in tickets:
        send(app, ticket, b'new')
    with pytest.raises(fs.FileExists):
        storage.accept_upload(tickets[0].token)
    name = storage.accept_upload(tickets[0].token, conflict='rename')
    assert name != 'a.txt'
    assert (storage.read('a.txt'), storage.read(name)) == (b'old', b'new')
    storage.accept_upload(tickets[1].token, conflict='replace')
    assert storage.read('a.txt') == b'new'


def test_views_stay_in_their_folder(app: Flask, storage: fs.Storage) -> None:
    view = storage.scoped('tenants/7')
    with app.test_request_context():
        ticket, theirs = view.signed_upload('a.txt'), storage.scoped('tenants/8').signed_upload('a.txt')
        with pytest.raises(fs.OperationNotSupported, match='read-only'):
            view.read_only().signed_upload('b.txt')
    for each in (ticket, theirs):
        send(app, each, b'hello')
    with pytest.raises(fs.OperationNotSupported, match='read-only'):
        view.read_only().accept_upload(ticket.token)
    with pytest.raises(fs.InvalidToken, match='another folder'):
        view.accept_upload(theirs.token)
    assert view.accept_upload(ticket.token) == 'a.txt'
    assert storage.read('tenants/7/a.txt') == b'hello'


def test_a_file_is_sent_in_pieces(app: Flask, storage: fs.Storage) -> None:
    content = bytes(range(256)) * (PIECE_BYTES // 256) + b'tail'
    ticket = ticket_for(app, storage, 'a.bin', size=len(content), checksum=sha256(content))
    assert send(app, ticket, content[PIECE_BYTES:], query=f'?start={PIECE_BYTES}').status_code == 201
    with pytest.raises(fs.NoFile):
        storage.accept_upload(ticket.token)
    assert send(app, ticket, content[:100], query='?start=0').status_code == 400
    assert send(app, ticket, content[5 : PIECE_BYTES + 5], query='?start=5').status_code == 400
    assert send(app, ticket, content[:PIECE_BYTES], query='?start=0').status_code == 201
    storage.accept_upload(ticket.token)
    assert storage.read('a.bin') == content


def test_uploads_that_nobody_accepts_are_swept(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    assert not storage.backend.sweep()
    assert storage.backend.sweep(older_than_s=0) == 1
    with pytest.raises(fs.NoFile):
        storage.accept_upload(ticket.token)


def test_an_accept_that_died_blocks_another_one_for_a_while_only(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    upload_id = next(iter(storage.backend._scan('.fs-incoming/'))).name.split('/')[1]
    died = Incoming(storage.backend, upload_id).claimed()
    died.__enter__()
    with pytest.raises(fs.Unavailable, match='being accepted'):
        storage.accept_upload(ticket.token, conflict='rename')
    now = time.time()
    monkeypatch.setattr('flask_fs.backends.incoming.time.time', lambda: now + 121)
    assert storage.accept_upload(ticket.token, conflict='rename') == 'a.txt'
    assert left_of_uploads(storage) == ['ended']


def test_accepting_a_large_upload_may_take_longer(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('flask_fs.backends.incoming._BYTES_PER_S', 1)
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, bytes(1000))
    upload_id = next(iter(storage.backend._scan('.fs-incoming/'))).name.split('/')[1]
    began = time.time()
    with Incoming(storage.backend, upload_id).claimed():
        monkeypatch.setattr('flask_fs.backends.incoming.time.time', lambda: began + 1100)
        with pytest.raises(fs.Unavailable, match='being accepted'):
            storage.accept_upload(ticket.token, conflict='rename')
        # Another name would be another file.
        with pytest.raises(fs.Unavailable, match='being accepted'):
            storage.accept_upload(ticket.token, filename='b.txt')
    assert storage.accept_upload(ticket.token, filename='b.txt') == 'b.txt'


def test_an_upload_is_not_bounded_by_what_forms_may_have(app: Flask, storage: fs.Storage) -> None:
    app.config['MAX_CONTENT_LENGTH'] = 10
    ticket = ticket_for(app, storage, 'a.txt', size=100)
    assert send(app, ticket, bytes(100)).status_code == 201


def test_where_the_store_has_no_multipart_api_no_part_is_signed(app: Flask, storage: fs.Storage) -> None:
    with pytest.raises(fs.OperationNotSupported, match='multipart uploads by clients'):
        Incoming(storage.backend, 'x').signed_part('POST', None, None, None, 60)


def test_what_is_sent_again_after_it_was_accepted_is_not(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    storage.accept_upload(ticket.token)
    send(app, ticket, b'hello')
    with pytest.raises(fs.NoFile, match='already accepted'):
        storage.accept_upload(ticket.token, conflict='rename')
    assert [*storage.list_files()] == ['a.txt']


def test_that_an_upload_was_accepted_is_known_as_long_as_its_ticket_may_live(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = ticket_for(app, storage, 'a.txt', expires_s=MAX_EXPIRES_S)
    send(app, ticket, b'hello')
    storage.accept_upload(ticket.token)
    now = time.time()
    monkeypatch.setattr('flask_fs.backends.incoming.time.time', lambda: now + MAX_EXPIRES_S - 10)
    send(app, ticket, b'again')
    assert storage.backend.sweep() == 1
    with pytest.raises(fs.NoFile):
        storage.accept_upload(ticket.token)
    assert not storage.backend.sweep(older_than_s=0)
    assert left_of_uploads(storage) == ['ended']
    monkeypatch.setattr('flask_fs.backends.incoming.time.time', lambda: now + MAX_EXPIRES_S + 2 * ACCEPT_S + 10)
    assert storage.backend.sweep() == 1
    assert left_of_uploads(storage) == []


def left_of_uploads(storage: fs.Storage) -> list[str]:
    """The last parts of the hidden names of uploads."""
    return [info.name.rpartition('/')[2] for info in storage.backend._scan('.fs-incoming/')]


def sha256(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


def test_a_field_takes_a_token_where_it_takes_an_upload(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'from-the-client.txt', user='7')
    send(app, ticket, b'hello')
    reference = FileReference(storage, None, 'papers', 'moon')
    with pytest.raises(fs.InvalidToken):
        reference.save(ticket.token)
    assert not reference
    assert reference.save(ticket.token, user='7') == 'papers/moon.txt'
    assert reference.read() == b'hello'
    with pytest.raises(fs.NoFile):
        reference.save(ticket.token, user='7')
    assert reference.filename == 'papers/moon.txt'
    assert left_of_uploads(storage) == ['ended']


def test_text_that_is_no_token_is_refused_by_a_field(app: Flask, storage: fs.Storage) -> None:
    with pytest.raises(fs.InvalidToken, match='the token is not valid'):
        FileReference(storage).save('photo.jpg')
    with pytest.raises(fs.NoFile):
        FileReference(storage).save('')


def test_a_limit_that_holds_today_decides(app: Flask, storage: fs.Storage) -> None:
    ticket = ticket_for(app, storage, 'a.txt')
    send(app, ticket, b'hello')
    storage.config['max_bytes'] = 4
    with pytest.raises(fs.FileTooLarge):
        storage.accept_upload(ticket.token)
