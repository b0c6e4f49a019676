"""Prepared transactions: those between the two phases of a commit, whose rows others cannot see yet."""

from __future__ import annotations

import contextlib

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def prepared_transactions(connection: Connection) -> list[str]:
    """The names of the prepared transactions in the database; for MariaDB and MySQL, on the server."""
    dialect = connection.dialect
    if dialect.name == 'postgresql':
        query = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared'
        return [str(row[0]) for row in connection.exec_driver_sql(query)]
    if dialect.name in ('mariadb', 'mysql'):
        # MySQL allows it only to users with the privilege XA_RECOVER_ADMIN.
        allowed = contextlib.nullcontext() if getattr(dialect, 'is_mariadb', False) else contextlib.suppress(DBAPIError)
        with allowed:
            return [_text(row[3]) for row in connection.exec_driver_sql('XA RECOVER')]
    return []


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode(errors='replace')
