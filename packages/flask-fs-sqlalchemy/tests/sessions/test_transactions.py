"""Files of rows follow the transaction of their session."""

from __future__ import annotations

import io

import pytest
import sqlalchemy as sa
from doc_rows import save, stored
from session_rows import Doc, committed, new
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker


def test_a_commit_keeps_the_file_of_a_new_row(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


@pytest.mark.parametrize('flushes', [False, True])
@pytest.mark.parametrize('end', ['rollback', 'close', 'reset', 'invalidate'])
def test_without_a_commit_the_file_of_a_new_row_goes(session: Session, end: str, flushes: bool) -> None:
    doc = new('a.txt')
    session.add(doc)
    if flushes:
        session.flush()
    if not hasattr(session, end):
        pytest.skip(f'This SQLAlchemy has no session.{end}()')
    getattr(session, end)()
    assert stored() == []
    assert not doc.file


def test_a_row_that_was_rolled_back_can_be_stored_with_another_file(engine: sa.Engine, session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.flush()
    session.rollback()
    session.add(doc)
    save(doc, 'b.txt')
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_a_row_that_was_rolled_back_and_is_stored_again_refers_to_no_missing_file(session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.rollback()
    session.add(doc)
    session.commit()
    assert not doc.file
    assert stored() == []


def test_a_with_block_that_ends_without_commit_leaves_no_file(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(new('a.txt'))
        session.flush()
    assert stored() == []


def test_a_block_of_begin_commits(engine: sa.Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(new('a.txt'))
    assert stored() == committed(engine) == ['a.txt']


def test_a_block_of_begin_that_fails_removes_the_file(engine: sa.Engine) -> None:
    def fail() -> None:
        with sessionmaker(engine).begin() as session:
            session.add(new('a.txt'))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stored() == []


def test_a_detached_row_refers_to_its_former_file_after_close(engine: sa.Engine) -> None:
    session = Session(engine, expire_on_commit=False)
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.close()
    assert doc.file.filename == 'a.txt'
    with Session(engine) as other:
        other.add(doc)
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_file_that_is_kept_otherwise_goes_if_it_was_never_committed(session: Session) -> None:
    doc = Doc()
    session.add(doc)
    doc.kept.save(io.BytesIO(), 'a.txt')
    session.rollback()
    assert stored() == []


def test_a_list_of_a_row_that_was_rolled_back_has_no_missing_file(session: Session) -> None:
    session.add(doc := Doc())
    doc.files.new().save(io.BytesIO(), 'a.txt')
    session.flush()
    session.rollback()
    session.add(doc)
    session.commit()
    assert [item.filename for item in doc.files] == stored() == []


def test_a_flush_that_fails_in_a_commit_removes_the_file(engine: sa.Engine, session: Session) -> None:
    session.add(Doc(title='one'))
    session.commit()
    session.add(new('a.txt', title='one'))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    assert stored() == committed(engine) == []


def test_a_flush_that_fails_without_roll_back_removes_the_file_on_close(session: Session) -> None:
    session.add(Doc(title='one'))
    session.commit()
    session.add(new('a.txt', title='one'))
    with pytest.raises(IntegrityError):
        session.flush()
    session.close()
    assert stored() == []


def test_a_listener_that_refuses_the_commit_removes_nothing_before_the_roll_back(session: Session) -> None:
    def refuse(_: Session) -> None:
        raise ZeroDivisionError

    session.add(doc := new('a.txt'))
    session.commit()
    event.listen(session, 'before_commit', refuse)
    save(doc, 'b.txt')
    with pytest.raises(ZeroDivisionError):
        session.commit()
    event.remove(session, 'before_commit', refuse)
    session.rollback()
    assert stored() == ['a.txt']


def test_rows_that_a_listener_adds_before_the_commit_are_a_part_of_it(engine: sa.Engine, session: Session) -> None:
    more = [new('b.txt')]
    session.add(doc := new('a.txt'))
    session.commit()
    event.listen(session, 'before_commit', lambda session: session.add_all(more))
    event.listen(session, 'after_flush_postexec', lambda session, _: more and setattr(more.pop(), 'title', 'late'))
    save(doc, 'c.txt')
    session.commit()
    assert stored() == committed(engine) == ['b.txt', 'c.txt']
