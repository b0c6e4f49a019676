"""Sources of uploads, cut into pieces that are known before they are sent, and can be sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import IO, Any

from flask_fs.backends import CHUNK_BYTES, Checksum, Source, Spool

#: A piece up to this size is kept in memory, in bytes.
MEMORY_BYTES = CHUNK_BYTES
#: A large object has at most this many segments, unless the cluster's operator said otherwise (max_manifest_segments).
MAX_SEGMENTS = 1000


class Piece:
    """Some bytes of a file, sent as the body of one request, as often as that takes.

    :param content: The bytes, or the file that has them from *start* on.
    :param md5: In hexadecimal: what Swift will return as the ETag.
    :param is_last: Whether nothing comes after it.
    """

    def __init__(self, content: bytes | IO[bytes], start: int, size: int, md5: str, *, is_last: bool) -> None:
        self._content = content
        self._start = start
        self.size = size
        self.md5 = md5
        self.is_last = is_last
        #: What reading the file raised while it was sent: the caller's error.
        self.error: BaseException | None = None

    @property
    def body(self) -> bytes | Piece:
        """What to send: bytes, or itself."""
        return self._content if isinstance(self._content, bytes) else self

    def __iter__(self) -> Iterator[bytes]:
        file, left = self._content, self.size
        assert not isinstance(file, bytes)
        try:
            file.seek(self._start)
            while left:
                chunk = file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise OSError('the file became shorter while it was sent')
                left -= len(chunk)
                yield chunk
        except Exception as error:
            self.error = error
            raise


def pieces_of(source: Source, size: int, checksum: Checksum) -> Iterator[Piece]:
    """All that is left in *source*, in pieces of *size* bytes; at least one, which may be empty.

    A file on this machine and content in memory are read where they are: once to know them, once to send them. Anything
    else passes, piece by piece, through memory or a temporary file. Each piece is good until the next is requested.

    :param checksum: Updated with all of them.
    """
    file, length = source.seekable_file, source.remaining_size
    if file is None or length is None:
        yield from _spooled(source, size, checksum)
    else:
        # The same file in fewer, larger segments, if there would be too many.
        yield from _in_place(file, length, max(size, -(-length // MAX_SEGMENTS)), checksum)


def _in_place(file: IO[bytes], left: int, size: int, checksum: Checksum) -> Iterator[Piece]:
    start, is_last = file.tell(), False
    while not is_last:
        file.seek(start)
        length = min(size, left)
        if length <= MEMORY_BYTES:
            content = file.read(length)
            read, md5 = len(content), _md5(content)
            checksum.update(content)
            is_last = read == left or read < length
            yield Piece(content, 0, read, md5.hexdigest(), is_last=is_last)
        else:
            md5, read = _md5(), 0
            while read < length and (chunk := file.read(min(CHUNK_BYTES, length - read))):
                md5.update(chunk)
                checksum.update(chunk)
                read += len(chunk)
            is_last = read == left or read < length
            yield Piece(file, start, read, md5.hexdigest(), is_last=is_last)
        start += read
        left -= read
    file.seek(start)


def _spooled(source: Source, size: int, checksum: Checksum) -> Iterator[Piece]:
    with Spool(MEMORY_BYTES) as spool:
        is_last = False
        while not is_last:
            md5, length, file = _md5(), 0, spool.rewind(clear=True)
            while length < size and (chunk := source.read(min(CHUNK_BYTES, size - length))):
                md5.update(chunk)
                checksum.update(chunk)
                length += len(chunk)
                spool.write(chunk)
            ahead = source.read(CHUNK_BYTES) if length == size else b''
            source.unread(ahead)
            is_last = not ahead
            content = spool.rewind().read() if length <= MEMORY_BYTES else file
            yield Piece(content, 0, length, md5.hexdigest(), is_last=is_last)


def _md5(content: bytes = b'') -> Any:
    return hashlib.md5(content, usedforsecurity=False)
