"""What is written down about files before their bytes are stored, and before they are removed, so that a crash leaves a note."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from typing import Any, Literal, NamedTuple, Protocol


class Entry(NamedTuple):
    """A file that may have to be removed.

    :param id: What the journal finds the entry by.
    :param storage: The name of the storage itself, also where a view of it was used.
    :param filename: The whole name of the file in that storage.
    :param action: ``created``: it was about to be stored for a row that may not exist. ``unused``: the row no longer refers to
        it.
    :param at: When the entry was written, in UTC.
    """

    id: str
    storage: str
    filename: str
    action: Literal['created', 'unused']
    at: datetime.datetime


class Journal(Protocol):
    """Where a unit of work keeps such entries; a binding to a database has one in that database.

    Storages are given by name, and files by their whole name in the storage itself.
    """

    def pending(self, storage: str, filename: str) -> str:
        """Write down that a file is about to be stored, committed in a transaction of its own; the id of the entry."""
        ...

    def renamed(self, entry: str, filename: str) -> None:
        """Write down that another name is tried next, because that of the entry exists (a transaction of its own)."""
        ...

    def settle(self, entries: Collection[str], connection: Any = None) -> Collection[str]:
        """Remove entries, because the row that refers to their files is being committed; return those that it could not.

        The latter, as those of a journal in another database, are removed by :meth:`done` after the commit.

        :param connection: That of the row's transaction, if it is the same database: both are committed together.
        """
        ...

    def unused(self, files: Collection[tuple[str, str]], connection: Any = None) -> list[str]:
        """Write down that files are to be removed once a transaction is committed; the ids of the entries, in order.

        :param files: The name of the storage and the file, for each.
        :param connection: That of the transaction, as in :meth:`settle`.
        """
        ...

    def done(self, entries: Collection[str]) -> None:
        """Remove entries whose files are removed, or stay (a transaction of its own). An error is logged, and not raised."""
        ...

    def claim(self, entry: str) -> bool:
        """Make sure that an entry of a created file is not settled any more: it is ``unused`` from now on, its time included.

        A transaction that would settle it later fails. :meth:`entries` still gives it, as it was written when it was. False
        if it was settled, or claimed, already.
        """
        ...

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        """The entries that were written at least that many seconds ago, the oldest first, read lazily."""
        ...
