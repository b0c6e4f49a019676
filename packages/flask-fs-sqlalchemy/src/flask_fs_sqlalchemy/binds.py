"""The database of a table, and the open connections of a session."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import SingletonThreadPool, StaticPool


def check_bind(given: Any) -> Any:
    """*given*, if :func:`engine_of` accepts it; for Flask-SQLAlchemy's ``db``, its session.

    :raises TypeError: If it is anything else.
    """
    if isinstance(given, (Engine, Connection, Session, scoped_session)):
        return given
    if isinstance(session := getattr(given, 'session', None), scoped_session):
        return session
    if isinstance(kind := getattr(given, 'class_', None), type) and issubclass(kind, Session):
        return given
    what = type(given).__name__
    advice = '.sync_engine of an engine with a synchronous driver' if 'async' in what.lower() else 'db.session'
    raise TypeError(f'Pass an engine, a session, a scoped_session or a sessionmaker, such as {advice}, not {what}')


def engine_of(bind: Any, **what: Any) -> Engine:
    """The engine of the database that has a table.

    :param bind: The result of :func:`check_bind`.
    :param what: What identifies the table for ``Session.get_bind``: *mapper* or *clause*.
    :raises sqlalchemy.exc.UnboundExecutionError: If a session has no database for it.
    """
    if isinstance(bind, (Engine, Connection)):
        return bind.engine
    if isinstance(bind, (Session, scoped_session)):
        return bind.get_bind(**what).engine
    with bind() as session:
        engine: Engine = session.get_bind(**what).engine
    return engine


def session_of(bind: Any) -> Session | None:
    """The session that *bind* is, or the one that it already has for this thread or context."""
    if isinstance(bind, scoped_session):
        return bind.registry() if bind.registry.has() else None
    return bind if isinstance(bind, Session) else None


def open_connections(session: Session | None) -> list[Connection]:
    """The connections of the transaction of *session*, without opening one."""
    transaction = None if session is None else session.get_transaction()
    # SQLAlchemy has no public API for this. Without this attribute, entries are removed after the commit.
    entries = getattr(transaction, '_connections', {}).values()
    return list(dict.fromkeys(connection for connection, *_ in entries))


def same_database(connection: Connection, engine: Engine) -> bool:
    """Whether *connection* belongs to *engine*, or to a copy of it with other options."""
    return connection.engine.pool is engine.pool


def has_one_connection(engine: Engine) -> bool:
    """Whether *engine* has a single connection per thread, as for an in-memory database."""
    return isinstance(engine.pool, (SingletonThreadPool, StaticPool))


def sees_later_rows(connection: Connection) -> bool:
    """Whether *connection* can safely try to delete rows that others have committed since its transaction began.

    At isolation levels where this is impossible, PostgreSQL deletes none. MariaDB rolls back the entire transaction
    (``ER_CHECKREAD``, with ``innodb_snapshot_isolation``, which is on by default since 11.6).
    """
    return not getattr(connection.dialect, 'is_mariadb', False)


def is_locked_by(connection: Connection) -> bool:
    """Whether *connection* prevents others from writing to its SQLite database."""
    if connection.dialect.name != 'sqlite' or connection.closed or connection.invalidated:
        return False
    return bool(getattr(connection.connection.driver_connection, 'in_transaction', False))
