"""The template of a backend: the documented verbs, written once on top of a few hooks."""

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

#: How often attributes are changed again where other writers came in between.
_MAX_CHANGES = 20


class BaseBackend(Hooks):
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
        remove = functools.partial(self._each, self._retain) if self._retains else self._remove_many
        failures = self._call_hook(lambda _: remove(keys), '')
        return {key.removeprefix(self._prefix): self._of_file(key, error) for key, error in failures.items()}

    def delete(self, filename: str) -> None:
        """Remove a file **and all files under** ``filename/``; nothing happens if there is none."""
        key = self._key(filename)
        if not self._retains:
            self._call_hook(self._delete, key)
            return
        # What could not be a filename could not be restored either: it is left alone.
        for name in self.list_files(f'{filename}/'):
            self._call_hook(self._retain, self._prefix + name)
        self._call_hook(self._retain, key)

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        """The files that were deleted and can be restored: see :meth:`flask_fs.Storage.deleted`."""
        if not is_valid_prefix(prefix):
            return iter(())
        found, skipped = self._valid_deleted(self._prefix + prefix), len(self._prefix)
        return (dataclasses.replace(file, name=file.name[skipped:]) for file in found) if skipped else found

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
            raise self.unsupported(key, 'it keeps no attributes')
        for _ in range(_MAX_CHANGES):
            with contextlib.suppress(Replaced):
                self._call_hook(lambda name: self._set_attributes(name, changes), key)
                return
        raise self.error(Unavailable, key, 'other writers change it all the time')

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
        """Remove what nobody comes for: what processes left behind when they died, uploads, and deleted files kept long enough.

        :param older_than_s: How long what is left behind has not changed, in seconds.
        :return: How much that was; None where nothing is left behind or kept.
        """
        swept = self._call_hook(lambda _: self._sweep(older_than_s), '')
        # A legacy backend has no hidden files.
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

    # --- Inside the template.

    def _valid_deleted(self, prefix: str) -> Iterator[DeletedFile]:
        # Other programs may have put there what has no possible name.
        skipped = len(self._prefix)
        return (file for file in self._list_hook(self._deleted, prefix) if is_valid(file.name[skipped:]))

    def _kept(self, key: str) -> list[DeletedFile]:
        return [file for file in self._list_hook(self._deleted, key) if file.name == key]

    def _of_file(self, key: str, error: FSError) -> FSError:
        """*error* as that of one file, where it is that of a request which was about many."""
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
            # A reader never mixes what was opened with a newer version.
            return self._open_translated(key, start, stop, etag=info.etag).stream

        def truncated() -> Unavailable:
            return self.error(Unavailable, key, 'the store sent less of it than was requested')

        # Not the default size, which in newer Pythons is 128 KiB: so much would be fetched for each look at a few bytes.
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
        """Whether this is a legacy backend, with a documented verb *verb* of its own."""
        return not self.capabilities and getattr(type(self), verb) is not getattr(BaseBackend, verb)
