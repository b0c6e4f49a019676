"""Uploads that clients send to Swift by forms, without a byte of them passing the application."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends.incoming import PIECE_BYTES, Incoming
from flask_fs_swift.signing import form_digests
from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

BOUNDARY = 'a-boundary'


def parts_of(fields: dict[str, str], filename: str, mime: str) -> bytes:
    """A form as browsers send it, up to the content of its file."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: {mime}\r\n\r\n'
    return ''.join([*parts, f'--{BOUNDARY}\r\n{file}']).encode()


def send_form(ticket: Any, body: Any, **headers: str) -> int:
    """The status of the response to the form of *ticket*."""
    url = urlsplit(ticket.url)
    with contextlib.closing(http.client.HTTPConnection(url.netloc, timeout=120)) as connection:
        kind = {'Content-Type': f'multipart/form-data; boundary={BOUNDARY}', **headers}
        connection.request(ticket.method, url.path, body, kind)
        with connection.getresponse() as response:
            response.read()
            return response.status


def send(
    ticket: Any, content: bytes, filename: str = 'blob', mime: str = 'application/octet-stream', **more: str
) -> int:
    """The status of the response to the form of *ticket*, with *more* fields."""
    start = parts_of({**ticket.fields, **more}, filename, mime)
    return send_form(ticket, start + content + f'\r\n--{BOUNDARY}--\r\n'.encode())


def sha256(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


def moved_by(proxy: Any) -> int:
    """How many bytes of bodies have passed between the application and Swift; clients have no token."""
    return sum(each.bytes_up + each.bytes_down for each in proxy.requests if 'x-auth-token' in each.headers)


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('kit', fs.ALL)


@pytest.fixture
def app(swift_harness: Any, storage: fs.Storage) -> Iterator[Flask]:
    app = swift_harness.make_app(storage)
    with app.test_request_context():
        yield app


def visible(swift_harness):
    """What is stored, but for the notes of uploads that were accepted."""
    return [name for name in swift_harness.names_raw() if not name.endswith('/ended')]


def test_a_form_is_all_that_a_client_needs(app, storage, swift_harness):
    ticket = storage.signed_upload('in/a é.txt', size=5, mime='text/plain', checksum=sha256(b'hello'))
    assert send(ticket, b'hello', 'Übung "1".txt', 'text/html') == 201
    assert list(storage.list_files()) == []
    assert storage.accept_upload(ticket.token) == 'in/a é.txt'
    assert storage.read('in/a é.txt') == b'hello'
    assert storage.stat('in/a é.txt').mime == 'text/plain'
    assert visible(swift_harness) == ['in/a é.txt']


def test_the_fields_come_in_the_order_in_which_formpost_wants_them(app, storage):
    ticket = storage.signed_upload('x.txt', size=5, mime='text/plain')
    assert ticket.method == 'POST'
    assert list(ticket.fields) == ['max_file_size', 'max_file_count', 'expires', 'signature', 'Content-Type']
    assert ticket.fields['max_file_size'] == '5'
    assert ticket.url.endswith('/0-0/')


@pytest.mark.parametrize(
    ('how', 'content', 'status'),
    [
        ({'size': 5}, b'longer', 400),
        ({'size': 5}, b'four', 201),
        ({'size': 5, 'checksum': sha256(b'other')}, b'hello', 201),
    ],
)
def test_what_is_not_what_the_ticket_says_is_refused(app, storage, how, content, status):
    ticket = storage.signed_upload('x.txt', **how)
    assert send(ticket, content) == status
    with pytest.raises(fs.NoFile if status == 400 else fs.InvalidContent):
        storage.accept_upload(ticket.token)
    assert list(storage.list_files()) == []


def test_another_type_is_refused_whatever_the_client_calls_its_file(app, storage):
    for filename in ('x.html', 'x'):
        ticket = storage.signed_upload('x.txt', size=5, mime='text/plain')
        fields = {**ticket.fields, 'Content-Type': 'text/html'}
        start = parts_of(fields, filename, 'text/html')
        assert send_form(ticket, start + f'hello\r\n--{BOUNDARY}--\r\n'.encode()) == 201
        with pytest.raises(fs.InvalidContent, match='text/html'):
            storage.accept_upload(ticket.token)


def test_of_a_form_that_is_cut_there_is_no_file(app, storage):
    """Swift keeps what has come of it as if it were all."""
    ticket = storage.signed_upload('x.bin', size=2_000_000)
    url, content = urlsplit(ticket.url), bytes(2_000_000)
    body = parts_of(dict(ticket.fields), 'blob', 'text/plain') + content
    with contextlib.closing(http.client.HTTPConnection(url.netloc, timeout=60)) as connection:
        connection.putrequest('POST', url.path)
        connection.putheader('Content-Type', f'multipart/form-data; boundary={BOUNDARY}')
        connection.putheader('Content-Length', str(len(body)))
        connection.endheaders(body[:1_000_000])
        connection.sock.shutdown(socket.SHUT_WR)
        connection.sock.recv(1000)
    with pytest.raises(fs.InvalidContent, match='but 2000000 were announced'):
        storage.accept_upload(ticket.token)
    assert send(ticket, content) == 201
    storage.accept_upload(ticket.token)
    assert storage.read('x.bin') == content


def test_what_has_no_known_size_is_sent_to_the_application(app, storage, caplog):
    for how in ({}, {'max_bytes': 5}):
        ticket = storage.signed_upload('x.txt', **how)
        assert (ticket.method, urlsplit(ticket.url).path.startswith('/kit/')) == ('PUT', True)
        assert app.test_client().put(urlsplit(ticket.url).path, data=b'hello').status_code == 201
        storage.accept_upload(ticket.token, conflict='replace')
        assert storage.read('x.txt') == b'hello'
    assert fs.Capability.SIGNED_UPLOAD in storage.backend.capabilities
    assert not caplog.records


def test_no_signed_field_can_be_changed_and_none_left_out(app, storage, swift_harness):
    ticket = storage.signed_upload('x.txt', size=5)
    before = swift_harness.names_raw()
    for field, value in ticket.fields.items():
        for changed in ({field: '9' + value}, {field: '0'}, {field: ''}):
            assert send(ticket, b'hello', **changed) in (400, 401)
    # More than one file, and a place beside the one that is signed.
    start = parts_of(dict(ticket.fields), 'a', 'text/plain')
    one = start[start.rindex(f'--{BOUNDARY}'.encode()) :]
    two = b'\r\n'.join([start + b'hello', one.replace(b'"a"', b'"b"') + b'hello', f'--{BOUNDARY}--\r\n'.encode()])
    assert send_form(ticket, two) == 400
    path = urlsplit(ticket.url).path
    for url in (ticket.url[:-4], ticket.url.replace('/0-0/', '/0-0/../../x'), ticket.url.replace(path, path[:-5])):
        assert send(type(ticket)(ticket.method, url, '', fields=ticket.fields), b'hello') in (401, 404)
    assert [name for name in swift_harness.names_raw() if not name.endswith('/0-0/a')] == before


def test_a_ticket_expires(app, storage):
    ticket = storage.signed_upload('x.txt', size=5, expires_s=1)
    while send(ticket, b'hello') != 401:
        pass
    storage.accept_upload(ticket.token)


def test_what_clients_say_of_a_file_does_not_stay_with_it(app, storage, swift_harness):
    ticket = storage.signed_upload('x.txt', size=5)
    more = {'content-encoding': 'gzip', 'x_delete_after': '3600', 'x-object-meta-fs-checksum': 'sha256:0'}
    assert send(ticket, b'hello', 'x.html', 'text/html', **more) == 201
    storage.accept_upload(ticket.token)
    headers = swift_harness.headers('x.txt')
    assert headers['content-type'] == 'text/plain'
    assert not {'content-encoding', 'x-delete-at', 'x-object-meta-fs-checksum'} & set(headers)


def test_an_empty_file_of_any_type_is_one(app, storage, swift_harness):
    """Swift's users mark folders by such an object, which no listing shows."""
    ticket = storage.signed_upload('x.txt', size=0)
    assert send(ticket, b'', mime='application/directory') == 201
    storage.accept_upload(ticket.token)
    assert storage.stat('x.txt').size == 0
    assert visible(swift_harness) == ['x.txt']


def test_what_was_checked_is_what_becomes_the_file(app, storage):
    ticket = storage.signed_upload('x.txt', size=5)
    send(ticket, b'right')
    with storage._arrived(ticket.token) as arrived:
        assert arrived.read() == b'right'
        assert send(ticket, b'wrong') == 201
        with pytest.raises(fs.NoFile):
            storage.save(arrived, 'x.txt')
    assert list(storage.list_files()) == []


@pytest.mark.parametrize('filename', ['../../../evil.txt', '..', 'a/./b', '.'])
def test_a_name_that_leads_elsewhere_leads_nowhere_and_is_removed(app, storage, swift_harness, filename):
    storage.write('evil.txt', b'ours')
    ticket, other = storage.signed_upload('x.txt', size=5), storage.signed_upload('y.txt', size=5)
    for each in (ticket, other):
        assert send(each, b'hello', filename) == 201
    with pytest.raises(fs.InvalidFilename, match='dot segment'):
        storage.accept_upload(ticket.token)
    assert storage.backend.sweep(older_than_s=-60) == 2
    assert swift_harness.names_raw() == ['evil.txt']
    assert storage.read('evil.txt') == b'ours'


def test_the_first_ticket_creates_the_container_with_its_key(swift_harness, storage):
    app = swift_harness.make_app(storage, container=f'{swift_harness.container}-missing')
    with app.test_request_context():
        ticket = storage.signed_upload('x.txt', size=5)
        assert send(ticket, b'hello') == 201
        assert storage.accept_upload(ticket.token) == 'x.txt'


def test_more_than_swift_accepts_by_one_request_gets_no_ticket_for_one(app, storage):
    with pytest.raises(fs.FileTooLarge, match='in pieces'):
        storage.signed_upload('x.txt', size=5 * 1024**3 + 1)


# --- What the cluster accepts.


@pytest.mark.parametrize(
    ('info', 'digests'),
    [
        ({'swift': {}, 'bulk_delete': {}, 'formpost': {'allowed_digests': ['sha256', 'md5']}}, {'sha256'}),
        # Before Swift 2.30.
        ({'swift': {}, 'bulk_delete': {}, 'formpost': {}}, {'sha1'}),
        ({'swift': {}, 'bulk_delete': {}}, set()),
        ({'swift': {}, 'formpost': {'allowed_digests': ['sha256']}}, set()),
        ({'bulk_delete': {}, 'formpost': {'allowed_digests': ['sha256']}}, None),
        ({'swift': {}, 'bulk_delete': {}, 'formpost': None}, None),
        ({'swift': {}, 'bulk_delete': {}, 'formpost': {'allowed_digests': 5}}, None),
        (['swift'], None),
        ('swift', None),
        (5, None),
    ],
)
def test_a_cluster_says_how_forms_are_signed(info, digests):
    assert form_digests(json.dumps(info).encode()) == digests


def test_what_is_no_json_says_nothing():
    assert form_digests(b'<html>') is form_digests(b'') is form_digests(b'\xff') is None


def is_info(request):
    return request.path == '/info'


def info_with(digests):
    return json.dumps({'swift': {}, 'bulk_delete': {}, 'formpost': {'allowed_digests': digests}})


@pytest.mark.parametrize(
    ('status', 'body', 'length'),
    [(200, info_with(['sha512', 'sha1']), 128), (200, info_with(['sha1']), 40), (403, '', 64), (200, '<html>', 64)],
)
def test_forms_are_signed_as_the_cluster_allows(swift_harness, proxy, status, body, length):
    backend = swift_harness.make_counted(proxy)
    proxy.respond(status, body, headers=swift_harness.trans_id, when=is_info)
    incoming = Incoming(backend, 'x')
    how = {'size': 5, 'max_bytes': None, 'mime': None, 'checksum': None, 'expires_s': 60}
    request = incoming.signed_request(**how)
    assert len(request.fields['signature']) == length
    assert send(request, b'hello') == 201
    assert incoming.signed_request(**how).fields['signature']
    assert sum(map(is_info, proxy.requests)) == 1
    incoming.discard()


@pytest.mark.parametrize('missing', ['formpost', 'bulk_delete'])
def test_where_the_cluster_accepts_no_forms_the_application_receives_uploads(
    swift_harness, storage, proxy, caplog, missing
):
    info = {name: {} for name in ('swift', 'formpost', 'bulk_delete') if name != missing}
    proxy.respond(200, json.dumps(info), headers=swift_harness.trans_id, when=is_info)
    app = swift_harness.make_app_via_proxy(f'{proxy.host}:{proxy.port}', storage)
    with app.test_request_context():
        for _ in range(2):
            ticket = storage.signed_upload('x.txt', size=5)
            assert ticket.method == 'PUT'
            url = urlsplit(ticket.url)
            assert app.test_client().put(url.path, data=b'hello').status_code == 201
            storage.accept_upload(ticket.token, conflict='replace')
    assert fs.Capability.SIGNED_UPLOAD not in storage.backend.capabilities
    assert [record.levelname for record in caplog.records if 'formpost' in record.message] == ['WARNING']
    with pytest.raises(fs.OperationNotSupported):
        storage.backend._allow_origins(['https://app.test'], dry_run=False)


def test_a_busy_cluster_is_asked_again_what_it_accepts(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    proxy.respond(503, headers=swift_harness.trans_id, when=is_info)
    how = {'size': 5, 'max_bytes': None, 'mime': None, 'checksum': None, 'expires_s': 60}
    assert len(Incoming(backend, 'x').signed_request(**how).fields['signature']) == 64
    assert sum(map(is_info, proxy.requests)) == 2


def test_without_a_key_nothing_is_signed(swift_harness):
    backend = swift_harness.make(temp_url_key=None)
    assert not backend.capabilities & (fs.Capability.SIGNED_UPLOAD | fs.Capability.SIGNED_URL)


# --- Pages of other sites.


def test_pages_of_an_origin_may_send_forms(swift_harness):
    backend = swift_harness.make()
    path = f'/{swift_harness.container}'
    name, exposed, age = (
        f'x-container-meta-access-control-{each}' for each in ('allow-origin', 'expose-headers', 'max-age')
    )
    swift_harness.raw.request('POST', path, headers={name: 'https://old.test', exposed: 'X-Own', age: '60'})
    text = backend._allow_origins(['https://app.test', 'http://localhost:5000'], dry_run=True)
    assert 'would accept requests from https://old.test, https://app.test, http://localhost:5000:' in text
    assert swift_harness.raw.request('HEAD', path)[1][name] == 'https://old.test'
    for state in ('now accepts', 'already accepts'):
        assert f'{state} requests from' in backend._allow_origins(['https://app.test'], dry_run=False)
    headers = swift_harness.raw.request('HEAD', path)[1]
    assert (headers[name], headers[exposed]) == ('https://old.test https://app.test', 'X-Own ETag Location')
    assert headers[age] == '60'
    assert headers['x-container-meta-temp-url-key']
    for origin, allowed in (('https://app.test', True), ('https://old.test', True), ('https://evil.test', False)):
        asked = {'Origin': origin, 'Access-Control-Request-Method': 'POST'}
        status, headers, _ = swift_harness.raw.request('OPTIONS', f'{path}/x', headers=asked)
        assert (status == 200, 'access-control-allow-origin' in headers) == (allowed, allowed)


def test_a_container_that_is_missing_is_created_with_its_rule(swift_harness):
    backend = swift_harness.make(container=f'{swift_harness.container}-missing')
    assert 'would accept' in backend._allow_origins(['https://app.test'], dry_run=True)
    assert swift_harness.raw.request('HEAD', f'/{swift_harness.container}-missing')[0] == 404
    assert 'now accepts' in backend._allow_origins(['https://app.test'], dry_run=False)
    assert swift_harness.raw.request('HEAD', f'/{swift_harness.container}-missing')[0] == 204


# --- Many, and large ones.


def test_a_large_upload_passes_neither_the_application_nor_its_memory(swift_harness, storage, proxy):
    app = swift_harness.make_app_via_proxy(f'{proxy.host}:{proxy.port}', storage)
    size = 64 * 1024 * 1024
    with app.test_request_context():
        storage.write('warm', b'')
        ticket = storage.signed_upload('x.bin', size=size)
        source = Pattern(size)
        assert send_form(ticket, form_of(ticket, source)) == 201
        before = moved_by(proxy)
        tracemalloc.start()
        try:
            storage.accept_upload(ticket.token)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert moved_by(proxy) - before < 64 * 1024
        assert peak < 16 * 1024 * 1024
        digest = hashlib.sha256()
        for chunk in storage.read_chunks('x.bin'):
            digest.update(chunk)
        assert digest.hexdigest() == source.digest.hexdigest()


def form_of(ticket: Any, source: Any) -> Iterator[bytes]:
    """The form of *ticket*, its file in chunks."""
    yield parts_of(dict(ticket.fields), 'blob', 'application/octet-stream')
    while chunk := source.read(1024 * 1024):
        yield chunk
    yield f'\r\n--{BOUNDARY}--\r\n'.encode()


def test_a_file_is_sent_in_pieces_in_any_order(app, storage, swift_harness):
    content = bytes(range(256)) * (PIECE_BYTES // 256) + b'tail'
    ticket = storage.signed_upload('x.bin', size=len(content))
    upload = storage._upload_of(storage._bound(), ticket.token, None)
    for start in (PIECE_BYTES, 0):
        request = storage._request_for(storage._bound(), upload, start)
        assert send(request, content[start : start + PIECE_BYTES] + b'x') == 400
        assert send(request, content[start : start + PIECE_BYTES]) == 201
    storage.accept_upload(ticket.token)
    assert storage.read('x.bin') == content
    assert swift_harness.headers('x.bin').get('x-static-large-object') == 'True'
    storage.delete('x.bin')
    assert visible(swift_harness) == []


def test_many_clients_send_and_are_accepted_at_once(app, storage):
    names = [f'{number}.txt' for number in range(20)]
    outcomes = []

    def upload(name: str) -> None:
        with app.test_request_context():
            ticket = storage.signed_upload(name, size=len(name))
            outcomes.append((send(ticket, name.encode()), storage.accept_upload(ticket.token)))

    threads = [threading.Thread(target=upload, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted((201, name) for name in names)
    assert all(storage.read(name) == name.encode() for name in names)
    assert all(info.name.endswith('/ended') for info in storage.backend._scan('.fs-incoming/'))
