"""A table of the files in storages, and whether anything refers to them: millions of files in little memory."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Iterator

#: How many files are looked up at once.
BATCH = 200


class Inventory:
    """A table of files, which moves to a temporary file when it is large."""

    def __init__(self) -> None:
        # An empty name means a file that is removed when the connection is closed or the process ends.
        self._db = sqlite3.connect('', isolation_level=None, check_same_thread=False)
        for setting in ('journal_mode = OFF', 'synchronous = OFF', 'temp_store = FILE'):
            self._db.execute(f'PRAGMA {setting}')
        self._db.execute(
            'CREATE TABLE files (storage TEXT, name TEXT, modified REAL, used INTEGER DEFAULT 0, '
            'is_read INTEGER DEFAULT 0, PRIMARY KEY (storage, name)) WITHOUT ROWID'
        )

    def __enter__(self) -> Inventory:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, storage: str, files: Iterable[tuple[str, datetime.datetime | None]]) -> None:
        """Add files of a storage, each with the time of its last change."""
        rows = ((storage, name, None if changed is None else changed.timestamp()) for name, changed in files)
        self._db.execute('BEGIN')
        self._db.executemany('INSERT OR REPLACE INTO files (storage, name, modified) VALUES (?, ?, ?)', rows)
        self._db.execute('COMMIT')

    def use(self, storage: str, name: str) -> bool:
        """Mark a file as referred to, and return whether it is in the table."""
        return (
            self._db.execute('UPDATE files SET used = 1 WHERE storage = ? AND name = ?', (storage, name)).rowcount > 0
        )

    def skip(self, storage: str, name: str) -> None:
        """Mark the content of a file as read."""
        self._db.execute('UPDATE files SET is_read = 1 WHERE storage = ? AND name = ?', (storage, name))

    def unread(self, storage: str) -> Iterator[list[str]]:
        """The names of the files of a storage that are not marked as read, in batches."""
        return self._batches('storage = ? AND is_read = 0', (storage,))

    def unused(self, storage: str, older_than: datetime.datetime | None) -> Iterator[list[str]]:
        """The names of the files that nothing refers to and that did not change after *older_than*, in batches."""
        if older_than is None:
            return self._batches('storage = ? AND used = 0', (storage,))
        return self._batches('storage = ? AND used = 0 AND modified <= ?', (storage, older_than.timestamp()))

    def _batches(self, condition: str, values: tuple[object, ...]) -> Iterator[list[str]]:
        # Not a single cursor: the caller can change the table in between.
        query = f'SELECT name FROM files WHERE {condition} AND name > ? ORDER BY name LIMIT {BATCH}'
        last = ''
        while names := [name for (name,) in self._db.execute(query, (*values, last))]:
            yield names
            last = names[-1]
