"""The bodies of requests, and storing them in pieces."""

from __future__ import annotations

import functools
import hashlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import IO, cast

from flask import Request, abort
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from ..backends.contract import CHUNK_BYTES, ByteReader
from ..backends.incoming import Incoming, Progress
from ..backends.pieces import JoinedStream
from ..backends.sources import SizeLimitedReader, Spool
from ..backends.streams import InputStream, chunks_of
from ..errors import FileExists, FileNotFound, Replaced
from .headers import Checksum

#: The size of pieces. A shorter piece is stored again together with the bytes that follow it: in a multipart upload to S3,
#: only the last part can be smaller, and the backend keeps a complete part in memory while it sends it.
PIECE_BYTES = 5 * 1024 * 1024
#: Received content is stored at least this often, in seconds, because servers kill processes that take long for a request.
PIECE_S = 10
#: How many bytes one read waits for.
_READ_BYTES = 64 * 1024
#: The maximum number of pieces of a file: the maximum number of parts of an upload to S3.
MAX_PIECES = 10_000
#: The protocol's status for a body with a different checksum.
CHECKSUM_MISMATCH = 460


class Body:
    """The body of a request. If the connection breaks, the body just ends, so that the received content is stored.

    :param max_bytes: The number of bytes that the upload is still missing. Reading more responds with 413.
    """

    def __init__(self, request: Request, max_bytes: int) -> None:
        if (request.content_length or 0) > max_bytes:
            raise _too_long()
        # The limit is the upload's, not MAX_CONTENT_LENGTH, which is for forms that are parsed.
        self._reader = SizeLimitedReader(get_input_stream(request.environ), max_bytes, _too_long)

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._reader.read(_READ_BYTES if size < 0 else min(size, _READ_BYTES))
        except ClientDisconnected:
            return b''
        except HTTPException:
            raise
        except Exception:  # noqa: BLE001  # each server has its own errors for a malformed or incomplete body
            return b''


def verified(body: Body, checksum: Checksum, spool: Spool) -> IO[bytes]:
    """The complete *body*, kept in *spool* until its *checksum* is verified."""
    digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
    for chunk in chunks_of(body):
        digest.update(chunk)
        spool.write(chunk)
    if digest.digest() != checksum.digest:
        error = HTTPException("The body doesn't have the checksum in Upload-Checksum.")
        error.code = CHECKSUM_MISMATCH
        raise error
    return spool.rewind()


def append(incoming: Incoming, progress: Progress, body: ByteReader, size: int) -> int:
    """Append *body* to the received content of an upload of *size* bytes, and return the total number of received bytes.

    A piece counts once it is stored. A tail that is shorter than a piece is stored again, at the beginning of the next one.
    Responds with 409 if another process stores a piece at the same offset.
    """
    piece_bytes = max(PIECE_BYTES, -(-size // MAX_PIECES))
    offset, tail = progress.offset, [piece for piece in progress.pieces[-1:] if piece.size < piece_bytes]
    short: tuple[int, int] | None = None
    while head := body.read(CHUNK_BYTES):
        if short is not None:
            tail = [incoming.piece(*short)]
        start = offset - sum(piece.size for piece in tail)
        # The last piece is read to the end of the body, to check that the body ends there.
        rest = _Rest(head, body, start + piece_bytes - offset if size - start > piece_bytes else sys.maxsize)
        opening = [functools.partial(incoming.open_range, piece, 0, piece.size) for piece in tail]
        try:
            with _joined(opening, rest) as content:
                incoming.put(content, start, offset=offset)
        except (FileExists, FileNotFound, Replaced):
            abort(409, description='Another request already sent this content.')
        incoming.discard(tail)
        stored, offset, tail = offset, offset + rest.received, []
        short = (start, stored) if offset - start < piece_bytes else None
    return offset


def _joined(opening: Iterable[Callable[[], IO[bytes]]], rest: InputStream) -> IO[bytes]:
    return cast('IO[bytes]', JoinedStream(iter((*opening, lambda: cast('IO[bytes]', rest)))))


class _Rest(InputStream):
    """*head* and the following bytes of *body*: up to *max_bytes*, or as many as arrive within :data:`PIECE_S`."""

    def __init__(self, head: bytes, body: ByteReader, max_bytes: int) -> None:
        self._head, self._body, self._max_bytes = head, body, max_bytes
        self.received = 0
        self._end = time.monotonic() + PIECE_S

    def read(self, size: int | None = -1, /) -> bytes:
        size = CHUNK_BYTES if size is None or size < 0 else size
        if self._head:
            chunk, self._head = self._head[:size], self._head[size:]
        elif self.received >= self._max_bytes or time.monotonic() > self._end:
            return b''
        else:
            chunk = self._body.read(min(size, self._max_bytes - self.received))
        self.received += len(chunk)
        return chunk


def _too_long() -> HTTPException:
    return RequestEntityTooLarge('The body is longer than the missing part of the upload.')
