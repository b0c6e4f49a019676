"""Applications that share a storage object and a model, and maybe the location of the files or the journal."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, docs, journal, save
from fixture_types import Engines
from flask import Flask
from sqlalchemy.orm import Session

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import JournalError, init_app


@pytest.fixture
def apps() -> list[Flask]:
    """Two applications, each with files of its own in memory."""
    apps = [Flask('one'), Flask('two')]
    for app in apps:
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, docs)
    return apps


@pytest.fixture
def engines_of(apps: list[Flask], engines: Engines, tmp_path: Any) -> list[sa.Engine]:
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


# --- Applications that also share the location of the files.


@pytest.fixture
def sharing(tmp_path: Path) -> list[Flask]:
    """Two applications that keep their files in the same folder."""
    apps = [Flask('one'), Flask('two')]
    for app in apps:
        app.config['FS_ROOT'] = str(tmp_path)
        fs.init_app(app, docs)
    return apps


@pytest.fixture
def own(sharing: list[Flask], engines: Engines, tmp_path: Path) -> list[sa.Engine]:
    """The database of each of them, with its own journal."""
    made = []
    for app in sharing:
        made.append(engine := engines(f'sqlite:///{tmp_path}/{app.name}.db'))
        Base.metadata.create_all(engine)
        init_app(app, engine, journal=journal, models=[Base])
    return made


@pytest.fixture
def common(sharing: list[Flask], engine: sa.Engine) -> sa.Engine:
    """A database of both, with one journal."""
    for app in sharing:
        init_app(app, engine, journal=journal, models=[Base])
    return engine


def outcomes(app: Flask, **options: Any) -> dict[str, str]:
    """What gc does in *app*, and with which files."""
    return {outcome.filename: outcome.action for outcome in collect(app, older_than_s=0, **options)}


def shared(apps: list[Flask]) -> dict[str, bytes]:
    """The files of both applications, with their content."""
    with apps[0].app_context():
        return {name: docs.read(name) for name in sorted(docs.list_files())}


@pytest.mark.parametrize('commits', [True, False])
def test_gc_leaves_what_another_journal_is_about(sharing: list[Flask], own: list[sa.Engine], commits: bool) -> None:
    with sharing[1].app_context(), Session(own[1]) as session:
        session.add(doc := Doc(id=1))
        save(doc, 'b.txt')
        assert outcomes(sharing[0]) == {}
        assert shared(sharing) == {'b.txt': b'b.txt'}
        if commits:
            session.commit()
    assert outcomes(sharing[0]) == {}
    assert list(shared(sharing)) == (['b.txt'] if commits else [])


@pytest.mark.parametrize('overwrite', [True, False])
@pytest.mark.parametrize('ends', ['commit', 'rollback', 'crash'])
def test_a_name_that_the_other_application_uses_is_not_available(
    sharing: list[Flask], own: list[sa.Engine], overwrite: bool, ends: str
) -> None:
    with sharing[0].app_context(), Session(own[0]) as session:
        session.add(doc := Doc(id=1))
        save(doc, 'a.txt')
        session.commit()
    with sharing[1].app_context(), Session(own[1]) as session:
        session.add(other := Doc(id=1))
        with contextlib.nullcontext() if overwrite else pytest.raises(fs.FileExists):
            other.file.save(io.BytesIO(b'other'), 'a.txt', overwrite=overwrite)
        if ends == 'commit':
            session.commit()
        elif ends == 'crash':
            # Nothing is left in its database but the entry.
            assert outcomes(sharing[1]) == ({'a_1.txt': 'removed'} if overwrite else {})
    assert outcomes(sharing[0]) == outcomes(sharing[1]) == {}
    left = {'a_1.txt': b'other'} if overwrite and ends == 'commit' else {}
    assert shared(sharing) == {'a.txt': b'a.txt', **left}


def test_a_scan_keeps_what_is_referred_to_in_every_database_that_was_registered(
    sharing: list[Flask], own: list[sa.Engine]
) -> None:
    for app, engine in zip(sharing, own, strict=True):
        with app.app_context(), Session(engine) as session:
            session.add(doc := Doc(id=1))
            save(doc, f'{app.name}.txt')
            session.commit()
    init_app(sharing[0], own[1], journal=journal, models=[Base])
    with sharing[1].app_context(), Session(own[1]) as session:
        session.add(doc := Doc(id=2))
        save(doc, 'new.txt')
        session.commit()
        assert outcomes(sharing[0], scan=[docs]) == {}
        # Files of the application itself are still in its own journal.
        with sharing[0].app_context(), Session(own[0]) as mine, own[1].connect() as connection:
            mine.add(doc := Doc(id=2))
            save(doc, 'mine.txt')
            assert connection.scalar(sa.select(sa.func.count()).select_from(journal.table)) == 0
            mine.commit()
    assert list(shared(sharing)) == ['mine.txt', 'new.txt', 'one.txt', 'two.txt']
    # The other application knows one database only.
    found = outcomes(sharing[1], scan=[docs], dry_run=True)
    assert found == {'mine.txt': 'removed', 'one.txt': 'removed'}


@pytest.mark.parametrize('is_committed', [True, False])
def test_applications_with_the_same_rows_share_a_journal(
    sharing: list[Flask], common: sa.Engine, is_committed: bool
) -> None:
    with sharing[1].app_context(), Session(common) as session:
        session.add(doc := Doc(id=1))
        save(doc, 'b.txt')
        if is_committed:
            session.commit()
            doc.file.save(io.BytesIO(b'c.txt'), 'c.txt')
            session.commit()
            assert outcomes(sharing[0]) == {}
        else:
            assert outcomes(sharing[0]) == {'b.txt': 'removed'}
            with pytest.raises(JournalError, match='claimed'):
                session.commit()
    assert outcomes(sharing[0], scan=[docs]) == outcomes(sharing[1], scan=[docs]) == {}
    assert list(shared(sharing)) == (['c.txt'] if is_committed else [])


_OTHER_PROCESS = """
import io, sys
import sqlalchemy as sa
from doc_rows import Base, Doc, docs, journal, save
from flask import Flask
from sqlalchemy.orm import Session
import flask_fs as fs
from flask_fs_sqlalchemy import init_app

app = Flask('two')
app.config['FS_ROOT'] = sys.argv[1]
fs.init_app(app, docs)
engine = sa.create_engine(f'sqlite:///{sys.argv[1]}/two.db')
Base.metadata.create_all(engine)
init_app(app, engine, journal=journal, models=[Base])
with app.app_context(), Session(engine) as session:
    session.add(doc := Doc(id=1))
    save(doc, 'b.txt')
    print('stored', flush=True)
    sys.stdin.readline()
    session.commit()
engine.dispose()
"""


@pytest.mark.slow
def test_gc_leaves_what_another_process_is_storing(sharing: list[Flask], own: list[sa.Engine], tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, '-c', _OTHER_PROCESS, str(tmp_path)],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'stored\n'
        assert outcomes(sharing[0]) == {}
        process.communicate('go on\n')
    assert process.returncode == 0
    assert outcomes(sharing[0]) == outcomes(sharing[1]) == {}
    assert shared(sharing) == {'b.txt': b'b.txt'}
