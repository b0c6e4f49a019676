"""Backends that are each broken in one way: which version of a file is read."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from typing import IO, cast

import flask_fs as fs
from flask_fs.backends import Opened
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_bytes_come_with_the_metadata_of_their_version')
class LooksAfterOpening(MemoryBackend):
    """Two requests: one for the bytes, and one for the metadata, which may be that of the next version."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        stream = super()._open(name, start, stop, etag=etag).stream
        return Opened(self._stat(name), stream)


@caught_by('test_a_version_asked_for_is_opened_or_refused', 'test_a_served_file_is_one_version')
class IgnoresTheEtag(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop)


@caught_by('test_bytes_come_with_the_metadata_of_their_version')
class LooksBeforeOpening(MemoryBackend):
    """Two requests in the other order: the metadata may be that of the version before."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info = self._stat(name)
        return Opened(info, super()._open(name, start, stop, etag=etag).stream)


@caught_by('test_a_version_asked_for_is_opened_or_refused')
class PinsOnlyWholeFiles(MemoryBackend):
    """Sends no condition with a range."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop, etag=None if start or stop else etag)


class Lazy(io.RawIOBase):
    """A file that is opened each time it needs to be, by its name."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # of all buffers this one
        piece = self._read(self._at, self._at + len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


@caught_by(
    'test_a_file_replaced_at_any_point_is_read_as_one_version',
    'test_a_range_of_a_file_that_is_replaced_is_whole_or_an_error',
)
class ReadsEachBlockByName(MemoryBackend):
    """Each block by a request of its own, as files of SFTP and of HTTP are read, and none says which version it is of."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info = self._found(name)[0]
        start = self.range_start(info, start, etag)

        def read(first: int, end: int) -> bytes:
            content = self._found(name)[1][start:stop]
            return content[first:end]

        return Opened(info, cast('IO[bytes]', Lazy(read, info.size)))


@caught_by('test_a_range_of_a_file_that_is_replaced_is_whole_or_an_error')
class OpensWhenItIsRead(LocalBackend):
    """The descriptor is taken at the first byte, so that an unread file costs none."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        stream.close()
        kept: list[bytes] = []

        def read(first: int, end: int) -> bytes:
            if not kept:
                kept.append(super(OpensWhenItIsRead, self)._open(name, start, stop).stream.read())
            return kept[0][first:end]

        return Opened(info, cast('IO[bytes]', Lazy(read, info.size)))


@caught_by('test_a_file_replaced_at_any_point_is_read_as_one_version')
class OpensAnewToGoBack(LocalBackend):
    """Of a stream that goes on only, going back is opening it again: whatever has that name by then."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        at = 0

        def read(first: int, end: int) -> bytes:
            nonlocal stream, at
            if first < at:
                stream.close()
                stream, at = super(OpensAnewToGoBack, self)._open(name, start, stop).stream, 0
            stream.read(first - at)
            piece = stream.read(end - first)
            at = first + len(piece)
            return piece

        return Opened(info, cast('IO[bytes]', Lazy(read, info.size)))


@caught_by(
    'test_a_file_replaced_at_any_point_is_read_as_one_version',
    'test_a_range_of_a_file_that_is_replaced_is_whole_or_an_error',
)
class EndsWhereTheFileIsLost(MemoryBackend):
    """Has the version that it opened looked up for each block, and takes its loss for the end of the file."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, content = self._found(name)
        start = self.range_start(info, start, etag)

        def read(first: int, end: int) -> bytes:
            try:
                self.range_start(self._stat(name), 0, info.etag)
            except fs.FSError:
                return b''
            return content[start:stop][first:end]

        return Opened(info, cast('IO[bytes]', Lazy(read, info.size)))


@caught_by('test_a_file_replaced_at_any_point_is_read_as_one_version')
class CopiesIntoTheTarget(LocalBackend):
    """Writes over the file that is there, which somebody may have open."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if create or not self.exists(target):
            super()._copy(name, target, create=create)
        else:
            shutil.copyfile(self._local_path(name), self._local_path(target))


@caught_by('test_a_version_asked_for_is_opened_or_refused')
class TakesAllEmptyFilesForEqual(MemoryBackend):
    """Gives an empty file without a request, and so without its condition."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop, etag=etag if self._found(name)[1] else None)
