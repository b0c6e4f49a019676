"""What passes between a storage and a backend: metadata of files, and what a backend promises."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, Protocol

from ..files import mime_type
from ..media_types import content_coding, normalized

#: How much is read or written at once, in bytes.
CHUNK_BYTES = 1024 * 1024
#: What a process that died half-way left behind is removed once it is this old, in seconds.
STALE_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The metadata of one stored file.

    :param name: The file's name in its storage.
    :param size: Its length in bytes.
    :param modified: When it was last written, in UTC; None only where a legacy backend does not report it.
    :param mime: Its media type: the stored one, or the one that its name suggests; ``application/octet-stream`` for a
        malformed one, whatever the store returned.
    :param checksum: ``algorithm:hex`` where the backend keeps one with the file, else None.
    :param etag: A text that changes with the content, without quotes, or None. Finding that of a local file which was
        changed a moment ago may take some milliseconds.
    :param content_encoding: How the stored bytes are encoded, such as ``gzip``, where the store keeps that; else None.
    """

    name: str
    size: int
    modified: datetime.datetime | None
    mime: str = 'application/octet-stream'
    checksum: str | None = None
    etag: str | None = None
    content_encoding: str | None = None

    def __post_init__(self) -> None:
        # Here, so that no backend can forget it: a stored type may come from anyone.
        if (mime := normalized(self.mime)) != self.mime:
            object.__setattr__(self, 'mime', mime)
        if self.content_encoding is not None:
            object.__setattr__(self, 'content_encoding', content_coding(self.content_encoding))

    @property
    def given_mime(self) -> str | None:
        """The media type, if it is not the one that the name suggests: what a copy under another name keeps."""
        return None if self.mime == mime_type(self.name) else self.mime


class Opened(NamedTuple):
    """A file that was opened: metadata and bytes of one version, by one request.

    :param info: Metadata of the whole file.
    :param stream: The bytes that were requested, closed by whoever opened it.
    """

    info: FileInfo
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is stored with a file besides its bytes.

    :param mime: The media type, where it is not the one that the name suggests; kept with MIME.
    """

    mime: str | None = None


#: The attributes of a file that was given none.
NO_ATTRIBUTES = Attributes()


class Capability(enum.Flag):
    """What a backend promises beyond the hooks that every backend has."""

    NONE = 0
    #: Of all writers that create one name with ``overwrite=False``, also in other processes and on other hosts, one wins.
    ATOMIC_CREATE = enum.auto()
    #: The checksum is computed while a file is stored and kept with it, so reporting it reads nothing.
    CHECKSUM = enum.auto()
    #: The media type given with a file is kept.
    MIME = enum.auto()
    #: Reading a range moves only the bytes of that range.
    RANGE = enum.auto()
    #: ``a`` and ``a/b`` may both be files.
    NESTED_NAMES = enum.auto()
    #: Files are copied inside the store, without passing through the application.
    SERVER_COPY = enum.auto()
    #: The store itself signs links that let their bearer read a file, or store one (``method='PUT'``).
    SIGNED_URL = enum.auto()
    #: Every file has a path on this machine.
    LOCAL_PATH = enum.auto()


class Driver(Protocol):
    """What a storage calls: every :class:`BaseBackend`, and the adapter for backends with the documented verbs alone."""

    @property
    def capabilities(self) -> Capability: ...

    def exists(self, filename: str) -> bool: ...
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]: ...
    def read(self, filename: str) -> bytes: ...
    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes: ...
    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES) -> Iterator[bytes]: ...
    def write(self, filename: str, content: Any, overwrite: bool = True, *, mime: str | None = None) -> Any: ...
    def save(self, file_or_wfs: Any, filename: str, overwrite: bool = False, *, mime: str | None = None) -> Any: ...
    def remove(self, filename: str) -> Any: ...
    def delete(self, filename: str) -> Any: ...
    def copy(self, filename: str, target: str, overwrite: bool = True) -> Any: ...
    def move(self, filename: str, target: str, overwrite: bool = True) -> Any: ...
    def stat(self, filename: str) -> FileInfo: ...
    def scan(self, prefix: str = '') -> Iterator[FileInfo]: ...
    def list_files(self, prefix: str = '') -> Iterator[str]: ...
    def metadata(self, filename: str) -> dict[str, Any]: ...
    def path(self, filename: str) -> str: ...
    def local_file(self, filename: str) -> AbstractContextManager[str]: ...
    def serve(self, filename: str) -> Any: ...
    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str: ...


class ByteReader(Protocol):
    """Anything with ``read``."""

    def read(self, size: int = -1, /) -> bytes: ...
