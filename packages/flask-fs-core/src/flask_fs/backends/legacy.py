"""Legacy backends, which declare no capabilities. They are called only through the documented methods and arguments.

Custom backends for older packages and test doubles are such backends. Conflicts and missing files are detected by calling
``exists`` first. This isn't race-free, but it is all that a backend without capabilities allows.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import inspect
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from ..errors import FileExists, FileNotFound, FSError, OperationNotSupported, RangeNotSatisfiable
from ..files import mime_type
from ..media_types import normalized
from ..names import filter_valid
from .contract import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, DeletedFile, FileInfo, Folder, Opened
from .copies import temporary_copy
from .paging import check_after, check_limit, page_of
from .sources import Source, as_bytes, remaining_size
from .streams import Chunks, Mode, buffered, check_range, chunks_of, window


class LegacyDriver:
    """A driver on top of the documented methods of *backend*, which can be any object that has them."""

    capabilities = Capability.NONE

    def __init__(self, backend: Any, storage: str) -> None:
        self.backend = backend
        self.storage = storage
        # Any other object that has the methods. A mock has every attribute, but its class doesn't.
        self._is_double = not hasattr(type(backend), '_overrides')

    def exists(self, filename: str) -> bool:
        return bool(self.backend.exists(filename))

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> Any:
        how = Mode(mode)
        if how.reads:
            self._require(filename)
        elif how.creates:
            self._require_absent(filename)
        return self.backend.open(filename, mode, **kwargs)

    def open_whole(self, filename: str) -> Opened:
        return Opened(cast('FileInfo', _LazyInfo(lambda: self.stat(filename))), self.open(filename, 'rb'))

    def read(self, filename: str) -> Any:
        self._require(filename)
        return self.backend.read(filename)

    def read_range(self, filename: str, start: int, stop: int | None = None) -> Any:
        if not self._is_double:
            self._require(filename)
            return self.backend.read_range(filename, start, stop)
        check_range(start, stop)
        content = self.read(filename)
        if start and start >= max(len(content), 1):
            raise RangeNotSatisfiable(filename, storage=self.storage)
        return content[start:stop]

    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES) -> Any:
        if self._has_own('read_chunks') or (self._is_double and hasattr(self.backend, 'read_chunks')):
            self._require(filename)
            # In other packages the parameter has another name.
            size = () if chunk_size == CHUNK_BYTES else (chunk_size,)
            return self.backend.read_chunks(filename, *size)
        return Chunks(buffered(self.open(filename, 'rb')), chunk_size)

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
        self.require_attributes(filename, attributes)
        self._refuse_condition(filename, if_match)
        if not overwrite:
            self._require_absent(filename)
        return self.backend.write(filename, content)

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
        self.require_attributes(filename, attributes)
        self._refuse_condition(filename, if_match)
        if not overwrite:
            self._require_absent(filename)
        # As documented, save() rejects an existing file by default. Some backends have no such parameter, and test doubles that
        # accept anything expect to be called without it.
        elif 'overwrite' in inspect.signature(self.backend.save).parameters:
            return self.backend.save(file_or_wfs, filename, overwrite=True)
        return self.backend.save(file_or_wfs, filename)

    def remove(self, filename: str) -> Any:
        if not self._is_double:
            return self.backend.remove(filename)
        if hasattr(self.backend, 'list_files') and any(self.list_files(f'{filename}/')):
            reason = f"there are files under '{filename}/', which delete() of its backend could remove too"
            raise self._unsupported(filename, reason)
        return self.backend.delete(filename)

    def remove_many(self, filenames: Iterable[str]) -> dict[str, FSError]:
        failures: dict[str, FSError] = {}
        for filename in dict.fromkeys(filenames):
            try:
                self.remove(filename)
            except FSError as error:
                failures[filename] = error
        return failures

    def delete(self, filename: str) -> Any:
        return self.backend.delete(filename)

    def copy(self, filename: str, target: str, overwrite: bool = True) -> Any:
        return self._copy_or_move(self._verb('copy'), filename, target, overwrite)

    def move(self, filename: str, target: str, overwrite: bool = True) -> Any:
        return self._copy_or_move(self._verb('move'), filename, target, overwrite)

    def stat(self, filename: str) -> Any:
        self._require(filename)
        return info_from(filename, self._verb('metadata')(filename)) if self._is_double else self.backend.stat(filename)

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return _stat_each(self.stat, self.list_files(prefix))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        names = self._verb('list_files')()
        if not self._is_double:
            # The result of a test double is returned unchanged.
            valid = filter_valid(names)
            names = list(valid) if isinstance(names, list) else valid
        return (name for name in names if name.startswith(prefix)) if prefix else names

    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        check_limit(limit)
        check_after(after)
        inside = prefix.removesuffix('/')
        inside = f'{inside}/' if inside else ''
        return page_of(self.scan(inside), inside, after, limit)

    def require_attributes(self, filename: str, attributes: Attributes) -> None:
        if given := attributes.given():
            raise self._unsupported(filename, f"its backend doesn't store {', '.join(given)} with a file")

    def set_attributes(self, filename: str, changes: Mapping[str, Any]) -> None:
        raise self._unsupported(filename, "its backend doesn't store attributes")

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        raise self._unsupported(None, "its backend doesn't keep deleted files")

    def restore(self, filename: str, *, deleted: datetime.datetime | None = None) -> None:
        raise self._unsupported(filename, "its backend doesn't keep deleted files")

    def purge(self, filename: str) -> None:
        raise self._unsupported(filename, "its backend doesn't keep deleted files")

    def metadata(self, filename: str) -> Any:
        metadata = self._verb('metadata')(filename)
        if isinstance(metadata, dict):
            # Applications always get the documented keys, whatever the backend reports.
            metadata['mime'] = normalized(metadata.get('mime') or mime_type(filename))
            for key in ('size', 'modified', 'checksum'):
                metadata.setdefault(key, None)
        return metadata

    def path(self, filename: str) -> Any:
        root = getattr(self.backend, 'root', '')
        has_own = self._has_own('path') or self._has_own('_local_path')
        if not has_own and isinstance(root, (str, Path)) and root:  # not os.PathLike, which every MagicMock is
            return os.path.join(root, filename)
        if has_own or (root is not None and self._is_double and hasattr(self.backend, 'path')):
            return self.backend.path(filename)
        raise self._unsupported(filename, 'its files have no path on this machine; use local_file()')

    def local_file(self, filename: str) -> Any:
        self._require(filename)
        if not self._is_double:
            return self.backend.local_file(filename)
        try:
            return contextlib.nullcontext(self.path(filename))
        except OperationNotSupported:
            return temporary_copy(self.backend.open(filename, 'rb'), filename)

    def serve(self, filename: str) -> Any:
        self._require(filename)
        return self.backend.serve(filename)

    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        raise self._unsupported(filename, 'its backend cannot sign links')

    def _copy_or_move(self, verb: Callable[[str, str], Any], filename: str, target: str, overwrite: bool) -> Any:
        self._require(filename)
        if not overwrite:
            self._require_absent(target)
        return None if filename == target else verb(filename, target)

    def _verb(self, verb: str) -> Any:
        """A method that a test double might not have, because it isn't part of the documented backend API."""
        if (found := getattr(self.backend, verb, None)) is None:
            raise self._unsupported(None, f'{type(self.backend).__name__} has no {verb}()')
        return found

    def _has_own(self, verb: str) -> bool:
        """Whether the class of the backend defines the method *verb* itself."""
        return hasattr(type(self.backend), verb) if self._is_double else bool(self.backend._overrides(verb))

    def _unsupported(self, filename: str | None, reason: str) -> OperationNotSupported:
        return OperationNotSupported(filename, storage=self.storage, reason=reason)

    def _refuse_condition(self, filename: str, if_match: str | None) -> None:
        if if_match is not None:
            raise self._unsupported(filename, 'its backend cannot compare and swap, so if_match would not be race-free')

    def _require(self, filename: str) -> None:
        if not self.backend.exists(filename):
            raise FileNotFound(filename, storage=self.storage)

    def _require_absent(self, filename: str) -> None:
        if self.backend.exists(filename):
            raise FileExists(filename, storage=self.storage)


def info_from(name: str, metadata: Mapping[str, Any]) -> FileInfo:
    """The *metadata* of a legacy backend, which can be incomplete."""
    mime = metadata.get('mime') or mime_type(name)
    return FileInfo(name, metadata.get('size') or 0, metadata.get('modified'), mime, metadata.get('checksum'))


# --- The default hooks for subclasses of BaseBackend that override the documented methods instead. They aren't set on a class:
# a mixin for drivers is such a subclass too, and would hide a driver's own hooks.


def open_file(self: Any, name: str, start: int, stop: int | None) -> Opened:
    """``_open`` on top of the subclass's ``open`` or ``read``."""
    if self._overrides('open'):
        stream: IO[bytes] = self.open(name, 'rb')
    elif self._overrides('read'):
        stream = io.BytesIO(as_bytes(self.read(name)))
    else:
        raise self._lacks('_open')
    # Metadata can be expensive or unavailable, and callers that only read a complete file don't use it.
    info = cast('FileInfo', _LazyInfo(lambda: self._stat(name)))
    try:
        if start:
            size = info.size if (known := remaining_size(stream)) is None else known
            start = self.range_start(FileInfo(name, size, None), start)
        return Opened(info, window(stream, start, stop))
    except BaseException:
        stream.close()
        raise


def put(self: Any, name: str, stream: Source, create: bool) -> None:
    """``_put`` on top of its ``write``."""
    if not self._overrides('write'):
        raise self._lacks('_put')
    if create and self.exists(name):
        raise self.error(FileExists, name)
    self.write(name, stream.read())


def stat(self: Any, name: str) -> FileInfo:
    """``_stat`` on top of its ``metadata`` or ``get_metadata``, or else by reading the file."""
    if self._overrides('metadata'):
        return info_from(name, self.metadata(name))
    if (given := given_metadata(self, name)) is not None:
        return info_from(name, given)
    with self._open(name).stream as stream:
        size = remaining_size(stream)
        return FileInfo(name, sum(map(len, chunks_of(stream))) if size is None else size, None, mime_type(name))


def given_metadata(self: Any, name: str) -> Mapping[str, Any] | None:
    """The result of the subclass's ``get_metadata``, which ``metadata`` calls in older packages; None without that method."""
    get_metadata: Callable[[str], Mapping[str, Any]] | None = getattr(self, 'get_metadata', None)
    if get_metadata is None:
        return None
    if self._overrides('exists') and not self.exists(name):
        raise self.error(FileNotFound, name)
    return get_metadata(name)


def scan(self: Any, prefix: str) -> Iterator[FileInfo]:
    """``_scan`` on top of its ``list_files``."""
    if not self._overrides('list_files'):
        raise self._lacks('_scan')
    return _stat_each(self._stat, self._names(prefix))


def names(self: Any, prefix: str) -> Iterator[str]:
    """``_names`` on top of its ``list_files``, or else of ``_scan``."""
    if self._overrides('list_files'):
        return (name for name in self.list_files() if name.startswith(prefix))
    return (info.name for info in self._scan(prefix))


def _stat_each(stat: Callable[[str], FileInfo], names: Iterable[str]) -> Iterator[FileInfo]:
    for name in names:
        try:
            info = stat(name)
        except FileNotFound:
            # It was removed after it was listed.
            continue
        yield info


def remove(self: Any, name: str) -> None:
    """``_remove`` on top of its ``delete``, if that cannot remove other files."""
    if not self._overrides('delete'):
        raise self._lacks('_remove')
    below: Iterator[str] = iter(())
    # If files can't be listed, its delete() is the only way to remove anything.
    with contextlib.suppress(OperationNotSupported):
        below = self._names(f'{name}/')
    if any(below):
        raise self.unsupported(name, f"there are files under '{name}/', which its delete() could remove too")
    self.delete(name)


class _LazyInfo:
    """The metadata of a file, looked up on first use."""

    def __init__(self, find: Callable[[], FileInfo]) -> None:
        self._find = functools.cache(find)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._find(), attribute)
