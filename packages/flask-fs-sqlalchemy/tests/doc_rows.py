"""A model with files, for tests of what becomes of these, and helpers that compare files and rows."""

from __future__ import annotations

import io
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, ImageColumn, Journal

__all__ = ['Base', 'Doc', 'begin_explicitly', 'committed', 'docs', 'journal', 'new', 'save', 'stored']

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    picture: Mapped[Any] = mapped_column(
        ImageColumn(docs, thumbnails=[40], on_delete='remove', on_replace='remove'), nullable=True
    )


journal = Journal(Base.metadata)


def new(name: str, **values: Any) -> Doc:
    """A row without a session, with a file."""
    doc = Doc(**values)
    save(doc, name)
    return doc


def save(doc: Any, name: str) -> None:
    """Store a file for *doc*, whose content is its name."""
    doc.file.save(io.BytesIO(name.encode()), name)


def stored() -> list[str]:
    """The files in the storage."""
    return sorted(docs.list_files())


def committed(engine: sa.Engine) -> list[str]:
    """The files that rows refer to, as another session sees them."""
    with Session(engine) as other:
        rows = other.scalars(sa.select(Doc)).all()
        return sorted(name for doc in rows for each in (doc.file, doc.picture) for name in each.stored.files())


def begin_explicitly(engine: sa.Engine) -> None:
    """Make savepoints of SQLite transactional, as SQLAlchemy documents it: its driver begins no transaction for them."""
    if engine.dialect.name == 'sqlite':
        engine.dispose()
        event.listen(engine, 'connect', lambda connection, _: setattr(connection, 'isolation_level', None))
        event.listen(engine, 'begin', lambda connection: connection.exec_driver_sql('BEGIN'))
