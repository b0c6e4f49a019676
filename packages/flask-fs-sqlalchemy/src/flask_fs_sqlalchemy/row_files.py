"""The files of rows that are not flushed yet."""

from __future__ import annotations

import contextlib
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

#: A file: the underlying storage, and the full name there.
File = tuple[Storage, str]

#: Removes the files of rows and sessions that were garbage collected before they were committed. It is settled when a row gets a
#: file, when a transaction with files ends, and at the end of the process.
collected = Collected()


class RowFiles:
    """The files that a row got since it was last written. Rows that share files share this object.

    :param journal: The journal of the row.
    """

    def __init__(self, journal: Journal | None) -> None:
        self.unit = UnitOfWork(journal)
        #: Each changed reference, with its value before the change.
        self.former: list[tuple[weakref.ref[FileReference], StoredFile]] = []
        #: For each file, the row and attribute that got it, with the value at that time. The attribute can have another value by now.
        self.referred: dict[File, tuple[weakref.ref[InstanceState[Any]], str, StoredFile]] = {}
        #: The identity of a row and a file that it was read with, for attributes that changed since.
        self.known: set[tuple[Any, File]] = set()
        self.rows: weakref.WeakSet[InstanceState[Any]] = weakref.WeakSet()
        #: The transaction of the session of one of the rows.
        self.transaction: TransactionFiles | None = None
        #: Whether a statement outside a flush might have written a row with these files.
        self.is_sent = False
        self._guards: list[Any] = []

    def created(self) -> set[File]:
        """The new files, which are removed unless one of the rows is committed."""
        return set(self.unit.created)

    def add(self, state: InstanceState[Any]) -> None:
        """Add a row."""
        by_row[state] = self
        self.rows.add(state)
        self._guards.append(collected.watch(state, self._row_is_gone))

    def take_in(self, other: RowFiles) -> RowFiles:
        """Take over the files and rows of *other*."""
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
        """Roll back with *transaction*, unless the rows are written before."""
        if self.transaction is not transaction:
            self.leave()
            self.transaction = transaction
            transaction.unwritten.append(self)

    def leave(self) -> None:
        """Leave the transaction."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            # Another thread can be ending the files of a row that was garbage collected.
            with contextlib.suppress(ValueError):
                transaction.unwritten.remove(self)

    def end(self) -> None:
        """Detach all rows."""
        for guard in self._guards:
            guard.detach()
        self._guards.clear()
        for state in self.rows:
            by_row.pop(state, None)
        for file in self.referred:
            if by_file.get(file) is self:
                by_file.pop(file, None)

    def roll_back(self) -> None:
        """Remove the new files, and restore the former values of the rows."""
        self.leave()
        self.end()
        roll_back(self.unit, self.rows, self.former)

    def _row_is_gone(self) -> None:
        if list(self.rows) and not collected.is_at_end:
            return
        if self.is_sent:
            # One of the rows might be in the database anyway.
            self.unit.abandon()
        self.roll_back()


#: The unwritten files by row and by file, so that rows can share them.
by_row: weakref.WeakKeyDictionary[InstanceState[Any], RowFiles] = weakref.WeakKeyDictionary()
by_file: weakref.WeakValueDictionary[File, RowFiles] = weakref.WeakValueDictionary()


def files_of(*references: FileReference) -> set[File]:
    """The files of *references*."""
    return {named(each, name) for each in references for name in each.stored.files()}


def named(reference: FileReference, filename: str) -> File:
    """The file *filename* in the storage of *reference*."""
    return storage_itself(reference.fs), whole_name(reference.fs, filename)


def roll_back(
    unit: UnitOfWork,
    rows: Iterable[InstanceState[Any]],
    former: list[tuple[weakref.ref[FileReference], StoredFile]],
) -> None:
    """Remove the files that *unit* created. Rows that still refer to them get their former values, or no file."""
    gone = set(unit.created)
    if gone:
        before = {id(reference): stored for known, stored in reversed(former) if (reference := known()) is not None}
        for state in rows:
            for reference in references_in(*state.dict.values()):
                if not gone.isdisjoint(files_of(reference)):
                    reference.stored = before.get(id(reference), reference.stored_type())
    unit.roll_back()


def references_in(*values: Any) -> list[FileReference]:
    """The references in values of attributes, which can be lists."""
    items = [item for value in values for item in (value if isinstance(value, list) else (value,))]
    return [item for item in items if isinstance(item, FileReference)]
