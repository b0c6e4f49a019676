"""Transactions that the database has ended, or partly undone, without the session.

PostgreSQL silently rolls back if a transaction is committed after an error. MariaDB rolls back the entire transaction after a
deadlock, even inside a savepoint, and commits it for statements such as CREATE TABLE. And an application can roll back to its own
savepoints, or end the transaction without its session.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import PendingRollbackError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, SessionTransaction

    from .transaction_files import TransactionFiles

#: Transaction states of PostgreSQL drivers.
_PG_IDLE, _PG_IN_ERROR = 0, 3
#: The status bit of MariaDB and MySQL for an open transaction.
_MYSQL_IN_TRANSACTION = 1
_MYSQL_DEADLOCK = 1213


class _Written:
    """The rows that were written on one connection in one transaction.

    :param root: The files of the transaction.
    """

    def __init__(self, root: TransactionFiles) -> None:
        self.root = root
        #: The number of rows written so far, and before each savepoint that is open.
        self.rows = 0
        self.before: list[int] = []
        self.was_open = False
        #: Whether the database has rolled back.
        self.is_rolled_back = False
        #: Whether an error might have aborted the transaction, if the driver does not report it.
        self.may_be_doomed = False


_written: weakref.WeakKeyDictionary[Connection, _Written] = weakref.WeakKeyDictionary()
_savepoints_of_sessions: weakref.WeakSet[Any] = weakref.WeakSet()
# event.contains() compares addresses, which can be those of former objects.
_watched: weakref.WeakSet[Dialect | Engine] = weakref.WeakSet()


def begun(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Record that *session* has begun *transaction*, possibly a savepoint, on *connection*."""
    if (savepoint := connection.get_nested_transaction()) is not None:
        _savepoints_of_sessions.add(savepoint)


def watch(files: TransactionFiles, connection: Connection) -> None:
    """Record that a row is being written on *connection*, in the transaction of *files*."""
    written = _written.get(connection)
    if written is None or written.root is not files.root:
        _written[connection] = written = _Written(files.root)
        engine = connection.engine
        if engine not in _watched:
            _watched.add(engine)
            event.listen(engine, 'commit', _commits)
            event.listen(engine, 'rollback', _rolls_back)
            event.listen(engine, 'savepoint', _begins_savepoint)
            event.listen(engine, 'release_savepoint', _ends_savepoint)
            event.listen(engine, 'rollback_savepoint', _rolls_back_savepoint)
        if connection.dialect not in _watched:
            _watched.add(connection.dialect)
            event.listen(engine, 'handle_error', _failed)
    written.rows += 1


def is_open(connection: Connection) -> bool | None:
    """Whether a transaction is open on *connection*; None if its driver does not report it."""
    driver: Any = connection.connection.driver_connection
    if (known := getattr(driver, 'in_transaction', None)) is not None:
        return bool(known)
    if isinstance(known := getattr(driver, 'server_status', None), int):
        return bool(known & _MYSQL_IN_TRANSACTION)
    status = _pg_status(connection)
    return None if status is None else status != _PG_IDLE


def flushed(files: TransactionFiles) -> None:
    """Record which transactions are open, after rows were written or a savepoint was released."""
    for connection, written in _of(files):
        written.was_open = is_open(connection) is True


def check(files: TransactionFiles) -> None:
    """Check that the transaction of *files*, which is about to be committed, is still open.

    :raises PendingRollbackError: If the database has rolled it back, or will do so.
    """
    for connection, written in _of(files):
        status = _pg_status(connection)
        if written.is_rolled_back or status == _PG_IN_ERROR:
            reason = 'the database has rolled back this transaction because of an error'
            advice = 'call session.rollback(), and use begin_nested() for statements that you expect to fail'
            raise PendingRollbackError(f'{reason}: {advice}.')
        if (written.was_open and is_open(connection) is False) or (written.may_be_doomed and status is None):
            files.is_unknown = True


def _of(files: TransactionFiles) -> list[tuple[Connection, _Written]]:
    root = files.root
    found = [(each, _written.get(each)) for each in root.connections if not (each.closed or each.invalidated)]
    return [(connection, written) for connection, written in found if written is not None and written.root is root]


def _pg_status(connection: Connection) -> int | None:
    if connection.dialect.name != 'postgresql':
        return None
    info = getattr(connection.connection.driver_connection, 'info', None)
    status = getattr(info, 'transaction_status', None)
    return None if status is None else int(status)


def _failed(context: ExceptionContext) -> None:
    written = None if context.connection is None else _written.get(context.connection)
    if written is None or context.statement is None:
        return
    if context.dialect.name == 'postgresql':
        written.may_be_doomed = True
    elif getattr(context.original_exception, 'args', ())[:1] == (_MYSQL_DEADLOCK,):
        written.is_rolled_back = True


def _commits(connection: Connection) -> None:
    written = _written.get(connection)
    if written is not None and not written.root.is_committing:
        # The session did not commit.
        written.root.may_be_committed = True


def _rolls_back(connection: Connection) -> None:
    written = _written.pop(connection, None)
    if written is None or written.is_rolled_back or connection.closed or connection.invalidated:
        return
    if written.was_open and is_open(connection) is False:
        written.root.may_be_committed = True


def _begins_savepoint(connection: Connection, name: str | None) -> None:
    if (written := _written.get(connection)) is not None:
        written.before.append(written.rows)


def _ends_savepoint(connection: Connection, name: str, context: None) -> None:
    if (written := _written.get(connection)) is not None:
        del written.before[-1:]


def _rolls_back_savepoint(connection: Connection, name: str, context: None) -> None:
    written = _written.get(connection)
    if written is None:
        return
    written.may_be_doomed = False
    if connection.get_nested_transaction() not in _savepoints_of_sessions:
        # Rows that the session has written are gone without it. Savepoints can end in any order, so the first one counts.
        written.root.is_undone_in_part |= written.rows > min(written.before, default=0)
    _ends_savepoint(connection, name, context)
