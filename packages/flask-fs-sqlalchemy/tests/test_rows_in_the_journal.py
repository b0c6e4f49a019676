"""What the journal has of the files of rows."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, docs, journal, save, stored
from flask import Flask
from sqlalchemy.orm import Session

from flask_fs.errors import BackendError
from flask_fs_sqlalchemy import init_app


@pytest.fixture
def journaled(docs_in_memory: None, app: Flask, engine: sa.Engine) -> sa.Engine:
    """A database with a journal."""
    init_app(app, engine, journal=journal, models=[Base])
    return engine


def entries(engine: sa.Engine) -> list[tuple[str, str]]:
    """What the journal has."""
    return sorted((entry.action, entry.filename) for entry in journal.of(engine).entries(0))


def test_a_journal_is_empty_after_commits_and_roll_backs(journaled: sa.Engine) -> None:
    with Session(journaled) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        assert entries(journaled) == [('created', 'a.txt')]
        session.commit()
        assert entries(journaled) == []
        save(doc, 'b.txt')
        session.commit()
        assert entries(journaled) == []
        save(doc, 'c.txt')
        session.rollback()
        assert entries(journaled) == []
        session.delete(doc)
        session.commit()
    assert entries(journaled) == stored() == []


def test_a_journal_keeps_a_replaced_file_that_could_not_be_removed(
    journaled: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BackendError(storage='docs', reason='it is down')

    with Session(journaled) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        session.commit()
        save(doc, 'b.txt')
        monkeypatch.setattr(docs, 'remove', fail)
        session.commit()
    assert entries(journaled) == [('unused', 'a.txt')]


def test_a_journal_has_the_file_of_a_row_that_was_never_added_until_that_is_removed(journaled: sa.Engine) -> None:
    doc = Doc()
    save(doc, 'a.txt')
    assert entries(journaled) == [('created', 'a.txt')]
    with Session(journaled) as session:
        session.add(doc)
        session.commit()
    assert entries(journaled) == []
    assert stored() == committed(journaled) == ['a.txt']


def test_a_journal_is_empty_after_savepoints(journaled: sa.Engine) -> None:
    with Session(journaled) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        second = Doc()
        save(second, 'b.txt')
        with session.begin_nested():
            session.add(second)
        session.commit()
    assert entries(journaled) == []
    assert stored() == committed(journaled) == ['a.txt', 'b.txt']


def test_a_journal_adds_one_statement_to_a_commit_and_one_to_each_save(
    journaled: sa.Engine, statements: list[str]
) -> None:
    with Session(journaled) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        session.commit()
    seen = [statement.split()[0] for statement in statements if 'fs_journal' in statement]
    assert seen in (['INSERT', 'DELETE'], ['INSERT', 'UPDATE', 'DELETE'])
