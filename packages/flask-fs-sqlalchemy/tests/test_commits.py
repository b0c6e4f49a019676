"""Commits that fail, and commits of which nobody can say whether they succeeded."""

from __future__ import annotations

import contextlib
import io
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, new, stored
from fixture_types import Engines
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

pytestmark = pytest.mark.usefixtures('docs_in_memory')


@pytest.fixture
def postgres(postgres_url: str, engines: Engines) -> sa.Engine:
    """A database of PostgreSQL."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    return engine


def test_a_constraint_that_is_checked_by_the_commit_removes_the_file(postgres: sa.Engine) -> None:
    with postgres.begin() as connection:
        connection.execute(
            sa.text('ALTER TABLE doc DROP CONSTRAINT doc_title_key, ADD UNIQUE (title) DEFERRABLE INITIALLY DEFERRED')
        )
    with Session(postgres) as session:
        session.add(Doc(title='one'))
        session.commit()
        session.add(new('a.txt', title='one'))
        session.flush()
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
    assert stored() == committed(postgres) == []


def test_a_conflict_that_the_commit_finds_removes_the_file(postgres: sa.Engine) -> None:
    engine = postgres.execution_options(isolation_level='SERIALIZABLE')
    count = sa.select(sa.func.count(Doc.id))
    with Session(engine) as one, Session(engine) as two:
        assert one.scalar(count) == two.scalar(count) == 0
        one.add(new('a.txt'))
        one.flush()
        two.add(new('b.txt'))
        two.flush()
        one.commit()
        with pytest.raises(OperationalError, match='could not serialize'):
            two.commit()
        # Without a roll-back, as a block that is left by the error.
    assert stored() == committed(postgres) == ['a.txt']


@pytest.mark.parametrize('end', [Session.rollback, Session.close])
def test_a_database_of_sqlite_that_is_busy_on_commit(
    tmp_path: Any, end: Callable[[Session], None], engines: Engines
) -> None:
    """A session that is closed without a roll-back leaves its transaction to the next one, which may commit it."""
    engine = engines(f'sqlite:///{tmp_path}/rows.sqlite', connect_args={'timeout': 0})
    Base.metadata.create_all(engine)
    reader = sqlite3.connect(tmp_path / 'rows.sqlite', isolation_level=None)
    with Session(engine) as session, contextlib.closing(reader):
        session.add(new('a.txt'))
        session.flush()
        reader.execute('BEGIN')
        reader.execute('SELECT * FROM doc').fetchall()
        with pytest.raises(OperationalError, match='database is locked'):
            session.commit()
        end(session)
    with Session(engine) as session:
        session.add(Doc())
        session.commit()
    assert stored() == committed(engine) == ([] if end is Session.rollback else ['a.txt'])


def _lose(engine: sa.Engine, connection: Any) -> None:
    """Have the server end *connection*, and notice that."""
    with engine.connect() as other:
        if engine.dialect.name == 'postgresql':
            other.execute(sa.select(sa.func.pg_terminate_backend(connection.pgconn.backend_pid)))
        else:
            other.exec_driver_sql(f'KILL CONNECTION {connection.thread_id()}')
    getattr(connection, 'driver_connection', connection).cursor().execute('SELECT 1')


def _interrupt(engine: sa.Engine, connection: Any) -> None:
    raise KeyboardInterrupt


def _fail(engine: sa.Engine, connection: Any) -> None:
    raise engine.dialect.loaded_dbapi.OperationalError('disk I/O error')


@pytest.fixture(params=['connection is lost', 'process is interrupted', 'database fails'])
def fault(request: pytest.FixtureRequest, engine: sa.Engine) -> Any:
    """What may happen in a commit."""
    if request.param == 'connection is lost' and engine.dialect.name == 'sqlite':
        pytest.skip('SQLite has no connections that can be lost')
    faults: dict[str, Any] = {
        'connection is lost': _lose,
        'process is interrupted': _interrupt,
        'database fails': _fail,
    }
    return faults[request.param]


@pytest.mark.parametrize('is_committed', [True, False])
@pytest.mark.parametrize('end', [Session.rollback, Session.close])
def test_a_commit_with_an_unknown_result_removes_nothing(
    engine: sa.Engine,
    fault: Callable[[sa.Engine, Any], None],
    is_committed: bool,
    end: Callable[[Session], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    do_commit = engine.dialect.do_commit
    faults = []

    def commit(connection: Any) -> None:
        if not faults:
            do_commit(connection)
            return
        if is_committed:
            do_commit(connection)
        else:
            connection.rollback()
        faults.pop()(engine, connection)

    monkeypatch.setattr(engine.dialect, 'do_commit', commit)
    with Session(engine) as session:
        session.add(doc := new('a.txt'))
        session.commit()
        doc.file.save(io.BytesIO(), 'b.txt')
        faults.append(fault)
        with pytest.raises((DBAPIError, KeyboardInterrupt)):
            session.commit()
        with caplog.at_level(logging.ERROR):
            end(session)
    assert stored() == ['a.txt', 'b.txt']
    assert committed(engine) == (['b.txt'] if is_committed else ['a.txt'])
    assert len(caplog.records) == 2
    assert "'b.txt' in storage 'docs' was created, and stays" in caplog.text


def test_a_connection_that_is_lost_before_the_commit_removes_the_file(postgres: sa.Engine) -> None:
    with Session(postgres) as session:
        session.add(new('a.txt'))
        session.flush()
        connection: Any = session.connection().connection.driver_connection
        with pytest.raises(Exception, match='terminating connection'):
            _lose(postgres, connection)
        session.add(new('b.txt'))
        with pytest.raises(OperationalError):
            session.commit()
        session.rollback()
    assert stored() == committed(postgres) == []


def test_a_connection_that_commits_each_statement_keeps_the_files_of_rows(database_url: str, engines: Engines) -> None:
    engine = engines(database_url, isolation_level='AUTOCOMMIT')
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(new('a.txt'))
        session.flush()
        session.rollback()
        session.add(new('b.txt'))
        session.rollback()
        session.add(doc := new('c.txt'))
        session.commit()
        doc.file.save(io.BytesIO(), 'd.txt')
        session.commit()
    assert stored() == committed(engine) == ['a.txt', 'd.txt']


def test_a_savepoint_that_sqlite_commits_when_it_is_released_keeps_its_files(
    tmp_path: Any, engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver begins no transaction for savepoints, unless it is configured to."""
    engine = engines(f'sqlite:///{tmp_path}/rows.sqlite')
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        with session.begin_nested():
            session.add(new('a.txt'))
        session.rollback()
        assert stored() == committed(engine) == ['a.txt']
        with session.begin_nested():
            session.add(doc := new('b.txt'))
            with session.begin_nested():
                doc.file.save(io.BytesIO(), 'c.txt')
        assert stored() == committed(engine) == ['a.txt', 'c.txt']
        doc.file.save(io.BytesIO(), 'd.txt')
        session.rollback()
    assert stored() == committed(engine) == ['a.txt', 'c.txt']
    assert caplog.text == ''
