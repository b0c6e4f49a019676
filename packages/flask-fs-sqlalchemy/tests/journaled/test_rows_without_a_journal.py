"""Rows with and without a journal in the same process."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fixture_types import Engines
from flask import Flask
from journaled_rows import Base, Report, Statements, docs
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, Journal, init_app


class Others(DeclarativeBase):
    pass


others = fs.Storage('others', fs.ALL)


class Other(Others):
    __tablename__ = 'other'
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[Any] = mapped_column(FileColumn(others, on_delete='remove', on_replace='remove'), nullable=True)


def replace_other(engine: sa.Engine) -> None:
    """Store a row without a journal, and give it another file."""
    Others.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(row := Other())
        for name in ('1.txt', '2.txt'):
            row.file.save(io.BytesIO(b'text'), name)
            session.commit()
    assert list(others.list_files()) == ['2.txt']


def test_of_two_databases_one_may_have_a_journal(app: Flask, engines: Engines, tmp_path: Path) -> None:
    one, two = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'two'))
    fs.init_app(app, others)
    journal = Journal(sa.MetaData())
    init_app(app, one, journal=journal, models=[Base])
    init_app(app, two, models=[Others])
    replace_other(two)


def test_a_journal_of_another_application_is_left_alone(engines: Engines, tmp_path: Path) -> None:
    one, two = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'two'))
    noted, other = Flask('noted'), Flask('other')
    for app, storage in ((noted, fs.Storage('noted', fs.ALL)), (other, others)):
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, storage)
    init_app(noted, one, journal=Journal(sa.MetaData()))
    with ThreadPoolExecutor(1) as thread:
        # It has no current application, as a script has none.
        thread.submit(replace_other, two).result()


def test_rows_with_a_journal_may_follow_rows_without_one(app: Flask, engines: Engines, tmp_path: Path) -> None:
    engine, elsewhere = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'journal'))
    own = Journal(sa.MetaData(), bind=elsewhere)
    own.table.metadata.create_all(elsewhere)
    fs.init_app(app, others)
    init_app(app, engine, journal=own, models=[Base])
    for base in (Base, Others):
        base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(report := Report())
        report.document.save(io.BytesIO(b'text'), '1.txt')
        session.commit()
        session.add(Other())
        session.flush()
        with session.begin_nested():
            session.delete(report)
        statements = Statements(elsewhere)
        session.commit()
    assert statements.take() == ['INSERT journal', 'DELETE journal']
    assert list(docs.list_files()) == []
