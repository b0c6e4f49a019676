"""Read several files as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO

from .contract import FileInfo
from .streams import InputStream, chunks_of


class JoinedStream(InputStream):
    """The content of several streams, one after the other. Each is opened when the previous one ends, and closed at its end.

    :param opening: Functions that open them.
    """

    def __init__(self, opening: Iterator[Callable[[], IO[bytes]]]) -> None:
        self._opening = opening
        self._stream: IO[bytes] | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        if size is None or size < 0:
            return b''.join(chunks_of(self))
        while True:
            if self._stream is None:
                if (open_next := next(self._opening, None)) is None:
                    return b''
                self._stream = open_next()
            if (chunk := self._stream.read(size)) or not size:
                return chunk
            self._leave()

    def close(self) -> None:
        self._leave()
        super().close()

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def ranges_of(pieces: Sequence[FileInfo], start: int, stop: int) -> Iterator[tuple[FileInfo, int, int]]:
    """The nonempty ranges of *pieces* that make up the bytes [start, stop) of their joined content."""
    at = 0
    for piece in pieces:
        first, last = max(start - at, 0), min(stop - at, piece.size)
        if first < last:
            yield piece, first, last
        at += piece.size
