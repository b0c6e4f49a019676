"""Backends that are each broken in one way: what opening a file gives."""

from __future__ import annotations

import dataclasses
import io

import flask_fs as fs
from flask_fs.backends import Opened
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import BoundedReader

from . import caught_by


@caught_by('test_an_open_file_can_be_read_from_anywhere')
class CannotSeek(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, BoundedReader(stream, 1 << 40))  # type: ignore[arg-type]


@caught_by('test_a_range_has_exactly_its_bytes')
class TakesTheStopAsIncluded(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, None if stop is None else stop + 1, etag=etag)


@caught_by('test_a_range_from_the_end_has_the_last_bytes')
class TakesASuffixForTheStart(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, max(start, 0), stop, etag=etag)


@caught_by('test_a_range_that_begins_beyond_the_end_is_refused', 'test_read_range_gives_exactly_its_bytes')
class GivesNothingBeyondTheEnd(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        try:
            return super()._open(name, start, stop, etag=etag)
        except fs.RangeNotSatisfiable:
            return Opened(self._stat(name), io.BytesIO())


@caught_by('test_a_range_comes_with_the_metadata_of_the_whole_file')
class GivesTheSizeOfTheRange(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        return Opened(dataclasses.replace(info, size=len(content)), io.BytesIO(content))


@caught_by('test_bytes_come_with_the_metadata_of_their_version')
class LooksAfterOpening(MemoryBackend):
    """Two requests: one for the bytes, and one for the metadata, which may be that of the next version."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        stream = super()._open(name, start, stop, etag=etag).stream
        return Opened(self._stat(name), stream)


@caught_by('test_read_range_gives_exactly_its_bytes')
class ReadsToTheEnd(MemoryBackend):
    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        return super().read_range(filename, start)


@caught_by('test_a_version_asked_for_is_opened_or_refused', 'test_a_served_file_is_one_version')
class IgnoresTheEtag(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop)
