"""Files that rows no longer refer to are removed after the commit."""

from __future__ import annotations

import gc
import io
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import docs, save, stored
from flask import Flask
from session_rows import Doc, committed, new
from sqlalchemy.orm import Session


def test_a_replaced_file_goes_after_the_commit(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    assert stored() == ['a.txt', 'b.txt']
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_a_replaced_file_stays_if_the_transaction_is_rolled_back(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    session.rollback()
    assert stored() == committed(engine) == ['a.txt']
    assert doc.file.filename == 'a.txt'


def test_files_that_are_to_be_kept_stay(session: Session) -> None:
    doc = Doc()
    session.add(doc)
    doc.kept.save(io.BytesIO(), 'a.txt')
    session.commit()
    doc.kept.save(io.BytesIO(), 'b.txt')
    session.commit()
    session.delete(doc)
    session.commit()
    assert stored() == ['a.txt', 'b.txt']


def test_setting_none_removes_the_file_after_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file = None
    session.flush()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == []


@pytest.mark.parametrize('row_exists', [True, False], ids=['of a stored row', 'of a new row'])
def test_a_file_that_a_row_refers_to_no_more_when_it_is_written_goes(session: Session, row_exists: bool) -> None:
    """Nothing in memory refers to it either by then."""
    session.add(doc := Doc())
    if row_exists:
        session.commit()
    doc.file.save(io.BytesIO(), 'a.txt')
    doc.file = None
    doc.files.new().save(io.BytesIO(), 'b.txt')
    doc.files.new().save(io.BytesIO(), 'c.txt')
    doc.files.pop(0)
    doc.kept.save(io.BytesIO(), 'd.txt')
    doc.kept = None
    gc.collect()
    session.commit()
    assert stored() == ['c.txt', 'd.txt']


def test_deleting_the_file_of_a_row_waits_for_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file.delete()
    assert stored() == ['a.txt']
    session.rollback()
    assert doc.file.filename == 'a.txt'
    doc.file.delete()
    session.commit()
    assert stored() == []


def test_a_deleted_row_takes_its_files_along_after_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    doc.files.new().save(io.BytesIO(), 'b.txt')
    session.commit()
    session.delete(doc)
    session.flush()
    assert stored() == ['a.txt', 'b.txt']
    session.commit()
    assert stored() == []


def test_a_deleted_row_keeps_its_files_if_that_is_rolled_back(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.delete(doc)
    session.flush()
    session.rollback()
    session.commit()
    assert stored() == ['a.txt']


def test_a_row_that_is_deleted_without_being_loaded_in_full_takes_its_files_along(session: Session) -> None:
    session.add(new('a.txt'))
    session.commit()
    session.expunge_all()
    doc = session.scalars(sa.select(Doc).options(sa.orm.load_only(Doc.id))).one()
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_replacing_and_deleting_at_once_removes_both_files(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_replacing_flushing_and_deleting_removes_both_files(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_a_file_that_was_replaced_before_it_was_written_goes(session: Session) -> None:
    session.add(doc := new('a.txt'))
    save(doc, 'b.txt')
    session.commit()
    save(doc, 'c.txt')
    save(doc, 'd.txt')
    session.commit()
    assert stored() == ['d.txt']


def test_a_file_that_a_row_returns_to_stays(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    doc.file = 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_file_that_moves_to_another_attribute_or_row_stays(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.kept, doc.file = doc.file, None
    session.commit()
    assert stored() == ['a.txt']
    session.add(Doc(file='a.txt'))
    session.delete(doc)
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_file_of_a_deleted_row_stays_for_a_new_row(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.add(Doc(file=doc.file))
    session.delete(doc)
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_items_of_lists_are_removed_one_by_one(session: Session) -> None:
    session.add(doc := Doc())
    for name in ('a.txt', 'b.txt', 'c.txt'):
        doc.files.new().save(io.BytesIO(), name)
    session.commit()
    del doc.files[1]
    session.flush()
    doc.files.new().save(io.BytesIO(), 'd.txt')
    session.rollback()
    assert stored() == ['a.txt', 'b.txt', 'c.txt']
    doc.files[1].save(io.BytesIO(), 'e.txt')
    session.commit()
    assert stored() == ['a.txt', 'c.txt', 'e.txt']
    doc.files = []
    session.commit()
    assert stored() == []


def test_a_storage_that_replaces_files_keeps_the_old_content_until_the_commit(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, 'overwrite', True)
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file.save(io.BytesIO(b'second'), 'a.txt')
    session.flush()
    session.rollback()
    assert doc.file.read() == b'a.txt'
    doc.file.save(io.BytesIO(b'third'), 'a.txt')
    session.commit()
    assert doc.file.read() == b'third'
    assert stored() == [doc.file.filename]


def test_a_function_decides_what_is_removed_by_what_was_stored(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def decide(reference: Any) -> bool:
        seen.append(reference.read())
        return bool(reference.filename == 'a.txt')

    monkeypatch.setattr(Doc.__table__.c.file.type, 'on_replace', decide)
    session.add(doc := new('a.txt'))
    session.commit()
    for name in ('b.txt', 'c.txt'):
        save(doc, name)
        session.commit()
    assert seen == [b'a.txt', b'b.txt']
    assert stored() == ['b.txt', 'c.txt']
