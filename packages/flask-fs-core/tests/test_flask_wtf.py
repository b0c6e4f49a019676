"""Groups of types and storages where Flask-WTF expects a list of extensions, or an upload set."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs

pytest.importorskip('flask_wtf')

from flask_wtf import FlaskForm
from flask_wtf.file import FileAllowed, FileField, FileRequired, MultipleFileField

STORAGE = fs.Storage('files', fs.IMAGES)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(STORAGE, FS_BACKEND='memory', WTF_CSRF_ENABLED=False, FILES_FS_ALLOW=['pdf'], FILES_FS_DENY=['gif'])


def errors(app: Flask, allowed: Any, *names: str, field: type[Any] = FileField) -> list[str]:
    class Form(FlaskForm):
        file = field(validators=[FileRequired(), FileAllowed(allowed)])

    data = {'file': [(io.BytesIO(b'x'), name) for name in names]}
    with app.test_request_context(method='POST', data=data):
        form = Form()
        form.validate()
        found: list[str] = form.errors.get('file', [])
        return found


@pytest.mark.parametrize(
    ('allowed', 'good', 'bad'),
    [
        (fs.ALL, ['a.png', 'a.exe', 'a', 'A.TAR.GZ', '.profile'], []),
        (fs.All(), ['a.png', 'a'], []),
        (fs.AllExcept(['exe', 'SH']), ['a.png', 'a', 'a.exe.png'], ['a.exe', 'A.EXE', 'a.sh', 'a.png.exe']),
        (fs.DisallowAll(), [], ['a.png', 'a']),
        (fs.NONE, [], ['a.png', 'a']),
        (fs.IMAGES, ['a.png', 'A.JPG'], ['a.pdf', 'a', 'png']),
        (fs.IMAGES + ['pdf'], ['a.png', 'a.pdf'], ['a.exe']),
        (STORAGE, ['a.png', 'A.PNG', 'a.pdf'], ['a.exe', 'a.gif', 'a']),
    ],
    ids=repr,
)
@pytest.mark.parametrize('field', [FileField, MultipleFileField])
def test_file_allowed_takes_what_the_types_take(
    app: Flask, allowed: Any, good: list[str], bad: list[str], field: type[Any]
) -> None:
    assert {name: [] for name in good} == {name: errors(app, allowed, name, field=field) for name in good}
    for name in bad:
        assert 'does not have an approved extension' in errors(app, allowed, name, field=field)[0]


def test_each_of_several_files_is_looked_at(app: Flask) -> None:
    for allowed in (STORAGE, fs.AllExcept(['exe']), fs.IMAGES):
        assert errors(app, allowed, 'a.png', 'b.png', field=MultipleFileField) == []
        assert errors(app, allowed, 'a.png', 'b.exe', 'c.png', field=MultipleFileField)


def test_nothing_chosen_is_for_file_required(app: Flask) -> None:
    assert errors(app, fs.ALL) == ['This field is required.']
