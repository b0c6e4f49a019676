"""Whose journal it is: that of the application that has the storage, and of the session's own database."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference, Journal, init_app


def shop(url: str, name: str, engines: Callable[..., Any], *, has_journal: bool) -> tuple[Any, Any, Flask, Any]:
    """A class, its engine, its application and its journal."""
    storage = fs.Storage(f'{name}s', fs.ALL)

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = 'row'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference] = mapped_column(
            FileColumn(storage, on_delete='remove', on_replace='remove'), nullable=True
        )

    app = Flask(name)
    app.config['FS_BACKEND'] = 'memory'
    fs.init_app(app, storage)
    journal = Journal(Base.metadata) if has_journal else None
    engine = engines(url)
    Base.metadata.create_all(engine)
    if has_journal:
        init_app(app, engine, journal=journal)
    return Row, engine, app, journal


def noted(engine: Any, journal: Any) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(journal.table)).all())


def test_outside_of_applications_each_row_is_in_the_journal_of_its_own(
    tmp_path: Path, engines: Callable[..., Any]
) -> None:
    one, engine, app, journal = shop(f'sqlite:///{tmp_path}/one.db', 'one', engines, has_journal=True)
    other, other_engine, other_app, _ = shop(f'sqlite:///{tmp_path}/other.db', 'other', engines, has_journal=False)
    for row_class, used in ((one, engine), (other, other_engine)):
        row = row_class()
        row.file.save(io.BytesIO(b'content'), 'a.txt')
        assert noted(engine, journal) == (row_class is one)
        with Session(used) as session:
            session.add(row)
            session.commit()
            assert noted(engine, journal) == 0
            row.file.save(io.BytesIO(b'new'), 'b.txt')
            session.commit()
            session.delete(row)
            session.commit()
    assert app is not other_app
