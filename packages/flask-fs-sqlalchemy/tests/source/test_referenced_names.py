"""Finding which files rows refer to."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from report_rows import JSON, PICTURE, Report, docs, images, insert, source_of
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
)

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn
from flask_fs_sqlalchemy.source import RowSource


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
