"""Uploads: any source of bytes, cut into pieces that are known before they are sent, and can be sent again."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any, cast

from flask_fs.backends import ByteReader
from flask_fs.backends.contract import CHUNK_BYTES
from flask_fs.backends.sources import as_seekable_file, remaining_size

from .errors import SpoolFailed

#: A piece up to this size is held in memory, in bytes.
MEMORY_BYTES = CHUNK_BYTES
#: A large object has at most this many segments, unless the cluster's operator said otherwise (max_manifest_segments).
MOST_SEGMENTS = 1000


class Piece:
    """Some bytes of a file, sent as the body of one request, as often as that takes.

    :param file: Where they are; None if they are *content*.
    :param md5: In hexadecimal: what Swift will tell as the ETag.
    :param is_last: Whether nothing comes after it.
    """

    def __init__(
        self, file: IO[bytes] | None, start: int, size: int, md5: str, content: bytes = b'', *, is_last: bool
    ) -> None:
        self._file = file
        self._start = start
        self._content = content
        self.size = size
        self.md5 = md5
        self.is_last = is_last
        #: What reading the file raised while it was sent.
        self.failure: BaseException | None = None

    @property
    def body(self) -> bytes | Piece:
        """What to send: bytes, or itself."""
        return self._content if self._file is None else self

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        assert self._file is not None
        left = self.size
        try:
            self._file.seek(self._start)
            while left:
                chunk = self._file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise OSError('the file became shorter while it was sent')
                left -= len(chunk)
                yield chunk
        except Exception as error:
            self.failure = error
            raise


def pieces_of(stream: ByteReader, size: int, digest: Any) -> Iterator[Piece]:
    """All that is left in *stream*, in pieces of *size* bytes; at least one, which may be empty.

    A file of this machine and content in memory are read where they are: once to know them, once to send them. Anything
    else passes, piece by piece, through memory or a temporary file. Each piece is good until the next is asked for.

    :param digest: A hash that is updated with all of them.
    :raises SpoolFailed: If the temporary file cannot be written.
    """
    file = as_seekable_file(stream)
    if file is None or remaining_size(stream) is None:
        yield from _spooled(stream, size, digest)
    else:
        yield from _in_place(file, size, digest)


def _in_place(file: IO[bytes], size: int, digest: Any) -> Iterator[Piece]:
    start = file.tell()
    end = file.seek(0, io.SEEK_END)
    # The same file in fewer, larger segments, if there would be too many.
    size = max(size, -(-(end - start) // MOST_SEGMENTS))
    while True:
        file.seek(start)
        length = max(0, min(size, end - start))
        if length <= MEMORY_BYTES:
            content = file.read(length)
            digest.update(content)
            start += len(content)
            is_last = start >= end or len(content) < length
            yield Piece(None, 0, len(content), _md5(content), content, is_last=is_last)
        else:
            md5, read = hashlib.md5(usedforsecurity=False), 0
            while read < length and (chunk := file.read(min(CHUNK_BYTES, length - read))):
                md5.update(chunk)
                digest.update(chunk)
                read += len(chunk)
            is_last = start + read >= end or read < length
            yield Piece(file, start, read, md5.hexdigest(), is_last=is_last)
            start += read
        if is_last:
            file.seek(start)
            return


def _spooled(stream: ByteReader, size: int, digest: Any) -> Iterator[Piece]:
    ahead = b''
    with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES) as spool:
        while True:
            md5, length = hashlib.md5(usedforsecurity=False), 0
            chunk = ahead or stream.read(CHUNK_BYTES)
            while chunk:
                # A source may give more than it was asked for.
                taken, ahead = chunk[: size - length], chunk[size - length :]
                md5.update(taken)
                digest.update(taken)
                length += len(taken)
                try:
                    spool.write(taken)
                except OSError as error:
                    raise SpoolFailed(error.strerror or 'it cannot be written') from error
                if ahead:
                    break
                chunk = stream.read(CHUNK_BYTES)
            if length <= MEMORY_BYTES:
                spool.seek(0)
                yield Piece(None, 0, length, md5.hexdigest(), spool.read(), is_last=not ahead)
            else:
                yield Piece(cast('IO[bytes]', spool), 0, length, md5.hexdigest(), is_last=not ahead)
            if not ahead:
                return
            spool.seek(0)
            spool.truncate()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
