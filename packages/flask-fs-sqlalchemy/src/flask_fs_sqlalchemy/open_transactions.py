"""Transactions that the database has ended, or undone in part, while the session goes on as if nothing had happened.

PostgreSQL rolls back where a transaction is committed after an error in it, and reports no error then. MariaDB rolls back the
whole transaction for a deadlock, also inside of a savepoint, and commits it for statements such as CREATE TABLE. And an application
may roll back to savepoints of its own, or end the transaction behind the back of its session.
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

#: The state of a transaction in the drivers of PostgreSQL.
_PG_IDLE, _PG_IN_ERROR = 0, 3
#: The bit of MariaDB and MySQL for an open transaction.
_MYSQL_IN_TRANSACTION = 1
_MYSQL_DEADLOCK = 1213


class _Written:
    """What was written on one connection in one transaction.

    :param root: The files of the transaction.
    """

    def __init__(self, root: TransactionFiles) -> None:
        self.root = root
        #: How many rows were written so far, and before each of the savepoints that were begun since, and are open.
        self.rows = 0
        self.before: list[int] = []
        self.was_open = False
        #: Whether the database has rolled back.
        self.is_rolled_back = False
        #: Whether an error may have doomed the transaction, where the driver does not know.
        self.may_be_doomed = False


_written: weakref.WeakKeyDictionary[Connection, _Written] = weakref.WeakKeyDictionary()
_savepoints_of_sessions: weakref.WeakSet[Any] = weakref.WeakSet()
# event.contains() goes by the address of an object, which another one may have had before.
_watched: weakref.WeakSet[Dialect | Engine] = weakref.WeakSet()


def begun(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Note that *session* has begun *transaction*, which may be a savepoint, on *connection*."""
    if (savepoint := connection.get_nested_transaction()) is not None:
        _savepoints_of_sessions.add(savepoint)


def watch(files: TransactionFiles, connection: Connection) -> None:
    """Note that a row is being written on *connection*, in the transaction of *files*."""
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
    """Whether a transaction is open on *connection*, as far as its driver knows."""
    driver: Any = connection.connection.driver_connection
    if (known := getattr(driver, 'in_transaction', None)) is not None:
        return bool(known)
    if isinstance(known := getattr(driver, 'server_status', None), int):
        return bool(known & _MYSQL_IN_TRANSACTION)
    status = _pg_status(connection)
    return None if status is None else status != _PG_IDLE


def flushed(files: TransactionFiles) -> None:
    """Note which transactions are open, after rows were written or a savepoint was released."""
    for connection, written in _of(files):
        written.was_open = is_open(connection) is True


def check(files: TransactionFiles) -> None:
    """Look whether the transaction of *files*, which is about to be committed, is still there.

    :raises PendingRollbackError: If the database has rolled back, or will do so.
    """
    for connection, written in _of(files):
        status = _pg_status(connection)
        if written.is_rolled_back or status == _PG_IN_ERROR:
            reason = 'the database has rolled this transaction back because of an error in it'
            advice = 'call session.rollback(), and use begin_nested() where an error is expected'
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
        # It is not the session that does.
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
        # The session does not know that rows are gone which it has written. They may end in any order, so the first one counts.
        written.root.is_undone_in_part |= written.rows > min(written.before, default=0)
    _ends_savepoint(connection, name, context)
