"""Seekable streams over files of remote stores, read in few and small ranges."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO

from .streams import InputStream

#: How many bytes opening a file fetches: enough for most small files, and for the headers of most images. Together with a
#: block and the headers of two responses, this is at most 64 KiB.
FIRST_BYTES = 54 * 1024
#: How many bytes reading at another position fetches first: the size that the buffer around a reader requests.
BLOCK_BYTES = 8 * 1024
#: The factor by which each further range is larger when reading continues, and the maximum size in bytes.
GROWTH = 10
MAX_BYTES = 32 * 1024 * 1024
#: Up to this many bytes are skipped, instead of sending a request for another position.
SKIP_BYTES = 128 * 1024


class SeekableStream(InputStream):
    """The base class of streams with a known size in which seeking costs nothing. A subclass reads from ``_at``.

    :param size: The size of the content in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._check_open()
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._check_open()
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        if whence not in bases:
            raise ValueError(f'whence must be 0, 1 or 2, not {whence!r}')
        target = bases[whence] + offset
        if target < 0:
            raise ValueError(f'cannot seek to {target}, before the beginning of the file')
        self._at = target
        return target


class RangedReader(SeekableStream):
    """The content of a file. It fetches little more than what is read.

    Reading at a new position fetches a block, which is kept in memory. Reading on from there opens streams over longer and
    longer ranges. So a file that fits into the head costs one request, any file that is read in one go costs two, and an
    archive's directory costs one. Wrap it in a buffer of BLOCK_BYTES.

    :param open_range: Opens the bytes [start, stop) of the same version of the file.
    :param head: The first bytes of the file, or all of a shorter one.
    :param size: The size of the file in bytes.
    :param truncated: Creates the error for a stream that ends early.
    """

    def __init__(
        self,
        open_range: Callable[[int, int], IO[bytes]],
        head: bytes,
        size: int,
        truncated: Callable[[], Exception] = EOFError,
    ) -> None:
        super().__init__(size)
        self._truncated = truncated
        self._open_range = open_range
        self._block, self._block_at = head, 0
        self._stream: IO[bytes] | None = None
        # The stream has the bytes [next, stop). After a block, both are its end.
        self._next = self._stop = self._fetched = len(head)

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        if size is None or size < 0:
            return self.readall()
        piece = self._piece(min(size, self._size - self._at))
        self._at += len(piece)
        return piece

    def readall(self) -> bytes:
        # Reading all remaining bytes takes one request.
        return b''.join(iter(lambda: self.read(self._size), b''))

    def close(self) -> None:
        if not self.closed:
            self._leave()
            self._block = b''
        super().close()

    def _piece(self, size: int) -> bytes:
        """Some of the next *size* bytes."""
        if size <= 0:
            return b''
        if piece := self._from_block(size):
            return piece
        if self._at == self._next == self._stop:
            self._fetch(self._at, max(size, min(self._fetched * GROWTH, MAX_BYTES)))
        elif not self._streams_from(min(self._stop, self._next + SKIP_BYTES)):
            if size <= BLOCK_BYTES:
                self._look()
                return self._from_block(size)
            # A buffer first requests whole blocks, and then one more for the rest.
            self._fetch(self._at, size + BLOCK_BYTES)
        while self._next < self._at:
            self._from_stream(self._at - self._next)
        return self._from_stream(min(size, self._stop - self._next))

    def _streams_from(self, before: int) -> bool:
        """Whether the open stream will reach the current position, and that is less than *before*."""
        return self._stream is not None and self._next <= self._at < before

    def _look(self) -> None:
        """Fetch the block at the current position; near the end, the last block, because directories are read backwards."""
        start = max(0, min(self._at, self._size - BLOCK_BYTES))
        self._fetch(start, BLOCK_BYTES)
        self._block = b''.join(iter(lambda: self._from_stream(self._stop - self._next), b''))
        self._block_at = start

    def _from_block(self, size: int) -> bytes:
        offset = self._at - self._block_at
        return self._block[offset : offset + size] if 0 <= offset < len(self._block) else b''

    def _from_stream(self, size: int) -> bytes:
        assert self._stream is not None
        piece = self._stream.read(size) if size else b''
        if size and not piece:
            raise self._truncated()
        self._next += len(piece)
        return piece

    def _fetch(self, start: int, size: int) -> None:
        self._leave()
        stop = min(start + size, self._size)
        self._stream = self._open_range(start, stop)
        self._next, self._stop, self._fetched = start, stop, size

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
