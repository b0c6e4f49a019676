"""Runs the ``python`` blocks of the READMEs and of the documentation as tests, and has the browser of all tests.

Each document gets an empty working directory of its own and one set of names, so later blocks can use earlier ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Skips a test for a reason, or fails it where everything must be there.
Unavailable = Callable[[str], NoReturn]
CHROMIUM_FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]


def enter_directory(names: dict[str, Any]) -> None:
    names['_directory'] = tempfile.TemporaryDirectory()
    names['_came_from'] = os.getcwd()
    os.chdir(names['_directory'].name)


def leave_directory(names: dict[str, Any]) -> None:
    os.chdir(names['_came_from'])
    names['_directory'].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    # One for each depth: here ** is no more than *.
    patterns=['README.md', 'testing/README.md', 'packages/*/README.md', 'docs/*.md', 'docs/*/*.md', 'docs/*/*/*.md'],
    # Each of these is a project of several files, which a test in docs/tests makes.
    excludes=['docs/how-to/write-a-backend.md', 'docs/tutorial/photo-app.md'],
    setup=enter_directory,
    teardown=leave_directory,
).pytest()


@pytest.fixture(scope='session')
def unavailable() -> Unavailable:
    def refuse(reason: str) -> NoReturn:
        if os.environ.get('FS_TEST_SERVICES') == 'required':
            pytest.fail(reason)
        pytest.skip(reason)

    return refuse


# Not for the whole session: while Playwright runs, its thread has a running event loop, which other tests may not expect.
@pytest.fixture(scope='module')
def chromium(unavailable: Unavailable) -> Iterator[Browser]:
    executable = shutil.which('chromium')
    if executable is None:
        unavailable('Chromium is not installed: apt-get install chromium')
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable('Playwright is not installed: pip install playwright')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
