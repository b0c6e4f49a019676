"""The unit of work that the files of a row belong to.

They belong to the row until a flush writes it, so that a row can change its session until then, and from then on to the
transaction or savepoint of that flush. What is not committed is removed, and rows that are still in memory then refer to what
they referred to before.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import InstanceState, Session, SessionTransaction

from flask_fs import Storage
from flask_fs.consistency.sources import storage_itself, whole_name
from flask_fs.references import FileReference
from flask_fs.stored import StoredFile
from flask_fs.transaction import FileTransaction
from flask_fs.unit_of_work import UnitOfWork

from .collected import Collected
from .journals import journal_of

if TYPE_CHECKING:
    from flask_fs.consistency.journal import Journal

#: A file by its storage itself, and its whole name there.
File = tuple[Storage, str]


def unit_of(instance: Any) -> UnitOfWork:
    """The unit of work of the files of the row *instance*: they stay if its session commits, and are removed otherwise.

    A row without a session has a unit too, which its session takes over; without one it is rolled back once the row is
    garbage collected.

    :raises InvalidRequestError: If its session has not begun a transaction, and is not to begin one by itself.
    """
    return _row_files(instance).unit


def transaction(reference: FileReference) -> FileTransaction:
    """The transaction for one change of the files of *reference*, which may be that of a row."""
    if reference.instance is None:
        return FileTransaction(reference.fs)
    files = _row_files(reference.instance)
    files.former.append((weakref.ref(reference), reference.stored))
    return files.unit.transaction(reference.fs)


def adopt(instance: Any, value: Any) -> None:
    """Say that the attribute *value* of a row has changed: it may share files with another row, as by ``session.merge``.

    Such files are removed only if neither of the two rows is committed.
    """
    if not _by_row or instance is None:
        return
    own = _by_row.get(inspect(instance))
    for file in [file for reference in _references(value) for file in files_of(reference)]:
        other = _by_file.get(file)
        if other is None and own is not None and file in own.created():
            _by_file[file] = own
        elif other is not None and other is not own:
            own = other.take_in(_row_files(instance))


def sent(value: Any) -> None:
    """Say that *value* was sent to a database, maybe by ``session.bulk_save_objects``, which no row learns of."""
    if not _by_row:
        return
    for reference in _references(value):
        state: InstanceState[Any] | None = inspect(reference.instance, raiseerr=False)
        if state is not None and (files := _by_row.get(state)) is not None:
            files.is_sent = True


def files_of(reference: FileReference) -> list[File]:
    """The files of *reference*, by their whole names."""
    return [named(reference, name) for name in reference.stored.files()]


def named(reference: FileReference, filename: str) -> File:
    """The file *filename* in the storage of *reference*."""
    return storage_itself(reference.fs), whole_name(reference.fs, filename)


# --- Files of rows that are not written yet.


class RowFiles:
    """The files that a row got since it was last written. Rows that share files have them in common.

    :param journal: The journal of the row.
    """

    def __init__(self, journal: Journal | None) -> None:
        self.unit = UnitOfWork(journal)
        #: References, and what they referred to before each change.
        self.former: list[tuple[weakref.ref[FileReference], StoredFile]] = []
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
        _by_row[state] = self
        self.rows.add(state)
        self._guards.append(_collected.watch(state, self._row_is_gone))

    def take_in(self, other: RowFiles) -> RowFiles:
        """Be also what *other* is."""
        self.unit.merge(other.unit)
        self.former += other.former
        self.is_sent = self.is_sent or other.is_sent
        rows = list(other.rows)
        other.end()
        for state in rows:
            self.add(state)
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
            _by_row.pop(state, None)
        for file in [file for file, files in list(_by_file.items()) if files is self]:
            _by_file.pop(file, None)

    def roll_back(self) -> None:
        """Remove the files; the rows refer to what they did before."""
        self.leave()
        self.end()
        roll_back(self.unit, self.rows, self.former)

    def _row_is_gone(self) -> None:
        if list(self.rows):
            return
        if self.is_sent:
            # One of the rows may be in the database all the same.
            self.unit.abandon()
        self.roll_back()


_by_row: weakref.WeakKeyDictionary[InstanceState[Any], RowFiles] = weakref.WeakKeyDictionary()
_by_file: weakref.WeakValueDictionary[File, RowFiles] = weakref.WeakValueDictionary()


def _row_files(instance: Any) -> RowFiles:
    settle_forsaken()
    state: InstanceState[Any] = inspect(instance)
    joined = None if state.session is None else _current(state.session)
    files = _by_row.get(state)
    if files is None:
        files = RowFiles(journal_of(instance))
        files.add(state)
    if joined is not None:
        files.join(joined)
    return files


def attached(session: Session, instance: Any) -> None:
    """Let the files of a row that was added to *session* be rolled back with that."""
    files = _by_row.get(inspect(instance)) if _by_row else None
    if files is not None:
        files.join(_current(session))


# --- Files of transactions.


class TransactionFiles:
    """The files of the rows that were written in one transaction, or up to one savepoint.

    :param journal: The journal of the session.
    :param parent: That of the transaction around it.
    """

    def __init__(self, journal: Journal | None, parent: TransactionFiles | None = None) -> None:
        self.parent = parent
        self.unit = UnitOfWork(journal)
        self.former: list[tuple[weakref.ref[FileReference], StoredFile]] = []
        self.rows: weakref.WeakSet[InstanceState[Any]] = weakref.WeakSet()
        self.unwritten: list[RowFiles] = []
        #: Whether each row refers to a file, as of its last flush. A file that no row refers to any more is to be removed.
        self.refers: dict[tuple[File, weakref.ref[InstanceState[Any]]], bool] = {}
        #: The connections on which rows were written.
        self.connections: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Whether the session has begun to commit, and has committed.
        self.is_committing = self.is_committed = False
        #: Whether nobody can say if the database has committed.
        self.is_unknown = False
        #: Whether rows may be committed all the same, if the session does not commit.
        self.may_be_committed = False
        #: Whether it is unknown only until the transaction is rolled back.
        self.is_left_open = False
        self.guard: Any = None

    @property
    def root(self) -> TransactionFiles:
        """That of the whole transaction."""
        return self if self.parent is None else self.parent.root

    def take(self, files: RowFiles) -> None:
        """Take over the files of a row that is being written."""
        self.rows.update(files.rows)
        self.former += files.former
        self.unit.merge(files.unit)
        files.leave()
        files.end()

    def prepare(self) -> None:
        """Write into the journal what the commit will mean."""
        self._find_unused()
        self.unit.prepare()

    def _find_unused(self) -> None:
        used = {file for (file, _), refers in self.refers.items() if refers}
        unused = {file: None for (file, _), refers in self.refers.items() if not refers}
        self.refers = {key: refers for key, refers in self.refers.items() if refers}
        for storage, name in unused:
            if (storage, name) not in used:
                self.unit.remove(storage, name)

    def release(self) -> None:
        """Hand everything to the parent, as the savepoint is released."""
        parent = self.parent
        assert parent is not None
        parent.rows.update(self.rows)
        parent.former += self.former
        parent.may_be_committed = parent.may_be_committed or self.may_be_committed
        parent.refers.update(self.refers)
        parent.unit.merge(self.unit)
        for files in list(self.unwritten):
            files.join(parent)

    def end(self) -> None:
        """The transaction has ended: remove what is not to stay."""
        if self.is_committed and self.parent is not None:
            self.release()
            return
        if self.is_committed and not self.is_unknown:
            # What is left belongs to rows that were expunged before they were written.
            for files in list(self.unwritten):
                files.leave()
            self._find_unused()
            self.unit.commit()
            return
        for files in list(self.unwritten):
            files.roll_back()
        if self.is_unknown or self.may_be_committed:
            self.unit.abandon()
        else:
            roll_back(self.unit, self.rows, self.former)

    def forsake(self) -> None:
        """The session is gone, and so is its connection, without an end of the transaction."""
        self.is_unknown = self.is_unknown or self.is_committing
        self.end()


_open: weakref.WeakKeyDictionary[SessionTransaction, TransactionFiles] = weakref.WeakKeyDictionary()


def _current(session: Session) -> TransactionFiles:
    """The files of the innermost transaction or savepoint of *session*."""
    current = current_transaction(session)
    if current is None:
        if not session.autobegin:
            reason = 'the files of a row need a transaction, and its session does not begin one by itself'
            raise InvalidRequestError(f'{reason}: call session.begin() before you store a file.')
        # As any other change of a row does.
        session.begin()
        current = session.get_transaction()
        assert current is not None
    return _files_in(session, current)


def _files_in(session: Session, current: SessionTransaction) -> TransactionFiles:
    files = _open.get(current)
    if files is None:
        around = _boundary(current.parent)
        parent = None if around is None else _files_in(session, around)
        _open[current] = files = TransactionFiles(journal_of(session), parent)
        files.guard = _collected.watch(current, files.forsake)
    return files


def _boundary(transaction: SessionTransaction | None) -> SessionTransaction | None:
    """*transaction* itself, or that around it, which is a transaction or savepoint of the database."""
    while transaction is not None and not transaction.nested and transaction.parent is not None:
        transaction = transaction.parent
    return transaction


def current_transaction(session: Session) -> SessionTransaction | None:
    """The innermost transaction or savepoint of *session*."""
    return session.get_nested_transaction() or session.get_transaction()


def opened(transaction: SessionTransaction) -> TransactionFiles | None:
    """The files of *transaction*, if there are any."""
    return _open.get(transaction)


def ended(transaction: SessionTransaction) -> TransactionFiles | None:
    """The files of *transaction*, which has ended, if there are any."""
    files = _open.pop(transaction, None)
    if files is not None:
        files.guard.detach()
    return files


def unwritten(instance: Any) -> RowFiles | None:
    """The files that *instance* got since it was last written, if there are any."""
    return _by_row.get(inspect(instance))


def written(instance: Any, connection: Any) -> TransactionFiles:
    """The files of the transaction in which *instance* is being written, with its own."""
    state: InstanceState[Any] = inspect(instance)
    assert state.session is not None
    files = _current(state.session)
    if (own := _by_row.get(state)) is not None:
        files.take(own)
    files.rows.add(state)
    files.root.connections.add(connection)
    return files


# --- Their end.


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
            for reference in _references(*state.dict.values()):
                if not gone.isdisjoint(files_of(reference)):
                    reference.stored = before.get(id(reference), reference.stored_type())
    unit.roll_back()


def _references(*values: Any) -> list[FileReference]:
    items = [item for value in values for item in (value if isinstance(value, list) else (value,))]
    return [item for item in items if isinstance(item, FileReference)]


_collected = Collected()


def settle_forsaken() -> None:
    """Remove the files of rows that were garbage collected before they were committed.

    It is done whenever a row gets a file, whenever a transaction with files ends, and at the end of the process.
    """
    _collected.settle()
