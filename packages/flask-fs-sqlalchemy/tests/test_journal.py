"""The journal by itself: what it writes, when, and what happens if it cannot."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from flask_fs.errors import FSError
from flask_fs_sqlalchemy.journal import Journal, JournalError, SessionJournal

Engines = Callable[..., sa.Engine]


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


@pytest.fixture
def engine(database_url: str, engines: Engines) -> sa.Engine:
    """A database with the table of the journal, and one of rows."""
    engine = engines(database_url)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture(params=['sqlite', pytest.param('postgres', marks=pytest.mark.server)])
def joining(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> sa.Engine:
    """A database in which entries are settled in the transaction of the rows."""
    url = f'sqlite:///{tmp_path}/rows.db' if request.param == 'sqlite' else request.getfixturevalue('postgres_url')
    engine = engines(url)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    """The same in SQLite. No one waits for a lock, so that a test ends at once."""
    engine = engines(f'sqlite:///{tmp_path}/other.db', connect_args={'timeout': 0})
    Base.metadata.create_all(engine)
    return engine


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


# --- What it writes.


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


# --- Another database than that of the rows.


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


# --- With `flask fs gc` at the same time.


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
    entry = bound.pending('docs', 'a.txt')
    with engine.begin() as connection:
        past = datetime.datetime.fromtimestamp(0, datetime.timezone.utc).replace(tzinfo=None)
        old = f'{1:016x}{entry[16:]}'
        connection.execute(sa.update(journal.table).values(id=old, at=past))
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
    entry = bound.pending('docs', 'a.txt')
    with engine.begin() as connection:
        past = datetime.datetime.fromtimestamp(0, datetime.timezone.utc).replace(tzinfo=None)
        old = f'{1:016x}{entry[16:]}'
        connection.execute(sa.update(journal.table).values(id=old, at=past))
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


# --- What cannot be written.


def test_without_its_table_the_error_names_the_migration(database_url: str, engines: Engines) -> None:
    engine = engines(database_url)

    with pytest.raises(
        JournalError, match=r'(?s)has no such table.*flask db migrate.*flask_fs_sqlalchemy\.migrations'
    ) as caught:
        journal.of(engine).pending('docs', 'a.txt')
    assert (caught.value.filename, caught.value.storage) == ('a.txt', 'docs')
    assert "'a.txt' was not stored in storage 'docs'" in str(caught.value)
    assert isinstance(caught.value, FSError)


def test_without_its_table_entries_are_an_error_too(database_url: str, engines: Engines) -> None:
    with pytest.raises(JournalError, match='no such table'):
        list(journal.of(engines(database_url)).entries(0))


@pytest.mark.parametrize('scheme', ['postgresql+psycopg', 'mysql+pymysql'])
def test_a_database_that_is_down_is_an_error_without_its_password(engines: Engines, scheme: str) -> None:
    engine = engines(f'{scheme}://user:secret@127.0.0.1:1/rows')

    with pytest.raises(JournalError, match="The journal 'fs_journal' cannot be used: OperationalError") as caught:
        journal.of(engine).pending('docs', 'a.txt')
    assert 'secret' not in str(caught.value)


def test_done_logs_that_the_database_is_down(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    engine = engines('postgresql+psycopg://user:secret@127.0.0.1:1/rows')
    journal.of(engine).done(['a', 'b'])

    assert "2 entries of the journal 'fs_journal' stay until the next `flask fs gc`" in caplog.text


def test_a_session_that_has_written_into_sqlite_gets_an_error_at_once(tmp_path: Path, engines: Engines) -> None:
    engine = engines(f'sqlite:///{tmp_path}/rows.db', connect_args={'timeout': 10_000})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Note(text='x'))
        session.flush()
        with pytest.raises(
            JournalError,
            match=r'the session has a transaction in this SQLite database.*has written.*before the session is flushed.*bind',
        ):
            for_session(journal, session).pending('docs', 'a.txt')
        session.commit()
        for_session(journal, session).pending('docs', 'a.txt')

    assert rows(engine) == [('docs', 'a.txt', 'created')]


def test_a_session_that_has_read_after_a_begin_gets_an_error_that_is_true(sqlite: sa.Engine) -> None:
    """SQLAlchemy's recipe for savepoints in SQLite begins each transaction, also those that only read."""

    @event.listens_for(sqlite, 'connect')
    def no_begin_of_the_driver(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(sqlite, 'begin')
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql('BEGIN')

    sqlite.dispose()
    with Session(sqlite) as session:
        for_session(journal, session).pending('docs', 'a.txt')
        session.scalars(sa.select(Note)).all()
        with pytest.raises(JournalError, match=r'or has read after a BEGIN.*before it reads.*bind') as caught:
            for_session(journal, session).pending('docs', 'b.txt')
        assert 'before it reads' in repr(caught.value)


def test_a_savepoint_in_sqlite_counts_as_written_once_it_has(sqlite: sa.Engine) -> None:
    with Session(sqlite) as session, session.begin_nested():
        session.add(Note(text='x'))
        session.flush()
        with pytest.raises(JournalError, match='has written'):
            for_session(journal, session).pending('docs', 'a.txt')


def test_the_scoped_session_of_this_thread_counts_for_rows_without_a_session(sqlite: sa.Engine) -> None:
    registry = scoped_session(sessionmaker(sqlite))
    registry.add(Note(text='x'))
    registry.flush()

    with pytest.raises(JournalError, match='has written'):
        journal.of(registry).pending('docs', 'a.txt')
    registry.remove()
    journal.of(registry).pending('docs', 'a.txt')
    registry.remove()


def test_done_does_not_wait_for_a_session_that_has_locked_sqlite(
    tmp_path: Path, engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = engines(f'sqlite:///{tmp_path}/rows.db', connect_args={'timeout': 10_000})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        bound = for_session(journal, session)
        entry = bound.pending('docs', 'a.txt')
        session.add(Note(text='x'))
        session.flush()
        bound.done([entry])
        session.commit()

    assert rows(engine) == [('docs', 'a.txt', 'created')]
    assert "1 entries of the journal 'fs_journal' stay until the next `flask fs gc`" in caplog.text


def test_another_process_that_writes_into_sqlite_is_an_error(
    sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    other = engines(sqlite.url)
    with other.begin() as connection:
        connection.execute(sa.insert(Note), {'text': 'x'})
        with pytest.raises(JournalError, match='database is locked'):
            journal.of(sqlite).pending('docs', 'a.txt')


@pytest.mark.parametrize('options', [{}, {'poolclass': sa.StaticPool}])
def test_a_database_in_memory_is_an_error(engines: Engines, options: Any) -> None:
    """Committing the journal would commit the rows of the session too."""
    engine = engines('sqlite://', **options)
    Base.metadata.create_all(engine)

    with pytest.raises(JournalError, match=r'only one connection.*in a database file.*bind=.*without journal='):
        journal.of(engine).pending('docs', 'a.txt')
    assert rows(engine) == []


def test_a_pool_without_a_second_connection_is_an_error(database_url: str, engines: Engines) -> None:
    engine = engines(database_url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.scalars(sa.select(Note)).all()
        with pytest.raises(JournalError, match='QueuePool limit'):
            for_session(journal, session).pending('docs', 'a.txt')


def test_a_session_without_a_database_is_an_error() -> None:
    with Session() as session, pytest.raises(JournalError, match='UnboundExecutionError'):
        for_session(journal, session).pending('docs', 'a.txt')


def test_a_session_in_a_transaction_of_the_caller_has_its_entries_committed_all_the_same(
    postgres_url: str, engines: Engines
) -> None:
    """As in tests that roll everything back at their end."""
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.begin()
        with Session(connection, join_transaction_mode='create_savepoint') as session:
            bound = for_session(journal, session)
            entry = bound.pending('docs', 'a.txt')
            session.add(Note(text='x'))
            session.flush()
            assert bound.settle([entry]) == []
            session.commit()
        connection.rollback()

    assert rows(engine) == [('docs', 'a.txt', 'created')]


def test_a_name_and_a_schema_are_those_of_the_table(postgres_url: str, engines: Engines) -> None:
    metadata = sa.MetaData()
    named = Journal(metadata, 'files', schema='notes')
    engine = engines(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql('create schema notes')
    metadata.create_all(engine)
    named.of(engine).pending('docs', 'a.txt')

    assert rows(engine, named.table) == [('docs', 'a.txt', 'created')]


@pytest.mark.parametrize('given', [None, 'sqlite://', object()])
def test_what_is_no_database_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match='Pass an engine, a session'):
        journal.of(given)
