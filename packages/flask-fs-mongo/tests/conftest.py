"""Databases, storages and pictures for the tests of the fields."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from flask import Flask
from PIL import Image, ImageDraw

import flask_fs as fs
from flask_fs_testing.doubles import FaultyBackend, RecordingBackend, wrap

Picture = Callable[..., io.BytesIO]


@pytest.fixture(params=['mongomock', pytest.param('server', marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, fresh_name: str) -> Iterator[str]:
    """An empty database that mongoengine is connected to; its name."""
    if request.param == 'mongomock':
        how: Any = {'mongo_client_class': request.getfixturevalue('mongomock_in_process')}
    else:
        how = {'host': request.getfixturevalue('mongo_service').url, 'serverSelectionTimeoutMS': 10_000}
    client: Any = mongoengine.connect(fresh_name, uuidRepresentation='standard', **how)
    try:
        yield fresh_name
    finally:
        with contextlib.suppress(Exception):
            client.drop_database(fresh_name)
        mongoengine.disconnect()


@pytest.fixture(params=['local', 'memory', 's3'])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An application, current, with each kind of backend."""
    app = _application(tmp_path)
    app.config['FS_BACKEND'] = request.param
    if request.param == 's3':
        request.getfixturevalue('moto_in_process')
        app.config.update(FS_S3_REGION='us-east-1', FS_S3_ACCESS_KEY='testing', FS_S3_SECRET_KEY='testing')
    with app.app_context():
        yield app


@pytest.fixture
def memory_app(tmp_path: Path) -> Iterator[Flask]:
    """An application, current, that keeps files in memory."""
    app = _application(tmp_path)
    app.config['FS_BACKEND'] = 'memory'
    with app.app_context():
        yield app


def _application(folder: Path) -> Flask:
    app = Flask(__name__)
    app.config.update(FS_ROOT=str(folder), FS_URL='https://files.test')
    return app


def _storage(app: Flask, **options: Any) -> fs.Storage:
    storage = fs.Storage('pictures', fs.ALL, **options)
    fs.init_app(app, storage)
    return storage


@pytest.fixture
def storage(app: Flask, database: str) -> fs.Storage:
    """A storage on each kind of backend, and a database."""
    return _storage(app)


@pytest.fixture
def memory(memory_app: Flask, database: str) -> fs.Storage:
    """A storage in memory, and a database: where the kind of backend makes no difference."""
    return _storage(memory_app)


@pytest.fixture
def picture() -> Picture:
    """Draws pictures: ``picture(width, height, 'PNG')``."""

    def picture(width: int = 300, height: int = 200, kind: str = 'PNG', color: str = 'navy', **more: Any) -> io.BytesIO:
        image = Image.new('RGB', (width, height), color)
        ImageDraw.Draw(image).ellipse((width / 4, height / 4, width / 2, height / 2), 'orange')
        file = io.BytesIO()
        image.save(file, kind, **more)
        file.seek(0)
        return file

    return picture


@pytest.fixture
def faulty() -> Callable[[fs.Storage], Any]:
    """A storage's backend for a ``with`` block, which fails on request."""
    return lambda storage: wrap(storage, FaultyBackend)


@pytest.fixture
def recorded() -> Callable[[fs.Storage], Any]:
    """A storage's backend for a ``with`` block, which records the calls of its hooks."""
    return lambda storage: wrap(storage, RecordingBackend)


@pytest.fixture
def size_of() -> Callable[[fs.Storage, str], tuple[int, int]]:
    """The width and height of a stored picture."""

    def size_of(storage: fs.Storage, filename: str) -> tuple[int, int]:
        with Image.open(io.BytesIO(storage.read(filename))) as image:
            return image.size

    return size_of


@pytest.fixture
def names() -> Callable[[fs.Storage], list[str]]:
    """All files of a storage, in order."""
    return lambda storage: sorted(storage.list_files())
