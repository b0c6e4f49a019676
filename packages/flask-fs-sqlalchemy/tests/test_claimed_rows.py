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
