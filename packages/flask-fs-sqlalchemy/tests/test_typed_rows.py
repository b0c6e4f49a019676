"""What an application declares and uses, as strict type checkers see it: mypy and pyright check this file."""

from __future__ import annotations

import io
from collections.abc import Callable

from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import (
    FileColumn,
    FileList,
    FileListColumn,
    FileReference,
    ImageColumn,
    ImageListColumn,
    ImageReference,
)

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = 'document'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    file: Mapped[FileReference | None] = mapped_column(
        FileColumn(
            docs,
            upload_to=lambda row: row.title,
            on_delete='remove',
            on_replace=lambda reference: reference.filename != 'x',
        )
    )
    picture: Mapped[ImageReference | None] = mapped_column(ImageColumn(docs, max_size=150, thumbnails=[100, 32]))
    #: There is always a reference: so it need not be declared as None.
    known: Mapped[FileReference] = mapped_column(FileColumn(docs), nullable=True)
    files: Mapped[FileList[FileReference]] = mapped_column(FileListColumn(docs))
    pictures: Mapped[FileList[ImageReference]] = mapped_column(ImageListColumn(docs, thumbnails=[32]))


class DataBase(MappedAsDataclass, DeclarativeBase):
    pass


class Page(DataBase):
    __tablename__ = 'page'
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    file: Mapped[FileReference | None] = mapped_column(FileColumn(docs), default=None)


def test_types_of_attributes_and_queries(app: Flask, database: Callable[..., Engine]) -> None:
    fs.init_app(app, docs)
    row = Document(title='x')
    row.known.save(io.BytesIO(b'text'), 'known.txt')
    row.files.new().save(io.BytesIO(b'text'), 'a.txt')
    row.files.append('b.txt')
    row.file = FileReference(docs, 'c.txt')
    with Session(database(Base)) as session:
        session.add(row)
        session.commit()

        reference: FileReference | None = row.file
        assert reference is not None
        picture: ImageReference | None = row.picture
        assert picture is not None
        url: str | None = picture.best_url(32)
        assert url is None
        names: list[str | None] = [item.filename for item in row.files]
        assert names == ['a.txt', 'b.txt']
        thumbnails: list[str | None] = [item.thumbnail(32) for item in row.pictures]
        assert thumbnails == []
        by_name = select(Document).where(Document.known['filename'].as_string() == 'known.txt')
        found: Document | None = session.scalars(by_name).one_or_none()
        assert found is row
        references = session.scalars(select(Document.file).where(Document.picture.is_(None))).all()
        assert [given.filename for given in references if given is not None] == ['c.txt']
        row.file = None
        row.files.clear()
        session.commit()
        assert not row.file


def test_types_of_dataclasses() -> None:
    page = Page()
    file: FileReference | None = page.file
    assert file is not None
    assert Page(file=FileReference(docs, 'a.txt')).file == FileReference(docs, 'a.txt')
