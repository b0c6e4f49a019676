"""Files of rows without a session, or that move between sessions."""

from __future__ import annotations

import gc

import sqlalchemy as sa
from doc_rows import save, stored
from session_rows import Doc, Folder, committed, new
from sqlalchemy.orm import Session

from flask_fs_sqlalchemy.row_files import collected


def test_the_file_of_a_row_that_is_never_added_goes_with_the_row() -> None:
    new('a.txt')
    gc.collect()
    collected.settle()
    assert stored() == []


def test_files_of_collected_rows_go_when_the_next_one_gets_a_file(session: Session) -> None:
    new('a.txt')
    gc.collect()
    session.add(new('b.txt'))
    assert stored() == ['b.txt']


def test_the_file_of_a_session_that_is_forgotten_goes_with_it(engine: sa.Engine) -> None:
    session = Session(engine)
    session.add(new('a.txt'))
    session.flush()
    session.add(new('b.txt'))
    del session
    gc.collect()
    collected.settle()
    assert stored() == []


def test_a_file_that_was_stored_before_the_row_was_added_goes_with_the_transaction(session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.rollback()
    assert stored() == []


def test_rows_that_are_added_by_a_cascade_take_their_files_along(engine: sa.Engine, session: Session) -> None:
    session.add(folder := Folder())
    session.commit()
    folder.papers.append(new('a.txt'))
    session.rollback()
    assert stored() == []
    session.add(Folder(papers=[new('b.txt')]))
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_orphans_that_a_cascade_deletes_take_their_files_along(session: Session) -> None:
    session.add(folder := Folder(papers=[new('a.txt'), new('b.txt')]))
    session.commit()
    del folder.papers[0]
    session.commit()
    assert stored() == ['b.txt']
    session.delete(folder)
    session.commit()
    assert stored() == []


def test_a_row_that_becomes_an_orphan_before_it_was_written_takes_its_file_along(session: Session) -> None:
    session.add(folder := Folder(papers=[new('a.txt')]))
    del folder.papers[0]
    session.commit()
    gc.collect()
    collected.settle()
    assert stored() == []


def test_a_row_that_is_expunged_before_it_was_written_takes_its_file_along(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    session.commit()
    assert stored() == ['a.txt']
    with Session(engine) as other:
        other.add(doc)
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_row_that_is_expunged_and_collected_takes_its_file_along(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    session.commit()
    del doc
    gc.collect()
    collected.settle()
    assert stored() == []


def test_a_row_can_move_to_another_session_before_it_is_written(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    with Session(engine) as other:
        other.add(doc)
        session.close()
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_detached_row_joins_its_next_session(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    session.expunge(doc)
    save(doc, 'b.txt')
    with Session(engine) as other:
        other.add(doc)
        other.rollback()
    assert stored() == ['a.txt']


def test_a_merged_row_keeps_the_file_of_the_original(engine: sa.Engine, session: Session) -> None:
    merged = session.merge(new('a.txt'))
    gc.collect()
    collected.settle()
    assert merged.file.filename == 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_merged_row_that_is_rolled_back_removes_the_file_of_the_original(session: Session) -> None:
    doc = new('a.txt')
    merged = session.merge(doc)
    session.flush()
    session.rollback()
    assert stored() == []
    assert not doc.file
    assert not merged.file


def test_a_file_that_is_assigned_by_name_stays_while_either_row_has_it(engine: sa.Engine, session: Session) -> None:
    doc = new('a.txt')
    session.add(Doc(file=doc.file.filename))
    del doc
    gc.collect()
    collected.settle()
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_bulk_inserts_of_rows_keep_their_files(engine: sa.Engine, session: Session) -> None:
    session.bulk_save_objects([new('a.txt')])
    session.commit()
    gc.collect()
    collected.settle()
    assert stored() == committed(engine) == ['a.txt']
