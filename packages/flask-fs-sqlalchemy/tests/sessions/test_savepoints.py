"""Files of rows follow savepoints."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from doc_rows import save, stored
from session_rows import committed, new
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session


def test_a_savepoint_that_is_rolled_back_takes_its_files_along(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    savepoint = session.begin_nested()
    session.add(new('b.txt'))
    session.flush()
    savepoint.rollback()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_savepoint_that_is_released_leaves_its_files_to_the_transaction(session: Session) -> None:
    with session.begin_nested():
        session.add(new('a.txt'))
    assert stored() == ['a.txt']
    session.rollback()
    assert stored() == []


@pytest.mark.parametrize('ends', range(16))
def test_savepoints_nest(engine: sa.Engine, session: Session, ends: int) -> None:
    """Each of the three levels, and the transaction, is committed or rolled back."""
    commits = [bool(ends >> level & 1) for level in range(4)]
    levels = [session.begin()]
    for level in range(4):
        if level:
            levels.append(session.begin_nested())
        session.add(new(f'{level}.txt'))
        session.flush()
    for level, transaction in reversed(list(enumerate(levels))):
        transaction.commit() if commits[level] else transaction.rollback()
    stays = []
    for level in range(4):
        if not commits[level]:
            break
        stays.append(f'{level}.txt')
    assert stored() == committed(engine) == stays


def test_a_commit_releases_open_savepoints(engine: sa.Engine, session: Session) -> None:
    session.begin_nested()
    session.add(new('a.txt'))
    session.begin_nested()
    session.add(new('b.txt'))
    session.commit()
    assert stored() == committed(engine) == ['a.txt', 'b.txt']


def test_the_end_of_a_block_releases_open_savepoints(engine: sa.Engine) -> None:
    with Session(engine) as session:
        with session.begin():
            session.add(doc := new('a.txt'))
            session.begin_nested()
            session.begin_nested()
            save(doc, 'b.txt')
        assert stored() == committed(engine) == ['b.txt']


def test_a_roll_back_ends_open_savepoints(session: Session) -> None:
    session.begin_nested()
    session.add(new('a.txt'))
    session.begin_nested()
    session.add(new('b.txt'))
    session.flush()
    session.rollback()
    assert stored() == []


def test_a_file_that_is_replaced_in_a_savepoint_stays_if_that_is_rolled_back(
    engine: sa.Engine, session: Session
) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    with session.begin_nested() as savepoint:
        save(doc, 'b.txt')
        session.flush()
        savepoint.rollback()
    assert doc.file.filename == 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_row_that_is_deleted_in_a_savepoint_keeps_its_file_if_that_is_rolled_back(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    with session.begin_nested() as savepoint:
        session.delete(doc)
        session.flush()
        savepoint.rollback()
    session.commit()
    assert stored() == ['a.txt']


def test_a_savepoint_can_be_tried_until_it_succeeds(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt', title='one'))
    session.flush()
    for title in ('one', 'two'):
        try:
            with session.begin_nested():
                session.add(new('b.txt', title=title))
        except IntegrityError:
            assert stored() == ['a.txt']
    session.commit()
    assert stored() == committed(engine) == ['a.txt', 'b.txt']


def test_a_row_whose_flush_is_put_off_goes_with_the_savepoint_in_which_it_is_written(session: Session) -> None:
    with session.no_autoflush:
        session.add(new('a.txt'))
        savepoint = session.begin_nested()
        session.add(new('b.txt'))
        savepoint.rollback()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == ['a.txt']
