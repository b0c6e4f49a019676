from __future__ import annotations

import io
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference


def test_a_file_is_stored_and_read_back(storage: fs.Storage) -> None:
    class Base(DeclarativeBase):
        pass

    class Doc(Base):
        __tablename__ = 'doc'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(storage))

    engine = create_engine('sqlite://')
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        doc = Doc()
        assert not doc.document
        doc.document.save(io.BytesIO(b'text'), 'a.txt')
        session.add(doc)
        session.commit()
        assert doc.document == FileReference(storage, 'a.txt')
        assert doc.document.read() == b'text'
    engine.dispose()


def test_a_file_cannot_be_assigned(storage: fs.Storage) -> None:
    with pytest.raises(TypeError, match=r'Store it with row\.attribute\.save\(file\)'):
        FileColumn(storage).stored(io.BytesIO())
