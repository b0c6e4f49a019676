"""The demo in browsers without scripts: forms, and the pages that they lead to."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from demo_page import choose, expect, png
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import flask_fs as fs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: What browsers send with a form of this site.
BROWSER = {'Origin': 'http://localhost', 'Accept': 'text/html,application/xhtml+xml,*/*;q=0.8'}


def send(client: FlaskClient, *files: tuple[str, bytes], **fields: str) -> TestResponse:
    """Submit the form with *files*."""
    parts = [(io.BytesIO(content), name) for name, content in files]
    return client.post('/', data={**fields, 'file': parts}, headers=BROWSER)


def refused(response: TestResponse) -> list[str]:
    """The files that the page says weren't uploaded, and why."""
    items = re.search('<div id="refused".*?</div>', response.text, re.DOTALL)
    assert items is not None
    return [unescape(re.sub('<.*?>', '', item)) for item in re.findall('<li>(.*?)</li>', items[0], re.DOTALL)]


def test_files_are_stored_and_the_list_follows(client: FlaskClient, files: Any, thumbnails: Any) -> None:
    response = send(client, ('notes.txt', b'12345'), ('gray.png', png(3, 2)))
    assert (response.status_code, response.location) == (303, '/')
    assert files.read('notes.txt') == b'12345'
    assert len(list(thumbnails.list_files('gray.png/'))) == 2
    assert '<noscript>' in client.get('/').text


def test_what_is_not_accepted_is_listed_and_the_rest_is_stored(client: FlaskClient, files: Any) -> None:
    response = send(client, ('a<b>c.exe', b''), ('notes.txt', b''), ('broken.png', b'no picture'))
    assert response.status_code == 415
    assert refused(response) == [
        "a<b>c.exe: This type of file isn't accepted.",
        "broken.png: This file isn't accepted: not an image of a supported format: JPEG, PNG, GIF, WEBP, AVIF, BMP, HEIC, SVG.",
    ]
    assert list(files.list_files()) == ['notes.txt']


def test_a_form_without_a_file_is_explained(client: FlaskClient) -> None:
    response = send(client, ('', b''))
    assert (response.status_code, refused(response)) == (400, ['No file was chosen.'])


def test_a_form_without_its_field_is_a_bad_request(client: FlaskClient) -> None:
    assert client.post('/', headers=BROWSER).status_code == 400


@pytest.mark.parametrize(
    ('conflict', 'status', 'expected'),
    [
        ('keep-both', 303, {'notes.txt': b'first', 'notes_1.txt': b'second'}),
        ('replace', 303, {'notes.txt': b'second'}),
        ('refuse', 409, {'notes.txt': b'first'}),
        ('anything else', 409, {'notes.txt': b'first'}),
    ],
)
def test_the_form_says_what_happens_to_an_existing_file(
    client: FlaskClient, files: Any, conflict: str, status: int, expected: dict[str, bytes]
) -> None:
    files.write('notes.txt', b'first')
    response = send(client, ('notes.txt', b'second'), conflict=conflict)
    assert response.status_code == status
    assert {name: files.read(name) for name in files.list_files()} == expected
    if status == 409:
        assert refused(response) == ['notes.txt: A file with this name already exists.']


class TestLimits:
    @pytest.fixture
    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, 'FILES_FS_MAX_BYTES': 1000, 'MAX_CONTENT_LENGTH': 4000}

    def test_a_file_that_is_too_large_is_listed(self, client: FlaskClient, files: Any) -> None:
        response = send(client, ('long.txt', bytes(1001)), ('short.txt', bytes(1000)))
        assert (response.status_code, refused(response)) == (413, ['long.txt: This file is too large.'])
        assert list(files.list_files()) == ['short.txt']

    def test_a_form_that_is_too_large_has_a_page(self, client: FlaskClient, files: Any) -> None:
        response = send(client, ('long.txt', bytes(5000)))
        assert (response.status_code, response.mimetype) == (413, 'text/html')
        assert 'You can upload 1000 bytes at once.' in response.text
        assert list(files.list_files()) == []


def test_a_file_is_deleted_after_a_question(client: FlaskClient, files: Any, thumbnails: Any) -> None:
    name = 'a folder/Grüße #1?.png'
    files.write(name, png(3, 2))
    (link,) = re.findall('<a class="button icon delete" href="(.*?)"', client.get('/').text)
    question = client.get(unescape(link))
    assert 'Delete a folder/Grüße #1?<span class="ending">.png</span>?' in question.text
    assert list(files.list_files()) == [name]
    response = client.post(unescape(link), headers=BROWSER)
    assert (response.status_code, response.location) == (303, '/')
    assert list(files.list_files()) == []
    assert list(thumbnails.list_files()) == []


def test_a_question_about_a_missing_file_is_explained(client: FlaskClient) -> None:
    response = client.get('/delete/gone.txt', headers=BROWSER)
    assert response.status_code == 404
    assert '<h2>This file no longer exists.</h2>' in response.text


@pytest.mark.parametrize(
    'headers',
    [
        {},
        {'Origin': 'null'},
        {'Origin': 'http://elsewhere.example'},
        {'Origin': 'http://localhost', 'Sec-Fetch-Site': 'same-site'},
        {'Sec-Fetch-Site': 'cross-site'},
    ],
    ids=['unknown', 'sandbox', 'other origin', 'same-site', 'cross-site'],
)
def test_forms_of_other_sites_change_nothing(client: FlaskClient, files: Any, headers: dict[str, str]) -> None:
    files.write('notes.txt', 'kept')
    headers = {**headers, 'Accept': BROWSER['Accept']}
    data = {'file': (io.BytesIO(b'new'), 'notes.txt'), 'conflict': 'replace'}
    for response in (
        client.post('/', data=data, headers=headers),
        client.post('/delete/notes.txt', headers=headers),
    ):
        assert (response.status_code, response.mimetype) == (403, 'text/html')
    assert (list(files.list_files()), files.read('notes.txt')) == (['notes.txt'], b'kept')


def test_a_browser_can_report_the_site_without_the_origin(client: FlaskClient, files: Any) -> None:
    files.write('notes.txt', '')
    assert client.post('/delete/notes.txt', headers={'Sec-Fetch-Site': 'same-origin'}).status_code == 303


def test_the_page_says_that_the_storage_fails(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prefix: str = '') -> Iterator[fs.FileInfo]:
        raise fs.Unavailable

    monkeypatch.setattr(app.extensions['fs']['files'], 'scan', fail)
    page = client.get('/')
    assert page.status_code == 200
    assert '<p class="notice">The storage isn&#39;t available right now. Try again later.</p>' in page.text
    gallery = client.get('/gallery', headers=BROWSER)
    assert (gallery.status_code, gallery.mimetype) == (503, 'text/html')


@pytest.fixture(scope='module')
def plain_tab(chromium: Browser) -> Iterator[Page]:
    """A tab on a phone that runs no scripts."""
    with chromium.new_context(java_script_enabled=False, viewport={'width': 360, 'height': 740}) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        yield page


# Roles and text skip what is in <noscript>.
@pytest.mark.browser
def test_a_browser_uploads_downloads_and_deletes(plain_tab: Page, site: str, files: Any) -> None:
    page = plain_tab
    page.goto(site)
    choose(page, ('notes.txt', b'12345'), ('program.exe', b''), field=page.locator('[name=file]'))
    page.locator('form.drop button').click()
    expect(page.locator('#refused')).to_contain_text("1 file wasn't uploaded")
    assert files.read('notes.txt') == b'12345'
    with page.expect_download() as started:
        page.locator('[download]').click()
    assert started.value.path().read_bytes() == b'12345'
    page.locator('a.delete').click()
    expect(page.locator('h2')).to_have_text('Delete notes.txt?')
    page.locator('main a').click()
    page.locator('a.delete').click()
    page.locator('main button').click()
    expect(page.locator('noscript .empty')).to_be_visible()
    assert list(files.list_files()) == []


@pytest.mark.browser
def test_a_browser_shows_nothing_that_needs_scripts(plain_tab: Page, site: str, files: Any) -> None:
    files.write('a-name-without-any-place-to-break-it-' * 4 + '.txt', '')
    plain_tab.goto(site)
    buttons = plain_tab.locator('button:visible, select:visible, input:visible')
    expect(buttons).to_have_count(3)
    expect(plain_tab.locator('form.drop').locator(buttons)).to_have_count(3)
    for control in plain_tab.locator('button, select, input, .button, nav a').filter(visible=True).all():
        box = control.bounding_box()
        assert box is not None
        assert (box['height'] >= 43.9, box['x'] >= 0, box['x'] + box['width'] <= 360) == (True, True, True)
