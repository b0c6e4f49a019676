"""Reports whose files are recorded in a journal, and helpers that read it."""

from __future__ import annotations

import io
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import FileColumn, FileReference, Journal

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Report(Base):
    __tablename__ = 'report'

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[FileReference] = mapped_column(
        FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True
    )
    title: Mapped[str] = mapped_column(sa.String(20), default='')


journal = Journal(Base.metadata)


def upload(name: str = 'a.txt', content: bytes = b'content') -> FileStorage:
    return FileStorage(io.BytesIO(content), name)


def entries(engine: sa.Engine) -> list[tuple[str, str]]:
    """The name and the action of each entry."""
    return [(entry.filename, entry.action) for entry in journal.of(engine).entries(0)]


def files() -> list[str]:
    return sorted(docs.list_files())


def outcomes(app: Flask) -> dict[str, str]:
    return {outcome.filename: outcome.action for outcome in collect(app, older_than_s=0)}


class Statements:
    """What an engine executes: the first word of each statement, and whether it is about the journal."""

    def __init__(self, engine: sa.Engine) -> None:
        self.seen: list[str] = []
        sa.event.listen(engine, 'before_cursor_execute', self._note)

    def _note(self, connection: Any, cursor: Any, text: str, *_: Any) -> None:
        self.seen.append(f'{text.split(maxsplit=1)[0]}{" journal" if "fs_journal" in text else ""}')

    def take(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


#: What settles entries: in MariaDB, one statement before the commit and one afterwards.
SETTLED = {
    'mysql': ['UPDATE journal', 'DELETE journal'],
    'postgresql': ['DELETE journal'],
    'sqlite': ['DELETE journal'],
}
SETTLED['mariadb'] = SETTLED['mysql']


def settled(engine: sa.Engine) -> list[str]:
    return SETTLED[engine.dialect.name]
