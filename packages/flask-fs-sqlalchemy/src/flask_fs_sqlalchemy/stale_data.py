"""Checks that a change does not keep files that other transactions have removed since the row was read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

from sqlalchemy.orm.exc import StaleDataError

from flask_fs.references import FileReference
from flask_fs.transaction import Cleanup, removes

from . import units
from .flushed_row import FlushedRow, Values, files_in
from .row_files import File, files_of, named


def read_existing(row: FlushedRow) -> dict[str, Any]:
    """The value of each attribute in the database. The row is locked until the end of the transaction.

    :raises StaleDataError: If the row does not exist. A row that does not exist is not locked, so the UPDATE could overwrite the
        files of another row that gets the same primary key.
    """
    stored = row.in_database()
    if not stored:
        raise StaleDataError(f'{row.instance!r} was deleted since it was read. Nothing is written: roll back.')
    return stored


def is_possible(row: FlushedRow, changed: Collection[str]) -> bool:
    """Whether *changed* attributes keep files that must be compared with the database."""
    return bool(_kept(row, changed)) or bool(_merged(row, changed))


def check_kept(row: FlushedRow, changed: Iterable[str], before: Values) -> None:
    """Check files that the row had when it was read, and still has in *changed* attributes, for example after ``rerender()``.

    :param before: What the database has.
    :raises StaleDataError: If the row no longer has one of them in the database. It would refer to a file that is gone, or that
        now belongs to another row.
    """
    lost = _kept(row, changed) - files_in(before)
    if lost:
        raise _error(lost, f'since {row.instance!r} was read, which this change keeps', 'refresh the row')


def check_merged(
    row: FlushedRow, changed: Iterable[str], before: Values, policy: Literal['on_replace', 'on_delete']
) -> None:
    """Check files that *changed* attributes got from another object of the same row that was read before.

    :param before: What the database has.
    :raises StaleDataError: If the row no longer has one of them in the database, and *policy* removes such files, or the file no
        longer exists.
    """
    current = files_in(before)
    lost: set[File] = set()
    for key, item, files in _merged(row, changed):
        gone = files - current - {named(item, name) for name in row.owners[key].shared_files()}
        cleanup: Cleanup = getattr(row.owners[key].column_type, policy)
        is_removed = bool(gone) and removes(cleanup, item)
        lost.update((storage, name) for storage, name in gone if is_removed or not storage.exists(name))
    if lost:
        since = f'since the object was read that {row.instance!r} gets its files from, as by merge()'
        raise _error(lost, since, 'read the row')


def _kept(row: FlushedRow, changed: Iterable[str]) -> set[File]:
    files = units.unwritten(row.instance)
    if files is None or not files.known:
        return set()
    kept = files_in(row.in_memory(changed)) - files.created()
    return {file for file in kept if (row.state.key, file) in files.known}


def _merged(row: FlushedRow, changed: Iterable[str]) -> list[tuple[str, FileReference, set[File]]]:
    """The attributes, references, and files that *row* got from another object of the same row."""
    identity = row.mapper.identity_key_from_instance(row.instance)
    found = {key: files for key in changed if (files := units.merged(row.instance, key, identity))}
    return [
        (key, item, mine)
        for key, items in row.in_memory(found).items()
        for item in items
        if (mine := found[key] & files_of(item))
    ]


def _error(lost: Iterable[File], since: str, advice: str) -> StaleDataError:
    names = ', '.join(sorted(repr(name) for _, name in lost))
    reason = f'another transaction has replaced or removed {names} {since}'
    return StaleDataError(f'{reason}. Nothing is written: roll back, {advice}, and make the change again.')
