"""The application as a module, in a client, and in a browser."""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

PROGRAM = Path(__file__).parents[1] / 'app.py'
# Chromium itself notes each answer that is not a success; the tests look at what the page made of it.
REFUSED = re.compile(
    r'Failed to load resource: .*(\b409\b|\b413\b|\b415\b|\b422\b|net::ERR_CONNECTION_RESET|net::ERR_INTERNET_DISCONNECTED)'
)


@pytest.fixture(scope='session')
def program() -> Any:
    """The module app.py, which no package holds."""
    spec = importlib.util.spec_from_file_location('pigeonhole', PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """Settings of the application; tests of others replace this fixture."""
    return {'FILES_FS_ROOT': tmp_path / 'files', 'THUMBNAILS_FS_ROOT': tmp_path / 'thumbnails', 'TESTING': True}


@pytest.fixture
def app(program: Any, config: dict[str, Any]) -> Flask:
    app = program.create_app(config)
    assert isinstance(app, Flask)
    return app


@pytest.fixture
def files(program: Any, app: Flask) -> Iterator[Any]:
    """The storage of the application."""
    with app.app_context():
        yield program.files


@pytest.fixture
def thumbnails(program: Any, app: Flask) -> Iterator[Any]:
    """The storage of the application's thumbnails."""
    with app.app_context():
        yield program.thumbnails


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The address at which the application is served, by several threads, as ``python run.py`` does."""
    server = make_server('127.0.0.1', 0, app, threaded=True)
    # So that closing the server waits for the requests it still answers.
    vars(server)['daemon_threads'] = False
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    yield f'http://127.0.0.1:{server.port}'
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope='module')
def tab(chromium: Browser) -> Iterator[Page]:
    """A tab for one page after the other: each new one takes a new process. All that pages keep, they keep by their port."""
    with chromium.new_context(locale='en-GB', timezone_id='UTC') as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        yield page


@pytest.fixture
def page(tab: Page, site: str) -> Iterator[Page]:
    """The application's page in a browser that may use the clipboard; a complaint in its console fails the test."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ('error', 'warning') and not REFUSED.match(message.text):
            complaints.append(message.text)

    def note_error(error: object) -> None:
        complaints.append(str(error))

    tab.context.grant_permissions(['clipboard-read', 'clipboard-write'], origin=site)
    tab.set_viewport_size({'width': 1280, 'height': 800})
    tab.on('console', note)
    tab.on('pageerror', note_error)
    tab.goto(site)
    tab.locator('#empty').wait_for()
    yield tab
    for other in tab.context.pages:
        if other is not tab:
            other.close()
    tab.goto('about:blank')
    tab.remove_listener('console', note)
    tab.remove_listener('pageerror', note_error)
    assert complaints == []
