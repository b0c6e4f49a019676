"""Store several files all-or-nothing, and remove files that nothing refers to anymore."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal

from . import names
from .backends.checksums import checksum_of
from .backends.sources import as_source
from .errors import FileExists, FSError
from .storage import Storage
from .verbs.conflicts import AvailableName

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .backends.attributes import GivenAttributes

logger = logging.getLogger(__name__)

#: What to do with files that a document or row no longer refers to, after the change is stored. A function gets the
#: previously stored reference, and returns whether to remove its files.
Cleanup = Literal['keep', 'remove'] | Callable[[Any], bool]


def check_cleanups(*cleanups: Any, owner: str = '') -> None:
    """Check that each value is a :data:`Cleanup`.

    :param owner: The prefix of the message, such as ``FileColumn: ``.
    :raises ValueError: If one of them is not.
    """
    for given in cleanups:
        if given not in ('keep', 'remove') and not callable(given):
            raise ValueError(f"{owner}on_delete and on_replace must be 'keep', 'remove' or a function, not {given!r}")


def removes(cleanup: Cleanup, reference: Any) -> bool:
    """Whether *cleanup* removes the files of *reference*."""
    return bool(cleanup(reference)) if callable(cleanup) else cleanup == 'remove'


def discard(storage: Storage, filenames: Iterable[str]) -> None:
    """Remove exactly these files, which nothing refers to. Errors are logged, and the remaining files are still removed."""
    for name in filenames:
        try:
            storage.remove(name)
        except FSError as error:
            logger.error('%r stays in storage %r, and nothing refers to it: %s', name, storage.name, error)
        except Exception:  # raised by a signal's receiver or a custom backend
            logger.exception('Removing %r from storage %r failed, and nothing refers to it', name, storage.name)


def suffixed(filename: str, suffix: object) -> str:
    """``folder/name-suffix.ext`` for ``folder/name.ext``."""
    name = names.with_suffix(filename, f'-{suffix}')
    # A long name that already ends with the suffix would be shortened to itself.
    return name if name != filename else names.with_suffix(filename, f'-{suffix}_1')


def is_numbered(name: str, filename: str) -> bool:
    """Whether *name* could be the available name that was chosen for *filename*: ``a_1.txt`` for ``a.txt``."""
    numbers = re.findall('_([0-9]+)', name.rpartition('/')[2])
    return any(name == names.with_suffix(filename, f'_{number}') for number in numbers)


def write_new(storage: Storage, name: str, content: Any, **attributes: Unpack[GivenAttributes]) -> str:
    """Store *content* like :meth:`flask_fs.Storage.write`, without ever replacing a file, and return its name.

    :raises FileExists: If a file with that name exists.
    """
    if not storage.overwrite:
        storage.write(name, content, **attributes)
        return name
    # write() would replace a file in such a storage. Mode x checks the name first, which costs one more request.
    with storage.open(name, 'xb', **attributes) as file:
        shutil.copyfileobj(as_source(content), file)
    return name


class FileTransaction:
    """Stores and removes the files of one change. Leaving its ``with`` block commits it; an exception rolls it back.

    A file that replaces another is first stored next to it, so no file changes before all are stored. If the store fails
    while files are moved into place, some files can have their new content, but none is missing. Files are removed last:
    see :meth:`commit`.

    :param storage: The storage of the files.
    :param deferred: Whether to commit after the end of the block, with a database transaction: the caller ends this one
        with :meth:`commit` or :meth:`roll_back`. At the end of the block, new files are in place, and no file is removed.
    """

    #: Whether a file that replaces another has the same name. In a unit of work, it gets a new name.
    in_place = True

    def __init__(self, storage: Storage, *, deferred: bool = False) -> None:
        self._storage = storage
        self._deferred = deferred
        #: Files that did not exist before.
        self._created: list[str] = []
        self._waiting: list[tuple[str, str]] = []
        self._unused: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.roll_back()
            return
        try:
            self._move_into_place()
        except BaseException:
            self.roll_back()
            raise
        if not self._deferred:
            self.commit()

    def save(
        self,
        file: Any,
        name: str,
        *,
        replace: bool = False,
        available: bool = False,
        alone: bool = False,
        former: str | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> str:
        """Store an upload, if :meth:`flask_fs.Storage.save` accepts it, and return its name.

        :param name: The full name, including the folders of the storage.
        :param replace: Whether to replace an existing file with that name.
        :param available: Whether to use the next available name in the folder if a file with that name exists.
        :param alone: Whether it is the only file. Then the storage itself replaces it atomically.
        :param former: The file to replace, if its name can differ from *name*. If files are not replaced in place, the
            caller has to :meth:`remove` it.
        :param attributes: The attributes to store with it, as in :meth:`flask_fs.Storage.save`.
        :raises FileExists: If a file with that name exists, unless *replace*, *available* or *former* is given.
        """
        if alone and replace and self.in_place:
            return self._save(file, name, overwrite=True, **attributes)
        return self._store(lambda name: self._save(file, name, **attributes), name, replace, available, former)

    def write(
        self,
        name: str,
        content: IO[bytes],
        *,
        replace: bool = False,
        available: bool = False,
        former: str | None = None,
    ) -> str:
        """Store *content* of any type, and return its name. The parameters are those of :meth:`save`."""

        def create(name: str) -> str:
            content.seek(0)
            return write_new(self._storage, name, content)

        return self._store(create, name, replace, available, former)

    def takes_place(self, name: str, former: str | None) -> bool:
        """Whether storing a file as *name* with replacement replaces *former*, the previous file of the same reference."""
        return name == former

    def checksum(self, name: str) -> str:
        """The SHA-256 of a stored file, as ``sha256:hex``. If the store doesn't report it, the file is read."""
        stored_as = {final: waiting for waiting, final in self._waiting}.get(name, name)
        reported = self._storage.stat(stored_as).checksum or ''
        return (
            reported if reported.startswith('sha256:') else checksum_of(self._storage.read_chunks(stored_as), 'sha256')
        )

    def remove(self, name: str) -> None:
        """Remove exactly this file on commit, unless it is replaced by then."""
        self._unused.append(name)

    def commit(self) -> None:
        """Remove the files that were passed to :meth:`remove`, in that order. All others stay.

        If removing a file fails, its error is raised, and another call continues with that file. Created files stay in any
        case: after a file might have been removed, nothing is rolled back.
        """
        while self._unused:
            # A removal that fails might still have happened.
            self._created.clear()
            self._storage.remove(self._unused[0])
            del self._unused[0]

    def _move_into_place(self) -> None:
        # All checks happen before the first move: an error here changes nothing.
        existing = {name for _, name in self._waiting if self._storage.exists(name)}
        for waiting, name in self._waiting:
            self._storage.move(waiting, name, overwrite=True)
            self._created.remove(waiting)
            if name not in existing:
                self._created.append(name)
        self._waiting.clear()

    def roll_back(self) -> None:
        """Remove the created files, and no others. Files that were to be replaced keep their content."""
        created, self._created, self._waiting, self._unused = self._created, [], [], []
        discard(self._storage, reversed(created))

    def _store(
        self, create: Callable[[str], str], name: str, replace: bool, available: bool, former: str | None
    ) -> str:
        if former is not None:
            name, replace = former, True
        if replace:
            self._unused = [unused for unused in self._unused if unused != name]
            # The random suffix keeps names distinct that are equal after they are shortened.
            waiting = suffixed(name, f'new-{secrets.token_hex(6)}')
            # Only this process uses that name, so it is removed even after an error, as the store might have the file.
            self._created.append(waiting)
            self._created[-1] = waiting = create(waiting)
            self._waiting.append((waiting, name))
            return name
        search = AvailableName(self._storage, name)
        while True:
            try:
                self._created.append(create(search.name))
                return self._created[-1]
            except FileExists as conflict:
                if not available:
                    raise
                search.advance(conflict)

    def _save(self, file: Any, name: str, *, overwrite: bool = False, **attributes: Unpack[GivenAttributes]) -> str:
        storage, upload_to = self._storage, self._storage.upload_to
        # An application's storage class might only have the documented parameters, so upload_to is passed only if needed.
        if upload_to is None:
            return storage.save(file, name, overwrite=overwrite, **attributes)
        if isinstance(upload_to, str) and (folder := names.join(upload_to)) and name.startswith(f'{folder}/'):
            return storage.save(file, name.removeprefix(f'{folder}/'), overwrite=overwrite, **attributes)
        return storage.save(file, name, overwrite=overwrite, upload_to='', **attributes)
