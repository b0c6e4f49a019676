"""Splitting the source of an upload into pieces, which have a known checksum and can be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from flask_fs.backends import CHUNK_BYTES, ByteReader, Checksum, Source, Spool

#: The maximum size of a piece that is kept in memory, in bytes.
MEMORY_BYTES = CHUNK_BYTES
#: The default maximum number of segments of a large object. Operators can change it (max_manifest_segments).
MAX_SEGMENTS = 1000


class Piece:
    """Some bytes of a file, sent as the body of one request, which can be repeated.

    :param content: The bytes, or a file that contains them from *start*.
    :param md5: The MD5 of the bytes, which Swift returns as the ETag.
    :param is_last: Whether this is the last piece.
    """

    def __init__(self, content: bytes | IO[bytes], start: int, md5: Checksum, *, is_last: bool) -> None:
        self._content = content
        self._start = start
        self.size = md5.size
        self.md5 = md5.hex
        self.is_last = is_last
        #: The exception that reading the file raised while it was sent.
        self.error: BaseException | None = None

    @property
    def body(self) -> bytes | Piece:
        """The request body: bytes, or the piece itself."""
        return self._content if isinstance(self._content, bytes) else self

    def __iter__(self) -> Iterator[bytes]:
        file, left = self._content, self.size
        assert not isinstance(file, bytes)
        try:
            file.seek(self._start)
            for chunk in _chunks(file, left):
                left -= len(chunk)
                yield chunk
            if left:
                raise OSError('the file was truncated while it was being sent')
        except Exception as error:
            self.error = error
            raise


def pieces_of(source: Source, size: int, checksum: Checksum) -> Iterator[Piece]:
    """The rest of *source*, in pieces of *size* bytes; at least one piece, which can be empty.

    A local file or content in memory is read in place, once to compute checksums and once to send it. Any other source
    passes, piece by piece, through memory or a temporary file. Each piece is valid until the next one is requested.

    :param checksum: Updated with all pieces.
    """
    file, length = source.seekable_file, source.remaining_size
    if file is None or length is None:
        yield from _spooled(source, size, checksum)
    else:
        # Use fewer, larger segments if there would be too many.
        yield from _in_place(file, length, max(size, -(-length // MAX_SEGMENTS)), checksum)


def _in_place(file: IO[bytes], left: int, size: int, checksum: Checksum) -> Iterator[Piece]:
    start, is_last = file.tell(), False
    while not is_last:
        file.seek(start)
        length, md5 = min(size, left), Checksum('md5')
        chunks = md5.through(checksum.through(_chunks(file, length)))
        content: bytes | IO[bytes] = file
        if length <= MEMORY_BYTES:
            content = b''.join(chunks)
        for _ in chunks:
            pass
        is_last = md5.size == left or md5.size < length
        yield Piece(content, start, md5, is_last=is_last)
        start += md5.size
        left -= md5.size
    file.seek(start)


def _spooled(source: Source, size: int, checksum: Checksum) -> Iterator[Piece]:
    with Spool(MEMORY_BYTES) as spool:
        is_last = False
        while not is_last:
            md5, file = Checksum('md5'), spool.rewind(clear=True)
            for chunk in md5.through(checksum.through(_chunks(source, size))):
                spool.write(chunk)
            ahead = source.read(CHUNK_BYTES) if md5.size == size else b''
            source.unread(ahead)
            is_last = not ahead
            content = spool.rewind().read() if md5.size <= MEMORY_BYTES else file
            yield Piece(content, 0, md5, is_last=is_last)


def _chunks(reader: ByteReader, left: int) -> Iterator[bytes]:
    """At most *left* bytes of *reader*, which must not return more than requested."""
    while left and (chunk := reader.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk
