"""The entries of a journal: the statements that write, settle, and read them, on a given connection."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, delete, func, insert, literal, or_, select, update
from sqlalchemy.sql.dml import Delete, Update

from flask_fs.consistency.journal import Entry

#: How many entries one statement changes or reads.
BATCH = 500
# How many hexadecimal digits of an id are its time, in nanoseconds.
_TIME_DIGITS = 16


class Entries:
    """The entries in the *table* of a journal."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self, connection: Connection, files: Collection[tuple[str, str]], action: Literal['created', 'unused']
    ) -> list[str]:
        """Write an entry for each file, and return their ids.

        :param files: The names of the storage and the file, for each.
        """
        now = _now()
        rows = [
            {'id': _new_id(), 'storage': storage, 'filename': filename, 'action': action, 'at': now}
            for storage, filename in files
        ]
        connection.execute(insert(self._table), rows)
        return [str(row['id']) for row in rows]

    def rename(self, connection: Connection, entry: str, filename: str) -> bool:
        """Change the file of *entry*; False if it was claimed."""
        return bool(self._change(connection, update(self._table).values(filename=filename, at=_now()), [entry]))

    def claim(self, connection: Connection, entry: str) -> bool:
        """Change *entry* from ``created`` to ``unused``; False if it was already settled or claimed."""
        return bool(self._change(connection, update(self._table).values(action='unused', at=_now()), [entry]))

    def settle(self, connection: Connection, entries: Iterable[str]) -> set[str]:
        """Remove those of *entries* that are ``created``, and return them.

        If the database cannot report which they are, all of a batch are returned, or none.
        """
        return self._change(connection, delete(self._table), entries)

    def count_created(self, connection: Connection, entries: Iterable[str]) -> int:
        """How many of *entries* are ``created``. This waits for no lock."""
        count = 0
        for batch in _batches(entries):
            count += connection.execute(select(func.count()).where(*self._created(batch))).scalar_one()
        return count

    def renew(self, connection: Connection, entries: Collection[str]) -> list[str] | None:
        """Give *entries* ids with the current time, and return these; None if one of them is not ``created``."""
        prefix = _time_prefix(time.time_ns())
        renewed = literal(prefix) + func.substr(self._table.c.id, _TIME_DIGITS + 1)
        count = 0
        for batch in _batches(entries):
            count += connection.execute(update(self._table).values(id=renewed).where(*self._created(batch))).rowcount
        return [prefix + entry[_TIME_DIGITS:] for entry in entries] if count == len(entries) else None

    def remove(self, connection: Connection, entries: Iterable[str]) -> None:
        """Remove *entries*."""
        for batch in _batches(entries):
            connection.execute(delete(self._table).where(self._table.c.id.in_(batch)))

    def older_than(self, older_than_s: float) -> Select[Any]:
        """A query for the oldest entries of that age, for :meth:`page`."""
        table = self._table
        age = datetime.timedelta(seconds=older_than_s)
        # The id of a renewed entry has the time of its renewal, and `at` the time when its file was stored.
        newest = _time_prefix(time.time_ns() - int(older_than_s * 1e9)) + 'g'
        # An entry that was claimed is returned by its original age.
        is_old = or_(table.c.action == 'unused', table.c.at <= _now() - age)
        return select(table).where(table.c.id <= newest, is_old).order_by(table.c.id).limit(BATCH)

    def page(self, connection: Connection, query: Select[Any], after: str) -> list[Entry]:
        """The next entries of *query*, at most :data:`BATCH`, that follow the id *after*."""
        rows = connection.execute(query.where(self._table.c.id > after)).all()
        return [
            Entry(row.id, row.storage, row.filename, row.action, row.at.replace(tzinfo=datetime.timezone.utc))
            for row in rows
        ]

    def _change(self, connection: Connection, change: Delete | Update, entries: Iterable[str]) -> set[str]:
        dialect = connection.dialect
        can_return = dialect.delete_returning if isinstance(change, Delete) else dialect.update_returning
        changed: set[str] = set()
        for batch in _batches(entries):
            statement: Any = change.where(*self._created(batch))
            if can_return:
                changed.update(connection.execute(statement.returning(self._table.c.id)).scalars())
            elif connection.execute(statement).rowcount == len(batch):
                changed.update(batch)
        return changed

    def _created(self, entries: list[str]) -> tuple[Any, Any]:
        return self._table.c.id.in_(entries), self._table.c.action == 'created'


def _now() -> datetime.datetime:
    """The time in UTC, without a time zone, as databases store it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _time_prefix(time_ns: int) -> str:
    return f'{max(time_ns, 0):0{_TIME_DIGITS}x}'


def _new_id() -> str:
    return _time_prefix(time.time_ns()) + secrets.token_hex(8)


def _batches(entries: Iterable[str]) -> Iterator[list[str]]:
    left = list(entries)
    for start in range(0, len(left), BATCH):
        yield left[start : start + BATCH]
