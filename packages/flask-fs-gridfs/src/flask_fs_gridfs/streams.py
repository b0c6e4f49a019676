"""Files as streams of chunks, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flask_fs.backends import ByteReader
from flask_fs.backends.ranged import SeekableStream

from .documents import Layout


class ChunkStream(SeekableStream):
    """The bytes [start, stop) of a file, which can be read from anywhere.

    A look at a new place fetches one chunk; reading on from there fetches several at once.

    :param fetch: Gives the content of so many chunks, from a number on.
    :param ready: The chunks that are there already, from that with the byte *start* on.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], list[bytes]],
        layout: Layout,
        start: int,
        stop: int,
        ready: Sequence[bytes] = (),
    ) -> None:
        super().__init__(max(0, stop - start))
        self._fetch = fetch
        self._layout = layout
        self._start = start
        self._ready = ready
        self._first = start // layout.chunk_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        if size is None or size < 0:
            return self.readall()
        return self._piece(size, reads_on=False)

    def readall(self) -> bytes:
        self._check_open()
        return b''.join(iter(lambda: self._piece(self._size, reads_on=True), b''))

    def close(self) -> None:
        self._ready = ()
        super().close()

    def _piece(self, size: int, *, reads_on: bool) -> bytes:
        """Some of the next *size* bytes."""
        size = min(size, self._size - self._at)
        if size <= 0:
            return b''
        number, offset = divmod(self._start + self._at, self._layout.chunk_bytes)
        index = number - self._first
        if not 0 <= index < len(self._ready):
            last = (self._start + self._size - 1) // self._layout.chunk_bytes
            count = self._layout.batch if reads_on or index == len(self._ready) else 1
            # Freed before the next ones come.
            self._ready, self._first, index = (), number, 0
            self._ready = self._fetch(number, min(count, last - number + 1))
        piece = self._ready[index][offset : offset + size]
        self._at += len(piece)
        return piece


def cut(stream: ByteReader, size: int) -> Iterator[bytes]:
    """What is left in *stream* in pieces of exactly *size* bytes, of which the last may be shorter."""
    held: list[bytes | memoryview] = []
    missing = size
    # Asked for just what completes a piece, most sources give it, and nothing is copied.
    while chunk := stream.read(missing):
        rest = memoryview(chunk)
        while len(rest) >= missing:
            whole = not held and len(chunk) == size and isinstance(chunk, bytes)
            yield chunk if whole else b''.join((*held, rest[:missing]))
            rest, held, missing = rest[missing:], [], size
        if rest:
            held.append(bytes(rest))
            missing -= len(rest)
    if held:
        yield b''.join(held)
