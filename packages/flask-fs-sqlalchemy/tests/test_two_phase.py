"""Commits in two phases."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, docs, journal, save, stored
from fixture_types import Engines
from flask import Flask
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import init_app
from flask_fs_testing.servers import MariadbServer, SQLService

pytestmark = [pytest.mark.usefixtures('docs_in_memory'), pytest.mark.server]

other = sa.Table('other', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True))


@pytest.fixture(scope='module')
def mariadb_service(mariadb_service: SQLService) -> Iterator[SQLService]:
    """A server for these tests only: MariaDB lists the prepared transactions of all databases."""
    with MariadbServer() as server:
        yield server.service


@pytest.fixture(params=['postgres', 'mariadb'])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database that supports commits in two phases."""
    url: str = request.getfixturevalue(f'{request.param}_url')
    return url


@pytest.fixture
def engine(url: str, engines: Engines) -> sa.Engine:
    """A database with one row, that has a file."""
    engine = engines(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(doc := Doc(id=1, title='one'))
        save(doc, 'old.txt')
        session.commit()
    return engine


@pytest.fixture(params=['without a journal', 'with a journal'])
def either(request: pytest.FixtureRequest, app: Flask, engine: sa.Engine) -> sa.Engine:
    """The same database, with and without a journal."""
    used = journal if request.param == 'with a journal' else None
    init_app(app, engine, journal=used, models=[Base])
    return engine


def replace(session: Session, **values: Any) -> None:
    """Give the row a new file."""
    doc: Any = session.get(Doc, 1)
    save(doc, 'new.txt')
    for key, value in values.items():
        setattr(doc, key, value)


def entries(engine: sa.Engine) -> list[tuple[str, str]]:
    """The entries of the journal."""
    with engine.connect() as connection:
        found = connection.execute(sa.select(journal.table.c.filename, journal.table.c.action))
        return sorted((filename, action) for filename, action in found)


def prepared(engine: sa.Engine) -> list[str]:
    """The transactions between the phases."""
    with engine.connect() as connection:
        if engine.dialect.name == 'postgresql':
            query = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()'
            return [str(row[0]) for row in connection.exec_driver_sql(query)]
        return [row[3].decode() for row in connection.exec_driver_sql('XA RECOVER')]


def lose(engine: sa.Engine, driver: Any) -> None:
    """Have the server end a connection."""
    with engine.connect() as connection:
        if engine.dialect.name == 'postgresql':
            connection.execute(sa.select(sa.func.pg_terminate_backend(driver.pgconn.backend_pid)))
        else:
            connection.exec_driver_sql(f'KILL CONNECTION {driver.thread_id()}')


def crash(session: Session, engine: sa.Engine, end: Callable[[Session], None] = Session.commit) -> str:
    """Prepare the transaction of *session*, lose its connection before the *end*, and return the name of the transaction."""
    session.flush()
    driver: Any = session.connection().connection.driver_connection
    session.prepare()
    [name] = prepared(engine)
    lose(engine, driver)
    with pytest.raises(DBAPIError):
        end(session)
    session.close()
    return name


def decide(engine: sa.Engine, name: str, commits: bool) -> None:
    """Commit or roll back a prepared transaction."""
    verb = 'COMMIT' if commits else 'ROLLBACK'
    statement = f"{verb} PREPARED '{name}'" if engine.dialect.name == 'postgresql' else f"XA {verb} '{name}'"
    # Not begun by SQLAlchemy.
    autocommit = engine.execution_options(isolation_level='AUTOCOMMIT')
    deadline = time.monotonic() + 60
    while True:
        try:
            with autocommit.connect() as connection:
                connection.exec_driver_sql(statement)
            return
        except DBAPIError:
            # The server may still be ending the lost connection.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize('prepares', [False, True])
@pytest.mark.parametrize('end', ['commit', 'rollback', 'close'])
def test_files_follow_a_transaction_of_two_phases(either: sa.Engine, prepares: bool, end: str) -> None:
    with Session(either, twophase=True) as session:
        replace(session)
        if prepares:
            session.prepare()
        assert stored() == ['new.txt', 'old.txt']
        getattr(session, end)()
        assert stored() == committed(either) == (['new.txt'] if end == 'commit' else ['old.txt'])
    assert entries(either) == prepared(either) == []


def test_a_second_phase_that_fails_removes_nothing(either: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = either.dialect.do_commit_twophase

    def fail(*args: Any, **options: Any) -> None:
        """Commit, and lose the answer."""
        commit(*args, **options)
        raise sa.exc.OperationalError('COMMIT PREPARED', {}, Exception('lost'))

    with Session(either, twophase=True) as session:
        replace(session)
        session.prepare()
        with monkeypatch.context() as patch:
            patch.setattr(either.dialect, 'do_commit_twophase', fail)
            with pytest.raises(sa.exc.OperationalError):
                session.commit()
    assert stored() == ['new.txt', 'old.txt']


@pytest.mark.parametrize('prepares', [False, True])
def test_a_flush_that_fails_rolls_back_the_files(either: sa.Engine, prepares: bool) -> None:
    with Session(either) as session:
        session.add(Doc(id=2, title='two'))
        session.commit()
    with Session(either, twophase=True) as session:
        replace(session, title='two')
        with pytest.raises(IntegrityError):
            session.prepare() if prepares else session.commit()
        session.rollback()
    assert stored() == ['old.txt']
    assert entries(either) == prepared(either) == []


@pytest.mark.parametrize('commits', [False, True])
def test_savepoints_of_a_transaction_of_two_phases(either: sa.Engine, commits: bool) -> None:
    with Session(either, twophase=True) as session:
        with session.begin_nested():
            replace(session)
        savepoint = session.begin_nested()
        session.add(doc := Doc(id=2))
        save(doc, 'other.txt')
        session.flush()
        savepoint.rollback()
        session.commit() if commits else session.rollback()
    assert stored() == committed(either) == (['new.txt'] if commits else ['old.txt'])
    assert entries(either) == prepared(either) == []


# --- After a crash between the phases.


@pytest.mark.parametrize('commits', [False, True])
def test_the_files_of_a_prepared_transaction_stay_until_it_ends(app: Flask, either: sa.Engine, commits: bool) -> None:
    with Session(either, twophase=True) as session:
        replace(session)
        # Of a rollback that fails, the transaction stays prepared, too.
        name = crash(session, either, Session.commit if commits else Session.rollback)
    for outcome in collect(app, older_than_s=0, scan=[docs]):
        assert outcome.action == 'unsure', outcome
        assert 'prepared' in outcome.reason
    assert stored() == ['new.txt', 'old.txt']
    orphans = [found for found in check(app, older_than_s=0) if found.kind == 'orphan']
    assert [found.filename for found in orphans] == ['new.txt']
    assert [outcome.action for outcome in repair(app, orphans)] == ['unsure']
    decide(either, name, commits)
    for outcome in collect(app, older_than_s=0, scan=[docs]):
        assert outcome.action != 'unsure', outcome
    assert stored() == committed(either) == (['new.txt'] if commits else ['old.txt'])
    assert entries(either) == prepared(either) == []


# --- Several databases.


@pytest.fixture
def several(app: Flask, postgres_url: str, mariadb_url: str, engines: Engines) -> tuple[sa.Engine, sa.Engine, Any]:
    """A database with a row and the journal, another one with a table, and the sessions of both."""
    first, second = engines(postgres_url), engines(mariadb_url)
    Base.metadata.create_all(first)
    other.metadata.create_all(second)
    sessions = sessionmaker(first, binds={other: second}, twophase=True)
    init_app(app, sessions, journal=journal, models=[Base])
    with sessions() as session:
        session.add(doc := Doc(id=1))
        save(doc, 'old.txt')
        session.commit()
    return first, second, sessions


@pytest.mark.parametrize('commits', [False, True])
def test_files_follow_a_transaction_of_two_databases(several: tuple[sa.Engine, sa.Engine, Any], commits: bool) -> None:
    first, second, sessions = several
    with sessions() as session:
        replace(session)
        session.execute(other.insert())
        session.commit() if commits else session.rollback()
    assert stored() == committed(first) == (['new.txt'] if commits else ['old.txt'])
    assert entries(first) == prepared(first) == prepared(second) == []


@pytest.mark.parametrize('commits', [False, True])
def test_the_files_of_prepared_transactions_of_two_databases_stay_until_these_end(
    app: Flask, several: tuple[sa.Engine, sa.Engine, Any], commits: bool
) -> None:
    first, second, sessions = several
    session = sessions()
    replace(session)
    session.flush()
    session.execute(other.insert())
    drivers = [
        session.connection(bind_arguments={'bind': each}).connection.driver_connection for each in (first, second)
    ]
    session.prepare()
    lose(first, drivers[0])
    lose(second, drivers[1])
    with pytest.raises(DBAPIError):
        session.commit()
    with contextlib.suppress(DBAPIError):
        # The other connection.
        session.close()
    session.close()
    assert {outcome.action for outcome in collect(app, older_than_s=0, scan=[docs])} == {'unsure'}
    assert stored() == ['new.txt', 'old.txt']
    for each in (first, second):
        [name] = prepared(each)
        decide(each, name, commits)
    for outcome in collect(app, older_than_s=0):
        assert outcome.action != 'unsure', outcome
    assert stored() == committed(first) == (['new.txt'] if commits else ['old.txt'])
    assert entries(first) == []


def test_a_constraint_that_is_checked_by_the_first_phase_removes_the_file(
    app: Flask, postgres_url: str, engines: Engines
) -> None:
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            'ALTER TABLE doc DROP CONSTRAINT doc_title_key, ADD UNIQUE (title) DEFERRABLE INITIALLY DEFERRED'
        )
    with Session(engine, twophase=True) as session:
        session.add_all([Doc(id=1, title='one'), doc := Doc(id=2, title='one')])
        save(doc, 'new.txt')
        session.flush()
        # The rollback fails too, because psycopg looks for a prepared transaction.
        with pytest.raises((IntegrityError, ProgrammingError)):
            session.prepare()
        session.rollback()
    assert stored() == entries(engine) == prepared(engine) == []
