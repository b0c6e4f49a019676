"""Backends that are each broken in one way: what operations cost."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
from collections.abc import Iterator
from typing import IO, cast

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, Opened
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import chunks_of

from . import caught_by


@caught_by('test_a_range_moves_only_its_bytes')
class ReadsTheWholeFileForARange(LocalBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        super()._open(name, start, stop, etag=etag).stream.close()
        info, stream = super()._open(name, etag=etag)
        with stream:
            content = b''.join(chunks_of(stream))
        return Opened(info, io.BytesIO(content[start:stop]))


@caught_by('test_a_range_moves_only_its_bytes')
class SkipsToTheRange(HTTPBackend):
    """Requests the file from its beginning, as a client without Range headers does."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if start <= 0:
            return super()._open(name, start, stop, etag=etag)
        info, stream = super()._open(name, 0, stop, etag=etag)
        if start >= info.size:
            stream.close()
            raise self.error(fs.RangeNotSatisfiable, name)
        stream.read(start)
        return Opened(info, stream)


@caught_by('test_a_range_moves_only_its_bytes')
class RequestsTheWholeFileForASuffix(HTTPBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if start >= 0:
            return super()._open(name, start, stop, etag=etag)
        info, stream = super()._open(name, etag=etag)
        with stream:
            return Opened(info, io.BytesIO(stream.read()[start:]))


@caught_by('test_a_range_moves_only_its_bytes')
class DownloadsAFileToOpenIt(HTTPBackend):
    """Right for ranges; what can be sought in is a temporary copy."""

    seekable_streams = True

    def _open_seekable(self, key: str) -> IO[bytes]:
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed by whoever opened it
        with self._open_translated(key).stream as stream:
            copy.writelines(chunks_of(stream))
        copy.seek(0)
        return cast('IO[bytes]', copy)


@caught_by('test_copies_and_moves_stay_inside_the_store')
class ClaimsToCopyInsideTheStore(HTTPBackend):
    capabilities = HTTPBackend.capabilities | Capability.SERVER_COPY


@caught_by('test_copies_and_moves_stay_inside_the_store')
class CopiesLargeFilesItself(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        copy = BaseBackend._copy if self._stat(name).size > 1024 * 1024 else MemoryBackend._copy
        copy(self, name, target, create=create)


@caught_by('test_copies_and_moves_stay_inside_the_store')
class MovesThroughTheApplication(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        BaseBackend._copy(self, name, target, create=create)
        self._remove(name)


@caught_by('test_operations_take_no_more_requests_than_allowed')
class LooksBeforeItReads(HTTPBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        self._stat(name)
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_operations_take_no_more_requests_than_allowed')
class ListsToLookAtAFile(HTTPBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        for info in self._scan(name):
            if info.name == name:
                return super()._stat(name)
        raise self.error(fs.FileNotFound, name)


@caught_by('test_operations_take_no_more_requests_than_allowed')
class LooksBeforeItRemoves(HTTPBackend):
    """More than its author says it takes."""

    def _remove(self, name: str) -> None:
        with contextlib.suppress(fs.FileNotFound):
            self._stat(name)
            super()._remove(name)


@caught_by('test_metadata_moves_no_content')
class ReadsAFileToKnowItsSize(LocalBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        with super()._open(name).stream as stream:
            return dataclasses.replace(super()._stat(name), size=sum(map(len, chunks_of(stream))))


@caught_by('test_metadata_moves_no_content')
class RequestsAFileToLookAtIt(HTTPBackend):
    """And reads it to its end, so that the connection can be used again."""

    def _stat(self, name: str) -> fs.FileInfo:
        info, stream = self._open(name)
        with stream:
            stream.read()
        return info


@caught_by('test_metadata_moves_no_content')
class ReadsWhatItLists(LocalBackend):
    """As if to guess its type."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for info in super()._scan(prefix):
            with contextlib.suppress(fs.FileNotFound), super()._open(info.name).stream as stream:
                stream.read()
            yield info
