"""Files that are stored and removed together with something else, such as a database transaction."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from werkzeug.datastructures import FileStorage

from .arrivals import ArrivedUpload
from .backends.sources import source, spooled
from .errors import ConfigurationError, FileExists, InvalidFilename, OperationNotSupported, UploadNotAllowed
from .storage import Storage
from .transaction import FileTransaction, is_numbered, write_new
from .unit_files import Note, UnitFile, by_journal, done, entries_of, pending, remove, rename
from .upload_checks import check_sent, limited, position_of, restore_position
from .verbs.conflicts import AvailableName, Conflict, replaces
from .verbs.naming import UploadTo

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .backends.attributes import GivenAttributes
    from .consistency.journal import Journal

logger = logging.getLogger(__name__)

#: Errors that are raised before anything is stored. After any other error, the file might be in the store.
_NOT_STORED = (FileExists, UploadNotAllowed, InvalidFilename, OperationNotSupported, ConfigurationError)


def unit(*, journal: Journal | None = None) -> UnitOfWork:
    """A new :class:`UnitOfWork`: files that are stored and removed together with something else.

    :param journal: The journal in which to record files, so that ``flask fs gc`` finds them after a crash.
    """
    return UnitOfWork(journal)


class UnitOfWork:
    """Files that are stored and removed together with something else, such as a database transaction.

    A file is in the storage as soon as it is saved; :meth:`roll_back` removes it. A file to be removed stays until :meth:`commit`.
    No file is replaced in place: instead, the new file gets the next available name. So until the unit ends, every file that the
    rest of the work can refer to exists.

    At the end of a ``with`` block, the unit is committed; an exception rolls it back. The unit can end outside the application
    context in which it was used. Afterward, it is empty, and can be used again. Use it in one thread at a time.

    :param journal: The journal in which to record files, so that ``flask fs gc`` finds them after a crash.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._created: dict[UnitFile, Note] = {}
        #: Entries of created files that somebody has removed since, so that the unit has stored others under their names.
        self._gone: list[Note] = []
        self._unused: dict[UnitFile, Note] = {}
        #: Files that nothing refers to anymore, until they are removed.
        self._doomed: dict[UnitFile, Note] = {}
        #: Entries that the journal could not settle before the commit.
        self._late: list[Note] = []
        self._open: list[_Nested] = []
        #: The application of the first file.
        self._app: Flask | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.roll_back()
            return
        try:
            self.prepare()
        except BaseException:
            # The block might have committed rows that refer to the files.
            self.abandon()
            raise
        self.commit()

    def __del__(self) -> None:
        # The outcome of the rest of the work is unknown. If __init__ was interrupted, the attributes are missing.
        if vars(self).get('_created') or vars(self).get('_unused'):
            self._leave('A unit of work was neither committed nor rolled back')

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit or to roll back."""
        return not (self._created or self._unused or self._doomed) and all(unit.is_empty for unit in self._open)

    @property
    def created(self) -> Collection[tuple[Storage, str]]:
        """The files that the unit created and did not remove: for each, the underlying storage and the full name there."""
        files = [(file.storage, file.name) for file in self._created]
        return [*files, *(file for nested in self._open for file in nested.created)]

    @property
    def unused(self) -> Collection[tuple[Storage, str]]:
        """The files to be removed after the commit, in the same form."""
        files = [(file.storage, file.name) for file in self._unused]
        return [*files, *(file for nested in self._open for file in nested.unused)]

    # --- Storing and removing.

    def save(
        self,
        storage: Storage,
        file_or_wfs: Any,
        filename: str | None = None,
        prefix: UploadTo | None = None,
        *,
        overwrite: bool | None = None,
        upload_to: UploadTo | None = None,
        conflict: Conflict | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> str:
        """Store a file and return its name, as :meth:`flask_fs.Storage.save` does, with the same parameters.

        If this would replace a file, both are kept, as with ``conflict='rename'``; call :meth:`remove` for the old one.
        """
        check_sent(file_or_wfs, filename, storage.name)
        folder = storage.upload_to if upload_to is None else upload_to
        name = storage._named(storage._bound().app, file_or_wfs, filename, prefix, folder)
        available = storage._may_overwrite(replaces(conflict, overwrite, None)) or conflict == 'rename'
        with self.transaction(storage) as transaction:
            return transaction.save(file_or_wfs, name, available=available, **attributes)

    def write(self, storage: Storage, filename: str, content: Any, **attributes: Unpack[GivenAttributes]) -> str:
        """Store text, bytes, or the content of a file, as :meth:`flask_fs.Storage.write` does, and return its name.

        If the name is in use and the storage is declared with ``overwrite=True``, the file gets the next available name.

        :raises FileExists: If the name is in use in any other storage.
        """
        with _Part(storage, self.nested()) as part:
            return part.write_new(filename, content, available=storage.overwrite, attributes=attributes)

    def remove(self, storage: Storage, *filenames: str) -> None:
        """Remove exactly these files after the commit. Files that do not exist are ignored.

        Once a file is gone, its name is available again. So remove only files that this transaction makes unused, such as the file
        of a row that it has locked; otherwise, the name could already belong to another row's file.

        :raises InvalidFilename: If one of the names is not valid; then none of the files is removed.
        :raises OperationNotSupported: If *storage* is a read-only view.
        """
        storage._require_writable()
        files = [self._file(storage, filename) for filename in filenames]
        self._unused.update({file: Note(file.app) for file in files if file not in self._unused})

    def keep(self, storage: Storage, *filenames: str) -> None:
        """Cancel the removal of these files, for example because their names might belong to other files by now.

        :raises InvalidFilename: If one of the names is not valid.
        """
        kept = [self._unused.pop(file, None) for file in [self._file(storage, filename) for filename in filenames]]
        done(note for note in kept if note is not None)
        for nested in self._open:
            nested.keep(storage, *filenames)

    def transaction(self, storage: Storage) -> FileTransaction:
        """A transaction for several files of *storage*, all or nothing. At the end of its block, they become part of this unit."""
        return _Part(storage, self.nested())

    def nested(self) -> UnitOfWork:
        """A unit within this one, for example for a savepoint. Its commit passes everything to this unit, and removes nothing."""
        self._open.append(nested := _Nested(self))
        return nested

    def merge(self, other: UnitOfWork) -> None:
        """Take over all files of *other*, which is empty afterward."""
        if other is self:
            return
        for file, note in other._created.items():
            if note.entry is None:
                other._created[file] = self._late_note(file)
        for note in (*other._created.values(), *other._gone):
            if note.journal == self._journal:
                # It can be the journal of another session of the same database.
                note.journal = self._journal
        self._take_over(other)

    def _take_over(self, other: UnitOfWork) -> None:
        for file, note in other._created.items():
            self._add(file, note)
        for file, note in other._unused.items():
            self._unused.setdefault(file, note)
        self._doomed.update(other._doomed)
        self._gone += other._gone
        self._late += other._late
        for nested in other._open:
            nested.parent = self
        self._open += other._open
        self._app = self._app or other._app
        other._forget()

    # --- Ending.

    def prepare(self, connection: Any = None) -> None:
        """Update the journal. Call this right before the commit; if it raises, roll back.

        :param connection: The connection that is about to commit. If it belongs to the journal's database, the journal's changes
            are part of the same transaction.
        """
        created = [note for file, note in self._created.items() if file not in self._unused]
        # If `flask fs gc` has removed a file, settling its entry fails.
        for journal, notes in by_journal(note for note in [*created, *self._gone] if not note.is_settled):
            late = journal.settle(entries_of(notes), connection)
            self._late += [Note(notes[0].app, journal, entry) for entry in late or ()]
            for note in notes:
                note.is_settled = True
                note.confirm()
        # A file of this unit that is not settled already has an entry.
        noted = (self._unused, self._created)
        unused = [file for file in self._unused if not any(file in files and files[file].is_open for files in noted)]
        if unused and self._journal is not None:
            entries = self._journal.unused([(file.storage.name, file.name) for file in unused], connection)
            for file, entry in zip(unused, entries, strict=True):
                self._unused[file] = Note(file.app, self._journal, entry)

    def commit(self) -> None:
        """Remove the files that were passed to :meth:`remove`. Call this after the rest of the work is committed. Created files stay.

        Errors are logged, and do not prevent the removal of other files. The journal keeps the entries of files that could not be
        removed. After an interrupt, such as KeyboardInterrupt, another call continues.
        """
        for file, note in self._unused.items():
            created = self._created.get(file)
            self._doomed.setdefault(file, created if created is not None and created.is_open else note)
        kept = [note for file, note in self._created.items() if file not in self._doomed]
        late = [note for note in [*kept, *self._gone] if note.is_open] + self._late
        self._created, self._gone, self._unused, self._late = {}, [], {}, []
        done(late)
        remove(self._doomed)

    def roll_back(self) -> None:
        """Remove the created files. Call this after the rest of the work is rolled back. Files that were to be removed stay.

        Errors and interrupts are handled as in :meth:`commit`. Nested units are rolled back too.
        """
        for nested in self._open[::-1]:
            nested.roll_back()
        self._doomed.update({file: self._created[file] for file in reversed(self._created)})
        needless, late = [*self._unused.values(), *self._gone], self._late
        self._created, self._gone, self._unused, self._late = {}, [], {}, []
        done(needless)
        if remove(self._doomed):
            # Only the journal has the files of these entries.
            done(late)

    def abandon(self) -> None:
        """Remove nothing, because it is unknown whether the rest of the work was committed.

        All files are logged. The journal keeps its entries, so ``flask fs gc`` can later remove files that nothing refers to.
        """
        for nested in self._open[::-1]:
            nested.abandon()
        self._leave('Whether a unit of work was committed is unknown')

    def _leave(self, why: str) -> None:
        for text, files in (('was created', self._created), ('was to be removed', self._unused)):
            for file, note in files.items():
                advice = 'check whether anything refers to it' if note.entry is None else 'the journal has it'
                logger.error('%s. %r in storage %r %s, and stays: %s.', why, file.name, file.storage.name, text, advice)
        self._forget()

    def _forget(self) -> None:
        self._created, self._gone, self._unused, self._doomed, self._late, self._open = {}, [], {}, {}, [], []

    # --- Storing.

    def _file(self, storage: Storage, filename: str) -> UnitFile:
        """The file *filename* of *storage* in the current application or, without one, in that of the first file."""
        try:
            app = storage._bound().app
        except ConfigurationError:
            if self._app is None:
                raise
            app = self._app
        app = app if isinstance(app, Flask) else None
        self._app = self._app or app
        return UnitFile(app, cast(Storage, storage._storage), storage._whole_name(filename))

    def _store(
        self, storage: Storage, name: str, create: Callable[[str], str], *, available: bool, former: str | None = None
    ) -> str:
        """Call *create* with *name*, then with the next available names as long as the name is in use; return the name.

        :param former: The file to be replaced. Its name is not tried, since a large file would be sent for nothing.
        """
        search = AvailableName(storage, name)
        if name == former or self._is_unused(self._file(storage, name)):
            search.advance(FileExists(name, storage=storage.name))
        note = pending(self._journal, self._file(storage, search.name))
        while True:
            try:
                stored = create(search.name)
                break
            except _NOT_STORED as error:
                try:
                    self._advance(storage, search, error, available)
                    rename(note, self._file(storage, search.name))
                except BaseException:
                    done([note])
                    raise
            except BaseException as error:
                if note.entry is None:
                    text = '%r might be in storage %r, and nothing refers to it: storing it ended with %s'
                    logger.warning(text, search.name, storage.name, type(error).__name__)
                raise
        self._add(file := self._file(storage, stored), note)
        note.stored()
        if stored != search.name:
            # An application's own Storage class can choose another name.
            rename(note, file)
        return stored

    def _advance(self, storage: Storage, search: AvailableName, error: Exception, available: bool) -> None:
        # A file that this unit will remove still exists, but is no conflict: the new file gets the next name.
        if not isinstance(error, FileExists) or not (available or self._is_unused(self._file(storage, search.name))):
            raise error
        search.advance(error)

    def _add(self, file: UnitFile, note: Note) -> None:
        """Add a file that was created, possibly under the name of another one that is gone."""
        self._use(file)
        if (gone := self._created.get(file)) is not None:
            self._gone.append(gone)
        self._created[file] = note

    def _use(self, file: UnitFile) -> None:
        """Cancel the removal of *file*, which was gone and has now been stored again."""
        self._unused.pop(file, None)

    def _is_unused(self, file: UnitFile) -> bool:
        return file in self._unused

    def _late_note(self, file: UnitFile) -> Note:
        """A note about *file*, which is already stored, so an error is logged and not raised."""
        try:
            return pending(self._journal, file)
        except Exception:  # of any database
            text = '%r in storage %r could not be recorded in the journal: after a crash, it could stay without a row'
            logger.exception(text, file.name, file.storage.name)
            return Note(file.app)


class _Nested(UnitOfWork):
    def __init__(self, parent: UnitOfWork) -> None:
        super().__init__(parent._journal)
        self._app = parent._app
        self.parent = parent

    def prepare(self, connection: Any = None) -> None:
        """Do nothing: the parent prepares its own commit."""

    def commit(self) -> None:
        self.parent._take_over(self)
        self._close()

    def roll_back(self) -> None:
        self._close()
        super().roll_back()

    def abandon(self) -> None:
        self._close()
        super().abandon()

    def _close(self) -> None:
        with contextlib.suppress(ValueError):
            self.parent._open.remove(self)

    def _use(self, file: UnitFile) -> None:
        super()._use(file)
        self.parent._use(file)

    def _is_unused(self, file: UnitFile) -> bool:
        return super()._is_unused(file) or self.parent._is_unused(file)


class _Part(FileTransaction):
    """Files that are stored together in a unit, such as those of an image."""

    in_place = False

    def __init__(self, storage: Storage, unit: UnitOfWork) -> None:
        super().__init__(storage)
        self._unit = unit

    def takes_place(self, name: str, former: str | None) -> bool:
        return former is not None and (name == former or is_numbered(former, name))

    def save(self, file: Any, name: str, **how: Any) -> str:
        with _rereadable(file, name, self._storage) as source:
            return super().save(source, name, **how)

    def write_new(self, name: str, content: Any, *, available: bool, attributes: Any) -> str:
        with _rereadable(content, name, self._storage) as source:
            position = position_of(source)

            def create(name: str) -> str:
                restore_position(source, position)
                return write_new(self._storage, name, source, **attributes)

            try:
                return self._unit._store(self._storage, name, create, available=available)
            finally:
                restore_position(source, position)

    def remove(self, name: str) -> None:
        self._unit.remove(self._storage, name)

    def commit(self) -> None:
        self._unit.commit()

    def roll_back(self) -> None:
        self._unit.roll_back()

    def _store(
        self, create: Callable[[str], str], name: str, replace: bool, available: bool, former: str | None
    ) -> str:
        available = available or replace or former is not None
        return self._unit._store(self._storage, name, create, available=available, former=former)


@contextlib.contextmanager
def _rereadable(file: Any, name: str, storage: Storage) -> Generator[Any]:
    """*file*, or its content in a temporary file if it can be read only once, so that it can be stored again under another name.

    :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
    """
    is_stream = hasattr(file, 'read') and not isinstance(file, ArrivedUpload)
    if not is_stream or position_of(file) is not None:
        yield file
        return
    with spooled(source(limited(file, name, storage.name, storage.config))) as kept:
        is_upload = isinstance(file, FileStorage)
        yield FileStorage(kept, file.filename, file.name, headers=file.headers) if is_upload else kept
