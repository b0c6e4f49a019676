"""The base class of backends: the documented methods, implemented once on top of a few hooks."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import IO, Any

from ..errors import (
    FileExists,
    FileNotFound,
    FSError,
    Replaced,
    Unavailable,
)
from ..names import filter_valid, is_valid, is_valid_prefix
from . import http, incoming, legacy, sendfile
from .attributes import changed
from .checksums import checksum_of
from .contract import (
    CHUNK_BYTES,
    NO_ATTRIBUTES,
    STALE_S,
    Attributes,
    Capability,
    DeletedFile,
    FileInfo,
    Folder,
    Opened,
)
from .copies import temporary_copy
from .hooks import Hooks
from .metadata import Metadata
from .paging import check_after, check_limit
from .ranged import BLOCK_BYTES, FIRST_BYTES, RangedReader
from .sources import as_bytes, as_source, media_type_of, source
from .streams import (
    Chunks,
    Mode,
    buffered,
    check_range,
    chunks_of,
    open_reader,
)
from .writers import open_writer

#: How often changing attributes is retried if other writers interfere.
_MAX_CHANGES = 20


class BaseBackend(Hooks):
    """The backend of one storage in one application.

    A driver implements ``_open``, ``_put``, ``_stat``, ``_scan`` and ``_remove``, declares its capabilities and its
    settings, lists the errors that its library raises, and can override the defaults of the other hooks. Hooks get checked
    names that begin with the storage's key prefix.

    The files and their locations depend only on the settings and the store, so all processes find the same files.

    Errors listed in ``errors`` pass through :meth:`_translate` if they are raised in a hook, by a generator that it
    returned or by a stream that it opened. Errors of the caller's source do not, nor does an :exc:`~flask_fs.FSError`. Some
    of the latter are errors of the operating system too, so ``except OSError`` in a hook would catch its own FileExists.

    :param name: The storage's name.
    :param config: Its settings by lowercase key. ``None`` values mean the default.
    """

    # --- The documented methods.

    def as_binary(self, content: Any, encoding: str = 'utf8') -> bytes:
        """*content* as bytes. Text is encoded, and objects with ``read`` are read to their end."""
        return bytes(as_bytes(content, encoding))

    def exists(self, filename: str) -> bool:
        """Whether a file with that name exists. Folders don't count."""
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
        """The content of a file, to read once, and the metadata of that version, in one request."""
        info, stream = self._open_translated(self._key(filename))
        return Opened(self._strip_prefix(info) if self._prefix else info, stream)

    def read(self, filename: str) -> bytes:
        """The complete content of a file."""
        key, attempts = self._key(filename), 0
        while True:
            try:
                with self._open_translated(key).stream as stream:
                    return stream.read()
            except Replaced:
                # The caller hasn't received any of it yet, so the next version is just as good.
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
        """The content of a file in chunks of *chunk_size* bytes. The last chunk can be shorter.

        :param chunks_size: The same as *chunk_size*, for backward compatibility.
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
        """Store text (as UTF-8), a bytes-like object, or the rest of an object with ``read``, which stays open.

        :param mime: The media type to store with it, if the backend can. Default: the media type of an upload.
        :param attributes: The attributes to store with it.
        :param if_match: The etag of the version to replace.
        :raises FileExists: Without *overwrite*, if a file with that name exists.
        :raises Changed: With *if_match*, if the current version differs or doesn't exist.
        :raises OperationNotSupported: If the backend can't store *attributes*, or doesn't support *if_match*.
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
        """Remove exactly one file. Does nothing if it doesn't exist."""
        self._call_hook(self._retain if self._retains else self._remove, self._key(filename))

    def remove_many(self, filenames: Iterable[str]) -> dict[str, FSError]:
        """Remove exactly these files in as few requests as possible. Returns the errors of the remaining ones, by name."""
        keys = dict.fromkeys(map(self._key, filenames))
        remove = functools.partial(self._each, self._retain) if self._retains else self._remove_many
        failures = self._call_hook(lambda _: remove(keys), '')
        return {key.removeprefix(self._prefix): self._of_file(key, error) for key, error in failures.items()}

    def delete(self, filename: str) -> None:
        """Remove a file **and all files under** ``filename/``. Does nothing if none exists."""
        key = self._key(filename)
        if not self._retains:
            self._call_hook(self._delete, key)
            return
        # Files with invalid names couldn't be restored, so they stay.
        for name in self.list_files(f'{filename}/'):
            self._call_hook(self._retain, self._prefix + name)
        self._call_hook(self._retain, key)

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        """The deleted files that can be restored: see :meth:`flask_fs.Storage.deleted`."""
        if not is_valid_prefix(prefix):
            return iter(())
        found, skipped = self._valid_deleted(self._prefix + prefix), len(self._prefix)
        return (dataclasses.replace(file, name=file.name[skipped:]) for file in found) if skipped else found

    def restore(self, filename: str, *, deleted: datetime.datetime | None = None) -> None:
        """Restore a deleted file: see :meth:`flask_fs.Storage.restore`."""
        key = self._key(filename)
        found = [file for file in self._kept(key) if deleted in (None, file.deleted)]
        if not found:
            # Some stores list a deleted file only as long as there is no newer one.
            if self.exists(filename):
                raise self.error(FileExists, key, 'nothing was restored')
            raise self.error(FileNotFound, key, 'it was not deleted, or is no longer kept')
        newest = max(found, key=lambda file: file.deleted)
        self._call_hook(lambda _: self._restore(newest), key)

    def purge(self, filename: str) -> None:
        """Permanently remove a deleted file: see :meth:`flask_fs.Storage.purge`."""
        key = self._key(filename)
        for file in self._kept(key):
            self._purge_translated(file)

    def copy(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Copy a file.

        :raises FileExists: Without *overwrite*, if *target* exists.
        """
        self._copy_or_move(self._copy, filename, target, overwrite)

    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        """Rename a file.

        :raises FileExists: Without *overwrite*, if *target* exists.
        """
        self._copy_or_move(self._move, filename, target, overwrite)

    def stat(self, filename: str) -> FileInfo:
        """The metadata of a file."""
        return self._strip_prefix(self._call_hook(self._stat, self._key(filename)))

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with *prefix*, lazily, without files with invalid names."""
        if not is_valid_prefix(prefix):
            return iter(())
        found = self._list_hook(self._scan, self._prefix + prefix)
        return (info for info in (map(self._strip_prefix, found) if self._prefix else found) if is_valid(info.name))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        """Every valid filename that begins with *prefix*, lazily, in the order of the store."""
        if not is_valid_prefix(prefix):
            return iter(())
        found, skipped = self._list_hook(self._names, self._prefix + prefix), len(self._prefix)
        return filter_valid((name[skipped:] for name in found) if skipped else found)

    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        """One page of the direct contents of a folder: see :meth:`flask_fs.Storage.folder`."""
        check_limit(limit)
        check_after(after)
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
            raise self.unsupported(key, "it doesn't store attributes")
        for _ in range(_MAX_CHANGES):
            with contextlib.suppress(Replaced):
                self._call_hook(lambda name: self._set_attributes(name, changes), key)
                return
        raise self.error(Unavailable, key, 'other writers keep changing it; try again later')

    def metadata(self, filename: str) -> dict[str, Any]:
        """The metadata of a file as a dictionary. If the backend doesn't store checksums, accessing ``checksum`` reads the file."""
        return self._call_hook(self._metadata, self._key(filename))

    def path(self, filename: str) -> str:
        """The path of a file on this machine, whether it exists or not."""
        return self._call_hook(self._local_path, self._key(filename))

    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        """A path on this machine where the file's content can be read: its own path, or a temporary copy's."""
        if Capability.LOCAL_PATH in self.capabilities:
            self.stat(filename)
            yield self.path(filename)
            return
        with temporary_copy(self._open_translated(self._key(filename)).stream, filename) as path:
            yield path

    def sweep(self, *, older_than_s: float = STALE_S) -> int | None:
        """Remove leftovers of crashed processes, abandoned uploads, and deleted files whose retention is over.

        :param older_than_s: The minimum time since leftovers last changed, in seconds.
        :return: The number of removed items; None if the backend never has any.
        """
        swept = self._call_hook(lambda _: self._sweep(older_than_s), '')
        # Legacy backends have no hidden files.
        more = incoming.sweep(self, older_than_s) if self.capabilities else 0
        if self._retains:
            more += self._purge_expired()
        elif not more:
            return swept
        return (swept or 0) + more

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
            raise self.unsupported(key, 'it cannot sign links')
        sign = functools.partial(self._signed_url, expires_s=expires_s, method=method, download_name=download_name)
        return self._call_hook(sign, key)

    # --- Internal.

    def _valid_deleted(self, prefix: str) -> Iterator[DeletedFile]:
        # Other programs might have stored files with invalid names there.
        skipped = len(self._prefix)
        return (file for file in self._list_hook(self._deleted, prefix) if is_valid(file.name[skipped:]))

    def _kept(self, key: str) -> list[DeletedFile]:
        return [file for file in self._list_hook(self._deleted, key) if file.name == key]

    def _of_file(self, key: str, error: FSError) -> FSError:
        """*error* as an error about one file, if it is about a request for several."""
        if error.filename == key.removeprefix(self._prefix):
            return error
        named = self.error(type(error), key, error.reason)
        named.__cause__ = error
        return named

    def _purge_expired(self) -> int:
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=self.config.retention_days)
        purged = 0
        for file in self._valid_deleted(self._prefix):
            if file.deleted < limit:
                self._purge_translated(file)
                purged += 1
        return purged

    def _purge_translated(self, file: DeletedFile) -> None:
        self._call_hook(lambda _: self._purge(file), file.name)

    def _open_seekable(self, key: str) -> IO[bytes]:
        if self.seekable_streams or Capability.RANGE not in self.capabilities:
            return self._open_translated(key).stream
        info, stream = self._open_translated(key, 0, FIRST_BYTES)
        with stream:
            head = b''.join(chunks_of(stream))

        def open_range(start: int, stop: int) -> IO[bytes]:
            # A reader never mixes two versions of a file.
            return self._open_translated(key, start, stop, etag=info.etag).stream

        def truncated() -> Unavailable:
            return self.error(Unavailable, key, 'the store sent fewer bytes than requested')

        # Not the default size, which is 128 KiB in newer Pythons: that much would be fetched for every read of a few bytes.
        return io.BufferedReader(RangedReader(open_range, head, info.size, truncated), BLOCK_BYTES)

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
        """Whether this is a legacy backend that overrides the documented method *verb*."""
        return not self.capabilities and getattr(type(self), verb) is not getattr(BaseBackend, verb)
