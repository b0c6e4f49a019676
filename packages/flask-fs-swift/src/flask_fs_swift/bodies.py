"""Downloads: the body of an answer as a stream that gives its connection back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from .errors import Truncated
from .pool import Lease

#: How much of a body that nobody wants is read all the same, to keep the connection, in bytes.
DRAIN_BYTES = 64 * 1024


class Body(io.RawIOBase):
    """The body of one answer. Its connection goes back when it is read to its end, closed or dropped.

    :param response: The answer, of requests.
    :param length: Its length in bytes.
    """

    def __init__(self, response: Any, lease: Lease, length: int) -> None:
        self._response = response
        self._lease = lease
        self._left = length
        self._done = False
        #: Makes an error of the driver's out of what is raised while the body is read.
        self.translate: Callable[[Exception], Exception] = lambda error: error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        pieces = []
        while piece := self._piece(self._left):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b''.join(pieces)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        return self._piece(min(size, self._left))

    def _piece(self, size: int | None) -> bytes:
        if self.closed:
            raise ValueError('this file is closed')
        if self._done or not self._left or size == 0:
            return b''
        try:
            piece: bytes = self._response.raw.read(size, decode_content=False)
            if not piece:
                # urllib3 1 takes the end of the connection for the end of the body.
                raise Truncated
        except Exception as error:
            self._leave()
            raise self.translate(error) from error
        self._left -= len(piece)
        if not self._left:
            self._finish()
        return piece

    def _finish(self) -> None:
        self._done = True
        self._response.close()
        self._lease.give_back()

    def _leave(self) -> None:
        self._done = True
        self._lease.throw_away()

    def close(self) -> None:
        if not self.closed and not self._done:
            if self._lease.is_foreign or self._left > DRAIN_BYTES:
                self._leave()
            else:
                self._drain()
        super().close()

    def _drain(self) -> None:
        try:
            self._response.raw.read(self._left, decode_content=False)
        except Exception:  # noqa: BLE001  # whatever it is, the connection is of no more use
            self._leave()
        else:
            self._finish()
