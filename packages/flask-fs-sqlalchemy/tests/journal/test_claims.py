"""Entries that `flask fs gc` claims while transactions settle them."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from journal_table import Base, Note, for_session, journal, rows, statements
from sqlalchemy.orm import Session

from flask_fs_sqlalchemy.bound_journal import JournalError


def backdated(engine: sa.Engine, entry: str) -> str:
    """The id of *entry*, the only one, after it was made decades old."""
    old = f'{1:016x}{entry[16:]}'
    past = datetime.datetime.fromtimestamp(0, datetime.timezone.utc).replace(tzinfo=None)
    with engine.begin() as connection:
        connection.execute(sa.update(journal.table).values(id=old, at=past))
    return old


def test_what_gc_has_claimed_cannot_be_committed(engine: sa.Engine) -> None:
    with Session(engine) as session:
        bound = for_session(journal, session)
        entries = [bound.pending('docs', 'a.txt'), bound.pending('docs', 'b.txt')]
        assert journal.of(engine).claim(entries[1])
        session.flush()
        with pytest.raises(JournalError, match='has claimed a file of this transaction'):
            bound.settle(entries)
        session.rollback()

    assert sorted(rows(engine)) == [('docs', 'a.txt', 'created'), ('docs', 'b.txt', 'unused')]


def test_what_gc_has_claimed_cannot_be_committed_without_a_connection(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    entries = [bound.pending('docs', 'a.txt'), bound.pending('docs', 'b.txt')]
    assert bound.claim(entries[0])

    with pytest.raises(JournalError, match='has claimed'):
        bound.settle(entries)
    assert sorted(rows(engine)) == [('docs', 'a.txt', 'unused'), ('docs', 'b.txt', 'created')]


def test_what_gc_has_claimed_cannot_be_renamed(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    entry = bound.pending('docs', 'a.txt')
    assert bound.claim(entry)

    with pytest.raises(JournalError, match='has claimed'):
        bound.renamed(entry, 'b.txt')


def test_what_gc_has_claimed_is_unused_since_then_and_not_waited_for_again(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    old = backdated(engine, bound.pending('docs', 'a.txt'))
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    assert bound.claim(old)
    [found] = bound.entries(3600)

    assert (found.id, found.action) == (old, 'unused')
    assert found.at >= before
    assert not bound.claim(old)


def test_what_is_settled_cannot_be_claimed(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    entry = bound.pending('docs', 'a.txt')
    with engine.begin() as connection:
        bound.settle([entry], connection)

    assert not bound.claim(entry)


def test_what_is_about_to_be_committed_cannot_be_claimed_by_its_former_id(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    entry = bound.pending('docs', 'a.txt')
    [old] = bound.entries(0)
    [left] = bound.settle([entry])

    assert left != entry
    assert not bound.claim(entry)
    [renewed] = bound.entries(0)
    assert (renewed.id, renewed.at) == (left, old.at)


def test_what_is_about_to_be_committed_counts_as_young(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    old = backdated(engine, bound.pending('docs', 'a.txt'))
    assert [each.id for each in bound.entries(60)] == [old]
    bound.settle([old])

    assert list(bound.entries(60)) == []


@pytest.mark.server
def test_of_two_that_settle_and_claim_at_the_same_time_one_wins(postgres_url: str, engines: Engines) -> None:
    """The one that claims waits for the commit, and finds that the entry is gone."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    bound = journal.of(engine)
    entry = bound.pending('docs', 'a.txt')
    claimed: list[bool] = []
    waiting = sa.text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
    with engine.connect() as connection:
        bound.settle([entry], connection)
        thread = threading.Thread(target=lambda: claimed.append(bound.claim(entry)))
        thread.start()
        with engine.connect() as watching:
            while not watching.execute(waiting).scalar_one():
                watching.rollback()
        connection.commit()
        thread.join()

    assert claimed == [False]
    assert rows(engine) == []


@pytest.mark.server
@pytest.mark.parametrize('level', ['REPEATABLE READ', 'SERIALIZABLE'])
def test_a_transaction_with_an_older_snapshot_settles_after_its_commit(
    postgres_url: str, engines: Engines, level: Any
) -> None:
    """It does not see the entries of later files, not even to delete them."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    bound = journal.of(engine)
    first = bound.pending('docs', 'a.txt')
    with engine.connect().execution_options(isolation_level=level) as connection:
        connection.execute(sa.select(Note)).all()
        second = bound.pending('docs', 'b.txt')
        left = bound.settle([first, second], connection)
        assert len(left) == 1
        connection.commit()
    assert rows(engine) == [('docs', 'b.txt', 'created')]
    bound.done(left)

    assert rows(engine) == []


@pytest.mark.server
def test_mariadb_settles_after_the_commit(mariadb_url: str, engines: Engines) -> None:
    """One UPDATE before, one DELETE afterwards."""
    engine = engines(mariadb_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        bound = for_session(journal, session)
        entries = [bound.pending('docs', f'{number}.txt') for number in range(3)]
        session.add(Note(text='x'))
        session.flush()
        seen = statements(engine)
        left = bound.settle(entries)
        session.commit()
        bound.done(left)

    assert seen == ['UPDATE', 'DELETE']
    assert rows(engine) == []


@pytest.mark.server
@pytest.mark.parametrize('strict', [False, True])
def test_mariadb_settles_whatever_its_snapshot(mariadb_url: str, engines: Engines, strict: bool) -> None:
    engine = engines(mariadb_url)
    Base.metadata.create_all(engine)
    bound = journal.of(engine)
    with engine.connect() as connection:
        if strict:
            connection.exec_driver_sql('SET SESSION innodb_snapshot_isolation=ON')
            connection.commit()
        connection.execute(sa.select(Note)).all()
        entry = bound.pending('docs', 'b.txt')
        left = bound.settle([entry], connection)
        connection.commit()
    bound.done(left)

    assert rows(engine) == []
