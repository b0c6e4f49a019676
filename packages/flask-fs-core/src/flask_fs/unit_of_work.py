"""Files stored and removed together with something else, such as the transaction of a database."""

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

#: Raised before anything is stored. After any other error, the store may have the file.
_NOT_STORED = (FileExists, UploadNotAllowed, InvalidFilename, OperationNotSupported, ConfigurationError)


def unit(*, journal: Journal | None = None) -> UnitOfWork:
    """A new :class:`UnitOfWork`: files that are stored and removed together with something else.

    :param journal: Where to write down what a crash would leave behind.
    """
    return UnitOfWork(journal)


class UnitOfWork:
    """Files that are stored and removed together with something else, such as the transaction of a database.

    A file is in the storage as soon as it is saved; :meth:`roll_back` removes it again. A file to be removed stays until
    :meth:`commit`. No file is replaced in place: where a save would replace one, the new file gets the next available name.
    So until the end, everything that the rest of the work may still refer to is there.

    Leaving its ``with`` block commits it, an exception rolls it back. After its end, which may be outside of the application
    context in which it was used, it is empty, and can be used again. It is for one thread at a time.

    :param journal: Where to write down what a crash would leave behind.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._created: dict[UnitFile, Note] = {}
        self._unused: dict[UnitFile, Note] = {}
        #: What nothing refers to any more, until it is removed.
        self._doomed: dict[UnitFile, Note] = {}
        #: What the journal could not settle before the commit.
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
            # Whatever was committed in the block refers to the files.
            self.abandon()
            raise
        self.commit()

    def __del__(self) -> None:
        # Nobody can say any more what has become of the rest of the work. One that was interrupted while it was made has nothing.
        if vars(self).get('_created') or vars(self).get('_unused'):
            self._leave('A unit of work was neither committed nor rolled back')

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit or to roll back."""
        return not (self._created or self._unused or self._doomed) and all(unit.is_empty for unit in self._open)

    @property
    def created(self) -> Collection[tuple[Storage, str]]:
        """The files that it has created and not removed, as the storage itself and the whole name of the file there."""
        files = [(file.storage, file.name) for file in self._created]
        return [*files, *(file for nested in self._open for file in nested.created)]

    @property
    def unused(self) -> Collection[tuple[Storage, str]]:
        """The files to be removed after the commit, in the same form."""
        files = [(file.storage, file.name) for file in self._unused]
        return [*files, *(file for nested in self._open for file in nested.unused)]

    # --- What it does.

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

        Where that would replace a file, both are kept, as by ``conflict='rename'``. :meth:`remove` the former one.
        """
        check_sent(file_or_wfs, filename, storage.name)
        folder = storage.upload_to if upload_to is None else upload_to
        name = storage._named(storage._bound().app, file_or_wfs, filename, prefix, folder)
        available = storage._may_overwrite(replaces(conflict, overwrite, None)) or conflict == 'rename'
        with self.transaction(storage) as transaction:
            return transaction.save(file_or_wfs, name, available=available, **attributes)

    def write(self, storage: Storage, filename: str, content: Any, **attributes: Unpack[GivenAttributes]) -> str:
        """Store text, bytes, or the content of a file, as :meth:`flask_fs.Storage.write` does, and return its name.

        In a storage that replaces files, that is the next available name.

        :raises FileExists: In any other storage, if there is a file of that name.
        """
        with _Part(storage, self.nested()) as part:
            return part.write_new(filename, content, available=storage.overwrite, attributes=attributes)

    def remove(self, storage: Storage, *filenames: str) -> None:
        """Remove exactly these files after the commit; nothing happens to those that do not exist.

        Once a file is gone, its name is available again: remove only what this very work makes unused, such as the file that a
        row has while it is locked, so that no other process removes it before.

        :raises InvalidFilename: If one of the names is not valid; then none is removed.
        :raises OperationNotSupported: If *storage* is a view that only reads.
        """
        storage._require_writable()
        files = [self._file(storage, filename) for filename in filenames]
        self._unused.update({file: Note(file.app) for file in files if file not in self._unused})

    def keep(self, storage: Storage, *filenames: str) -> None:
        """Do not remove these files after the commit: meanwhile, something else may have taken their names.

        :raises InvalidFilename: If one of the names is not valid.
        """
        kept = [self._unused.pop(file, None) for file in [self._file(storage, filename) for filename in filenames]]
        done(note for note in kept if note is not None)
        for nested in self._open:
            nested.keep(storage, *filenames)

    def transaction(self, storage: Storage) -> FileTransaction:
        """For several files of *storage* that are stored all-or-nothing: from the end of its block they belong to this unit."""
        return _Part(storage, self.nested())

    def nested(self) -> UnitOfWork:
        """A unit within this one, as for a savepoint: its commit hands everything to this one, and removes nothing."""
        self._open.append(nested := _Nested(self))
        return nested

    def merge(self, other: UnitOfWork) -> None:
        """Take over everything that *other* has; that is empty then."""
        if other is self:
            return
        for file, note in other._created.items():
            if note.entry is None:
                other._created[file] = self._late_note(file)
            elif note.journal == self._journal:
                # That of another session of the same database, say.
                note.journal = self._journal
        self._take_over(other)

    def _take_over(self, other: UnitOfWork) -> None:
        for file, note in other._created.items():
            self._use(file)
            self._created[file] = note
        for file, note in other._unused.items():
            self._unused.setdefault(file, note)
        self._doomed.update(other._doomed)
        self._late += other._late
        for nested in other._open:
            nested.parent = self
        self._open += other._open
        self._app = self._app or other._app
        other._forget()

    # --- How it ends.

    def prepare(self, connection: Any = None) -> None:
        """Write into the journal what the commit will mean: call it right before that. After an error, roll back.

        :param connection: That of the transaction about to be committed. If it is the journal's database, both are committed
            together.
        """
        created = [note for file, note in self._created.items() if file not in self._unused]
        for journal, notes in by_journal(note for note in created if not note.is_settled):
            late = journal.settle(entries_of(notes), connection)
            self._late += [Note(notes[0].app, journal, entry) for entry in late or ()]
            for note in notes:
                note.is_settled = True
        # A file of this unit that was not settled has an entry already.
        noted = (self._unused, self._created)
        unused = [file for file in self._unused if not any(file in files and files[file].is_open for files in noted)]
        if unused and self._journal is not None:
            entries = self._journal.unused([(file.storage.name, file.name) for file in unused], connection)
            for file, entry in zip(unused, entries, strict=True):
                self._unused[file] = Note(file.app, self._journal, entry)

    def commit(self) -> None:
        """Remove what is to be removed, now that the rest of the work is committed. What was created stays.

        An error is logged, and the other files are removed all the same, unless their store is unavailable. The journal keeps
        the entry of a file that stays. After an interrupt, such as KeyboardInterrupt, another call continues.
        """
        for file, note in self._unused.items():
            created = self._created.get(file)
            self._doomed.setdefault(file, created if created is not None and created.is_open else note)
        late = [note for file, note in self._created.items() if file not in self._doomed and note.is_open] + self._late
        self._created, self._unused, self._late = {}, {}, []
        done(late)
        remove(self._doomed)

    def roll_back(self) -> None:
        """Remove what was created, now that the rest of the work is rolled back. What was to be removed stays.

        Errors and interrupts are as for :meth:`commit`. Units within this one are rolled back too.
        """
        for nested in self._open[::-1]:
            nested.roll_back()
        self._doomed.update({file: self._created[file] for file in reversed(self._created)})
        unused, late = [*self._unused.values()], self._late
        self._created, self._unused, self._late = {}, {}, []
        done(unused)
        if remove(self._doomed):
            # Which files these are about, only the journal knows.
            done(late)

    def abandon(self) -> None:
        """Remove nothing, because nobody can say whether the rest of the work was committed.

        The files are logged. The journal keeps its entries, and what refers to the files later decides.
        """
        for nested in self._open[::-1]:
            nested.abandon()
        self._leave('Whether a unit of work was committed is unknown')

    def _leave(self, why: str) -> None:
        for text, files in (('was created', self._created), ('was to be removed', self._unused)):
            for file, note in files.items():
                advice = 'see whether anything refers to it' if note.entry is None else 'the journal has it'
                logger.error('%s. %r in storage %r %s, and stays: %s.', why, file.name, file.storage.name, text, advice)
        self._forget()

    def _forget(self) -> None:
        self._created, self._unused, self._doomed, self._late, self._open = {}, {}, {}, [], []

    # --- Storing.

    def _file(self, storage: Storage, filename: str) -> UnitFile:
        """The file *filename* of *storage*: in the current application, or else in that of the first file."""
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
        """Call *create* with *name*, and with the next available names as long as there is such a file; return the name.

        :param former: The file to be replaced: that name is not tried, as a large file would be sent for nothing.
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
                    text = '%r may be in storage %r, and nothing refers to it: storing it ended with %s'
                    logger.warning(text, search.name, storage.name, type(error).__name__)
                raise
        self._use(file := self._file(storage, stored))
        self._created[file] = note
        if stored != search.name:
            # Storage classes of an application may choose another name.
            rename(note, file)
        return stored

    def _advance(self, storage: Storage, search: AvailableName, error: Exception, available: bool) -> None:
        # A name that becomes available on commit is not available yet, but it is this unit that it has to wait for.
        if not isinstance(error, FileExists) or not (available or self._is_unused(self._file(storage, search.name))):
            raise error
        search.advance(error)

    def _use(self, file: UnitFile) -> None:
        """Do not remove *file*, which was not there any more, and is now."""
        self._unused.pop(file, None)

    def _is_unused(self, file: UnitFile) -> bool:
        return file in self._unused

    def _late_note(self, file: UnitFile) -> Note:
        """A note about *file*, which is stored already: so an error is no reason to refuse it."""
        try:
            return pending(self._journal, file)
        except Exception:  # that of any database
            text = '%r in storage %r is in no journal: it would stay after a crash, even if nothing refers to it'
            logger.exception(text, file.name, file.storage.name)
            return Note(file.app)


class _Nested(UnitOfWork):
    def __init__(self, parent: UnitOfWork) -> None:
        super().__init__(parent._journal)
        self._app = parent._app
        self.parent = parent

    def prepare(self, connection: Any = None) -> None:
        """What the commit means is decided by that of the parent."""

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
    """What is stored at once in a unit, such as the files of a picture."""

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
    """*file*, or its content in a temporary file if it can be read only once: another name may have to be tried.

    :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
    """
    is_stream = hasattr(file, 'read') and not isinstance(file, ArrivedUpload)
    if not is_stream or position_of(file) is not None:
        yield file
        return
    with spooled(source(limited(file, name, storage.name, storage.config))) as kept:
        is_upload = isinstance(file, FileStorage)
        yield FileStorage(kept, file.filename, file.name, headers=file.headers) if is_upload else kept
