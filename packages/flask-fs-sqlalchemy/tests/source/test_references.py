"""Reading all references of an application for `flask fs gc` and `flask fs fsck`."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import pytest
import sqlalchemy as sa
from report_rows import PICTURE, Base, docs, found, images, insert, raw, source_of


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
