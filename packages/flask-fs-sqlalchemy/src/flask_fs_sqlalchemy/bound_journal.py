"""A journal in its database: how entries are written, settled, and read, and what is reported if that fails."""

from __future__ import annotations

import contextlib
import logging
import weakref
from collections.abc import Collection, Generator, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import SQLAlchemyError, UnboundExecutionError
from sqlalchemy.orm import Session

from flask_fs.consistency.journal import Entry
from flask_fs.errors import BackendError

from . import binds
from .entries import BATCH, Entries

if TYPE_CHECKING:
    from .journal import Journal

logger = logging.getLogger(__name__)


class JournalError(BackendError):
    """The journal could not be written or read, so nothing was stored or removed. The cause is chained."""

    template = '{file} was not stored in {place}'


class BoundJournal:
    """A journal in its database; implements :class:`flask_fs.consistency.journal.Journal`."""

    def __init__(self, journal: Journal, bind: Any) -> None:
        self._journal = journal
        self._table = journal.table
        self._entries = Entries(journal.table)
        self._given = bind

    def __eq__(self, other: object) -> bool:
        """Whether both write to the same table in the same database, even for different sessions."""
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
        """The same journal for the units of *session*: entries are settled in its transaction."""
        return SessionJournal(self._journal, session, self._bind)

    def has_database(self) -> bool:
        """Whether the bind has a database for the table."""
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

    # --- For units of work.

    def pending(self, storage: str, filename: str) -> str:
        """Record that a file is about to be stored, and return the id of the entry.

        :raises JournalError: If the journal cannot be written.
        """
        with self._own_transaction(filename, storage) as connection:
            [entry] = self._entries.add(connection, [(storage, filename)], 'created')
        return entry

    def renamed(self, entry: str, filename: str) -> None:
        """Record that another name is tried next.

        :raises JournalError: If the journal cannot be written.
        """
        with self._own_transaction(filename) as connection:
            if not self._entries.rename(connection, entry, filename):
                raise self._claimed()

    def settle(self, entries: Collection[str], connection: Connection | None = None) -> list[str]:
        """Remove entries in the transaction of the rows that refer to their files; return those to remove after the commit.

        :param connection: The connection of the transaction, unless the journal belongs to a session.
        :raises JournalError: If ``flask fs gc`` has claimed one of the files.
        """
        left = list(entries)
        joined, alone = self._joined(connection)
        if joined is not None and alone and binds.sees_later_rows(joined):
            settled = self._entries.settle(joined, left)
            left = [entry for entry in left if entry not in settled]
            # Entries that are not visible in a transaction that began earlier are removed after the commit.
            if left:
                with self.engine.connect() as other:
                    if self._entries.count_created(other, left) != len(left):
                        raise self._claimed()
        return self._renew(left) if left else left

    def unused(self, files: Collection[tuple[str, str]], connection: Connection | None = None) -> list[str]:
        """Record that files will be removed after the commit, and return the ids of the entries.

        :param files: The names of the storage and the file, for each.
        :param connection: As for :meth:`settle`.
        """
        if not files:
            return []
        joined, _ = self._joined(connection)
        if joined is not None:
            return self._entries.add(joined, files, 'unused')
        with self._own_transaction() as own:
            return self._entries.add(own, files, 'unused')

    def done(self, entries: Collection[str]) -> None:
        """Remove entries. If this fails, the error is logged, and the entries stay for ``flask fs gc``."""
        if not entries:
            return
        left = '%d entries of the journal %r stay until the next `flask fs gc`: %s'
        if self._locking() is not None:
            logger.info(left, len(entries), self._table.fullname, 'the session has locked the database')
            return
        try:
            with self._own_transaction() as connection:
                self._entries.remove(connection, entries)
        except Exception as error:  # noqa: BLE001  # the files are already removed
            logger.warning(left, len(entries), self._table.fullname, error)

    # --- For `flask fs gc`.

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        """The entries that are at least *older_than_s* old, oldest first, read in pages.

        :raises JournalError: If the journal cannot be read.
        """
        query, last = self._entries.older_than(older_than_s), ''
        while True:
            # No transaction is open while the caller works, which can change the table.
            with self._own_transaction() as connection:
                page = self._entries.page(connection, query, last)
            yield from page
            if len(page) < BATCH:
                return
            last = page[-1].id

    def claim(self, entry: str) -> bool:
        """Ensure that *entry*, of a created file, can no longer be settled; False if it already was.

        :raises JournalError: If the journal cannot be written.
        """
        with self._own_transaction() as connection:
            return self._entries.claim(connection, entry)

    # --- Transactions.

    def _joined(self, connection: Connection | None) -> tuple[Connection | None, bool]:
        """*connection*, if it belongs to the database of the journal; and whether the transaction has no other connection."""
        if connection is not None and binds.same_database(connection, self.engine):
            return connection, True
        return None, False

    def _session(self) -> Session | None:
        """The session that might prevent others from writing."""
        return binds.session_of(self._bind)

    def _locking(self) -> Connection | None:
        """The connection of the session, if it prevents all others from writing."""
        engine = self.engine
        for connection in binds.open_connections(self._session()):
            if binds.same_database(connection, engine) and binds.is_locked_by(connection):
                return connection
        return None

    def _renew(self, entries: list[str]) -> list[str]:
        """Make *entries* as young as new ones, so that `flask fs gc` skips them, and return their new ids.

        :raises JournalError: If one of them was claimed.
        """
        with self._own_transaction() as connection:
            if (renewed := self._entries.renew(connection, entries)) is None:
                raise self._claimed()
        return renewed

    @contextlib.contextmanager
    def _own_transaction(self, filename: str | None = None, storage: str | None = None) -> Generator[Connection]:
        """A separate transaction for the journal.

        :raises JournalError: If the database fails, or the session prevents others from writing.
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
        other = 'or use a separate database for the journal: Journal(…, bind=…)'
        if binds.has_one_connection(engine):
            reason = (
                f'its database allows only one connection ({engine.url.render_as_string()}), and it needs a second one. '
                f'Keep the rows in a database file, {other}; in tests, you can also call init_app() without journal='
            )
        elif self._locking() is not None:
            reason = (
                'the session has a transaction in this SQLite database, because it has written, or has read after a BEGIN. '
                'Until that ends, no other connection can write. Save files before the session is flushed (and before it reads, '
                f'if your engine begins transactions explicitly), {other}'
            )
        else:
            return
        raise self._failed(reason, filename, storage)

    def _error(
        self, error: SQLAlchemyError, engine: Engine | None, filename: str | None, storage: str | None
    ) -> JournalError:
        if engine is not None and self._is_missing(engine):
            reason = (
                f'{engine.url.render_as_string()} has no such table. Create it with a migration that Alembic generates '
                '(`flask db migrate`), or with the one in flask_fs_sqlalchemy.migrations'
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
            'Nothing is committed. Repeat the transaction, or run gc with a longer --older-than'
        )
        return self._failed(reason)


class SessionJournal(BoundJournal):
    """A journal for the units of a session, to which it has only a weak reference.

    :param otherwise: The bind to use once *session* is gone.
    """

    def __init__(self, journal: Journal, session: Session, otherwise: Any) -> None:
        super().__init__(journal, otherwise)
        self._known = weakref.ref(session)

    @property
    def _bind(self) -> Any:
        session = self._known()
        return self._given if session is None else session

    def _joined(self, connection: Connection | None) -> tuple[Connection | None, bool]:
        engine = self.engine
        connections = binds.open_connections(self._session())
        mine = [each for each in connections if binds.same_database(each, engine)]
        return (mine[0], len(connections) == 1) if mine else super()._joined(connection)
