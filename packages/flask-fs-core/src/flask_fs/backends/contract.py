"""What passes between a storage and a backend: metadata of files, and what a backend promises."""

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

#: How much is read or written at once, in bytes.
CHUNK_BYTES = 1024 * 1024
#: What a process that died half-way left behind is removed once it is this old, in seconds.
STALE_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is stored with a file besides its bytes. All of it is optional.

    :param mime: The media type, where it is not the one that the name suggests.
    :param cache_control: The Cache-Control header with which the file is served.
    :param content_encoding: How the stored bytes are encoded, such as ``gzip``.
    :param content_language: The languages of the content, as in ``de, en-US`` (BCP 47).
    :param download_name: What browsers save the file as, instead of showing it.
    :param metadata: The application's own, text by name.
    """

    mime: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    download_name: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value}


#: The attributes of a file that was given none.
NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The metadata of one stored file.

    :param name: The file's name in its storage.
    :param size: Its length in bytes.
    :param modified: When it was last written, in UTC; None only where a legacy backend does not report it.
    :param mime: Its media type: the stored one, or the one that its name suggests; ``application/octet-stream`` for a
        malformed one, whatever the store returned.
    :param checksum: ``algorithm:hex`` where the backend keeps one with the file, else None.
    :param etag: A text that changes with every change of the content, whoever makes it and however soon, without quotes; or
        None. Finding that of a local file which was changed a moment ago may take some milliseconds.
    :param content_encoding: How the stored bytes are encoded, such as ``gzip``, where the store keeps that; else None.
    :param cache_control: The Cache-Control header with which the file is served, if one was given with it.
    :param content_language: The languages of the content, if they were given.
    :param download_name: What browsers save the file as, if it was given a name for that.
    :param metadata: The application's own, text by name. Listings leave it out, with the three before it, where the store
        does not list it.
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
        # Here, so that no backend can forget it: a stored type may come from anyone.
        if (mime := normalized(self.mime)) != self.mime:
            object.__setattr__(self, 'mime', mime)
        if self.content_encoding is not None:
            object.__setattr__(self, 'content_encoding', content_coding(self.content_encoding))

    @property
    def given_mime(self) -> str | None:
        """The media type, if it is not the one that the name suggests: what a copy under another name keeps."""
        return None if self.mime == mime_type(self.name) else self.mime

    @property
    def attributes(self) -> Attributes:
        """What was given with the file, and a copy keeps."""
        return Attributes(
            self.given_mime,
            self.cache_control,
            self.content_encoding,
            self.content_language,
            self.download_name,
            self.metadata,
        )


class Opened(NamedTuple):
    """A file that was opened: metadata and bytes of one version, by one request.

    :param info: Metadata of the whole file.
    :param stream: The bytes that were requested, closed by whoever opened it.
    """

    info: FileInfo
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Folder:
    """One page of what is directly in a folder, in the order of the store.

    :param files: The metadata of its files, as listings give it.
    :param folders: The whole names of its subfolders, without a slash at the end.
    :param next: What ``folder(after=…)`` continues from; None after the last page.
    """

    files: list[FileInfo]
    folders: list[str]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A file that was deleted, and can be restored.

    :param name: The name that it had.
    :param deleted: When it was deleted, in UTC.
    :param size: Its length in bytes.
    :param id: Which one of several of that name it is, for the backend.
    """

    name: str
    deleted: datetime.datetime
    size: int
    id: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that stores one file: whoever has it may send it, without further permission.

    :param method: ``PUT``, with the bytes as the body, or ``POST``, a form (``multipart/form-data``) whose last field,
        named ``file``, is the file.
    :param url: Where it goes to.
    :param headers: What it must have.
    :param fields: The other fields of the form, which come before the file.
    """

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


class Capability(enum.Flag):
    """What a backend promises beyond the hooks that every backend has."""

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
