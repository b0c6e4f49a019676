"""Applications that share a storage object and a model."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, docs
from flask import Flask
from sqlalchemy.orm import Session

import flask_fs as fs


@pytest.fixture
def apps() -> list[Flask]:
    """Two applications, each with files of its own in memory."""
    apps = [Flask('one'), Flask('two')]
    for app in apps:
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, docs)
    return apps


@pytest.fixture
def engines_of(apps: list[Flask], engines: Callable[..., sa.Engine], tmp_path: Any) -> list[sa.Engine]:
    """A database of each application, with a row that has a file of the same name."""
    made = []
    for app in apps:
        made.append(engine := engines(f'sqlite:///{tmp_path}/{app.name}.db'))
        Base.metadata.create_all(engine)
        with app.app_context(), Session(engine) as session:
            session.add(doc := Doc(id=1))
            doc.file.save(io.BytesIO(app.name.encode()), 'a.txt')
            session.commit()
    return made


def stored(apps: list[Flask]) -> list[list[str]]:
    """The files of each application."""
    found = []
    for app in apps:
        with app.app_context():
            found.append(sorted(docs.list_files()))
    return found


@pytest.mark.parametrize('change', ['replace', 'remove', 'delete the row'])
@pytest.mark.parametrize('ends', ['within', 'outside', 'within the other one'])
@pytest.mark.parametrize('commits', [True, False])
def test_each_application_removes_its_own_files(
    apps: list[Flask], engines_of: list[sa.Engine], change: str, ends: str, commits: bool
) -> None:
    with Session(engines_of[0]) as session:
        with apps[0].app_context():
            doc = session.get(Doc, 1)
            assert doc is not None
            if change == 'replace':
                doc.file.save(io.BytesIO(), 'b.txt')
            elif change == 'remove':
                doc.file = None
            else:
                session.delete(doc)
            session.flush()
            if ends == 'within':
                session.commit() if commits else session.rollback()
        with apps[1].app_context() if ends == 'within the other one' else contextlib.nullcontext():
            session.commit() if commits else session.rollback()
    after = (['b.txt'] if change == 'replace' else []) if commits else ['a.txt']
    assert stored(apps) == [after, ['a.txt']]
