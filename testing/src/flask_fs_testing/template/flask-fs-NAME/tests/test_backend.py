"""What is special about this backend: its settings, its errors, how it is found."""

from __future__ import annotations

from pathlib import Path

import flask_fs as fs
import pytest
from flask import Flask

from flask_fs_NAME import NameBackend
from flask_fs_NAME.store import StoreError


def test_configuration_finds_the_backend_by_its_name(tmp_path: Path) -> None:
    app, reports = Flask('office'), fs.Storage('reports', fs.ALL)
    app.config['FS_BACKEND'] = 'NAME'
    app.config['FS_NAME_FOLDER'] = str(tmp_path)
    fs.init_app(app, reports)
    with app.app_context():
        assert isinstance(reports.backend, NameBackend)
        reports.write('1.txt', 'Hello')
    assert list(NameBackend('reports', {'folder': tmp_path / 'reports'}).list_files()) == ['1.txt']


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(fs.ConfigurationError) as caught:
        NameBackend('reports', {})
    expected = "Storage 'reports' (NAME) needs REPORTS_FS_FOLDER or FS_NAME_FOLDER."
    assert str(caught.value) == expected


def test_a_store_that_fails_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    backend = NameBackend('reports', {'folder': tmp_path / 'file'})
    for verb in (backend.exists, backend.read, backend.remove, lambda name: list(backend.scan(name))):
        with pytest.raises(fs.BackendError) as caught:
            verb('1.txt')
        assert caught.value.filename == '1.txt'
        assert isinstance(caught.value.__cause__, StoreError)


def test_an_error_of_the_source_reaches_the_caller_as_it_is(backend: NameBackend) -> None:
    class Unreadable:
        def read(self, size: int = -1) -> bytes:
            raise OSError('the disk of the caller')

    with pytest.raises(OSError, match='the disk of the caller'):
        backend.save(Unreadable(), '1.txt')
    assert not backend.exists('1.txt')
