"""References in models of every kind."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from report_rows import docs, found
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    declared_attr,
    mapped_column,
    registry,
)

from flask_fs_sqlalchemy import FileColumn
from flask_fs_sqlalchemy.source import RowSource


def test_the_columns_of_a_hierarchy_are_read_once_each(engine: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = 'person'
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        photo: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
        __mapper_args__ = {'polymorphic_on': 'kind', 'polymorphic_identity': 'person'}  # noqa: RUF012

    class Author(Person):
        """In a table of its own."""

        __tablename__ = 'author'
        id: Mapped[int] = mapped_column(sa.ForeignKey(Person.id), primary_key=True)
        contract: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
        __mapper_args__ = {'polymorphic_identity': 'author'}  # noqa: RUF012

    class Guest(Person):
        """In the table of all."""

        ticket: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
        __mapper_args__ = {'polymorphic_identity': 'guest'}  # noqa: RUF012

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Person(photo='a.txt'))
        session.flush()
        session.add(Author(photo='b.txt', contract='c.txt'))
        session.flush()
        session.add(Guest(photo='d.txt', ticket='e.txt'))
        session.commit()
    source = RowSource(engine, models=[Base])

    assert sorted(found(source)) == [
        ('contract of Author 2', 'docs', 'c.txt'),
        ('photo of Person 1', 'docs', 'a.txt'),
        ('photo of Person 2', 'docs', 'b.txt'),
        ('photo of Person 3', 'docs', 'd.txt'),
        ('ticket of Guest 3', 'docs', 'e.txt'),
    ]
    assert source.referenced(docs, ['c.txt', 'e.txt', 'x.txt']) == {'c.txt', 'e.txt'}
    assert all(source.clear(reference) for reference in list(source.references()))
    assert found(source) == []


def test_mixins_composite_keys_and_other_names_of_columns_are_read(engine: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class WithFile:
        @declared_attr
        def document(self) -> Mapped[Any]:
            return mapped_column('doc', FileColumn(docs), nullable=True)

    class First(WithFile, Base):
        __tablename__ = 'first'
        year: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column('key', sa.String(20), primary_key=True)

    Base.metadata.create_all(engine)
    keys = [(year, f'{number:02}') for year in range(30) for number in range(20)]
    with Session(engine) as session:
        session.add_all([First(year=year, name=name, document=f'{year}/{name}.txt') for year, name in reversed(keys)])
        session.commit()
    source = RowSource(engine, models=[WithFile])

    assert [name for _, _, name in found(source)] == [f'{year}/{name}.txt' for year, name in keys]
    assert found(source)[-1][0] == 'document of First 29, 19'
    assert source.clear(next(source.references()))
    assert len(found(source)) == len(keys) - 1


def test_classes_that_are_mapped_imperatively_are_read(sqlite: sa.Engine) -> None:
    mappers = registry()
    table = sa.Table(
        'plain', mappers.metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('file', FileColumn(docs))
    )

    class Plain:
        id: int
        document: Any

    mappers.map_imperatively(Plain, table, properties={'document': table.c.file})
    mappers.metadata.create_all(sqlite)
    with Session(sqlite) as session:
        plain = Plain()
        plain.document = 'a.txt'
        session.add(plain)
        session.commit()

    assert found(RowSource(sqlite, models=[Plain])) == [('document of Plain 1', 'docs', 'a.txt')]


def test_a_table_that_is_mapped_twice_is_read_once(sqlite: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Whole(Base):
        __tablename__ = 'whole'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    class Part(Base):
        __table__ = Whole.__table__
        __mapper_args__ = {'include_properties': ['id', 'document']}  # noqa: RUF012

    Base.metadata.create_all(sqlite)
    with Session(sqlite) as session:
        session.add(Whole(document='a.txt'))
        session.commit()

    assert [name for _, _, name in found(RowSource(sqlite, models=[Base]))] == ['a.txt']


def test_a_class_that_is_mapped_to_a_selection_is_read_from_its_table(sqlite: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    table = sa.Table(
        'all', Base.metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('document', FileColumn(docs))
    )

    class Some(Base):
        __table__ = sa.select(table).where(table.c.id > 1).subquery()
        __mapper_args__ = {'primary_key': [__table__.c.id]}  # noqa: RUF012

    Base.metadata.create_all(sqlite)
    with sqlite.begin() as connection:
        connection.execute(sa.insert(table), [{'document': 'a.txt'}, {'document': 'b.txt'}])

    assert {name for _, _, name in found(RowSource(sqlite, models=[Some]))} == {'a.txt', 'b.txt'}


@pytest.mark.server
def test_a_schema_is_read(postgres_url: str, engines: Engines) -> None:
    engine = engines(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql('create schema filed')

    class Base(DeclarativeBase):
        metadata = sa.MetaData(schema='filed')

    class InSchema(Base):
        __tablename__ = 'report'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(InSchema(document='a.txt'))
        session.commit()
    source = RowSource(engine, models=[InSchema])
    [reference] = source.references()

    assert source.referenced(docs, ['a.txt']) == {'a.txt'}
    assert source.clear(reference)


def test_the_file_of_a_view_has_its_whole_name(engine: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class InFolder(Base):
        __tablename__ = 'in_folder'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs.scoped('2026')), nullable=True)

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(InFolder(document='a.txt'))
        session.commit()

    assert RowSource(engine, models=[InFolder]).referenced(docs, ['a.txt', '2026/a.txt', '2026']) == {'2026/a.txt'}
