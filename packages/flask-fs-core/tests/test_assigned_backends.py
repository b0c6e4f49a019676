"""Another backend by assignment, as the tests of older applications do it."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, create_autospec, patch

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

AppFactory = Callable[..., Flask]


def test_a_double_is_assigned_and_asked(app: Flask, storage: fs.Storage) -> None:
    double = MagicMock()
    storage.backend = double
    assert storage.backend is double
    assert storage.read('a') is double.read.return_value
    double.read.assert_called_once_with('a')


def test_a_backend_with_capabilities_is_used_as_one(app: Flask, storage: fs.Storage) -> None:
    storage.backend = MemoryBackend('other')
    storage.save(io.BytesIO(b'x'), 'a')
    assert (storage.backend.read('a'), storage.stat('a').size) == (b'x', 1)
    assert storage.stat('a').checksum


def test_a_double_with_the_signatures_of_a_backend_is_asked_what_is_documented(app: Flask, storage: fs.Storage) -> None:
    for backend in (BaseBackend, LocalBackend):
        double = create_autospec(backend, instance=True)
        double.exists.return_value = False
        storage.backend = double
        file = io.BytesIO(b'x')
        storage.save(file, 'a')
        storage.write('b', 'x')
        double.save.assert_called_once_with(file, 'a')
        double.write.assert_called_once_with('b', 'x')
        with pytest.raises(fs.FileNotFound):
            storage.read('a')


def put_back(storage: fs.Storage, before: Any) -> None:
    storage.backend = before


def delete(storage: fs.Storage, _: Any) -> None:
    del storage.backend


def configure_anew(storage: fs.Storage, _: Any) -> None:
    storage.configure(storage._bound().app)


@pytest.mark.parametrize('undo', [put_back, delete, configure_anew])
def test_the_configured_backend_comes_back(app: Flask, kind: str, storage: fs.Storage, undo: Any) -> None:
    before, bound = storage.backend, storage._bound()
    storage.write('a', 'kept')
    for _ in range(2):
        storage.backend = MagicMock()
    undo(storage, before)
    assert storage.backend.kind == kind
    if undo is not configure_anew:
        assert (storage.backend, storage._bound()) == (before, bound)
        assert storage.read('a') == b'kept'
    with pytest.raises(AttributeError, match='uses its configured backend'):
        del storage.backend


def test_the_ways_of_patching_put_it_back(app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    before = storage.backend
    with patch.object(storage, 'backend', MagicMock()) as double:
        assert storage.backend is double
    assert storage.backend is before
    with monkeypatch.context() as patching:
        patching.setattr(storage, 'backend', double)
        assert storage.backend is double
    assert storage.backend is before


def test_it_is_another_one_in_one_application_only(make_app: AppFactory) -> None:
    storage, double = fs.Storage('files'), MagicMock()
    one, two = make_app(storage, FS_BACKEND='memory'), make_app(storage, FS_BACKEND='memory')
    with one.app_context():
        storage.backend = double
    with two.app_context():
        assert storage.backend.kind == 'memory'
    with one.app_context():
        assert storage.backend is double
    with pytest.raises(fs.ConfigurationError, match='2 applications'):
        storage.backend = double


def test_outside_of_a_context_the_only_application_is_meant(make_app: AppFactory) -> None:
    storage, double = fs.Storage('files'), MagicMock()
    app = make_app(storage)
    storage.backend = double
    with app.app_context():
        assert storage.backend is double
    del app
    gc.collect()


def test_a_storage_with_a_config_alone_is_given_one_too() -> None:
    storage, double = fs.Storage('files'), MagicMock()
    storage.configure(SimpleNamespace(config={'FS_BACKEND': 'memory'}))
    storage.backend = double
    assert storage.backend is double
    del storage.backend
    assert storage.backend.kind == 'memory'


def test_a_storage_that_is_configured_for_nothing_is_given_one_too(make_app: AppFactory) -> None:
    storage, double = fs.Storage('files', fs.IMAGES), MagicMock()
    assert storage.backend is None
    with patch.object(storage, 'backend', double):
        assert storage.read('a') is double.read.return_value
        assert storage.extension_allowed('png')
        assert not storage.extension_allowed('exe')
    assert storage.backend is None
    storage.backend = double
    app = make_app(storage, FS_BACKEND='memory')
    assert storage.backend.kind == 'memory'
    del app


def test_the_settings_stay_those_of_the_application(make_app: AppFactory) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='memory', FS_MAX_BYTES=3)
    with app.app_context():
        storage.backend = MagicMock()
        storage.backend.exists.return_value = False
        with pytest.raises(fs.FileTooLarge):
            storage.write('a', 'four')
        assert storage.url('a') == '/files/a'
        storage.backend.exists.return_value = True
        storage.backend.serve.return_value = 'served'
        assert app.test_client().get(storage.url('a')).text == 'served'


def test_the_name_of_the_backend_is_the_one_that_is_configured(make_app: AppFactory) -> None:
    class Custom(MemoryBackend):
        kind = 'custom'

    storage = fs.Storage('files')
    assert storage.backend_name is None
    for settings, name in (({}, 'local'), ({'FS_BACKEND': 'memory'}, 'memory'), ({'FS_BACKEND': Custom}, 'custom')):
        with make_app(storage, **settings).app_context():
            assert storage.backend_name == name
            storage.backend = MagicMock()
            assert storage.backend_name == name
