"""The statements that a session sends for files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from doc_rows import save
from session_rows import Doc, new
from sqlalchemy import event
from sqlalchemy.orm import Session


@pytest.fixture
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    """The statements that the database gets."""
    seen: list[str] = []
    event.listen(engine, 'before_cursor_execute', lambda *given: seen.append(given[2].split()[0]))
    return seen


def test_no_statement_is_added_to_a_load_and_a_first_save(
    engine: sa.Engine, session: Session, statements: list[str]
) -> None:
    session.add(new('a.txt'))
    session.commit()
    assert [each for each in statements if each != 'BEGIN'] == ['INSERT']
    statements.clear()
    [doc] = session.scalars(sa.select(Doc))
    assert doc.file.filename == 'a.txt'
    assert [each for each in statements if each != 'BEGIN'] == ['SELECT']


def test_a_replacement_reads_the_row_once(engine: sa.Engine, session: Session, statements: list[str]) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    statements.clear()
    save(doc, 'b.txt')
    session.commit()
    lock = ['UPDATE'] if engine.dialect.name == 'sqlite' else []
    assert statements == [*lock, 'SELECT', 'UPDATE']


def test_a_change_without_files_adds_no_statement(session: Session, statements: list[str]) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    statements.clear()
    doc.title = 'other'
    doc.kept = None
    session.commit()
    assert statements == ['UPDATE']
