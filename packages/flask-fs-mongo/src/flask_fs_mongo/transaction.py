"""Files that belong together: all of them are stored, or none is left behind."""

from __future__ import annotations

import functools
import logging
import posixpath
import secrets
import shutil
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Any

from flask_fs import FileExists, FSError, Storage, names

logger = logging.getLogger(__name__)

#: How often a free name is looked for, while others take each one that is found.
_MAX_ATTEMPTS = 100


def suffixed(filename: str, suffix: object) -> str:
    """``folder/name-suffix.ext`` for ``folder/name.ext``."""
    name = names.with_suffix(filename, f'-{suffix}')
    # A long name that ends so already, and is shortened, would be its own.
    return name if name != filename else names.with_suffix(filename, f'-{suffix}_1')


def upload(storage: Storage, file: Any, name: str, *, overwrite: bool | None) -> str:
    """Store an upload as *name*, which has the folders of the storage already, and return what the storage named it."""
    upload_to = storage.upload_to
    # A storage class of an application may have the documented parameters alone: the last is for other folders only.
    if upload_to is None:
        return storage.save(file, name, overwrite=overwrite)
    if isinstance(upload_to, str) and (folder := names.join(upload_to)) and name.startswith(f'{folder}/'):
        return storage.save(file, name.removeprefix(f'{folder}/'), overwrite=overwrite)
    return storage.save(file, name, overwrite=overwrite, upload_to='')


def discard(storage: Storage, filenames: Iterable[str]) -> None:
    """Remove files that nothing refers to, and no others. What cannot be removed is logged; what was done before stays."""
    for name in filenames:
        try:
            storage.remove(name)
        except FSError as error:
            logger.error('%r stays in storage %r, and nothing refers to it: %s', name, storage.name, error)
        except Exception:  # a receiver's or a custom backend's: the other files shall go all the same
            logger.exception('Removing %r from storage %r failed, and nothing refers to it', name, storage.name)


class FileTransaction:
    """A ``with`` block that stores several files; leaving it by an exception removes those that it made.

    What replaces a file waits beside it until :meth:`finish`, so no file is changed before all are stored. If the store
    fails while :meth:`finish` puts them in place, some files have their new content already; none of them is missing.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        #: What did not exist before, and is removed after a failure.
        self._made: list[str] = []
        self._waiting: list[tuple[str, str]] = []

    def __enter__(self) -> FileTransaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            discard(self._storage, reversed(self._made))

    def save(self, file: Any, name: str, *, replace: bool, alone: bool = False) -> str:
        """Store an upload as *name*, if :meth:`flask_fs.Storage.save` accepts it, and return what the storage named it.

        :param alone: Whether it is the only file, so that the storage replaces it as a whole.
        :raises FileExists: If the name is taken, unless it is to be replaced.
        """
        if alone:
            return upload(self._storage, file, name, overwrite=replace)
        return self._store(functools.partial(self._upload, file), name, replace=replace)

    def save_free(self, file: Any, name: str) -> str:
        """Store an upload as *name*, or under the next free name in its folder, and return that."""
        return self._store_free(functools.partial(self._upload, file), name)

    def write(self, name: str, content: IO[bytes], *, replace: bool) -> None:
        """Store *content* as *name*.

        :raises FileExists: If the name is taken, unless it is to be replaced.
        """
        self._store(functools.partial(self._create, content), name, replace=replace)

    def write_free(self, name: str, content: IO[bytes]) -> str:
        """Store *content* as *name*, or under the next free name in its folder, and return that."""
        return self._store_free(functools.partial(self._create, content), name)

    def _store(self, create: Callable[[str], str], name: str, *, replace: bool) -> str:
        if not replace:
            created = create(name)
            self._made.append(created)
            return created
        # With a mark of its own: names that are shortened may have all else in common.
        waiting = suffixed(name, f'new-{secrets.token_hex(6)}')
        # No other file has such a name, so it may be removed even if the store fails and has the file all the same.
        self._made.append(waiting)
        self._made[-1] = waiting = create(waiting)
        self._waiting.append((waiting, name))
        return name

    def _store_free(self, create: Callable[[str], str], wanted: str) -> str:
        folder, basename = posixpath.split(wanted)
        name, attempts = wanted, 1
        while True:
            try:
                created = create(name)
            except FileExists:
                if attempts == _MAX_ATTEMPTS:
                    raise
                attempts += 1
                name = names.join(folder, self._storage.resolve_conflict(folder, basename))
            else:
                self._made.append(created)
                return created

    def _upload(self, file: Any, name: str) -> str:
        return upload(self._storage, file, name, overwrite=False)

    def _create(self, content: IO[bytes], name: str) -> str:
        content.seek(0)
        if not self._storage.overwrite:
            self._storage.write(name, content)
            return name
        # Which would replace a file in such a storage. This asks for the name first, which takes one more request.
        with self._storage.open(name, 'xb') as file:
            shutil.copyfileobj(content, file)
        return name

    def finish(self) -> None:
        """Put what waits in place."""
        # All are asked for before the first is moved: a failure here changes nothing yet.
        there = {name for _, name in self._waiting if self._storage.exists(name)}
        for waiting, name in self._waiting:
            self._storage.move(waiting, name, overwrite=True)
            self._made.remove(waiting)
            if name not in there:
                self._made.append(name)
        self._waiting.clear()
