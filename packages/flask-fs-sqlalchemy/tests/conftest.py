"""Databases, storages and pictures for the tests of columns."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, docs
from fixture_types import Database, Engines, Picture
from flask import Flask
from PIL import Image
from sqlalchemy import Engine, event
from sqlalchemy.orm import DeclarativeBase

import flask_fs as fs

server = pytest.mark.server


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application, current, that keeps files in memory."""
    app = Flask(__name__)
    app.config.update(FS_BACKEND='memory', FS_URL='https://files.test')
    with app.app_context():
        yield app


@pytest.fixture
def storage(app: Flask) -> fs.Storage:
    """A storage in memory."""
    storage = fs.Storage('docs', fs.ALL)
    fs.init_app(app, storage)
    return storage


@pytest.fixture(params=['sqlite', pytest.param('postgres', marks=server), pytest.param('mariadb', marks=server)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == 'sqlite':
        return f'sqlite:///{tmp_path}/rows.db'
    url: str = request.getfixturevalue(f'{request.param}_url')
    return url


@pytest.fixture
def engines() -> Iterator[Engines]:
    """Makes engines, like ``create_engine``, that are disposed of after the test."""
    made: list[sa.Engine] = []

    def make(url: Any, **options: Any) -> sa.Engine:
        try:
            made.append(sa.create_engine(url, **options))
        except ModuleNotFoundError as error:
            pytest.skip(f'{error.name} is not installed')
        if made[-1].dialect.name == 'sqlite':
            event.listen(made[-1], 'connect', _without_sync)
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def base() -> type[DeclarativeBase]:
    """A new declarative base."""

    class Base(DeclarativeBase):
        pass

    return Base


def _without_sync(connection: Any, _: object) -> None:
    # The system stays up, so nothing waits for the disk.
    connection.execute('PRAGMA synchronous = OFF')


def _opened(url: str, engines: Engines) -> Database:
    def database(base: Any) -> Engine:
        engine = engines(url)
        base.metadata.create_all(engine)
        return engine

    return database


@pytest.fixture
def database(tmp_path: Path, engines: Engines) -> Database:
    """Makes the tables of a base in SQLite, and returns the engine."""
    return _opened(f'sqlite:///{tmp_path}/rows.db', engines)


@pytest.fixture(params=['sqlite', pytest.param('postgres', marks=[server, pytest.mark.slow])])
def strict_database(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> Database:
    """Makes the tables of a base in SQLite or in PostgreSQL, which is strict with types, and returns the engine."""
    is_sqlite = request.param == 'sqlite'
    return _opened(f'sqlite:///{tmp_path}/rows.db' if is_sqlite else request.getfixturevalue('postgres_url'), engines)


@pytest.fixture
def each_database(database_url: str, engines: Engines) -> Database:
    """Makes the tables of a base in a database of each kind, and returns the engine."""
    return _opened(database_url, engines)


@pytest.fixture
def docs_in_memory(app: Flask) -> None:
    """Keeps the files of :mod:`doc_rows` in memory."""
    fs.init_app(app, docs)


@pytest.fixture
def engine(each_database: Database) -> Engine:
    """A database of each kind with the tables of :mod:`doc_rows`, and no rows."""
    return each_database(Base)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements that engines have sent since, in order."""
    sent: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, 'before_cursor_execute', record)
    yield sent
    event.remove(Engine, 'before_cursor_execute', record)


@pytest.fixture
def picture() -> Picture:
    """Draws pictures: ``picture(width, height)``."""

    def picture(width: int = 300, height: int = 200) -> io.BytesIO:
        file = io.BytesIO()
        Image.new('RGB', (width, height), 'navy').save(file, 'PNG')
        file.seek(0)
        return file

    return picture
