"""The files of a unit of work: their journal entries, and their removal in the context of their application."""

from __future__ import annotations

import contextlib
import datetime
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from flask import Flask

from .bindings import current_application
from .errors import DeletionFailed, FileNotFound, FSError, OperationNotSupported
from .storage import Storage

if TYPE_CHECKING:
    from .consistency.journal import Journal

logger = logging.getLogger(__name__)

#: How long ``flask fs gc`` certainly doesn't claim an entry, in seconds. It waits longer than any transaction takes.
UNCLAIMED_S = 60

T = TypeVar('T')
K = TypeVar('K', bound=Hashable)


class UnitFile(NamedTuple):
    """A file, by its full name in the underlying storage.

    :param app: The application in which it was used; None if the storage was configured without one.
    """

    app: Flask | None
    storage: Storage
    name: str


class Note:
    """The journal entry of a file, if there is one.

    :param app: The application of the file.
    :param journal: The journal.
    :param entry: The id of the entry.
    :param is_pending: Whether the entry is about a file that was created.
    """

    __slots__ = ('_confirmed_s', '_is_pending', '_stored_at', 'app', 'entry', 'is_settled', 'journal')

    def __init__(
        self, app: Flask | None, journal: Journal | None = None, entry: str | None = None, *, is_pending: bool = False
    ) -> None:
        self.app = app
        self.journal = journal
        self.entry = entry
        #: Whether the journal has removed the entry, or is about to.
        self.is_settled = False
        self._is_pending = is_pending
        self._stored_at: datetime.datetime | None = None
        self.confirm()

    def confirm(self) -> None:
        """Called when the journal has found that the entry was not claimed."""
        self._confirmed_s = time.monotonic()

    def stored(self) -> None:
        """Called when the file has been stored."""
        self._stored_at = datetime.datetime.now(datetime.timezone.utc)

    def is_of(self, storage: Storage, filename: str) -> bool:
        """Whether *filename* is still the file that was stored.

        If not, ``flask fs gc`` has removed the file, and its name is in use again.
        """
        if self._claim():
            return True
        # gc also drops the entry of a file that takes longer to store than gc waits.
        modified = None
        with contextlib.suppress(FileNotFound, OperationNotSupported):
            modified = storage.stat(filename).modified
        return modified is not None and self._stored_at is not None and modified <= self._stored_at

    def _claim(self) -> bool:
        if self.journal is None or self.entry is None or not self._is_pending:
            return True
        if time.monotonic() - self._confirmed_s >= UNCLAIMED_S:
            if not self.journal.claim(self.entry):
                return False
            self.confirm()
        return True

    @property
    def is_open(self) -> bool:
        """Whether the journal has an entry to remove after the commit."""
        return self.entry is not None and not self.is_settled


def pending(journal: Journal | None, file: UnitFile) -> Note:
    """Record in the journal, if there is one, that *file* is about to be stored."""
    if journal is None:
        return Note(file.app)
    return Note(file.app, journal, journal.pending(file.storage.name, file.name), is_pending=True)


def rename(note: Note, file: UnitFile) -> None:
    """Change the file of the entry to *file*."""
    if note.journal is not None and note.entry is not None:
        note.journal.renamed(note.entry, file.name)
        note.confirm()


def done(notes: Iterable[Note]) -> None:
    """Remove the entries of *notes* from their journals. An error is logged, and the entries stay."""
    for app, group in grouped(notes, lambda note: note.app):
        with LoggedErrors('Finished entries of the journal stay until the next flask fs gc'), _context_of(app):
            for journal, notes in by_journal(group):
                journal.done(entries_of(notes))


def entries_of(notes: Iterable[Note]) -> list[str]:
    """The ids of the entries of *notes*."""
    return [note.entry for note in notes if note.entry is not None]


def by_journal(notes: Iterable[Note]) -> list[tuple[Journal, list[Note]]]:
    """The *notes* with an entry, grouped by journal."""
    journals: list[tuple[Journal, list[Note]]] = []
    for note in notes:
        if note.journal is None or note.entry is None:
            continue
        # A journal need not be hashable.
        known = next((notes for journal, notes in journals if journal == note.journal), None)
        if known is None:
            journals.append((note.journal, known := []))
        known.append(note)
    return journals


def remove(files: dict[UnitFile, Note]) -> bool:
    """Remove all *files*, in order, and their journal entries. An error is logged, and the other files are removed anyway.

    A file that stays keeps its entry. *files* is empty afterward; after an interrupt, it contains the files that might be left.

    :returns: Whether all files were removed.
    """
    count, removed = len(files), list[Note]()
    try:
        for (app, storage), group in grouped(files, lambda file: (file.app, file.storage)):
            names = [file.name for file in group]
            failed: Iterable[str] = names
            with LoggedErrors(f'Nothing refers to {names}, which stay in storage {storage.name!r}'), _context_of(app):
                others = [file.name for file in group if not files[file].is_of(storage, file.name)]
                failed = [*others, *_remove(storage, [name for name in names if name not in others])]
                if others:
                    text = (
                        '%s in storage %r stay: `flask fs gc` has claimed them, and their names might be in use again'
                    )
                    logger.warning(text, others, storage.name)
            removed += [files[file] for file in group if file.name not in failed]
            for file in group:
                del files[file]
    except BaseException:
        left = ', '.join(f'{file.name!r} in storage {file.storage.name!r}' for file in files)
        logger.error('Removing unused files was interrupted. These might be left: %s', left)
        raise
    finally:
        done(removed)
    return len(removed) == count


def _remove(storage: Storage, filenames: Sequence[str]) -> Iterable[str]:
    """Remove exactly these files, in few requests. Log and return those that could not be removed."""
    if len(filenames) > 1:
        try:
            storage.delete_many(filenames)
        except DeletionFailed as error:
            for name, failure in error.failures.items():
                _log_failure(storage, name, failure)
            return error.failures
        except Exception:  # noqa: BLE001  # of a signal's receiver or a custom backend: possibly for only one of the files
            pass
        else:
            return ()
    return [name for name in filenames if not _remove_one(storage, name)]


def _remove_one(storage: Storage, filename: str) -> bool:
    try:
        storage.remove(filename)
    except FSError as error:
        _log_failure(storage, filename, error)
        return False
    except Exception:  # as above
        logger.exception('Removing %r from storage %r failed, and nothing refers to it', filename, storage.name)
        return False
    return True


def _log_failure(storage: Storage, filename: str, error: FSError) -> None:
    logger.error('%r stays in storage %r, and nothing refers to it: %s', filename, storage.name, error)


class LoggedErrors(contextlib.AbstractContextManager[None]):
    """Logs and suppresses the errors of its ``with`` block, but not interrupts.

    :param message: The consequence of an error.
    """

    def __init__(self, message: str) -> None:
        self._message = message

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        logger.error(self._message, exc_info=error)
        return True


def _context_of(app: Flask | None) -> contextlib.AbstractContextManager[object]:
    """A context of *app*, unless it is the current application."""
    if app is None:
        return contextlib.nullcontext()
    try:
        is_current = current_application() is app
    except RuntimeError:
        is_current = False
    return contextlib.nullcontext() if is_current else app.app_context()


def grouped(items: Iterable[T], key: Callable[[T], K]) -> list[tuple[K, list[T]]]:
    """The *items* grouped by *key*, in their order."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [*groups.items()]
