"""Clearing a reference, unless its row has changed."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from report_rows import PICTURE, Report, docs, insert, raw, row, source_of
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
)

from flask_fs.errors import ConfigurationError
from flask_fs_sqlalchemy import FileColumn
from flask_fs_sqlalchemy.source import RowSource


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
