"""Which database has a table, and which connections a session has open."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import SingletonThreadPool, StaticPool


def check_bind(given: Any) -> Any:
    """*given*, if :func:`engine_of` accepts it; the session of Flask-SQLAlchemy's ``db``.

    :raises TypeError: If it is none of these.
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

    :param bind: What :func:`check_bind` returned.
    :param what: Whose table it is, for ``Session.get_bind``: *mapper* or *clause*.
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
    """The session that *bind* is, or that it has for this thread or context already."""
    if isinstance(bind, scoped_session):
        return bind.registry() if bind.registry.has() else None
    return bind if isinstance(bind, Session) else None


def open_connections(session: Session | None) -> list[Connection]:
    """The connections of the transaction of *session*; none is opened."""
    transaction = None if session is None else session.get_transaction()
    # There is no public name that does not open one. Without this one, the journal is settled after the commit.
    entries = getattr(transaction, '_connections', {}).values()
    return list(dict.fromkeys(connection for connection, *_ in entries))


def same_database(connection: Connection, engine: Engine) -> bool:
    """Whether *connection* is one of *engine*, or of a variant of it with other options."""
    return connection.engine.pool is engine.pool


def has_one_connection(engine: Engine) -> bool:
    """Whether all that *engine* does in one thread is done by one connection, as in a database in memory."""
    return isinstance(engine.pool, (SingletonThreadPool, StaticPool))


def sees_later_rows(connection: Connection) -> bool:
    """Whether *connection* can delete rows that others have committed since its transaction began.

    PostgreSQL, at levels where it cannot, deletes none. MariaDB rolls the whole transaction back (``ER_CHECKREAD``, with
    ``innodb_snapshot_isolation``, which is on by default since 11.6).
    """
    return not getattr(connection.dialect, 'is_mariadb', False)


def is_locked_by(connection: Connection) -> bool:
    """Whether *connection* keeps others from writing into its SQLite database, as it has written itself."""
    if connection.dialect.name != 'sqlite' or connection.closed or connection.invalidated:
        return False
    return bool(getattr(connection.connection.driver_connection, 'in_transaction', False))
