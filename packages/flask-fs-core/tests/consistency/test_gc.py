"""Settling what is in the journals of an application, and removing files that no row has."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from typing import Any

import pytest
from flask import Flask, has_app_context

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import add_source
from flask_fs_testing.doubles import FaultyBackend, wrap

HOUR_S = 3600
Age = Callable[..., None]


def actions(found: Any) -> dict[str, str]:
    return {outcome.filename: outcome.action for outcome in found}


def test_without_a_database_it_says_what_to_call(app: Flask) -> None:
    with pytest.raises(fs.ConfigurationError, match=r'flask_fs_sqlalchemy\.init_app.*pip install flask-fs-sqlalchemy'):
        collect(app)


# --- Files that were stored for a row.


def test_a_file_of_a_row_that_was_never_committed_is_removed(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    journal.write('lost.txt', age_s=2 * HOUR_S)
    storage.write('lost.txt', 'x')
    age(storage, 2 * HOUR_S - 1)
    assert actions(collect(app)) == {'lost.txt': 'removed'}
    assert not storage.exists('lost.txt')
    assert journal.notes == {}
    assert list(collect(app)) == []


def test_a_file_that_a_row_refers_to_stays(app: Flask, storage: fs.Storage, rows: Any, journal: Any) -> None:
    journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    rows.rows[1] = 'a.txt'
    assert actions(collect(app)) == {'a.txt': 'kept'}
    assert storage.exists('a.txt')
    assert journal.notes == {}


def test_what_is_young_is_left_alone(app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age) -> None:
    journal.write('a.txt', age_s=60)
    storage.write('a.txt', 'x')
    assert list(collect(app)) == []
    # The name was written down long ago, and the file was stored by somebody else a moment ago.
    journal.write('b.txt', age_s=2 * HOUR_S)
    storage.write('b.txt', 'x')
    assert actions(collect(app)) == {'b.txt': 'unsure'}
    assert sorted(storage.list_files()) == ['a.txt', 'b.txt']
    assert len(journal.notes) == 2


def test_an_entry_without_its_file_is_settled(app: Flask, storage: fs.Storage, rows: Any, journal: Any) -> None:
    journal.write('never-stored.txt', age_s=2 * HOUR_S)
    assert actions(collect(app)) == {'never-stored.txt': 'kept'}
    assert journal.notes == {}


@pytest.mark.parametrize(
    ('action', 'newer_by_s', 'expected'),
    [
        ('created', 0, 'removed'),
        ('created', -50, 'removed'),
        ('created', -100, 'unsure'),
        ('created', -1000, 'kept'),
        ('unused', -1000, 'removed'),
        ('unused', 1, 'removed'),
        ('unused', 100, 'unsure'),
        ('unused', 1000, 'kept'),
    ],
)
def test_a_file_of_another_time_is_another_file(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age, action: str, newer_by_s: float, expected: str
) -> None:
    """A crash may come between learning that a name is taken and writing down the next one."""
    journal.write('a.txt', action, age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S - newer_by_s)
    assert actions(collect(app)) == {'a.txt': expected}
    assert storage.exists('a.txt') is (expected != 'removed')
    assert bool(journal.notes) is (expected == 'unsure')


def test_a_file_that_another_database_refers_to_stays(
    app: Flask, storage: fs.Storage, rows: Any, make_rows: Any, journal: Any, age: Age
) -> None:
    other = make_rows(storage)
    add_source(app, other)
    other.rows[7] = {'filename': 'a.txt'}
    journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    assert actions(collect(app)) == {'a.txt': 'kept'}
    assert storage.exists('a.txt')


def test_a_row_that_is_committed_while_it_looks_keeps_its_file(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)

    def commit(_: Collection[str]) -> None:
        rows.rows[1] = 'a.txt'

    rows.on_look = commit
    assert actions(collect(app)) == {'a.txt': 'kept'}
    assert storage.exists('a.txt')


def test_a_transaction_that_was_committed_a_moment_ago_keeps_its_file(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    # It settles its entry, and its row is not visible everywhere yet.
    claim = journal.claim

    def settle(entry: str) -> bool:
        journal.settle([entry])
        return bool(claim(entry))

    monkeypatch.setattr(journal, 'claim', settle)
    assert actions(collect(app)) == {'a.txt': 'kept'}
    assert storage.exists('a.txt')


def test_a_run_that_was_killed_between_claiming_and_removing_is_completed(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    entry = journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    # Storing it took a while.
    age(storage, HOUR_S + 60)
    assert journal.claim(entry)
    assert actions(collect(app)) == {'a.txt': 'removed'}
    assert journal.notes == {}


# --- Files that a row no longer refers to.


def test_a_file_that_was_to_be_removed_is(app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age) -> None:
    for name in ('unused.txt', 'used again.txt'):
        storage.write(name, 'x')
        journal.write(name, 'unused', age_s=2 * HOUR_S)
    age(storage, 3 * HOUR_S)
    rows.rows[1] = 'used again.txt'
    assert actions(collect(app)) == {'unused.txt': 'removed', 'used again.txt': 'kept'}
    assert list(storage.list_files()) == ['used again.txt']
    assert journal.notes == {}


# --- Files with several entries.


@pytest.mark.parametrize('action', ['created', 'unused'])
@pytest.mark.parametrize(('theirs', 'is_committed'), [('created', True), ('created', False), ('unused', False)])
def test_a_file_of_an_open_transaction_stays_although_another_one_has_left_an_entry_for_its_name(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age, action: str, theirs: str, is_committed: bool
) -> None:
    """A crashed transaction had found the name in use, or removed a former file of this name. An upload can be older than its entry."""
    journal.write('a.txt', action, age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    own = journal.write('a.txt', theirs, age_s=60)
    [outcome] = collect(app)
    assert (outcome.action, outcome.reason) == (
        'unsure',
        'another transaction might have stored it: run gc again later',
    )
    assert storage.exists('a.txt')
    journal.settle([own])
    if is_committed:
        rows.rows[1] = 'a.txt'
    assert actions(collect(app)) == {'a.txt': 'kept' if is_committed else 'removed'}
    assert storage.exists('a.txt') is is_committed
    assert journal.notes == {}


def test_a_file_for_which_crashes_have_left_several_entries_is_removed(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    for hours in (4, 3, 2):
        journal.write('a.txt', age_s=hours * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    assert [outcome.action for outcome in collect(app)] == ['removed', 'kept', 'kept']
    assert not storage.exists('a.txt')
    assert journal.notes == {}


# --- When it cannot, or may not.


def test_a_dry_run_changes_nothing(app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age) -> None:
    for name in ('a.txt', 'b.txt'):
        journal.write(name, age_s=2 * HOUR_S)
        storage.write(name, 'x')
    storage.write('c.txt', 'x')
    age(storage, 2 * HOUR_S)
    rows.rows[1] = 'a.txt'
    found = list(collect(app, dry_run=True, scan=[storage]))
    assert [(outcome.filename, outcome.action) for outcome in found] == [
        ('a.txt', 'kept'),
        ('b.txt', 'removed'),
        ('b.txt', 'removed'),
        ('c.txt', 'removed'),
    ]
    assert sorted(storage.list_files()) == ['a.txt', 'b.txt', 'c.txt']
    assert len(journal.notes) == 2


def test_a_file_that_cannot_be_removed_stays_in_the_journal(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ('a.txt', 'b.txt'):
        journal.write(name, age_s=2 * HOUR_S)
        storage.write(name, 'x')
    age(storage, 2 * HOUR_S)
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next('remove')
        assert actions(collect(app)) == {'a.txt': 'failed', 'b.txt': 'removed'}
    assert "'a.txt' stays in storage 'files'" in caplog.text
    assert [entry.filename for entry in journal.notes.values()] == ['a.txt']
    assert actions(collect(app)) == {'a.txt': 'removed'}


def test_a_store_that_is_down_removes_nothing(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    journal.write('a.txt', age_s=2 * HOUR_S)
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next('stat', times=None)
        with pytest.raises(fs.Unavailable):
            list(collect(app))
    assert storage.exists('a.txt')
    assert len(journal.notes) == 1


def test_a_database_that_is_down_removes_nothing(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    for number in range(500):
        journal.write(f'{number}.txt', age_s=2 * HOUR_S)
        storage.write(f'{number}.txt', 'x')
    age(storage, 2 * HOUR_S)
    looks: list[int] = []

    def fail(names: Collection[str]) -> None:
        looks.append(len(names))
        if len(looks) == 2:
            raise ConnectionError('the database is gone')

    rows.on_look = fail
    found = collect(app)
    with pytest.raises(ConnectionError):
        list(found)
    # What was looked up before it went is settled, and nothing else.
    assert len(list(storage.list_files())) == len(journal.notes) == 300
    rows.on_look = lambda names: None
    assert len(list(collect(app))) == 300
    assert list(storage.list_files()) == []
    assert journal.notes == {}


def test_a_run_that_was_stopped_half_way_is_completed_by_the_next_one(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    for number in range(10):
        journal.write(f'{number}.txt', age_s=2 * HOUR_S)
        storage.write(f'{number}.txt', 'x')
    age(storage, 2 * HOUR_S)
    found = collect(app)
    assert [next(found).action for _ in range(4)] == ['removed'] * 4
    del found
    assert len(journal.notes) == 10
    assert sorted(actions(collect(app)).values()) == ['kept'] * 4 + ['removed'] * 6
    assert journal.notes == {}


@pytest.mark.parametrize(
    'filename', ['../outside', '', 'a\0', '.fs-deleted/a', '.fs-tmp-1', '.fs-incoming/x', 'x' * 5000]
)
def test_a_hostile_entry_harms_nothing(app: Flask, storage: fs.Storage, rows: Any, journal: Any, filename: str) -> None:
    journal.write(filename, age_s=2 * HOUR_S)
    journal.write('a.txt', age_s=2 * HOUR_S)
    assert actions(collect(app)) == {filename: 'unsure', 'a.txt': 'kept'}
    assert [entry.filename for entry in journal.notes.values()] == [filename]


def test_an_entry_of_a_storage_that_is_no_more_stays(app: Flask, rows: Any, journal: Any) -> None:
    journal.write('a.txt', age_s=2 * HOUR_S, storage='former')
    [outcome] = collect(app)
    assert (outcome.storage, outcome.action) == ('former', 'unsure')
    assert len(journal.notes) == 1


def test_a_removed_file_can_be_restored_where_deleted_files_are_kept(
    make_app: Any, make_rows: Any, journal: Any, age: Age
) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='local', FS_RETENTION_DAYS=7)
    add_source(app, make_rows(storage, journal))
    with app.app_context():
        storage.write('a.txt', 'content')
        storage.write('b.txt', 'content')
        age(storage, 2 * HOUR_S)
        journal.write('a.txt', age_s=2 * HOUR_S)
        assert actions(collect(app, scan=['files'])) == {'a.txt': 'removed', 'b.txt': 'removed'}
        assert sorted(file.name for file in storage.deleted()) == ['a.txt', 'b.txt']
        # What is kept is no file without a row.
        assert list(collect(app, older_than_s=0, scan=['files'])) == []
        storage.restore('a.txt')
        assert storage.read('a.txt') == b'content'


# --- Storages where every file belongs to a row.


def test_files_to_which_nothing_refers_are_removed_on_request(
    app: Flask, storage: fs.Storage, rows: Any, age: Age
) -> None:
    for name in ('of a row.txt', 'of a bulk delete.txt'):
        storage.write(name, 'x')
    age(storage, 2 * HOUR_S)
    storage.write('young.txt', 'x')
    rows.rows[1] = 'of a row.txt'
    assert list(collect(app)) == []
    assert actions(collect(app, scan=['files'])) == {'of a bulk delete.txt': 'removed'}
    assert sorted(storage.list_files()) == ['of a row.txt', 'young.txt']


def test_a_storage_that_no_row_refers_to_is_not_scanned(make_app: Any, make_rows: Any, storage: fs.Storage) -> None:
    other = fs.Storage('other', fs.ALL)
    app = make_app(storage, other, FS_BACKEND='memory')
    add_source(app, make_rows(storage))
    with app.app_context():
        other.write('a.txt', 'x')
        with pytest.raises(fs.ConfigurationError, match="No row or document refers to files of storage 'other'"):
            collect(app, scan=[other])
        with pytest.raises(fs.UnknownStorage, match=r"no storage named 'nowhere' \(found: files, other\)"):
            collect(app, scan=['nowhere'])


def test_a_file_of_an_open_transaction_is_spared_by_its_entry_even_if_it_is_older(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, age: Age
) -> None:
    """An upload may have arrived long before it is accepted."""
    storage.write('a.txt', 'x')
    age(storage, 2 * HOUR_S)
    journal.write('a.txt', age_s=60)
    assert list(collect(app, scan=['files'])) == []
    assert storage.exists('a.txt')


def test_it_needs_no_context_of_the_application_and_leaves_none(
    make_app: Any, make_rows: Any, storage: fs.Storage, journal: Any
) -> None:
    apps = [make_app(storage, FS_BACKEND='memory') for _ in range(2)]
    add_source(apps[0], make_rows(storage, journal))
    for number in range(3):
        journal.write(f'{number}.txt')
    for app in apps:
        with app.app_context():
            storage.write('0.txt', 'x')
    found = collect(apps[0], older_than_s=0)
    assert next(found).action == 'removed'
    assert not has_app_context()
    with apps[1].app_context():
        assert [outcome.action for outcome in found] == ['kept', 'kept']
        assert storage.exists('0.txt')


def test_times_of_stores_are_compared_in_utc(app: Flask, storage: fs.Storage, rows: Any, journal: Any) -> None:
    entry = journal.write('a.txt')
    elsewhere = datetime.timezone(datetime.timedelta(hours=9))
    journal.notes[entry] = journal.notes[entry]._replace(at=journal.notes[entry].at.astimezone(elsewhere))
    storage.write('a.txt', 'x')
    assert actions(collect(app, older_than_s=0)) == {'a.txt': 'removed'}
