"""The template of a backend: the documented verbs, written once on top of a few hooks."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import os
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from typing import IO, Any, ClassVar, TypeVar

from ..config import STORAGE_SETTINGS, from_mapping
from ..errors import FileExists, FileNotFound, FSError, OperationNotSupported, Replaced
from ..files import mime_type
from ..names import check, is_valid, may_begin_names, valid_among
from ..settings import Setting
from .checksums import checksum_of
from .contract import CHUNK_BYTES, ByteReader, Capability, FileInfo
from .copies import temporary_copy
from .metadata import Metadata
from .response import RangeOpener, respond
from .streams import (
    Chunks,
    Mode,
    as_bytes,
    as_source,
    buffered,
    chunks_of,
    media_type_of,
    open_reader,
    open_writer,
    source,
    window,
)

E = TypeVar('E', bound=FSError)
T = TypeVar('T')

# How many versions of a file are tried before it counts as one that never settles.
_VERSIONS = 5


class BaseBackend:
    """Moves the bytes of one storage of one application.

    A driver implements ``_open``, ``_put``, ``_stat``, ``_scan`` and ``_remove``, declares its capabilities and its
    settings, and may do better than the defaults of the other hooks. Hooks are given names that were checked, with the
    storage's key prefix in front.

    Subclasses from older days, which override the documented verbs instead and declare no capability, keep working:
    the default hooks go through the verbs that they override.

    :param name: The storage's name.
    :param config: Its settings by lower-case key; ``None`` values mean the default.
    """

    #: The kind of backend, as configuration names it.
    kind: ClassVar[str] = ''
    #: What the backend promises. An instance may narrow it when its server lacks something.
    capabilities: Capability = Capability.NONE
    #: The settings it understands besides those of every storage.
    settings: ClassVar[tuple[Setting, ...]] = ()

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.config = from_mapping(name, self.kind, config or {}, (*STORAGE_SETTINGS, *self.settings))
        # An old-style backend's own verbs would not know of it.
        self._prefix = f'{self.config.prefix}/' if self.config.prefix and self.capabilities else ''

    def _keep_apart(self, place: str) -> None:
        """Put the storage's name before all keys if the setting *place*, such as a bucket, names one for several storages.

        That is the case where it was not set for this very storage, as with roots and URLs.
        """
        if place in self.config and place not in (self.config.explicit_keys or ()):
            self._prefix = f'{self.name}/{self._prefix}'

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        """Where this storage's files are, the key prefix included; None where storages may share them.

        Two storages of one application with equal locations are a ConfigurationError.
        """
        return None

    def describe_location(self) -> str:
        """Where the files are, in a few words for people and without any secret; empty if there is nothing to say."""
        root = getattr(self, 'root', None)
        return str(root) if isinstance(root, (str, os.PathLike)) else ''

    # --- Hooks that every driver implements.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> IO[bytes]:
        """The bytes [start, stop) of a file as a stream that the caller closes.

        :param etag: The version that is wanted, by the ``etag`` of its :class:`~flask_fs.FileInfo`; None is the newest one.
        :raises FileNotFound: Here, before the first byte is read.
        :raises Replaced: Here too, if the file is no longer the version *etag*.
        """
        if self._overrides('open'):
            return window(self.open(name, 'rb'), start, stop)
        if self._overrides('read'):
            return io.BytesIO(as_bytes(self.read(name))[start:stop])
        raise self._lacks('_open')

    def _put(self, name: str, stream: ByteReader, *, create: bool = False, mime: str | None = None) -> None:
        """Store what *stream* holds, read once and in bounded memory, so that it appears whole or not at all.

        :param create: Fail if the name is taken. Race-free where ATOMIC_CREATE is declared.
        :param mime: The media type to keep with the file, if it is not the one that the name suggests.
        :raises FileExists: With *create*, if there is a file of that name.
        """
        if not self._overrides('write'):
            raise self._lacks('_put')
        if create and self.exists(name):
            raise self.error(FileExists, name)
        self.write(name, b''.join(chunks_of(stream)))

    def _stat(self, name: str) -> FileInfo:
        """Facts about a file, in one request without its content."""
        if self._overrides('metadata'):
            return info_from(name, self.metadata(name))
        if (facts := self._facts_of_older_days(name)) is not None:
            return info_from(name, facts)
        with self._open(name) as stream:
            return FileInfo(name, sum(map(len, chunks_of(stream))), None, mime_type(name))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """Facts about every file whose name begins with the literal text *prefix*, lazily."""
        return (self._stat(name) for name in self._names(prefix))

    def _remove(self, name: str) -> None:
        """Remove one file, and nothing under ``name/``; an absent one is removed already."""
        if not self._overrides('delete'):
            raise self._lacks('_remove')
        below: Iterator[str] = iter(())
        # Where nothing can be listed, its delete is the only way to remove anything.
        with contextlib.suppress(OperationNotSupported):
            below = self._names(f'{name}/')
        if any(below):
            raise self.unsupported(name, f'there are files under {name!r}, which its delete could remove too')
        self.delete(name)

    # --- Hooks with a default that is right everywhere.

    def _names(self, prefix: str) -> Iterator[str]:
        """The names that :meth:`_scan` would tell about."""
        if self._overrides('list_files'):
            return (name for name in self.list_files() if name.startswith(prefix))
        if type(self)._scan is BaseBackend._scan:
            raise self._lacks('_scan')
        return (info.name for info in self._scan(prefix))

    def _open_seekable(self, name: str) -> IO[bytes]:
        """A file as a stream that can be read from anywhere; FileNotFound here, before the first byte is read."""
        return self._open(name)

    def _read(self, name: str) -> bytes:
        """The whole content of a file."""
        with self._open(name) as stream:
            return stream.read()

    def _delete(self, name: str) -> None:
        """Remove a file and all files under it."""
        self._remove_many(self._names(f'{name}/'))
        self._remove(name)

    def _remove_many(self, names: Iterable[str]) -> None:
        """Remove several files."""
        # What is under a name goes before it: a custom backend's delete may remove more than one file.
        for name in sorted(names, reverse=True):
            self._remove(name)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        """Copy a file to another name."""
        if Capability.MIME not in self.capabilities:
            with self._open(name) as stream:
                self._put(target, stream, create=create)
            return
        info, stream = self._of_one_version(name, lambda info, open_range: (info, open_range(0, None)))
        with stream:
            self._put(target, stream, create=create, mime=info.given_mime)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        """Give a file another name."""
        self._copy(name, target, create=create)
        self._remove(name)

    def _checksum(self, name: str) -> str:
        """``algorithm:hex`` of a file's content, read through where the backend keeps none."""
        with self._open(name) as stream:
            return checksum_of(chunks_of(stream), self.config.checksum)

    def _serve(self, name: str) -> Any:
        """The HTTP answer to the current request for a file."""
        return self._of_one_version(name, respond)

    def _local_path(self, name: str) -> str:
        """The path of a file on this machine, with LOCAL_PATH."""
        raise self.unsupported(name, 'its files have no path on this machine; use local_file()')

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        """A link signed by the store, with SIGNED_URL."""
        raise self._lacks('_signed_url')

    # --- The documented verbs.

    def as_binary(self, content: Any, encoding: str = 'utf8') -> bytes:
        """*content* as bytes; text is encoded, and what has ``read`` is read to its end."""
        return bytes(as_bytes(content, encoding))

    def exists(self, filename: str) -> bool:
        """Whether there is a file of that name; a folder is none."""
        try:
            self._stat(self._key(filename))
        except FileNotFound:
            return False
        return True

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        """A file object: see :meth:`flask_fs.Storage.open`."""
        how, key = Mode(mode), self._key(filename)
        if not how.reads:
            return open_writer(lambda stream: self._put(key, stream, create=how.creates), how, **kwargs)
        return open_reader(self._open_seekable(key), how, **kwargs)

    def read(self, filename: str) -> bytes:
        """The whole content of a file."""
        return self._read(self._key(filename))

    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES, *, chunks_size: int | None = None) -> Chunks:
        """The content of a file by chunks of *chunk_size* bytes, of which the last may be shorter.

        :param chunks_size: *chunk_size*, as older packages call it.
        """
        return Chunks(buffered(self._open(self._key(filename))), chunk_size if chunks_size is None else chunks_size)

    def write(self, filename: str, content: Any, overwrite: bool = True, *, mime: str | None = None) -> None:
        """Store text (as UTF-8), bytes, or the rest of what has ``read``, which stays open.

        :param mime: The media type to keep with it; by default that of an upload.
        :raises FileExists: Without *overwrite*, if there is a file of that name.
        """
        self._put(self._key(filename), as_source(content), create=not overwrite, mime=mime or media_type_of(content))

    def save(self, file_or_wfs: Any, filename: str, overwrite: bool = False, *, mime: str | None = None) -> None:
        """Store the rest of an open file or upload, which stays open.

        :raises FileExists: Without *overwrite*, if there is a file of that name.
        """
        self._put(self._key(filename), source(file_or_wfs), create=not overwrite, mime=mime)

    def remove(self, filename: str) -> None:
        """Remove exactly one file; nothing happens if there is none."""
        self._remove(self._key(filename))

    def delete(self, filename: str) -> None:
        """Remove a file **and all files under** ``filename/``; nothing happens if there is none."""
        self._delete(self._key(filename))

    def copy(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Copy a file.

        :raises FileExists: Without *overwrite*, if there is a file *target*.
        """
        self._transplant(self._copy, filename, target, overwrite)

    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Rename a file.

        :raises FileExists: Without *overwrite*, if there is a file *target*.
        """
        self._transplant(self._move, filename, target, overwrite)

    def stat(self, filename: str) -> FileInfo:
        """Facts about a file."""
        return self._shown(self._stat(self._key(filename)))

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """Facts about every file whose name begins with *prefix*, lazily; what has no possible name is left out."""
        if not may_begin_names(prefix):
            return iter(())
        found = self._scan(self._prefix + prefix)
        return (info for info in (map(self._shown, found) if self._prefix else found) if is_valid(info.name))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        """The possible name of every file that begins with *prefix*, lazily, in the order of the store."""
        if not may_begin_names(prefix):
            return iter(())
        found, skipped = self._names(self._prefix + prefix), len(self._prefix)
        return valid_among((name[skipped:] for name in found) if skipped else found)

    def metadata(self, filename: str) -> dict[str, Any]:
        """Facts about a file as a dictionary; where the backend keeps no checksum, asking for it reads the file."""
        key = self._key(filename)
        more = self._facts_of_older_days(key) if type(self)._stat is BaseBackend._stat else None
        info = self._stat(key) if more is None else info_from(key, more)
        facts = {
            **(more or {}),
            'mime': info.mime,
            'size': info.size,
            'modified': info.modified,
            'checksum': info.checksum,
        }
        return facts if info.checksum else Metadata(facts, checksum=lambda: self._checksum(key))

    def path(self, filename: str) -> str:
        """The path of a file on this machine, there or not."""
        return self._local_path(self._key(filename))

    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        """A path on this machine where the file's content can be read: its own, or that of a passing copy."""
        if Capability.LOCAL_PATH in self.capabilities:
            self.stat(filename)
            yield self.path(filename)
            return
        with temporary_copy(self._open(self._key(filename)), filename) as path:
            yield path

    def serve(self, filename: str) -> Any:
        """The HTTP answer to the current request for a file."""
        return self._serve(self._key(filename))

    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        """A link signed by the store: see :meth:`flask_fs.Storage.signed_url`."""
        key = self._key(filename)
        if Capability.SIGNED_URL not in self.capabilities:
            raise self.unsupported(key, 'it signs no links')
        return self._signed_url(key, expires_s=expires_s, method=method, download_name=download_name)

    # --- For drivers.

    def error(self, kind: type[E], name: str | None = None, reason: str | None = None) -> E:
        """An error of *kind* about the file *name*, which tells this storage and backend."""
        shown = name if name is None else name.removeprefix(self._prefix)
        return kind(shown, storage=self.name, backend=self.kind or type(self).__name__, reason=reason)

    def unsupported(self, name: str | None, reason: str) -> OperationNotSupported:
        """The error for what this backend cannot do."""
        return self.error(OperationNotSupported, name, reason)

    # --- Inside the template.

    def _key(self, filename: str) -> str:
        return self._prefix + check(filename)

    def _shown(self, info: FileInfo) -> FileInfo:
        return dataclasses.replace(info, name=info.name.removeprefix(self._prefix)) if self._prefix else info

    def _transplant(self, hook: Callable[..., None], filename: str, target: str, overwrite: bool) -> None:
        name, new = self._key(filename), self._key(target)
        if name != new:
            hook(name, new, create=not overwrite)
            return
        self._stat(name)
        if not overwrite:
            raise self.error(FileExists, new)

    def _of_one_version(self, name: str, act: Callable[[FileInfo, RangeOpener], T]) -> T:
        """What *act* makes of a file's metadata and of ranges of that same version; of the next one if it is replaced.

        :raises Replaced: If it was replaced each time.
        """
        for left in reversed(range(_VERSIONS)):  # pragma: no branch - the last try returns or raises
            info = self._stat(name)
            try:
                return act(info, functools.partial(self._open, name, etag=info.etag))
            except Replaced:
                if not left:
                    raise
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _overrides(self, verb: str) -> bool:
        return getattr(type(self), verb) is not getattr(BaseBackend, verb)

    def _facts_of_older_days(self, name: str) -> Mapping[str, Any] | None:
        """What a subclass tells by ``get_metadata``, which older packages built their ``metadata`` on."""
        get_metadata: Callable[[str], Mapping[str, Any]] | None = getattr(self, 'get_metadata', None)
        if get_metadata is None:
            return None
        if self._overrides('exists') and not self.exists(name):
            raise self.error(FileNotFound, name)
        return get_metadata(name)

    def _lacks(self, hook: str) -> OperationNotSupported:
        return self.unsupported(None, f'{type(self).__name__} does not implement {hook}')


def info_from(name: str, metadata: Mapping[str, Any]) -> FileInfo:
    """The facts in the *metadata* of an old-style backend, which may leave some out."""
    mime = metadata.get('mime') or mime_type(name)
    return FileInfo(name, metadata.get('size') or 0, metadata.get('modified'), mime, metadata.get('checksum'))
