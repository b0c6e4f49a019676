"""Files of rows in several tables, or with unusual keys."""

from __future__ import annotations

import io
from typing import Any

import sqlalchemy as sa
from doc_rows import docs, save, stored
from session_rows import Base, new
from sqlalchemy.orm import Mapped, Session, mapped_column

from flask_fs_sqlalchemy import FileColumn, FileListColumn


class Item(Base):
    __tablename__ = 'item'
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    cover: Mapped[Any] = mapped_column(
        FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True, deferred=True
    )
    __mapper_args__ = {'polymorphic_on': 'kind', 'polymorphic_identity': 'item'}  # noqa: RUF012  # as SQLAlchemy has it


class Book(Item):
    __tablename__ = 'book'
    id: Mapped[int] = mapped_column(sa.ForeignKey('item.id'), primary_key=True)
    text: Mapped[Any] = mapped_column('body', FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    __mapper_args__ = {'polymorphic_identity': 'book'}  # noqa: RUF012  # as above


class Comic(Book):
    pictures: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    __mapper_args__ = {'polymorphic_identity': 'comic'}  # noqa: RUF012  # as above


class Place(Base):
    __tablename__ = 'place'
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)


def test_rows_of_joined_tables_are_cleaned_up(session: Session) -> None:
    comic = Comic(id=1)
    comic.cover.save(io.BytesIO(), 'cover.txt')
    comic.text.save(io.BytesIO(), 'text.txt')
    comic.pictures.new().save(io.BytesIO(), 'picture.txt')
    session.add(comic)
    session.commit()
    session.expunge_all()
    # It is loaded as a row of the first table, without what is deferred.
    item: Any = session.get(Item, 1)
    item.cover = None
    item.text.save(io.BytesIO(), 'second.txt')
    session.commit()
    assert stored() == ['picture.txt', 'second.txt']
    session.delete(item)
    session.commit()
    assert stored() == []


def test_only_the_row_with_the_whole_key_is_cleaned_up(session: Session) -> None:
    for seat in (1, 2):
        session.add(place := Place(row=1, seat=seat))
        place.file.save(io.BytesIO(), f'{seat}.txt')
    session.commit()
    session.delete(place)
    session.commit()
    assert stored() == ['1.txt']


def test_a_row_whose_key_changes_with_its_file_is_found_by_its_former_key(session: Session) -> None:
    session.add(doc := new('a.txt', id=1))
    session.commit()
    doc.id = 2
    save(doc, 'b.txt')
    session.commit()
    assert stored() == ['b.txt']
