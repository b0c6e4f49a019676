"""A page sends a file to Swift on another site by the form of a ticket, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

import flask_fs as fs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# With a listener for its progress, a browser requests permission first (a preflight).
SEND = """([ticket, content]) => new Promise(resolve => {
  const form = new FormData(), request = new XMLHttpRequest()
  for (const [name, value] of Object.entries(ticket.fields)) form.append(name, value)
  form.append('file', new File([content], 'Übung "1" & 2.html', {type: 'text/html'}))
  let seen = 0
  request.upload.onprogress = event => { seen = event.loaded }
  request.onloadend = () => resolve([request.status, request.responseText, seen > content.length])
  request.open(ticket.method, ticket.url)
  request.send(form)
})"""


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('kit', fs.ALL)


@pytest.fixture
def app(swift_harness: Any, storage: fs.Storage) -> Flask:
    app: Flask = swift_harness.make_app(storage)
    app.add_url_rule('/page', view_func=lambda: 'A page')
    return app


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    yield f'http://127.0.0.1:{server.port}'
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_sends_a_form_once_its_origin_is_allowed(
    app: Flask, storage: fs.Storage, site: str, chromium: Any
) -> None:
    page = chromium.new_page()
    try:
        page.goto(f'{site}/page')
        with app.test_request_context():
            ticket = storage.signed_upload('x.txt', size=5, mime='text/plain')
            assert page.evaluate(SEND, [asdict(ticket), 'hello']) == [0, '', False]
            with pytest.raises(fs.NoFile):
                storage.accept_upload(ticket.token)
            storage.backend._allow_origins([site], dry_run=False)
            # Swift sends no header of CORS with what it refuses.
            assert page.evaluate(SEND, [asdict(ticket), 'longer'])[:2] == [0, '']
            assert page.evaluate(SEND, [asdict(ticket), 'hello']) == [201, '201 Created', True]
            storage.accept_upload(ticket.token)
            assert storage.read('x.txt') == b'hello'
            assert storage.stat('x.txt').mime == 'text/plain'
    finally:
        page.close()
