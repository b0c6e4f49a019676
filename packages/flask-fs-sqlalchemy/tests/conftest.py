"""Databases and storages for the tests of columns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

import flask_fs as fs


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
