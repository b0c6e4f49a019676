"""Backends that are each broken in one way: what opening a file gives."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, Opened
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


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


@caught_by('test_a_range_is_served', 'test_a_range_comes_with_the_metadata_of_the_whole_file')
class GivesTheSizeOfTheRange(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        return Opened(dataclasses.replace(info, size=len(content)), io.BytesIO(content))


@caught_by('test_read_range_gives_exactly_its_bytes')
class ReadsToTheEnd(MemoryBackend):
    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        return super().read_range(filename, start)


class Chunked(MemoryBackend):
    """Reads files by chunks of a fixed size, as databases keep them; a subclass gets their numbers wrong."""

    def _numbers(self, start: int, stop: int) -> range:
        """The numbers of the chunks that hold the bytes [start, stop)."""
        raise NotImplementedError

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, content = self._found(name)
        start = self.range_start(info, start, etag)
        stop = info.size if stop is None else min(stop, info.size)
        numbers = self._numbers(start, stop)
        held = b''.join(content[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES] for number in numbers)
        skipped = numbers.start * CHUNK_BYTES
        return Opened(info, io.BytesIO(held[start - skipped : stop - skipped]))


@caught_by('test_every_range_of_every_size_has_its_bytes')
class ForgetsTheLastChunk(Chunked):
    """A stop in the middle of a chunk needs that chunk; one just behind its first byte is overlooked."""

    def _numbers(self, start: int, stop: int) -> range:
        return range(start // CHUNK_BYTES, (stop - 2) // CHUNK_BYTES + 1)


@caught_by('test_every_range_of_every_size_has_its_bytes')
class BeginsAChunkTooLate(Chunked):
    """Rounds up, so that a range which begins with the last byte of a chunk begins with the next one."""

    def _numbers(self, start: int, stop: int) -> range:
        return range((start + 1) // CHUNK_BYTES, (stop - 1) // CHUNK_BYTES + 1)


@caught_by('test_every_range_of_every_size_has_its_bytes')
class HasNoLastByte(MemoryBackend):
    """Takes a range of the last byte for one behind the end: of a longer file nobody notices."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if 0 < start >= self._found(name)[0].size - 1:
            raise self.error(fs.RangeNotSatisfiable, name)
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_every_range_of_every_size_has_its_bytes', 'test_a_range_has_exactly_its_bytes')
class PadsWhatIsBehindTheEnd(MemoryBackend):
    """As devices and memory maps do, whose content is a multiple of a page."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        return Opened(info, io.BytesIO(content if stop is None else content.ljust(stop - start, b'\0')))


@caught_by('test_a_range_from_the_end_has_the_last_bytes', 'test_every_range_of_every_size_has_its_bytes')
class CountsTooFarBack(MemoryBackend):
    """Subtracts from the size, without a thought of what is shorter."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, content = self._found(name)
        if start >= 0 or etag:
            return super()._open(name, start, stop, etag=etag)
        return Opened(info, io.BytesIO(content[info.size + start :]))


@caught_by('test_a_range_that_begins_beyond_the_end_is_refused')
class SaysThatTheRangeIsWrong(MemoryBackend):
    """Translates the store's 416 as any other refusal."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        try:
            return super()._open(name, start, stop, etag=etag)
        except fs.RangeNotSatisfiable as error:
            raise self.error(fs.BackendError, name, 'status 416') from error


@caught_by('test_a_range_comes_with_the_metadata_of_the_whole_file')
class GivesTheDigestOfTheRange(MemoryBackend):
    """Some stores send a digest of what they send, in the header where that of the file was."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        checksum = f'sha256:{hashlib.sha256(content).hexdigest()}'
        return Opened(dataclasses.replace(info, checksum=checksum), io.BytesIO(content))


class CutAtOnce(io.BytesIO):
    """All of a file, of which reading to the end is cut at the end of the range."""

    def __init__(self, content: bytes, start: int, stop: int | None) -> None:
        super().__init__(content)
        self.seek(start)
        self._stop = len(content) if stop is None else min(stop, len(content))

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._stop - self.tell() if size is None or size < 0 else size)


@caught_by('test_a_range_read_by_pieces_ends_where_it_should')
class CutsOnlyWhatIsReadAtOnce(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, content = self._found(name)
        return Opened(info, CutAtOnce(content, self.range_start(info, start, etag), stop))


class LastPieceTwice(io.BytesIO):
    """Looks at its end once too often."""

    _last = b''

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._last, last = piece, self._last
        return piece or last


@caught_by('test_a_range_read_by_pieces_ends_where_it_should')
class GivesItsEndTwice(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, LastPieceTwice(stream.read()) if start else stream)


@caught_by('test_a_range_has_exactly_its_bytes')
class KeepsTheStopIn32Bits(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, None if stop is None else stop & 0xFFFFFFFF, etag=etag)


@caught_by('test_positions_far_beyond_any_file_are_beyond_its_end')
class KeepsTheStartInAnInt(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        struct.pack('i', start)
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_positions_far_beyond_any_file_are_beyond_its_end')
class TranslatesTheOverflow(KeepsTheStartInAnInt):
    """Into a failure of the store."""

    errors = (struct.error,)


@caught_by('test_positions_far_beyond_any_file_are_beyond_its_end')
class CalculatesWithFloats(MemoryBackend):
    """Whose sum with a small number is the large one."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        count = None if stop is None else float(stop) - start
        if count == 0:
            raise self.error(fs.BackendError, name, 'nothing to read')
        return super()._open(name, start, stop, etag=etag)
