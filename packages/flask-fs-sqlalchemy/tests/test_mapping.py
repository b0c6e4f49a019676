"""Every way to map a class: its rows have references, bound to them, without a query of their own."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import pytest
from fixture_types import Database
from flask import Flask
from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    column_property,
    composite,
    declared_attr,
    deferred,
    mapped_column,
    registry,
    relationship,
    undefer,
    with_polymorphic,
)

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference, ImageColumn, ImageReference
from flask_fs_sqlalchemy.owner import owners_of
from flask_fs_sqlalchemy.tracking import mapped_classes, mapped_columns


@dataclass
class Attachment:
    """Two columns of a row."""

    file: Any
    title: str


def check(row: Any, name: str, storage: fs.Storage, new: str = 'b.txt') -> None:
    """That attribute *name* of a loaded row has its file, is bound to the row, and reports that it gets the *new* file."""
    reference = getattr(row, name)
    assert reference == FileReference(storage, 'a.txt')
    assert (reference.instance, reference.name) == (row, name)
    reference.save(io.BytesIO(b'new'), new)
    assert reference is getattr(row, name)


def stored_and_loaded(row: Any, database: Database, statements: list[str]) -> tuple[Session, Any]:
    """The same row, loaded by another session with one statement."""
    engine = database(type(row).metadata if hasattr(type(row), 'metadata') else row.table.metadata)
    with Session(engine) as session:
        session.add(row)
        session.commit()
    session = Session(engine)
    statements.clear()
    [loaded] = session.scalars(select(type(row))).all()
    assert len(statements) == 1
    return session, loaded


@pytest.fixture
def database(strict_database: Database) -> Database:
    """For metadata."""

    class Holder:
        def __init__(self, metadata: Any) -> None:
            self.metadata = metadata

    return lambda metadata: strict_database(Holder(metadata))


def test_declarative_classes(storage: fs.Storage, base: Any, database: Database, statements: list[str]) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column('document_file', FileColumn(storage))

    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)
        session.commit()
        assert row.file.filename == 'b.txt'
        assert session.scalar(select(Document.file['filename'].as_string())) == 'b.txt'


def test_dataclasses(storage: fs.Storage, database: Database, statements: list[str]) -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage), default=None)
        other: Mapped[FileReference | None] = mapped_column(FileColumn(storage), init=False)

    empty = Document()
    assert not empty.file
    assert not empty.other
    assert empty.file.instance is empty.other.instance is empty
    assert "'a.txt'" in repr(Document(file='a.txt'))
    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)
        session.commit()
        assert (row.file.filename, row.other.filename) == ('b.txt', None)


def test_imperative_classes(storage: fs.Storage, database: Database, statements: list[str]) -> None:
    mappers = registry()
    table = Table(
        'document', mappers.metadata, Column('id', Integer, primary_key=True), Column('file', FileColumn(storage))
    )

    class Document:
        def __init__(self, file: Any) -> None:
            self.document_file = file

    mappers.map_imperatively(Document, table, properties={'document_file': table.c.file})
    Document.metadata = mappers.metadata  # type: ignore[attr-defined]
    session, row = stored_and_loaded(Document('a.txt'), database, statements)
    with session:
        check(row, 'document_file', storage)
        session.commit()
        assert row.document_file.filename == 'b.txt'


def test_flask_sqlalchemy(app: Flask, storage: fs.Storage, statements: list[str]) -> None:
    db = pytest.importorskip('flask_sqlalchemy').SQLAlchemy()
    app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'
    db.init_app(app)

    class Document(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)
        file = db.Column(FileColumn(storage))

    db.create_all()
    db.session.add(Document(file='a.txt'))
    db.session.commit()
    db.session.remove()
    statements.clear()
    row = db.session.scalars(select(Document)).one()
    check(row, 'file', storage)
    assert len(statements) == 1
    db.session.commit()
    assert Document.query.one().file.filename == 'b.txt'
    db.session.remove()
    db.engine.dispose()


@pytest.mark.parametrize('joined', [False, True])
def test_inheritance(storage: fs.Storage, base: Any, database: Database, statements: list[str], joined: bool) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))
        __mapper_args__ = {'polymorphic_on': 'kind', 'polymorphic_identity': 'document'}  # noqa: RUF012

    class Page(Document):
        if joined:
            __tablename__ = 'page'
            id: Mapped[int] = mapped_column(ForeignKey('document.id'), primary_key=True)
        picture: Mapped[ImageReference | None] = mapped_column(ImageColumn(storage), nullable=True)
        __mapper_args__ = {'polymorphic_identity': 'page', 'polymorphic_load': 'inline'}  # noqa: RUF012

    engine = database(base.metadata)
    with Session(engine) as session:
        session.add_all([Document(file='a.txt'), Page(file='a.txt', picture='a.txt')])
        session.commit()
        session.expunge_all()
        statements.clear()
        document, page = session.scalars(select(Document).order_by(Document.id)).all()
        assert len(statements) == 1
        check(document, 'file', storage)
        check(page, 'file', storage, 'c.txt')
        assert page.picture.instance is page
        assert isinstance(page.picture, ImageReference)
        page.picture = 'c.png'
        session.commit()
        assert (document.file.filename, page.file.filename, page.picture.filename) == ('b.txt', 'c.txt', 'c.png')
        session.expunge_all()
        everything = with_polymorphic(Document, [Page])
        _, page = session.scalars(select(everything).order_by(everything.id)).all()
        assert page.picture.filename == 'c.png'
    assert set(owners_of(Page)) == {'file', 'picture'}
    assert set(owners_of(Document)) == {'file'}


def test_columns_of_subclasses_are_loaded_by_their_first_use(
    storage: fs.Storage, base: Any, database: Database, statements: list[str]
) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {'polymorphic_on': 'kind', 'polymorphic_identity': 'document'}  # noqa: RUF012

    class Page(Document):
        __tablename__ = 'page'
        id: Mapped[int] = mapped_column(ForeignKey('document.id'), primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))
        __mapper_args__ = {'polymorphic_identity': 'page'}  # noqa: RUF012

    with Session(database(base.metadata)) as session:
        session.add(Page(file='a.txt'))
        session.commit()
        session.expunge_all()
        statements.clear()
        row = session.scalars(select(Document)).one()
        check(row, 'file', storage)
        assert len(statements) == 2


def test_classes_that_are_mapped_again(storage: fs.Storage, database: Database, statements: list[str]) -> None:
    class Document:
        def __init__(self, file: Any) -> None:
            self.file = file

    for _ in range(2):
        mappers = registry()
        table = Table(
            'document', mappers.metadata, Column('id', Integer, primary_key=True), Column('file', FileColumn(storage))
        )
        mappers.map_imperatively(Document, table)
        assert Document('a.txt').file.filename == 'a.txt'  # type: ignore[attr-defined]
        Document.metadata = mappers.metadata  # type: ignore[attr-defined]
        session, row = stored_and_loaded(Document('a.txt'), database, statements)
        with session:
            assert row.file.instance is row
            session.delete(row)
            session.commit()
        mappers.dispose()
        assert Document not in {mapper.class_ for mapper, _, _ in mapped_columns()}


def test_concrete_inheritance(storage: fs.Storage, base: Any, database: Database, statements: list[str]) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

    class Page(Document):
        __tablename__ = 'page'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))
        __mapper_args__ = {'concrete': True}  # noqa: RUF012

    session, row = stored_and_loaded(Page(file='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)


def test_mixins(storage: fs.Storage, base: Any, database: Database, statements: list[str]) -> None:
    class WithFile:
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

        @declared_attr
        def other(self) -> Mapped[FileReference | None]:
            return mapped_column(FileColumn(storage))

    class Document(WithFile, base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)

    class Page(WithFile, base):
        __tablename__ = 'page'
        id: Mapped[int] = mapped_column(primary_key=True)

    session, row = stored_and_loaded(Page(file='a.txt', other='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)
        check(row, 'other', storage, 'c.txt')
        session.commit()
        assert (row.file.filename, row.other.filename) == ('b.txt', 'c.txt')
    assert not Document().file


def test_composites(storage: fs.Storage, base: Any, database: Database, statements: list[str]) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        attachment: Mapped[Attachment] = composite(
            mapped_column('file', FileColumn(storage), nullable=True), mapped_column('title', Text)
        )

    session, row = stored_and_loaded(Document(attachment=Attachment('a.txt', 't')), database, statements)
    with session:
        assert row.attachment.file == FileReference(storage, 'a.txt')
        row.attachment.file.save(io.BytesIO(b'new'), 'b.txt')
        session.commit()
        assert row.attachment.file.filename == 'b.txt'
        row.attachment = Attachment(row.attachment.file, 'other title')
        session.commit()
        assert (row.attachment.file.filename, row.attachment.title) == ('b.txt', 'other title')


def test_deferred_columns_are_loaded_by_their_first_use(
    storage: fs.Storage, base: Any, database: Database, statements: list[str]
) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage), deferred=True)

    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)
        assert len(statements) == 2
        session.commit()
        session.expunge_all()
        statements.clear()
        row = session.scalars(select(Document).options(undefer(Document.file))).one()
        assert (row.file.filename, row.file.instance, len(statements)) == ('b.txt', row, 1)


def test_a_deferred_column_can_be_assigned_and_saved_unloaded(
    storage: fs.Storage, base: Any, database: Database, statements: list[str]
) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file = deferred(Column(FileColumn(storage)))

    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        row.file = 'b.txt'
        session.commit()
        assert (row.file.filename, row.file.instance) == ('b.txt', row)


def test_columns_that_are_added_later(
    storage: fs.Storage, base: Any, database: Database, statements: list[str]
) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)

    Document()
    Document.file = mapped_column(FileColumn(storage), nullable=True)
    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        check(row, 'file', storage)


def test_expressions_are_references_that_are_only_read(
    storage: fs.Storage, base: Any, database: Database, statements: list[str]
) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

    copied = Document.__table__.alias()
    Document.copied = column_property(
        select(func.coalesce(copied.c.file, copied.c.file)).where(copied.c.id == Document.id).scalar_subquery()
    )
    session, row = stored_and_loaded(Document(file='a.txt'), database, statements)
    with session:
        assert row.copied == row.file
    assert set(owners_of(Document)) == {'file'}


def test_rows_of_relationships(storage: fs.Storage, base: Any, database: Database, statements: list[str]) -> None:
    class Folder(base):
        __tablename__ = 'folder'
        id: Mapped[int] = mapped_column(primary_key=True)
        documents: Mapped[list[Document]] = relationship(lazy='joined', order_by='Document.id')

    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        folder_id: Mapped[int] = mapped_column(ForeignKey('folder.id'))
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

    Folder.__annotations__.clear()
    with Session(database(base.metadata)) as session:
        session.add(Folder(documents=[Document(file='a.txt'), Document()]))
        session.commit()
        session.expunge_all()
        statements.clear()
        first, second = session.scalars(select(Folder)).unique().one().documents
        assert (first.file.instance, first.file.filename, second.file.filename) == (first, 'a.txt', None)
        assert len(statements) == 1


def test_all_columns_of_files_can_be_listed(storage: fs.Storage, base: Any) -> None:
    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

    class Other(base):
        __tablename__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)

    found = [(mapper.class_, key, files_type) for mapper, key, files_type in mapped_columns()]
    assert (Document, 'file', Document.__table__.c.file.type) in found
    assert Other not in mapped_classes
