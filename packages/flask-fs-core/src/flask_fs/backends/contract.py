"""The data types between a storage and its backend: file metadata, attributes and capabilities."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, Protocol

from ..files import mime_type
from ..media_types import content_coding, normalized

__all__ = [
    'CHUNK_BYTES',
    'NO_ATTRIBUTES',
    'STALE_S',
    'Attributes',
    'ByteReader',
    'Capability',
    'DeletedFile',
    'FileInfo',
    'Folder',
    'Opened',
    'SignedRequest',
]

#: The size of one read or write, in bytes.
CHUNK_BYTES = 1024 * 1024
#: The age in seconds after which the leftovers of crashed processes are removed.
STALE_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes that are stored with a file. All of them are optional.

    :param mime: The media type, if it differs from the one that the name suggests.
    :param cache_control: The Cache-Control header of responses with the file.
    :param content_encoding: The encoding of the stored bytes, such as ``gzip``.
    :param content_language: The languages of the content, as in ``de, en-US`` (BCP 47).
    :param download_name: The name under which browsers save the file instead of showing it.
    :param metadata: The application's own metadata, a mapping of names to text.
    """

    mime: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    download_name: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def given(self) -> dict[str, Any]:
        """The attributes that are set, by name."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value}


#: The attributes of a file without any.
NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The metadata of one stored file.

    :param name: The file's name in its storage.
    :param size: Its size in bytes.
    :param modified: When it was last written, in UTC. None only if a legacy backend doesn't report it.
    :param mime: Its media type: the stored one, or the one that its name suggests. ``application/octet-stream`` if the store
        returns a malformed one.
    :param checksum: ``algorithm:hex`` if the backend stores a checksum with the file, else None.
    :param etag: A string without quotes that changes with every change of the content, by any writer and at any speed; or
        None. For a local file that was just changed, getting it can take a few milliseconds.
    :param content_encoding: The encoding of the stored bytes, such as ``gzip``, if the store keeps it; else None.
    :param cache_control: The Cache-Control header stored with the file, if any.
    :param content_language: The languages of the content, if stored.
    :param download_name: The name under which browsers save the file, if stored.
    :param metadata: The application's own metadata, a mapping of names to text. Listings leave out this and the three
        attributes before it if the store doesn't list them.
    """

    name: str
    size: int
    modified: datetime.datetime | None
    mime: str = 'application/octet-stream'
    checksum: str | None = None
    etag: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_language: str | None = None
    download_name: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        # Done here because no backend can forget it: a stored type is untrusted.
        if (mime := normalized(self.mime)) != self.mime:
            object.__setattr__(self, 'mime', mime)
        if self.content_encoding is not None:
            object.__setattr__(self, 'content_encoding', content_coding(self.content_encoding))

    @property
    def given_mime(self) -> str | None:
        """The media type, if it differs from the one that the name suggests. A copy with another name keeps it."""
        return None if self.mime == mime_type(self.name) else self.mime

    @property
    def attributes(self) -> Attributes:
        """The attributes that were stored with the file, and that a copy keeps."""
        return Attributes(
            self.given_mime,
            self.cache_control,
            self.content_encoding,
            self.content_language,
            self.download_name,
            self.metadata,
        )


class Opened(NamedTuple):
    """An open file: metadata and bytes of one version, from one request.

    :param info: The metadata of the complete file.
    :param stream: The requested bytes. The caller has to close it.
    """

    info: FileInfo
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Folder:
    """One page of the direct contents of a folder, in the order of the store.

    :param files: The metadata of its files, as in listings.
    :param folders: The full names of its subfolders, without a trailing slash.
    :param next: The argument for ``folder(after=…)`` to get the next page; None on the last page.
    """

    files: list[FileInfo]
    folders: list[str]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A deleted file that can be restored.

    :param name: Its name before it was deleted.
    :param deleted: When it was deleted, in UTC.
    :param size: Its size in bytes.
    :param id: The backend's identifier, which distinguishes deleted files with the same name.
    """

    name: str
    deleted: datetime.datetime
    size: int
    id: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that stores one file. Whoever has it can send it, without further permission.

    :param method: ``PUT``, with the bytes as the body, or ``POST``, a form (``multipart/form-data``) whose last field,
        named ``file``, is the file.
    :param url: The URL of the request.
    :param headers: The headers that it must have.
    :param fields: The other fields of the form, to send before the file.
    """

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


class Capability(enum.Flag):
    """The optional features of a backend."""

    NONE = 0
    #: If several writers create the same name with ``overwrite=False``, exactly one succeeds, even across processes and hosts.
    ATOMIC_CREATE = enum.auto()
    #: The checksum is computed while a file is stored, with the algorithm configured at that time, and stored with the file,
    #: so returning it does not read the content.
    CHECKSUM = enum.auto()
    #: The media type passed with a file is kept.
    MIME = enum.auto()
    #: Reading a range transfers only the bytes of that range.
    RANGE = enum.auto()
    #: ``a`` and ``a/b`` can both be files.
    NESTED_NAMES = enum.auto()
    #: Files are copied inside the store, without passing through the application.
    SERVER_COPY = enum.auto()
    #: The store itself signs URLs with which anyone can read a file, or store one (``method='PUT'``).
    SIGNED_URL = enum.auto()
    #: Every file has a path on this machine.
    LOCAL_PATH = enum.auto()
    #: All attributes passed with a file are kept, and can be changed.
    ATTRIBUTES = enum.auto()
    #: If several writers replace the same version of a file with ``if_match``, exactly one succeeds, even across processes
    #: and hosts.
    COMPARE_AND_SWAP = enum.auto()
    #: The store itself signs requests with which anyone can store one new file, and enforces the signed conditions.
    SIGNED_UPLOAD = enum.auto()


class ByteReader(Protocol):
    """Anything with ``read``."""

    def read(self, size: int = -1, /) -> bytes: ...
