"""Many uploads, and a long list, in a browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from demo_page import choose, expect, landscape, png, problem_of, row, said, upload_of
from flask import Flask, request

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

#: The requests that turn uploads into files, and list files.
STORE = re.compile(r'(?<!uploads)/files$')
#: An upload that only this page knows about, and a clock that stands still until the test moves it.
UPLOAD = """() => {
    window.now = 1000;
    performance.now = () => window.now;
    window.upload = { name: 'film.mp3', size: 10 * 1024 * 1024, loaded: 0, state: 'running', cancel() {} };
    window.tell = (what) => document.getElementById('picker').dispatchEvent(
        new CustomEvent(`fs-upload:${what}`, { detail: upload, bubbles: true, cancelable: true }));
    tell('added');
}"""
PROGRESS = '([now, loaded]) => { window.now = now; upload.loaded = loaded; tell("progress"); }'


@pytest.fixture
def gate(app: Flask) -> Iterator[threading.Event]:
    """The server lists files and accepts uploads only while this event is set."""
    gate = threading.Event()
    gate.set()

    @app.before_request
    def wait() -> None:
        if request.path in ('/files', '/uploads/files'):
            gate.wait(60)

    yield gate
    gate.set()


def problems(page: Page) -> Locator:
    return page.get_by_role('region', name='uploaded')


def names(page: Page) -> list[str]:
    """The names in the list, from top to bottom."""
    return page.locator('#files a.name').all_inner_texts()


class TestProgressInWords:
    def test_speed_and_time_left_are_shown_while_sending(self, page: Page) -> None:
        page.evaluate(UPLOAD)
        state = upload_of(page, 'film.mp3').locator('.state')
        page.evaluate(PROGRESS, [1000, 0])
        expect(state).to_have_text('0% of 10 MiB')
        page.evaluate(PROGRESS, [3000, 2 * 1024 * 1024])
        expect(state).to_have_text('20% of 10 MiB · 1 MiB/s · 8 sec left')

    def test_a_speed_is_that_of_the_last_seconds(self, page: Page) -> None:
        page.evaluate(UPLOAD)
        for now, mib in [(1000, 0), (2000, 5), (7000, 5.5), (12000, 6)]:
            page.evaluate(PROGRESS, [now, mib * 1024 * 1024])
        state = upload_of(page, 'film.mp3').locator('.state')
        expect(state).to_have_text('60% of 10 MiB · 102 KiB/s · 40 sec left')

    def test_no_speed_is_guessed_when_part_of_a_file_is_sent_again(self, page: Page) -> None:
        page.evaluate(UPLOAD)
        for now, mib in [(1000, 0), (3000, 5), (3500, 1)]:
            page.evaluate(PROGRESS, [now, mib * 1024 * 1024])
        expect(upload_of(page, 'film.mp3').locator('.state')).to_have_text('10% of 10 MiB')

    @pytest.mark.parametrize(
        ('seconds', 'words'),
        [
            (0.2, '1 sec left'),
            (59, '59 sec left'),
            (61, '2 min left'),
            (3599, '1 hr 0 min left'),
            (5000, '1 hr 24 min left'),
        ],
    )
    def test_a_time_has_the_units_that_people_use(self, page: Page, seconds: float, words: str) -> None:
        script = 'async (seconds) => (await import("/static/words.js")).timeLeftInWords(seconds)'
        assert page.evaluate(script, seconds) == words


class TestProblems:
    def test_a_reason_is_given_once_for_all_files_that_it_concerns(self, page: Page) -> None:
        choose(page, ('one.exe', b''), ('two.dmg', b''), ('broken.png', b'no picture'))
        expect(problems(page).get_by_role('heading')).to_have_text("3 files weren't uploaded")
        expect(problems(page).get_by_role('alert')).to_have_count(2)
        expect(problem_of(page, 'one.exe').locator('.problem .name')).to_have_text(['one.exe', 'two.dmg'])
        expect(page.locator('#uploads .upload')).to_have_count(0)

    def test_a_type_is_checked_before_anything_is_sent(self, page: Page) -> None:
        sent: list[str] = []
        page.on('request', lambda request: sent.append(request.url))
        choose(page, ('one.exe', b''))
        expect(problem_of(page, 'one.exe')).to_be_visible()
        assert sent == []

    def test_all_are_dismissed_at_once(self, page: Page) -> None:
        choose(page, ('one.exe', b''), ('two.dmg', b''))
        page.get_by_role('button', name='Dismiss all').click()
        expect(page.locator('#problems')).to_be_hidden()
        expect(page.get_by_label('Choose files')).to_be_focused()

    def test_one_is_dismissed_and_the_focus_goes_to_the_next(self, page: Page) -> None:
        choose(page, ('one.exe', b''), ('two.dmg', b''))
        page.get_by_role('button', name='Dismiss: one.exe').click()
        expect(problems(page).get_by_role('heading')).to_have_text("1 file wasn't uploaded")
        expect(page.get_by_role('button', name='Dismiss: two.dmg')).to_be_focused()
        expect(page.get_by_role('button', name='Dismiss all')).to_be_hidden()

    def test_all_lost_uploads_are_retried_at_once_and_refused_ones_stay(self, page: Page, files: Any) -> None:
        page.route(STORE, lambda route: route.abort('connectionreset'))
        choose(page, ('one.txt', b'1'), ('two.txt', b'2'), ('three.exe', b''))
        expect(problems(page).get_by_role('heading')).to_have_text("3 files weren't uploaded")
        page.unroute(STORE)
        page.get_by_role('button', name='Retry all').click()
        expect(row(page, 'one.txt')).to_be_visible()
        expect(row(page, 'two.txt')).to_be_visible()
        expect(problems(page).locator('.problem')).to_have_count(1)
        assert (files.read('one.txt'), files.read('two.txt')) == (b'1', b'2')

    def test_an_upload_that_failed_while_it_was_sent_is_retried(self, page: Page, files: Any) -> None:
        page.route('**/uploads/files', lambda route: route.fulfill(status=422, json={'error': 'The server is full.'}))
        choose(page, ('notes.txt', b'12345'))
        expect(problem_of(page, 'notes.txt').get_by_role('alert')).to_have_text('The server is full.')
        page.unroute('**/uploads/files')
        page.get_by_role('button', name='Retry: notes.txt').click()
        expect(row(page, 'notes.txt')).to_be_visible()
        expect(page.locator('#problems')).to_be_hidden()
        assert files.read('notes.txt') == b'12345'


def test_one_sentence_tells_of_many_uploads(page: Page) -> None:
    page.evaluate(
        """() => {
            window.sentences = [];
            new MutationObserver(() => sentences.push(document.getElementById('said').textContent))
                .observe(document.getElementById('said'), { childList: true });
        }"""
    )
    choose(page, *[(f'{number}.txt', b'') for number in range(7)])
    expect(said(page)).to_have_text('Uploaded 7 files.')
    assert page.evaluate('sentences') == ['Uploaded 7 files.']


def test_what_the_page_says_covers_nothing(page: Page) -> None:
    choose(page, ('notes.txt', b''))
    expect(said(page)).to_have_text('Uploaded notes.txt.')
    above, sentence, below = [page.locator(selector).bounding_box() for selector in ('#drop', '#said', '#files-title')]
    assert above is not None
    assert sentence is not None
    assert below is not None
    assert above['y'] + above['height'] <= sentence['y']
    assert sentence['y'] + sentence['height'] <= below['y']


@pytest.mark.parametrize(('words', 'expected'), [('Keep', ['1', 'new']), ('Replace', ['new']), ('Skip', ['1'])])
def test_conflicts_are_decided_for_all_files_at_once(page: Page, files: Any, words: str, expected: list[str]) -> None:
    for name in ('one', 'two'):
        files.write(f'{name}.txt', '1')
    choose(page, ('one.txt', b'new'), ('two.txt', b'new'))
    expect(page.get_by_text('2 files already exist.')).to_be_visible()
    page.get_by_role('button', name=f'{words} all').click()
    expect(page.locator('#uploads .upload')).to_have_count(0)
    expect(page.locator('#conflicts')).to_be_hidden()
    for name in ('one', 'two'):
        stored = sorted(files.read(each).decode() for each in files.list_files() if each.startswith(name))
        assert stored == expected


class TestPreviews:
    def test_a_picture_is_shown_before_it_is_sent(self, gate: threading.Event, page: Page, files: Any) -> None:
        gate.clear()
        choose(page, ('hill.jpg', landscape(300, 200)), ('notes.txt', b''))
        expect(upload_of(page, 'hill.jpg').locator('canvas')).to_be_visible()
        expect(upload_of(page, 'notes.txt').locator('.tile')).to_have_text('txt')
        gate.set()
        expect(row(page, 'hill.jpg').locator('img')).to_be_visible()
        expect(page.locator('canvas')).to_have_count(0)

    def test_a_drawing_is_shown_and_no_file_stays_in_memory(self, gate: threading.Event, page: Page) -> None:
        page.evaluate(
            """() => {
                window.urls = new Set();
                const { createObjectURL, revokeObjectURL } = URL;
                URL.createObjectURL = (file) => { const url = createObjectURL(file); urls.add(url); return url; };
                URL.revokeObjectURL = (url) => { revokeObjectURL(url); urls.delete(url); };
            }"""
        )
        gate.clear()
        drawing = (
            b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"><script>document.title = 1</script></svg>'
        )
        choose(page, ('broken.png', b'no picture'), ('line.svg', drawing))
        expect(upload_of(page, 'line.svg').locator('canvas')).to_be_visible()
        assert (page.evaluate('urls.size'), page.title()) == (0, 'Pigeonhole')
        gate.set()

    def test_a_picture_that_cannot_be_decoded_is_shown_by_its_type(self, gate: threading.Event, page: Page) -> None:
        """Nor is one that takes hundreds of megabytes to decode."""
        gate.clear()
        choose(page, ('broken.png', b'no picture'), ('huge.png', png(10_000, 10_000, '1')), ('gray.png', png(3, 2)))
        expect(upload_of(page, 'gray.png').locator('canvas')).to_be_visible()
        for name in ('broken.png', 'huge.png'):
            expect(upload_of(page, name).locator('.tile')).to_have_text('png')
        page.get_by_role('button', name='Cancel huge.png').click()
        gate.set()
        expect(problem_of(page, 'broken.png')).to_be_visible()


class TestLightbox:
    @pytest.fixture
    def opened(self, page: Page, files: Any) -> Locator:
        for name in ('a.png', 'b.png', 'c.png'):
            files.write(name, png(ord(name[0]), 20))
        files.write('notes.txt', '')
        page.goto(f'{page.url}?sort=name')
        page.get_by_role('button', name='View b.png').press('Enter')
        return page.get_by_role('dialog', name='Image')

    def test_a_picture_is_shown_in_full_size(self, opened: Locator) -> None:
        expect(opened.get_by_role('img', name='b.png')).to_have_js_property('naturalWidth', ord('b'))
        expect(opened.locator('.place')).to_have_text('2 of 3')

    @pytest.mark.parametrize(
        ('keys', 'name'),
        [
            (['ArrowRight'], 'c.png'),
            (['ArrowLeft'], 'a.png'),
            (['ArrowRight'] * 2, 'a.png'),
            (['ArrowLeft'] * 2, 'c.png'),
        ],
    )
    def test_arrow_keys_go_from_picture_to_picture(
        self, page: Page, opened: Locator, keys: list[str], name: str
    ) -> None:
        for key in keys:
            page.keyboard.press(key)
        expect(opened.get_by_role('img', name=name)).to_be_visible()

    def test_escape_closes_it_and_returns_the_focus(self, page: Page, opened: Locator) -> None:
        page.keyboard.press('ArrowRight')
        page.keyboard.press('Escape')
        expect(opened).to_be_hidden()
        expect(page.get_by_role('button', name='View b.png')).to_be_focused()

    def test_buttons_do_the_same(self, page: Page, opened: Locator) -> None:
        opened.get_by_role('button', name='Next image').click()
        expect(opened.get_by_role('img', name='c.png')).to_be_visible()
        opened.get_by_role('button', name='Previous image').click()
        expect(opened.get_by_role('img', name='b.png')).to_be_visible()
        opened.get_by_role('button', name='Close').click()
        expect(opened).to_be_hidden()

    def test_the_gallery_has_it_too(self, page: Page, opened: Locator) -> None:
        page.keyboard.press('Escape')
        page.get_by_role('link', name='Gallery').click()
        page.locator('.gallery').get_by_role('link', name='a').click()
        expect(page.get_by_role('dialog').get_by_role('img', name='a.png')).to_have_js_property(
            'naturalWidth', ord('a')
        )
        page.keyboard.press('Escape')
        expect(page.locator('.gallery').get_by_role('link', name='a')).to_be_focused()


class TestSearchAndSort:
    @pytest.fixture(autouse=True)
    def stored(self, page: Page, files: Any) -> None:
        for name, size in (('file2.txt', 2), ('file10.txt', 1), ('photo-of-me.md', 3)):
            files.write(name, bytes(size))
        page.reload()
        expect(row(page, 'file2.txt')).to_be_visible()

    def test_a_search_shows_the_files_that_have_all_its_words(self, page: Page) -> None:
        page.get_by_role('searchbox').fill('ME photo')
        expect(page.locator('#files .file')).to_have_count(1)
        expect(row(page, 'photo-of-me.md')).to_be_visible()
        expect(page.locator('#total')).to_have_text('1 of 3 files, 3 bytes')

    @pytest.mark.parametrize(
        ('order', 'expected'),
        [
            ('Name', ['file2.txt', 'file10.txt', 'photo-of-me.md']),
            ('Largest first', ['photo-of-me.md', 'file2.txt', 'file10.txt']),
            ('Smallest first', ['file10.txt', 'file2.txt', 'photo-of-me.md']),
        ],
    )
    def test_files_are_sorted(self, page: Page, order: str, expected: list[str]) -> None:
        page.get_by_label('Sort files').select_option(order)
        expect(page.locator('#files a.name')).to_have_text(expected)

    def test_a_reload_keeps_both(self, page: Page) -> None:
        page.get_by_role('searchbox').fill('file & 1')
        page.get_by_role('searchbox').fill('file')
        page.get_by_label('Sort files').select_option('Smallest first')
        assert page.url.endswith('/?q=file&sort=smallest')
        page.reload()
        expect(page.locator('#files a.name')).to_have_text(['file10.txt', 'file2.txt'])
        expect(page.get_by_role('searchbox')).to_have_value('file')

    def test_a_search_without_a_result_is_cleared(self, page: Page) -> None:
        page.get_by_role('searchbox').fill('<b>nothing</b>')
        expect(page.get_by_text('No files match “<b>nothing</b>”.')).to_be_visible()
        page.get_by_role('button', name='Clear search').click()
        expect(page.locator('#files .file')).to_have_count(3)
        expect(page.get_by_role('searchbox')).to_be_focused()
        assert page.url.endswith('/')

    def test_an_unknown_order_in_the_url_is_ignored(self, page: Page) -> None:
        page.goto(f'{page.url}?sort=constructor')
        expect(page.locator('#files .file')).to_have_count(3)
        expect(page.get_by_label('Sort files')).to_have_value('newest')


class TestSelection:
    @pytest.fixture(autouse=True)
    def stored(self, page: Page, files: Any) -> None:
        for name in ('one.txt', 'two.txt', 'three.md'):
            files.write(name, name)
        page.reload()
        expect(row(page, 'one.txt')).to_be_visible()

    def delete(self, page: Page, title: str) -> None:
        page.get_by_role('button', name='Delete selected files').click()
        page.get_by_role('dialog', name=title).get_by_role('button', name='Delete').click()

    def test_several_files_are_deleted_with_one_confirmation(self, page: Page, files: Any) -> None:
        page.get_by_label('Select one.txt').check()
        page.get_by_label('Select three.md').check()
        expect(page.get_by_text('2 selected')).to_be_visible()
        self.delete(page, 'Delete 2 files?')
        expect(page.locator('#files .file')).to_have_count(1)
        expect(said(page)).to_have_text('Deleted 2 files.')
        expect(page.get_by_role('button', name='Delete two.txt')).to_be_focused()
        expect(page.locator('#selection')).to_be_hidden()
        assert list(files.list_files()) == ['two.txt']

    def test_nothing_is_deleted_where_the_question_is_declined(self, page: Page, files: Any) -> None:
        page.get_by_label('Select all files').check()
        page.get_by_role('button', name='Delete selected files').click()
        page.keyboard.press('Escape')
        expect(page.get_by_role('dialog')).to_have_count(0)
        expect(page.get_by_text('3 selected')).to_be_visible()
        assert len(list(files.list_files())) == 3

    def test_what_a_search_hides_is_not_selected(self, page: Page, files: Any) -> None:
        page.get_by_label('Select all files').check()
        page.get_by_role('searchbox').fill('txt')
        expect(page.get_by_text('2 selected')).to_be_visible()
        self.delete(page, 'Delete 2 files?')
        expect(page.get_by_text('No files match “txt”.')).to_be_visible()
        assert list(files.list_files()) == ['three.md']

    def test_a_selection_is_cleared(self, page: Page) -> None:
        page.get_by_label('Select one.txt').check()
        expect(page.get_by_label('Select all files')).to_have_js_property('indeterminate', True)
        page.get_by_role('button', name='Clear selection').click()
        expect(page.get_by_label('Select one.txt')).not_to_be_checked()
        expect(page.get_by_label('Select all files')).to_be_focused()

    def test_a_failure_is_shown_and_the_files_stay(self, page: Page, files: Any) -> None:
        page.route('**/deletions', lambda route: route.abort('connectionreset'))
        page.get_by_label('Select all files').check()
        self.delete(page, 'Delete 3 files?')
        expect(said(page)).to_have_text("Some files weren't deleted. The connection was lost.")
        expect(page.locator('#files .file')).to_have_count(3)
        page.unroute('**/deletions')


def test_a_failed_deletion_is_explained_in_its_row(page: Page, files: Any) -> None:
    files.write('notes.txt', '')
    page.reload()
    page.route('**/files/notes.txt', lambda route: route.abort('connectionreset'))
    row(page, 'notes.txt').get_by_role('button', name='Delete').click()
    page.get_by_role('dialog').get_by_role('button', name='Delete').click()
    expect(row(page, 'notes.txt').get_by_role('alert')).to_have_text(
        "This file wasn't deleted. The connection was lost."
    )
    page.unroute('**/files/notes.txt')


def test_a_list_shows_that_it_is_loading(gate: threading.Event, page: Page, files: Any) -> None:
    files.write('notes.txt', '')
    gate.clear()
    page.reload()
    expect(page.get_by_text('Loading files…')).to_be_attached()
    expect(page.locator('#loading')).to_be_visible()
    expect(page.get_by_text('No files yet')).to_be_hidden()
    gate.set()
    expect(row(page, 'notes.txt')).to_be_visible()
    expect(page.locator('#loading')).to_be_hidden()


@pytest.mark.parametrize('width_px', [320, 390, 1280])
def test_everything_is_large_enough_for_a_finger(page: Page, files: Any, width_px: int) -> None:
    """44 CSS pixels in both directions, as WCAG 2.5.5 has it."""
    page.set_viewport_size({'width': width_px, 'height': 844})
    files.write('a.txt', '')
    files.write('b.png', png(3, 2))
    page.route(
        STORE, lambda route: route.abort('connectionreset') if route.request.method == 'POST' else route.continue_()
    )
    page.reload()
    page.get_by_label('Select a.txt').check()
    choose(page, ('one.exe', b''), ('two.txt', b''), ('three.txt', b''))
    expect(page.get_by_role('button', name='Retry all')).to_be_visible()
    small = page.locator('a, button, summary, select, input:not([type=checkbox], .unseen), label').evaluate_all(
        """(elements) => elements
            .filter((element) => element.checkVisibility())
            .map((element) => [element.outerHTML, element.getBoundingClientRect()])
            .filter(([, { width, height }]) => width < 43.9 || height < 43.9)
            .map(([html, { width, height }]) => `${html} ${width}x${height}`)"""
    )
    assert small == []
    assert page.evaluate('document.documentElement.scrollWidth') == width_px
    page.unroute(STORE)


@pytest.mark.parametrize('width_px', [320, 390])
@pytest.mark.parametrize('extension', ['.txt', '.jpeg'])
def test_a_name_never_breaks_inside_its_extension(page: Page, files: Any, width_px: int, extension: str) -> None:
    page.set_viewport_size({'width': width_px, 'height': 844})
    for length in range(10, 40):
        files.write('w' * length + extension, png(3, 2))
    page.reload()
    endings = page.locator('#files .ending')
    expect(endings).to_have_count(30)
    assert endings.evaluate_all('(elements) => elements.every((element) => element.getClientRects().length === 1)')
