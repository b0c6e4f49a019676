"""A journal without files, and helpers that read its table."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_fs_sqlalchemy import Journal
from flask_fs_sqlalchemy.bound_journal import SessionJournal


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = 'note'

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))


journal = Journal(Base.metadata)
other_metadata = sa.MetaData()
other_journal = Journal(other_metadata)


def for_session(given: Journal, session: Session) -> SessionJournal:
    """The journal for *session*."""
    return SessionJournal(given, session, session.bind)


def rows(engine: sa.Engine, table: sa.Table = journal.table) -> list[tuple[str, str, str]]:
    """What is in the journal: storage, filename and action."""
    columns = table.c.storage, table.c.filename, table.c.action
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.c.id))]


def statements(engine: sa.Engine) -> list[str]:
    """The first word of each statement that *engine* executes from now on."""
    seen: list[str] = []
    # An executemany is one statement.
    sa.event.listen(engine, 'before_cursor_execute', lambda c, cursor, text, *_: seen.append(text.split()[0]))
    return seen
