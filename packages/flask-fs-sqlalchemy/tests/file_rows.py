"""A model with files, an image, and a list of files, all of which are removed when they are replaced or their row is deleted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn

docs = fs.Storage('docs', fs.ALL)

Sessions = sessionmaker[Session]


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = 'page'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20), default='')
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    image: Mapped[Any] = mapped_column(
        ImageColumn(docs, thumbnails=[20], on_delete='remove', on_replace='remove'), nullable=True
    )
    files: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'))
