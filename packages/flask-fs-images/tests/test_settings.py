from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
import flask_fs.images


def make_app(*storages: fs.Storage, **settings: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(FS_BACKEND='memory', **settings)
    fs.init_app(app, *storages)
    return app


def test_images_optimize_is_read_anew_each_time() -> None:
    storage, own = fs.Storage('pictures'), fs.Storage('own')
    app = make_app(storage, own, OWN_FS_IMAGES_OPTIMIZE=False)
    with app.app_context():
        assert not storage.config.images_optimize
        app.config['FS_IMAGES_OPTIMIZE'] = 'yes'
        assert storage.config.images_optimize is True
        assert own.config.images_optimize is False
        app.config['FS_MEMORY_IMAGES_OPTIMIZE'] = False
        assert not storage.config.images_optimize
        app.config['PICTURES_FS_IMAGES_OPTIMIZE'] = 'perhaps'
        with pytest.raises(fs.ConfigurationError, match="PICTURES_FS_IMAGES_OPTIMIZE = 'perhaps'"):
            _ = storage.config


def test_an_impossible_setting_of_pictures_is_refused_when_a_storage_is_configured() -> None:
    expected = 'cannot use PICTURES_FS_IMAGES_MAX_PIXELS = inf: it must be a whole number, 1 or more'
    with pytest.raises(fs.ConfigurationError, match=expected):
        make_app(fs.Storage('pictures'), PICTURES_FS_IMAGES_MAX_PIXELS=float('inf'))


def test_settings_of_pictures_are_read_where_they_are_announced_later(tmp_path: Path) -> None:
    program = tmp_path / 'program.py'
    program.write_text("""
import flask, flask_fs as fs
app, storage = flask.Flask('program'), fs.Storage('pictures')
app.config.update(FS_BACKEND='memory', FS_IMAGES_MAX_PIXELS='100')
fs.init_app(app, storage)
import flask_fs.images
print(storage.config.images_max_pixels, storage.config.images_optimize)
""")
    shown = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout
    assert shown == '100 False\n'


def test_without_this_distribution_settings_of_pictures_are_passed_on() -> None:
    """Nothing reads them then, and no setting of core is meant by them."""
    program = """
import sys
sys.modules['flask_fs_images'] = None
import flask, flask_fs as fs
app, storage = flask.Flask('program'), fs.Storage('pictures')
app.config.update(FS_BACKEND='memory', FS_IMAGES_OPTIMIZE=True, PICTURES_FS_IMAGES_MAX_PIXELS=100)
fs.init_app(app, storage)
print(storage.config.images_max_pixels)
"""
    done = subprocess.run([sys.executable, '-W', 'error', '-c', program], capture_output=True, text=True, check=True)
    assert done.stdout == '100\n'
