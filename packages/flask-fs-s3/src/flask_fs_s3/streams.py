"""What is read from S3 as a file, what is sent to it, and the sources of that."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

from flask_fs.backends.contract import ByteReader

from .failures import SDK_ERRORS

#: A rest up to this size is read, so that the connection can be used again; for a larger one a new one costs less.
DRAINED_BYTES = 64 * 1024
#: Larger reads are made of such ones: each goes into memory that is at hand already.
READ_BYTES = 256 * 1024


class BodyStream(io.RawIOBase):
    """The body of an answer, whose connection is given back when it is read or closed.

    :param body: botocore's streaming body; it raises when the answer ends before its length.
    :param length: How many bytes it has.
    :param translate: Makes an error of Flask-FS from one of botocore.
    """

    def __init__(self, body: Any, length: int, translate: Callable[[Exception], Exception]) -> None:
        self._body = body
        self._left = length
        self._translate = translate

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > self._left:
            size = self._left
        if size <= READ_BYTES:
            return self._piece(size)
        pieces = []
        while size and (piece := self._piece(min(size, READ_BYTES))):
            pieces.append(piece)
            size -= len(piece)
        return b''.join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        piece = self._piece(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(*SDK_ERRORS):
                if self._left <= DRAINED_BYTES:
                    self._body.read()
                self._body.close()
        super().close()

    def _piece(self, size: int) -> bytes:
        if self.closed:
            raise ValueError('this file is closed')
        try:
            piece: bytes = self._body.read(size) if size else b''
            self._left -= len(piece)
            if piece and not self._left:
                # botocore checks the whole when it is asked for more than there is.
                self._body.read(1)
        except SDK_ERRORS as error:
            raise self._translate(error) from error
        return piece


class Source:
    """The caller's stream: it never gives more than it is asked for, and what it raises is known to be its own."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._ahead = b''
        self.error: BaseException | None = None

    def read(self, size: int, /) -> bytes:
        chunk, self._ahead = self._ahead, b''
        if not chunk:
            try:
                chunk = self._reader.read(size)
            except BaseException as error:
                self.error = error
                raise
        if len(chunk) > size:
            chunk, self._ahead = chunk[:size], chunk[size:]
        return chunk

    def take(self, size: int) -> bytes:
        """The next *size* bytes, or fewer at the end."""
        pieces = []
        while size and (piece := self.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return bytes(pieces[0]) if len(pieces) == 1 else b''.join(pieces)

    def unread(self, head: bytes) -> None:
        """Have *head* read again."""
        self._ahead = head + self._ahead if self._ahead else head


class Part(io.BytesIO):
    """The body of a request, sent in larger blocks than the 16 KiB that HTTP clients ask for.

    As plain bytes it would be appended to the headers by botocore, and so be in memory twice.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 0 else max(size, READ_BYTES))
