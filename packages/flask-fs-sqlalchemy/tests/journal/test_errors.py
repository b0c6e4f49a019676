"""Journals that cannot be written or read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from journal_table import Base, Note, for_session, journal, rows
from sqlalchemy import event
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_fs.errors import FSError
from flask_fs_sqlalchemy import Journal, JournalError


def test_without_its_table_the_error_names_the_migration(database_url: str, engines: Engines) -> None:
    engine = engines(database_url)

    with pytest.raises(
        JournalError, match=r'(?s)has no such table.*flask db migrate.*flask_fs_sqlalchemy\.migrations'
    ) as caught:
        journal.of(engine).pending('docs', 'a.txt')
    assert (caught.value.filename, caught.value.storage) == ('a.txt', 'docs')
    assert "'a.txt' was not stored in storage 'docs'" in str(caught.value)
    assert isinstance(caught.value, FSError)


def test_without_its_table_entries_are_an_error_too(database_url: str, engines: Engines) -> None:
    with pytest.raises(JournalError, match='no such table'):
        list(journal.of(engines(database_url)).entries(0))


@pytest.mark.parametrize('scheme', ['postgresql+psycopg', 'mysql+pymysql'])
def test_a_database_that_is_down_is_an_error_without_its_password(engines: Engines, scheme: str) -> None:
    engine = engines(f'{scheme}://user:secret@127.0.0.1:1/rows')

    with pytest.raises(JournalError, match="The journal 'fs_journal' cannot be used: OperationalError") as caught:
        journal.of(engine).pending('docs', 'a.txt')
    assert 'secret' not in str(caught.value)


def test_done_logs_that_the_database_is_down(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    engine = engines('postgresql+psycopg://user:secret@127.0.0.1:1/rows')
    journal.of(engine).done(['a', 'b'])

    assert "2 entries of the journal 'fs_journal' stay until the next `flask fs gc`" in caplog.text


def test_a_session_that_has_written_into_sqlite_gets_an_error_at_once(tmp_path: Path, engines: Engines) -> None:
    engine = engines(f'sqlite:///{tmp_path}/rows.db', connect_args={'timeout': 10_000})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Note(text='x'))
        session.flush()
        with pytest.raises(
            JournalError,
            match=r'the session has a transaction in this SQLite database.*has written.*before the session is flushed.*bind',
        ):
            for_session(journal, session).pending('docs', 'a.txt')
        session.commit()
        for_session(journal, session).pending('docs', 'a.txt')

    assert rows(engine) == [('docs', 'a.txt', 'created')]


def test_a_session_that_has_read_after_a_begin_gets_an_error_that_is_true(sqlite: sa.Engine) -> None:
    """SQLAlchemy's recipe for savepoints in SQLite begins each transaction, also those that only read."""

    @event.listens_for(sqlite, 'connect')
    def no_begin_of_the_driver(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(sqlite, 'begin')
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql('BEGIN')

    sqlite.dispose()
    with Session(sqlite) as session:
        for_session(journal, session).pending('docs', 'a.txt')
        session.scalars(sa.select(Note)).all()
        with pytest.raises(JournalError, match=r'or has read after a BEGIN.*before it reads.*bind') as caught:
            for_session(journal, session).pending('docs', 'b.txt')
        assert 'before it reads' in repr(caught.value)


def test_a_savepoint_in_sqlite_counts_as_written_once_it_has(sqlite: sa.Engine) -> None:
    with Session(sqlite) as session, session.begin_nested():
        session.add(Note(text='x'))
        session.flush()
        with pytest.raises(JournalError, match='has written'):
            for_session(journal, session).pending('docs', 'a.txt')


def test_the_scoped_session_of_this_thread_counts_for_rows_without_a_session(sqlite: sa.Engine) -> None:
    registry = scoped_session(sessionmaker(sqlite))
    registry.add(Note(text='x'))
    registry.flush()

    with pytest.raises(JournalError, match='has written'):
        journal.of(registry).pending('docs', 'a.txt')
    registry.remove()
    journal.of(registry).pending('docs', 'a.txt')
    registry.remove()


def test_done_does_not_wait_for_a_session_that_has_locked_sqlite(
    tmp_path: Path, engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = engines(f'sqlite:///{tmp_path}/rows.db', connect_args={'timeout': 10_000})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        bound = for_session(journal, session)
        entry = bound.pending('docs', 'a.txt')
        session.add(Note(text='x'))
        session.flush()
        bound.done([entry])
        session.commit()

    assert rows(engine) == [('docs', 'a.txt', 'created')]
    assert "1 entries of the journal 'fs_journal' stay until the next `flask fs gc`" in caplog.text


def test_another_process_that_writes_into_sqlite_is_an_error(
    sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    other = engines(sqlite.url)
    with other.begin() as connection:
        connection.execute(sa.insert(Note), {'text': 'x'})
        with pytest.raises(JournalError, match='database is locked'):
            journal.of(sqlite).pending('docs', 'a.txt')


@pytest.mark.parametrize('options', [{}, {'poolclass': sa.StaticPool}])
def test_a_database_in_memory_is_an_error(engines: Engines, options: Any) -> None:
    """Committing the journal would commit the rows of the session too."""
    engine = engines('sqlite://', **options)
    Base.metadata.create_all(engine)

    with pytest.raises(JournalError, match=r'only one connection.*in a database file.*bind=.*without journal='):
        journal.of(engine).pending('docs', 'a.txt')
    assert rows(engine) == []


def test_a_pool_without_a_second_connection_is_an_error(database_url: str, engines: Engines) -> None:
    engine = engines(database_url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.scalars(sa.select(Note)).all()
        with pytest.raises(JournalError, match='QueuePool limit'):
            for_session(journal, session).pending('docs', 'a.txt')


def test_a_session_without_a_database_is_an_error() -> None:
    with Session() as session, pytest.raises(JournalError, match='UnboundExecutionError'):
        for_session(journal, session).pending('docs', 'a.txt')


def test_a_session_in_a_transaction_of_the_caller_has_its_entries_committed_all_the_same(
    postgres_url: str, engines: Engines
) -> None:
    """As in tests that roll everything back at their end."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.begin()
        with Session(connection, join_transaction_mode='create_savepoint') as session:
            bound = for_session(journal, session)
            entry = bound.pending('docs', 'a.txt')
            session.add(Note(text='x'))
            session.flush()
            assert bound.settle([entry]) == []
            session.commit()
        connection.rollback()

    assert rows(engine) == [('docs', 'a.txt', 'created')]


def test_a_name_and_a_schema_are_those_of_the_table(postgres_url: str, engines: Engines) -> None:
    metadata = sa.MetaData()
    named = Journal(metadata, 'files', schema='notes')
    engine = engines(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql('create schema notes')
    metadata.create_all(engine)
    named.of(engine).pending('docs', 'a.txt')

    assert rows(engine, named.table) == [('docs', 'a.txt', 'created')]


@pytest.mark.parametrize('given', [None, 'sqlite://', object()])
def test_what_is_no_database_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match='Pass an engine, a session'):
        journal.of(given)
