"""Applications and storages for the tests of core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs

AppFactory = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> AppFactory:
    """Makes applications whose files lie under tmp_path, each in a folder of its own."""
    made = []

    def make(*storages: fs.Storage, **config: Any) -> Flask:
        made.append(1)
        app = Flask(f'app{len(made)}', instance_path=str(tmp_path / f'app{len(made)}'))
        app.config.update({'SECRET_KEY': 'a secret of the tests', 'FS_SERVE': True, **config})
        fs.init_app(app, *storages)
        return app

    return make


@pytest.fixture(params=['local', 'memory'])
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of backend in core, one after the other."""
    return str(request.param)


@pytest.fixture
def storage(kind: str) -> fs.Storage:
    return fs.Storage('files', fs.ALL)


@pytest.fixture
def app(make_app: AppFactory, storage: fs.Storage, kind: str) -> Iterator[Flask]:
    """An application with one storage, and its context pushed."""
    app = make_app(storage, FS_BACKEND=kind)
    with app.app_context():
        yield app
