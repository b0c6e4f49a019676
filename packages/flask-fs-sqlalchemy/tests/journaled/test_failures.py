"""The journal after a rollback or a failure."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from flask import Flask
from journaled_rows import Base, Report, docs, entries, files, journal, outcomes, upload
from sqlalchemy.orm import Session, sessionmaker

from flask_fs.errors import BackendError
from flask_fs_sqlalchemy import Journal, JournalError, init_app
from flask_fs_sqlalchemy.row_files import collected


def test_what_is_rolled_back_leaves_no_entry(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload())
        session.rollback()

    assert entries(engine) == []
    assert files() == []


@pytest.mark.server
def test_a_savepoint_that_is_rolled_back_leaves_no_entry(app: Flask, postgres_url: str, engines: Engines) -> None:
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        first = Report()
        session.add(first)
        first.document.save(upload('a.txt'))
        session.flush()
        nested = session.begin_nested()
        second = Report()
        session.add(second)
        second.document.save(upload('b.txt'))
        session.flush()
        nested.rollback()
        assert entries(engine) == [('a.txt', 'created')]
        session.commit()

    assert entries(engine) == []
    assert files() == ['a.txt']


def test_a_taken_name_is_noted_as_the_one_that_is_used(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    docs.write('a.txt', b'of somebody else')
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload(), overwrite=True)
        assert entries(engine) == [('a_1.txt', 'created')]
        session.rollback()

    assert files() == ['a.txt']


def test_without_the_table_nothing_is_stored(app: Flask, database_url: str, engines: Engines) -> None:
    engine = engines(database_url)
    Base.metadata.tables['report'].create(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        report = Report()
        session.add(report)
        with pytest.raises(JournalError, match=r'no such table.*flask_fs_sqlalchemy\.migrations'):
            report.document.save(upload())
        assert not report.document
        session.commit()

    assert files() == []


def test_while_the_database_is_down_nothing_is_stored(app: Flask, engines: Engines) -> None:
    init_app(app, engines('postgresql+psycopg://user@127.0.0.1:1/x'), journal=journal, models=[Base])
    report = Report()

    with pytest.raises(JournalError, match='OperationalError'):
        report.document.save(upload())
    assert not report.document
    assert files() == []


def test_a_session_that_has_written_into_sqlite_stores_nothing_and_goes_on(app: Flask, sqlite: sa.Engine) -> None:
    init_app(app, sqlite, journal=journal, models=[Base])
    with Session(sqlite) as session:
        report = Report(title='x')
        session.add(report)
        session.flush()
        with pytest.raises(JournalError, match='has a transaction in this SQLite database'):
            report.document.save(upload())
        session.commit()
        assert files() == []
        report.document.save(upload())
        session.commit()

        assert session.scalars(sa.select(Report)).one().document.filename == 'a.txt'
    assert files() == ['a.txt']
    assert entries(sqlite) == []


def test_a_journal_of_its_own_lets_a_session_in_sqlite_write_first(
    app: Flask, sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    other = engines(f'sqlite:///{tmp_path}/journal.db')
    elsewhere = Journal(sa.MetaData(), bind=other)
    elsewhere.table.create(other)
    init_app(app, sqlite, journal=elsewhere, models=[Base])
    with Session(sqlite) as session:
        report = Report(title='x')
        session.add(report)
        session.flush()
        report.document.save(upload())
        assert entries(other) == [('a.txt', 'created')]
        session.commit()

    assert files() == ['a.txt']
    assert entries(other) == []


class Connection:
    """What loses the connection while a commit is under way: before the database has it, or after."""

    def __init__(self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, *, arrived: bool) -> None:
        self.lost = False
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            if not self.lost:
                commit(connection)
                return
            self.lost = False
            if arrived:
                commit(connection)
            connection.driver_connection.close()
            raise engine.dialect.loaded_dbapi.OperationalError('server closed the connection unexpectedly')

        monkeypatch.setattr(engine.dialect, 'do_commit', do_commit)


@pytest.mark.server
@pytest.mark.parametrize('arrived', [True, False])
def test_gc_settles_a_commit_whose_outcome_is_unknown(
    app: Flask, postgres_url: str, engines: Engines, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        report = Report()
        session.add(report)
        report.document.save(upload('old.txt'))
        session.commit()
        report.document.save(upload('new.txt'))
        Connection(engine, monkeypatch, arrived=arrived).lost = True
        with pytest.raises(sa.exc.OperationalError):
            session.commit()
    assert files() == ['new.txt', 'old.txt']
    monkeypatch.undo()
    done = outcomes(app)

    # If it arrived, the entry of the new file is settled; else that of the old one was never written.
    assert done == ({'old.txt': 'removed'} if arrived else {'new.txt': 'removed'})
    assert files() == (['new.txt'] if arrived else ['old.txt'])
    assert entries(engine) == []


def test_what_gc_has_claimed_is_not_committed(app: Flask, engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    """A transaction that is open for longer than the grace period loses its files, and no row refers to them."""
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload())
        assert outcomes(app) == {'a.txt': 'removed'}
        with pytest.raises(JournalError, match='has claimed a file of this transaction'):
            session.commit()
        session.rollback()
        assert session.scalars(sa.select(Report)).all() == []

    assert files() == []
    assert entries(engine) == []


def test_a_store_that_is_down_after_the_commit_leaves_an_entry_for_gc(
    app: Flask, engine: sa.Engine, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload('old.txt'))
        session.commit()

        def down(self: Any, name: str) -> None:
            raise BackendError(name, reason='down')

        with monkeypatch.context() as patch:
            patch.setattr(type(docs.backend), '_remove', down)
            report.document.save(upload('new.txt'))
            session.commit()
        assert report.document.filename == 'new.txt'
    assert entries(engine) == [('old.txt', 'unused')]
    assert outcomes(app) == {'old.txt': 'removed'}

    assert files() == ['new.txt']
    assert entries(engine) == []


def test_a_row_that_is_dropped_leaves_no_entry(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:

    report = Report()
    report.document.save(upload())
    assert entries(engine) == [('a.txt', 'created')]
    del report
    gc.collect()
    collected.settle()

    assert entries(engine) == []
    assert files() == []
