"""Databases and storages for the tests of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

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
def engines() -> Iterator[Callable[..., sa.Engine]]:
    """Makes engines, like ``create_engine``, that are disposed of after the test."""
    made: list[sa.Engine] = []

    def make(url: Any, **options: Any) -> sa.Engine:
        made.append(sa.create_engine(url, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()
