"""The statements that a journal adds to those of a session."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from journaled_rows import Base, Report, Statements, docs, entries, files, settled, upload
from sqlalchemy.orm import Session, sessionmaker

from flask_fs_sqlalchemy import init_app


def test_a_file_is_noted_before_its_bytes_are_stored(
    engine: sa.Engine, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Any] = []
    backend_class = type(docs.backend)
    save = backend_class._put

    def put(self: Any, *args: Any, **kwargs: Any) -> Any:
        noted.append(entries(engine))
        return save(self, *args, **kwargs)

    monkeypatch.setattr(backend_class, '_put', put)
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload())
        session.commit()

    assert noted == [[('a.txt', 'created')]]
    assert entries(engine) == []
    assert files() == ['a.txt']


def test_a_first_file_costs_one_insert_and_what_settles_it(
    engine: sa.Engine, sessions: sessionmaker[Session], statements: Statements
) -> None:
    with sessions() as session:
        report = Report()
        report.document.save(upload())
        assert statements.take() == ['INSERT journal']
        session.add(report)
        session.commit()
        assert statements.take() == ['INSERT', *settled(engine)]


def test_several_files_are_settled_at_once(
    engine: sa.Engine, sessions: sessionmaker[Session], statements: Statements
) -> None:
    with sessions() as session:
        for number in range(3):
            report = Report()
            session.add(report)
            report.document.save(upload(f'{number}.txt'))
        assert statements.take() == ['INSERT journal'] * 3
        session.commit()
        seen = statements.take()
        assert [each for each in seen if 'journal' in each] == settled(engine)


def test_a_replaced_file_costs_one_insert_and_one_delete_more(
    engine: sa.Engine, sessions: sessionmaker[Session], statements: Statements
) -> None:
    with sessions() as session:
        report = Report()
        report.document.save(upload('a.txt'))
        session.add(report)
        session.commit()
        assert report.id
        statements.take()
        report.document.save(upload('b.txt'))
        assert [each for each in statements.take() if 'journal' in each] == ['INSERT journal']
        session.commit()
        seen = [each for each in statements.take() if 'journal' in each]

    assert seen == [*settled(engine)[:1], 'INSERT journal', *settled(engine)[1:], 'DELETE journal']
    assert files() == ['b.txt']
    assert entries(engine) == []


def test_a_deleted_row_costs_one_insert_and_one_delete(
    engine: sa.Engine, sessions: sessionmaker[Session], statements: Statements
) -> None:
    with sessions() as session:
        report = Report()
        report.document.save(upload())
        session.add(report)
        session.commit()
        session.delete(report)
        statements.take()
        session.commit()
        seen = [each for each in statements.take() if 'journal' in each]

    assert seen == ['INSERT journal', 'DELETE journal']
    assert files() == []
    assert entries(engine) == []


def test_rows_without_new_files_cost_nothing(
    engine: sa.Engine, sessions: sessionmaker[Session], statements: Statements
) -> None:
    with sessions() as session:
        session.add(Report(title='x', document='a.txt'))
        session.commit()
        session.scalars(sa.select(Report)).one().title = 'y'
        session.commit()

    assert [each for each in statements.take() if 'journal' in each] == []


def test_without_a_journal_there_is_no_statement_more(app: Flask, engine: sa.Engine, statements: Statements) -> None:
    init_app(app, engine, models=[Base])
    with Session(engine) as session:
        report = Report()
        report.document.save(upload())
        session.add(report)
        session.commit()

    assert statements.take() == ['INSERT']
