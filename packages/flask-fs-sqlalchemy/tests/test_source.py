"""Where rows refer to files: what `flask fs gc` and `flask fs fsck` learn of a database."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    declared_attr,
    mapped_column,
    registry,
    scoped_session,
    sessionmaker,
)

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import sources_of
from flask_fs.errors import ConfigurationError
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn, ImageListColumn, Journal, init_app
from flask_fs_sqlalchemy.journals import journal_of
from flask_fs_sqlalchemy.source import RowSource

Engines = Callable[..., sa.Engine]
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


@pytest.fixture(autouse=True)
def storages(app: Flask) -> None:
    fs.init_app(app, docs, images)


@pytest.fixture
def engine(database_url: str, engines: Engines) -> sa.Engine:
    engine = engines(database_url)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    return engines(f'sqlite:///{tmp_path}/sqlite.db')


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


# --- All references.


def test_every_column_of_files_is_looked_through(engine: sa.Engine) -> None:
    insert(
        engine,
        document={'filename': 'a.txt'},
        picture=PICTURE,
        files=[{'filename': 'b.txt'}, 'c.txt'],
        pictures=[{'filename': 'b.png'}],
        legacy='d.txt',
    )

    assert found(source_of(engine)) == [
        ('document of Report 1', 'docs', 'a.txt'),
        ('files[0] of Report 1', 'docs', 'b.txt'),
        ('files[1] of Report 1', 'docs', 'c.txt'),
        ('legacy of Report 1', 'docs', 'd.txt'),
        ('picture of Report 1', 'images', 'a.png'),
        ('pictures[0] of Report 1', 'images', 'b.png'),
    ]


def test_all_files_of_a_picture_are_in_its_reference(engine: sa.Engine) -> None:
    insert(engine, picture=PICTURE)
    [reference] = source_of(engine).references()

    assert sorted(reference.stored.files()) == ['a-100.png', 'a-30.png', 'a-original.png', 'a.png']


def test_empty_references_are_left_out(engine: sa.Engine) -> None:
    insert(engine)
    insert(engine, document={}, files=[], pictures=[{}], legacy='')

    assert found(source_of(engine)) == []


def test_its_storages_are_those_of_its_columns(engine: sa.Engine) -> None:
    assert set(source_of(engine).storages) == {docs, images}


HOSTILE: list[Any] = [
    7,
    True,
    [],
    [[]],
    [['a.txt']],
    {'filename': 7},
    {'filename': '../a'},
    {'filename': None, 'x': 1},
    'a\\b',
    '/',
]


@pytest.mark.parametrize('value', HOSTILE, ids=repr)
def test_a_hostile_value_breaks_nothing(engine: sa.Engine, value: Any) -> None:
    insert(engine, document=value, picture=value, files=value, pictures=[value])
    insert(engine, document={'filename': 'a.txt'})
    source = source_of(engine)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        references = list(source.references())

    assert references[0].stored.filename is None or references[0].stored.filename == 'a.txt'
    assert source.referenced(docs, ['a.txt', 'b.txt']) >= {'a.txt'}
    for reference in references:
        assert source.holds(reference)


@pytest.mark.parametrize('text', ['{', '[1', '{"filename": "a.txt"', 'nul', '"a.txt', '\x01', '{"a":' * 2000, ''])
def test_what_is_no_json_in_sqlite_breaks_nothing(sqlite: sa.Engine, text: str) -> None:
    Base.metadata.create_all(sqlite)
    insert(sqlite, document={'filename': 'b.txt'})
    with sqlite.begin() as connection:
        connection.execute(sa.text('insert into report (document, files) values (:text, :text)'), {'text': text})
    source = source_of(sqlite)
    references = list(source.references())

    assert 'b.txt' in [reference.stored.filename for reference in references]
    assert source.referenced(docs, ['b.txt']) == {'b.txt'}
    assert all(source.holds(reference) for reference in references)


def test_a_malformed_value_keeps_the_files_that_it_mentions(engine: sa.Engine) -> None:
    insert(engine, document={'filename': 'a.txt', 'thumbnails': ['b.txt']}, legacy='{"filename": "c.txt"')
    insert(engine, picture={'filename': '..', 'original': 'a.png', 'thumbnails': {'x': 'b.png'}})

    source = source_of(engine)
    assert source.referenced(docs, ['a.txt', 'c.txt', 'd.txt']) == {'a.txt', 'c.txt'}
    assert source.referenced(images, ['a.png', 'b.png', 'c.png']) == {'a.png', 'b.png'}


@pytest.mark.parametrize('rows', [499, 500, 501, 1000])
def test_more_rows_than_a_page_are_read(sqlite: sa.Engine, rows: int) -> None:
    Base.metadata.create_all(sqlite)
    with sqlite.begin() as connection:
        connection.execute(sa.insert(raw), [{'document': {'filename': f'{number}.txt'}} for number in range(rows)])

    assert [name for _, _, name in found(source_of(sqlite))] == [f'{number}.txt' for number in range(rows)]


def test_rows_may_be_written_while_references_are_read(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)
    insert(sqlite, document='a.txt')
    insert(sqlite, document='b.txt')
    references = source_of(sqlite).references()
    next(references)
    insert(sqlite, document='c.txt')

    assert [reference.stored.filename for reference in references] == ['b.txt']


@pytest.mark.slow
def test_many_rows_are_read_in_bounded_memory(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)
    with sqlite.begin() as connection:
        for start in range(0, 100_000, 10_000):
            values = [{'document': {'filename': f'{number}.txt'}} for number in range(start, start + 10_000)]
            connection.execute(sa.insert(raw), values)
    source = source_of(sqlite)
    list(source.referenced(docs, ['x']))
    tracemalloc.start()
    try:
        count = sum(1 for _ in source.references())
        assert source.referenced(docs, ['5.txt', 'no.txt']) == {'5.txt'}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 100_000
    assert peak < 5 * 2**20


# --- Which of some names anything refers to.


def test_each_file_of_a_reference_is_referred_to(engine: sa.Engine) -> None:
    insert(
        engine,
        document='a.txt',
        picture=PICTURE,
        files=['b.txt', {'filename': 'c.txt'}],
        legacy='{"filename": "d.txt"}',
    )
    insert(
        engine, pictures=[{'filename': 'b.png'}, {'filename': 'c.png', 'thumbnails': {'1': 'c-1.png'}}], legacy='e.txt'
    )
    source = source_of(engine)

    text = {'a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt'}
    assert source.referenced(docs, [*text, 'no.txt', 'a', '100']) == text
    pictures = {'a.png', 'a-original.png', 'a-100.png', 'a-30.png', 'b.png', 'c.png', 'c-1.png'}
    assert source.referenced(images, [*pictures, 'no.png', 'a.txt']) == pictures


@pytest.mark.parametrize('name', sorted({'a.txt', 'b.txt', 'c.txt', 'd.txt', 'a-original.png', 'a-30.png'}))
def test_one_name_is_looked_for_too(engine: sa.Engine, name: str) -> None:
    insert(
        engine,
        document='a.txt',
        picture=PICTURE,
        files=['b.txt', {'filename': 'c.txt'}],
        legacy='{"filename": "d.txt"}',
    )

    storage = images if name.endswith('png') else docs
    assert source_of(engine).referenced(storage, [name]) == {name}
    assert source_of(engine).referenced(storage, [f'x{name}']) == set()


ODD = [
    'ä.txt',
    '😀.txt',
    "it's.txt",
    'a"b.txt',
    '100%_.txt',
    'a?b:c.txt',
    'a b/ç/{x}.txt',
    '123',
    'true',
    'null',
    '[x]',
    '$.a',
    'a*b',
]


@pytest.mark.parametrize('column', ['document', 'files', 'legacy'])
@pytest.mark.parametrize('name', ODD)
def test_any_name_is_found(engine: sa.Engine, name: str, column: str) -> None:
    form: Any = {'filename': name}
    with Session(engine) as session:
        session.add(Report(**{column: [form] if column == 'files' else form}))
        session.commit()

    assert source_of(engine).referenced(docs, [name, 'no.txt']) == {name}


@pytest.mark.parametrize('name', ['123', 'true', 'ä.txt'])
def test_a_plain_name_in_a_column_of_text_is_found(engine: sa.Engine, name: str) -> None:
    insert(engine, legacy=name)

    assert source_of(engine).referenced(docs, [name]) == {name}


def test_many_names_are_looked_for_at_once(engine: sa.Engine) -> None:
    insert(engine, files=[f'{number}.txt' for number in range(0, 600, 2)])

    names = [f'{number}.txt' for number in range(600)]
    assert source_of(engine).referenced(docs, names) == set(names[::2])


def test_no_names_are_no_query(sqlite: sa.Engine) -> None:
    """Without a table, one would fail."""
    assert source_of(sqlite).referenced(docs, []) == set()


def test_other_storages_are_no_query(sqlite: sa.Engine) -> None:
    assert source_of(sqlite).referenced(fs.Storage('other'), ['a.txt']) == set()


def test_a_column_that_reads_other_values_finds_their_files(engine: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Old(Base):
        __tablename__ = 'old'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs, reads=lambda value: f'{value["id"]}.txt'), nullable=True)

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(sa.table('old', sa.column('document', JSON))), {'document': {'id': 'a'}})

    assert RowSource(engine, models=[Old]).referenced(docs, ['a.txt', 'a']) == {'a.txt'}


# --- One reference again.


def test_a_changed_value_is_held_no_more(engine: sa.Engine) -> None:
    insert(engine, document='a.txt', files=['b.txt', 'c.txt'])
    source = source_of(engine)
    document, _, third = source.references()
    with Session(engine) as session:
        report = session.get(Report, 1)
        report.document = 'x.txt'
        del report.files[0]
        session.commit()

    assert not source.holds(document)
    assert source.holds(third)


def test_a_deleted_row_holds_nothing(engine: sa.Engine) -> None:
    insert(engine, document='a.txt')
    source = source_of(engine)
    [reference] = source.references()
    with engine.begin() as connection:
        connection.execute(sa.delete(raw))

    assert not source.holds(reference)
    assert not source.clear(reference)


def test_clearing_makes_a_reference_empty(engine: sa.Engine) -> None:
    insert(engine, document='a.txt', picture=PICTURE, legacy='b.txt')
    source = source_of(engine)

    assert [source.clear(reference) for reference in list(source.references())] == [True, True, True]
    assert {key: value for key, value in row(engine).items() if value is not None} == {'id': 1}
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).where(raw.c.document.is_(sa.null()))).scalar_one() == 1


def test_clearing_an_item_takes_it_out_of_its_list(engine: sa.Engine) -> None:
    odd = {'filename': 'c.txt', 'mine': 1}
    insert(engine, files=['a.txt', 'b.txt', odd, 7])
    source = source_of(engine)
    [second] = [each for each in source.references() if each.stored.filename == 'b.txt']

    assert source.clear(second)
    assert row(engine)['files'] == ['a.txt', odd, 7]


def test_clearing_a_malformed_list_empties_it(engine: sa.Engine) -> None:
    insert(engine, files=7, pictures='a.png')
    source = source_of(engine)

    assert all(source.clear(reference) for reference in list(source.references()))
    assert (row(engine)['files'], row(engine)['pictures']) == ([], [])


def test_a_value_that_changed_is_not_cleared(engine: sa.Engine) -> None:
    insert(engine, document='a.txt')
    source = source_of(engine)
    [reference] = source.references()
    with engine.begin() as connection:
        connection.execute(sa.update(raw).values(document='b.txt'))

    assert not source.clear(reference)
    assert row(engine)['document'] == 'b.txt'


def test_a_column_that_is_not_nullable_is_not_cleared(sqlite: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Strict(Base):
        __tablename__ = 'strict'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=False)

    Base.metadata.create_all(sqlite)
    with Session(sqlite) as session:
        session.add(Strict(document='a.txt'))
        session.commit()
    source = RowSource(sqlite, models=[Strict])
    [reference] = source.references()

    with pytest.raises(
        ConfigurationError, match=r'document of Strict 1 cannot be cleared: strict.document is not nullable'
    ):
        source.clear(reference)


# --- Models of each kind.


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


# --- The databases of an application.


class Unbound(DeclarativeBase):
    pass


class Elsewhere(Unbound):
    __tablename__ = 'elsewhere'
    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)


def test_each_kind_of_session_finds_its_database(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)
    insert(sqlite, document='a.txt')
    with sqlite.connect() as connection, Session(sqlite) as session:
        registry = scoped_session(sessionmaker(sqlite))
        for bind in (sqlite, connection, session, registry, sessionmaker(sqlite)):
            assert [name for _, _, name in found(source_of(bind))] == ['a.txt']
        registry.remove()


def test_the_databases_of_flask_sqlalchemy_are_found(app: Flask, tmp_path: Path) -> None:
    app.config.update(
        SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/main.db',
        SQLALCHEMY_BINDS={'other': f'sqlite:///{tmp_path}/other.db'},
    )

    db = SQLAlchemy()

    class Here(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    class There(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        __bind_key__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    journal = Journal(db.metadata)
    db.init_app(app)
    db.create_all()
    for given in (db, db.session):
        init_app(app, given, journal=journal, models=[Here, There])
    db.session.add_all([Here(document='a.txt'), There(document='b.txt')])
    db.session.commit()
    [source] = sources_of(app)
    assert isinstance(source, RowSource)

    assert found(source) == [('document of Here 1', 'docs', 'a.txt'), ('document of There 1', 'docs', 'b.txt')]
    assert source.journal is not None
    source.journal.pending('docs', 'c.txt')
    with db.engine.connect() as connection:
        assert connection.execute(sa.select(journal.table.c.filename)).scalars().all() == ['c.txt']
    assert not sa.inspect(db.engines['other']).has_table('fs_journal')
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()


def test_a_session_without_a_database_for_a_model_is_an_error(sqlite: sa.Engine) -> None:
    """Else its files would look as if nothing referred to them."""
    source = RowSource(sessionmaker(binds={Base: sqlite}), models=[Base, Unbound])

    with pytest.raises(ConfigurationError, match=r'no database for Elsewhere.*models='):
        source.referenced(docs, ['a.txt'])


def test_models_that_are_not_concerned_are_left_out(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)

    assert RowSource(sessionmaker(binds={Base: sqlite}), models=[Base]).referenced(docs, ['a.txt']) == set()


def test_an_asynchronous_engine_is_refused(tmp_path: Path) -> None:
    engine = create_async_engine(f'sqlite+aiosqlite:///{tmp_path}/x.db')
    with pytest.raises(TypeError, match='synchronous driver'):
        RowSource(engine)
    with pytest.raises(ConfigurationError, match='synchronous driver'):
        RowSource(engine.sync_engine, models=[Report]).referenced(docs, ['a.txt'])


def test_the_last_of_two_calls_for_one_session_counts(app: Flask, sqlite: sa.Engine) -> None:
    init_app(app, sqlite, models=[Report])
    init_app(app, sqlite, journal=Journal(sa.MetaData()), models=[Report])

    [source] = sources_of(app)
    assert source.journal is not None
    init_app(app, sqlite, models=[Report])
    assert journal_of(Report()) is None


def test_the_journal_of_a_row_is_that_of_its_model(
    app: Flask, sqlite: sa.Engine, engines: Engines, tmp_path: Path
) -> None:
    other = engines(f'sqlite:///{tmp_path}/other.db')
    init_app(app, sqlite, journal=Journal(sa.MetaData(), 'first'), models=[Base])
    init_app(app, other, journal=Journal(sa.MetaData(), 'second'), models=[Unbound])

    with Session(other) as session:
        row = Elsewhere()
        assert (journal := journal_of(row)) is not None
        assert journal.engine is other
        assert journal._journal.table.name == 'second'
        session.add(row)
        assert (journal := journal_of(row)) is not None
        assert journal._session() is session


def test_there_is_no_journal_without_an_application() -> None:
    assert journal_of(Report()) is None


# --- With `flask fs gc`.


def test_gc_removes_what_no_row_refers_to_and_keeps_the_rest(app: Flask, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata)
    Base.metadata.create_all(sqlite)
    metadata.create_all(sqlite)
    init_app(app, sqlite, journal=journal, models=[Report])
    bound = journal.of(sqlite)
    for name in ('used.txt', 'lost.txt', 'former.txt'):
        bound.pending('docs', name)
        docs.write(name, b'content')
    insert(sqlite, document='used.txt')
    outcomes = {each.filename: each.action for each in collect(app, older_than_s=0)}

    assert outcomes == {'used.txt': 'kept', 'lost.txt': 'removed', 'former.txt': 'removed'}
    assert sorted(docs.list_files()) == ['used.txt']
    assert list(bound.entries(0)) == []


def test_an_entry_of_a_storage_that_is_gone_stays(app: Flask, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata)
    Base.metadata.create_all(sqlite)
    metadata.create_all(sqlite)
    init_app(app, sqlite, journal=journal, models=[Report])
    journal.of(sqlite).pending('former', 'a.txt')

    assert [outcome.action for outcome in collect(app, older_than_s=0)] == ['unsure']
    assert len(list(journal.of(sqlite).entries(0))) == 1


def test_gc_removes_nothing_while_the_database_is_down(app: Flask, engines: Engines, sqlite: sa.Engine) -> None:
    metadata = sa.MetaData()
    journal = Journal(metadata, bind=sqlite)
    metadata.create_all(sqlite)
    init_app(app, engines('postgresql+psycopg://user@127.0.0.1:1/rows'), journal=journal, models=[Report])
    journal.of(sqlite).pending('docs', 'a.txt')
    docs.write('a.txt', b'content')

    with pytest.raises(sa.exc.OperationalError):
        list(collect(app, older_than_s=0))
    assert docs.exists('a.txt')
    assert len(list(journal.of(sqlite).entries(0))) == 1
