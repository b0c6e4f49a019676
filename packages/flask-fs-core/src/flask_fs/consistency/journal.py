"""The journal of a unit of work: it records files before they are stored or removed, so that they can be found after a crash."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from typing import Any, Literal, NamedTuple, Protocol


class Entry(NamedTuple):
    """A file that might have to be removed.

    :param id: The journal's identifier of the entry.
    :param storage: The name of the storage; for a view, the name of the underlying storage.
    :param filename: The full name of the file in that storage.
    :param action: ``created``: the file was about to be stored for a row that might not be committed. ``unused``: the row no
        longer refers to the file.
    :param at: The time when the entry was written, in UTC.
    """

    id: str
    storage: str
    filename: str
    action: Literal['created', 'unused']
    at: datetime.datetime


class Journal(Protocol):
    """Where a unit of work keeps its entries. A database binding keeps its journal in that database.

    Storages are passed by name, and files by their full name in the underlying storage.
    """

    def pending(self, storage: str, filename: str) -> str:
        """Record, in a separate transaction, that a file is about to be stored, and return the id of the entry."""
        ...

    def renamed(self, entry: str, filename: str) -> None:
        """Record, in a separate transaction, that another name is tried next, because the one of the entry is in use."""
        ...

    def settle(self, entries: Collection[str], connection: Any = None) -> Collection[str]:
        """Remove entries because the row that refers to their files is being committed; return those that could not be removed.

        :meth:`done` removes the latter after the commit, such as those of a journal in another database.

        :param connection: The connection of the row's transaction. In the same database, both are committed together.
        """
        ...

    def unused(self, files: Collection[tuple[str, str]], connection: Any = None) -> list[str]:
        """Record that files will be removed after a transaction is committed, and return the ids of the entries, in order.

        :param files: The names of the storage and the file, for each.
        :param connection: The connection of the transaction, as for :meth:`settle`.
        """
        ...

    def done(self, entries: Collection[str]) -> None:
        """Remove entries in a separate transaction because they are no longer needed. An error is logged, not raised."""
        ...

    def claim(self, entry: str) -> bool:
        """Change a ``created`` entry to ``unused``, with the current time, so that no transaction can settle it anymore.

        A transaction that tries to settle it later fails. :meth:`entries` still returns it by its original age. False if it was
        already settled or claimed.
        """
        ...

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        """The entries that were written at least *older_than_s* seconds ago, oldest first, read lazily."""
        ...
