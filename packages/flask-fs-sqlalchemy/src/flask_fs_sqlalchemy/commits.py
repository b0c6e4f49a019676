"""Commits with an unknown outcome, and rows that are committed without the session."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from . import open_transactions

if TYPE_CHECKING:
    from .transaction_files import TransactionFiles

# event.contains() compares addresses, which can be those of former objects.
_watched: weakref.WeakSet[Dialect | Connection] = weakref.WeakSet()
_committing: weakref.WeakKeyDictionary[Connection, TransactionFiles] = weakref.WeakKeyDictionary()

#: SQLSTATE classes: the database has rolled back (such as for a deadlock), or a constraint was violated.
_ROLLED_BACK = ('40', '23')
#: MariaDB and MySQL: a lock timeout, and a deadlock.
_MYSQL_ROLLED_BACK = (1205, 1213)
#: The statements that end a two-phase commit. Other commits are not statements.
_SECOND_PHASE = re.compile(r'(XA )?COMMIT\b', re.IGNORECASE)
#: If the result is unknown, the transaction might stay prepared, and be committed by someone else.
_LEAVES_PREPARED = re.compile(r'(XA )?PREPARE\b|XA ROLLBACK\b|ROLLBACK PREPARED\b', re.IGNORECASE)
#: SQLite: another connection holds a lock. The transaction is still open.
_SQLITE_BUSY = ('database is locked', 'database table is locked')


def watch(files: TransactionFiles) -> None:
    """From now on, record in *files* whether a commit on one of its connections has an unknown outcome."""
    for connection in files.connections:
        _committing[connection] = files
        if connection.dialect not in _watched:
            _watched.add(connection.dialect)
            event.listen(connection.engine, 'handle_error', _failed)


def _failed(context: ExceptionContext) -> None:
    files = None if context.connection is None else _committing.get(context.connection)
    if files is None:
        return
    if context.statement is not None and not _SECOND_PHASE.match(context.statement):
        files.is_unknown |= context.is_disconnect and _LEAVES_PREPARED.match(context.statement) is not None
        return
    error = context.sqlalchemy_exception
    if context.is_disconnect or len(files.connections) > 1 or not isinstance(error, DBAPIError):
        # With several databases, others might already have committed.
        files.is_unknown = True
    elif isinstance(error, (OperationalError, InterfaceError)) and not _is_rolled_back(error.orig):
        files.is_unknown = True
        files.is_left_open = str(error.orig) in _SQLITE_BUSY


def rolled_back(files: TransactionFiles) -> None:
    """Record that the database has rolled back a transaction that a failed commit might have left open.

    Otherwise, SQLAlchemy returns the connection to the pool unchanged, and the next session continues the transaction.
    """
    files.is_unknown = files.is_unknown and not files.is_left_open


def check(files: TransactionFiles) -> None:
    """Record whether rows are already committed. Call this after rows were written, and after a savepoint was released."""
    connections = [each for each in files.root.connections if not (each.closed or each.invalidated)]
    files.may_be_committed = any(map(_has_committed, connections))
    open_transactions.flushed(files)


def _has_committed(connection: Connection) -> bool:
    """Whether rows that were written on *connection* are committed, without a commit of the session.

    A connection can be in autocommit mode, and some tables of MariaDB have no transactions. And unless configured as SQLAlchemy
    documents it, the driver of SQLite begins no transaction for a savepoint, so releasing the first savepoint commits.
    """
    driver: Any = connection.connection.driver_connection
    if open_transactions.is_open(connection) is False:
        return True
    if connection.dialect.name == 'sqlite':
        return False
    autocommit = driver.get_autocommit() if hasattr(driver, 'get_autocommit') else getattr(driver, 'autocommit', False)
    return autocommit is True or connection.get_execution_options().get('isolation_level') == 'AUTOCOMMIT'


def _is_rolled_back(error: Any) -> bool:
    sqlstate = getattr(error, 'sqlstate', None) or getattr(error, 'pgcode', None)
    if isinstance(sqlstate, str):
        return sqlstate[:2] in _ROLLED_BACK
    [code, *_] = getattr(error, 'args', None) or (None,)
    return code in _MYSQL_ROLLED_BACK


def goes_on(session: Session, files: TransactionFiles) -> bool:
    """Whether a transaction around that of *session*, begun by the application on its connection, is still open."""
    if session.join_transaction_mode == 'create_savepoint' and not files.is_committed:
        return False
    return any(connection.in_transaction() for connection in files.connections)


_followed: weakref.WeakKeyDictionary[Connection, list[TransactionFiles]] = weakref.WeakKeyDictionary()


def follow(files: TransactionFiles) -> None:
    """End *files* with the application's own transaction. If it commits, nothing is removed, since the commit could fail."""
    for connection in files.connections:
        if connection.in_transaction():
            _followed.setdefault(connection, []).append(files)
            if connection not in _watched:
                _watched.add(connection)
                event.listen(connection, 'rollback', _rolls_back)
                event.listen(connection, 'commit', _commits)


def _rolls_back(connection: Connection) -> None:
    for files in _followed.pop(connection, ()):
        files.is_committed = False
        files.end()


def _commits(connection: Connection) -> None:
    for files in _followed.pop(connection, ()):
        files.is_unknown = True
        files.end()
