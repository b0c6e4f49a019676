"""The unit of work that the files of a row belong to.

New files belong to the row until a flush writes it, so that the row can move to another session. From then on, they belong to the
transaction or savepoint of that flush. If it is not committed, the files are removed, and rows in memory refer to their old files
again.
"""

from __future__ import annotations

import weakref
from typing import Any

from flask import has_app_context
from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session, object_session

from flask_fs.bindings import current_application
from flask_fs.references import FileReference
from flask_fs.transaction import FileTransaction
from flask_fs.unit_of_work import UnitOfWork

from . import open_transactions
from .journals import journal_of
from .row_files import File, RowFiles, by_file, by_row, collected, files_of, references_in
from .transaction_files import TransactionFiles, current_files


def unit_of(instance: Any) -> UnitOfWork:
    """The unit of work for the files of the row *instance*: they stay if its session commits, and are removed otherwise.

    A row without a session also has a unit. A session that the row joins takes it over. If the row is garbage collected before, the
    unit is rolled back.

    :raises InvalidRequestError: If its session has no transaction and does not begin one automatically.
    """
    return _row_files(instance).unit


def transaction(reference: FileReference) -> FileTransaction:
    """The transaction for one change of *reference*, with or without a row."""
    if reference.instance is None:
        return FileTransaction(reference.fs)
    files = _row_files(reference.instance)
    files.former.append((weakref.ref(reference), reference.stored))
    state: InstanceState[Any] = inspect(reference.instance)
    if state.key is not None and _is_as_read(reference, state):
        files.known.update((state.key, file) for file in files_of(reference))
    return files.unit.transaction(reference.fs)


def _is_as_read(reference: FileReference, state: InstanceState[Any]) -> bool:
    """Whether *reference* still has the value that was read from the database."""
    value = state.dict.get(str(reference.name))
    if isinstance(value, list):
        # Another item of the list can have changed.
        return reference.filename in (getattr(value, '_known', None) or ())
    # merge() assigns what the row has already, too.
    return state.committed_state.get(str(reference.name), reference) is reference


#: For each attribute that was assigned an unchanged value of another object: the identity of its row, and the files.
_merged: weakref.WeakKeyDictionary[InstanceState[Any], dict[str, tuple[Any, set[File]]]] = weakref.WeakKeyDictionary()


def assigned(instance: Any, key: str, value: Any, given: Any) -> None:
    """Called when attribute *key* is assigned *given*, which becomes *value*. The row may get files that it did not have before."""
    state: InstanceState[Any] = inspect(instance)
    own = unwritten(instance)
    if own is not None and own.known:
        mine = files_of(*(each for each in references_in(given) if each.instance is instance))
        chosen = files_of(*references_in(value)) - mine
        own.known = {(identity, file) for identity, file in own.known if file not in chosen}
    if state in _merged:
        _merged[state].pop(key, None)
    for reference in references_in(given):
        other: InstanceState[Any] | None = inspect(reference.instance, raiseerr=False)
        if other is not None and other is not state and other.key is not None and _is_as_read(reference, other):
            _, files = _merged.setdefault(state, {}).setdefault(key, (other.key, set()))
            files.update(files_of(reference))


def merged(instance: Any, key: str, identity: Any) -> set[File]:
    """The files that attribute *key* got from another object of the same row, for example by ``session.merge``.

    They are the files that this object had when it was read, except those that the row's transaction has already written or
    marked for removal, because they still exist, and new files with the same names.

    :param identity: The identity of the row.
    """
    state: InstanceState[Any] = inspect(instance)
    known, files = _merged.get(state, {}).get(key, (None, set()))
    if known != identity or not files:
        return set()
    transaction_files = _transaction_files(instance)
    return {file for file in files - new_files(instance) if not transaction_files.has_written(file, state)}


def is_same_row(one: Any, other: Any) -> bool:
    """Whether these are objects of the same row in the database."""
    keys = [None if (state := inspect(each, raiseerr=False)) is None else state.key for each in (one, other)]
    return keys[0] is not None and keys[0] == keys[1]


def adopt(instance: Any, value: Any) -> None:
    """Called when an attribute gets a new *value*, which can share files with another row, for example after ``session.merge``.

    Shared files are removed only if neither row is committed.
    """
    if not by_row or instance is None:
        return
    state: InstanceState[Any] = inspect(instance)
    own, created = by_row.get(state), new_files(instance)
    for reference in references_in(value):
        for file in files_of(reference) - (_former_files(reference, state, value) - created):
            other = by_file.get(file)
            if other is not own and own is not None and file in created:
                # If another row has created a file of this name before, `flask fs gc` has removed that one.
                by_file[file] = own
                own.referred[file] = weakref.ref(state), str(reference.name), reference.stored
            elif other is not None and other is not own:
                own = other.take_in(_row_files(instance))
                created = own.created()


def _former_files(reference: FileReference, state: InstanceState[Any], value: Any) -> set[File]:
    """The files of *reference* in *value* that the row had when it was read. A new file with such a name belongs to another row."""
    files = files_of(reference)
    is_value = isinstance(value, list) or state.dict.get(str(reference.name)) is value
    if state.key is not None and is_value and _is_as_read(reference, state):
        return files
    own = by_row.get(state)
    known = set() if own is None else {file for key, file in own.known if key == state.key}
    _, read = _merged.get(state, {}).get(str(reference.name), (None, set()))
    return files & (known | read)


def sent(value: Any) -> None:
    """Called when *value* is pickled or sent to a database, possibly by ``session.bulk_save_objects``, which has no events."""
    if not by_row:
        return
    for reference in references_in(value):
        state: InstanceState[Any] | None = inspect(reference.instance, raiseerr=False)
        if state is not None and (files := by_row.get(state)) is not None:
            files.is_sent = True


def _row_files(instance: Any) -> RowFiles:
    collected.settle()
    state: InstanceState[Any] = inspect(instance)
    joined = None if state.session is None else current_files(state.session, instance)
    files = by_row.get(state)
    if files is None:
        files = RowFiles(journal_of(instance))
        files.add(state)
    if joined is not None:
        files.join(joined)
    return files


# --- Called by session events.


def attached(session: Session, instance: Any) -> None:
    """Add the files of a row that was added to *session* to its transaction."""
    files = unwritten(instance)
    if files is not None:
        files.join(current_files(session, instance))


def unwritten(instance: Any) -> RowFiles | None:
    """The files that *instance* got since it was last written; None if there are none."""
    return by_row.get(inspect(instance)) if by_row else None


def new_files(instance: Any) -> set[File]:
    """The files that *instance* got since it was last written, and that are removed unless it is committed."""
    files = unwritten(instance)
    return set() if files is None else files.created()


def written(instance: Any, connection: Any) -> TransactionFiles:
    """The files of the transaction in which *instance* is being written, including those of *instance*."""
    state: InstanceState[Any] = inspect(instance)
    files = _transaction_files(instance)
    if (own := unwritten(instance)) is not None:
        files.take(own)
    _merged.pop(state, None)
    files.rows.add(state)
    if has_app_context():
        files.apps[weakref.ref(state)] = current_application()
    files.root.connections.add(connection)
    open_transactions.watch(files, connection)
    return files


def created(instance: Any) -> set[File]:
    """The files that the transaction of *instance* has created for rows that it has written."""
    return _transaction_files(instance).created()


def _transaction_files(instance: Any) -> TransactionFiles:
    """The files of the innermost transaction or savepoint of the session of *instance*."""
    session = object_session(instance)
    assert session is not None
    return current_files(session, instance)
