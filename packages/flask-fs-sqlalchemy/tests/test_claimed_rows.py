"""Rows in transactions that are open for so long that gc claims their files, and the names of these are used again."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, committed, docs, journal, stored
from flask import Flask
from sqlalchemy.orm import Session

from flask_fs import unit_files
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import JournalError, init_app

pytestmark = pytest.mark.usefixtures('docs_in_memory')


@pytest.mark.parametrize('end', [Session.commit, Session.rollback, Session.close])
@pytest.mark.parametrize('is_first', [False, True])
def test_another_row_keeps_its_new_file_of_the_same_name(
    app: Flask, engine: sa.Engine, end: Callable[[Session], None], is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_files, 'UNCLAIMED_S', 0)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as one, Session(engine) as other:
        one.add(old := Doc(id=1))
        old.file.save(io.BytesIO(b'old'), 'a.txt')
        [outcome] = collect(app, older_than_s=0)
        assert outcome.action == 'removed'
        other.add(new := Doc(id=2))
        new.file.save(io.BytesIO(b'new'), 'a.txt')
        if is_first:
            other.commit()
        if end is Session.commit:
            with pytest.raises(JournalError, match='claimed'):
                one.commit()
            one.rollback()
        else:
            end(one)
        assert new.file.filename == 'a.txt'
        other.commit()
    assert stored() == committed(engine) == ['a.txt']
    assert docs.read('a.txt') == b'new'


@pytest.mark.parametrize('end', [Session.commit, Session.rollback, Session.close])
@pytest.mark.parametrize('is_flushed', [False, True])
def test_the_same_transaction_does_not_mistake_its_new_file_for_the_claimed_one(
    app: Flask, engine: sa.Engine, end: Callable[[Session], None], is_flushed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_flushed and engine.dialect.name == 'sqlite':
        pytest.skip('in SQLite, nothing else is written until this transaction ends')
    monkeypatch.setattr(unit_files, 'UNCLAIMED_S', 0)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        for number in (1, 2):
            session.add(doc := Doc(id=number))
            doc.file.save(io.BytesIO(b'%d' % number), 'a.txt')
            if is_flushed:
                session.flush()
            if number == 1:
                [outcome] = collect(app, older_than_s=0)
                assert outcome.action == 'removed'
        assert doc.file.filename == 'a.txt'
        if end is Session.commit:
            with pytest.raises(JournalError, match='claimed'):
                session.commit()
            session.rollback()
        else:
            end(session)
    assert stored() == committed(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(journal.table)) == 0
