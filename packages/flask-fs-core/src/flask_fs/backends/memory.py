"""Files in the memory of this process, for tests and temporary data."""

from __future__ import annotations

import dataclasses
import datetime
import io
import secrets
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import Changed, FileExists, FileNotFound
from .attributes import changed, with_attributes
from .base import BaseBackend
from .checksums import Checksum
from .contract import NO_ATTRIBUTES, Attributes, Capability, FileInfo, Opened
from .sources import Source
from .streams import chunks_of

__all__ = ['MemoryBackend']


class MemoryBackend(BaseBackend):
    """Stores files in the memory of this process, for one storage of one application.

    They disappear with the application, or when the storage is configured again. It is thread-safe. After a fork, each
    process continues with its own files.
    """

    kind = 'memory'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SERVER_COPY
        | Capability.ATTRIBUTES
        | Capability.COMPARE_AND_SWAP
    )
    seekable_streams = True

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._files: dict[str, tuple[FileInfo, bytes]] = {}
        # Held only for single accesses to the table, never while a stream is read.
        self._lock = threading.Lock()

    def share(self, other: MemoryBackend) -> None:
        """Use the files of *other* from now on, like two backends with the same store."""
        self._files, self._lock = other._files, other._lock

    def describe_location(self) -> str:
        return 'memory of the process'

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, content = self._found(name)
        start = self.range_start(info, start, etag)
        # BytesIO shares the content until it is written to.
        return Opened(_copied(info), io.BytesIO(content if start == 0 and stop is None else content[start:stop]))

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo:
        if create and name in self._files:
            raise self.error(FileExists, name)
        return self._keep(*self._received(name, stream, attributes), create=create)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo:
        return self._keep(*self._received(name, stream, attributes), etag=etag)

    def _received(self, name: str, stream: Source, attributes: Attributes) -> tuple[FileInfo, bytes]:
        checksum = Checksum(self.config.checksum)
        content = b''.join(map(bytes, checksum.through(chunks_of(stream))))
        now = datetime.datetime.now(datetime.timezone.utc)
        # Each version has its own etag, even if it has the same content as an earlier one.
        info = FileInfo(name, len(content), now, checksum=str(checksum), etag=secrets.token_hex(16))
        return with_attributes(info, attributes), content

    def _stat(self, name: str) -> FileInfo:
        return _copied(self._found(name)[0])

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        with self._lock:
            found = sorted(name for name in self._files if name.startswith(prefix))
        return (_copied(entry[0]) for name in found if (entry := self._files.get(name)) is not None)

    def _remove(self, name: str) -> None:
        with self._lock:
            self._files.pop(name, None)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info, content = self._found(name)
        now, etag = datetime.datetime.now(datetime.timezone.utc), secrets.token_hex(16)
        copied = dataclasses.replace(info, name=target, modified=now, etag=etag)
        self._keep(with_attributes(copied, info.attributes), content, create=create)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        with self._lock:
            info, content = self._found(name)
            self._files[name] = (with_attributes(info, changed(info.attributes, changes)), content)

    def _keep(self, info: FileInfo, content: bytes, *, create: bool = False, etag: str | None = None) -> FileInfo:
        with self._lock:
            there = self._files.get(info.name)
            if create and there is not None:
                raise self.error(FileExists, info.name)
            if etag is not None and (there is None or there[0].etag != etag):
                raise self.error(Changed, info.name)
            self._files[info.name] = (info, content)
        return _copied(info)

    def _found(self, name: str) -> tuple[FileInfo, bytes]:
        try:
            return self._files[name]
        except KeyError:
            raise self.error(FileNotFound, name) from None


def _copied(info: FileInfo) -> FileInfo:
    """A copy of *info* for a caller, who can safely change its metadata."""
    return dataclasses.replace(info, metadata=dict(info.metadata))
