"""Transactions that the database ends, or undoes in part, without the session."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, begin_explicitly, stored
from fixture_types import Database
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError
from sqlalchemy.orm import Session

from flask_fs_sqlalchemy import open_transactions

pytestmark = pytest.mark.usefixtures('docs_in_memory')


@pytest.fixture
def engine(each_database: Database) -> sa.Engine:
    """A database with one row, that has a file."""
    engine = each_database(Base)
    begin_explicitly(engine)
    with Session(engine) as session:
        session.add(doc := Doc(title='one'))
        doc.file.save(io.BytesIO(b'old'), 'old.txt')
        session.commit()
    return engine


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session on that database."""
    with Session(engine) as session:
        yield session


def replace(session: Session) -> Doc:
    """Give the row another file, and write it."""
    doc = session.scalars(sa.select(Doc).filter_by(title='one')).one()
    doc.file.save(io.BytesIO(b'new'), 'new.txt')
    session.flush()
    return doc


def row(engine: sa.Engine) -> str:
    """The name of the file that the row refers to, which exists."""
    with Session(engine) as other:
        file = other.scalars(sa.select(Doc).filter_by(title='one')).one().file
        assert file.read() == file.filename.encode()[:3]
        return str(file.filename)


def test_a_commit_after_an_error_that_was_ignored_removes_no_file_of_a_row(engine: sa.Engine, session: Session) -> None:
    replace(session)
    with pytest.raises(DBAPIError):
        session.execute(sa.text('SELECT * FROM nowhere'))
    if engine.dialect.name == 'postgresql':
        # It would roll back, and report no error.
        with pytest.raises(PendingRollbackError, match=r'call session.rollback\(\)'):
            session.commit()
        session.rollback()
        assert stored() == [row(engine)] == ['old.txt']
    else:
        session.commit()
        assert stored() == [row(engine)] == ['new.txt']


def test_an_error_in_a_savepoint_that_is_rolled_back_is_no_reason_against_a_commit(
    engine: sa.Engine, session: Session
) -> None:
    replace(session)
    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(sa.text('SELECT * FROM nowhere'))
    session.commit()
    assert stored() == [row(engine)] == ['new.txt']


@pytest.mark.parametrize('is_in_savepoint', [False, True])
def test_a_driver_that_does_not_know_of_an_error_leaves_the_files(
    engine: sa.Engine, session: Session, is_in_savepoint: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transactions, '_pg_status', lambda connection: None)
    replace(session)
    savepoint = session.begin_nested() if is_in_savepoint else None
    with pytest.raises(DBAPIError):
        session.execute(sa.text('SELECT * FROM nowhere'))
    if savepoint is not None:
        savepoint.rollback()
    session.commit()
    is_unknown = engine.dialect.name == 'postgresql' and not is_in_savepoint
    assert stored() == (['new.txt', 'old.txt'] if is_unknown else ['new.txt'])
    assert row(engine) == ('old.txt' if is_unknown else 'new.txt')


def test_a_deadlock_in_a_savepoint_is_one_of_the_whole_transaction(mariadb_url: str, engines: Any) -> None:
    engine = engines(mariadb_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Doc(title='two'), doc := Doc(title='one')])
        doc.file.save(io.BytesIO(b'old'), 'old.txt')
        session.commit()
    one, two = (sa.text(f"UPDATE doc SET file = NULL WHERE title = '{title}'") for title in ('one', 'two'))
    with Session(engine) as session, engine.connect() as other:
        replace(session)
        # The transaction that has changed less is the one that is rolled back.
        other.execute(sa.insert(Doc), [{'title': str(number)} for number in range(50)])
        other.execute(two)
        thread = threading.Thread(target=other.execute, args=[one])
        thread.start()
        _wait_for_lock(engine)
        with pytest.raises(OperationalError), session.begin_nested():
            session.execute(two)
        thread.join()
        other.rollback()
        with pytest.raises(PendingRollbackError):
            session.commit()
        session.rollback()
    assert stored() == [row(engine)] == ['old.txt']


def _wait_for_lock(engine: sa.Engine) -> None:
    waiting = sa.text("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
    while True:
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
        time.sleep(0.01)


def test_a_statement_that_commits_keeps_the_new_file(mariadb_url: str, engines: Any) -> None:
    engine = engines(mariadb_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Doc(title='one'))
        session.flush()
        replace(session)
        session.execute(sa.text('CREATE TABLE other (id INT)'))
        session.rollback()
    assert stored() == [row(engine)] == ['new.txt']


def test_a_table_without_transactions_keeps_the_files_of_its_rows(mariadb_url: str, engines: Any) -> None:
    engine = engines(mariadb_url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text('ALTER TABLE doc ENGINE = MyISAM'))
    with Session(engine) as session:
        session.add(Doc(title='one'))
        session.flush()
        replace(session)
        session.rollback()
    assert stored() == [row(engine)] == ['new.txt']


@pytest.mark.parametrize('savepoint', ['inside', 'before'])
def test_a_savepoint_that_the_session_knows_nothing_of_loses_no_file(
    engine: sa.Engine, session: Session, savepoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    if savepoint == 'before':
        session.begin_nested()
    own = session.connection().begin_nested()
    replace(session)
    own.rollback()
    session.commit()
    assert row(engine) == 'old.txt'
    assert stored() == ['new.txt', 'old.txt']
    assert "'old.txt' in storage 'docs' was to be removed, and stays" in caplog.text


def test_a_savepoint_without_rows_that_is_rolled_back_changes_nothing(engine: sa.Engine, session: Session) -> None:
    replace(session)
    own = session.connection().begin_nested()
    session.execute(sa.text('SELECT 1'))
    own.rollback()
    session.commit()
    assert stored() == [row(engine)] == ['new.txt']


def test_a_roll_back_after_one_to_a_savepoint_removes_the_new_file(engine: sa.Engine, session: Session) -> None:
    own = session.connection().begin_nested()
    replace(session)
    own.rollback()
    session.rollback()
    assert stored() == [row(engine)] == ['old.txt']


@pytest.mark.parametrize('end', [Session.commit, Session.rollback, Session.close])
@pytest.mark.parametrize(
    'behind',
    [
        lambda session: session.execute(sa.text('COMMIT')),
        lambda session: session.execute(sa.text('ROLLBACK')),
        lambda session: session.connection().connection.commit(),
        lambda session: session.connection().connection.rollback(),
        lambda session: session.connection().get_transaction().commit(),
    ],
    ids=['COMMIT', 'ROLLBACK', 'driver commits', 'driver rolls back', 'connection commits'],
)
@pytest.mark.filterwarnings('ignore:transaction already deassociated')
def test_a_transaction_that_ends_behind_the_back_of_its_session_loses_no_file(
    engine: sa.Engine, session: Session, behind: Callable[[Session], Any], end: Callable[[Session], None]
) -> None:
    replace(session)
    behind(session)
    try:
        end(session)
    except DBAPIError as error:
        pytest.fail(str(error))
    except sa.exc.InvalidRequestError:
        session.rollback()
    session.close()
    # With what is in it: that is how it is read.
    assert row(engine) in stored()
