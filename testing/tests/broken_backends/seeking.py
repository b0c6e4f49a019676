"""Backends that are each broken in one way: positions in open files."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, Opened
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import BoundedReader

from . import caught_by


@caught_by('test_an_open_file_can_be_read_from_anywhere')
class CannotSeek(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, BoundedReader(stream, 1 << 40))  # type: ignore[arg-type]


class Sought(MemoryBackend):
    """Opens files with a stream of its own."""

    stream_class: type[io.BytesIO]

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, self.stream_class(stream.read()))


class FromTheEndOfWhatWasRead(io.BytesIO):
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return super().seek(self.tell() + offset) if whence == io.SEEK_END else super().seek(offset, whence)


@caught_by('test_an_open_file_can_be_read_from_anywhere', 'test_reading_after_any_seek_gives_what_is_there')
class TakesWhatWasReadForTheEnd(Sought):
    stream_class = FromTheEndOfWhatWasRead


class NotBehindTheEnd(io.BytesIO):
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return super().seek(min(super().seek(offset, whence), len(self.getvalue())))


@caught_by('test_reading_after_any_seek_gives_what_is_there')
class StopsAtTheEnd(Sought):
    """Cuts off a position behind the end, so that tell() and the next seek are wrong."""

    stream_class = NotBehindTheEnd


class KeepsItsBuffer(io.BytesIO):
    """Reads ahead by small blocks, and forgets that when it is sought a little way back."""

    _ahead = b''

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > 16:
            self._ahead = b''
            return super().read(size)
        held = self._ahead or super().read(16)
        super().seek(super().tell() - len(held[size:]))
        self._ahead = held[size:] if len(held) == 16 else b''
        return held[:size]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        before, now = self.tell(), super().seek(offset, whence)
        if not before - 16 < now <= before:
            self._ahead = b''
        return now


@caught_by('test_reading_after_any_seek_gives_what_is_there')
class ReadsWhatItHadReadAhead(Sought):
    stream_class = KeepsItsBuffer


class InChunks(io.BytesIO):
    """Looks for the chunk of a position by the wrong division."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        now = super().seek(offset, whence)
        # The first byte of a chunk is looked for at the end of the one before.
        return super().seek(now - 1) + 1 if now and not now % CHUNK_BYTES else now


@caught_by('test_reading_after_any_seek_gives_what_is_there')
class SeeksToTheChunkBefore(Sought):
    stream_class = InChunks


class FromZero(io.BytesIO):
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return super().seek(max(0, offset), whence) if whence == io.SEEK_SET else super().seek(offset, whence)


@caught_by('test_a_position_before_the_beginning_is_refused')
class CutsOffNegativePositions(Sought):
    stream_class = FromZero


class MovesFirst(io.BytesIO):
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET and offset < 0:
            super().seek(0)
            raise ValueError('a negative position')
        return super().seek(offset, whence)


@caught_by('test_a_position_before_the_beginning_is_refused')
class MovesBeforeItRefuses(Sought):
    stream_class = MovesFirst


class Unclosed(io.BytesIO):
    def close(self) -> None:
        """Another may need it."""


@caught_by('test_files_open_at_once_do_not_disturb_one_another')
class SharesAnOpenFile(MemoryBackend):
    """Keeps what was opened for the next one who opens it, with its position."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        kept: dict[Any, Any] = vars(self).setdefault('kept', {})
        info, stream = super()._open(name, start, stop, etag=etag)
        key = (name, start, stop, info.etag)
        if key not in kept:
            kept[key] = Unclosed(stream.read())
        kept[key].seek(0)
        return Opened(info, kept[key])


class OneAtATime(LocalBackend):
    """Has one connection, on which one stream can be read; a subclass uses it for more than that."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._streams: list[IO[bytes]] = []

    def _interrupt(self) -> None:
        while self._streams:
            self._streams.pop().close()

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        opened = super()._open(name, start, stop, etag=etag)
        self._streams.append(opened.stream)
        return opened


@caught_by('test_files_open_at_once_do_not_disturb_one_another')
class OpensOneFileAtATime(OneAtATime):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        self._interrupt()
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_an_open_file_outlasts_other_operations')
class ListsOnTheSameConnection(OneAtATime):
    def list_files(self, prefix: str = '') -> Iterator[str]:
        self._interrupt()
        return super().list_files(prefix)


@caught_by('test_an_open_file_outlasts_other_operations')
class RemovesOnTheSameConnection(OneAtATime):
    def _remove(self, name: str) -> None:
        self._interrupt()
        super()._remove(name)


class Reused(io.RawIOBase):
    """Gives what it reads in memory that the next stream reads into as well."""

    shared = bytearray(1 << 16)
    owner: Any = None

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._count = self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self._at == self._count:
            piece = self._stream.read(len(self.shared))
            self.shared[: len(piece)] = piece
            self._at, self._count = 0, len(piece)
        piece = bytes(self.shared[self._at : min(self._count, self._at + len(buffer))])
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


@caught_by('test_files_open_at_once_do_not_disturb_one_another')
class SharesABuffer(MemoryBackend):
    """One buffer for all, to spare memory: right until two are read at once."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        if start == 0 and stop is None:
            return Opened(info, stream)
        return Opened(info, cast('IO[bytes]', Reused(stream)))


class OfOneThread(io.BytesIO):
    """Can be read by the thread alone that has opened it, as the cursors of some databases."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._thread = threading.get_ident()

    def read(self, size: int | None = -1, /) -> bytes:
        if threading.get_ident() != self._thread:
            raise RuntimeError('a cursor was used by another thread than the one that has made it')
        return super().read(size)


@caught_by('test_an_open_file_outlasts_other_operations')
class GivesStreamsToOneThread(Sought):
    stream_class = OfOneThread


class ByTheClientOfTheThread(io.BytesIO):
    """Finds what it reads by something that each thread has its own of."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._client = threading.local()
        self._client.open = True

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) if getattr(self._client, 'open', False) else b''


@caught_by('test_an_open_file_outlasts_other_operations')
class ReadsByTheClientOfTheThread(Sought):
    stream_class = ByTheClientOfTheThread


class OneThreadAtATime(MemoryBackend):
    """Threads wait for one connection, while the one that has it can go on."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._busy = threading.RLock()

    def _stat(self, name: str) -> fs.FileInfo:
        if not self._busy.acquire(timeout=0.1):
            raise self.error(fs.Unavailable, name, 'the database is locked')
        self._busy.release()
        return super()._stat(name)


@caught_by('test_an_open_file_outlasts_other_operations')
class LocksUntilAListingEnds(OneThreadAtATime):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        with self._busy:
            yield from super()._scan(prefix)


class Locking(io.BytesIO):
    busy: Any

    def close(self) -> None:
        if not self.closed:
            self.busy.release()
        super().close()


@caught_by('test_an_open_file_outlasts_other_operations')
class LocksUntilAStreamIsClosed(OneThreadAtATime):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        locking = Locking(stream.read())
        locking.busy = self._busy
        self._busy.acquire()
        return Opened(info, locking)
