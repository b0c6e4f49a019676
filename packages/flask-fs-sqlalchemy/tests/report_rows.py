"""Reports with file columns of every kind, and their table without these types."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
)

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn, ImageListColumn
from flask_fs_sqlalchemy.source import RowSource

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), 'postgresql')
docs = fs.Storage('docs', fs.ALL)
images = fs.Storage('images', fs.IMAGES)


class Base(DeclarativeBase):
    pass


class Report(Base):
    __tablename__ = 'report'

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
    picture: Mapped[Any] = mapped_column(ImageColumn(images), nullable=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs), nullable=True, default=[])
    pictures: Mapped[Any] = mapped_column(ImageListColumn(images), nullable=True, default=[])
    legacy: Mapped[Any] = mapped_column(FileColumn(docs, text=True), nullable=True)


#: The same table without the types: for values as they are stored.
raw = sa.Table(
    'report',
    sa.MetaData(),
    sa.Column('id', sa.Integer, primary_key=True),
    *(sa.Column(name, JSON) for name in ('document', 'picture', 'files', 'pictures')),
    sa.Column('legacy', sa.Text),
)


PICTURE = {'filename': 'a.png', 'original': 'a-original.png', 'thumbnails': {'100': 'a-100.png', '30': 'a-30.png'}}


def source_of(engine: Any) -> RowSource:
    return RowSource(engine, models=[Report])


def insert(engine: sa.Engine, **values: Any) -> None:
    """Store a row with values as they are."""
    with engine.begin() as connection:
        connection.execute(sa.insert(raw), [{column.name: None for column in raw.c if column.name != 'id'} | values])


def row(engine: sa.Engine) -> dict[str, Any]:
    """The only row, as it is stored."""
    with engine.connect() as connection:
        return {**connection.execute(sa.select(raw)).one()._mapping}


def found(source: RowSource) -> list[tuple[str, str, str | None]]:
    return [(each.where, each.storage.name, each.stored.filename) for each in source.references()]
