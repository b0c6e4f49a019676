"""Pictures that one session makes new files from, while another one replaces them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Database, Picture
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import flask_fs as fs
from flask_fs_sqlalchemy import ImageColumn, ImageListColumn

photos = fs.Storage('photos', fs.IMAGES)


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = 'page'
    id: Mapped[int] = mapped_column(primary_key=True)
    views: Mapped[int] = mapped_column(default=0)
    image: Mapped[Any] = mapped_column(
        ImageColumn(photos, max_size=40, thumbnails=[20], on_replace='remove'), nullable=True
    )
    album: Mapped[Any] = mapped_column(ImageListColumn(photos, max_size=40, thumbnails=[20], on_replace='remove'))


@pytest.fixture(params=['remove', 'keep'])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What becomes of replaced files."""
    for column in (Page.__table__.c.image, Page.__table__.c.album):
        monkeypatch.setattr(column.type, 'on_replace', request.param)
    return str(request.param)


@pytest.fixture
def sessions(app: Flask, each_database: Database, picture: Picture) -> sessionmaker[Session]:
    """Makes sessions of a database with a row that has pictures."""
    fs.init_app(app, photos)
    make = sessionmaker(each_database(Base), expire_on_commit=False)
    with make.begin() as session:
        session.add(page := Page(id=1))
        page.image.save(picture(), 'a.png')
        page.album.new().save(picture(), 'b.png')
    return make


def known(sessions: sessionmaker[Session]) -> tuple[Session, Page]:
    """A session that remembers the row, without a transaction."""
    session = sessions()
    page = session.get(Page, 1)
    session.commit()
    return session, page


def stored() -> set[str]:
    """The files that there are."""
    return set(photos.list_files())


def referred(sessions: sessionmaker[Session]) -> set[str]:
    """The files that rows refer to."""
    with sessions() as session:
        pages = session.scalars(sa.select(Page)).all()
        return {name for page in pages for item in (page.image, *page.album) for name in item.stored.files()}


def replace(sessions: sessionmaker[Session], picture: Picture) -> None:
    """Replace the pictures of the row in a session of its own."""
    with sessions.begin() as session:
        page = session.get(Page, 1)
        page.image.save(picture(), 'new.png')
        page.album = []
        page.album.new().save(picture(), 'newer.png')


@pytest.mark.parametrize('attribute', ['image', 'album'])
def test_a_picture_is_not_rendered_again_from_an_original_that_the_row_has_no_more(
    sessions: sessionmaker[Session], picture: Picture, policy: str, attribute: str
) -> None:
    session, page = known(sessions)
    with session:
        (page.image if attribute == 'image' else page.album[0]).rerender()
        replace(sessions, picture)
        before = referred(sessions)
        with pytest.raises(StaleDataError, match=r"replaced or removed '.-original.png' since .*refresh the row"):
            session.commit()
        session.rollback()
        assert referred(sessions) == before <= stored()
        assert policy == 'keep' or stored() == before
        (page.image if attribute == 'image' else page.album[0]).rerender()
        session.commit()
    assert policy == 'keep' or stored() == referred(sessions)
    assert referred(sessions) <= stored()


def test_a_row_whose_picture_was_removed_elsewhere_is_stale_too(sessions: sessionmaker[Session]) -> None:
    session, page = known(sessions)
    with session:
        page.image.rerender()
        with sessions.begin() as other:
            other.get(Page, 1).image = None
        with pytest.raises(StaleDataError):
            session.flush()
    assert stored() == referred(sessions)


@pytest.mark.parametrize('attribute', ['image', 'album'])
def test_a_deleted_row_is_not_written_over_a_new_one_with_its_key(
    sessions: sessionmaker[Session], attribute: str
) -> None:
    session, page = known(sessions)

    def insert_again(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith('UPDATE') and attribute in statement:
            with sessions.begin() as other:
                other.add(Page(id=1))

    event.listen(session.get_bind(), 'before_cursor_execute', insert_again)
    with session:
        setattr(page, attribute, None)
        with sessions.begin() as other:
            other.delete(other.get(Page, 1))
        with pytest.raises(StaleDataError, match=r'Page object.* was deleted since it was read'):
            session.commit()
    assert referred(sessions) == set()


@pytest.mark.parametrize('deletes', [False, True])
def test_an_original_that_another_row_has_by_now_stays(
    sessions: sessionmaker[Session], picture: Picture, deletes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for column in (Page.__table__.c.image, Page.__table__.c.album):
        monkeypatch.setattr(column.type, 'on_delete', 'remove')
    session, page = known(sessions)
    with session:
        page.image.rerender()
        replace(sessions, picture)
        with sessions.begin() as other:
            other.add(second := Page(id=2))
            second.image.save(picture(), 'a.png')
        assert second.image.original == 'a-original.png'
        page.image.save(picture(), 'c.png')
        if deletes:
            session.delete(page)
        session.commit()
    assert stored() == referred(sessions)


def test_a_reference_that_was_held_over_a_commit_is_stale_too(
    sessions: sessionmaker[Session], picture: Picture
) -> None:
    with Session(sessions.kw['bind']) as session:
        page = session.get(Page, 1)
        image = page.image
        session.commit()
        image.rerender()
        replace(sessions, picture)
        with pytest.raises(StaleDataError):
            session.commit()
    assert stored() == referred(sessions)


def test_a_row_that_is_merged_into_another_session_is_stale_too(
    sessions: sessionmaker[Session], picture: Picture
) -> None:
    session, page = known(sessions)
    session.close()
    page.image.rerender()
    replace(sessions, picture)
    with sessions() as other:
        other.merge(page)
        with pytest.raises(StaleDataError):
            other.commit()
    del page
    assert referred(sessions) <= stored()


def test_a_picture_is_rendered_again_where_the_rest_of_the_row_has_changed_elsewhere(
    sessions: sessionmaker[Session],
) -> None:
    session, page = known(sessions)
    with session:
        page.image.rerender()
        page.album[0].rerender()
        with sessions.begin() as other:
            other.get(Page, 1).views = 7
        session.commit()
        page.image.rerender()
        page.album[0].rerender()
        session.flush()
        page.image.rerender()
        session.commit()
    assert stored() == referred(sessions)


@pytest.mark.parametrize('first', ['assigned', 'rendered'])
def test_what_was_assigned_may_be_rendered_again_before_the_flush(
    sessions: sessionmaker[Session], picture: Picture, first: str
) -> None:
    photos.write('other.png', picture().read())
    session, page = known(sessions)
    with session:
        if first == 'rendered':
            page.image.rerender()
        page.image = 'other.png'
        page.image.rerender()
        page.album = ['other.png']
        page.album[0].rerender()
        session.commit()
        assert page.image.original == page.album[0].original == 'other.png'
    assert stored() == referred(sessions)


def test_a_row_may_be_given_what_it_had_by_its_name(sessions: sessionmaker[Session], picture: Picture) -> None:
    session, page = known(sessions)
    with session:
        page.image.rerender()
        replace(sessions, picture)
        photos.write('a-original.png', picture().read())
        page.image = 'a-original.png'
        session.commit()
    assert referred(sessions) >= {'a-original.png'}


def test_rows_may_share_an_original(sessions: sessionmaker[Session]) -> None:
    session, page = known(sessions)
    with session:
        page.image.rerender()
        session.add(other := Page(id=2))
        session.flush()
        page.image.rerender()
        other.image = page.image
        session.commit()
    assert stored() == referred(sessions)


def test_of_two_sessions_that_render_a_picture_of_a_list_again_one_wins(
    sessions: sessionmaker[Session], picture: Picture
) -> None:
    session, page = known(sessions)
    with session:
        page.album[0].rerender()
        with sessions.begin() as other:
            theirs = other.get(Page, 1)
            theirs.album[0].rerender()
            theirs.album.new().save(picture(), 'c.png')
        session.commit()
        assert [item.original for item in page.album] == ['b-original.png', 'c-original.png']
    assert stored() == referred(sessions)


def test_of_two_sessions_that_render_a_picture_again_one_leaves_files(
    sessions: sessionmaker[Session], policy: str
) -> None:
    for rendered in (0, 1, 2):
        (one, first), (two, second) = known(sessions), known(sessions)
        with one, two:
            for page in (first, second)[:rendered] or (first, second):
                page.image.rerender()
                page.album[0].rerender()
            one.commit()
            two.commit()
        assert stored() == referred(sessions)


def test_the_first_files_that_two_sessions_make_of_a_picture_are_those_of_one(
    sessions: sessionmaker[Session], picture: Picture, policy: str
) -> None:
    with sessions.begin() as session:
        page = session.get(Page, 1)
        page.image, page.album = 'a-original.png', ['b-original.png']
    if policy == 'keep':
        photos.delete_many(stored() - {'a-original.png', 'b-original.png'})
    (one, first), (two, second) = known(sessions), known(sessions)
    with one, two:
        for page in (first, second):
            page.image.rerender()
            page.album[0].rerender()
        one.commit()
        two.commit()
    assert stored() == referred(sessions)
    assert len(stored()) == 6


def test_a_kept_picture_stays_with_its_files_where_another_one_is_saved(
    sessions: sessionmaker[Session], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Page.__table__.c.image.type, 'on_replace', 'keep')
    (one, first), (two, second) = known(sessions), known(sessions)
    before = stored()
    with one, two:
        first.image.rerender()
        second.image.save(picture(), 'new.png')
        one.commit()
        rendered = set(first.image.stored.files())
        two.commit()
    assert rendered <= stored()
    assert 'a-original.png' in before & stored()


def test_an_original_that_is_removed_before_it_is_opened_is_not_found(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a folder, where the path of the file is used."""

    @contextlib.contextmanager
    def removed(filename: str) -> Iterator[Path]:
        yield tmp_path / filename

    with sessions() as session:
        page: Any = session.get(Page, 1)
        before = page.image.stored
        monkeypatch.setattr(photos, 'local_file', removed)
        with pytest.raises(fs.FileNotFound, match="is not in storage 'photos'"):
            page.image.rerender()
        assert page.image.stored == before
