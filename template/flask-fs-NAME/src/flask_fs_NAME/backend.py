"""Files in NAME, on top of its client library.

``store`` stands in for that library. Every line that says ``REPLACE`` is about the store, and waits for the real one.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO, Any, cast

from flask_fs.backends import BaseBackend, ByteReader, Capability, FileInfo
from flask_fs.backends.ranged import BLOCK_BYTES, RangedReader
from flask_fs.backends.streams import chunks_of
from flask_fs.settings import Setting, folder
from flask_fs.errors import BackendError, FileExists, FileNotFound, FSError, PermissionDenied, Replaced
from flask_fs.files import mime_type

from .store import AccessDenied, Facts, NoSuchObject, ObjectExists, Store, StoreError  # REPLACE

# REPLACE: errors of the client library; what is not here is a BackendError. A refusal is no absence, and a time-out is
# Unavailable.
KINDS: Mapping[type[Exception], type[FSError]] = {
    NoSuchObject: FileNotFound,
    ObjectExists: FileExists,
    AccessDenied: PermissionDenied,
}


class NameBackend(BaseBackend):
    """Keeps each file as one object of the store."""

    kind = 'NAME'
    # REPLACE: promise what the store does; the checks hold you to it.
    capabilities = Capability.ATOMIC_CREATE | Capability.MIME | Capability.RANGE | Capability.NESTED_NAMES
    # REPLACE: what leads to the store. A password or a key has secret=True.
    settings = (
        Setting('folder', folder, doc='The folder of the objects.', required=True, append_storage_name=True),
    )

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        # REPLACE: a client that opens no connection yet. Threads share it, and a forked process needs its own.
        self._store = Store(self.config.folder)

    # --- Hooks. Filenames are checked already, and the key prefix is in front of them.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> IO[bytes]:
        # REPLACE: many stores compare versions themselves (If-Match). Whatever is asked for, a newer version is Replaced.
        facts, stream = self._get(name, start, stop)
        if etag not in (None, facts.version):
            stream.close()
            raise self.error(Replaced, name)
        return stream

    def _open_seekable(self, name: str) -> IO[bytes]:
        facts, stream = self._get(name, 0, BLOCK_BYTES)
        with stream:
            head = stream.read()
        # A reader never mixes what was opened with a newer file.
        same = functools.partial(self._open, name, etag=facts.version)
        return cast('IO[bytes]', RangedReader(same, head, facts.size))

    def _put(self, name: str, stream: ByteReader, *, create: bool = False, mime: str | None = None) -> None:
        # REPLACE: an upload by pieces. What the source raises reaches the caller as it is, and leaves nothing behind.
        with self._translated(name):
            self._store.put(name, chunks_of(stream), media_type=mime, only_if_new=create)

    def _stat(self, name: str) -> FileInfo:
        with self._translated(name):
            return _info(self._store.head(name))  # REPLACE

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        after = ''
        while page := self._page(prefix, after):
            yield from map(_info, page)
            after = page[-1].key

    def _remove(self, name: str) -> None:
        with self._translated(name):
            self._store.delete(name)  # REPLACE: silent if there is no such file

    # --- Inside.

    def translate(self, error: Exception, name: str | None) -> FSError:
        """The error that an application sees for *error*, about the file *name*."""
        kind = next((kind for cause, kind in KINDS.items() if isinstance(error, cause)), BackendError)
        # These two say it all; other reasons come from the store. None may hold a secret.
        return self.error(kind, name, None if kind in (FileNotFound, FileExists) else str(error))

    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Generator[None, None, None]:
        try:
            yield
        except StoreError as error:  # REPLACE: the base of the library's errors
            raise self.translate(error, name) from error

    def _get(self, name: str, start: int, stop: int | None) -> tuple[Facts, IO[bytes]]:
        """What the store tells of a file, and its bytes [start, stop)."""
        with self._translated(name):
            facts, body = self._store.get(name, start, stop)  # REPLACE
        return facts, cast('IO[bytes]', _Content(body, functools.partial(self._translated, name)))

    def _page(self, prefix: str, after: str) -> list[Facts]:
        with self._translated(prefix or None):
            return self._store.page(prefix, after)  # REPLACE


class _Content(io.RawIOBase):
    """The body of an answer: what goes wrong while it is read is translated too, and closing it closes the body."""

    def __init__(self, body: io.RawIOBase, translated: Callable[[], AbstractContextManager[None]]) -> None:
        self._body = body
        self._translated = translated

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        with self._translated():
            return self._body.readinto(buffer)

    def close(self) -> None:
        self._body.close()
        super().close()


def _info(facts: Facts) -> FileInfo:
    """REPLACE: what the store tells of an object, as facts about a file."""
    mime = facts.media_type or mime_type(facts.key)
    return FileInfo(facts.key, facts.size, facts.modified, mime, etag=facts.version)
