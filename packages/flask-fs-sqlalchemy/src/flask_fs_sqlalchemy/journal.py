"""The journal: a table of files that are about to be stored or removed, so that a crash leaves a note of them."""

from __future__ import annotations

import contextlib
import datetime
import logging
import secrets
import time
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import Any, Literal

from sqlalchemy import Connection, Engine, MetaData, Table, delete, func, insert, inspect, literal, or_, select, update
from sqlalchemy.exc import SQLAlchemyError, UnboundExecutionError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Delete, Update

from flask_fs.consistency.journal import Entry
from flask_fs.errors import BackendError

from . import binds
from .schema import DEFAULT_NAME, OPTIONS, columns

logger = logging.getLogger(__name__)

# How many entries one statement changes or reads.
_BATCH = 500
# How many hexadecimal digits of an id are its time, in nanoseconds.
_TIME_DIGITS = 16


class JournalError(BackendError):
    """The journal could not be written or read, so nothing was stored or removed; the cause is chained."""

    template = '{file} was not stored in {place}'


class Journal:
    """A table in which each file of a row is noted before it is stored, so that ``flask fs gc`` removes it after a crash.

    Declare it once, next to the models, and create its table by a migration (see :mod:`flask_fs_sqlalchemy.migrations`)::

        journal = Journal(db.metadata)
        flask_fs_sqlalchemy.init_app(app, db.session, journal=journal)

    A file costs one INSERT before it is stored, in a transaction of its own on a second connection, and a commit one DELETE,
    in the transaction of the rows. Files that a commit removes cost one INSERT in that transaction, and one DELETE afterwards.

    The table belongs into the database of the rows: then both are committed together. With several databases, with *bind*,
    and in MariaDB, entries are settled right after the commit, which costs one UPDATE more before it, and ``flask fs gc``
    looks at the rows to decide about those that a crash left.

    A thread that stores a file in a transaction needs a second connection for a moment: the pool of the engine has to have one,
    or storing the file fails after its ``pool_timeout``. A transaction that is open for longer than ``flask fs gc`` waits, an
    hour by default, cannot be committed once that has claimed one of its files.

    SQLite lets one connection write at a time. So a file cannot be stored there once the session has written: store files
    before the session is flushed, or let *bind* be another database. A database in memory has no second connection at all.

    :param metadata: The metadata of the application, where Alembic and ``create_all()`` find the table.
    :param name: The name of the table.
    :param schema: The schema of the table, as for any table.
    :param bind: The engine of another database, or a function that returns it; by default that which the session has for the
        table.
    """

    def __init__(
        self,
        metadata: MetaData,
        name: str = DEFAULT_NAME,
        *,
        schema: str | None = None,
        bind: Engine | Callable[[], Engine] | None = None,
    ) -> None:
        self.table = Table(name, metadata, *columns(), schema=schema, **OPTIONS)
        self.bind = bind

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.table.fullname!r}>'

    def of(self, bind: Any) -> BoundJournal:
        """The journal for units of work without rows, and for ``flask fs gc``.

        :param bind: An engine, or anything of which :func:`flask_fs_sqlalchemy.init_app` gets the session.
        """
        return BoundJournal(self, binds.check_bind(bind))

    def _of_session(self, session: Session) -> SessionJournal:
        """The journal for the units of *session*: what is settled is a part of its transaction."""
        return SessionJournal(self, session)


class BoundJournal:
    """A journal in its database; it is a :class:`flask_fs.consistency.journal.Journal`."""

    def __init__(self, journal: Journal, bind: Any) -> None:
        self._journal = journal
        self._table = journal.table
        self._given = bind

    def __eq__(self, other: object) -> bool:
        """Whether it writes into the same table of the same database, as those of several sessions do."""
        if not isinstance(other, BoundJournal):
            return NotImplemented
        if self._journal is not other._journal or not (self.has_database() and other.has_database()):
            return self is other
        return self.engine.pool is other.engine.pool

    def __hash__(self) -> int:
        return hash(self._table)

    @property
    def _bind(self) -> Any:
        return self._given

    def _of_session(self, session: Session) -> SessionJournal:
        """The same for the units of *session*."""
        return SessionJournal(self._journal, session, self._bind)

    def has_database(self) -> bool:
        """Whether there is a database for it."""
        try:
            return bool(self.engine)
        except UnboundExecutionError:
            return False

    @property
    def engine(self) -> Engine:
        """The engine of the database that has the table."""
        bind = self._journal.bind
        if bind is None:
            return binds.engine_of(self._bind, clause=self._table)
        return bind if isinstance(bind, Engine) else bind()

    # --- What a unit of work writes.

    def pending(self, storage: str, filename: str) -> str:
        """Write down that a file is about to be stored, and return the id of the entry.

        :raises JournalError: If that is impossible.
        """
        entry = _new_id()
        values = {'id': entry, 'storage': storage, 'filename': filename, 'action': 'created', 'at': _now()}
        with self._own_transaction(filename, storage) as connection:
            connection.execute(insert(self._table), values)
        return entry

    def renamed(self, entry: str, filename: str) -> None:
        """Write down that another name is tried next.

        :raises JournalError: If that is impossible.
        """
        change = update(self._table).values(filename=filename, at=_now())
        with self._own_transaction(filename) as connection:
            if not self._change(connection, change, [entry]):
                raise self._claimed()

    def settle(self, entries: Collection[str], connection: Connection | None = None) -> list[str]:
        """Remove entries in the transaction of the rows that refer to their files; those to remove after the commit.

        :param connection: That of the transaction, unless a session says it.
        :raises JournalError: If ``flask fs gc`` has claimed one of the files.
        """
        left = list(entries)
        joined, alone = self._joined(connection)
        if joined is not None and alone and binds.sees_later_rows(joined):
            settled = self._change(joined, delete(self._table), left)
            left = [entry for entry in left if entry not in settled]
            # What is not visible in a transaction that began earlier is settled afterwards.
            if left and self._count_created(left) != len(left):
                raise self._claimed()
        return self._renew(left) if left else left

    def unused(self, files: Collection[tuple[str, str]], connection: Connection | None = None) -> list[str]:
        """Write down that files are to be removed after the commit, and return the ids of the entries.

        :param files: The name of the storage and the file, for each.
        :param connection: As in :meth:`settle`.
        """
        now = _now()
        rows = [
            {'id': _new_id(), 'storage': storage, 'filename': filename, 'action': 'unused', 'at': now}
            for storage, filename in files
        ]
        if not rows:
            return []
        joined, _ = self._joined(connection)
        if joined is not None:
            joined.execute(insert(self._table), rows)
        else:
            with self._own_transaction() as own:
                own.execute(insert(self._table), rows)
        return [str(row['id']) for row in rows]

    def done(self, entries: Collection[str]) -> None:
        """Remove entries. If that fails, it is logged, and they stay for ``flask fs gc``."""
        if not entries:
            return
        left = '%d entries of the journal %r stay for `flask fs gc`, which removes them: %s'
        if self._locking() is not None:
            logger.info(left, len(entries), self._table.fullname, 'the session has locked the database')
            return
        try:
            with self._own_transaction() as connection:
                for batch in _batches(entries):
                    connection.execute(delete(self._table).where(self._table.c.id.in_(batch)))
        except Exception as error:  # noqa: BLE001  # the files are removed: no error may keep others from being so
            logger.warning(left, len(entries), self._table.fullname, error)

    # --- What `flask fs gc` reads.

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        """The entries that are at least that old, the oldest first, a page at a time.

        :raises JournalError: If they cannot be read.
        """
        table = self._table
        age = datetime.timedelta(seconds=older_than_s)
        # What was renewed has the time of that in its id, and in `at` the time when its file was stored.
        newest = _time_prefix(time.time_ns() - int(older_than_s * 1e9)) + 'g'
        # What was claimed is not waited for again.
        is_old = or_(table.c.action == 'unused', table.c.at <= _now() - age)
        page = select(table).where(table.c.id <= newest, is_old).order_by(table.c.id).limit(_BATCH)
        last = ''
        while True:
            # No transaction is open while the caller works, which may change the table.
            with self._own_transaction() as connection:
                rows = connection.execute(page.where(table.c.id > last)).all()
            for row in rows:
                action: Literal['created', 'unused'] = 'created' if row.action == 'created' else 'unused'
                yield Entry(row.id, row.storage, row.filename, action, row.at.replace(tzinfo=datetime.timezone.utc))
            if len(rows) < _BATCH:
                return
            last = rows[-1].id

    def claim(self, entry: str) -> bool:
        """Make sure that *entry*, of a file that was created, is not settled any more; False if it was already.

        :raises JournalError: If that is impossible.
        """
        with self._own_transaction() as connection:
            return bool(self._change(connection, update(self._table).values(action='unused', at=_now()), [entry]))

    # --- How it is written.

    def _joined(self, connection: Connection | None) -> tuple[Connection | None, bool]:
        """*connection*, if it is one to the database of the journal; and whether the transaction has no other connection."""
        if connection is not None and binds.same_database(connection, self.engine):
            return connection, True
        return None, False

    def _session(self) -> Session | None:
        """The session that might keep others from writing."""
        return binds.session_of(self._bind)

    def _locking(self) -> Connection | None:
        """The connection of the session, if no other one can write while it is open."""
        engine = self.engine
        for connection in binds.open_connections(self._session()):
            if binds.same_database(connection, engine) and binds.is_locked_by(connection):
                return connection
        return None

    def _change(self, connection: Connection, change: Delete | Update, entries: Iterable[str]) -> set[str]:
        """Change those of *entries* that were created and not claimed, and return which these were.

        A database that cannot say which returns all of a batch, or none.
        """
        id_, dialect = self._table.c.id, connection.dialect
        can_return = dialect.delete_returning if isinstance(change, Delete) else dialect.update_returning
        changed: set[str] = set()
        for batch in _batches(entries):
            statement: Any = change.where(id_.in_(batch), self._table.c.action == 'created')
            if can_return:
                changed.update(connection.execute(statement.returning(id_)).scalars())
                continue
            if connection.execute(statement).rowcount == len(batch):
                changed.update(batch)
        return changed

    def _count_created(self, entries: list[str]) -> int:
        """How many of *entries* other transactions see that were created and not claimed. No lock is waited for."""
        count = 0
        with self.engine.connect() as connection:
            for batch in _batches(entries):
                created = select(func.count()).where(self._table.c.id.in_(batch), self._table.c.action == 'created')
                count += connection.execute(created).scalar_one()
        return count

    def _renew(self, entries: list[str]) -> list[str]:
        """Keep `flask fs gc` away from *entries* for as long as from new ones, and return their new ids.

        :raises JournalError: If one of them was claimed.
        """
        prefix, id_ = _time_prefix(time.time_ns()), self._table.c.id
        renewed = literal(prefix) + func.substr(id_, _TIME_DIGITS + 1)
        count = 0
        with self._own_transaction() as connection:
            for batch in _batches(entries):
                change = update(self._table).values(id=renewed).where(id_.in_(batch), self._table.c.action == 'created')
                count += connection.execute(change).rowcount
            if count != len(entries):
                raise self._claimed()
        return [prefix + entry[_TIME_DIGITS:] for entry in entries]

    @contextlib.contextmanager
    def _own_transaction(self, filename: str | None = None, storage: str | None = None) -> Generator[Connection]:
        """A transaction of the journal alone.

        :raises JournalError: If the database fails, or the session keeps others from writing.
        """
        engine = None
        try:
            engine = self.engine
            self._check_second_connection(engine, filename, storage)
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._error(error, engine, filename, storage) from error

    def _check_second_connection(self, engine: Engine, filename: str | None, storage: str | None) -> None:
        other = 'or give the journal a database of its own: Journal(…, bind=…)'
        if binds.has_one_connection(engine):
            reason = (
                f'it is in a database with one connection only ({engine.url.render_as_string()}), and needs a second one. '
                f'Use a database in a file, {other}; in tests, init_app() works without journal= too'
            )
        elif self._locking() is not None:
            reason = (
                'the session has a transaction in this SQLite database, as it has written there, or read after a BEGIN. '
                'So nothing else is to write until that ends. Save files before the session is flushed, and before it reads '
                f'where the engine begins transactions itself, {other}'
            )
        else:
            return
        raise self._failed(reason, filename, storage)

    def _error(
        self, error: SQLAlchemyError, engine: Engine | None, filename: str | None, storage: str | None
    ) -> JournalError:
        if engine is not None and self._is_missing(engine):
            reason = (
                f'there is no such table in {engine.url.render_as_string()}. Create it by a migration of your own, which '
                'Alembic generates (`flask db migrate`), or by that of flask_fs_sqlalchemy.migrations'
            )
        else:
            reason = f'{type(error).__name__}: {getattr(error, "orig", None) or error}'
        return self._failed(reason, filename, storage)

    def _is_missing(self, engine: Engine) -> bool:
        if binds.has_one_connection(engine):
            return False
        try:
            return not inspect(engine).has_table(self._table.name, schema=self._table.schema)
        except SQLAlchemyError:
            return False

    def _failed(self, reason: str, filename: str | None = None, storage: str | None = None) -> JournalError:
        text = f'The journal {self._table.fullname!r} cannot be used: {reason}.'
        return JournalError(filename, storage=storage, reason=text)

    def _claimed(self) -> JournalError:
        reason = (
            '`flask fs gc` has claimed a file of this transaction, which was open for longer than --older-than. '
            'Nothing is committed. Run it again, or run gc with a longer --older-than'
        )
        return self._failed(reason)


class SessionJournal(BoundJournal):
    """The journal for units of a session, which it does not keep alive.

    :param otherwise: What to use for *session* when that is gone.
    """

    def __init__(self, journal: Journal, session: Session, otherwise: Any = None) -> None:
        self._known = weakref.ref(session)
        super().__init__(journal, otherwise)
        if otherwise is None and journal.bind is None:
            with contextlib.suppress(UnboundExecutionError):
                self._given = self.engine

    @property
    def _bind(self) -> Any:
        session = self._known()
        return self._given if session is None else session

    def _joined(self, connection: Connection | None) -> tuple[Connection | None, bool]:
        engine = self.engine
        connections = binds.open_connections(self._session())
        mine = [each for each in connections if binds.same_database(each, engine)]
        return (mine[0], len(connections) == 1) if mine else super()._joined(connection)


def _now() -> datetime.datetime:
    """The time in UTC, without a time zone, as databases keep it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _time_prefix(time_ns: int) -> str:
    return f'{max(time_ns, 0):0{_TIME_DIGITS}x}'


def _new_id() -> str:
    return _time_prefix(time.time_ns()) + secrets.token_hex(8)


def _batches(entries: Iterable[str]) -> Iterator[list[str]]:
    left = list(entries)
    for start in range(0, len(left), _BATCH):
        yield left[start : start + _BATCH]
