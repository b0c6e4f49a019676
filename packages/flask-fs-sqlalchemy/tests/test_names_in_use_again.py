"""New files of a row under names of files that it was read with, and that another session has removed since."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from file_rows import Base, Page, Sessions, docs
from fixture_types import Database
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

import flask_fs as fs


@pytest.fixture(params=['file', 'image', 'files'])
def save(request: pytest.FixtureRequest, picture: Callable[[], io.BytesIO]) -> Callable[[Page, str], None]:
    """Replaces the files of one attribute of a row by new ones."""

    def replaced(page: Page, stem: str) -> None:
        if request.param == 'image':
            page.image.save(picture(), f'{stem}.png')
        elif request.param == 'file':
            page.file.save(io.BytesIO(b'x'), f'{stem}.txt')
        else:
            page.files = []
            page.files.new().save(io.BytesIO(b'x'), f'{stem}.txt')

    return replaced


@pytest.fixture
def sessions(app: Flask, database: Database, save: Callable[[Page, str], None]) -> Sessions:
    """Makes sessions of a database with a row that has files."""
    fs.init_app(app, docs)
    make = sessionmaker(database(Base), expire_on_commit=False)
    with make.begin() as session:
        session.add(page := Page(id=1))
        save(page, 'a')
    return make


def read(session: Session) -> Page:
    """The row."""
    page = session.get(Page, 1)
    assert page is not None
    return page


@pytest.mark.parametrize('is_merged', [False, True])
@pytest.mark.parametrize('saved', ['a', 'ac', 'bac'])
@pytest.mark.parametrize('end', ['commit', 'rollback', 'delete', 'savepoint', 'flush'])
def test_belong_to_the_row_like_any_other_new_file(
    sessions: Sessions, save: Callable[[Page, str], None], is_merged: bool, saved: str, end: str
) -> None:
    with sessions() as session:
        page = read(session)
        if is_merged:
            session.expunge(page)
            page = session.merge(pickle.loads(pickle.dumps(page)))  # our own
        session.commit()
        with sessions.begin() as other:
            save(read(other), 'theirs')
        savepoint = session.begin_nested() if end == 'savepoint' else None
        for stem in saved:
            save(page, stem)
            if end == 'flush':
                session.flush()
        if savepoint is not None:
            savepoint.rollback()
        if end == 'delete':
            session.delete(page)
        if end == 'rollback':
            session.rollback()
        else:
            session.commit()
    with sessions() as session:
        pages = session.scalars(sa.select(Page)).all()
        items = [item for page in pages for item in (page.file, page.image, *page.files)]
        referred = {name for item in items for name in item.stored.files()}
    assert {*docs.list_files()} == referred
    stems = {name[0] for name in referred}
    assert not stems if end == 'delete' else (saved[-1] if end in ('commit', 'flush') else 't') in stems


@pytest.mark.parametrize('name', ['a.txt', 'b.txt', None])
@pytest.mark.parametrize('how', ['replaced', 'removed'])
@pytest.mark.parametrize('attribute', ['file', 'files'])
def test_stay_where_the_former_file_is_replaced_afterward(
    app: Flask, database: Database, attribute: str, how: str, name: str | None
) -> None:
    fs.init_app(app, docs)
    sessions = sessionmaker(database(Base), expire_on_commit=False)
    with sessions.begin() as session:
        session.add(page := Page(id=1))
        (page.file if attribute == 'file' else page.files.new()).save(io.BytesIO(b'old'), 'a.txt')
    with sessions() as session:
        page = read(session)
        former = page.file if attribute == 'file' else page.files[0]
        session.commit()
        with sessions.begin() as other:
            theirs = read(other)
            if how == 'replaced':
                (theirs.file if attribute == 'file' else theirs.files[0]).save(io.BytesIO(b'theirs'), 'theirs.txt')
            elif attribute == 'file':
                theirs.file = None
            else:
                theirs.files.pop()
        page.files.new().save(io.BytesIO(b'new'), 'a.txt')
        if name is None:
            former.delete()
        else:
            former.save(io.BytesIO(b'replaced'), name, overwrite=name == 'a.txt')
        session.commit()
        assert 'a.txt' in [item.filename for item in page.files]
        referred = {item.filename for item in (page.file, *page.files) if item}
    assert {*docs.list_files()} == referred
    assert docs.read('a.txt') == b'new'
