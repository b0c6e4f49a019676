"""What is read from S3 as a file, what is sent to it, and the sources of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_fs.backends.contract import ByteReader
from flask_fs.backends.response_stream import ResponseStream

from .failures import SDK_ERRORS


class BodyStream(ResponseStream):
    """The body of a response.

    :param body: botocore's streaming body; it raises when the response ends before its length.
    :param translate: Makes an error of Flask-FS from one of botocore.
    """

    def __init__(self, body: Any, length: int, translate: Callable[[Exception], Exception]) -> None:
        self._body = body
        self._translate = translate
        super().__init__(length)

    def _receive(self, size: int) -> bytes:
        try:
            piece: bytes = self._body.read(size)
        except SDK_ERRORS as error:
            raise self._translate(error) from error
        return piece

    def _release(self, *, reusable: bool) -> None:
        try:
            if reusable:
                # botocore compares the checksum when more is requested than there is.
                self._body.read(1)
        except SDK_ERRORS as error:
            raise self._translate(error) from error
        finally:
            self._body.close()


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
