"""Commits in two phases."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import Base, Doc, stored
from sqlalchemy.orm import Session

pytestmark = [pytest.mark.usefixtures('docs_in_memory'), pytest.mark.server]


@pytest.fixture
def engine(postgres_url: str, engines: Callable[..., sa.Engine]) -> sa.Engine:
    """A database with one row, that has a file."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(doc := Doc(id=1, title='one'))
        doc.file.save(io.BytesIO(b'old'), 'old.txt')
        session.commit()
    return engine


@pytest.mark.parametrize('prepares', [False, True])
@pytest.mark.parametrize('commits', [False, True])
def test_files_follow_a_transaction_of_two_phases(engine: sa.Engine, prepares: bool, commits: bool) -> None:
    with Session(engine, twophase=True) as session:
        doc: Any = session.get(Doc, 1)
        doc.file.save(io.BytesIO(b'new'), 'new.txt')
        session.flush()
        if prepares:
            session.prepare()
        assert stored() == ['new.txt', 'old.txt']
        session.commit() if commits else session.rollback()
    with Session(engine) as session:
        doc = session.get(Doc, 1)
        assert stored() == [doc.file.filename] == ['new.txt' if commits else 'old.txt']


def test_a_second_phase_that_fails_removes_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = engine.dialect.do_commit_twophase

    def fail(*args: Any, **options: Any) -> None:
        """Commit, and lose the answer."""
        commit(*args, **options)
        raise sa.exc.OperationalError('COMMIT PREPARED', {}, Exception('lost'))

    with Session(engine, twophase=True) as session:
        doc: Any = session.get(Doc, 1)
        doc.file.save(io.BytesIO(b'new'), 'new.txt')
        session.prepare()
        with monkeypatch.context() as patch:
            patch.setattr(engine.dialect, 'do_commit_twophase', fail)
            with pytest.raises(sa.exc.OperationalError):
                session.commit()
    assert stored() == ['new.txt', 'old.txt']
