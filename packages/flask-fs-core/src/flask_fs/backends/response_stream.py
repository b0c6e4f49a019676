"""The body of an HTTP response as a stream that keeps the connection usable."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from .streams import InputStream

#: Up to this many remaining bytes are read to reuse the connection. For more, a new connection costs less.
DRAIN_BYTES = 64 * 1024
#: Larger reads are split into reads of this size, for which the allocator reuses memory.
READ_BYTES = 256 * 1024


class ResponseCut(Exception):
    """A response ended early. BaseBackend translates this to Unavailable."""


class ResponseStream(InputStream):
    """The body of one response. Its connection is released when it is exhausted, fails, is closed or garbage-collected.

    :param length: The number of bytes in the body.
    :param receive: The implementation of :meth:`_receive`. Without it, a subclass implements the method.
    :param release: The implementation of :meth:`_release`, called whether the connection can be reused or not.
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
        """The next bytes of the body, at most *size*. Returns nothing, or raises, if it ends early."""
        if self._receive_bytes is None:
            raise NotImplementedError
        return self._receive_bytes(size)

    def _release(self, *, reusable: bool) -> None:
        """Release the connection. Called once.

        :param reusable: Whether the body was read to its end, and the connection can be used for another request.
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
            # In a forked child, the connection belongs to the parent, and the child must not read from it.
            if self._left <= DRAIN_BYTES and self._pid == os.getpid():
                # Errors don't matter, because nobody needs these bytes.
                with contextlib.suppress(Exception):
                    self.read()
            with contextlib.suppress(Exception):
                self._release_once(reusable=not self._left)
        super().close()
