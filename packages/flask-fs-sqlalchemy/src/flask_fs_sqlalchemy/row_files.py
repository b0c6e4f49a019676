"""The files of rows that no flush has written yet."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import InstanceState

from flask_fs import Storage
from flask_fs.consistency.sources import storage_itself, whole_name
from flask_fs.references import FileReference
from flask_fs.stored import StoredFile
from flask_fs.unit_of_work import UnitOfWork

from .collected import Collected

if TYPE_CHECKING:
    from flask_fs.consistency.journal import Journal

    from .transaction_files import TransactionFiles

#: A file by its storage itself, and its whole name there.
File = tuple[Storage, str]

collected = Collected()


class RowFiles:
    """The files that a row got since it was last written. Rows that share files have them in common.

    :param journal: The journal of the row.
    """

    def __init__(self, journal: Journal | None) -> None:
        self.unit = UnitOfWork(journal)
        #: References, and what they referred to before each change.
        self.former: list[tuple[weakref.ref[FileReference], StoredFile]] = []
        #: The row and attribute that got each file, which may refer to it no more, and what it referred to then.
        self.referred: dict[File, tuple[weakref.ref[InstanceState[Any]], str, StoredFile]] = {}
        #: What rows had in the database when they were read, as far as it was changed since: their identities, and the files.
        self.known: set[tuple[Any, File]] = set()
        self.rows: weakref.WeakSet[InstanceState[Any]] = weakref.WeakSet()
        #: The transaction of the session that one of the rows is in.
        self.transaction: TransactionFiles | None = None
        #: Whether a statement other than that of a flush may have written a row with these files.
        self.is_sent = False
        self._guards: list[Any] = []

    def created(self) -> set[File]:
        """The files that are removed unless one of the rows is committed."""
        return set(self.unit.created)

    def add(self, state: InstanceState[Any]) -> None:
        """Be the files of that row too."""
        by_row[state] = self
        self.rows.add(state)
        self._guards.append(collected.watch(state, self._row_is_gone))

    def take_in(self, other: RowFiles) -> RowFiles:
        """Be also what *other* is."""
        self.unit.merge(other.unit)
        self.former += other.former
        self.referred.update(other.referred)
        self.known |= other.known
        self.is_sent = self.is_sent or other.is_sent
        rows = list(other.rows)
        other.end()
        for state in rows:
            self.add(state)
        by_file.update(dict.fromkeys(other.referred, self))
        if self.transaction is None and other.transaction is not None:
            self.join(other.transaction)
        other.leave()
        return self

    def join(self, transaction: TransactionFiles) -> None:
        """Be rolled back with *transaction*, unless written before."""
        if self.transaction is not transaction:
            self.leave()
            self.transaction = transaction
            transaction.unwritten.append(self)

    def leave(self) -> None:
        """Belong to no transaction."""
        if self.transaction is not None:
            self.transaction.unwritten.remove(self)
            self.transaction = None

    def end(self) -> None:
        """Be the files of no row any more."""
        for guard in self._guards:
            guard.detach()
        self._guards.clear()
        for state in self.rows:
            by_row.pop(state, None)
        for file in self.referred:
            if by_file.get(file) is self:
                by_file.pop(file, None)

    def roll_back(self) -> None:
        """Remove the files; the rows refer to what they did before."""
        self.leave()
        self.end()
        roll_back(self.unit, self.rows, self.former)

    def _row_is_gone(self) -> None:
        if list(self.rows) and not collected.is_at_end:
            return
        if self.is_sent:
            # One of the rows may be in the database all the same.
            self.unit.abandon()
        self.roll_back()


#: The files of each row that has some which are not written yet, and those by which rows can share them.
by_row: weakref.WeakKeyDictionary[InstanceState[Any], RowFiles] = weakref.WeakKeyDictionary()
by_file: weakref.WeakValueDictionary[File, RowFiles] = weakref.WeakValueDictionary()


def files_of(reference: FileReference) -> list[File]:
    """The files of *reference*, by their whole names."""
    return [named(reference, name) for name in reference.stored.files()]


def named(reference: FileReference, filename: str) -> File:
    """The file *filename* in the storage of *reference*."""
    return storage_itself(reference.fs), whole_name(reference.fs, filename)


def roll_back(
    unit: UnitOfWork,
    rows: Iterable[InstanceState[Any]],
    former: list[tuple[weakref.ref[FileReference], StoredFile]],
) -> None:
    """Remove what *unit* created. Rows that still refer to that refer to what they did before, or to nothing."""
    gone = set(unit.created)
    if gone:
        before = {id(reference): stored for known, stored in reversed(former) if (reference := known()) is not None}
        for state in rows:
            for reference in references_in(*state.dict.values()):
                if not gone.isdisjoint(files_of(reference)):
                    reference.stored = before.get(id(reference), reference.stored_type())
    unit.roll_back()


def references_in(*values: Any) -> list[FileReference]:
    """The references in the values of attributes."""
    items = [item for value in values for item in (value if isinstance(value, list) else (value,))]
    return [item for item in items if isinstance(item, FileReference)]
