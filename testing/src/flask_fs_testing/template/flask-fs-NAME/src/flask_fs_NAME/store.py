"""Stands in for the client library of your store, so that all tests pass from the first day on.

Move one hook after the other in backend.py to the real library. When nothing imports this module any more, delete it.

Each object is a file in one folder: a line of JSON with its metadata, then its content.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import itertools
import json
import os
import tempfile
import uuid
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

__all__ = ['PAGE_KEYS', 'AccessDenied', 'Body', 'Metadata', 'NoSuchObject', 'ObjectExists', 'Store', 'StoreError']

#: The maximum number of objects in one listing.
PAGE_KEYS = 100
_UPLOAD = 'upload-'


class StoreError(Exception):
    """The store failed."""


class NoSuchObject(StoreError):
    """There is no object with that key."""


class ObjectExists(StoreError):
    """The key is taken, and was to be created."""


class AccessDenied(StoreError):
    """The store refused."""


@dataclass(frozen=True)
class Metadata:
    """What the store says of an object; *version* is another one after each change."""

    key: str
    size: int
    modified: datetime.datetime
    media_type: str | None
    version: str


class Store:
    """A store that has its objects in *folder*, which the first of them makes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def put(
        self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None, only_if_new: bool = False
    ) -> None:
        """Store an object, whole or not at all. What *chunks* raises is passed on as it is."""
        header = json.dumps({'key': key, 'media_type': media_type, 'version': uuid.uuid4().hex})
        with _failures():
            os.makedirs(self._folder, exist_ok=True)
            number, draft = tempfile.mkstemp(prefix=_UPLOAD, dir=self._folder)
        try:
            try:
                for chunk in itertools.chain([header.encode(), b'\n'], chunks):
                    with _failures():
                        _write(number, chunk)
            finally:
                # Before it gets its name: closing may be what reports a full disk.
                with _failures():
                    os.close(number)
            with _failures():
                self._publish(draft, key, only_if_new)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> tuple[Metadata, Body]:
        """The metadata of an object, and its bytes [start, stop), cut off at its end; a negative start counts from there."""
        with contextlib.ExitStack() as undo:
            file = undo.enter_context(self._opened(self._path(key), key))
            with _failures():
                metadata = _metadata(file)
                start = max(0, metadata.size + start) if start < 0 else start
                file.seek(start, os.SEEK_CUR)
            undo.pop_all()
        end = metadata.size if stop is None else min(stop, metadata.size)
        return metadata, Body(file, max(0, end - start))

    def head(self, key: str) -> Metadata:
        """The metadata of an object."""
        with self._opened(self._path(key), key) as file, _failures():
            return _metadata(file)

    def page(self, prefix: str = '', after: str = '') -> list[Metadata]:
        """The first PAGE_KEYS objects in the order of keys whose key begins with *prefix* and is behind *after*."""
        found = []
        for file_name in self._file_names():
            path = os.path.join(self._folder, file_name)
            # Removed a moment ago, perhaps.
            with contextlib.suppress(NoSuchObject), self._opened(path, file_name) as file, _failures():
                metadata = _metadata(file)
                if metadata.key.startswith(prefix) and metadata.key > after:
                    found.append(metadata)
        return sorted(found, key=lambda metadata: metadata.key)[:PAGE_KEYS]

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with _failures(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def uploads(self) -> list[str]:
        """The uploads that go on, and those that were left when their process died."""
        return [file_name for file_name in self._file_names(uploads=True) if file_name.startswith(_UPLOAD)]

    def _path(self, key: str) -> str:
        # A digest fits into any file system, whatever the key.
        return os.path.join(self._folder, hashlib.sha256(key.encode()).hexdigest())

    def _publish(self, draft: str, key: str, only_if_new: bool) -> None:
        if not only_if_new:
            os.replace(draft, self._path(key))
            return
        try:
            # Of all who link to one name, one does it.
            os.link(draft, self._path(key))
        except FileExistsError as error:
            raise ObjectExists(key) from error

    def _opened(self, path: str, key: str) -> BinaryIO:
        with _failures():
            try:
                return open(path, 'rb')
            except FileNotFoundError as error:
                raise NoSuchObject(key) from error

    def _file_names(self, *, uploads: bool = False) -> list[str]:
        with _failures(), contextlib.suppress(FileNotFoundError):
            return [name for name in os.listdir(self._folder) if name.startswith(_UPLOAD) == uploads]
        return []


class Body(io.RawIOBase):
    """The bytes of an object, as they come. Close it to give its connection back: here, a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _failures():
            piece = self._file.read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def _metadata(file: BinaryIO) -> Metadata:
    """The metadata at the beginning of *file*, which is at its content then."""
    try:
        header = json.loads(file.readline())
    except ValueError as error:
        raise StoreError(f'{file.name} is damaged') from error
    status = os.fstat(file.fileno())
    modified = datetime.datetime.fromtimestamp(status.st_mtime, datetime.timezone.utc)
    return Metadata(size=status.st_size - file.tell(), modified=modified, **header)


def _write(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]


@contextlib.contextmanager
def _failures() -> Generator[None, None, None]:
    try:
        yield
    except PermissionError as error:
        raise AccessDenied(str(error)) from error
    except OSError as error:
        raise StoreError(str(error)) from error
