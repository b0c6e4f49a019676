"""Models for the tests of sessions: folders of documents, whose files are removed with their rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from doc_rows import docs, save
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_fs_sqlalchemy import FileColumn, FileListColumn


class Base(DeclarativeBase):
    pass


class Folder(Base):
    __tablename__ = 'folder'
    id: Mapped[int] = mapped_column(primary_key=True)
    papers: Mapped[list[Doc]] = relationship(back_populates='folder', cascade='all, delete-orphan')


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    kept: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
    folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey('folder.id'))
    folder: Mapped[Folder | None] = relationship(back_populates='papers')


def new(name: str, **values: Any) -> Doc:
    """A row that no session has, with a file."""
    doc = Doc(**values)
    save(doc, name)
    return doc


def committed(engine: sa.Engine) -> list[str | None]:
    """The files that rows refer to, as another session sees them."""
    with Session(engine) as other:
        return sorted(doc.file.filename for doc in other.scalars(sa.select(Doc)) if doc.file)
