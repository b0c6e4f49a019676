"""What the server answers."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

import flask_fs as fs

OWN = {'X-Pigeonhole': '1'}


def send(
    client: FlaskClient, name: str, content: bytes = b'content', headers: dict[str, str] = OWN, **fields: str
) -> TestResponse:
    return client.post('/files', data={**fields, 'file': (io.BytesIO(content), name)}, headers=headers)


def picture(kind: str = 'PNG', size: tuple[int, int] = (600, 300), color: str = 'teal') -> bytes:
    file = io.BytesIO()
    Image.new('RGB', size, color).save(file, kind)
    return file.getvalue()


def seen(answer: TestResponse) -> Image.Image:
    """The picture in an answer."""
    assert (answer.mimetype, answer.status_code) == ('image/jpeg', 200)
    return Image.open(io.BytesIO(answer.data))


def shown(client: FlaskClient) -> list[str]:
    """The addresses of the pictures in the gallery."""
    return re.findall(r'<li>.*?<img src="([^"]+)"', client.get('/gallery').text, re.DOTALL)


def test_the_page_says_what_is_taken(client: FlaskClient) -> None:
    page = client.get('/').text
    assert 'accept=".txt,.md,' in page
    assert '"max_bytes": 52428800' in page


@pytest.mark.parametrize('address', ['/', '/gallery'])
def test_a_page_may_run_its_own_script_and_nothing_else(client: FlaskClient, address: str) -> None:
    policy = client.get(address).headers['Content-Security-Policy']
    directives = dict(directive.split(' ', 1) for directive in policy.split('; '))
    expected = {
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': "'self'",
        'img-src': "'self' blob:",
        'connect-src': "'self'",
        'base-uri': "'none'",
        'form-action': "'self'",
        'frame-ancestors': "'none'",
    }
    assert expected == directives


@pytest.mark.parametrize('address', ['/', '/gallery'])
def test_a_page_holds_no_script_and_no_style_of_its_own(client: FlaskClient, address: str) -> None:
    send(client, 'teal.png', picture())
    page = client.get(address).text
    assert re.findall(r'<style|<script(?![^>]* src=)|\son\w+=|\sstyle=', page) == []


@pytest.mark.parametrize('address', ['/', '/gallery'])
def test_a_page_asks_no_other_server_for_anything(client: FlaskClient, address: str) -> None:
    send(client, 'teal.png', picture())
    page = client.get(address).text
    sources = re.findall(r'\s(?:src|href)="([^"]+)"', page)
    assert sources != []
    assert [source for source in sources if urlsplit(source).netloc] == []
    for source in sources:
        with client.get(source) as answer:
            assert answer.status_code == 200


def test_an_upload_is_described(client: FlaskClient, files: Any) -> None:
    answer = send(client, 'notes.txt', b'12345')
    assert answer.status_code == 201
    described = answer.get_json()
    facts = {key: described[key] for key in ('name', 'size', 'mime', 'url')}
    assert facts == {'name': 'notes.txt', 'size': 5, 'mime': 'text/plain', 'url': '/fs/files/notes.txt'}
    assert files.read('notes.txt') == b'12345'


def test_an_upload_is_served_as_it_came(client: FlaskClient) -> None:
    url = send(client, 'notes.txt', b'12345').get_json()['url']
    assert client.get(url).data == b'12345'


def test_the_newest_file_comes_first_in_the_list(client: FlaskClient, files: Any) -> None:
    assert client.get('/files').get_json() == []
    for name, modified in (('newest.txt', 3000.5), ('older.txt', 2000), ('newer.txt', 3000)):
        send(client, name)
        os.utime(files.path(name), (modified, modified))
    assert [file['name'] for file in client.get('/files').get_json()] == ['newest.txt', 'newer.txt', 'older.txt']


def test_a_name_is_cleaned_and_keeps_its_letters(client: FlaskClient) -> None:
    assert send(client, '../Grüße aus Köln.TXT').get_json()['name'] == 'Grüße_aus_Köln.txt'


def test_a_refused_type_is_explained(client: FlaskClient) -> None:
    answer = send(client, 'program.exe')
    assert answer.status_code == 415
    problem = answer.get_json()
    assert problem['kind'] == 'type'
    assert problem['error'] == "This type of file isn't accepted."
    assert [*fs.DEFAULTS, *fs.AUDIO] == problem['allowed']


def test_an_existing_name_is_explained_and_the_file_is_kept(client: FlaskClient, files: Any) -> None:
    send(client, 'notes.txt', b'first')
    answer = send(client, 'notes.txt', b'second')
    assert answer.status_code == 409
    assert (answer.get_json()['kind'], answer.get_json()['filename']) == ('exists', 'notes.txt')
    assert files.read('notes.txt') == b'first'


def test_both_files_are_kept_where_that_is_asked_for(client: FlaskClient, files: Any) -> None:
    send(client, 'notes.txt', b'first')
    answer = send(client, 'notes.txt', b'second', conflict='keep-both')
    assert (answer.status_code, answer.get_json()['name']) == (201, 'notes_1.txt')
    assert (files.read('notes.txt'), files.read('notes_1.txt')) == (b'first', b'second')


def test_a_file_is_replaced_where_that_is_asked_for(client: FlaskClient, files: Any) -> None:
    send(client, 'notes.txt', b'first')
    answer = send(client, 'notes.txt', b'second', conflict='replace')
    assert (answer.status_code, answer.get_json()['name']) == (201, 'notes.txt')
    assert files.read('notes.txt') == b'second'


def test_a_name_of_which_nothing_is_left_is_explained(client: FlaskClient) -> None:
    answer = send(client, '...')
    assert answer.status_code == 400
    assert answer.get_json()['kind'] == 'name'


def test_an_upload_without_a_file_is_a_bad_request(client: FlaskClient) -> None:
    assert client.post('/files', headers=OWN).status_code == 400


def test_a_form_in_which_no_file_was_chosen_is_explained(client: FlaskClient) -> None:
    answer = client.post('/files', data={'file': (io.BytesIO(), '')}, headers=OWN)
    assert (
        answer.status_code,
        answer.get_json()['kind'],
        answer.get_json()['error'],
    ) == (400, 'none', 'No file was chosen.')


def test_an_upload_that_has_expired_is_explained(client: FlaskClient) -> None:
    answer = client.post('/files', data={'token': 'expired'}, headers=OWN)
    assert (answer.status_code, answer.get_json()['kind']) == (400, 'token')


def test_what_contradicts_its_name_is_refused_whatever_it_is(client: FlaskClient) -> None:
    answer = send(client, 'letter.pdf', b'<html/>')
    assert answer.get_json()['error'] == "This file isn't accepted: the content is HTML, not PDF as the filename says."


class TestLimits:
    @pytest.fixture
    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, 'FILES_FS_MAX_BYTES': 1000, 'MAX_CONTENT_LENGTH': 4000}

    def test_a_file_of_just_the_limit_is_taken(self, client: FlaskClient) -> None:
        assert send(client, 'full.txt', bytes(1000)).status_code == 201

    @pytest.mark.parametrize('size', [1001, 5000], ids=['by the storage', 'by Flask'])
    def test_a_file_over_the_limit_is_explained(self, client: FlaskClient, files: Any, size: int) -> None:
        answer = send(client, 'long.txt', bytes(size))
        assert answer.status_code == 413
        assert (answer.get_json()['kind'], answer.get_json()['max_bytes']) == ('size', 1000)
        assert list(files.list_files()) == []


def test_deleting_a_file_spares_those_under_its_name(client: FlaskClient, files: Any) -> None:
    """Other programs may have put files into folders."""
    files.write('notes/a.txt', 'kept')
    assert client.delete('/files/notes', headers=OWN).status_code == 204
    assert list(files.list_files()) == ['notes/a.txt']


def test_a_file_is_deleted(client: FlaskClient, files: Any) -> None:
    send(client, 'notes.txt')
    assert client.delete('/files/notes.txt', headers=OWN).status_code == 204
    assert list(files.list_files()) == []


class TestPictures:
    def test_a_picture_gets_its_thumbnails_when_it_is_uploaded(self, client: FlaskClient, thumbnails: Any) -> None:
        address = send(client, 'teal.png', picture()).get_json()['thumbnail']
        made = {info.name: info.modified for info in thumbnails.scan()}
        assert sorted(re.sub('/.*-', '/', name) for name in made) == ['teal.png/128.jpg', 'teal.png/480.jpg']
        assert seen(client.get(address)).size == (128, 128)
        assert [seen(client.get(one)).size for one in shown(client)] == [(300, 300)]
        assert {info.name: info.modified for info in thumbnails.scan()} == made

    def test_a_missing_thumbnail_is_made_when_it_is_asked_for(
        self, client: FlaskClient, files: Any, thumbnails: Any
    ) -> None:
        files.write('teal.png', picture())
        (address,) = shown(client)
        assert list(thumbnails.list_files()) == []
        assert seen(client.get(address)).size == (300, 300)
        assert len(list(thumbnails.list_files())) == 2

    def test_a_replaced_picture_has_another_thumbnail_at_another_address(
        self, client: FlaskClient, thumbnails: Any
    ) -> None:
        send(client, 'plain.png', picture(color='#ff0000'))
        (before,) = shown(client)
        send(client, 'plain.png', picture(color='#0000ff', size=(640, 300)), conflict='replace')
        (after,) = shown(client)
        assert before != after
        red, _, blue = seen(client.get(after)).getpixel((9, 9))  # type: ignore[misc]  # a pixel of three bands
        assert (red < 10, blue > 245) == (True, True)
        assert len(list(thumbnails.list_files())) == 2

    def test_thumbnails_go_with_their_picture(self, client: FlaskClient, thumbnails: Any) -> None:
        send(client, 'teal.png', picture())
        client.delete('/files/teal.png', headers=OWN)
        assert list(thumbnails.list_files()) == []

    def test_a_thumbnail_tells_nothing_of_where_the_picture_was_taken(self, client: FlaskClient) -> None:
        exif = Image.Exif()
        exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
        file = io.BytesIO()
        Image.new('RGB', (600, 300)).save(file, 'JPEG', exif=exif)
        send(client, 'here.jpg', file.getvalue())
        assert dict(seen(client.get(shown(client)[0])).getexif()) == {}

    def test_the_newest_picture_comes_first_and_other_files_do_not_hang(self, client: FlaskClient, files: Any) -> None:
        for name, modified in (('newest.png', 3000.5), ('older.webp', 2000), ('newer.gif', 3000)):
            send(client, name, picture(name.rpartition('.')[2].upper()))
            os.utime(files.path(name), (modified, modified))
        send(client, 'notes.txt')
        names = re.findall('data-name="(.*?)"', client.get('/gallery').text)
        assert names == ['newest.png', 'newer.gif', 'older.webp']

    def test_a_picture_is_described_by_the_words_of_its_name(self, client: FlaskClient, files: Any) -> None:
        files.write('trip/evening_at-the "lake".png', picture())
        assert 'alt="evening at the &#34;lake&#34;"' in client.get('/gallery').text

    def test_a_drawing_is_its_own_thumbnail(self, client: FlaskClient) -> None:
        address = send(client, 'line.svg', b'<svg xmlns="http://www.w3.org/2000/svg"/>').get_json()['thumbnail']
        assert shown(client) == [address]
        assert client.get(address).mimetype == 'image/svg+xml'

    @pytest.mark.parametrize(
        ('name', 'content', 'told'),
        [
            ('cut.jpg', picture('JPEG')[:700], 'the image is broken or cut short'),
            ('lying.jpg', picture('PNG'), 'the content is PNG, not JPEG as the filename says'),
            ('huge.gif', b'GIF89a\xff\xff\xff\xff\0\0\0,' + bytes(10), '65535x65535 pixels exceed the limit of'),
            ('page.svg', b'<html/>', 'the content is HTML, not SVG as the filename says'),
            ('page.png', b'<html/>', 'the content is HTML, not an image as the filename says'),
            ('data.svg', b'<data/>', 'not an image of a supported format'),
        ],
    )
    def test_what_is_no_sound_picture_is_refused(
        self, client: FlaskClient, files: Any, name: str, content: bytes, told: str
    ) -> None:
        answer = send(client, name, content)
        assert (answer.status_code, answer.get_json()['kind'], answer.get_json()['filename']) == (422, 'content', name)
        assert answer.get_json()['error'].startswith(f"This file isn't accepted: {told}")
        assert list(files.list_files()) == []

    def test_a_broken_picture_that_is_here_all_the_same_is_told(self, client: FlaskClient, files: Any) -> None:
        files.write('broken.png', b'no picture')
        (address,) = shown(client)
        assert client.get(address).status_code == 422

    @pytest.mark.parametrize(
        'address', ['/thumbnails/480/gone.png', '/thumbnails/481/teal.png', '/thumbnails/480/notes.txt']
    )
    def test_nothing_else_has_a_thumbnail(self, client: FlaskClient, thumbnails: Any, address: str) -> None:
        send(client, 'teal.png', picture())
        send(client, 'notes.txt')
        assert client.get(address).status_code == 404
        assert len(list(thumbnails.list_files())) == 2

    def test_a_picture_is_stored_although_its_thumbnails_are_not(
        self, app: Flask, client: FlaskClient, files: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> str:
            raise fs.Unavailable

        storage = app.extensions['fs']['thumbnails']
        with monkeypatch.context() as failing:
            failing.setattr(storage, 'save', fail)
            assert send(client, 'teal.png', picture()).status_code == 201
            assert picture() == files.read('teal.png')
            assert client.get(shown(client)[0]).status_code == 503
        assert seen(client.get(shown(client)[0])).size == (300, 300)


def test_a_expiring_link_works_although_files_are_not_served_to_everybody(app: Flask, client: FlaskClient) -> None:
    url = send(client, 'notes.txt').get_json()['url']
    app.config['FILES_FS_SERVE'] = False
    fs.init_app(app, *app.extensions['fs'].values())
    link = client.get('/expiring-links/notes.txt').get_json()['url']
    assert client.get(url).status_code == 404
    assert client.get(link).data == b'content'


def test_a_expiring_link_to_nothing_is_explained(client: FlaskClient) -> None:
    answer = client.get('/expiring-links/gone.txt')
    assert (answer.status_code, answer.get_json()['kind']) == (404, 'missing')


def test_a_store_that_fails_is_explained(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prefix: str = '') -> Iterator[fs.FileInfo]:
        raise fs.Unavailable

    monkeypatch.setattr(app.extensions['fs']['files'], 'scan', fail)
    answer = client.get('/files')
    assert (answer.status_code, answer.get_json()['kind']) == (503, 'store')


@pytest.mark.parametrize(
    'headers',
    [
        {},
        {**OWN, 'Sec-Fetch-Site': 'cross-site'},
        {**OWN, 'Sec-Fetch-Site': 'same-site'},
        {**OWN, 'Origin': 'http://elsewhere.example'},
        {**OWN, 'Origin': 'null'},
    ],
    ids=['no header', 'cross-site', 'same-site', 'other origin', 'origin of a sandbox'],
)
def test_other_sites_change_nothing(client: FlaskClient, files: Any, headers: dict[str, str]) -> None:
    send(client, 'notes.txt')
    refused = [
        send(client, 'other.txt', headers=headers),
        send(client, 'notes.txt', b'replaced', headers=headers, conflict='replace'),
        client.delete('/files/notes.txt', headers=headers),
    ]
    assert [(answer.status_code, answer.get_json()['kind']) for answer in refused] == [(403, 'forgery')] * 3
    assert list(files.list_files()) == ['notes.txt']
    assert files.read('notes.txt') == b'content'


def test_the_own_page_is_known_by_its_origin(client: FlaskClient) -> None:
    headers = {**OWN, 'Origin': 'http://localhost', 'Sec-Fetch-Site': 'same-origin'}
    assert send(client, 'notes.txt', headers=headers).status_code == 201


def test_a_foreign_name_that_leads_here_is_refused(client: FlaskClient) -> None:
    assert client.get('/files', base_url='http://rebound.example').status_code == 400


def test_the_environment_configures_the_storage(
    program: Any, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('FLASK_FILES_FS_BACKEND', 'memory')
    app = program.create_app(config)
    send(app.test_client(), 'notes.txt')
    with app.app_context():
        assert program.files.config.backend == 'memory'
        assert program.files.read('notes.txt') == b'content'
    assert not config['FILES_FS_ROOT'].exists()


class TestDeletingSeveralFiles:
    def test_exactly_these_are_deleted_with_their_thumbnails(
        self, client: FlaskClient, files: Any, thumbnails: Any
    ) -> None:
        send(client, 'teal.png', picture())
        files.write('one.txt', '')
        files.write('two.txt', '')
        answer = client.post('/deletions', json={'names': ['teal.png', 'one.txt', 'gone.txt']}, headers=OWN)
        assert answer.status_code == 204
        assert list(files.list_files()) == ['two.txt']
        assert list(thumbnails.list_files()) == []

    @pytest.mark.parametrize('names', [None, 'one.txt', [1], {}])
    def test_names_have_to_be_a_list_of_names(self, client: FlaskClient, files: Any, names: Any) -> None:
        files.write('one.txt', '')
        assert client.post('/deletions', json={'names': names}, headers=OWN).status_code == 400
        assert list(files.list_files()) == ['one.txt']

    def test_other_sites_delete_nothing(self, client: FlaskClient, files: Any) -> None:
        files.write('one.txt', '')
        headers = {**OWN, 'Origin': 'http://elsewhere.example'}
        assert client.post('/deletions', json={'names': ['one.txt']}, headers=headers).status_code == 403
        assert list(files.list_files()) == ['one.txt']


def test_the_page_opens_although_its_storage_fails(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(prefix: str = '') -> Iterator[fs.FileInfo]:
        raise fs.Unavailable

    monkeypatch.setattr(app.extensions['fs']['files'], 'scan', fail)
    assert client.get('/').status_code == 200
