"""A placeholder for the client library of your store, with which all tests pass from the first day.

Move one hook after the other in backend.py to the real library. Delete this module when nothing imports it anymore.

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
import time
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
    """An object with that key already exists."""


class AccessDenied(StoreError):
    """The store denied access."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of an object; each change gives it a new *version*."""

    key: str
    size: int
    modified: datetime.datetime
    media_type: str | None
    version: str


class Store:
    """A store with its objects in *folder*, which is created with the first of them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def put(
        self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None, only_if_new: bool = False
    ) -> None:
        """Store an object, completely or not at all. An error that *chunks* raises is passed on unchanged."""
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
                # Before it gets its name: closing might report a full disk.
                with _failures():
                    os.close(number)
            with _failures():
                self._publish(draft, key, only_if_new)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> tuple[Metadata, Body]:
        """The metadata of an object, and its bytes [start, stop), clipped to its size; a negative start counts from its end."""
        with contextlib.ExitStack() as undo:
            file = undo.enter_context(self._opened(self._path(key), key))
            with _failures():
                metadata = _metadata(file)
                start = max(0, metadata.size + start) if start < 0 else start
                # Operating systems limit file positions.
                file.seek(min(start, metadata.size), os.SEEK_CUR)
            undo.pop_all()
        end = metadata.size if stop is None else min(stop, metadata.size)
        return metadata, Body(file, max(0, end - start))

    def head(self, key: str) -> Metadata:
        """The metadata of an object."""
        with self._opened(self._path(key), key) as file, _failures():
            return _metadata(file)

    def page(self, prefix: str = '', after: str = '') -> list[Metadata]:
        """The first PAGE_KEYS objects, sorted by key, whose key begins with *prefix* and comes after *after*."""
        found = []
        for file_name in self._file_names():
            path = os.path.join(self._folder, file_name)
            # It might have just been removed.
            with contextlib.suppress(NoSuchObject), self._opened(path, file_name) as file, _failures():
                metadata = _metadata(file)
                if metadata.key.startswith(prefix) and metadata.key > after:
                    found.append(metadata)
        return sorted(found, key=lambda metadata: metadata.key)[:PAGE_KEYS]

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        with _failures(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def uploads(self) -> list[str]:
        """The uploads in progress, and those whose process died."""
        return self._file_names(uploads=True)

    def abort_uploads(self, older_than_s: float) -> int:
        """Remove the uploads that received nothing for that long, and return their number."""
        removed = 0
        for path in (os.path.join(self._folder, file_name) for file_name in self.uploads()):
            # The upload might just have been completed.
            with _failures(), contextlib.suppress(FileNotFoundError):
                if time.time() - os.stat(path).st_mtime >= older_than_s:
                    os.unlink(path)
                    removed += 1
        return removed

    def _path(self, key: str) -> str:
        # A digest fits into any file system, whatever the key.
        return os.path.join(self._folder, hashlib.sha256(key.encode()).hexdigest())

    def _publish(self, draft: str, key: str, only_if_new: bool) -> None:
        if not only_if_new:
            os.replace(draft, self._path(key))
            return
        try:
            # Only one link to a name succeeds.
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
    """The bytes of an object, as they arrive. Close it to release its connection: here, a file."""

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
    """The metadata at the beginning of *file*, whose position is then the start of the content."""
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
