"""The files of a session's transactions and savepoints."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from flask import Flask
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import InstanceState, Session, SessionTransaction

from flask_fs.references import FileReference
from flask_fs.stored import StoredFile
from flask_fs.unit_of_work import UnitOfWork

from .journals import journal_of
from .row_files import File, RowFiles, collected, roll_back

if TYPE_CHECKING:
    from flask_fs.consistency.journal import Journal


class TransactionFiles:
    """The files of the rows that were written in one transaction or savepoint.

    :param journal: The journal of the session.
    :param parent: The files of the enclosing transaction.
    """

    def __init__(self, journal: Journal | None, parent: TransactionFiles | None = None) -> None:
        self.parent = parent
        self.unit = UnitOfWork(journal)
        self.former: list[tuple[weakref.ref[FileReference], StoredFile]] = []
        self.rows: weakref.WeakSet[InstanceState[Any]] = weakref.WeakSet()
        self.unwritten: list[RowFiles] = []
        #: Whether a row refers to a file, as of its last flush. A file that no row refers to anymore will be removed.
        self.refers: dict[tuple[File, weakref.ref[InstanceState[Any]]], bool] = {}
        #: The application in which each row was written. The session can end in another one, or outside any.
        self.apps: dict[weakref.ref[InstanceState[Any]], Flask] = {}
        #: The connections on which rows were written.
        self.connections: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Whether the session has begun to commit, and has committed.
        self.is_committing = self.is_committed = False
        #: Whether it is unknown if the database has committed.
        self.is_unknown = False
        #: Whether the application has rolled back to a savepoint without the session.
        self.is_undone_in_part = False
        #: Whether rows might be committed even if the session does not commit.
        self.may_be_committed = False
        #: Whether the outcome is known once the transaction is rolled back.
        self.is_left_open = False
        self.guard: Any = None

    @property
    def root(self) -> TransactionFiles:
        """The files of the outermost transaction."""
        return self if self.parent is None else self.parent.root

    @property
    def is_doubtful(self) -> bool:
        """Whether it is unknown which of the rows will be in the database after the commit."""
        return self.is_unknown or self.is_undone_in_part

    @property
    def has_journal(self) -> bool:
        """Whether the files are recorded in a journal."""
        return self.unit._journal is not None

    def use_journal(self, journal: Journal | None) -> None:
        """Record files in *journal* from now on: the journal of the first row that has one."""
        self.unit._journal = journal
        if self.parent is not None and not self.parent.has_journal:
            self.parent.use_journal(journal)

    def take(self, files: RowFiles) -> None:
        """Take over the files of a row that is being written."""
        self.rows.update(files.rows)
        self.former += files.former
        self.unit.merge(files.unit)
        files.leave()
        files.end()

    def has_written(self, file: File, state: InstanceState[Any]) -> bool:
        """Whether this or an enclosing transaction has written the row of *state* with *file*, or removed *file* from it."""
        if (file, weakref.ref(state)) in self.refers:
            return True
        return self.parent is not None and self.parent.has_written(file, state)

    def created(self) -> set[File]:
        """The files created in this transaction and in those that enclose it."""
        outer = set() if self.parent is None else self.parent.created()
        return outer.union(self.unit.created)

    def prepare(self) -> None:
        """Update the journal right before the commit, unless the outcome is doubtful."""
        self._find_unused()
        if not self.is_doubtful:
            self.unit.prepare()

    def _find_unused(self) -> None:
        used = {file for (file, _), refers in self.refers.items() if refers}
        unused = {file: state for (file, state), refers in self.refers.items() if not refers}
        self.refers = {key: refers for key, refers in self.refers.items() if refers}
        for (storage, name), state in unused.items():
            if (storage, name) not in used:
                app = self.apps.get(state)
                with contextlib.nullcontext() if app is None else app.app_context():
                    self.unit.remove(storage, name)

    def release(self) -> None:
        """Pass everything to the parent, because the savepoint is released."""
        parent = self.parent
        assert parent is not None
        parent.rows.update(self.rows)
        parent.former += self.former
        parent.refers.update(self.refers)
        parent.apps.update(self.apps)
        parent.unit.merge(self.unit)
        for files in list(self.unwritten):
            files.join(parent)

    def end(self) -> None:
        """Remove the files that are not needed, now that the transaction has ended."""
        if self.is_committed and self.parent is not None and not self.may_be_committed:
            self.release()
            return
        if self.is_committed and not self.is_doubtful:
            # The rest belongs to rows that were expunged before they were written.
            for files in list(self.unwritten):
                files.leave()
            self._find_unused()
            self.unit.commit()
            return
        for files in list(self.unwritten):
            files.roll_back()
        if self.is_unknown or self.is_committed or self.may_be_committed:
            self.unit.abandon()
        else:
            roll_back(self.unit, self.rows, self.former)

    def session_is_gone(self) -> None:
        """End the files of a session that was garbage collected before its transaction ended."""
        self.is_unknown = self.is_unknown or self.is_committing
        self.end()


_open: weakref.WeakKeyDictionary[SessionTransaction, TransactionFiles] = weakref.WeakKeyDictionary()


def current_files(session: Session, row: Any) -> TransactionFiles:
    """The files of the innermost transaction or savepoint of *session*, which contains *row*."""
    current = current_transaction(session)
    if current is None:
        if not session.autobegin:
            reason = 'the files of a row need a transaction, and its session does not begin one automatically'
            raise InvalidRequestError(f'{reason}: call session.begin() before you store a file.')
        # Like any other change of a row.
        session.begin()
        current = session.get_transaction()
        assert current is not None
    return _files_in(session, current, row)


def _files_in(session: Session, current: SessionTransaction, row: Any) -> TransactionFiles:
    files = _open.get(current)
    if files is None:
        outer = _boundary(current.parent)
        parent = None if outer is None else _files_in(session, outer, row)
        _open[current] = files = TransactionFiles(journal_of(row, session), parent)
        files.guard = collected.watch(current, files.session_is_gone)
    elif not files.has_journal:
        files.use_journal(journal_of(row, session))
    return files


def _boundary(transaction: SessionTransaction | None) -> SessionTransaction | None:
    """The innermost transaction or savepoint of the database that is, or encloses, *transaction*."""
    while transaction is not None and not transaction.nested and transaction.parent is not None:
        transaction = transaction.parent
    return transaction


def current_transaction(session: Session) -> SessionTransaction | None:
    """The innermost transaction or savepoint of *session*."""
    return session.get_nested_transaction() or session.get_transaction()


def opened(transaction: SessionTransaction) -> TransactionFiles | None:
    """The files of *transaction*; None if there are none."""
    return _open.get(transaction)


def ended(transaction: SessionTransaction) -> TransactionFiles | None:
    """Forget the files of *transaction*, which has ended, and return them; None if there are none."""
    files = _open.pop(transaction, None)
    if files is not None:
        files.guard.detach()
    return files
