"""The template of a backend: the documented verbs, written once on top of a few hooks."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import io
import logging
import os
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from typing import IO, Any, ClassVar, NoReturn, TypeVar, cast

from ..config import STORAGE_SETTINGS, from_mapping
from ..errors import (
    BackendError,
    FileExists,
    FileNotFound,
    FSError,
    OperationNotSupported,
    RangeNotSatisfiable,
    Replaced,
    Unavailable,
)
from ..names import check, filter_valid, is_valid, is_valid_prefix
from ..settings import Setting
from . import http, legacy, retention, sendfile
from .attributes import changed
from .checksums import checksum_of
from .contract import (
    CHUNK_BYTES,
    NO_ATTRIBUTES,
    STALE_S,
    Attributes,
    ByteReader,
    Capability,
    DeletedFile,
    FileInfo,
    Folder,
    Opened,
)
from .copies import temporary_copy
from .metadata import Metadata
from .paging import check_limit, page_of
from .ranged import BLOCK_BYTES, FIRST_BYTES, RangedReader
from .sources import Source, SpoolFailed, as_bytes, as_source, media_type_of, source
from .streams import (
    Chunks,
    Mode,
    TranslatedStream,
    TranslatingFile,
    buffered,
    check_range,
    chunks_of,
    limited,
    open_reader,
    undone_by,
)
from .writers import open_writer

E = TypeVar('E', bound=FSError)
T = TypeVar('T')

_logger = logging.getLogger(__name__)


class BaseBackend:
    """Moves the bytes of one storage of one application.

    A driver implements ``_open``, ``_put``, ``_stat``, ``_scan`` and ``_remove``, declares its capabilities and its
    settings, names the errors that its library raises, and may do better than the defaults of the other hooks. Hooks
    are given names that were checked, with the storage's key prefix in front.

    Where the files are, and which, is decided by the settings and the store alone, so that other processes find the same ones.

    What is raised in a hook, by a generator that it gave or by a stream that it opened passes through
    :meth:`_translate` if it is one of ``errors``. What the caller's source raises does not, nor does an
    :exc:`~flask_fs.FSError`: some of these are errors of the operating system too, so that ``except OSError`` in a hook
    would catch its own FileExists.

    :param name: The storage's name.
    :param config: Its settings by lower-case key; ``None`` values mean the default.
    """

    #: The kind of backend, as configuration names it.
    kind: ClassVar[str] = ''
    #: What the backend promises. An instance may narrow it when its server lacks something: :meth:`drop_capability`.
    capabilities: Capability = Capability.NONE
    #: The settings it understands besides those of every storage.
    settings: ClassVar[tuple[Setting, ...]] = ()
    #: What the library of the store raises; ``OSError`` may be among it.
    errors: ClassVar[tuple[type[Exception], ...]] = ()
    #: Whether the streams of ``_open`` seek at no cost: anywhere, also beyond the end, where nothing is read; to a negative
    #: position they raise ValueError or OSError. Otherwise, with RANGE, files are read by small ranges.
    seekable_streams: ClassVar[bool] = False
    #: The headers, besides what every client sends, without which the store refuses a link for PUT.
    signed_put_headers: ClassVar[Mapping[str, str]] = {}
    #: How many entries a listing requests at once.
    page_size = 1000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.config = from_mapping(name, self.kind, config or {}, (*STORAGE_SETTINGS, *self.settings))
        # A legacy backend's own verbs would not add it.
        self._prefix = f'{self.config.prefix}/' if self.config.prefix and self.capabilities else ''
        self._retains = bool(self.config.retention_days)

    def _namespace_by_storage(self, place: str) -> None:
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

    @property
    def reserved_location(self) -> tuple[Hashable, ...] | None:
        """Where it keeps more than its files, such as parts of large ones: what no other storage's location may begin with."""
        return None

    def describe_location(self) -> str:
        """Where the files are, in a few words for people and without any secret; empty if there is nothing to say."""
        root = getattr(self, 'root', None)
        return str(root) if isinstance(root, (str, os.PathLike)) else ''

    # --- Hooks that every driver implements.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        """The bytes [start, stop) of a file, with the metadata of that version, by one request.

        The stream raises if it ends before its last byte: a file is never silently short. It is read from a position of its
        own, by whatever thread and whatever else is open or done meanwhile, and gives the bytes of that version, or raises, if
        the file is replaced or removed.

        :param start: Where to begin; a negative one counts from the end, and then *stop* is None.
        :param stop: Larger than *start*; None, or beyond the end, is the end of the file.
        :param etag: The version that is wanted, by the ``etag`` of its :class:`~flask_fs.FileInfo`; None is the newest one.
        :raises FileNotFound: Here, before the first byte is read.
        :raises Replaced: Here too, if the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If the file ends at *start* or before. Every file has a range that begins at 0, or
            at a negative *start*: in an empty one, it is empty.
        """
        return legacy.open_file(self, name, start, stop)

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo | None:
        """Store what *stream* holds, read once and in bounded memory, so that it appears whole or not at all.

        Until it is whole nothing of it is seen, and nobody waits for it: its source may take minutes. It replaces all of a
        file of that name. Whatever is raised meanwhile, interrupts such as KeyboardInterrupt too, leaves the old file, and
        nothing new behind; only where the connection is lost may the new file be there, or something hidden that
        :meth:`_sweep` removes.

        :param create: Fail if the name is taken, by a file and not by a folder. Race-free where ATOMIC_CREATE is declared.
            If it was taken before, fail when no more than one part of a large file was read (:meth:`refuse_early`): nobody
            is to wait for gigabytes that cannot be stored.
        :param attributes: What to keep with it, all of it with ATTRIBUTES; with MIME alone, the media type. A backend that
            finds out here that its store cannot keep them raises OperationNotSupported, and stores nothing.
        :return: The metadata of the new file, if it is known without a further request.
        :raises FileExists: With *create*, if there is a file of that name.
        """
        legacy.put(self, name, stream, create)
        return None

    def _stat(self, name: str) -> FileInfo:
        """A file's metadata, by one request without its content."""
        return legacy.stat(self, name)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with the literal text *prefix*, lazily.

        Files may come and go meanwhile: one that is there all the time is given once. Where the store does not list a
        type, it is the one that the name suggests; a checksum or etag that it does not list is None.
        """
        return legacy.scan(self, prefix)

    def _remove(self, name: str) -> None:
        """Remove one file, and nothing under ``name/``; an absent one is removed already."""
        legacy.remove(self, name)

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        """What kind of error one of ``errors`` is, and the reason to give; no secret may be in it.

        :param name: The file that it is about; of a listing the prefix, or None.
        """
        return BackendError, str(error) or type(error).__name__

    # --- Hooks with a default that is right everywhere.

    def _names(self, prefix: str) -> Iterator[str]:
        """The names that :meth:`_scan` would give."""
        if self._overrides('list_files'):
            return (name for name in self.list_files() if name.startswith(prefix))
        return (info.name for info in self._scan(prefix))

    def _delete(self, name: str) -> None:
        """Remove a file and all files under it."""
        # What is under a name goes before it: a custom backend's remove may take more than one file.
        for below in sorted(self._names(f'{name}/'), reverse=True):
            self._remove(below)
        self._remove(name)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo | None:
        """Like :meth:`_put`, but replace only the version *etag* of a file, with COMPARE_AND_SWAP.

        :param etag: The ``etag`` of its :class:`~flask_fs.FileInfo`.
        :raises Changed: If the file is no longer that version, or gone.
        """
        raise self._lacks('_swap')

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        """Remove files, each like :meth:`_remove`, by as few requests as the store allows; the errors of those that stay."""
        return self._each(self._remove, names)

    def _retain(self, name: str) -> None:
        """Delete one file so that it can be restored; an absent one is deleted already."""
        if (kept := retention.kept_name(name, self._prefix)) is None:
            raise self.unsupported(
                name, 'its name is too long to keep it; move it to a shorter one before you delete it'
            )
        with contextlib.suppress(FileNotFound):
            self._call_hook(functools.partial(self._move, target=kept, create=False), name)

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        """The files that :meth:`_retain` has deleted and whose name begins with *prefix*, in no order."""
        kept = self._scan(retention.folder_of(self._prefix) + prefix.removeprefix(self._prefix))
        return retention.deleted_files(kept, self._prefix)

    def _restore(self, file: DeletedFile) -> None:
        """Give a deleted file its name back.

        :raises FileNotFound: If it is not kept any more.
        :raises FileExists: If there is a file of that name.
        """
        self._move(file.id, file.name, create=True)

    def _purge(self, file: DeletedFile) -> None:
        """Remove a deleted file for good."""
        self._remove(file.id)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        """One page of what is directly in a folder; with few requests, however much is below it.

        :param prefix: Empty, or what the names in the folder begin with: it ends with a slash. There may be no such folder.
        :param after: The ``next`` of the page before.
        :param limit: How many files and folders together it has at most, 1 to 1000. It may have fewer.
        """
        return page_of(self._scan(prefix), prefix, after, limit)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change attributes of a file, with ATTRIBUTES, and leave its content and its other attributes as they are.

        Bytes that are replaced meanwhile are never brought back.

        :param changes: The new value of each attribute that changes, for :func:`~flask_fs.backends.changed`.
        """
        info, stream = self._open_translated(name)
        attributes = changed(info.attributes, changes)
        with stream:
            if info.etag is not None and Capability.COMPARE_AND_SWAP in self.capabilities:
                self._swap(name, Source(stream), info.etag, attributes=attributes)
            else:
                self._put(name, Source(stream), attributes=attributes)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        """Copy a file to another name, with the attributes that were given with it, if they are kept.

        The copy is a file of its own, which stays when the other one goes. If it fails, what was at the target stays.

        :raises FileNotFound: If there is no such file; a folder is none.
        :raises FileExists: With *create*, if there is a file *target*.
        """
        info, stream = self._open_translated(name)
        attributes = info.attributes if Capability.ATTRIBUTES in self.capabilities else NO_ATTRIBUTES
        with stream:
            self._put_translated(target, stream, create=create, mime=info.given_mime, attributes=attributes)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        """Give a file another name; like :meth:`_copy`, but for the old name.

        Interrupted half-way, it leaves the file under one of the names or both, and what was at the target whole or replaced.
        """
        self._copy(name, target, create=create)
        self._remove(name)

    def _local_path(self, name: str) -> str:
        """The path of a file on this machine, with LOCAL_PATH."""
        raise self.unsupported(name, 'its files have no path on this machine; use local_file()')

    def _internal_location(self, name: str) -> str | None:
        """The internal location from which nginx sends a file, if it does."""
        return None

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        """A link signed by the store, with SIGNED_URL: for one file, one method and *expires_s* seconds.

        No part of it can be changed without making it useless; that the signature covers the download name too may be
        beyond the store.

        :param expires_s: Whole seconds.
        :param download_name: What browsers save the file as; None lets them show it. Any printable text without slashes.
        """
        raise self._lacks('_signed_url')

    def _sweep(self, older_than_s: float) -> int | None:
        """Remove what processes left behind when they died half-way, and return how much that was.

        :param older_than_s: How long it has not changed, in seconds.
        :return: None where they leave nothing behind.
        """
        return None

    # --- The documented verbs.

    def as_binary(self, content: Any, encoding: str = 'utf8') -> bytes:
        """*content* as bytes; text is encoded, and what has ``read`` is read to its end."""
        return bytes(as_bytes(content, encoding))

    def exists(self, filename: str) -> bool:
        """Whether there is a file of that name; a folder is none."""
        try:
            self._call_hook(self._stat, self._key(filename))
        except FileNotFound:
            return False
        return True

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        """A file object: see :meth:`flask_fs.Storage.open`."""
        how, key = Mode(mode), self._key(filename)
        if not how.reads:
            return open_writer(lambda stream: self._put_translated(key, stream, create=how.creates), how, **kwargs)
        return open_reader(self._open_seekable(key), how, **kwargs)

    def open_whole(self, filename: str) -> Opened:
        """The content of a file, to be read once, with the metadata of that version, by one request."""
        info, stream = self._open_translated(self._key(filename))
        return Opened(self._strip_prefix(info) if self._prefix else info, stream)

    def read(self, filename: str) -> bytes:
        """The whole content of a file."""
        key, attempts = self._key(filename), 0
        while True:
            try:
                with self._open_translated(key).stream as stream:
                    return stream.read()
            except Replaced:
                # Nothing of it was given to the caller yet, who may as well have the next version.
                if (attempts := attempts + 1) == http.MAX_VERSIONS:
                    raise

    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        """The bytes [start, stop) of a file: see :meth:`flask_fs.Storage.read_range`."""
        key = self._key(filename)
        check_range(start, stop)
        if start == stop:
            self._call_hook(self._stat, key)
            return b''
        with self._open_translated(key, start, stop).stream as stream:
            return b''.join(chunks_of(stream))

    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES, *, chunks_size: int | None = None) -> Chunks:
        """The content of a file by chunks of *chunk_size* bytes, of which the last may be shorter.

        :param chunks_size: *chunk_size*, as older packages call it.
        """
        return Chunks(
            buffered(self._open_translated(self._key(filename)).stream),
            chunk_size if chunks_size is None else chunks_size,
        )

    def write(
        self,
        filename: str,
        content: Any,
        overwrite: bool = True,
        *,
        mime: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        if_match: str | None = None,
    ) -> Any:
        """Store text (as UTF-8), bytes of any kind, or the rest of what has ``read``, which stays open.

        :param mime: The media type to keep with it if the backend can; by default that of an upload.
        :param attributes: What to keep with it.
        :param if_match: The etag of the version to replace.
        :raises FileExists: Without *overwrite*, if there is a file of that name.
        :raises Changed: With *if_match*, if there is another version, or none.
        :raises OperationNotSupported: If *attributes* are not kept here, or *if_match* is not supported.
        """
        key, reader, mime = self._key(filename), as_source(content), mime or media_type_of(content)
        create = not overwrite and if_match is None
        return self._put_translated(key, reader, create=create, mime=mime, attributes=attributes, if_match=if_match)

    def save(
        self,
        file_or_wfs: Any,
        filename: str,
        overwrite: bool = False,
        *,
        mime: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        if_match: str | None = None,
    ) -> Any:
        """Store the rest of an open file or upload, which stays open: see :meth:`write`."""
        key, reader, create = self._key(filename), source(file_or_wfs), not overwrite and if_match is None
        return self._put_translated(key, reader, create=create, mime=mime, attributes=attributes, if_match=if_match)

    def remove(self, filename: str) -> None:
        """Remove exactly one file; nothing happens if there is none."""
        self._call_hook(self._retain if self._retains else self._remove, self._key(filename))

    def remove_many(self, filenames: Iterable[str]) -> dict[str, FSError]:
        """Remove exactly these files by as few requests as possible; the errors of those that are still there, by name."""
        keys = dict.fromkeys(map(self._key, filenames))
        failures = self._call_hook(
            lambda _: self._each(self._retain, keys) if self._retains else self._remove_many(keys), ''
        )
        return {key.removeprefix(self._prefix): error for key, error in failures.items()}

    def delete(self, filename: str) -> None:
        """Remove a file **and all files under** ``filename/``; nothing happens if there is none."""
        key = self._key(filename)
        if not self._retains:
            self._call_hook(self._delete, key)
            return
        for name in self._list_hook(self._names, f'{key}/'):
            self._call_hook(self._retain, name)
        self._call_hook(self._retain, key)

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        """The files that were deleted and can be restored: see :meth:`flask_fs.Storage.deleted`."""
        if not is_valid_prefix(prefix):
            return iter(())
        found, skipped = self._list_hook(self._deleted, self._prefix + prefix), len(self._prefix)
        files = (dataclasses.replace(file, name=file.name[skipped:]) for file in found) if skipped else found
        return (file for file in files if is_valid(file.name))

    def restore(self, filename: str, *, deleted: datetime.datetime | None = None) -> None:
        """Give a deleted file its name back: see :meth:`flask_fs.Storage.restore`."""
        key = self._key(filename)
        found = [file for file in self._kept(key) if deleted in (None, file.deleted)]
        if not found:
            # Some stores list what is deleted only as long as there is no newer file.
            if self.exists(filename):
                raise self.error(FileExists, key, 'nothing was restored')
            raise self.error(FileNotFound, key, 'it was not deleted, or is not kept any more')
        newest = max(found, key=lambda file: file.deleted)
        self._call_hook(lambda _: self._restore(newest), key)

    def purge(self, filename: str) -> None:
        """Remove a deleted file for good: see :meth:`flask_fs.Storage.purge`."""
        key = self._key(filename)
        for file in self._kept(key):
            self._purge_translated(file)

    def _kept(self, key: str) -> list[DeletedFile]:
        return [file for file in self._list_hook(self._deleted, key) if file.name == key]

    def copy(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Copy a file.

        :raises FileExists: Without *overwrite*, if there is a file *target*.
        """
        self._copy_or_move(self._copy, filename, target, overwrite)

    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Rename a file.

        :raises FileExists: Without *overwrite*, if there is a file *target*.
        """
        self._copy_or_move(self._move, filename, target, overwrite)

    def stat(self, filename: str) -> FileInfo:
        """The metadata of a file."""
        return self._strip_prefix(self._call_hook(self._stat, self._key(filename)))

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with *prefix*, lazily; what has no possible name is left out."""
        if not is_valid_prefix(prefix):
            return iter(())
        found = self._list_hook(self._scan, self._prefix + prefix)
        return (info for info in (map(self._strip_prefix, found) if self._prefix else found) if is_valid(info.name))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        """The possible name of every file that begins with *prefix*, lazily, in the order of the store."""
        if not is_valid_prefix(prefix):
            return iter(())
        found, skipped = self._list_hook(self._names, self._prefix + prefix), len(self._prefix)
        return filter_valid((name[skipped:] for name in found) if skipped else found)

    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        """One page of what is directly in a folder: see :meth:`flask_fs.Storage.folder`."""
        check_limit(limit)
        inside = prefix.removesuffix('/')
        key = f'{self._key(inside)}/' if inside else self._prefix
        page, skipped = self._call_hook(lambda key: self._folder(key, after, limit), key), len(self._prefix)
        files = [info for info in map(self._strip_prefix, page.files) if is_valid(info.name)]
        return Folder(files, [name for name in (name[skipped:] for name in page.folders) if is_valid(name)], page.next)

    def set_attributes(self, filename: str, changes: Mapping[str, Any]) -> None:
        """Change attributes of a file: see :meth:`flask_fs.Storage.set_attributes`."""
        key = self._key(filename)
        changed(NO_ATTRIBUTES, changes)
        if Capability.ATTRIBUTES not in self.capabilities:
            raise self.unsupported(key, 'it keeps no attributes')
        self._call_hook(lambda name: self._set_attributes(name, changes), key)

    def metadata(self, filename: str) -> dict[str, Any]:
        """The metadata of a file as a dictionary; where the backend keeps no checksum, looking at it reads the file."""
        return self._call_hook(self._metadata, self._key(filename))

    def path(self, filename: str) -> str:
        """The path of a file on this machine, there or not."""
        return self._call_hook(self._local_path, self._key(filename))

    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        """A path on this machine where the file's content can be read: its own, or that of a temporary copy."""
        if Capability.LOCAL_PATH in self.capabilities:
            self.stat(filename)
            yield self.path(filename)
            return
        with temporary_copy(self._open_translated(self._key(filename)).stream, filename) as path:
            yield path

    def sweep(self, *, older_than_s: float = STALE_S) -> int | None:
        """Remove what processes left behind when they died half-way, and deleted files that were kept long enough.

        :param older_than_s: How long what is left behind has not changed, in seconds.
        :return: How much that was; None where nothing is left behind or kept.
        """
        swept = self._call_hook(lambda _: self._sweep(older_than_s), '')
        return swept if not self._retains else (swept or 0) + self._purge_expired()

    def _purge_expired(self) -> int:
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=self.config.retention_days)
        purged = 0
        for file in self._list_hook(self._deleted, self._prefix):
            if file.deleted < limit:
                self._purge_translated(file)
                purged += 1
        return purged

    def _purge_translated(self, file: DeletedFile) -> None:
        self._call_hook(lambda _: self._purge(file), file.name)

    def serve(self, filename: str) -> Any:
        """The HTTP response to the current request for a file."""
        key = self._key(filename)
        if (response := self._call_hook(functools.partial(sendfile.respond, self), key)) is not None:
            return response
        stat = functools.partial(self._call_hook, self._stat, key)
        return http.respond(stat, functools.partial(self._open_translated, key))

    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        """A link signed by the store: see :meth:`flask_fs.Storage.signed_url`."""
        key = self._key(filename)
        if Capability.SIGNED_URL not in self.capabilities:
            raise self.unsupported(key, 'it signs no links')
        sign = functools.partial(self._signed_url, expires_s=expires_s, method=method, download_name=download_name)
        return self._call_hook(sign, key)

    # --- For drivers.

    def error(self, kind: type[E], name: str | None = None, reason: str | None = None) -> E:
        """An error of *kind* about the file *name*, which names this storage and backend."""
        # A listing of everything is about no file.
        shown = (name or '').removeprefix(self._prefix) or None
        return kind(shown, storage=self.name, backend=self.kind or type(self).__name__, reason=reason)

    def unsupported(self, name: str | None, reason: str) -> OperationNotSupported:
        """The error for what this backend cannot do."""
        return self.error(OperationNotSupported, name, reason)

    def translated(self, error: Exception, name: str | None = None) -> FSError:
        """The error of Flask-FS for *error*, one of ``errors``, about the file *name*."""
        kind, reason = (BackendError, str(error)) if isinstance(error, SpoolFailed) else self._translate(error, name)
        return self.error(kind, name, reason)

    def require_attributes(self, name: str, attributes: Attributes) -> None:
        """Refuse to store a file with *attributes* that are not kept: dropping one silently would lose it.

        :raises OperationNotSupported: If there are any.
        """
        given = attributes.given()
        if Capability.MIME in self.capabilities:
            given.pop('mime', None)
        if given and Capability.ATTRIBUTES not in self.capabilities:
            raise self.unsupported(name, f'it does not keep {", ".join(given)} with a file')

    def refuse_early(self, name: str, stream: Source) -> None:
        """For ``_put`` with *create*: refuse a name that is taken before a large *stream* is read.

        One of less than a mebibyte costs no request for that: storing it finds out. So does storing a larger one, whose name
        may be taken meanwhile.

        :raises FileExists: If *stream* is larger, and there is a file of that name.
        """
        if (size := stream.remaining_size) is None:
            stream.unread(head := stream.take(CHUNK_BYTES))
            size = len(head)
        if size >= CHUNK_BYTES:
            with contextlib.suppress(FileNotFound):
                self._call_hook(self._stat, name)
                raise self.error(FileExists, name)

    def range_start(self, info: FileInfo, start: int, etag: str | None = None) -> int:
        """Where a range of a file begins: *start*, or counted from the end if that is negative.

        :raises Replaced: If the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If it ends at *start* or before, and *start* is not 0.
        """
        # Looked at only where it is requested: finding that of a local file may take a moment.
        if etag is not None and etag != info.etag:
            raise self.error(Replaced, info.name)
        if start >= max(info.size, 1):
            raise self.error(RangeNotSatisfiable, info.name)
        return max(0, info.size + start) if start < 0 else start

    def opened(
        self, given: Opened, content_range: str | None, length: int, start: int, stop: int | None, etag: str | None
    ) -> Opened:
        """What :meth:`_open` returns, after a store has responded over HTTP: *given*, once it is the range that was requested.

        :param given: The metadata of the whole file, and the body, which is closed if it is not.
        :param content_range: The header of that name, if there is one. Without it, the body is the whole file, of which the
            first bytes are as good as a range.
        :param length: How many bytes the body has.
        :param etag: Compared even if the store was requested to.
        :raises Replaced: If the file is no longer the version *etag*.
        :raises BackendError: If it is another range.
        """
        with undone_by(given.stream.close):
            if etag not in (None, given.info.etag):
                raise self.error(Replaced, given.info.name)
            if content_range is None:
                is_right = start == 0 or length <= -start
            else:
                # Of an empty file some stores send odd ranges.
                is_right = http.is_range(content_range, length, start, stop) or given.info.size == length == 0
            if not is_right:
                reason = 'the store sent another part of the file than the one requested'
                raise self.error(BackendError, given.info.name, reason)
        if content_range is None and stop is not None:
            return given._replace(stream=limited(given.stream, stop))
        return given

    def opened_empty(self, info: FileInfo, start: int, etag: str | None = None) -> Opened:
        """What :meth:`_open` returns where a store says that there is no such range (416): that of an empty file.

        :param info: What the file is now.
        :raises Replaced: If it is no longer the version *etag*, or not empty: then it was shorter a moment ago.
        :raises RangeNotSatisfiable: If it ends at *start* or before.
        """
        self.range_start(info, start, etag)
        if info.size:
            raise self.error(Replaced, info.name)
        return Opened(info, io.BytesIO())

    def drop_capability(self, capability: Capability, reason: str | None = None) -> None:
        """Narrow what this backend promises, for its server or its settings.

        :param reason: What was seen of the server, for a warning in the log; None if nothing surprising was.
        """
        if reason is not None and capability & self.capabilities:
            _logger.warning('Storage %r (%s): %s', self.name, self.kind, reason)
        self.capabilities = self.capabilities & ~capability

    # --- Inside the template.

    def _key(self, filename: str) -> str:
        return self._prefix + check(filename)

    def _strip_prefix(self, info: FileInfo) -> FileInfo:
        return dataclasses.replace(info, name=info.name.removeprefix(self._prefix)) if self._prefix else info

    def _call_hook(self, hook: Callable[[str], T], name: str) -> T:
        """What *hook* gives, its errors translated."""
        try:
            return hook(name)
        except self._translatable as error:
            self._raise_translated(error, name or None)

    @property
    def _translatable(self) -> tuple[type[Exception], ...]:
        return (SpoolFailed, *self.errors)

    def _raise_translated(self, error: Exception, name: str | None) -> NoReturn:
        # FileExists, FileNotFound and PermissionDenied are errors of the operating system too.
        if isinstance(error, FSError):
            raise error
        raise self.translated(error, name) from (error.__cause__ if isinstance(error, SpoolFailed) else error)

    def _each(self, hook: Callable[[str], None], names: Iterable[str]) -> dict[str, FSError]:
        failures: dict[str, FSError] = {}
        left = iter(names)
        for name in left:
            try:
                self._call_hook(hook, name)
            except Unavailable as error:
                # It would take the same time for each of them to fail.
                failures |= dict.fromkeys((name, *left), error)
            except FSError as error:
                failures[name] = error
        return failures

    def _list_hook(self, hook: Callable[[str], Iterator[T]], prefix: str) -> Iterator[T]:
        found = self._call_hook(hook, prefix)
        return self._translating(found, prefix) if self.errors else found

    def _translating(self, found: Iterator[T], prefix: str) -> Iterator[T]:
        try:
            yield from found
        except self.errors as error:
            self._raise_translated(error, prefix or None)

    def _open_translated(
        self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
    ) -> Opened:
        opened = self._call_hook(lambda name: self._open(name, start, stop, etag=etag), name)
        if not self.errors or isinstance(opened.stream, TranslatingFile):
            return opened
        stream = TranslatedStream(opened.stream, self.errors, lambda error: self._raise_translated(error, name))
        return Opened(opened.info, cast('IO[bytes]', stream))

    def _open_seekable(self, key: str) -> IO[bytes]:
        if self.seekable_streams or Capability.RANGE not in self.capabilities:
            return self._open_translated(key).stream
        info, stream = self._open_translated(key, 0, FIRST_BYTES)
        with stream:
            head = b''.join(chunks_of(stream))

        def open_range(start: int, stop: int) -> IO[bytes]:
            # A reader never mixes what was opened with a newer version.
            return self._open_translated(key, start, stop, etag=info.etag).stream

        def truncated() -> Unavailable:
            return self.error(Unavailable, key, 'the store sent less of it than was requested')

        # Not the default size, which in newer Pythons is 128 KiB: so much would be fetched for each look at a few bytes.
        return io.BufferedReader(RangedReader(open_range, head, info.size, truncated), BLOCK_BYTES)

    def _put_translated(
        self,
        key: str,
        reader: ByteReader,
        *,
        create: bool,
        mime: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        if_match: str | None = None,
    ) -> FileInfo | None:
        """Store what *reader* holds.

        :param mime: Kept if the backend can, unless *attributes* have one.
        """
        stream = Source(reader)
        if attributes is not NO_ATTRIBUTES:
            self.require_attributes(key, attributes)
        if mime and not attributes.mime and Capability.MIME in self.capabilities:
            attributes = dataclasses.replace(attributes, mime=mime)
        if if_match is not None and Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self.unsupported(key, 'it cannot compare and swap, so if_match would not be free of races')
        try:
            if if_match is None:
                info = self._put(key, stream, create=create, attributes=attributes)
            else:
                info = self._swap(key, stream, if_match, attributes=attributes)
        except self._translatable as error:
            if error is stream.error:
                raise
            self._raise_translated(error, key)
        return None if info is None else self._strip_prefix(info)

    def _metadata(self, key: str) -> dict[str, Any]:
        given = legacy.given_metadata(self, key) if type(self)._stat is BaseBackend._stat else None
        info = self._stat(key) if given is None else legacy.info_from(key, given)
        facts = {'mime': info.mime, 'size': info.size, 'modified': info.modified, 'checksum': info.checksum}
        facts = {**(given or {}), **facts}
        return facts if info.checksum else Metadata(facts, checksum=lambda: self._checksum_of(key))

    def _checksum_of(self, key: str) -> str:
        with self._open_translated(key).stream as stream:
            return checksum_of(chunks_of(stream), self.config.checksum)

    def _copy_or_move(self, hook: Callable[..., None], filename: str, target: str, overwrite: bool) -> None:
        name, new = self._key(filename), self._key(target)
        if name != new:
            self._call_hook(lambda name: hook(name, new, create=not overwrite), name)
            return
        self._call_hook(self._stat, name)
        if not overwrite:
            raise self.error(FileExists, new)

    def _overrides(self, verb: str) -> bool:
        """Whether this is a legacy backend, with a documented verb *verb* of its own."""
        return not self.capabilities and getattr(type(self), verb) is not getattr(BaseBackend, verb)

    def _lacks(self, hook: str) -> OperationNotSupported:
        return self.unsupported(None, f'{type(self).__name__} does not implement {hook}')
