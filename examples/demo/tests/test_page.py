"""What people see and do in a browser."""

from __future__ import annotations

import base64
import gc
import os
import re
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_page import choose, drop, expect, landscape, png, problem_of, row, said, upload_of
from flask import Flask, request

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser


def test_an_empty_place_invites(page: Page, files: Any) -> None:
    expect(page.get_by_text('No files yet')).to_be_visible()
    choose(page, ('notes.txt', b'12345'))
    expect(row(page, 'notes.txt')).to_be_visible()
    expect(page.get_by_text('No files yet')).to_be_hidden()


def test_files_are_uploaded_by_dropping_them(page: Page, files: Any) -> None:
    drop(page, ('notes.txt', b'12345'), ('gray.png', png(3, 2)))
    expect(row(page, 'notes.txt')).to_be_visible()
    expect(row(page, 'gray.png')).to_be_visible()
    expect(page.locator('#total')).to_have_text(re.compile('^2 files, '))
    assert files.read('notes.txt') == b'12345'
    assert png(3, 2) == files.read('gray.png')


def test_a_copied_picture_is_pasted(page: Page, files: Any) -> None:
    page.evaluate(
        """(content) => {
            const clipboardData = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            clipboardData.items.add(new File([bytes], 'image.png'));
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
        }""",
        base64.b64encode(png(3, 2)).decode(),
    )
    expect(row(page, 'image.png')).to_be_visible()
    assert png(3, 2) == files.read('image.png')


def test_a_name_that_was_cleaned_is_told(page: Page) -> None:
    choose(page, ('My Notes.TXT', b''))
    expect(said(page)).to_have_text('Uploaded My Notes.TXT as My_Notes.txt.')
    expect(row(page, 'My_Notes.txt')).to_be_visible()


def test_files_are_listed_with_size_and_date(page: Page, files: Any) -> None:
    for name, size, modified in (('small.txt', 5, 1770000000), ('large.txt', 2621440, 1760000000)):
        files.write(name, bytes(size))
        os.utime(files.path(name), (modified, modified))
    page.reload()
    expect(row(page, 'small.txt')).to_contain_text('5 bytes · 2 Feb 2026, 02:40')
    expect(row(page, 'large.txt')).to_contain_text('2.5 MiB · 9 Oct 2025, 08:53')
    expect(page.locator('#total')).to_have_text('2 files, 2.5 MiB')


def test_a_picture_is_shown_by_its_thumbnail(page: Page) -> None:
    choose(page, ('gray.png', png(300, 200)))
    expect(row(page, 'gray.png').locator('img')).to_have_js_property('naturalWidth', 128)


def test_a_drawing_is_shown(page: Page) -> None:
    choose(page, ('line.svg', b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>'))
    expect(row(page, 'line.svg').locator('img')).to_have_js_property('naturalWidth', 7)


def test_a_broken_picture_is_refused(page: Page, files: Any) -> None:
    choose(page, ('broken.jpg', landscape(300, 200)[:2000]), ('lying.jpg', png(3, 2)))
    expect(problem_of(page, 'broken.jpg').get_by_role('alert')).to_have_text(
        "This file isn't accepted: the image is broken or cut short."
    )
    expect(problem_of(page, 'lying.jpg').get_by_role('alert')).to_have_text(
        "This file isn't accepted: the content is PNG, not JPEG as the filename says."
    )
    assert list(files.list_files()) == []


def test_a_broken_picture_that_is_here_all_the_same_gives_way_to_its_type(page: Page, files: Any) -> None:
    files.write('broken.png', b'no picture')
    page.reload()
    expect(row(page, 'broken.png').locator('.tile')).to_have_text('png')


def test_a_replaced_picture_is_shown_anew(page: Page) -> None:
    choose(page, ('gray.png', png(30, 20)))
    expect(row(page, 'gray.png').locator('img')).to_have_js_property('naturalWidth', 20)
    choose(page, ('gray.png', png(60, 50)))
    page.get_by_role('button', name='Replace').click()
    expect(row(page, 'gray.png').locator('img')).to_have_js_property('naturalWidth', 50)


@pytest.mark.parametrize('width_px', [320, 390, 1280])
def test_an_uploaded_picture_hangs_in_the_gallery(page: Page, width_px: int) -> None:
    page.set_viewport_size({'width': width_px, 'height': 844})
    long = 'a-name-without-any-place-to-break-it-' * 3 + '.jpg'
    choose(
        page, ('evening_on-the-hill.jpg', landscape(900, 600)), ('icon.png', png(32, 32)), (long, landscape(600, 900))
    )
    for name in ('evening_on-the-hill.jpg', 'icon.png', long):
        expect(row(page, name)).to_be_visible()
    page.get_by_role('link', name='Gallery').click()
    expect(page.get_by_role('heading', name='Gallery')).to_be_visible()
    expect(page.get_by_text('3 images')).to_be_visible()

    shown = page.get_by_role('img', name='evening on the hill')
    expect(shown).to_have_js_property('naturalWidth', 480)
    expect(shown).to_have_js_property('naturalHeight', 480)
    assert page.request.get(shown.evaluate('image => image.src')).headers['content-type'] == 'image/jpeg'
    boxes = page.locator('.gallery img').evaluate_all(
        'images => images.map((image) => image.getBoundingClientRect()).map((box) => [box.left, box.right, box.width, box.height])'
    )
    for left, right, width, height in boxes:
        assert abs(width - height) < 1
        assert left >= 0
        assert right <= width_px
    assert page.evaluate('document.documentElement.scrollWidth') == width_px

    link = page.get_by_role('link', name='evening on the hill')
    expect(link).to_have_attribute('href', '/fs/files/evening_on-the-hill.jpg')


def test_the_gallery_is_walked_by_keyboard(page: Page) -> None:
    choose(page, ('hill.jpg', landscape(90, 60)))
    expect(row(page, 'hill.jpg')).to_be_visible()
    page.get_by_role('link', name='Gallery').press('Enter')
    expect(page.get_by_role('img', name='hill')).to_be_visible()
    assert page.get_by_role('link', name='Gallery').get_attribute('aria-current') == 'page'
    reached = []
    for _ in range(3):
        page.keyboard.press('Tab')
        focused = page.locator(':focus-visible')
        assert focused.evaluate('element => getComputedStyle(element).outlineStyle') != 'none'
        reached.append(focused.evaluate('element => element.querySelector("img")?.alt ?? element.textContent'))
    assert reached == ['Files', 'Gallery', 'hill']


def test_an_empty_gallery_leads_to_where_pictures_go_in(page: Page) -> None:
    page.get_by_role('link', name='Gallery').click()
    expect(page.get_by_text('No images yet')).to_be_visible()
    page.get_by_role('main').get_by_role('link', name='Files').click()
    expect(page.get_by_role('heading', name='Drop files here')).to_be_visible()


def test_a_name_is_text_whatever_it_holds(page: Page, files: Any) -> None:
    name = '<img src=x onerror=document.title=1>.txt'
    files.write(name, '')
    page.reload()
    expect(row(page, f'{name}').locator('a.name')).to_have_text(name)
    row(page, name).get_by_role('button', name=f'Delete {name}').click()
    expect(page.get_by_role('heading', name=f'Delete {name}?')).to_be_visible()
    assert page.title() == 'Pigeonhole'


def test_a_file_is_opened_in_a_new_tab(page: Page, files: Any) -> None:
    files.write('notes.txt', '12345')
    page.reload()
    with page.expect_popup() as opened:
        row(page, 'notes.txt').get_by_role('link', name='notes.txt', exact=True).click()
    expect(opened.value.locator('body')).to_have_text('12345')


def test_a_file_is_downloaded_under_its_name(page: Page, files: Any) -> None:
    files.write('Grüße #1.svg', '<svg/>')
    page.reload()
    with page.expect_download() as started:
        row(page, 'Grüße #1.svg').get_by_role('link', name='Download').click()
    assert started.value.suggested_filename == 'Grüße #1.svg'
    assert started.value.path().read_bytes() == b'<svg/>'


def test_a_link_is_copied(page: Page, site: str) -> None:
    choose(page, ('notes.txt', b'12345'))
    button = row(page, 'notes.txt').get_by_role('button', name='Copy link')
    button.click()
    expect(button.get_by_text('Copied')).to_be_visible()
    expect(said(page)).to_have_text('Link copied.')
    assert page.evaluate('navigator.clipboard.readText()') == f'{site}/fs/files/notes.txt'
    expect(button.get_by_text('Copied')).to_be_hidden()


def test_a_expiring_link_is_copied(page: Page, site: str) -> None:
    choose(page, ('notes.txt', b'12345'))
    row(page, 'notes.txt').get_by_role('button', name='Copy 1-hour link').click()
    expect(said(page)).to_have_text('Link copied. It works for about an hour.')
    link = page.evaluate('navigator.clipboard.readText()')
    assert link.startswith(f'{site}/fs/files/notes.txt?signature=')
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b'12345'


def test_a_link_can_be_copied_by_hand_where_the_clipboard_is_refused(page: Page, site: str) -> None:
    choose(page, ('notes.txt', b'12345'))
    page.evaluate('() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException()); }')
    row(page, 'notes.txt').get_by_role('button', name='Copy link').click()
    field = page.get_by_role('dialog', name='Copy this link').get_by_role('textbox')
    expect(field).to_have_value(f'{site}/fs/files/notes.txt')
    expect(field).to_be_focused()
    assert page.evaluate('getSelection().toString()') == f'{site}/fs/files/notes.txt'


def test_a_file_is_deleted_after_a_question(page: Page, files: Any) -> None:
    choose(page, ('one.txt', b''), ('two.txt', b''))
    row(page, 'two.txt').get_by_role('button', name='Delete two.txt').click()
    expect(page.get_by_role('button', name='Cancel')).to_be_focused()
    page.get_by_role('dialog', name='Delete two.txt?').get_by_role('button', name='Delete').click()
    expect(row(page, 'two.txt')).to_have_count(0)
    expect(said(page)).to_have_text('Deleted two.txt.')
    expect(row(page, 'one.txt').get_by_role('button', name='Delete one.txt')).to_be_focused()
    assert list(files.list_files()) == ['one.txt']


@pytest.mark.parametrize('key', ['Enter', 'Escape'])
def test_a_file_stays_where_the_question_is_declined(page: Page, files: Any, key: str) -> None:
    choose(page, ('notes.txt', b''))
    button = row(page, 'notes.txt').get_by_role('button', name='Delete notes.txt')
    button.press('Enter')
    expect(page.get_by_role('dialog', name='Delete notes.txt?')).to_be_visible()
    page.keyboard.press(key)
    expect(page.get_by_role('dialog')).to_have_count(0)
    expect(button).to_be_focused()
    page.reload()
    expect(row(page, 'notes.txt')).to_be_visible()
    assert list(files.list_files()) == ['notes.txt']


def test_the_question_of_an_earlier_file_is_not_answered_by_a_later_one(page: Page, files: Any) -> None:
    choose(page, ('one.txt', b''), ('two.txt', b''))
    row(page, 'one.txt').get_by_role('button', name='Delete one.txt').click()
    page.get_by_role('button', name='Cancel').click()
    row(page, 'two.txt').get_by_role('button', name='Delete two.txt').click()
    page.keyboard.press('Escape')
    row(page, 'two.txt').get_by_role('button', name='Delete two.txt').click()
    page.get_by_role('dialog').get_by_role('button', name='Delete').click()
    expect(row(page, 'two.txt')).to_have_count(0)
    assert list(files.list_files()) == ['one.txt']


def test_a_refused_type_is_explained(page: Page, files: Any) -> None:
    choose(page, ('program.exe', b''), ('notes.txt', b''))
    problem = problem_of(page, 'program.exe')
    expect(problem.get_by_role('alert')).to_have_text("This type of file isn't accepted.")
    expect(page.get_by_role('heading', name="1 file wasn't uploaded")).to_be_visible()
    expect(row(page, 'notes.txt')).to_be_visible()
    problem.get_by_role('button', name='Dismiss').click()
    expect(problem).to_have_count(0)
    expect(page.locator('#problems')).to_be_hidden()
    expect(page.get_by_label('Choose files')).to_be_focused()
    assert list(files.list_files()) == ['notes.txt']


class TestAnExistingName:
    @pytest.fixture
    def question(self, page: Page, files: Any) -> Locator:
        files.write('notes.txt', 'first')
        page.reload()
        choose(page, ('notes.txt', b'second'))
        question = upload_of(page, 'notes.txt')
        expect(question.get_by_role('alert')).to_have_text('A file named notes.txt already exists.')
        return question

    def test_keeps_both_files(self, page: Page, question: Locator, files: Any) -> None:
        question.get_by_role('button', name='Keep both').click()
        expect(said(page)).to_have_text('Uploaded notes.txt as notes_1.txt.')
        expect(question).to_have_count(0)
        assert (files.read('notes.txt'), files.read('notes_1.txt')) == (b'first', b'second')

    def test_replaces_the_file(self, page: Page, question: Locator, files: Any) -> None:
        question.get_by_role('button', name='Replace').click()
        expect(row(page, 'notes.txt')).to_contain_text('6 bytes')
        expect(question).to_have_count(0)
        assert files.read('notes.txt') == b'second'

    def test_skips_the_upload(self, page: Page, question: Locator, files: Any) -> None:
        question.get_by_role('button', name='Skip').click()
        expect(question).to_have_count(0)
        expect(page.get_by_label('Choose files')).to_be_focused()
        assert list(files.list_files()) == ['notes.txt']
        assert files.read('notes.txt') == b'first'


class TestLimits:
    @pytest.fixture
    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, 'FILES_FS_MAX_BYTES': 3 * 1024 * 1024, 'MAX_CONTENT_LENGTH': 1024 * 1024}

    def test_a_file_over_the_limit_is_not_even_sent(self, page: Page, files: Any) -> None:
        sent: list[str] = []
        page.on('request', lambda request: sent.append(request.method))
        choose(page, ('long.txt', bytes(3 * 1024 * 1024 + 1)))
        alert = problem_of(page, 'long.txt').get_by_role('alert')
        expect(alert).to_have_text('This file is too large. The limit is 3 MiB.')
        assert sent == []

    def test_a_file_may_be_larger_than_forms(self, page: Page, files: Any) -> None:
        choose(page, ('long.txt', bytes(2 * 1024 * 1024)))
        expect(row(page, 'long.txt')).to_contain_text('2 MiB')


def test_a_lost_connection_is_told_and_tried_again(page: Page, files: Any) -> None:
    page.route(re.compile('/files$(?<!uploads/files)'), lambda route: route.abort('connectionreset'))
    choose(page, ('notes.txt', b'12345'))
    problem = problem_of(page, 'notes.txt')
    expect(problem.get_by_role('alert')).to_have_text('The connection was lost. Nothing was stored.')
    page.unroute(re.compile('/files$(?<!uploads/files)'))
    problem.get_by_role('button', name='Retry').click()
    expect(row(page, 'notes.txt')).to_be_visible()
    expect(page.locator('#uploads .upload')).to_have_count(0)
    expect(problem).to_have_count(0)
    assert files.read('notes.txt') == b'12345'


def test_uploads_wait_for_the_network(page: Page, files: Any) -> None:
    page.context.set_offline(True)
    choose(page, ('notes.txt', b'12345'))
    expect(upload_of(page, 'notes.txt')).to_contain_text('Waiting for the network')
    page.context.set_offline(False)
    expect(row(page, 'notes.txt')).to_be_visible()
    assert files.read('notes.txt') == b'12345'


def test_a_list_that_cannot_be_loaded_is_tried_again(page: Page, files: Any) -> None:
    files.write('notes.txt', '')
    page.route('**/files', lambda route: route.abort('connectionreset'))
    page.reload()
    expect(page.locator('#trouble')).to_contain_text('The connection was lost. The list might be out of date.')
    page.unroute('**/files')
    page.get_by_role('button', name='Try again').click()
    expect(row(page, 'notes.txt')).to_be_visible()
    expect(page.locator('#trouble')).to_be_hidden()


#: What an upload shows of which a part has been sent. Which of several are sent first is left to chance.
PROGRESS = re.compile(r'\b[1-9]\d?% of 8 MiB')


class TestProgress:
    @pytest.fixture
    def gate(self, app: Flask) -> Iterator[threading.Event]:
        """Uploads are read only once this event is set."""
        gate = threading.Event()

        @app.before_request
        def wait() -> None:
            if request.method == 'PUT':
                gate.wait(60)

        yield gate
        gate.set()
        gc.collect()

    @pytest.fixture
    def large(self, tmp_path: Path) -> list[Path]:
        """Files of one request each, larger than what systems take in before a server reads; four are sent at once."""
        paths = [tmp_path / f'large{number}.txt' for number in range(5)]
        for path in paths:
            with path.open('wb') as file:
                file.truncate(8 * 1024 * 1024)
        return paths

    def test_several_uploads_at_once_each_show_their_progress(
        self, gate: threading.Event, large: list[Path], page: Page, files: Any
    ) -> None:
        page.get_by_label('Choose files').set_input_files(large)
        uploads = page.locator('#uploads .upload')
        expect(uploads).to_have_count(5)
        expect(uploads.filter(has_text=PROGRESS)).to_have_count(4)
        for number in range(4):
            bar = uploads.filter(has_text=PROGRESS).nth(number).get_by_role('progressbar', name='Upload of large')
            assert 0 < bar.evaluate('bar => bar.value') < 100
        expect(uploads.filter(has_text='Waiting')).to_have_count(1)
        gate.set()
        for path in large:
            expect(row(page, path.name)).to_contain_text('8 MiB')
        expect(uploads).to_have_count(0)
        assert set(files.list_files()) == {path.name for path in large}

    # Werkzeug leaves what has arrived so far to the garbage collector.
    @pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
    def test_a_canceled_upload_stores_nothing_and_makes_room(
        self, gate: threading.Event, large: list[Path], page: Page, files: Any
    ) -> None:
        page.get_by_label('Choose files').set_input_files(large)
        uploads = page.locator('#uploads .upload')
        expect(uploads.filter(has_text=PROGRESS)).to_have_count(4)
        canceled = [uploads.filter(has_text=text).first for text in ('Waiting', PROGRESS)]
        kept = {path.name for path in large} - {upload.locator('.name').inner_text() for upload in canceled}
        for upload in canceled:
            upload.get_by_role('button', name='Cancel').click()
        gate.set()
        for name in kept:
            expect(row(page, name)).to_be_visible()
        expect(uploads).to_have_count(0)
        assert set(files.list_files()) == kept


def test_everything_is_reached_by_keyboard(page: Page, files: Any) -> None:
    files.write('notes.txt', '')
    page.reload()
    expect(row(page, 'notes.txt')).to_be_visible()
    reached = []
    for _ in range(13):
        page.keyboard.press('Tab')
        reached.append(page.evaluate('document.activeElement.getAttribute("aria-label") ?? document.activeElement.id'))
    expected = ['', '', 'picker', '', 'Select all files', 'Search files', 'Sort files', 'Select notes.txt', '']
    expected += ['Copy link to notes.txt', 'Copy 1-hour link to notes.txt', 'Download notes.txt', 'Delete notes.txt']
    assert reached == expected


@pytest.mark.parametrize('width_px', [320, 390, 800])
def test_nothing_sticks_out_of_a_narrow_window(page: Page, files: Any, width_px: int) -> None:
    files.write('a-name-without-any-place-to-break-it-' * 4 + '.txt', '')
    files.write('notes.txt', '')
    page.set_viewport_size({'width': width_px, 'height': 844})
    page.reload()
    expect(row(page, 'notes.txt')).to_be_visible()
    choose(page, ('notes.txt', b''), ('not-allowed-' * 12 + '.exe', b''))
    expect(page.get_by_role('button', name='Keep both')).to_be_visible()
    expect(page.get_by_role('button', name='Dismiss')).to_be_visible()
    assert page.evaluate('document.documentElement.scrollWidth') == width_px
    inside = """(buttons) => buttons.every((button) => {
        const { left, right } = button.getBoundingClientRect();
        return left >= 0 && right <= innerWidth;
    })"""
    assert page.locator('.button').evaluate_all(inside)
