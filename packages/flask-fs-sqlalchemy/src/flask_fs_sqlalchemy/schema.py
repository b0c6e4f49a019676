"""The table of a journal, as the application's metadata and the migrations have it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, String

#: The name of the table, unless it is given another one.
DEFAULT_NAME = 'fs_journal'
#: For MySQL and MariaDB: transactions, every character, and names that differ in case only.
OPTIONS: dict[str, Any] = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def columns() -> tuple[Column[Any], ...]:
    """New columns of the table.

    ``id`` begins with the time of the entry, so that the oldest are found by the primary key; there is no other index.
    """
    return (
        Column('id', String(32), primary_key=True),
        Column('storage', String(255), nullable=False),
        # As long as a filename can be, in bytes.
        Column('filename', String(1024), nullable=False),
        # 'created' or 'unused'.
        Column('action', String(8), nullable=False),
        # In UTC.
        Column('at', DateTime(), nullable=False),
    )
