"""A visitor with a link for PUT says what type a file has. None gets a script to run on the site, in a real browser."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

import flask_fs as fs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

REPORT = "fetch('/ran?what={number}+' + origin + '+' + document.cookie, {{keepalive: true}})"
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Page</title></head><body><script>{script}</script></body></html>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>{script}</script></svg>'
# Each is a page, or a picture, for some reader of such a header.
CLAIMED = [
    *('text/html', 'TEXT/HTML;a', 'text/html; charset=utf-7', 'text/html;text/plain', 'application/xhtml+xml', 'text/xml'),
    *('text/csv; header=absent, text/html', 'text/markdown,text/html', 'text/plain; charset=us-ascii, text/html'),
    *('image/webp;q, image/svg+xml', 'image/gif, image/svg+xml', 'image/svg+xml', 'image/jpeg;;,image/svg+xml;'),
    *('application/pdf;,application/xhtml+xml', 'audio/ogg; codecs="opus, text/html', 'application/json ,text/html'),
    *('video/webm; codecs="vp9", text/html', 'text/html, text/plain', 'application/unknown', 'unknown/unknown', '*/*'),
    *('text/plain;\ttext/html', 'text/plain \t,\ttext/html', 'multipart/x-mixed-replace; boundary=b', 'html', ';text/html'),
]  # fmt: skip


def content(number: int) -> bytes:
    claimed, script = CLAIMED[number], REPORT.format(number=number)
    page = (SVG if 'svg' in claimed else PAGE).format(script=script)
    if claimed.startswith('multipart'):
        page = f'--b\r\nContent-Type: text/html\r\n\r\n{page}\r\n--b--\r\n'
    return page.encode()


@pytest.fixture(scope='module')
def storage() -> fs.Storage:
    return fs.Storage('kit', fs.ALL)


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def app(seaweed: Any, storage: fs.Storage, ran: list[str]) -> Flask:
    app: Flask = seaweed.make_app(storage)

    @app.get('/ran')
    def note() -> str:
        ran.append(request.args['what'])
        return ''

    @app.get('/home')
    def home() -> Response:
        response = Response('home')
        response.set_cookie('session', 'valuable')
        return response

    @app.get('/unprotected/<int:number>')
    def unprotected(number: int) -> Response:
        response = Response(content(number))
        response.headers['Content-Type'] = CLAIMED[number]
        return response

    return app


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    # So that closing the server waits for the requests it still handles.
    vars(server)['daemon_threads'] = False
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    yield f'http://127.0.0.1:{server.port}'
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f'{site}/home')
    yield page
    context.close()


def visit(page: Page, url: str) -> str:
    """The type as which the browser shows *url*; empty if it saves it instead."""
    from playwright.sync_api import Error

    try:
        page.goto(url)
    except Error as error:
        if not any(sign in str(error) for sign in ('Download is starting', 'net::ERR_ABORTED')):
            raise
        return ''
    shown: str = page.evaluate('document.contentType')
    return shown


def test_no_claimed_type_runs_a_script(app: Flask, storage: fs.Storage, site: str, page: Page, ran: list[str]) -> None:
    with app.test_request_context():
        urls = [site + storage.url(f'{number}.txt') for number in range(len(CLAIMED))]
        storage.write('first.txt', 'makes the bucket')
        for number, claimed in enumerate(CLAIMED):
            link = storage.signed_url(f'{number}.txt', method='PUT')
            put = urllib.request.Request(link, content(number), {'Content-Type': claimed}, method='PUT')
            urllib.request.urlopen(put, timeout=30).close()
    shown = {claimed: visit(page, url) for claimed, url in zip(CLAIMED, urls, strict=True)}
    page.goto(f'{site}/home', wait_until='networkidle')
    assert ran == []
    # Shown all the same, without running: a page is no reason to refuse a file.
    assert (shown['text/html'], shown['image/svg+xml']) == ('text/html', 'image/svg+xml')


def test_without_what_flask_fs_does_to_types_scripts_run(site: str, page: Page, ran: list[str]) -> None:
    """The control: were the test above unable to fail, this one would."""
    runs = (
        'text/html',
        'text/plain; charset=us-ascii, text/html',
        'image/webp;q, image/svg+xml',
        'application/unknown',
    )
    for claimed in runs:
        visit(page, f'{site}/unprotected/{CLAIMED.index(claimed)}')
    page.goto(f'{site}/home', wait_until='networkidle')
    assert {f'{CLAIMED.index(claimed)} {site} session=valuable' for claimed in runs} == set(ran)
