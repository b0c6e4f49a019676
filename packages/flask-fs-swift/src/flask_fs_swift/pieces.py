"""Sources of uploads, cut into pieces that are known before they are sent, and can be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from flask_fs.backends import CHUNK_BYTES, ByteReader, Checksum, Source, Spool

#: A piece up to this size is kept in memory, in bytes.
MEMORY_BYTES = CHUNK_BYTES
#: A large object has at most this many segments, unless the cluster's operator said otherwise (max_manifest_segments).
MAX_SEGMENTS = 1000


class Piece:
    """Some bytes of a file, sent as the body of one request, as often as that takes.

    :param content: The bytes, or the file that has them from *start* on.
    :param md5: Of them: what Swift will return as the ETag.
    :param is_last: Whether nothing comes after it.
    """

    def __init__(self, content: bytes | IO[bytes], start: int, md5: Checksum, *, is_last: bool) -> None:
        self._content = content
        self._start = start
        self.size = md5.size
        self.md5 = md5.hex
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
            for chunk in _chunks(file, left):
                left -= len(chunk)
                yield chunk
            if left:
                raise OSError('the file became shorter while it was sent')
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
    """At most *left* bytes of *reader*, which obeys sizes."""
    while left and (chunk := reader.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk
