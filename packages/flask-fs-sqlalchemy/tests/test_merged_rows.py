"""Rows that were read before, and are merged into a session after another one has changed them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from file_rows import Base, Page, Sessions, docs
from fixture_types import Database
from flask import Flask
from sqlalchemy.orm import sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import flask_fs as fs


@pytest.fixture
def sessions(app: Flask, each_database: Database, picture: Callable[[], io.BytesIO]) -> Sessions:
    """Makes sessions of a database with a row that has files."""
    fs.init_app(app, docs)
    make = sessionmaker(each_database(Base), expire_on_commit=False)
    with make.begin() as session:
        session.add(page := Page(id=1))
        save(page.file, 'a.txt')
        page.image.save(picture(), 'a.png')
        save(page.files.new(), 'a-1.txt')
        save(page.files.new(), 'a-2.txt')
    return make


@pytest.fixture(params=['detached', 'pickled'])
def stale(sessions: Sessions, request: pytest.FixtureRequest) -> Page:
    """The row, as it was before others change it, in no session."""
    with sessions() as session:
        page = session.get(Page, 1)
        assert page is not None
    return pickle.loads(pickle.dumps(page)) if request.param == 'pickled' else page  # our own


@pytest.fixture
def keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaced files, and those of deleted rows, are kept."""
    for column in ('file', 'image', 'files'):
        for name in ('on_replace', 'on_delete'):
            monkeypatch.setattr(Page.__table__.c[column].type, name, 'keep')


def save(reference: Any, name: str) -> None:
    """Store a file."""
    reference.save(io.BytesIO(name.encode()), name)


def referred(sessions: Sessions) -> list[str]:
    """The files that rows refer to, which all exist."""
    with sessions() as session:
        pages = session.scalars(sa.select(Page)).all()
        items = [item for page in pages for item in (page.file, page.image, *page.files)]
        found = sorted(name for item in items for name in item.stored.files())
    assert set(found) <= set(docs.list_files())
    return found


def finish(sessions: Sessions, row: Page) -> Page:
    """Merge *row* in a session of its own, and return what was written; there are no files besides."""
    with sessions() as session:
        merged = session.merge(row)
        session.commit()
    assert referred(sessions) == sorted(docs.list_files())
    return merged


def test_a_row_that_nobody_has_changed_is_merged_as_any_other(sessions: Sessions, stale: Page) -> None:
    before = referred(sessions)
    stale.title = 'new'
    assert finish(sessions, stale).title == 'new'
    assert referred(sessions) == before


@pytest.mark.parametrize('attribute', ['file', 'image'])
def test_a_file_that_another_session_has_replaced_since_cannot_be_merged(
    sessions: Sessions, stale: Page, picture: Callable[[], io.BytesIO], attribute: str
) -> None:
    with sessions.begin() as session:
        page = session.get(Page, 1)
        assert page is not None
        page.file.save(io.BytesIO(), 'b.txt') if attribute == 'file' else page.image.save(picture(), 'b.png')
    before = referred(sessions)
    with sessions() as session:
        session.merge(stale).title = 'new'
        name = 'a.txt' if attribute == 'file' else 'a.png'
        with pytest.raises(StaleDataError, match=f"'{name}'.*merge.*read the row, and make the change again"):
            session.commit()
        session.rollback()
    assert referred(sessions) == sorted(docs.list_files()) == before
    with sessions() as session:
        stale = session.get(Page, 1)  # type: ignore[assignment]  # there is one
    finish(sessions, stale)


def test_a_file_that_was_kept_can_be_merged(sessions: Sessions, stale: Page, keeps: None) -> None:
    with sessions.begin() as session:
        save(session.get(Page, 1).file, 'b.txt')  # type: ignore[union-attr]  # there is one
    with sessions.begin() as session:
        assert session.merge(stale).file.filename == 'a.txt'
    assert 'a.txt' in referred(sessions)
    assert docs.read('b.txt') == b'b.txt'


def test_a_kept_file_that_was_removed_all_the_same_cannot_be_merged(
    sessions: Sessions, stale: Page, keeps: None
) -> None:
    with sessions.begin() as session:
        session.get(Page, 1).file.delete()  # type: ignore[union-attr]  # there is one
    with sessions() as session:
        session.merge(stale)
        with pytest.raises(StaleDataError):
            session.flush()
    assert 'a.txt' not in referred(sessions)


def test_what_the_merged_row_was_given_is_written_over_what_others_have_stored(
    sessions: Sessions, stale: Page, picture: Callable[[], io.BytesIO]
) -> None:
    with sessions.begin() as session:
        page = session.get(Page, 1)
        assert page is not None
        save(page.file, 'b.txt')
        page.image.save(picture(), 'b.png')
    save(stale.file, 'c.txt')
    stale.image = None
    merged = finish(sessions, stale)
    assert (merged.file.filename, merged.image.filename) == ('c.txt', None)


def test_a_list_is_merged_with_what_others_have_changed(sessions: Sessions, stale: Page) -> None:
    with sessions.begin() as session:
        page = session.get(Page, 1)
        assert page is not None
        save(page.files.new(), 'b.txt')
        del page.files[0]
    save(stale.files.new(), 'c.txt')
    assert [file.filename for file in finish(sessions, stale).files] == ['a-2.txt', 'c.txt', 'b.txt']


def test_a_list_that_is_merged_unchanged_is_that_of_the_others(sessions: Sessions, stale: Page) -> None:
    with sessions.begin() as session:
        page = session.get(Page, 1)
        assert page is not None
        save(page.files.new(), 'b.txt')
        del page.files[0]
    assert [file.filename for file in finish(sessions, stale).files] == ['a-2.txt', 'b.txt']


@pytest.mark.parametrize('attribute', ['file', 'image', 'files'])
def test_a_row_that_was_deleted_since_does_not_come_back_without_its_files(
    sessions: Sessions, stale: Page, attribute: str
) -> None:
    for other in {'file', 'image', 'files'} - {attribute}:
        setattr(stale, other, None)
    with sessions.begin() as session:
        session.delete(session.get(Page, 1))
    with sessions() as session:
        session.merge(stale)
        with pytest.raises(StaleDataError, match='a'):
            session.flush()
    assert referred(sessions) == []
    assert list(docs.list_files()) == []


def test_a_deleted_row_whose_files_were_kept_comes_back(sessions: Sessions, stale: Page, keeps: None) -> None:
    before = referred(sessions)
    with sessions.begin() as session:
        session.delete(session.get(Page, 1))
    finish(sessions, stale)
    assert referred(sessions) == before


def test_a_merge_takes_back_what_its_own_session_has_replaced(sessions: Sessions, stale: Page) -> None:
    before = referred(sessions)
    with sessions.begin() as session:
        page = session.get(Page, 1)
        assert page is not None
        save(page.file, 'b.txt')
        session.flush()
        save(page.file, 'c.txt')
        session.flush()
        with session.begin_nested():
            session.merge(stale)
    assert referred(sessions) == sorted(docs.list_files()) == before


def test_what_is_given_after_a_merge_counts(sessions: Sessions, stale: Page) -> None:
    with sessions.begin() as session:
        save(session.get(Page, 1).file, 'b.txt')  # type: ignore[union-attr]  # there is one
    with sessions.begin() as session:
        page = session.merge(stale)
        save(page.file, 'c.txt')
    assert referred(sessions) == sorted(docs.list_files())
    with sessions.begin() as session:
        page = session.merge(stale)
        page.file = None
    assert referred(sessions) == sorted(docs.list_files())


def test_a_row_may_share_files_with_another_one(sessions: Sessions, stale: Page) -> None:
    with sessions.begin() as session:
        session.add(Page(id=2, file=stale.file, files=stale.files))
    assert referred(sessions).count('a.txt') == 2


def test_a_merge_without_a_load_writes_nothing(sessions: Sessions, stale: Page) -> None:
    with sessions.begin() as session:
        save(session.get(Page, 1).file, 'b.txt')  # type: ignore[union-attr]  # there is one
    with sessions.begin() as session:
        session.merge(stale, load=False).title = 'new'
    assert referred(sessions) == sorted(docs.list_files())


def test_a_merged_row_may_change_as_any_other(
    sessions: Sessions, stale: Page, picture: Callable[[], io.BytesIO]
) -> None:
    with sessions.begin() as session:
        page = session.merge(stale)
        save(page.file, 'b.txt')
        page.image.rerender()
        save(page.files[0], 'b-1.txt')
    with sessions() as session:
        found = session.get(Page, 1)
        assert found is not None
        assert found.file.filename == 'b.txt'
        assert [item.filename for item in found.files] == ['b-1.txt', 'a-2.txt']
    assert referred(sessions) == sorted(docs.list_files())
