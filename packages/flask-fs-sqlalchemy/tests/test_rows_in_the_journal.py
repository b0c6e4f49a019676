"""What the journal has of the files of rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs.errors import BackendError
from flask_fs_sqlalchemy import FileColumn, Journal, init_app

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)


journal = Journal(Base.metadata)


@pytest.fixture
def engine(each_database: Callable[[Any], sa.Engine]) -> sa.Engine:
    """A database with the tables, and no rows."""
    return each_database(Base)


@pytest.fixture
def memory(app: Flask) -> None:
    """The files are in memory."""
    fs.init_app(app, docs)


@pytest.fixture
def journaled(memory: None, app: Flask, engine: sa.Engine) -> sa.Engine:
    """A database with a journal."""
    init_app(app, engine, journal=journal, models=[Base])
    return engine


def stored() -> list[str]:
    """The files that there are."""
    return sorted(docs.list_files())


def save(doc: Doc, name: str) -> None:
    """Give *doc* a file."""
    doc.file.save(io.BytesIO(name.encode()), name)


def committed(engine: sa.Engine) -> list[str | None]:
    """The files that rows refer to, as another session sees them."""
    with Session(engine) as other:
        rows = other.scalars(sa.select(Doc)).all()
        return sorted(name for doc in rows for name in doc.file.stored.files())


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
