"""Commits in two phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, docs, journal, save, stored
from fixture_types import Engines
from flask import Flask
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import init_app

pytestmark = [pytest.mark.usefixtures('docs_in_memory'), pytest.mark.server]


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


def crash(session: Session, engine: sa.Engine, end: Callable[[Session], None] = Session.commit) -> str:
    """Prepare the transaction of *session*, lose its connection before the *end*, and return the name of the transaction."""
    session.flush()
    driver: Any = session.connection().connection.driver_connection
    session.prepare()
    [name] = prepared(engine)
    with engine.connect() as other:
        if engine.dialect.name == 'postgresql':
            other.execute(sa.select(sa.func.pg_terminate_backend(driver.pgconn.backend_pid)))
        else:
            other.exec_driver_sql(f'KILL CONNECTION {driver.thread_id()}')
    with pytest.raises(DBAPIError):
        end(session)
    session.close()
    return name


def decide(engine: sa.Engine, name: str, commits: bool) -> None:
    """Commit or roll back a prepared transaction."""
    with engine.connect() as connection:
        # Not begun by SQLAlchemy.
        autocommit = connection.execution_options(isolation_level='AUTOCOMMIT')
        verb = 'COMMIT' if commits else 'ROLLBACK'
        is_postgres = engine.dialect.name == 'postgresql'
        autocommit.exec_driver_sql(f"{verb} PREPARED '{name}'" if is_postgres else f"XA {verb} '{name}'")


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
