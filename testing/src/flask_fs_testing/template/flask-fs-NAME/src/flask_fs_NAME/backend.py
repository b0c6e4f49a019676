"""Files in NAME, on top of its client library.

``store`` stands in for that library. Every line that says ``REPLACE`` is about the store, and waits for the real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    FileInfo,
    Opened,
    Source,
    chunks_of,
)
from flask_fs.errors import (
    BackendError,
    FileExists,
    FileNotFound,
    FSError,
    PermissionDenied,
)
from flask_fs.files import mime_type
from flask_fs.settings import Setting, folder

from .store import AccessDenied, Metadata, NoSuchObject, ObjectExists, Store, StoreError  # REPLACE

# REPLACE: errors of the client library; what is not here is a BackendError. A refusal is no absence, and a time-out is
# Unavailable. In the order in which they are tried: a subclass goes before its base.
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
    errors = (StoreError,)  # REPLACE: the base of the library's errors
    # REPLACE: what leads to the store. A password or a key has secret=True.
    settings = (Setting('folder', folder, doc='The folder of the objects.', required=True, append_storage_name=True),)

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        # REPLACE: a client that opens no connection yet. Threads share it, and a forked process needs its own.
        self._store = Store(self.config.folder)

    # --- Hooks. Filenames are checked already, and the key prefix is in front of them.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        # REPLACE: one request for metadata and bytes. Many stores compare versions themselves (If-Match), and refuse
        # ranges that begin at the end (416).
        metadata, body = self._store.get(name, start, stop)
        info = _info(metadata)
        try:
            self.range_start(info, start, etag)
        except FSError:
            body.close()
            raise
        return Opened(info, cast('IO[bytes]', body))

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        # REPLACE: an upload by pieces. What the source raises reaches the caller as it is, and leaves nothing behind.
        if create:
            self.refuse_early(name, stream)
        self._store.put(name, chunks_of(stream), media_type=attributes.mime, only_if_new=create)

    def _stat(self, name: str) -> FileInfo:
        return _info(self._store.head(name))  # REPLACE

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        after = ''
        while page := self._store.page(prefix, after):  # REPLACE
            yield from map(_info, page)
            after = page[-1].key

    def _remove(self, name: str) -> None:
        self._store.delete(name)  # REPLACE: silent if there is no such file

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        kind = next((kind for cause, kind in KINDS.items() if isinstance(error, cause)), BackendError)
        # These two say it all; other reasons come from the store. None may hold a secret.
        return kind, None if kind in (FileNotFound, FileExists) else str(error)


def _info(metadata: Metadata) -> FileInfo:
    """REPLACE: what the store reports of an object, as the metadata of a file."""
    mime = metadata.media_type or mime_type(metadata.key)
    return FileInfo(metadata.key, metadata.size, metadata.modified, mime, etag=metadata.version)
