"""Files in NAME, on top of its client library.

``store`` is a placeholder for that library. Every line marked ``REPLACE`` is about the store: change it for the real one.
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

# REPLACE: errors of the client library; any other becomes a BackendError. Denied access is not a missing file, and a
# timeout is Unavailable. They are tried in this order: put a subclass before its base.
KINDS: Mapping[type[Exception], type[FSError]] = {
    NoSuchObject: FileNotFound,
    ObjectExists: FileExists,
    AccessDenied: PermissionDenied,
}


class NameBackend(BaseBackend):
    """Stores each file as one object of the store."""

    kind = 'NAME'
    # REPLACE: declare what the store supports; the checks prove it.
    capabilities = Capability.ATOMIC_CREATE | Capability.MIME | Capability.RANGE | Capability.NESTED_NAMES
    errors = (StoreError,)  # REPLACE: the base class of the library's errors
    # REPLACE: what a connection to the store needs. A password or a key has secret=True.
    settings = (Setting('folder', folder, doc='The folder of the objects.', required=True, append_storage_name=True),)

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        # REPLACE: a client that opens no connection yet. Threads share it; a forked process needs its own.
        self._store = Store(self.config.folder)

    # --- Hooks. Each name is already validated, and begins with the key prefix.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        # REPLACE: one request for metadata and bytes. Many stores compare versions themselves (If-Match), and reject
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
        # REPLACE: an upload in pieces. An error of the source reaches the caller unchanged, and leaves nothing behind.
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
        self._store.delete(name)  # REPLACE: no error if there is no such file

    def _sweep(self, older_than_s: float) -> int:
        return self._store.abort_uploads(older_than_s)  # REPLACE: or remove this, if killed processes leave nothing

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        kind = next((kind for cause, kind in KINDS.items() if isinstance(error, cause)), BackendError)
        # These two need no reason; others have that of the store. It must not contain a secret.
        return kind, None if kind in (FileNotFound, FileExists) else str(error)


def _info(metadata: Metadata) -> FileInfo:
    """REPLACE: the metadata of a file, from what the store reports for an object."""
    mime = metadata.media_type or mime_type(metadata.key)
    return FileInfo(metadata.key, metadata.size, metadata.modified, mime, etag=metadata.version)
