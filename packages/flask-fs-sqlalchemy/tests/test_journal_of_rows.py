"""Rows whose files are noted in a journal: what it costs, and what is left when something fails half-way."""

from __future__ import annotations

import asyncio
import gc
import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs.errors import BackendError
from flask_fs_sqlalchemy import FileColumn, FileReference, Journal, JournalError, init_app

Engines = Callable[..., sa.Engine]

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Report(Base):
    __tablename__ = 'report'

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[FileReference] = mapped_column(
        FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True
    )
    title: Mapped[str] = mapped_column(sa.String(20), default='')


journal = Journal(Base.metadata)


@pytest.fixture(autouse=True)
def storage(app: Flask) -> None:
    fs.init_app(app, docs)


@pytest.fixture
def engine(database_url: str, engines: Engines) -> sa.Engine:
    engine = engines(database_url)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    engine = engines(f'sqlite:///{tmp_path}/other.db')
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sessions(app: Flask, engine: sa.Engine) -> sessionmaker[Session]:
    """Sessions of an application with a journal."""
    made = sessionmaker(engine)
    init_app(app, made, journal=journal, models=[Base])
    return made


def upload(name: str = 'a.txt', content: bytes = b'content') -> FileStorage:
    return FileStorage(io.BytesIO(content), name)


def entries(engine: sa.Engine) -> list[tuple[str, str]]:
    """The name and the action of each entry."""
    return [(entry.filename, entry.action) for entry in journal.of(engine).entries(0)]


def files() -> list[str]:
    return sorted(docs.list_files())


def outcomes(app: Flask) -> dict[str, str]:
    return {outcome.filename: outcome.action for outcome in collect(app, older_than_s=0)}


class Statements:
    """What an engine executes: the first word of each statement, and whether it is about the journal."""

    def __init__(self, engine: sa.Engine) -> None:
        self.seen: list[str] = []
        sa.event.listen(engine, 'before_cursor_execute', self._note)

    def _note(self, connection: Any, cursor: Any, text: str, *_: Any) -> None:
        self.seen.append(f'{text.split(maxsplit=1)[0]}{" journal" if "fs_journal" in text else ""}')

    def take(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def statements(engine: sa.Engine) -> Statements:
    return Statements(engine)


#: What settles entries: in MariaDB, one statement before the commit and one afterwards.
SETTLED = {
    'mysql': ['UPDATE journal', 'DELETE journal'],
    'postgresql': ['DELETE journal'],
    'sqlite': ['DELETE journal'],
}
SETTLED['mariadb'] = SETTLED['mysql']


def settled(engine: sa.Engine) -> list[str]:
    return SETTLED[engine.dialect.name]


# --- What it costs.


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


# --- What is not committed.


def test_what_is_rolled_back_leaves_no_entry(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload())
        session.rollback()

    assert entries(engine) == []
    assert files() == []


@pytest.mark.server
def test_a_savepoint_that_is_rolled_back_leaves_no_entry(app: Flask, postgres_url: str, engines: Engines) -> None:
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        first = Report()
        session.add(first)
        first.document.save(upload('a.txt'))
        session.flush()
        nested = session.begin_nested()
        second = Report()
        session.add(second)
        second.document.save(upload('b.txt'))
        session.flush()
        nested.rollback()
        assert entries(engine) == [('a.txt', 'created')]
        session.commit()

    assert entries(engine) == []
    assert files() == ['a.txt']


def test_a_taken_name_is_noted_as_the_one_that_is_used(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    docs.write('a.txt', b'of somebody else')
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload(), overwrite=True)
        assert entries(engine) == [('a_1.txt', 'created')]
        session.rollback()

    assert files() == ['a.txt']


# --- What fails.


def test_without_the_table_nothing_is_stored(app: Flask, database_url: str, engines: Engines) -> None:
    engine = engines(database_url)
    Base.metadata.tables['report'].create(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        report = Report()
        session.add(report)
        with pytest.raises(JournalError, match=r'no such table.*flask_fs_sqlalchemy\.migrations'):
            report.document.save(upload())
        assert not report.document
        session.commit()

    assert files() == []


def test_while_the_database_is_down_nothing_is_stored(app: Flask, engines: Engines) -> None:
    init_app(app, engines('postgresql+psycopg://user@127.0.0.1:1/x'), journal=journal, models=[Base])
    report = Report()

    with pytest.raises(JournalError, match='OperationalError'):
        report.document.save(upload())
    assert not report.document
    assert files() == []


def test_a_session_that_has_written_into_sqlite_stores_nothing_and_goes_on(app: Flask, sqlite: sa.Engine) -> None:
    init_app(app, sqlite, journal=journal, models=[Base])
    with Session(sqlite) as session:
        report = Report(title='x')
        session.add(report)
        session.flush()
        with pytest.raises(JournalError, match='has a transaction in this SQLite database'):
            report.document.save(upload())
        session.commit()
        assert files() == []
        report.document.save(upload())
        session.commit()

        assert session.scalars(sa.select(Report)).one().document.filename == 'a.txt'
    assert files() == ['a.txt']
    assert entries(sqlite) == []


def test_a_journal_of_its_own_lets_a_session_in_sqlite_write_first(
    app: Flask, sqlite: sa.Engine, tmp_path: Path, engines: Engines
) -> None:
    other = engines(f'sqlite:///{tmp_path}/journal.db')
    elsewhere = Journal(sa.MetaData(), bind=other)
    elsewhere.table.create(other)
    init_app(app, sqlite, journal=elsewhere, models=[Base])
    with Session(sqlite) as session:
        report = Report(title='x')
        session.add(report)
        session.flush()
        report.document.save(upload())
        assert entries(other) == [('a.txt', 'created')]
        session.commit()

    assert files() == ['a.txt']
    assert entries(other) == []


class Connection:
    """What loses the connection while a commit is under way: before the database has it, or after."""

    def __init__(self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, *, arrived: bool) -> None:
        self.lost = False
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            if not self.lost:
                commit(connection)
                return
            self.lost = False
            if arrived:
                commit(connection)
            connection.driver_connection.close()
            raise engine.dialect.loaded_dbapi.OperationalError('server closed the connection unexpectedly')

        monkeypatch.setattr(engine.dialect, 'do_commit', do_commit)


@pytest.mark.server
@pytest.mark.parametrize('arrived', [True, False])
def test_gc_settles_a_commit_whose_outcome_is_unknown(
    app: Flask, postgres_url: str, engines: Engines, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    engine = engines(postgres_url)
    Base.metadata.create_all(engine)
    init_app(app, engine, journal=journal, models=[Base])
    with Session(engine) as session:
        report = Report()
        session.add(report)
        report.document.save(upload('old.txt'))
        session.commit()
        report.document.save(upload('new.txt'))
        Connection(engine, monkeypatch, arrived=arrived).lost = True
        with pytest.raises(sa.exc.OperationalError):
            session.commit()
    assert files() == ['new.txt', 'old.txt']
    monkeypatch.undo()
    done = outcomes(app)

    # If it arrived, the entry of the new file is settled; else that of the old one was never written.
    assert done == ({'old.txt': 'removed'} if arrived else {'new.txt': 'removed'})
    assert files() == (['new.txt'] if arrived else ['old.txt'])
    assert entries(engine) == []


def test_what_gc_has_claimed_is_not_committed(app: Flask, engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    """A transaction that is open for longer than the grace period loses its files, and no row refers to them."""
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload())
        assert outcomes(app) == {'a.txt': 'removed'}
        with pytest.raises(JournalError, match='has claimed a file of this transaction'):
            session.commit()
        session.rollback()
        assert session.scalars(sa.select(Report)).all() == []

    assert files() == []
    assert entries(engine) == []


def test_a_store_that_is_down_after_the_commit_leaves_an_entry_for_gc(
    app: Flask, engine: sa.Engine, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sessions() as session:
        report = Report()
        session.add(report)
        report.document.save(upload('old.txt'))
        session.commit()

        def down(self: Any, name: str) -> None:
            raise BackendError(name, reason='down')

        with monkeypatch.context() as patch:
            patch.setattr(type(docs.backend), '_remove', down)
            report.document.save(upload('new.txt'))
            session.commit()
        assert report.document.filename == 'new.txt'
    assert entries(engine) == [('old.txt', 'unused')]
    assert outcomes(app) == {'old.txt': 'removed'}

    assert files() == ['new.txt']
    assert entries(engine) == []


def test_a_row_that_is_dropped_leaves_no_entry(engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    from flask_fs_sqlalchemy.units import settle_forsaken

    report = Report()
    report.document.save(upload())
    assert entries(engine) == [('a.txt', 'created')]
    del report
    gc.collect()
    settle_forsaken()

    assert entries(engine) == []
    assert files() == []


def test_two_collectors_at_once_do_no_harm(app: Flask, engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    bound = journal.of(engine)
    for number in range(3):
        bound.pending('docs', f'{number}.txt')
        docs.write(f'{number}.txt', b'content')
    first = collect(app, older_than_s=0)
    next(first)
    second = list(collect(app, older_than_s=0))
    list(first)

    assert len(second) == 3
    assert files() == []
    assert entries(engine) == []


#: A process that settles what is in the journal, and says what it did.
COLLECTOR = """
import sys
from flask import Flask
import sqlalchemy as sa
import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import Journal, init_app

url, root = sys.argv[1:]
app = Flask('collector')
app.config.update(FS_ROOT=root)
fs.init_app(app, fs.Storage('docs', fs.ALL))
# SQLite has one writer at a time, and no queue: on a busy machine one may wait for long.
options = {'timeout': 10_000} if url.startswith('sqlite') else {}
init_app(app, sa.create_engine(url, connect_args=options), journal=Journal(sa.MetaData()), models=[])
print('ready', flush=True)
sys.stdin.readline()
for outcome in collect(app, older_than_s=0):
    print(outcome.action, outcome.filename, flush=True)
"""


@pytest.mark.slow
def test_processes_that_settle_a_thousand_entries_at_once_do_no_harm(
    app: Flask, engine: sa.Engine, tmp_path: Path
) -> None:
    """Half of the files are there."""
    local = Flask('local')
    local.config.update(FS_ROOT=str(tmp_path / 'fs'))
    stored = fs.Storage('docs', fs.ALL)
    fs.init_app(local, stored)
    bound = journal.of(engine)
    for number in range(1000):
        bound.pending('docs', f'{number}.txt')
    with local.app_context():
        for number in range(0, 1000, 2):
            stored.write(f'{number}.txt', b'content')
    url = engine.url.render_as_string(hide_password=False)
    line = [sys.executable, '-c', COLLECTOR, url, str(tmp_path / 'fs')]
    processes = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write('\n')
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        said += output.splitlines()

    with local.app_context():
        assert list(stored.list_files()) == []
    assert entries(engine) == []
    assert {line for line in said if line.startswith('removed')} == {
        f'removed {number}.txt' for number in range(0, 1000, 2)
    }


# --- As an application does it.


def test_an_application_of_flask_sqlalchemy_with_a_journal(app: Flask, tmp_path: Path) -> None:
    app.config.update(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/app.db')

    db = SQLAlchemy()

    class Page(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference] = mapped_column(FileColumn(docs, on_replace='remove'), nullable=True)

    pages = Journal(db.metadata)
    db.init_app(app)
    init_app(app, db, journal=pages, models=[Page])
    db.create_all()

    @app.post('/')
    def create() -> str:
        page = Page()
        page.file.save(upload())
        db.session.add(page)
        db.session.commit()
        return str(page.id)

    @app.post('/<int:number>')
    def change(number: int) -> str:
        page = db.session.get(Page, number)
        page.file.save(upload(content=b'other'), overwrite=True)
        db.session.commit()
        return str(page.file.filename)

    client = app.test_client()
    assert client.post('/').text == '1'
    assert client.post('/1').text == 'a_1.txt'
    assert files() == ['a_1.txt']
    assert docs.read('a_1.txt') == b'other'
    assert list(pages.of(db).entries(0)) == []
    db.session.remove()
    db.engine.dispose()


def test_fs_unit_with_a_journal_leaves_no_entry(app: Flask, engine: sa.Engine) -> None:
    with fs.unit(journal=journal.of(engine)) as unit:
        unit.save(docs, upload())
        assert entries(engine) == [('a.txt', 'created')]

    assert entries(engine) == []
    assert files() == ['a.txt']


def test_fs_unit_settles_in_the_transaction_of_a_connection(app: Flask, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        unit = fs.unit(journal=journal.of(engine))
        unit.save(docs, upload())
        connection.execute(sa.insert(Report), {'document': 'a.txt', 'title': ''})
        unit.prepare(connection)
    unit.commit()

    assert entries(engine) == []
    assert files() == ['a.txt']


@pytest.mark.server
def test_a_session_with_two_databases_settles_after_both_commits(
    app: Flask, postgres_url: str, engines: Engines, tmp_path: Path
) -> None:
    class Elsewhere(DeclarativeBase):
        pass

    class Other(Elsewhere):
        __tablename__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[FileReference] = mapped_column(FileColumn(docs), nullable=True)

    main, other = engines(postgres_url), engines(f'sqlite:///{tmp_path}/other.db')
    Base.metadata.create_all(main)
    Elsewhere.metadata.create_all(other)
    made = sessionmaker(binds={Base: main, Elsewhere: other, journal.table: main})
    init_app(app, made, journal=journal, models=[Base, Elsewhere])
    with made() as session:
        rows = Report(), Other()
        session.add_all(rows)
        for row, name in zip(rows, ('a.txt', 'b.txt'), strict=True):
            row.document.save(upload(name))
        noted: list[Any] = []
        sa.event.listen(other, 'commit', lambda connection: noted.append(sorted(entries(main))))
        session.commit()

    assert noted[0] == [('a.txt', 'created'), ('b.txt', 'created')]
    assert entries(main) == []
    assert outcomes(app) == {}
    assert files() == ['a.txt', 'b.txt']


def test_an_async_session_has_a_journal_too(app: Flask, tmp_path: Path, engines: Engines) -> None:
    url = f'sqlite:///{tmp_path}/async.db'
    sync = engines(url)
    Base.metadata.create_all(sync)
    init_app(app, sync, journal=journal, models=[Base])

    async def run() -> list[Any]:
        engine = create_async_engine(url.replace('sqlite', 'sqlite+aiosqlite'))
        try:
            async with AsyncSession(engine) as session:
                report = Report()
                session.add(report)
                await session.run_sync(lambda _: report.document.save(upload()))
                noted = entries(sync)
                await session.flush()
                with pytest.raises(JournalError, match='has written'):
                    await session.run_sync(lambda _: report.document.save(upload('b.txt')))
                await session.commit()
                return noted
        finally:
            await engine.dispose()

    assert asyncio.run(run()) == [('a.txt', 'created')]
    assert entries(sync) == []
    assert files() == ['a.txt']


# --- Where not all rows have that journal.


class Others(DeclarativeBase):
    pass


others = fs.Storage('others', fs.ALL)


class Other(Others):
    __tablename__ = 'other'
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[Any] = mapped_column(FileColumn(others, on_delete='remove', on_replace='remove'), nullable=True)


def replace_other(engine: sa.Engine) -> None:
    """Store a row without a journal, and give it another file."""
    Others.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(row := Other())
        for name in ('1.txt', '2.txt'):
            row.file.save(io.BytesIO(b'text'), name)
            session.commit()
    assert list(others.list_files()) == ['2.txt']


def test_of_two_databases_one_may_have_a_journal(app: Flask, engines: Engines, tmp_path: Path) -> None:
    one, two = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'two'))
    fs.init_app(app, others)
    journal = Journal(sa.MetaData())
    init_app(app, one, journal=journal, models=[Base])
    init_app(app, two, models=[Others])
    replace_other(two)


def test_a_journal_of_another_application_is_left_alone(engines: Engines, tmp_path: Path) -> None:
    one, two = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'two'))
    noted, other = Flask('noted'), Flask('other')
    for app, storage in ((noted, fs.Storage('noted', fs.ALL)), (other, others)):
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, storage)
    init_app(noted, one, journal=Journal(sa.MetaData()))
    with ThreadPoolExecutor(1) as thread:
        # It has no current application, as a script has none.
        thread.submit(replace_other, two).result()


def test_rows_with_a_journal_may_follow_rows_without_one(app: Flask, engines: Engines, tmp_path: Path) -> None:
    engine, elsewhere = (engines(f'sqlite:///{tmp_path}/{name}.db') for name in ('one', 'journal'))
    own = Journal(sa.MetaData(), bind=elsewhere)
    own.table.metadata.create_all(elsewhere)
    fs.init_app(app, others)
    init_app(app, engine, journal=own, models=[Base])
    for base in (Base, Others):
        base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(report := Report())
        report.document.save(io.BytesIO(b'text'), '1.txt')
        session.commit()
        session.add(Other())
        session.flush()
        with session.begin_nested():
            session.delete(report)
        statements = Statements(elsewhere)
        session.commit()
    assert statements.take() == ['INSERT journal', 'DELETE journal']
    assert list(docs.list_files()) == []
