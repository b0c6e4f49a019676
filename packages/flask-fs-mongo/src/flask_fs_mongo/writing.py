"""Files that belong together: all of them are stored, or none is left behind."""

from __future__ import annotations

import logging
import posixpath
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Any

from flask_fs import FSError, Storage
from flask_fs.names import join

from .stored import suffixed

logger = logging.getLogger(__name__)


def discard(storage: Storage, names: Iterable[str]) -> None:
    """Remove files that nothing refers to. What cannot be removed is logged: what was done before it stands."""
    for name in names:
        try:
            storage.delete(name)
        except FSError as error:
            logger.error('%r stays in storage %r, and nothing refers to it: %s', name, storage.name, error)


class Together:
    """A ``with`` block that stores several files; leaving it by an exception removes those that it made.

    What replaces a file waits beside it until :meth:`finish`, so no file is touched before all are stored. If the store
    fails while :meth:`finish` puts them in place, some files have their new content already; none of them is missing.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        #: What did not exist before, and is removed after a failure.
        self._made: list[str] = []
        self._waiting: list[tuple[str, str]] = []
        self._mark = f'new-{secrets.token_hex(6)}'

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            discard(self._storage, reversed(self._made))

    def save(self, file: Any, filename: str, prefix: str, *, replace: bool, alone: bool = False) -> str:
        """Store an upload as :meth:`flask_fs.Storage.save` does, and return its name.

        :param alone: Whether it is the only file, so that the storage replaces it as a whole.
        """
        if alone:
            return self._storage.save(file, filename, prefix, overwrite=replace)
        if not replace:
            name = self._storage.save(file, filename, prefix, overwrite=False)
            self._made.append(name)
            return name
        waiting = self._storage.save(file, suffixed(filename, self._mark), prefix, overwrite=False)
        self._made.append(waiting)
        name = join(posixpath.dirname(waiting), posixpath.basename(filename))
        self._waiting.append((waiting, name))
        return name

    def write(self, name: str, content: IO[bytes], *, replace: bool) -> None:
        """Store *content* as *name*."""
        if not replace:
            self._create(name, content)
            self._made.append(name)
            return
        waiting = suffixed(name, self._mark)
        # Nobody else has such a name, so it may be removed even if the store fails and has the file all the same.
        self._made.append(waiting)
        self._create(waiting, content)
        self._waiting.append((waiting, name))

    def _create(self, name: str, content: IO[bytes]) -> None:
        if not self._storage.overwrite:
            self._storage.write(name, content.read())
            return
        # Which would replace a file in such a storage. This asks for the name first, which takes one more request.
        with self._storage.open(name, 'xb') as file:
            file.write(content.read())

    def finish(self) -> None:
        """Put what waits in its place."""
        for waiting, name in self._waiting:
            there = self._storage.exists(name)
            self._storage.move(waiting, name, overwrite=True)
            self._made.remove(waiting)
            if not there:
                self._made.append(name)
        self._waiting.clear()
