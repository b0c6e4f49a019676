"""The script for pages, in a real browser, on each store."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from upload_site import Site

from flask_fs.backends.incoming import PIECE_BYTES

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

# On a busy machine, some send tens of megabytes slowly.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PNG = b'\x89PNG\r\n\x1a\n' + bytes(40)
#: The states of all uploads of a page, as its list shows them.
STATES = "[...document.querySelectorAll('.fs-upload')].map(item => item.dataset.state)"


def test_the_script_is_small() -> None:
    script = files('flask_fs').joinpath('static', 'fs-upload.js').read_bytes()
    assert len(gzip.compress(script)) < 6000


def wait_for_states(page: Page, *states: str) -> None:
    page.wait_for_function(f'JSON.stringify({STATES}) === {json.dumps(json.dumps(states, separators=(",", ":")))}')


def wait_until(condition: Callable[[], Any], page: Page) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, 'timed out'
        page.wait_for_timeout(50)


def save(page: Page, title: str = 'A title') -> str:
    """Submit the form, and return what the page says then."""
    page.fill('[name=title]', title)
    with page.expect_navigation():
        page.click('text=Save')
    return page.inner_text('#message')


class Line:
    """The connection of a page to wherever files go. What is sent while it is held arrives when it is released, or never."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._passing = 0
        self._held: list[Route] = []

    def hold(self, passing: int = 0) -> None:
        """Hold what is sent from now on, but for the first *passing* requests."""
        self._passing = passing
        self._page.route('**/*', self._route)

    def cut(self) -> None:
        """Lose what is held, and the network."""
        self._page.context.set_offline(True)
        for route in self._held:
            route.abort('internetdisconnected')
        self._held.clear()

    def release(self) -> None:
        """Let everything through."""
        self._passing = 1_000
        self._page.context.set_offline(False)
        for route in self._held:
            # It may have been given up meanwhile.
            with contextlib.suppress(Exception):
                route.continue_()
        self._held.clear()

    def _route(self, route: Route) -> None:
        request = route.request
        is_file = request.method in ('PUT', 'POST') and request.headers.get('content-type') != 'application/json'
        if is_file and not self._passing:
            self._held.append(route)
            return
        self._passing -= is_file
        route.continue_()


@pytest.fixture
def line(page: Page) -> Line:
    return Line(page)


def large_file(folder: Path, pieces: int = 2) -> Path:
    path = folder / 'large.bin'
    path.write_bytes(os.urandom(pieces * PIECE_BYTES + 1000))
    return path


def requested_pieces(page: Page) -> list[int]:
    """Where the pieces begin that the page requests from now on."""
    starts: list[int] = []

    def note(request: Any) -> None:
        if request.method == 'POST' and 'application/json' in request.headers.get('content-type', ''):
            body = request.post_data_json
            if 'start' in body:
                starts.append(body['start'])

    page.on('request', note)
    return starts


def test_files_go_straight_to_the_store(site: Site, page: Page, tmp_path: Path) -> None:
    path = large_file(tmp_path)
    page.goto(f'{site.url}/?many=1')
    page.set_input_files('#photo', [path])
    page.set_input_files('#photo', [{'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG}])
    wait_for_states(page, 'done', 'done')
    assert site.names() == []
    received = site.received
    assert save(page) == 'large.bin a.png'
    assert site.read('large.bin') == path.read_bytes()
    assert site.read('a.png') == PNG
    assert site.waiting() == []
    # Of the form there are two tokens and a title.
    assert site.received - received < 4000
    assert (received == 0) == site.is_direct


def test_it_goes_on_when_the_network_is_back(site: Site, page: Page, line: Line, tmp_path: Path) -> None:
    path = large_file(tmp_path)
    page.goto(site.url)
    line.hold(1)
    page.set_input_files('#photo', path)
    wait_until(site.waiting, page)
    line.cut()
    wait_for_states(page, 'offline')
    assert 'Waiting for the network' in page.inner_text('.fs-upload')
    line.release()
    wait_for_states(page, 'done')
    assert save(page) == 'large.bin'
    assert site.read('large.bin') == path.read_bytes()


def test_an_upload_is_paused_and_resumed(site: Site, page: Page, line: Line, tmp_path: Path) -> None:
    path = large_file(tmp_path)
    page.goto(site.url)
    line.hold(1)
    page.set_input_files('#photo', path)
    wait_until(site.waiting, page)
    page.get_by_role('button', name='Pause: large.bin').click()
    wait_for_states(page, 'paused')
    line.release()
    assert len(site.waiting()) == 1
    page.get_by_role('button', name='Resume: large.bin').click()
    wait_for_states(page, 'done')
    assert save(page) == 'large.bin'
    assert site.read('large.bin') == path.read_bytes()


def test_an_upload_is_resumed_after_a_reload(site: Site, page: Page, line: Line, tmp_path: Path) -> None:
    path = large_file(tmp_path, 4)
    page.goto(site.url)
    line.hold(2)
    page.set_input_files('#photo', path)
    wait_until(lambda: len(site.waiting()) == 2, page)
    page.reload()
    line.release()
    arrived = {int(name.split('/')[2].split('-')[0]) for name in site.waiting()}
    starts = requested_pieces(page)
    page.set_input_files('#photo', path)
    wait_for_states(page, 'done')
    assert len(arrived) >= 2
    assert sorted([*arrived, *starts]) == [PIECE_BYTES * number for number in range(5)]
    assert save(page) == 'large.bin'
    assert site.read('large.bin') == path.read_bytes()


def test_a_canceled_upload_is_gone(site: Site, page: Page, tmp_path: Path) -> None:
    page.goto(site.url)
    page.set_input_files('#photo', large_file(tmp_path))
    wait_for_states(page, 'done')
    page.get_by_role('button', name='Remove: large.bin').click()
    wait_for_states(page)
    assert page.locator('[type=hidden]').count() == 0
    wait_until(lambda: not site.waiting(), page)
    # The field is required again.
    assert not page.evaluate('document.forms[0].checkValidity()')


def test_many_files_at_once(site: Site, page: Page) -> None:
    page.goto(f'{site.url}/?many=1')
    many = [{'name': f'{number}.txt', 'mimeType': 'text/plain', 'buffer': b'%d' % number} for number in range(30)]
    page.set_input_files('#photo', many)
    # The form waits for them, and has them in their order.
    assert save(page).split() == [f'{number}.txt' for number in range(30)]
    assert [site.read(f'{number}.txt') for number in range(30)] == [b'%d' % number for number in range(30)]


def test_a_script_under_the_name_of_a_picture_is_refused(site: Site, page: Page) -> None:
    page.goto(site.url)
    content = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': content})
    assert 'SVG' in save(page)
    assert site.names() == []


def test_an_upload_survives_a_form_that_failed_elsewhere(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    assert save(page, title='') == 'It needs a title.'
    wait_for_states(page, 'done')
    assert save(page) == 'a.png'
    assert site.read('a.png') == PNG


# --- What does not depend on the store.


def test_the_form_waits_for_an_upload(small_site: Site, page: Page, line: Line, tmp_path: Path) -> None:
    path = large_file(tmp_path)
    page.goto(small_site.url)
    line.hold()
    page.set_input_files('#photo', path)
    page.fill('[name=title]', 'A title')
    page.click('text=Save')
    wait_for_states(page, 'running')
    with page.expect_navigation():
        line.release()
    assert page.inner_text('#message') == 'large.bin'
    assert small_site.read('large.bin') == path.read_bytes()


def test_without_scripts_the_form_sends_the_file(small_site: Site, page: Page) -> None:
    page.goto(f'{small_site.url}/?script=')
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    assert save(page) == 'a.png'


def test_another_file_takes_the_place_of_the_first(small_site: Site, page: Page) -> None:
    page.goto(small_site.url)
    for name in ('a.png', 'b.png'):
        page.set_input_files('#photo', {'name': name, 'mimeType': 'image/png', 'buffer': PNG})
        wait_for_states(page, 'done')
    assert save(page) == 'b.png'
    assert small_site.waiting() == []


TRANSFER = """(type) => {
  const data = new DataTransfer()
  data.items.add(new File(['dropped'], 'dropped.txt', {type: 'text/plain'}))
  const event = type === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})
    : new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})
  const target = type === 'paste' ? document.body : document.querySelector('[data-fs-drop]')
  return !target.dispatchEvent(event)
}"""


@pytest.mark.parametrize('way', ['drop', 'paste'])
def test_files_are_dropped_and_pasted(small_site: Site, page: Page, way: str) -> None:
    page.goto(small_site.url)
    assert page.evaluate(TRANSFER, way)
    wait_for_states(page, 'done')
    assert save(page) == 'dropped.txt'


def test_a_failed_upload_says_why_and_is_tried_again(small_site: Site, page: Page) -> None:
    page.goto(small_site.url)
    page.route('**/uploads/photos', lambda route: route.fulfill(status=422, json={'error': 'Not today.'}))
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    wait_for_states(page, 'failed')
    assert 'Failed: Not today.' in page.inner_text('.fs-upload')
    page.unroute('**/uploads/photos')
    page.get_by_role('button', name='Retry: a.png').click()
    wait_for_states(page, 'done')
    assert save(page) == 'a.png'


def test_lost_requests_are_repeated(small_site: Site, page: Page) -> None:
    failures: list[str] = []

    def fail_twice(route: Any) -> None:
        if len(failures) < 2:
            failures.append(route.request.method)
            route.abort()
        else:
            route.continue_()

    page.route('**/.fs-incoming/**', fail_twice)
    page.goto(small_site.url)
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    wait_for_states(page, 'done')
    assert failures == ['PUT', 'PUT']
    assert save(page) == 'a.png'


def test_the_console_explains_once_that_the_store_may_not_allow_the_page(small_site: Site, page: Page) -> None:
    ticket = {
        'method': 'PUT',
        'url': 'http://store.example/x',
        'headers': {},
        'fields': {},
        'token': 't',
        'piece_bytes': 999,
    }
    requests: list[str] = []

    def refuse(route: Any) -> None:
        requests.append(route.request.url)
        route.abort()

    page.route('**/uploads/photos', lambda route: route.fulfill(status=201, json=ticket))
    page.route('http://store.example/**', refuse)
    warnings: list[str] = []
    page.on('console', lambda message: warnings.append(message.text) if message.type == 'warning' else None)
    page.goto(small_site.url)
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    wait_until(lambda: len(requests) >= 2, page)
    wait_for_states(page, 'retrying')
    (warning,) = warnings
    origin = page.evaluate('location.origin')
    assert warning.startswith('An upload to http://store.example got no response.')
    assert warning.endswith(f'flask fs cors STORAGE --origin {origin}')


def test_a_response_that_was_lost_loses_nothing(small_site: Site, page: Page) -> None:
    lost: list[int] = []

    def lose(route: Any) -> None:
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route('**/.fs-incoming/**', lose)
    page.goto(small_site.url)
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    wait_for_states(page, 'done')
    assert lost == [201]
    assert save(page) == 'a.png'


def test_a_page_may_show_uploads_itself(small_site: Site, page: Page) -> None:
    page.goto(small_site.url)
    page.evaluate("""() => {
      window.seen = []
      document.addEventListener('fs-upload:added', (event) => event.preventDefault())
      document.addEventListener('fs-upload:state', ({detail}) => window.seen.push(detail.state))
    }""")
    page.set_input_files('#photo', {'name': 'a.png', 'mimeType': 'image/png', 'buffer': PNG})
    page.wait_for_function("window.seen.at(-1) === 'done'")
    assert page.evaluate('window.seen') == ['running', 'done']
    assert page.locator('.fs-upload').count() == 0
    assert save(page) == 'a.png'


def test_the_list_is_for_everyone(small_site: Site, page: Page, line: Line, tmp_path: Path) -> None:
    page.goto(small_site.url)
    line.hold()
    page.set_input_files('#photo', large_file(tmp_path))
    assert page.get_by_role('progressbar', name='large.bin').is_visible()
    assert page.get_by_role('status').inner_text() == 'Uploading…'
    pause = page.get_by_role('button', name='Pause: large.bin')
    pause.focus()
    page.keyboard.press('Enter')
    wait_for_states(page, 'paused')
    # The focus stays here although that button is gone.
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == 'Resume: large.bin'
    page.get_by_role('button', name='Cancel: large.bin').press('Enter')
    wait_for_states(page)
    assert page.evaluate('document.activeElement.id') == 'photo'
