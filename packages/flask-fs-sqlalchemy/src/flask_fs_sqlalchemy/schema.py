"""The table of a journal, for the application's metadata and for migrations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, String

#: The default name of the table.
DEFAULT_NAME = 'fs_journal'
#: For MySQL and MariaDB: support transactions, all characters, and case-sensitive names.
OPTIONS: dict[str, Any] = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def columns() -> tuple[Column[Any], ...]:
    """New columns of the table.

    ``id`` begins with the time of the entry, so that the primary key finds the oldest entries; there is no other index.
    """
    return (
        Column('id', String(32), primary_key=True),
        Column('storage', String(255), nullable=False),
        # The maximum length of a filename, in bytes.
        Column('filename', String(1024), nullable=False),
        # 'created' or 'unused'.
        Column('action', String(8), nullable=False),
        # In UTC.
        Column('at', DateTime(), nullable=False),
    )
