"""The commands ``flask fs gc`` and ``flask fs fsck``: what they print, what they change, and how they end."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

import flask_fs as fs
from flask_fs.consistency import commands
from flask_fs.consistency.sources import add_source
from flask_fs_testing.doubles import FaultyBackend, wrap

HOUR_S = 3600
Age = Callable[..., None]
# Before Click 8.2, what goes to stderr is kept apart only when asked for.
APART: dict[str, Any] = {'mix_stderr': False} if 'mix_stderr' in inspect.signature(CliRunner).parameters else {}


@pytest.fixture
def run(app: Flask) -> Callable[..., Any]:
    """``run('gc', '--json')``"""
    return lambda *args: app.test_cli_runner(**APART).invoke(args=['fs', *args])


@pytest.fixture
def left(storage: fs.Storage, rows: Any, journal: Any, age: Age) -> None:
    """What crashes left: an entry of a file without a row, a file without a row, and a row without a file."""
    for name in ('in the journal.txt', 'orphan.txt', 'fine.txt'):
        storage.write(name, 'x')
    journal.write('in the journal.txt', age_s=2 * HOUR_S)
    age(storage, 2 * HOUR_S)
    rows.rows = {1: 'fine.txt', 2: 'missing.txt'}


def test_gc_prints_what_it_removes(run: Any, left: None, storage: fs.Storage, journal: Any) -> None:
    result = run('gc', '--dry-run')
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        'would be removed\tfiles\tin the journal.txt\tits row was not committed\n'
        'would be removed: 1, kept: 0, unsure: 0, failed: 0\n'
    )
    assert storage.exists('in the journal.txt')
    result = run('gc')
    assert (result.exit_code, result.stderr) == (0, '')
    assert result.stdout == (
        'removed\tfiles\tin the journal.txt\tits row was not committed\nremoved: 1, kept: 0, unsure: 0, failed: 0\n'
    )
    assert sorted(storage.list_files()) == ['fine.txt', 'orphan.txt']
    assert run('gc').stdout == 'removed: 0, kept: 0, unsure: 0, failed: 0\n'


def test_gc_scans_storages_on_request(run: Any, left: None, storage: fs.Storage) -> None:
    assert run('gc', '--scan', 'files').exit_code == 0
    assert list(storage.list_files()) == ['fine.txt']


def test_gc_leaves_alone_what_is_younger_than_it_is_told(run: Any, left: None, journal: Any) -> None:
    assert 'removed: 0' in run('gc', '--older-than', '1d').stdout
    assert 'removed: 0' in run('gc', '--older-than', '3h', '--scan', 'files').stdout
    assert 'removed: 1' in run('gc', '--older-than', '90m').stdout


@pytest.mark.parametrize('duration', ['', 'soon', '-1h', '1w', '1h30m', '١h'])
def test_a_duration_that_cannot_be_read_is_a_usage_error(run: Any, rows: Any, duration: str) -> None:
    result = run('gc', '--older-than', duration)
    assert result.exit_code == 2
    assert 'use a form such as 90s, 30m, 1h, or 7d' in result.stderr


def test_gc_prints_json_and_nothing_else(run: Any, left: None) -> None:
    result = run('gc', '--json', '--dry-run')
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            'storage': 'files',
            'filename': 'in the journal.txt',
            'action': 'removed',
            'reason': 'its row was not committed',
            'dry_run': True,
        }
    ]
    assert result.stderr == 'would be removed: 1, kept: 0, unsure: 0, failed: 0\n'


def test_gc_exits_with_1_if_a_file_could_not_be_removed(run: Any, left: None, storage: fs.Storage) -> None:
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next('remove')
        result = run('gc')
    assert result.exit_code == 1
    assert result.stdout.startswith('failed\tfiles\tin the journal.txt\t')


@pytest.mark.parametrize('command', ['gc', 'fsck'])
def test_without_a_database_the_command_says_what_to_call(make_app: Any, command: str) -> None:
    app = make_app(fs.Storage('files'))
    result = app.test_cli_runner(**APART).invoke(args=['fs', command])
    assert result.exit_code == 2
    assert 'flask_fs_sqlalchemy.init_app(app, db.session)' in result.stderr


def test_fsck_prints_what_does_not_agree_and_changes_nothing(
    run: Any, left: None, storage: fs.Storage, rows: Any
) -> None:
    before = sorted(storage.list_files()), dict(rows.rows)
    result = run('fsck', 'files', '--content')
    assert (result.exit_code, result.stderr) == (1, '')
    assert result.stdout == (
        'missing\tfiles\tmissing.txt\trow 2\tthe main file\n'
        'orphan\tfiles\tin the journal.txt\t\t1 bytes\n'
        'orphan\tfiles\torphan.txt\t\t1 bytes\n'
        'orphan: 2, missing: 1, altered: 0, malformed: 0\n'
    )
    assert (sorted(storage.list_files()), rows.rows) == before


def test_fsck_exits_with_0_where_all_agrees(run: Any, rows: Any, storage: fs.Storage) -> None:
    storage.write('a.txt', 'x')
    rows.rows[1] = 'a.txt'
    result = run('fsck')
    assert (result.exit_code, result.stdout) == (0, 'orphan: 0, missing: 0, altered: 0, malformed: 0\n')


def test_fsck_mends_what_it_is_told(run: Any, left: None, storage: fs.Storage, rows: Any) -> None:
    result = run('fsck', '--repair', 'missing', '--yes')
    assert result.exit_code == 1
    assert 'cleared\tfiles\tmissing.txt\trow 2 is empty now\n' in result.stdout
    assert rows.rows == {1: 'fine.txt'}
    assert len(list(storage.list_files())) == 3
    result = run('fsck', '--repair', 'orphans', '--repair', 'missing', '--yes', '--json')
    assert [json.loads(line)['filename'] for line in result.stdout.splitlines()] == [
        'in the journal.txt',
        'orphan.txt',
        'in the journal.txt',
        'orphan.txt',
    ]
    assert list(storage.list_files()) == ['fine.txt']
    assert run('fsck').exit_code == 0


def test_fsck_mends_nothing_in_a_dry_run(run: Any, left: None, storage: fs.Storage, rows: Any) -> None:
    result = run('fsck', '--repair', 'orphans', '--repair', 'missing', '--dry-run')
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    assert len(list(storage.list_files())) == 3
    assert len(rows.rows) == 2


def test_fsck_asks_before_it_mends(
    run: Any, left: None, storage: fs.Storage, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run('fsck', '--repair', 'orphans')
    assert (result.exit_code, result.stdout) == (2, '')
    assert 'add --yes' in result.stderr
    asked: list[str] = []

    def refuse(question: str, **_: Any) -> None:
        asked.append(question)
        raise commands.click.Abort

    monkeypatch.setattr(commands, '_is_terminal', lambda: True)
    monkeypatch.setattr(commands.click, 'confirm', refuse)
    assert run('fsck', '--repair', 'orphans', '--repair', 'missing').exit_code == 1
    assert asked == [
        'This will remove files that no row of this application refers to and empty references whose files are missing. Continue?'
    ]
    assert len(list(storage.list_files())) == 3
    assert len(rows.rows) == 2


def test_more_missing_files_than_fit_are_left_to_another_run(
    run: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, '_MAX_MISSING', 3)
    rows.rows = {number: f'{number}.txt' for number in range(5)}
    result = run('fsck', '--repair', 'missing', '--yes')
    assert '2 more references to missing files remain' in result.stderr
    assert len(rows.rows) == 2
    run('fsck', '--repair', 'missing', '--yes')
    assert rows.rows == {}
    assert run('fsck').exit_code == 0


@pytest.mark.parametrize('hook', ['scan', 'stat'])
def test_a_store_that_is_down_exits_with_2_and_nothing_is_removed(
    run: Any, left: None, storage: fs.Storage, rows: Any, hook: str
) -> None:
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next(hook, times=None)
        result = run('fsck', '--repair', 'orphans', '--repair', 'missing', '--yes')
    assert result.exit_code == 2
    assert result.stderr.startswith('Error: ')
    assert len(list(storage.list_files())) == 3
    assert len(rows.rows) == 2


def test_a_database_that_is_down_exits_with_2_and_nothing_is_removed(
    run: Any, left: None, storage: fs.Storage, rows: Any
) -> None:
    def fail(key: Any) -> None:
        if key == 2:
            raise ConnectionError('postgresql://user:secret@db.test/app does not answer\x1b[2J')

    rows.on_read = fail
    result = run('fsck', '--repair', 'orphans', '--repair', 'missing', '--yes')
    assert result.exit_code == 2
    assert result.stderr.startswith('Error: The check could not be completed: ConnectionError: ')
    assert 'secret' not in result.stderr
    assert '\x1b' not in result.stderr
    assert len(list(storage.list_files())) == 3


def test_a_storage_that_is_not_there_exits_with_2(run: Any, rows: Any) -> None:
    for args in (('fsck', 'nowhere'), ('gc', '--scan', 'nowhere')):
        result = run(*args)
        assert result.exit_code == 2
        assert "no storage named 'nowhere' (found: files)" in result.stderr


def test_what_a_database_has_does_not_control_the_terminal(run: Any, rows: Any, journal: Any) -> None:
    rows.rows = {'\x1b[2J\r\u202e': {'filename': '\x1b]0;owned\x07'}}
    journal.write('\x1b[1A', age_s=2 * HOUR_S)
    for args in (('fsck',), ('gc',), ('fsck', '--json'), ('gc', '--json')):
        assert not {'\x1b', '\r', '\x07', '\u202e'} & set(run(*args).output)


def test_progress_is_shown_on_a_terminal(left: None, app: Flask, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, '_SHOWN_EVERY_S', 0)
    monkeypatch.setattr(commands._Shown, 'is_terminal', staticmethod(lambda: True))
    result = run('fsck', '--content')
    assert "\rfiles of 'files': 3" in result.stderr
    assert '\rreferences: 2' in result.stderr
    assert "\rfiles of 'files' read: " in result.stderr
    assert result.stdout.endswith('orphan: 2, missing: 1, altered: 0, malformed: 0\n')
    assert '\x1b' not in result.stdout
    assert '\rentries of the journal: 1' in run('gc').stderr


def test_the_commands_are_there_without_being_imported(make_app: Any, make_rows: Any) -> None:
    app = make_app(storage := fs.Storage('files'))
    add_source(app, make_rows(storage))
    listed = app.test_cli_runner().invoke(args=['fs', '--help']).output
    assert 'Remove the files that crashes left behind' in listed
    assert 'Compare files with the rows that refer to them' in listed
