"""``flask fs prove`` on a deployment in a folder, with other files beside those of the checks."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs_testing.cli import prove

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(600)]

# Before Click 8.2, what goes to stderr is kept apart only when asked for.
APART: dict[str, Any] = {'mix_stderr': False} if 'mix_stderr' in inspect.signature(CliRunner).parameters else {}
PREFIX = 'fs-prove-0123456789abcdef'
TIMEOUT_S = 300

#: A deployment whose settings are no matter of the backend, with a receiver that must not hear of the checks.
APP = """
import atexit
import flask_fs as fs
from flask import Flask
from flask_fs.backends.local import LocalBackend
from flask_fs.cli import group
from flask_fs.settings import Setting, text
from flask_fs_testing.cli import prove

group.add_command(prove)


class Narrowing(LocalBackend):
    def _stat(self, name):
        self.drop_capability(fs.backends.Capability.RANGE)
        return super()._stat(name)


class Careless(Narrowing):
    settings = (*LocalBackend.settings, Setting('key', text, 'a secret key', secret=True))

    def _names(self, prefix):
        assert not prefix, f'with {self.config.key}'
        return super()._names(prefix)

    def _copy(self, name, target, *, create):
        super()._copy(name, target, create=False)


class Sticky(LocalBackend):
    def _remove(self, name):
        raise PermissionError(1, 'not permitted')


class Slow(LocalBackend):
    def _stat(self, name):
        import time
        time.sleep(0.2)
        return super()._stat(name)


class Full(LocalBackend):
    def _put(self, *given, **more):
        raise OSError(28, 'No space left on device')


files = fs.Storage('files', fs.IMAGES)
app = Flask(__name__)
app.config.from_prefixed_env()
app.config.update(
    FS_ROOT='root', FILES_FS_PREFIX='tenants/7', FILES_FS_MAX_BYTES=10, FILES_FS_CHECKSUM='md5', FILES_FS_SERVING='proxy'
)
app.config['FS_BACKEND'] = globals().get(app.config.get('KIND'), Narrowing)
fs.init_app(app, files)
fs.file_saved.connect(lambda *given, **more: print('A RECEIVER OF THE APPLICATION WAS CALLED'), weak=False)


@atexit.register
def show():
    with app.app_context():
        print('of the application:', files.backend.capabilities is Narrowing.capabilities, files.config.max_bytes)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A folder with an application, and files of which none may change."""
    (tmp_path / 'app.py').write_text(textwrap.dedent(APP), encoding='utf-8')
    top = tmp_path / 'root' / 'files' / 'tenants'
    for name in ('7/x', '7/.fs-tmp-1', '7/fs-prove-/x', '7/fs-prove', f'7/{PREFIX}x', f'7/{PREFIX}-/x', '70/x', 'x'):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name, encoding='utf-8')
    (top / '7' / 'link').symlink_to('x')
    return tmp_path


def tree(deployment: Path) -> dict[str, Any]:
    """Everything in the root, with its content and time of change."""
    return {
        path.relative_to(deployment).as_posix(): path.is_file() and (path.read_bytes(), path.lstat().st_mtime_ns)
        for path in (deployment / 'root').rglob('*')
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, '-m', 'flask', '--app', 'app', 'fs', 'prove', *arguments]


def run(deployment: Path, *arguments: str, kind: str = '') -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=deployment,
        env={**os.environ, 'FLASK_KIND': kind or '""', 'PYTEST_ADDOPTS': '--no-such-option'},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_deployment_is_proven_and_left_as_it_was(deployment: Path) -> None:
    before = tree(deployment)

    done = run(deployment, 'files', '--yes', '--report', 'found')

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        rf'below {re.escape(str(deployment))}/root/files/tenants/7/fs-prove-[0-9a-f]{{16}}$', done.stdout, re.MULTILINE
    )
    assert re.search('^ATOMIC_CREATE +proven$', done.stdout, re.MULTILINE)
    assert re.search('^CHECKSUM +not declared$', done.stdout, re.MULTILINE)
    assert re.search(r'^\d+ checks passed, 0 failed, \d+ were not run\.$', done.stdout, re.MULTILINE)
    assert re.search(r'^Nothing is left below fs-prove-[0-9a-f]{16}/\.$', done.stdout, re.MULTILINE)
    assert tree(deployment) == before
    # Nothing of the application has changed, and it has heard of nothing.
    assert 'A RECEIVER OF THE APPLICATION WAS CALLED' not in done.stdout
    assert 'of the application: True 10' in done.stdout
    report = json.loads((deployment / 'found.json').read_text(encoding='utf-8'))['files']
    assert (report['backend'], report['failed']) == ('Narrowing', {})
    assert f'{report["passed"]} checks passed' in done.stdout
    assert '| backend | `Narrowing` |' in (deployment / 'found.md').read_text(encoding='utf-8')
    # What a deployment cannot show is neither passed nor failed.
    shown = ' '.join(done.stdout.split())
    for reason, check in (
        ('a proxy between the backend and its server', 'test_a_store_that_does_not_answer_is_no_absence'),
        (
            'the bucket, container or folder does not exist yet',
            'test_a_missing_place_is_empty_and_made_by_the_first_write',
        ),
    ):
        assert re.search(f'- needs [^:]*{reason}: [^-]*{check}', shown)


def test_a_broken_guarantee_is_said_and_is_the_exit_code(deployment: Path) -> None:
    before = tree(deployment)

    done = run(deployment, 'files', '--yes', kind='Careless')

    assert done.returncode == 1
    sentence = 'With create, an existing file raises FileExists, and keeps its content, also if it is empty, or equal to the new one.'
    assert f'BROKEN: {sentence}' in done.stdout
    # What was expected and what was seen, of an assertion and of an exception that was not raised.
    assert "assert b'second' == b'first'" in done.stdout or 'DID NOT RAISE' in done.stdout
    assert re.search(r'^  Contract of _put: https:', done.stdout, re.MULTILINE)
    assert 'with ***' in done.stdout
    assert 'a secret key' not in done.stdout + done.stderr
    # What the check did, call by call.
    assert re.search(r"^  copy\('y', 'x', overwrite=False\) -> None$", done.stdout, re.MULTILINE)
    assert re.search(r'^\d+ checks passed, [1-9]\d* failed', done.stdout, re.MULTILINE)
    assert tree(deployment) == before


def test_what_cannot_be_removed_is_said(deployment: Path) -> None:
    before = tree(deployment)

    done = run(deployment, 'files', '--yes', kind='Sticky')

    assert done.returncode == 1
    assert 'No checks were run: storing and removing a first file failed' in done.stderr
    [(prefix, reason)] = re.findall(r'^(fs-prove-[0-9a-f]{16})/access is left: (.*)$', done.stderr, re.MULTILINE)
    assert 'not permitted' in reason
    assert f'flask fs prove files --clean-up {prefix}' in done.stderr
    assert set(tree(deployment)) - set(before) == {
        f'root/files/tenants/7/{prefix}',
        f'root/files/tenants/7/{prefix}/access',
    }
    assert run(deployment, 'files', '--yes', '--clean-up', prefix).returncode == 0
    assert tree(deployment) == before


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_run_that_is_interrupted_cleans_up(deployment: Path, number: signal.Signals) -> None:
    before = tree(deployment)
    process = _begun(deployment)

    process.send_signal(number)
    output, errors = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 130
    assert 'Interrupted: the other checks were not run.' in errors
    assert 'Nothing is left below' in output
    assert tree(deployment) == before


def test_a_run_that_is_killed_is_cleaned_up_later(deployment: Path) -> None:
    before = tree(deployment)
    process = _begun(deployment)

    process.kill()
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert tree(deployment) != before
    [prefix] = re.findall(r'fs-prove-[0-9a-f]{16}', output)
    done = run(deployment, 'files', '--yes', '--clean-up', prefix)

    assert done.returncode == 0
    assert f'Everything below {deployment}/root/files/tenants/7/{prefix} will be removed.' in done.stdout
    assert f'Nothing is left below {prefix}/.' in done.stdout
    assert tree(deployment) == before


def has_stored(deployment: Path) -> bool:
    # Its folders come and go meanwhile.
    with contextlib.suppress(FileNotFoundError):
        return any(path.is_file() for path in (deployment / 'root').glob('files/tenants/7/fs-prove-*/[0-9]*/**/*'))
    return False


def _begun(deployment: Path) -> subprocess.Popen[str]:
    """A run that has stored files."""
    process = subprocess.Popen(
        command('files', '--yes'),
        cwd=deployment,
        env={**os.environ, 'FLASK_KIND': 'Slow', 'PYTHONUNBUFFERED': '1'},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a program in a terminal has them.
        start_new_session=True,
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not has_stored(deployment):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_store_that_cannot_be_written_to_is_one_sentence(deployment: Path) -> None:
    before = tree(deployment)

    done = run(deployment, 'files', '--yes', kind='Full')

    assert done.returncode == 2
    assert 'No checks were run: storing and removing a first file failed' in done.stderr
    assert 'No space left on device' in done.stderr
    assert tree(deployment) == before


# --- Asking


def test_without_a_terminal_it_asks_for_the_option(deployment: Path) -> None:
    before = tree(deployment)
    done = run(deployment, 'files')
    assert done.returncode == 2
    assert 'There is no terminal to ask for confirmation. Pass --yes to continue without it.' in done.stderr
    assert tree(deployment) == before


def test_nothing_is_tried_without_assertions(deployment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(deployment)
    monkeypatch.setenv('PYTHONOPTIMIZE', '1')
    done = run(deployment, 'files', '--yes')
    assert done.returncode == 2
    assert 'Run it without -O and PYTHONOPTIMIZE.' in done.stderr
    assert tree(deployment) == before


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no pseudo-terminals')
def test_on_a_terminal_it_asks_and_takes_no_for_an_answer(deployment: Path) -> None:
    before, (controller, terminal) = tree(deployment), os.openpty()
    with os.fdopen(controller, 'wb', 0) as keyboard, os.fdopen(terminal, 'rb') as stdin:
        keyboard.write(b'\n')
        done = subprocess.run(
            command('files'),
            cwd=deployment,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 1
    assert 'They touch nothing else there, and remove what they stored.' in done.stdout
    assert 'Continue? [y/N]' in done.stdout
    assert tree(deployment) == before


# --- What it cannot be run on


def refusal_of(app: Flask, *arguments: str) -> str:
    result = CliRunner(**APART).invoke(prove, [*arguments, '--yes'], obj=ScriptInfo(create_app=lambda: app))
    assert (result.exit_code, result.stdout) == (2, '')
    return str(result.stderr)


@pytest.fixture
def app_with(tmp_path: Path) -> Callable[..., Flask]:
    def make(backend: Any, *storages: str) -> Flask:
        app = Flask('office')
        app.config.update(FS_BACKEND=backend, FS_ROOT=str(tmp_path / 'root'))
        fs.init_app(app, *map(fs.Storage, storages))
        return app

    return make


@pytest.mark.parametrize('backend', ['memory', 'mock'])
def test_memory_is_no_deployment(app_with: Callable[..., Flask], backend: str) -> None:
    message = refusal_of(app_with(backend, 'cache'), 'cache')
    assert (
        message
        == f"Error: Storage 'cache' ({backend}) is in the memory of this process: there is no server to check.\n"
    )


def test_a_legacy_backend_promises_nothing(app_with: Callable[..., Flask]) -> None:
    class Legacy:
        def __init__(self, name: str, config: Any) -> None:
            pass

    message = refusal_of(app_with(Legacy, 'old'), 'old')
    assert message.startswith("Error: Storage 'old' (Legacy) uses a legacy backend, which declares no capabilities")


def test_a_storage_that_is_not_there_is_named_with_those_that_are(app_with: Callable[..., Flask]) -> None:
    assert "no storage 'c': its storages are a, b." in refusal_of(app_with('memory', 'b', 'a'), 'c')


@pytest.mark.parametrize('prefix', ['', 'x', 'fs-prove-', f'{PREFIX}/..', f'../{PREFIX}', f'{PREFIX}0', PREFIX.upper()])
def test_only_a_prefix_of_a_run_is_cleaned_up(app_with: Callable[..., Flask], prefix: str) -> None:
    assert 'use the prefix that the run printed, such as fs-prove-0123456789abcdef' in refusal_of(
        app_with('local', 'a'), 'a', '--clean-up', prefix
    )


def test_the_backend_that_was_configured_is_tried_and_not_a_double_of_a_test(
    app_with: Callable[..., Flask], tmp_path: Path
) -> None:
    app = app_with('local', 'a')
    with app.app_context():
        storage = app.extensions['fs']['a']
        storage.backend = type('Double', (LocalBackend,), {})('a', {'root': str(tmp_path / 'other')})
        runner = CliRunner(**APART)
        result = runner.invoke(prove, ['a', '--yes', '--clean-up', PREFIX], obj=ScriptInfo(create_app=lambda: app))
    assert result.exit_code == 0
    assert f'{tmp_path}/root/a/{PREFIX}' in result.stdout
    assert not (tmp_path / 'other').exists()


def test_core_finds_the_command_where_the_kit_announces_it() -> None:
    declared = tomllib.loads((Path(__file__).parents[1] / 'pyproject.toml').read_text(encoding='utf-8'))
    assert declared['project']['entry-points']['flask_fs.commands'] == {'prove': 'flask_fs_testing.cli:prove'}
