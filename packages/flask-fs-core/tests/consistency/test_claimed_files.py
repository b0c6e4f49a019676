"""Units of work that are open for so long that gc claims their files, and the names of these are used again."""

from __future__ import annotations

import datetime
import io
import logging
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs import unit_files
from flask_fs.consistency.gc import collect

UnitOfWork = Any


@pytest.fixture(autouse=True)
def ages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry is old."""
    monkeypatch.setattr(unit_files, 'UNCLAIMED_S', 0)


@pytest.fixture
def unit(app: Flask, storage: fs.Storage, rows: Any, journal: Any) -> UnitOfWork:
    """A unit that has stored a file."""
    unit = fs.unit(journal=journal)
    unit.write(storage, 'a.txt', 'of the unit')
    return unit


@pytest.mark.parametrize('commits', [False, True])
def test_a_file_that_has_its_name_since_stays(
    app: Flask,
    storage: fs.Storage,
    journal: Any,
    unit: UnitOfWork,
    commits: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [outcome] = collect(app, older_than_s=0)
    assert outcome.action == 'removed'
    # The clock of a file system can be a few milliseconds behind.
    for note in unit._created.values():
        note._stored_at -= datetime.timedelta(seconds=1)
    storage.write('a.txt', 'of another unit')
    if commits:
        unit.remove(storage, 'a.txt')
        unit.prepare()
    with caplog.at_level(logging.WARNING):
        unit.commit() if commits else unit.roll_back()
    assert storage.read('a.txt') == b'of another unit'
    assert "['a.txt'] in storage 'files' stay: `flask fs gc` has claimed them" in caplog.text


def test_a_file_that_was_not_stored_yet_when_gc_came_is_removed(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any
) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            outcomes.extend(collect(app, older_than_s=0))
            return super().read(size)

    outcomes: list[Any] = []
    unit = fs.unit(journal=journal)
    unit.save(storage, Slow(b'x'), 'a.txt')
    assert {outcome.reason for outcome in outcomes} == {'it does not exist'}
    unit.roll_back()
    assert list(storage.list_files()) == []


@pytest.mark.parametrize('commits', [False, True])
def test_a_file_that_gc_has_not_claimed_is_removed(
    storage: fs.Storage, journal: Any, unit: UnitOfWork, commits: bool
) -> None:
    unit.write(storage, 'b.txt', 'of the unit')
    if commits:
        unit.remove(storage, 'a.txt', 'b.txt')
        unit.prepare()
    unit.commit() if commits else unit.roll_back()
    assert list(storage.list_files()) == []
    assert journal.notes == {}


def test_without_the_journal_the_file_stays_for_gc(
    app: Flask, storage: fs.Storage, journal: Any, unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(entry: str) -> bool:
        raise ConnectionError('the database is down')

    with monkeypatch.context() as patch:
        patch.setattr(journal, 'claim', fail)
        unit.roll_back()
    assert storage.exists('a.txt')
    [outcome] = collect(app, older_than_s=0)
    assert outcome.action == 'removed'
    assert journal.notes == {}
