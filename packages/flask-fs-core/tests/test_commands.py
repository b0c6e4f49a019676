"""The commands, on applications that work, on storages that fail, and on applications that cannot be configured."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import click
import pytest
from click.testing import CliRunner
from flask import Flask, current_app
from flask.cli import FlaskGroup

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.cli import bindings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AppFactory = Callable[..., Flask]
# Before Click 8.2, what goes to stderr is kept apart only when asked for.
APART: dict[str, Any] = {'mix_stderr': False} if 'mix_stderr' in inspect.signature(CliRunner).parameters else {}


class Unreachable(MemoryBackend):
    def sweep(self) -> int:
        raise self.error(fs.Unavailable, None, 'nothing listens there')


class Broken(MemoryBackend):
    def sweep(self) -> int:
        raise RuntimeError('a bug')


class Rooted(BaseBackend):
    """A custom backend that says no more than its root."""

    root = '/data'


def flask(create_app: Callable[[], Flask], *args: str) -> Any:
    """What the program ``flask`` does where Flask-FS is installed: its commands are there before the application is."""
    [(name, value)] = _declared_commands().items()
    group = FlaskGroup(create_app=create_app)
    group._loaded_plugin_commands = True
    group.add_command(EntryPoint(name, value, 'flask.commands').load(), name)
    return CliRunner(**APART).invoke(group, args)


def _declared_commands() -> dict[str, str]:
    declared = tomllib.loads((Path(__file__).parents[1] / 'pyproject.toml').read_text(encoding='utf-8'))
    commands: dict[str, str] = declared['project']['entry-points']['flask.commands']
    return commands


def through_the_application(create_app: Callable[[], Flask], *args: str) -> Any:
    return create_app().test_cli_runner(**APART).invoke(args=args)


@pytest.fixture(params=[flask, through_the_application])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_storages_are_listed_with_their_files_location(run: Any, make_app: AppFactory, tmp_path: Path) -> None:
    storages = [fs.Storage(name) for name in ('disk', 'custom', 'double', 'elsewhere', 'memory')]

    def create() -> Flask:
        with patch('flask_fs.backends.mock.MockBackend', MagicMock):
            return make_app(
                *storages,
                FS_ROOT=str(tmp_path),
                CUSTOM_FS_BACKEND=Rooted,
                DOUBLE_FS_BACKEND='mock',
                ELSEWHERE_FS_BACKEND=BaseBackend,
                ELSEWHERE_FS_URL='https://files.test/',
                MEMORY_FS_BACKEND='memory',
            )

    result = run(create, 'fs', 'list')
    assert (result.exit_code, result.stderr) == (0, '')
    assert result.stdout.splitlines() == [
        'custom\tRooted\t/data\t',
        'disk\tlocal\t' + str(tmp_path / 'disk') + '\tATOMIC_CREATE RANGE LOCAL_PATH ATTRIBUTES COMPARE_AND_SWAP',
        'double\tmock\t\t',
        'elsewhere\tBaseBackend\thttps://files.test/\t',
        'memory\tmemory\tmemory of the process\tATOMIC_CREATE CHECKSUM MIME RANGE NESTED_NAMES SERVER_COPY ATTRIBUTES COMPARE_AND_SWAP',
    ]


def test_a_storage_that_fails_does_not_end_the_sweep(run: Any, make_app: AppFactory, tmp_path: Path) -> None:
    storages = [fs.Storage(name) for name in ('a', 'b', 'c', 'd')]
    result = run(
        lambda: make_app(*storages, A_FS_BACKEND=Unreachable, C_FS_BACKEND=Broken, FS_ROOT=str(tmp_path)), 'fs', 'sweep'
    )
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ['b\t0 removed', 'd\t0 removed']
    assert result.stderr.splitlines() == [
        "a\tfailed: A file is unavailable in storage 'a' (memory): nothing listens there.",
        'c\tfailed: RuntimeError: a bug',
    ]


def test_a_sweep_of_storages_that_work_is_a_success(run: Any, make_app: AppFactory) -> None:
    result = run(lambda: make_app(fs.Storage('a'), fs.Storage('b', ()), B_FS_BACKEND='memory'), 'fs', 'sweep')
    assert (result.exit_code, result.stdout, result.stderr) == (0, 'a\t0 removed\n', '')


@pytest.mark.parametrize('command', ['list', 'sweep'])
@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'FS_BACKEND': 's4'}, "Error: Storage 'a': no backend named 's4'"),
        ({'A_FS_MAX_BYTES': 'many'}, "Error: Storage 'a' (local) cannot use A_FS_MAX_BYTES = 'many'"),
        ({'A_FS_SERVING': 'redirect'}, "Error: Storage 'a' (local) cannot use A_FS_SERVING = 'redirect'"),
    ],
)
def test_a_misconfiguration_is_one_sentence(
    make_app: AppFactory, command: str, settings: dict[str, Any], message: str
) -> None:
    result = flask(lambda: make_app(fs.Storage('a'), **settings), 'fs', command)
    assert (result.exit_code, result.stdout) == (1, '')
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1


class Opening(MemoryBackend):
    """One whose store clients send files to."""

    capabilities = MemoryBackend.capabilities | fs.Capability.SIGNED_UPLOAD

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        if 'https://refused.test' in origins:
            raise self.error(fs.PermissionDenied, None, 'not by this key')
        return f'{"would be" if dry_run else "is"} open to {" ".join(origins)}'


@pytest.mark.parametrize(
    ('arguments', 'output'),
    [
        (['--origin', 'https://app.test'], 'is open to https://app.test\n'),
        (['--origin', 'https://app.test', '--dry-run'], 'would be open to https://app.test\n'),
        (
            ['--origin', 'HTTPS://App.test:443/', '--origin', 'http://localhost:5000', '--origin', 'https://app.test'],
            'is open to https://app.test http://localhost:5000\n',
        ),
        (['--origin', 'http://[::1]:443'], 'is open to http://[::1]:443\n'),
    ],
)
def test_pages_of_an_origin_may_send_to_the_store(
    run: Any, make_app: AppFactory, arguments: list[str], output: str
) -> None:
    result = run(lambda: make_app(fs.Storage('a'), FS_BACKEND=Opening), 'fs', 'cors', 'a', *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, output, '')


@pytest.mark.parametrize(
    'origin',
    [
        'app.test',
        'https://',
        'https://app.test/page',
        'https://app.test?x',
        'https://me@app.test',
        'ftp://app.test',
        'null',
        '*',
        'https://*.app.test',
        'https://app.test:port',
        'https://bücher.test',
    ],
)
def test_what_no_browser_sends_is_no_origin(run: Any, make_app: AppFactory, origin: str) -> None:
    result = run(lambda: make_app(fs.Storage('a'), FS_BACKEND=Opening), 'fs', 'cors', 'a', '--origin', origin)
    assert (result.exit_code, result.stdout) == (2, '')
    assert "Invalid value for '--origin'" in result.stderr


@pytest.mark.parametrize(
    ('storage', 'origin', 'message'),
    [
        ('b', 'https://app.test', "The application has no storage 'b' (found: a, lacking, legacy, local)."),
        ('a', 'https://refused.test', "A file: permission denied by storage 'a' (memory): not by this key."),
        ('local', 'https://app.test', 'clients upload to the application, so the store needs no CORS rule'),
        ('lacking', 'https://app.test', "Lacking doesn't implement _allow_origins"),
        ('legacy', 'https://app.test', "The backend of storage 'legacy' has no store that browsers can upload to."),
    ],
)
def test_where_origins_cannot_be_allowed_is_one_sentence(
    run: Any, make_app: AppFactory, tmp_path: Path, storage: str, origin: str, message: str
) -> None:
    class Lacking(MemoryBackend):
        capabilities = Opening.capabilities

    class Legacy:
        def __init__(self, name: str, config: Any) -> None: ...

    storages = [fs.Storage(name) for name in ('a', 'lacking', 'legacy', 'local')]
    kinds = {'A_FS_BACKEND': Opening, 'LACKING_FS_BACKEND': Lacking, 'LEGACY_FS_BACKEND': Legacy}
    result = run(lambda: make_app(*storages, FS_ROOT=str(tmp_path), **kinds), 'fs', 'cors', storage, '--origin', origin)
    assert (result.exit_code, result.stdout) == (1, '')
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_other_failures_of_an_application_keep_their_traceback() -> None:
    def create() -> Flask:
        raise RuntimeError('a bug')

    assert isinstance(flask(create, 'fs', 'list').exception, RuntimeError)


def test_an_application_without_storages_says_so(run: Any, make_app: AppFactory) -> None:
    result = run(make_app, 'fs', 'list')
    assert (result.exit_code, result.stdout) == (0, '')
    assert 'has no storages: pass them to fs.init_app(app, …).' in result.stderr


def test_a_command_that_an_application_adds_has_its_context(make_app: AppFactory) -> None:
    app = make_app(fs.Storage('a'))

    @app.cli.commands['fs'].command('show-name')  # type: ignore[attr-defined]  # it is a group
    def show_name() -> None:
        print(current_app.name)

    try:
        result = app.test_cli_runner().invoke(args=['fs', 'show-name'])
    finally:
        del app.cli.commands['fs'].commands['show-name']  # type: ignore[attr-defined]
    assert (result.exit_code, result.output) == (0, f'{app.name}\n')


# --- Commands of other distributions


def announce(monkeypatch: pytest.MonkeyPatch, *points: Any) -> None:
    monkeypatch.setattr('flask_fs.cli.entry_points', lambda *, group: points if group == 'flask_fs.commands' else ())


def test_a_distribution_adds_a_command(run: Any, make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, SimpleNamespace(name='prove', load=lambda: announced))
    result = run(lambda: make_app(fs.Storage('b'), fs.Storage('a')), 'fs', 'prove')
    assert (result.exit_code, result.stdout) == (0, 'a, b\n')
    assert 'Announced by the tests.' in run(make_app, 'fs', '--help').stdout


@click.command()
def announced() -> None:
    """Announced by the tests."""
    click.echo(', '.join(bindings()))


def test_a_command_that_cannot_be_loaded_disturbs_no_other(
    run: Any, make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(monkeypatch, EntryPoint('other', 'no_such_module:command', 'flask_fs.commands'))
    assert run(lambda: make_app(fs.Storage('a')), 'fs', 'sweep').stdout == 'a\t0 removed\n'
    assert isinstance(run(make_app, 'fs', 'other').exception, ModuleNotFoundError)


@pytest.mark.parametrize('arguments', [(), ('avatars', '--yes', '--report', 'x')])
def test_without_the_kit_its_command_says_where_it_comes_from(
    run: Any, make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    announce(monkeypatch)
    result = run(make_app, 'fs', 'prove', *arguments)
    assert (result.exit_code, result.stdout) == (1, '')
    assert result.stderr == (
        'Error: flask fs prove comes with the conformance kit. Install it with pip install flask-fs-testing.\n'
    )
    assert '(requires flask-fs-testing)' in run(make_app, 'fs', '--help').stdout
