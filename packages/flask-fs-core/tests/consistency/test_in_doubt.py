"""Databases with prepared transactions, whose rows cannot be read yet."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import add_source

DOUBT = "prepared transaction 'x' might refer to it"


@pytest.fixture
def rows(app: Flask, storage: fs.Storage, journal: Any, make_rows: Any) -> Any:
    """A database that can have a prepared transaction."""

    class TwoPhaseRows(make_rows):  # type: ignore[misc]  # it is a fixture
        doubt: str | None = DOUBT

        def in_doubt(self) -> str | None:
            return self.doubt

    add_source(app, found := TwoPhaseRows(storage, journal))
    return found


@pytest.mark.parametrize('dry_run', [False, True])
def test_gc_removes_nothing_while_a_transaction_is_prepared(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, dry_run: bool
) -> None:
    for name, action in (('new.txt', 'created'), ('old.txt', 'unused')):
        storage.write(name, 'x')
        journal.write(name, action=action)
    storage.write('without an entry.txt', 'x')
    found = list(collect(app, older_than_s=0, scan=[storage], dry_run=dry_run))
    assert {outcome.filename for outcome in found} == {'new.txt', 'old.txt', 'without an entry.txt'}
    assert {(outcome.action, outcome.reason) for outcome in found} == {('unsure', DOUBT)}
    assert len(list(storage.list_files())) == 3
    assert len(journal.notes) == 2
    rows.doubt = None
    for _ in collect(app, older_than_s=0, scan=[storage]):
        pass
    assert list(storage.list_files()) == []
    assert journal.notes == {}


def test_fsck_repairs_no_orphan_while_a_transaction_is_prepared(app: Flask, storage: fs.Storage, rows: Any) -> None:
    storage.write('a.txt', 'x')
    found = list(check(app, older_than_s=0))
    assert [(finding.kind, finding.detail) for finding in found] == [('orphan', f'1 bytes; {DOUBT}')]
    [outcome] = repair(app, found)
    assert (outcome.action, outcome.reason) == ('unsure', DOUBT)
    assert storage.exists('a.txt')
    rows.doubt = None
    [outcome] = repair(app, found)
    assert outcome.action == 'removed'


def test_a_transaction_that_was_prepared_since_the_files_were_listed_keeps_them(
    app: Flask, storage: fs.Storage, rows: Any
) -> None:
    rows.doubt = None
    storage.write('a.txt', 'x')
    found = list(check(app, older_than_s=0))
    rows.doubt = DOUBT
    [outcome] = repair(app, found)
    assert outcome.action == 'unsure'


def test_storages_that_only_other_databases_refer_to_are_cleaned(
    app: Flask, storage: fs.Storage, rows: Any, journal: Any, make_rows: Any
) -> None:
    fs.init_app(app, others := fs.Storage('others', fs.ALL))
    add_source(app, make_rows(others))
    others.write('a.txt', 'x')
    [outcome] = collect(app, older_than_s=0, scan=[others])
    assert outcome.action == 'removed'
