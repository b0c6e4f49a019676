"""Resumable uploads by tus: each request of the protocol."""

from __future__ import annotations

import base64
import hashlib
import io
import time
from typing import Any

import pytest
from flask import Flask
from tus_client import Tus, b64
from werkzeug.http import parse_date

import flask_fs as fs


@pytest.fixture
def tus(app: Flask, storage: fs.Storage) -> Tus:
    fs.tus(app, storage, authorize=lambda announced: True)
    return Tus(app)


def test_a_file_is_sent_by_several_requests(tus: Tus, storage: fs.Storage) -> None:
    created = tus.create(11)
    assert created.status_code == 201
    assert not list(storage.list_files())
    url = created.headers['Location']
    assert tus.head(url).headers['Upload-Offset'] == '0'
    first = tus.patch(url, 0, b'hello')
    assert (first.status_code, first.headers['Upload-Offset']) == (204, '5')
    head = tus.head(url)
    assert (head.status_code, head.headers['Upload-Offset'], head.headers['Upload-Length']) == (200, '5', '11')
    assert head.headers['Cache-Control'] == 'no-store'
    last = tus.patch(url, 5, b' world')
    assert (last.status_code, last.headers['Upload-Offset'], last.headers['Upload-Filename']) == (204, '11', 'a.txt')
    assert storage.read('a.txt') == b'hello world'
    done = tus.head(url)
    assert (done.status_code, done.headers['Upload-Offset'], done.headers['Upload-Filename']) == (200, '11', 'a.txt')


def test_what_the_server_can_do_is_discovered(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FILES_FS_MAX_BYTES=100)
    fs.tus(app, storage, authorize=lambda announced: True, max_bytes=1000)
    # Without the version of the protocol, and whatever else a client says.
    response = app.test_client().options('/tus/files', headers={'Tus-Resumable': '0.2.2'})
    assert response.status_code == 204
    assert response.headers['Tus-Version'] == response.headers['Tus-Resumable'] == '1.0.0'
    assert response.headers['Tus-Max-Size'] == '100'
    assert response.headers['Tus-Checksum-Algorithm'] == 'sha1,sha256,md5'
    assert set(response.headers['Tus-Extension'].split(',')) == {
        'creation',
        'creation-with-upload',
        'expiration',
        'termination',
        'checksum',
        'concatenation',
    }


@pytest.mark.parametrize('method', ['POST', 'HEAD', 'PATCH', 'DELETE'])
def test_another_version_of_the_protocol_is_refused(tus: Tus, method: str) -> None:
    url = tus.create(5).headers['Location']
    for version in ('0.2.2', ''):
        response = tus.request(method, '/tus/files' if method == 'POST' else url, Tus_Resumable=version)
        assert (response.status_code, response.headers['Tus-Version']) == (412, '1.0.0')
        assert 'Upload-Offset' not in response.headers


def test_a_file_is_sent_with_the_request_that_creates_it(tus: Tus, storage: fs.Storage) -> None:
    whole = tus.create(5, data=b'hello')
    assert (whole.status_code, whole.headers['Upload-Offset'], whole.headers['Upload-Filename']) == (201, '5', 'a.txt')
    begun = tus.create(5, 'b.txt', data=b'he')
    assert (begun.status_code, begun.headers['Upload-Offset']) == (201, '2')
    assert tus.patch(begun.headers['Location'], 2, b'llo').headers['Upload-Filename'] == 'b.txt'
    assert storage.read('a.txt') == storage.read('b.txt') == b'hello'


class Malformed(io.BytesIO):
    """A body whose end the server cannot parse."""

    def __init__(self, content: bytes, error: Exception) -> None:
        super().__init__(content)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if not (chunk := super().read(size)):
            raise self._error
        return chunk


@pytest.mark.parametrize('error', [OSError('cut'), ValueError('Bad chunked transfer size'), RuntimeError('malformed')])
def test_what_has_arrived_of_a_malformed_body_is_kept(
    app: Flask, tus: Tus, storage: fs.Storage, error: Exception
) -> None:
    url = tus.create(11).headers['Location']
    response = app.test_client().patch(
        url,
        headers={'Tus-Resumable': '1.0.0', 'Upload-Offset': '0', 'Transfer-Encoding': 'chunked'},
        content_type='application/offset+octet-stream',
        environ_overrides={'wsgi.input': Malformed(b'hello', error), 'wsgi.input_terminated': True},
    )
    assert (response.status_code, response.headers['Upload-Offset']) == (204, '5')
    assert tus.patch(url, 5, b' world').headers['Upload-Filename'] == 'a.txt'
    assert storage.read('a.txt') == b'hello world'


def test_an_empty_file_is_complete_at_once(tus: Tus, storage: fs.Storage) -> None:
    created = tus.create(0)
    assert (created.status_code, created.headers['Upload-Filename']) == (201, 'a.txt')
    assert storage.read('a.txt') == b''


def test_another_method_is_given_in_a_header(tus: Tus, storage: fs.Storage) -> None:
    url = tus.create(5).headers['Location']
    how = {'X_HTTP_Method_Override': 'PATCH', 'Content_Type': 'application/offset+octet-stream'}
    assert tus.request('POST', url, b'hello', Upload_Offset=0, **how).status_code == 204
    assert storage.read('a.txt') == b'hello'
    assert tus.request('POST', url, X_HTTP_Method_Override='DELETE').status_code == 204
    assert tus.request('PUT', url).status_code == tus.request('POST', url).status_code == 405


@pytest.mark.parametrize(
    ('offset', 'headers', 'data', 'status'),
    [
        (1, {}, b'x', 409),
        (3, {}, b'x', 409),
        (None, {}, b'x', 400),
        ('-1', {}, b'x', 400),
        ('2.0', {}, b'x', 400),
        ('٢', {}, b'x', 400),
        (2, {'Content_Type': 'text/plain'}, b'x', 415),
        (2, {}, b'four', 413),
        (2, {'Upload_Checksum': 'crc32 AAAA'}, b'x', 400),
        (2, {'Upload_Checksum': 'sha1'}, b'x', 400),
        (2, {'Upload_Checksum': 'sha1 ????'}, b'x', 400),
        (2, {'Upload_Checksum': 'sha1 AAAA'}, b'x', 400),
    ],
)
def test_a_request_that_is_wrong_changes_nothing(
    tus: Tus, storage: fs.Storage, offset: Any, headers: dict[str, str], data: bytes, status: int
) -> None:
    url = tus.create(5, data=b'he').headers['Location']
    if not str(offset).isascii():
        offset = offset.encode().decode('latin-1')
    response = tus.patch(url, offset, data, **headers)
    assert response.status_code == status
    assert response.headers['Tus-Resumable'] == '1.0.0'
    assert tus.head(url).headers['Upload-Offset'] == '2'
    assert tus.patch(url, 2, b'llo').status_code == 204
    assert storage.read('a.txt') == b'hello'


@pytest.mark.parametrize(
    ('size', 'headers', 'status'),
    [
        (None, {}, 400),
        ('x', {}, 400),
        ('-1', {}, 400),
        ('9' * 30, {}, 400),
        (1001, {}, 413),
        (None, {'Upload_Defer_Length': 1}, 501),
        (5, {'Upload_Metadata': 'filename !!!'}, 400),
        (5, {'Upload_Metadata': 'filename YQ==,filename YQ=='}, 400),
        (5, {'Upload_Metadata': 'filename'}, 400),
        (5, {'Upload_Metadata': 'other YQ=='}, 400),
        (5, {'Upload_Metadata': f'filename {"YWFh" * 1000}'}, 431),
        (5, {'Upload_Metadata': f'filename {base64.b64encode(b"..").decode()}'}, 422),
        (5, {'Upload_Concat': 'other'}, 400),
    ],
)
def test_an_announcement_that_is_wrong_creates_nothing(
    app: Flask, storage: fs.Storage, size: Any, headers: dict[str, Any], status: int
) -> None:
    fs.tus(app, storage, authorize=lambda announced: True, max_bytes=1000)
    response = Tus(app).create(size, **headers)
    assert (response.status_code, 'Location' in response.headers) == (status, False)


@pytest.mark.parametrize(
    ('sent', 'stored'),
    [
        ('../../etc/passwd', 'passwd'),
        ('C:\\a\\b.TXT', 'b.txt'),
        ('.fs-incoming/x', 'x'),
        ('a\x00b.txt', 'ab.txt'),
        ('ä ö.txt', 'ä_ö.txt'),
    ],
)
def test_a_name_is_cleaned(tus: Tus, storage: fs.Storage, sent: str, stored: str) -> None:
    response = tus.create(2, sent, b'hi')
    assert response.status_code == 201
    assert list(storage.list_files()) == [stored]
    assert response.headers['Upload-Filename'].isascii()


def test_what_the_client_says_is_returned(tus: Tus) -> None:
    metadata = f'filename {b64(b"a.txt")},is_confidential,other {b64(bytes([0xFF, 0]))}'
    url = tus.create(5, Upload_Metadata=metadata).headers['Location']
    assert tus.head(url).headers['Upload-Metadata'] == metadata


def test_the_application_decides_who_may_send_what(app: Flask, storage: fs.Storage) -> None:
    seen: list[Any] = []
    verdicts: list[Any] = [False, app.response_class('later', 429), 'folder/named.txt', True]

    def authorize(announced: Any) -> Any:
        seen.append((announced.filename, announced.size, announced.mime))
        return verdicts.pop(0)

    fs.tus(app, storage, authorize=authorize)
    tus = Tus(app)
    metadata = f'filename {b64(b"x/A b.TXT")},filetype {b64(b"Text/Plain")}'
    responses = [tus.create(5, data=b'hello', Upload_Metadata=metadata) for _ in range(4)]
    assert [response.status_code for response in responses] == [403, 429, 201, 201]
    assert seen == [('A_b.txt', 5, 'text/plain')] * 4
    assert sorted(storage.list_files()) == ['A_b.txt', 'folder/named.txt']
    verdicts.append(('no', 403))
    app.config['PROPAGATE_EXCEPTIONS'] = True
    with pytest.raises(TypeError, match='authorize'):
        tus.create(5)


def test_who_announces_a_file_may_be_asked_asynchronously(app: Flask, storage: fs.Storage) -> None:
    pytest.importorskip('asgiref')

    async def authorize(announced: Any) -> bool:
        return bool(announced.size == 5)

    fs.tus(app, storage, authorize=authorize)
    assert [Tus(app).create(size).status_code for size in (5, 6)] == [201, 403]


def test_a_type_that_the_storage_does_not_accept_is_refused_at_once(make_app: Any) -> None:
    storage = fs.Storage('files', fs.IMAGES)
    app = make_app(storage)
    fs.tus(app, storage, authorize=lambda announced: True)
    assert Tus(app).create(5, 'a.exe').status_code == 422


@pytest.mark.parametrize('content', [b'<svg xmlns="http://www.w3.org/2000/svg"><script>', b'<!doctype html><script>'])
def test_a_script_under_the_name_of_a_picture_is_refused_and_gone(
    tus: Tus, storage: fs.Storage, content: bytes
) -> None:
    url = tus.create(len(content), 'a.png').headers['Location']
    response = tus.patch(url, 0, content)
    assert response.status_code == 422
    assert 'not an image' in response.text
    assert tus.head(url).status_code == tus.patch(url, 0, content).status_code == 410
    assert not list(storage.list_files())
    assert [info.name.split('/')[-1] for info in storage.backend._scan('.fs-incoming/')] == ['ended']


def test_an_upload_is_given_up(tus: Tus, storage: fs.Storage) -> None:
    url = tus.create(5, data=b'he').headers['Location']
    assert tus.request('DELETE', url).status_code == 204
    assert tus.head(url).status_code == tus.patch(url, 2, b'llo').status_code == 410
    assert tus.request('DELETE', tus.create(5).headers['Location']).status_code == 204


def test_a_file_stays_when_its_upload_is_given_up(tus: Tus, storage: fs.Storage) -> None:
    url = tus.create(5, data=b'hello').headers['Location']
    assert tus.request('DELETE', url).status_code == 204
    assert tus.head(url).status_code == 410
    assert storage.read('a.txt') == b'hello'


def test_a_complete_upload_takes_nothing_more(tus: Tus) -> None:
    url = tus.create(5, data=b'hello').headers['Location']
    assert tus.patch(url, 5, b'').headers['Upload-Filename'] == 'a.txt'
    assert tus.patch(url, 5, b'x').status_code == 413
    assert tus.patch(url, 0, b'hello').status_code == 409


@pytest.mark.parametrize('algorithm', ['sha1', 'sha256', 'md5'])
def test_a_body_is_kept_if_it_has_its_checksum(tus: Tus, storage: fs.Storage, algorithm: str) -> None:
    url = tus.create(5).headers['Location']
    right = f'{algorithm} {b64(hashlib.new(algorithm, b"hello").digest())}'
    wrong = tus.patch(url, 0, b'hellx', Upload_Checksum=right)
    assert (wrong.status_code, tus.head(url).headers['Upload-Offset']) == (460, '0')
    assert tus.patch(url, 0, b'hello', Upload_Checksum=right).status_code == 204
    assert storage.read('a.txt') == b'hello'


def test_parts_become_one_file(tus: Tus, storage: fs.Storage) -> None:
    urls = []
    for content in (b'hello', b'', b' world'):
        part = tus.create(len(content), None, Upload_Concat='partial').headers['Location']
        assert tus.head(part).headers['Upload-Concat'] == 'partial'
        final = f'final;{" ".join([*urls, part])}'
        if content:
            # Not before all of them are complete.
            assert tus.create(None, Upload_Concat=final).status_code == 409
            assert tus.patch(part, 0, content).headers['Upload-Offset'] == str(len(content))
        urls.append(part)
    final = f'final;{urls[0]} http://localhost{urls[1]} {urls[2]}'
    created = tus.create(None, Upload_Concat=final)
    assert (created.status_code, created.headers['Upload-Filename']) == (201, 'a.txt')
    assert storage.read('a.txt') == b'hello world'
    head = tus.head(created.headers['Location'])
    assert (head.headers['Upload-Concat'], head.headers['Upload-Length']) == (final, '11')
    assert tus.patch(created.headers['Location'], 11, b'').status_code == 403
    # A client that has lost the response sends the request once more.
    assert tus.create(None, Upload_Concat=final).headers['Upload-Filename'] == 'a.txt'
    assert list(storage.list_files()) == ['a.txt']
    assert tus.head(urls[0]).status_code == 410


def test_what_is_no_part_is_not_part_of_a_file(tus: Tus, storage: fs.Storage) -> None:
    part = tus.create(2, None, b'he', Upload_Concat='partial').headers['Location']
    whole = tus.create(5, data=b'he').headers['Location']
    for urls, status in ((whole, 400), ('', 400), ('/tus/files/x', 404), ('http://[/x', 404), (f'{part} {whole}', 400)):
        assert tus.create(None, Upload_Concat=f'final;{urls}').status_code == status
    assert tus.create(2, Upload_Concat=f'final;{part}').status_code == 400
    assert not list(storage.list_files())


def test_a_file_of_parts_has_the_size_of_all(app: Flask, storage: fs.Storage) -> None:
    fs.tus(app, storage, authorize=lambda announced: True, max_bytes=9)
    tus = Tus(app)
    urls = [tus.create(5, None, b'hello', Upload_Concat='partial').headers['Location'] for _ in range(2)]
    assert tus.create(None, Upload_Concat=f'final;{" ".join(urls)}').status_code == 413


def test_an_upload_belongs_to_a_user_and_a_storage(app: Flask, storage: fs.Storage) -> None:
    other = fs.Storage('other', fs.ALL)
    fs.init_app(app, other)
    who = ['7']
    for each in (storage, other):
        fs.tus(app, each, authorize=lambda announced: True, user=lambda: who[0])
    tus = Tus(app)
    url = tus.create(5, data=b'he').headers['Location']
    token = url.rpartition('/')[2]
    assert tus.head(url).status_code == 200
    for altered in (f'{token}x', token[:-2], token[1:], 'x', f'../other/{token}'):
        assert tus.head(f'/tus/files/{altered}').status_code == 404
    part = tus.create(2, None, b'he', Upload_Concat='partial').headers['Location']
    who[0] = '8'
    assert tus.head(url).status_code == tus.patch(url, 2, b'llo').status_code == 404
    assert tus.request('DELETE', url).status_code == 404
    assert tus.create(None, Upload_Concat=f'final;{part}').status_code == 404
    who[0] = '7'
    assert tus.patch(url, 2, b'llo').status_code == 204


def test_an_upload_expires_when_nothing_arrives(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.tus(app, storage, authorize=lambda announced: True, expires_s=100)
    tus, now = Tus(app), time.time()
    idle, begun = tus.create(5).headers['Location'], tus.create(5).headers['Location']
    expires = parse_date(tus.patch(begun, 0, b'he').headers['Upload-Expires'])
    assert expires is not None
    assert now + 99 <= expires.timestamp() <= time.time() + 100
    monkeypatch.setattr('flask_fs.resumable.receipts.time.time', lambda: now + 102)
    assert tus.head(idle).status_code == tus.patch(begun, 2, b'llo').status_code == 410


def test_uploads_that_nobody_finishes_are_swept(tus: Tus, storage: fs.Storage) -> None:
    url = tus.create(5, data=b'he').headers['Location']
    assert not storage.backend.sweep()
    assert storage.backend.sweep(older_than_s=0) == 1
    assert tus.head(url).headers['Upload-Offset'] == '0'


def test_open_uploads_store_nothing(tus: Tus, storage: fs.Storage) -> None:
    urls = {tus.create(5).headers['Location'] for _ in range(500)}
    assert len(urls) == 500
    assert [*storage.backend._scan('.fs-incoming/')] == []


def test_two_files_of_one_name_are_two(tus: Tus, storage: fs.Storage) -> None:
    names = [tus.create(5, data=b'hello').headers['Upload-Filename'] for _ in range(3)]
    assert len(set(names)) == 3 == len([*storage.list_files()])


def test_a_name_that_is_taken_is_refused_if_the_application_says_so(app: Flask, storage: fs.Storage) -> None:
    storage.write('a.txt', b'old')
    fs.tus(app, storage, authorize=lambda announced: True, conflict='error')
    assert Tus(app).create(5, data=b'hello').status_code == 422
    assert storage.read('a.txt') == b'old'


def test_those_who_listen_hear_of_the_file(tus: Tus, storage: fs.Storage) -> None:
    heard: list[Any] = []

    def listen(sender: Any, info: fs.FileInfo) -> None:
        heard.append((info.name, info.size))

    fs.file_saved.connect(listen, storage)
    tus.create(5, data=b'hello')
    assert heard == [('a.txt', 5)]


def test_pages_of_other_sites_may_send_files_if_they_are_listed(app: Flask, storage: fs.Storage) -> None:
    fs.tus(app, storage, authorize=lambda announced: True, origins=['https://a.example'])
    tus = Tus(app)
    preflight = tus.request('OPTIONS', '/tus/files', Origin='https://a.example', Access_Control_Request_Method='POST')
    assert preflight.headers['Access-Control-Allow-Origin'] == 'https://a.example'
    assert 'PATCH' in preflight.headers['Access-Control-Allow-Methods']
    created = tus.create(5, Origin='https://a.example')
    assert 'Location' in created.headers['Access-Control-Expose-Headers']
    assert 'Access-Control-Allow-Origin' not in tus.create(5, Origin='https://b.example').headers


def test_what_cannot_work_is_refused_at_once(app: Flask, storage: fs.Storage) -> None:
    with pytest.raises(ValueError, match='conflict'):
        fs.tus(app, storage, authorize=lambda announced: True, conflict='other')  # type: ignore[arg-type]
    for seconds in (0, 86401, 1.5):
        with pytest.raises(ValueError, match='expires_s'):
            fs.tus(app, storage, authorize=lambda announced: True, expires_s=seconds)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='list'):
        fs.tus(app, storage, authorize=lambda announced: True, origins='https://a.example')
    with pytest.raises(fs.ConfigurationError, match='init_app'):
        fs.tus(app, fs.Storage('other'), authorize=lambda announced: True)
    fs.tus(app, storage, authorize=lambda announced: True, url='/elsewhere/')
    with pytest.raises(fs.ConfigurationError, match='already called'):
        fs.tus(app, storage, authorize=lambda announced: True)
    for path in ('/elsewhere', '/elsewhere/'):
        assert Tus(app, path).create(5).headers['Location'].startswith('/elsewhere/')
