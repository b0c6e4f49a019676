"""Backends that are each broken in one way: what other processes see."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from flask_fs.backends import NO_ATTRIBUTES, Attributes, FileInfo, Source, with_attributes
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.streams import chunks_of

from . import caught_by

#: What an extension makes for itself when no key is configured.
KEY = secrets.randbelow(255) + 1


@caught_by('test_a_fresh_process_sees_and_changes_the_same_files')
class SpreadsByHash(LocalBackend):
    """Has a folder by hash(), which each process seeds anew: only its forks agree with it."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._folder = f'{hash(name) & 0xFFFF:x}/'

    def path(self, filename: str) -> Any:
        return os.path.join(super().path(self._folder.rstrip('/')), filename)


@caught_by('test_a_fresh_process_sees_and_changes_the_same_files')
class EncryptsByAKeyOfItsOwn(LocalBackend):
    def read(self, filename: str) -> bytes:
        return bytes(byte ^ KEY for byte in super().read(filename))

    def write(self, filename: str, content: Any, overwrite: bool = True, **options: Any) -> Any:
        hidden = bytes(byte ^ KEY for byte in self.as_binary(content))
        return super().write(filename, hidden, overwrite=overwrite, **options)


@caught_by('test_a_fresh_process_sees_and_changes_the_same_files')
class ListsFromAnIndex(LocalBackend):
    """Lists the store once, and then notes what it changes itself."""

    _index: set[str] | None = None

    def list_files(self, prefix: str = '') -> Iterator[str]:
        if self._index is None:
            self._index = set(super().list_files())
        return (name for name in sorted(self._index) if name.startswith(prefix))

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, create=create, attributes=attributes)
        if self._index is not None:
            self._index.add(name)


@caught_by('test_a_fresh_process_sees_and_changes_the_same_files')
class KeepsAttributesInMemory(LocalBackend):
    """For all backends of the process, and for its forks."""

    known: ClassVar[dict[str, Attributes]] = {}

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, create=create)
        self.known[self.path(name)] = attributes

    def _stat(self, name: str) -> FileInfo:
        return with_attributes(super()._stat(name), self.known.get(self.path(name), NO_ATTRIBUTES))


@caught_by('test_greenlets_share_a_backend')
class GuardsByALockOfProcesses(LocalBackend):
    """One that a thread may take twice: all greenlets are the same one."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._lock = multiprocessing.RLock()
        self._pieces: list[bytes] = []

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        with self._lock:
            self._pieces.clear()
            self._pieces.extend(chunks_of(stream))
            super()._put(name, Source(io.BytesIO(b''.join(self._pieces))), create=create, attributes=attributes)


@caught_by('test_greenlets_share_a_backend')
class StoresWhatAKilledGreenletGave(LocalBackend):
    """For it catches what is raised in sources, GreenletExit among it."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        pieces: list[bytes] = []
        with contextlib.suppress(BaseException):
            pieces.extend(chunks_of(stream))
        super()._put(name, Source(io.BytesIO(b''.join(pieces))), create=create, attributes=attributes)
