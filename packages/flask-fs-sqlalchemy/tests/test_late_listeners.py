"""Listeners of an application that are called after those of the package, and change the files of rows."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Database
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn
from flask_fs_sqlalchemy.row_files import collected

docs = fs.Storage('docs', fs.ALL)

#: Calls a function with each row before it is written.
Listen = Callable[..., None]


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = 'page'
    id: Mapped[int] = mapped_column(primary_key=True)
    views: Mapped[int] = mapped_column(default=0)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'))
    image: Mapped[Any] = mapped_column(
        ImageColumn(docs, max_size=40, thumbnails=[20], on_delete='remove', on_replace='remove'), nullable=True
    )


@pytest.fixture
def sessions(app: Flask, each_database: Database, picture: Callable[[], io.BytesIO]) -> sessionmaker[Session]:
    """Makes sessions of a database with a row that has files."""
    fs.init_app(app, docs)
    make = sessionmaker(each_database(Base), expire_on_commit=False)
    with make.begin() as session:
        session.add(page := Page(id=1))
        fill(page, 'old', picture)
    return make


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Makes listeners, which are called after those of the package."""
    configure_mappers()
    made: list[tuple[Any, ...]] = []

    def listen(function: Callable[[Any], None], *names: str) -> None:
        for name in names or ('before_insert', 'before_update'):

            def listener(mapper: Any, connection: Any, page: Any) -> None:
                function(page)

            event.listen(Page, name, listener)
            made.append((Page, name, listener))

    yield listen
    for each in made:
        event.remove(*each)


def save(reference: Any, name: str) -> None:
    """Store a file."""
    reference.save(io.BytesIO(name.encode()), name)


def fill(page: Page, name: str, picture: Callable[[], io.BytesIO]) -> None:
    """Store a file in each attribute."""
    save(page.file, f'{name}.txt')
    save(page.files.new(), f'{name}-1.txt')
    save(page.files.new(), f'{name}-2.txt')
    page.image.save(picture(), f'{name}.png')


def files_of(pages: Any) -> list[str]:
    """The files that rows refer to."""
    items = [item for page in pages for item in (page.file, *page.files, page.image)]
    return sorted(name for item in items for name in item.stored.files())


def checked(sessions: sessionmaker[Session]) -> list[str]:
    """The files that rows refer to: they are all that there are."""
    gc.collect()
    collected.settle()
    with sessions() as session:
        found = files_of(session.scalars(sa.select(Page)))
    assert sorted(docs.list_files()) == found
    return found


def replace_all(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    page.files = []
    fill(page, 'new', picture)


def empty(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    page.file, page.files, page.image = None, None, None


def change_items(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    page.files.pop(0)
    save(page.files[0], 'new.txt')
    save(page.files.new(), 'newer.txt')


def remove_all(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    for reference in (page.file, *page.files, page.image):
        reference.delete()


def save_twice(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    fill(page, 'first', picture)
    replace_all(page, picture)


def render_again(page: Page, picture: Callable[[], io.BytesIO]) -> None:
    page.image.rerender()


CHANGES = [replace_all, empty, change_items, remove_all, save_twice, render_again]


@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('commits', [True, False])
@pytest.mark.parametrize('first', ['views', 'files'])
def test_what_a_late_listener_replaces_goes_with_the_commit_and_stays_otherwise(
    sessions: sessionmaker[Session],
    listen: Listen,
    picture: Callable[[], io.BytesIO],
    change: Any,
    commits: bool,
    first: str,
) -> None:
    before = checked(sessions)
    listen(lambda page: change(page, picture))
    with sessions() as session:
        page = session.get(Page, 1)
        if first == 'views':
            page.views = 2
        else:
            # The row is known to have changed files before the listener changes them.
            fill(page, 'mine', picture)
        session.flush()
        after = files_of([page])
        assert set(before) <= set(docs.list_files())
        session.commit() if commits else session.rollback()
        assert files_of([page]) == (after if commits else before)
    assert checked(sessions) == (after if commits else before)


@pytest.mark.parametrize('change', [replace_all, empty, remove_all])
def test_a_late_listener_replaces_what_a_new_row_has_got(
    sessions: sessionmaker[Session], listen: Listen, picture: Callable[[], io.BytesIO], change: Any
) -> None:
    listen(lambda page: change(page, picture))
    with sessions.begin() as session:
        session.add(page := Page(id=2))
        fill(page, 'first', picture)
    assert set(files_of([page])) <= set(checked(sessions))


def test_a_late_listener_may_change_other_rows_of_the_flush(
    sessions: sessionmaker[Session], listen: Listen, picture: Callable[[], io.BytesIO]
) -> None:
    with sessions.begin() as session:
        session.add(other := Page(id=2))
        fill(other, 'other', picture)

    def change(page: Page) -> None:
        if page.id == 2:
            replace_all(session.get(Page, 1), picture)

    listen(change)
    with sessions() as session:
        for page in session.scalars(sa.select(Page).order_by(Page.id)):
            page.views = 2
        session.commit()
    assert 'new.txt' in checked(sessions)


def test_what_another_session_has_replaced_since_is_found_by_a_late_listener_too(
    sessions: sessionmaker[Session], listen: Listen, picture: Callable[[], io.BytesIO]
) -> None:
    with sessions() as session:
        page = session.get(Page, 1)
        session.commit()
        with sessions.begin() as other:
            theirs = other.get(Page, 1)
            save(theirs.file, 'theirs.txt')
            save(theirs.files.new(), 'theirs-3.txt')
        listen(lambda page: change_items(page, picture))
        listen(lambda page: save(page.file, 'mine.txt'))
        page.views = 2
        session.commit()
        assert [item.filename for item in page.files] == ['new.txt', 'theirs-3.txt', 'newer.txt']
    assert 'mine.txt' in checked(sessions)


def test_a_late_listener_does_not_render_a_picture_again_that_the_row_has_no_more(
    sessions: sessionmaker[Session], listen: Listen, picture: Callable[[], io.BytesIO]
) -> None:
    with sessions() as session:
        page = session.get(Page, 1)
        session.commit()
        listen(lambda page: page.image.rerender())
        page.views = 2
        image = docs.read('old-original.png')
        with sessions() as other:
            theirs = other.get(Page, 1)
            other.execute(sa.update(Page).values(image=None))
            other.commit()
            del theirs
        with pytest.raises(StaleDataError, match='refresh the row'):
            session.commit()
        session.rollback()
    assert docs.read('old-original.png') == image


@pytest.mark.parametrize('policy', ['keep', 'remove'])
@pytest.mark.parametrize('commits', [True, False])
def test_what_a_late_listener_removes_of_a_deleted_row_goes_with_it(
    sessions: sessionmaker[Session],
    listen: Listen,
    picture: Callable[[], io.BytesIO],
    policy: str,
    commits: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for column in ('file', 'files', 'image'):
        monkeypatch.setattr(Page.__table__.c[column].type, 'on_delete', policy)
    before = checked(sessions)
    listen(lambda page: remove_all(page, picture), 'before_delete')
    with sessions() as session:
        session.delete(session.get(Page, 1))
        session.flush()
        session.commit() if commits else session.rollback()
    assert checked(sessions) == ([] if commits else before)


def test_what_a_late_listener_stores_for_a_deleted_row_goes_too(
    sessions: sessionmaker[Session], listen: Listen, picture: Callable[[], io.BytesIO]
) -> None:
    listen(lambda page: replace_all(page, picture), 'before_delete')
    with sessions.begin() as session:
        session.delete(session.get(Page, 1))
    assert checked(sessions) == []


@pytest.mark.parametrize('name', ['before_flush', 'after_flush', 'after_flush_postexec'])
def test_listeners_of_a_flush_may_change_files(
    sessions: sessionmaker[Session], picture: Callable[[], io.BytesIO], name: str
) -> None:
    with sessions() as session:

        def change(*_: Any) -> None:
            if page.file.filename == 'old.txt':
                replace_all(page, picture)

        page = session.get(Page, 1)
        event.listen(session, name, change)
        page.views = 2
        session.commit()
        page = None
    # SQLAlchemy writes nothing of what `after_flush` changes in rows that were just written.
    assert ('new.txt' in checked(sessions)) == (name != 'after_flush')


def test_after_a_flush_that_failed_a_row_is_not_about_to_be_written(
    sessions: sessionmaker[Session], picture: Callable[[], io.BytesIO], statements: list[str]
) -> None:
    with sessions() as session:
        page = session.get(Page, 1)
        page.views = 2
        session.add(Page(id=1))
        with pytest.warns(sa.exc.SAWarning), pytest.raises(sa.exc.SQLAlchemyError):
            session.flush()
        session.rollback()
        session.refresh(page)
        statements.clear()
        page.file = None
        assert statements == []
        session.commit()
    assert 'old.txt' not in checked(sessions)


@pytest.mark.parametrize('attribute', ['file', 'files'])
def test_a_late_listener_of_a_stale_row_may_store_a_file_of_the_same_name(
    sessions: sessionmaker[Session], listen: Listen, attribute: str
) -> None:
    with sessions() as session:
        page = session.get(Page, 1)
        session.commit()
        with sessions.begin() as other:
            theirs = other.get(Page, 1)
            save(theirs.file, 'theirs.txt')
            save(theirs.files[0], 'theirs-1.txt')
        listen(lambda page: save(page.file, 'old.txt') if attribute == 'file' else save(page.files.new(), 'old-1.txt'))
        page.views = 2
        session.commit()
    assert ('old.txt' if attribute == 'file' else 'old-1.txt') in checked(sessions)


def test_a_late_listener_removes_no_file_of_another_row(sessions: sessionmaker[Session], listen: Listen) -> None:
    with sessions() as session:
        page = session.get(Page, 1)
        session.commit()
        with sessions.begin() as other:
            save(other.get(Page, 1).file, 'theirs.txt')
        with sessions.begin() as other:
            other.add(new := Page(id=2))
            save(new.file, 'old.txt')
        listen(lambda page: page.file.delete())
        page.views = 2
        session.commit()
    assert 'old.txt' in checked(sessions)


def test_a_file_that_a_listener_gives_to_a_deleted_row_is_removed(
    sessions: sessionmaker[Session], listen: Listen
) -> None:
    listen(lambda page: save(page.file, 'late.txt'))
    with sessions() as session:
        page = session.get(Page, 1)
        assert page is not None
        page.views += 1
        with sessions.begin() as other:
            other.delete(other.get(Page, 1))
        with pytest.raises(StaleDataError, match='was deleted since it was read'):
            session.commit()
    assert checked(sessions) == []
