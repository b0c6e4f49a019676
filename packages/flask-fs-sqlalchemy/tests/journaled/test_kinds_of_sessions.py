"""Journals with sessions of every kind, and with `fs.unit()`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from journaled_rows import Base, Report, docs, entries, files, journal, outcomes, upload
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference, Journal, JournalError, init_app


def test_an_application_of_flask_sqlalchemy_with_a_journal(app: Flask, tmp_path: Path) -> None:
    app.config.update(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/app.db')

    db = SQLAlchemy()

    class Page(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference] = mapped_column(FileColumn(docs, on_replace='remove'), nullable=True)

    pages = Journal(db.metadata)
    db.init_app(app)
    init_app(app, db, journal=pages, models=[Page])
    db.create_all()

    @app.post('/')
    def create() -> str:
        page = Page()
        page.file.save(upload())
        db.session.add(page)
        db.session.commit()
        return str(page.id)

    @app.post('/<int:number>')
    def change(number: int) -> str:
        page = db.session.get(Page, number)
        page.file.save(upload(content=b'other'), overwrite=True)
        db.session.commit()
        return str(page.file.filename)

    client = app.test_client()
    assert client.post('/').text == '1'
    assert client.post('/1').text == 'a_1.txt'
    assert files() == ['a_1.txt']
    assert docs.read('a_1.txt') == b'other'
    assert list(pages.of(db).entries(0)) == []
    db.session.remove()
    db.engine.dispose()


def test_fs_unit_with_a_journal_leaves_no_entry(app: Flask, engine: sa.Engine) -> None:
    with fs.unit(journal=journal.of(engine)) as unit:
        unit.save(docs, upload())
        assert entries(engine) == [('a.txt', 'created')]

    assert entries(engine) == []
    assert files() == ['a.txt']


def test_fs_unit_settles_in_the_transaction_of_a_connection(app: Flask, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        unit = fs.unit(journal=journal.of(engine))
        unit.save(docs, upload())
        connection.execute(sa.insert(Report), {'document': 'a.txt', 'title': ''})
        unit.prepare(connection)
    unit.commit()

    assert entries(engine) == []
    assert files() == ['a.txt']


@pytest.mark.server
def test_a_session_with_two_databases_settles_after_both_commits(
    app: Flask, postgres_url: str, engines: Engines, tmp_path: Path
) -> None:
    class Elsewhere(DeclarativeBase):
        pass

    class Other(Elsewhere):
        __tablename__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[FileReference] = mapped_column(FileColumn(docs), nullable=True)

    main, other = engines(postgres_url), engines(f'sqlite:///{tmp_path}/other.db')
    Base.metadata.create_all(main)
    Elsewhere.metadata.create_all(other)
    made = sessionmaker(binds={Base: main, Elsewhere: other, journal.table: main})
    init_app(app, made, journal=journal, models=[Base, Elsewhere])
    with made() as session:
        rows = Report(), Other()
        session.add_all(rows)
        for row, name in zip(rows, ('a.txt', 'b.txt'), strict=True):
            row.document.save(upload(name))
        noted: list[Any] = []
        sa.event.listen(other, 'commit', lambda connection: noted.append(sorted(entries(main))))
        session.commit()

    assert noted[0] == [('a.txt', 'created'), ('b.txt', 'created')]
    assert entries(main) == []
    assert outcomes(app) == {}
    assert files() == ['a.txt', 'b.txt']


def test_an_async_session_has_a_journal_too(app: Flask, tmp_path: Path, engines: Engines) -> None:
    url = f'sqlite:///{tmp_path}/async.db'
    sync = engines(url)
    Base.metadata.create_all(sync)
    init_app(app, sync, journal=journal, models=[Base])

    async def run() -> list[Any]:
        engine = create_async_engine(url.replace('sqlite', 'sqlite+aiosqlite'))
        try:
            async with AsyncSession(engine) as session:
                report = Report()
                session.add(report)
                await session.run_sync(lambda _: report.document.save(upload()))
                noted = entries(sync)
                await session.flush()
                with pytest.raises(JournalError, match='has written'):
                    await session.run_sync(lambda _: report.document.save(upload('b.txt')))
                await session.commit()
                return noted
        finally:
            await engine.dispose()

    assert asyncio.run(run()) == [('a.txt', 'created')]
    assert entries(sync) == []
    assert files() == ['a.txt']
