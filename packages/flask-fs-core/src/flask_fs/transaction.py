"""Several files stored all-or-nothing, and the removal of files that nothing refers to any more."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Any, Literal

from . import names
from .backends.checksums import checksum_of
from .errors import FileExists, FSError
from .storage import Storage
from .verbs.conflicts import AvailableName

logger = logging.getLogger(__name__)

#: What to do with files that a document or row no longer refers to, once that is stored: a function is called with the
#: reference as it was stored, and returns whether to remove its files.
Cleanup = Literal['keep', 'remove'] | Callable[[Any], bool]


def removes(cleanup: Cleanup, reference: Any) -> bool:
    """Whether *cleanup* removes the files of *reference*."""
    return bool(cleanup(reference)) if callable(cleanup) else cleanup == 'remove'


def discard(storage: Storage, filenames: Iterable[str]) -> None:
    """Remove files that nothing refers to, and no others. An error is logged, and the other files are removed anyway."""
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
    # A long name that ends like this already would be shortened to itself.
    return name if name != filename else names.with_suffix(filename, f'-{suffix}_1')


class FileTransaction:
    """Stores and removes the files of one change. Leaving its ``with`` block commits it; an exception rolls it back.

    A file that replaces another waits next to it until the end of the block, so no file changes before all are stored. If
    the store fails while they are moved into place, some files may have their new content; none is missing. Files to be
    removed are removed last: see :meth:`commit`.

    :param storage: Where the files are stored.
    :param deferred: Whether to commit later than at the end of the block, with the transaction of a database: the caller
        ends this one by :meth:`commit` or :meth:`roll_back`. New files are in place, and no file is removed.
    """

    def __init__(self, storage: Storage, *, deferred: bool = False) -> None:
        self._storage = storage
        self._deferred = deferred
        #: Files that did not exist before.
        self._created: list[str] = []
        self._waiting: list[tuple[str, str]] = []
        self._unused: list[str] = []

    def __enter__(self) -> FileTransaction:
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

    def save(self, file: Any, name: str, *, replace: bool = False, available: bool = False, alone: bool = False) -> str:
        """Store an upload, if :meth:`flask_fs.Storage.save` accepts it, and return its name.

        :param name: The full name, including the folders of the storage.
        :param replace: Whether to replace a file of that name.
        :param available: Whether to use the next available name in the folder if there is a file of that name.
        :param alone: Whether it is the only file, so that the storage itself replaces it atomically.
        :raises FileExists: If there is a file of that name, and neither *replace* nor *available* is true.
        """
        if alone and replace:
            return self._save(file, name, overwrite=True)
        return self._store(lambda name: self._save(file, name), name, replace, available)

    def write(self, name: str, content: IO[bytes], *, replace: bool = False, available: bool = False) -> str:
        """Store *content*, which may be of any type, and return its name. The parameters are those of :meth:`save`."""
        return self._store(lambda name: self._write(name, content), name, replace, available)

    def checksum(self, name: str) -> str:
        """The SHA-256, as ``sha256:hex``, of a file that was stored: as the store reports it, or else by reading the file."""
        stored_as = {final: waiting for waiting, final in self._waiting}.get(name, name)
        reported = self._storage.stat(stored_as).checksum or ''
        return (
            reported if reported.startswith('sha256:') else checksum_of(self._storage.read_chunks(stored_as), 'sha256')
        )

    def remove(self, name: str) -> None:
        """Remove exactly this file on commit, unless it is replaced until then."""
        self._unused.append(name)

    def commit(self) -> None:
        """Remove the files to be removed, in their order; the others stay.

        If removing one fails, that error is raised, and another call continues with that file. What was created stays in
        any case: once a file may be gone, nothing is rolled back.
        """
        while self._unused:
            # Even a removal that fails may have been carried out.
            self._created.clear()
            self._storage.remove(self._unused[0])
            del self._unused[0]

    def _move_into_place(self) -> None:
        # All checks come before the first move: an error here changes nothing yet.
        existing = {name for _, name in self._waiting if self._storage.exists(name)}
        for waiting, name in self._waiting:
            self._storage.move(waiting, name, overwrite=True)
            self._created.remove(waiting)
            if name not in existing:
                self._created.append(name)
        self._waiting.clear()

    def roll_back(self) -> None:
        """Remove the files that were created, and no others. Files that were replaced keep their content."""
        created, self._created, self._waiting, self._unused = self._created, [], [], []
        discard(self._storage, reversed(created))

    def _store(self, create: Callable[[str], str], name: str, replace: bool, available: bool) -> str:
        if replace:
            self._unused = [unused for unused in self._unused if unused != name]
            # A random suffix keeps apart names that have all else in common once they are shortened.
            waiting = suffixed(name, f'new-{secrets.token_hex(6)}')
            # Only this process uses that name: it is removed even if the store fails, and has the file all the same.
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

    def _save(self, file: Any, name: str, *, overwrite: bool = False) -> str:
        storage, upload_to = self._storage, self._storage.upload_to
        # A storage class of an application may have the documented parameters only: the last one is for other cases.
        if upload_to is None:
            return storage.save(file, name, overwrite=overwrite)
        if isinstance(upload_to, str) and (folder := names.join(upload_to)) and name.startswith(f'{folder}/'):
            return storage.save(file, name.removeprefix(f'{folder}/'), overwrite=overwrite)
        return storage.save(file, name, overwrite=overwrite, upload_to='')

    def _write(self, name: str, content: IO[bytes]) -> str:
        content.seek(0)
        if not self._storage.overwrite:
            self._storage.write(name, content)
            return name
        # write() would replace a file in such a storage. Mode x checks the name first, which takes one more request.
        with self._storage.open(name, 'xb') as file:
            shutil.copyfileobj(content, file)
        return name
