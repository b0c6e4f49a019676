"""Files that an application's own listeners store while a row is being written."""

from __future__ import annotations

import gc
import io
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Database
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Session, configure_mappers, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn

docs = fs.Storage('docs', fs.ALL)


@pytest.fixture(params=[False, True], ids=['before the mappers are configured', 'after it'])
def late(request: pytest.FixtureRequest) -> bool:
    """Whether listeners are added so late that they are called after those of the package."""
    return bool(request.param)


@pytest.fixture
def model(app: Flask, base: type[DeclarativeBase], late: bool) -> Any:
    """A model with a listener that stores a file of the row's number of views."""
    fs.init_app(app, docs)

    class Doc(base):  # type: ignore[misc,valid-type]  # a class that is made by a fixture
        __tablename__ = 'doc'
        id = mapped_column(sa.Integer, primary_key=True)
        views = mapped_column(sa.Integer, default=0)
        file = mapped_column(FileColumn(docs, on_replace='remove', on_delete='remove'), nullable=True)

    if late:
        configure_mappers()

    @event.listens_for(Doc, 'before_insert')
    @event.listens_for(Doc, 'before_update')
    def store(mapper: Any, connection: Any, doc: Any) -> None:
        if doc.views:
            doc.file.save(io.BytesIO(), f'{doc.views}.txt')

    return Doc


@pytest.fixture
def engine(model: Any, each_database: Database, base: type[DeclarativeBase]) -> sa.Engine:
    """A database with the table."""
    return each_database(base)


def stored() -> list[str]:
    """The files that there are, once the rows that are gone have had theirs removed."""
    gc.collect()
    return sorted(docs.list_files())


def committed(model: Any, engine: sa.Engine) -> list[str]:
    """The files that rows refer to."""
    with Session(engine) as session:
        return sorted(doc.file.filename for doc in session.scalars(sa.select(model)) if doc.file)


def test_a_file_that_a_listener_stores_is_committed_with_its_row(model: Any, engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(model(id=1, views=1))
        session.commit()
    assert stored() == committed(model, engine) == ['1.txt']
    with Session(engine) as session:
        session.get(model, 1).views = 2
        session.commit()
    assert committed(model, engine) == ['2.txt']
    assert stored() == ['2.txt']


@pytest.mark.parametrize('policy', ['keep', 'remove'])
def test_a_file_that_a_listener_has_stored_stays_where_a_later_one_is_rolled_back(
    model: Any, engine: sa.Engine, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.__table__.c.file.type, 'on_replace', policy)
    with Session(engine) as session:
        session.add(doc := model(id=1))
        session.commit()
        doc.views = 2
        session.commit()
        doc.file.save(io.BytesIO(), 'later.txt')
        session.rollback()
        assert stored() == committed(model, engine) == ['2.txt']
    del doc
    assert stored() == ['2.txt']


def test_a_file_that_a_listener_stores_is_rolled_back_with_its_row(model: Any, engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(model(id=1))
        session.commit()
        session.get(model, 1).views = 2
        session.flush()
        assert stored() == ['2.txt']
        session.rollback()
        assert not session.get(model, 1).file
    assert stored() == committed(model, engine) == []


def test_a_file_that_a_listener_replaces_before_the_row_is_written_is_not_lost(model: Any, engine: sa.Engine) -> None:
    with Session(engine, expire_on_commit=False) as session:
        session.add(doc := model(id=1, views=1))
        doc.file.save(io.BytesIO(), 'first.txt')
        session.commit()
        doc.views = 2
        doc.file.save(io.BytesIO(), 'second.txt', overwrite=True)
        session.commit()
    assert stored() == committed(model, engine) == ['2.txt']
