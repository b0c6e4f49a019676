"""How a journal writes, settles, and removes entries."""

from __future__ import annotations

import datetime

import pytest
import sqlalchemy as sa
from journal_table import Note, for_session, journal, rows, statements
from sqlalchemy.orm import Session


def test_a_pending_file_is_committed_at_once(engine: sa.Engine) -> None:
    journal.of(engine).pending('docs', 'a.txt')

    assert rows(engine) == [('docs', 'a.txt', 'created')]


def test_a_pending_file_costs_one_insert(engine: sa.Engine) -> None:
    seen = statements(engine)
    journal.of(engine).pending('docs', 'a.txt')

    assert seen == ['INSERT']


def test_a_pending_file_is_not_in_the_transaction_of_the_session(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.scalars(sa.select(Note)).all()
        for_session(journal, session).pending('docs', 'a.txt')
        session.rollback()

    assert rows(engine) == [('docs', 'a.txt', 'created')]


@pytest.mark.parametrize('name', ['ä/😀.txt', 'x' * 1024, '%_"\'`;--.txt', 'a?:b{}.txt', 'A.TXT '])
def test_every_filename_comes_back_as_it_is(engine: sa.Engine, name: str) -> None:
    bound = journal.of(engine)
    bound.pending('docs', name)

    assert [entry.filename for entry in bound.entries(0)] == [name]


def test_an_entry_has_the_time_at_which_it_was_written(engine: sa.Engine) -> None:
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    bound = journal.of(engine)
    entry = bound.pending('docs', 'a.txt')
    bound.renamed(entry, 'a_1.txt')
    [found] = bound.entries(0)

    assert (found.id, found.storage, found.filename, found.action) == (entry, 'docs', 'a_1.txt', 'created')
    assert before <= found.at <= datetime.datetime.now(datetime.timezone.utc)


def test_settling_is_undone_with_the_transaction_of_the_rows(joining: sa.Engine) -> None:
    with Session(joining) as session:
        bound = for_session(journal, session)
        entry = bound.pending('docs', 'a.txt')
        session.add(Note(text='x'))
        session.flush()
        assert bound.settle([entry]) == []
        session.rollback()

    assert rows(joining) == [('docs', 'a.txt', 'created')]


def test_settling_is_committed_with_the_rows_by_one_delete(joining: sa.Engine) -> None:
    with Session(joining) as session:
        bound = for_session(journal, session)
        entries = [bound.pending('docs', f'{number}.txt') for number in range(3)]
        session.add(Note(text='x'))
        session.flush()
        seen = statements(joining)
        assert bound.settle(entries) == []
        session.commit()

    assert seen == ['DELETE']
    assert rows(joining) == []


def test_a_connection_of_the_caller_settles_in_its_transaction(joining: sa.Engine) -> None:
    bound = journal.of(joining)
    entry = bound.pending('docs', 'a.txt')
    with joining.connect() as connection:
        assert bound.settle([entry], connection) == []
        connection.rollback()
        assert rows(joining) == [('docs', 'a.txt', 'created')]
        assert bound.settle([entry], connection) == []
        connection.commit()

    assert rows(joining) == []


def test_unused_files_are_noted_in_the_transaction_of_the_rows_by_one_insert(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(Note(text='x'))
        session.flush()
        seen = statements(engine)
        bound = for_session(journal, session)
        entries = bound.unused([('docs', 'a.txt'), ('docs', 'b.txt')])
        assert seen == ['INSERT']
        session.rollback()
        assert rows(engine) == []

        session.add(Note(text='x'))
        session.flush()
        entries = bound.unused([('docs', 'a.txt'), ('docs', 'b.txt')])
        session.commit()

    assert [entry.id for entry in bound.entries(0)] == sorted(entries)
    assert sorted(rows(engine)) == [('docs', 'a.txt', 'unused'), ('docs', 'b.txt', 'unused')]


def test_what_is_done_goes_by_one_delete(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    entries = [bound.pending('docs', 'a.txt'), *bound.unused([('docs', 'b.txt')])]
    seen = statements(engine)
    bound.done(entries)

    assert seen == ['DELETE']
    assert rows(engine) == []


def test_nothing_costs_no_statement(engine: sa.Engine) -> None:
    seen = statements(engine)
    with Session(engine) as session:
        for bound in (journal.of(engine), for_session(journal, session)):
            assert bound.settle([]) == []
            assert bound.unused([]) == []
            bound.done([])

    assert seen == []


def test_a_thousand_entries_are_settled_and_done(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    settled, done = ([bound.pending('docs', f'{number}.txt') for number in range(500)] for _ in range(2))
    assert len({entry.id for entry in bound.entries(0)}) == 1000
    with engine.begin() as connection:
        left = bound.settle(settled, connection)
    bound.done([*left, *done])

    assert rows(engine) == []


def test_more_than_a_thousand_entries_are_read_page_by_page_while_they_are_removed(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    written = bound.unused([('docs', f'{number}.txt') for number in range(1200)])
    found = []
    for entry in bound.entries(0):
        found.append(entry.id)
        if len(found) % 100 == 0:
            bound.done(found[-100:])

    assert found == sorted(written)
    assert rows(engine) == []


def test_young_entries_are_left_out(engine: sa.Engine) -> None:
    bound = journal.of(engine)
    bound.pending('docs', 'young.txt')
    old = bound.pending('docs', 'old.txt')
    with engine.begin() as connection:
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
        values = {'id': f'{int(past.timestamp() * 1e9):016x}{old[16:]}', 'at': past.replace(tzinfo=None)}
        connection.execute(sa.update(journal.table).where(journal.table.c.id == old).values(values))

    assert [entry.filename for entry in bound.entries(3600)] == ['old.txt']
    assert [entry.filename for entry in bound.entries(3 * 3600)] == []
