"""Statements that change rows without the session's knowledge: what they leave is found by the commands."""

from __future__ import annotations

import io
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, stored
from flask import Flask, current_app
from sqlalchemy.orm import Session, sessionmaker

from flask_fs.consistency.fsck import check
from flask_fs_sqlalchemy import init_app

pytestmark = pytest.mark.usefixtures('docs_in_memory')


def found(app: Flask) -> list[tuple[str, str]]:
    """What ``flask fs fsck`` finds."""
    return [(finding.kind, finding.filename) for finding in check(app, older_than_s=0)]


def test_fsck_finds_the_missing_file_of_a_row_that_a_statement_copied(database: Any) -> None:
    engine = database(Base)
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy
    init_app(app, sessionmaker(engine), models=[Doc])
    table: Any = Doc.__table__
    with Session(engine) as session:
        session.add(doc := Doc(id=1, title='one'))
        doc.file.save(io.BytesIO(b'x'), 'a.txt')
        session.commit()
        copied = sa.select(sa.literal(2), sa.literal('two'), table.c.file)
        session.execute(sa.insert(table).from_select(['id', 'title', 'file'], copied))
        session.commit()
        assert found(app) == []
        doc.file = None
        session.commit()
    assert stored() == []
    assert found(app) == [('missing', 'a.txt')]


def test_fsck_finds_the_file_of_a_row_that_a_statement_deleted(database: Any) -> None:
    engine = database(Base)
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy
    init_app(app, sessionmaker(engine), models=[Doc])
    with Session(engine) as session:
        session.add(doc := Doc(id=1, title='one'))
        doc.file.save(io.BytesIO(b'x'), 'a.txt')
        session.commit()
        session.execute(sa.delete(Doc))
        session.commit()
    assert found(app) == [('orphan', 'a.txt')]
