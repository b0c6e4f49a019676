"""Files of rows in sessions of every kind."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa
from doc_rows import save, stored
from session_rows import Doc, Folder, committed, new
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_fs_sqlalchemy import row_files, transaction_files


def test_a_session_that_does_not_begin_by_itself_stores_nothing_before_begin(engine: sa.Engine) -> None:
    with Session(engine, autobegin=False) as session:
        with session.begin():
            session.add(doc := Doc())
        with pytest.raises(InvalidRequestError, match=r'session\.begin\(\)'):
            save(doc, 'a.txt')
        assert stored() == []


def test_a_file_saved_between_transactions_begins_one(engine: sa.Engine) -> None:
    with Session(engine, expire_on_commit=False) as session:
        session.add(doc := Doc())
        session.commit()
        save(doc, 'a.txt')
        session.rollback()
        assert stored() == []
        save(doc, 'b.txt')
        session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_scoped_sessions_that_are_removed_without_commit_leave_no_file(engine: sa.Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    scoped.add(new('a.txt'))
    scoped.flush()
    scoped.remove()
    assert stored() == []


def test_two_sessions_do_not_share_files(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    with Session(engine) as other:
        other.add(new('b.txt'))
        session.commit()
        other.rollback()
    assert stored() == committed(engine) == ['a.txt']


def test_nothing_is_held_for_sessions_without_files(session: Session) -> None:
    session.add(Doc(title='one'))
    session.add(Folder())
    session.flush()
    with session.begin_nested():
        session.add(Folder())
    session.commit()
    assert session.scalars(sa.select(Folder)).all()
    session.close()
    assert not transaction_files._open
    assert not row_files.by_row


def test_files_stay_if_the_transaction_of_the_application_around_a_session_goes_on(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.connect() as connection:
        with connection.begin() as outer:
            with Session(connection) as session:
                session.add(doc := new('a.txt'))
                session.commit()
                save(doc, 'b.txt')
                session.commit()
            assert stored() == ['a.txt', 'b.txt']
            outer.rollback()
        assert stored() == []
        with connection.begin(), Session(connection) as session:
            session.add(new('c.txt'))
            session.commit()
        with caplog.at_level(logging.ERROR):
            assert stored() == committed(engine) == ['c.txt']


def test_a_session_in_savepoints_of_a_test_leaves_no_file(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode='create_savepoint') as session:
            session.add(new('a.txt'))
            session.commit()
            session.add(new('b.txt'))
            session.rollback()
            assert stored() == ['a.txt']
        outer.rollback()
    assert stored() == []
