"""Session events: files of rows follow the transactions and savepoints of their session."""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session, SessionTransaction

from . import commits, late_changes, open_transactions, units
from .row_files import collected
from .transaction_files import TransactionFiles, current_transaction, ended, opened

#: Transactions that are about to commit, and savepoints about to be released.
_committing: weakref.WeakSet[SessionTransaction] = weakref.WeakSet()


@event.listens_for(Session, 'after_attach')
def _after_attach(session: Session, instance: Any) -> None:
    units.attached(session, instance)


@event.listens_for(Session, 'after_begin')
def _after_begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    open_transactions.begun(session, transaction, connection)


@event.listens_for(Session, 'before_commit')
def _before_commit(session: Session) -> None:
    root, current = session.get_transaction(), current_transaction(session)
    if root is None or current is None:
        return
    if current is not root and current not in _committing:
        # A savepoint is being released. If an outer transaction is committing, this is called for it next.
        _committing.add(current)
        return
    _committing.add(root)
    if not (session.new or session.dirty or session.deleted):
        _prepare(session)


@event.listens_for(Session, 'after_flush_postexec')
def _after_flush(session: Session, _: Any) -> None:
    if (files := _opened(session)) is not None:
        commits.check(files)
        # The last flush is part of the commit.
        _prepare(session)


def _prepare(session: Session) -> None:
    """If the session is about to commit, prepare the files of the rows that were written."""
    root = session.get_transaction()
    if root is None or root not in _committing or session.get_nested_transaction() is not None:
        return
    files = opened(root)
    if files is not None:
        open_transactions.check(files)
        files.is_committing = True
        commits.watch(files)
        files.prepare()


@event.listens_for(Session, 'after_commit')
def _after_commit(session: Session) -> None:
    if (files := _opened(session)) is not None:
        files.is_committed = True
        if files.parent is not None:
            commits.check(files)


@event.listens_for(Session, 'after_rollback')
def _after_rollback(session: Session) -> None:
    if (files := _opened(session)) is not None:
        commits.rolled_back(files)


def _opened(session: Session) -> TransactionFiles | None:
    current = current_transaction(session)
    return None if current is None else opened(current)


@event.listens_for(Session, 'after_transaction_end')
def _after_end(session: Session, transaction: SessionTransaction) -> None:
    _committing.discard(transaction)
    if not transaction.nested:
        # It can be the transaction of a failed flush.
        late_changes.flush_ended(session)
    files = ended(transaction)
    if files is None:
        return
    if files.parent is None and commits.goes_on(session, files):
        commits.follow(files)
        return
    files.end()
    if transaction.nested:
        _prepare(session)
    collected.settle()
