"""Several sessions, threads and applications at once."""

from __future__ import annotations

import asyncio
import functools
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, docs, save, stored
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import flask_fs as fs
from flask_fs.errors import BackendError
from flask_fs_sqlalchemy import FileColumn

pytestmark = pytest.mark.usefixtures('docs_in_memory')


def at_once(app: Flask, *functions: Callable[[], None]) -> None:
    """Run each function in a thread of its own, in a context of *app*."""

    def run(function: Callable[[], None]) -> None:
        with app.app_context():
            function()

    with ThreadPoolExecutor(len(functions)) as threads:
        for result in [threads.submit(run, function) for function in functions]:
            result.result()


@pytest.mark.parametrize('first', [True, False], ids=['first file', 'replacement'])
def test_of_two_sessions_that_replace_a_file_neither_leaves_it(app: Flask, engine: sa.Engine, first: bool) -> None:
    """One after the other, by what each of them remembers of the row."""
    with Session(engine) as session:
        session.add(doc := Doc(id=1))
        if not first:
            save(doc, 'a.txt')
        session.commit()
    make = sessionmaker(engine, expire_on_commit=False)
    with make() as one, make() as two:
        rows = [session.get(Doc, 1) for session in (one, two)]
        for session, row, name in zip((one, two), rows, ('b.txt', 'c.txt'), strict=True):
            session.commit()
            assert row.file.filename == (None if first else 'a.txt')
            save(row, name)
        one.commit()
        two.commit()
    assert stored() == committed(engine) == ['c.txt']


@pytest.mark.parametrize('change', ['replace', 'remove', 'delete the row'])
@pytest.mark.parametrize('policy', ['keep', 'remove'])
def test_a_row_that_was_changed_elsewhere_does_not_remove_the_file_of_another_one(
    app: Flask, engine: sa.Engine, change: str, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('on_replace', 'on_delete'):
        monkeypatch.setattr(Doc.__table__.c.file.type, name, policy)
    with Session(engine) as session:
        session.add(doc := Doc(id=1))
        save(doc, 'a.txt')
        session.commit()
    make = sessionmaker(engine, expire_on_commit=False)
    with make() as one, make() as two, make() as third:
        first, stale = (session.get(Doc, 1) for session in (one, two))
        for session in (one, two):
            session.commit()
        assert first is not None
        assert stale is not None
        first.file.save(io.BytesIO(b'first'), 'a.txt', overwrite=True)
        if change == 'replace':
            stale.file.save(io.BytesIO(b'stale'), 'a.txt', overwrite=True)
        else:
            stale.file.delete()
        if change == 'delete the row':
            two.delete(stale)
        one.commit()
        assert 'a.txt' not in stored()
        third.add(other := Doc(id=2))
        other.file.save(io.BytesIO(b'other'), 'a.txt')
        third.commit()
        two.commit()
    assert docs.read('a.txt') == b'other'
    if policy == 'remove':
        assert stored() == committed(engine)


@pytest.mark.slow
@pytest.mark.parametrize('deletes', [False, True])
def test_threads_that_change_one_row_leave_one_file(app: Flask, engine: sa.Engine, deletes: bool) -> None:
    """In each round, two threads that have loaded a row replace its file, or one of them deletes the row."""
    for number in range(50):
        with Session(engine) as session:
            session.add(doc := Doc())
            save(doc, f'{number}.txt')
            session.commit()
            key = doc.id
        both_loaded = threading.Barrier(2)

        def change(name: str, key: int = key, both_loaded: threading.Barrier = both_loaded) -> None:
            with Session(engine) as session:
                doc = session.get(Doc, key)
                assert doc.file
                both_loaded.wait(30)
                try:
                    if deletes and name == 'two':
                        session.delete(doc)
                    else:
                        save(doc, f'{key}-{name}.txt')
                    session.commit()
                except (DBAPIError, StaleDataError):
                    session.rollback()

        at_once(app, functools.partial(change, 'one'), functools.partial(change, 'two'))
        assert stored() == committed(engine)
        with Session(engine) as session:
            for doc in session.scalars(sa.select(Doc)):
                assert doc.file.exists()


def test_scoped_sessions_in_threads_have_units_of_their_own(app: Flask, engine: sa.Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    both_saved = threading.Barrier(2)

    def run(name: str, commits: bool) -> None:
        save(doc := Doc(), name)
        scoped.add(doc)
        both_saved.wait(30)
        if commits:
            scoped.commit()
        scoped.remove()

    at_once(app, functools.partial(run, 'a.txt', True), functools.partial(run, 'b.txt', False))
    assert stored() == committed(engine) == ['a.txt']


# --- Stores that are down.


class Down(Exception):
    """What a store raises that cannot be reached."""


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the store refuse to remove files."""

    def fail(*_: Any, **__: Any) -> None:
        raise BackendError(storage='docs', reason='it is down')

    def down() -> None:
        for verb in ('remove', 'delete_many'):
            monkeypatch.setattr(docs, verb, fail)

    return down


def test_a_store_that_is_down_after_the_commit_keeps_the_replaced_file(
    engine: sa.Engine, down: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    with Session(engine) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        session.commit()
        save(doc, 'b.txt')
        down()
        session.commit()
    assert committed(engine) == ['b.txt']
    assert stored() == ['a.txt', 'b.txt']
    assert "'a.txt' stays in storage 'docs', and nothing refers to it" in caplog.text


def test_a_store_that_is_down_at_the_roll_back_keeps_the_new_file(
    engine: sa.Engine, down: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    with Session(engine) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        down()
        session.rollback()
        session.commit()
    assert committed(engine) == []
    assert stored() == ['a.txt']
    assert "'a.txt' stays in storage 'docs', and nothing refers to it" in caplog.text


def test_a_store_that_is_down_when_a_file_is_saved_changes_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BackendError(storage='docs', reason='it is down')

    with Session(engine) as session:
        session.add(doc := Doc())
        save(doc, 'a.txt')
        session.commit()
        monkeypatch.setattr(docs, 'save', fail)
        with pytest.raises(BackendError):
            save(doc, 'b.txt')
        session.commit()
        assert doc.file.filename == 'a.txt'
    assert stored() == committed(engine) == ['a.txt']


# --- Applications.


def test_sessions_may_end_outside_of_the_application_of_their_files(engine: sa.Engine) -> None:
    apps = [Flask('one'), Flask('two')]
    for app in apps:
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, docs)
    sessions = [Session(engine), Session(engine)]
    for app, session in zip(apps, sessions, strict=True):
        with app.app_context():
            session.add(doc := Doc())
            save(doc, f'{app.name}.txt')
            session.flush() if app.name == 'two' or engine.dialect.name != 'sqlite' else None
    one, two = sessions
    two.rollback()
    one.commit()
    for session in sessions:
        session.close()
    listed = []
    for app in apps:
        with app.app_context():
            listed.append(stored())
    assert listed == [['one.txt'], []]


db = SQLAlchemy()


class Page(db.Model):  # type: ignore[name-defined,misc]  # a class that is made by an attribute
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_replace='remove'), nullable=True)


def test_flask_sqlalchemy_removes_what_a_request_does_not_commit() -> None:
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI='sqlite://', FS_BACKEND='memory', TESTING=True)
    db.init_app(app)
    fs.init_app(app, docs)

    @app.post('/<name>')
    def upload(name: str) -> str:
        page = Page()
        db.session.add(page)
        page.file.save(io.BytesIO(), name)
        db.session.flush()
        if name == 'a.txt':
            db.session.commit()
        assert name in docs
        return ''

    with app.app_context():
        db.create_all()
    for name in ('a.txt', 'b.txt'):
        assert app.test_client().post(f'/{name}').status_code == 200
    with app.app_context():
        assert stored() == ['a.txt']
        for engine in db.engines.values():
            engine.dispose()


def test_async_sessions_do_the_same(tmp_path: Any) -> None:
    async def run() -> None:
        engine = create_async_engine(f'sqlite+aiosqlite:///{tmp_path}/rows.sqlite')
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine, expire_on_commit=False) as session:
            session.add(doc := Doc())
            save(doc, 'a.txt')
            await session.commit()
            save(doc, 'b.txt')
            await session.flush()
            await session.rollback()
            assert stored() == ['a.txt']
            await session.refresh(doc)
            async with session.begin_nested():
                await session.run_sync(lambda _: save(doc, 'c.txt'))
            await session.commit()
            assert stored() == ['c.txt']
            session.add(other := Doc())
            save(other, 'd.txt')
            await session.flush()
        assert stored() == ['c.txt']
        await engine.dispose()

    asyncio.run(run())


def test_an_async_commit_that_is_canceled_removes_nothing(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        engine = create_async_engine(f'sqlite+aiosqlite:///{tmp_path}/rows.sqlite')
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

        def canceled(_: Any) -> None:
            raise asyncio.CancelledError

        async with AsyncSession(engine) as session:
            session.add(doc := Doc())
            save(doc, 'a.txt')
            await session.flush()
            engine.sync_engine.dialect.do_commit = canceled  # type: ignore[method-assign]
            with pytest.raises(asyncio.CancelledError):
                await session.commit()
        assert stored() == ['a.txt']
        await engine.dispose()

    asyncio.run(run())
    assert "'a.txt' in storage 'docs' was created, and stays" in caplog.text
