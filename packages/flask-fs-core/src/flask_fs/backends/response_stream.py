"""The body of an HTTP response as a stream that keeps the connection usable."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from .streams import InputStream

#: A rest of up to this size is read, so that the connection can be used again; for a larger one a new one costs less.
DRAIN_BYTES = 64 * 1024
#: Larger reads are split into such ones: each is received into memory that is at hand already.
READ_BYTES = 256 * 1024


class ResponseCut(Exception):
    """A response that ended before its length, which the template makes Unavailable of."""


class ResponseStream(InputStream):
    """The body of one response. Its connection is released once it is read to the end, has failed, is closed or dropped.

    :param length: How many bytes the body has.
    :param receive: What :meth:`_receive` does; without it, a subclass implements that.
    :param release: What :meth:`_release` does, whether the connection can be used again or not.
    """

    def __init__(
        self,
        length: int,
        receive: Callable[[int], bytes] | None = None,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self._receive_bytes, self._release_connection = receive, release
        self._left = length
        self._released = False
        self._pid = os.getpid()

    def _receive(self, size: int) -> bytes:
        """The next bytes of the body, at most *size*; none, or an error, if it ends before its length."""
        if self._receive_bytes is None:
            raise NotImplementedError
        return self._receive_bytes(size)

    def _release(self, *, reusable: bool) -> None:
        """Give the connection back; called once.

        :param reusable: Whether the body was read to its end, so that another request can follow.
        """
        self._release_connection()

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        size = self._left if size is None or size < 0 else min(size, self._left)
        pieces = []
        while size:
            piece = self._read_once(min(size, READ_BYTES))
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b''.join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def _read_once(self, size: int) -> bytes:
        try:
            piece = self._receive(size)
            if not piece:
                raise ResponseCut(f'the response ended {self._left} bytes early')
        except BaseException:
            self._release_once(reusable=False)
            raise
        self._left -= len(piece)
        if not self._left:
            self._release_once(reusable=True)
        return piece

    def _release_once(self, *, reusable: bool) -> None:
        if not self._released:
            self._released = True
            self._release(reusable=reusable)

    def close(self) -> None:
        if not self.closed and not self._released:
            # In a forked child, the connection is the parent's: its bytes are not for the child to take.
            if self._left <= DRAIN_BYTES and self._pid == os.getpid():
                # Whatever goes wrong now concerns bytes that nobody wants.
                with contextlib.suppress(Exception):
                    self.read()
            with contextlib.suppress(Exception):
                self._release_once(reusable=not self._left)
        super().close()
