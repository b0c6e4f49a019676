"""Several sessions that change one list."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Database
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

import flask_fs as fs
from flask_fs_sqlalchemy import FileListColumn

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'))


@pytest.fixture(params=['remove', 'keep'])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What becomes of replaced files."""
    monkeypatch.setattr(Doc.__table__.c.files.type, 'on_replace', request.param)
    return str(request.param)


@pytest.fixture
def sessions(policy: str, app: Flask, each_database: Database) -> Callable[[], Session]:
    """Makes sessions of a database with a row that has two files."""
    fs.init_app(app, docs)
    make = sessionmaker(each_database(Base), expire_on_commit=False)
    with make.begin() as session:
        session.add(doc := Doc(id=1))
        add(doc, 'a.txt')
        add(doc, 'b.txt')
    return make


def add(doc: Doc, name: str) -> None:
    """Put a file into the list of *doc*."""
    doc.files.new().save(io.BytesIO(name.encode()), name)


def names(doc: Doc) -> list[str]:
    """The files in the list of *doc*."""
    return [file.filename for file in doc.files]


def known(sessions: Callable[[], Session], number: int = 2) -> list[tuple[Session, Doc]]:
    """Sessions that remember the row, without a transaction."""
    found = [(session, session.get(Doc, 1)) for session in [sessions() for _ in range(number)]]
    for session, _ in found:
        session.commit()
    return found


def finish(sessions: Callable[[], Session], *opened: Session) -> list[str]:
    """Commit each session in turn; return what the list has then, of which all files exist, and no others unless kept."""
    for session in opened:
        session.commit()
        session.close()
    with sessions() as session:
        found = names(session.get(Doc, 1))
    assert set(found) <= set(docs.list_files())
    if Doc.__table__.c.files.type.on_replace == 'remove':
        assert sorted(docs.list_files()) == sorted(found)
    return found


def test_files_that_two_sessions_add_are_both_in_the_list(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    add(first, 'c.txt')
    add(second, 'd.txt')
    assert finish(sessions, one, two) == ['a.txt', 'b.txt', 'd.txt', 'c.txt']
    assert names(second) == ['a.txt', 'b.txt', 'd.txt', 'c.txt']


def test_a_file_that_another_session_has_removed_does_not_come_back(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    del first.files[0]
    add(second, 'c.txt')
    assert finish(sessions, one, two) == ['b.txt', 'c.txt']


def test_a_file_that_another_session_has_replaced_is_the_new_one(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    first.files[0].save(io.BytesIO(b'new'), 'new.txt')
    del second.files[1]
    assert finish(sessions, one, two) == ['new.txt']


def test_both_remove_a_file(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    del first.files[0]
    second.files.pop(0)
    assert finish(sessions, one, two) == ['b.txt']


def test_a_list_that_is_assigned_is_merged_too(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    add(first, 'c.txt')
    first.files.pop(0)
    second.files = [file for file in second.files if file.filename != 'b.txt']
    assert finish(sessions, one, two) == ['c.txt']


def test_changes_of_one_session_are_not_merged_with_each_other(sessions: Callable[[], Session]) -> None:
    with sessions() as session:
        doc = session.get(Doc, 1)
        add(doc, 'c.txt')
        session.flush()
        del doc.files[0]
        session.flush()
        savepoint = session.begin_nested()
        del doc.files[0]
        session.flush()
        savepoint.rollback()
        doc.files.reverse()
        assert finish(sessions, session) == ['c.txt', 'b.txt']


def test_a_session_that_was_rolled_back_merges_what_it_reads_then(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    add(second, 'x.txt')
    two.flush()
    two.rollback()
    del first.files[0]
    one.commit()
    add(second, 'c.txt')
    assert finish(sessions, two) == ['b.txt', 'c.txt']


def test_a_list_that_others_made_unreadable_is_overwritten(sessions: Callable[[], Session]) -> None:
    [(one, first)] = known(sessions, 1)
    with sessions() as other:
        other.execute(sa.text("UPDATE doc SET files = '7'"))
        other.commit()
    add(first, 'c.txt')
    with pytest.warns(UserWarning, match='it must be a list'):
        one.commit()
    one.close()
    assert finish(sessions) == ['a.txt', 'b.txt', 'c.txt']


def test_an_item_that_both_replace_has_both_files(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    first.files[0].save(io.BytesIO(b'one'), 'one.txt')
    second.files[0].save(io.BytesIO(b'two'), 'two.txt')
    assert finish(sessions, one, two) == ['two.txt', 'b.txt', 'one.txt']


def test_a_new_file_may_have_the_name_of_one_that_another_session_has_removed(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    del first.files[0]
    one.commit()
    if 'a.txt' in docs:
        docs.remove('a.txt')
    add(second, 'a.txt')
    assert names(second)[-1] == 'a.txt'
    assert 'a.txt' in finish(sessions, two)


def test_what_was_merged_may_be_replaced_right_away(sessions: Callable[[], Session]) -> None:
    [(one, first), (two, second)] = known(sessions)
    del first.files[:]
    add(first, 'c.txt')
    one.commit()
    add(second, 'd.txt')
    two.flush()
    second.files[-1].save(io.BytesIO(b'new'), 'e.txt', overwrite=True)
    assert finish(sessions, two) == ['d.txt', 'e.txt']
