"""Running `flask fs gc` with the rows of an application."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from flask import Flask
from report_rows import Base, Report, docs, insert

from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import Journal, init_app


def test_gc_removes_what_no_row_refers_to_and_keeps_the_rest(app: Flask, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata)
    Base.metadata.create_all(sqlite)
    metadata.create_all(sqlite)
    init_app(app, sqlite, journal=journal, models=[Report])
    bound = journal.of(sqlite)
    for name in ('used.txt', 'lost.txt', 'former.txt'):
        bound.pending('docs', name)
        docs.write(name, b'content')
    insert(sqlite, document='used.txt')
    outcomes = {each.filename: each.action for each in collect(app, older_than_s=0)}

    assert outcomes == {'used.txt': 'kept', 'lost.txt': 'removed', 'former.txt': 'removed'}
    assert sorted(docs.list_files()) == ['used.txt']
    assert list(bound.entries(0)) == []


def test_an_entry_of_a_storage_that_is_gone_stays(app: Flask, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata)
    Base.metadata.create_all(sqlite)
    metadata.create_all(sqlite)
    init_app(app, sqlite, journal=journal, models=[Report])
    journal.of(sqlite).pending('former', 'a.txt')

    assert [outcome.action for outcome in collect(app, older_than_s=0)] == ['unsure']
    assert len(list(journal.of(sqlite).entries(0))) == 1


def test_gc_removes_nothing_while_the_database_is_down(app: Flask, engines: Engines, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata, bind=sqlite)
    metadata.create_all(sqlite)
    init_app(app, engines('postgresql+psycopg://user@127.0.0.1:1/rows'), journal=journal, models=[Report])
    journal.of(sqlite).pending('docs', 'a.txt')
    docs.write('a.txt', b'content')

    with pytest.raises(sa.exc.OperationalError):
        list(collect(app, older_than_s=0))
    assert docs.exists('a.txt')
    assert len(list(journal.of(sqlite).entries(0))) == 1
