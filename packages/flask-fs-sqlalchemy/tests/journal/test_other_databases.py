"""A journal in another database than the rows."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from fixture_types import Engines
from journal_table import Base, Note, for_session, journal, other_metadata, rows
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_fs_sqlalchemy import Journal


def test_a_journal_elsewhere_keeps_its_entries_until_after_the_commit(engine: sa.Engine, sqlite: sa.Engine) -> None:
    elsewhere = Journal(sa.MetaData(), bind=sqlite)
    with Session(engine) as session:
        bound = for_session(elsewhere, session)
        entry = bound.pending('docs', 'a.txt')
        session.add(Note(text='x'))
        session.flush()
        left = bound.settle([entry])
        session.commit()
        assert rows(sqlite) == [('docs', 'a.txt', 'created')]
        bound.done(left)

    assert rows(sqlite) == []
    assert rows(engine) == []


def test_a_journal_elsewhere_may_be_found_by_a_function(engine: sa.Engine, sqlite: sa.Engine) -> None:
    Journal(sa.MetaData(), bind=lambda: sqlite).of(engine).pending('docs', 'a.txt')

    assert rows(sqlite) == [('docs', 'a.txt', 'created')]


def test_a_journal_elsewhere_can_be_written_while_the_session_has_locked_sqlite(
    sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    elsewhere = engines(f'sqlite:///{tmp_path}/journal.db')
    other_metadata.create_all(elsewhere)
    bound_elsewhere = Journal(sa.MetaData(), bind=elsewhere)
    with Session(sqlite) as session:
        session.add(Note(text='x'))
        session.flush()
        bound = for_session(bound_elsewhere, session)
        entry = bound.pending('docs', 'a.txt')
        left = bound.settle([entry])
        session.commit()
        bound.done(left)

    assert rows(elsewhere) == []


def test_one_of_several_databases_of_a_session_settles_after_the_commit(
    sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    """Two databases are not committed together, so a crash between their commits must leave a note."""

    class OtherBase(DeclarativeBase):
        pass

    class Other(OtherBase):
        __tablename__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)

    second = engines(f'sqlite:///{tmp_path}/second.db')
    OtherBase.metadata.create_all(second)
    with Session(binds={Base: sqlite, OtherBase: second, journal.table: sqlite}) as session:
        bound = for_session(journal, session)
        entry = bound.pending('docs', 'a.txt')
        session.scalars(sa.select(Note)).all()
        session.add(Other())
        session.flush()
        left = bound.settle([entry])
        assert len(left) == 1
        session.commit()
        assert rows(sqlite) == [('docs', 'a.txt', 'created')]
        bound.done(left)

    assert rows(sqlite) == []


def test_without_a_connection_entries_are_kept_until_they_are_done(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    left = bound.settle([bound.pending('docs', 'a.txt'), bound.pending('docs', 'b.txt')])
    assert len(rows(engine)) == 2
    bound.done(left)

    assert rows(engine) == []
