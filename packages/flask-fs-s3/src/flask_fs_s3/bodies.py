"""Request bodies, whose CRC-32 can be computed before they are sent, and the files that they are read from."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import os
import threading
import zlib
from collections.abc import Callable, Generator, Iterable
from typing import IO, Any, cast

from flask_fs.backends import READ_BYTES, Checksum, SeekableStream, Spool, chunks_of

from .errors import SDK_ERRORS


class Part(io.BytesIO):
    """A body in memory, sent in blocks larger than the 16 KiB that HTTP clients read.

    botocore appends plain bytes to the headers, which would keep them in memory twice.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.crc32 = zlib.crc32(content)

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 0 else max(size, READ_BYTES))


class SourceFile:
    """The rest of a file, which is read twice: to compute its checksums, and to send it, possibly by several threads.

    :param file: The file, positioned where reading starts.
    :param size: The number of bytes to read.
    """

    def __init__(self, file: IO[bytes], size: int, forget: Callable[[int], object] = int) -> None:
        self._file: Any = file
        self._forget = forget
        self._start = file.tell()
        self._lock = threading.Lock()
        self._before = self._state()
        self.size = size

    def bodies(self, part_bytes: int, checksum: Checksum) -> list[FileBody]:
        """The bodies to send, of *part_bytes* bytes each except the last; *checksum* is updated with all of them."""
        bodies = [
            FileBody(self, start, min(part_bytes, self.size - start)) for start in range(0, self.size, part_bytes)
        ]
        for body in bodies:
            body.crc32 = 0
            # Both process each block while it is in the processor's cache.
            while block := body.read(READ_BYTES):
                body.crc32 = zlib.crc32(block, body.crc32)
                checksum.update(block)
        return bodies

    def readinto(self, buffer: memoryview, at: int) -> int:
        """Read from the position *at*, safely with several threads, and return the number of bytes read."""
        with self._lock:
            self._file.seek(self._start + at)
            count = int(self._file.readinto(buffer))
            self._forget(at + count)
            return count

    @property
    def in_memory(self) -> bool:
        """Whether a change to the file can only be detected in its bytes."""
        return self._before is None

    def has_changed(self) -> bool:
        """Whether the file has changed since it was opened here, so that its checksums no longer match."""
        return self._state() != self._before

    def seek_end(self) -> None:
        """Move to the position after the content, as if the file had been read once."""
        self._file.seek(self._start + self.size)

    def _state(self) -> tuple[int, int] | None:
        if isinstance(self._file, io.BytesIO):
            return None
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


class FileBody(SeekableStream):
    """A part of a file as a request body that can be sent again.

    If the file has changed, it withholds its last bytes, so that the request fails and nothing is stored.
    """

    def __init__(self, source: SourceFile, start: int, size: int) -> None:
        super().__init__(size)
        self._source = source
        self._start = start
        self._buffer: memoryview | None = None
        self.size = size
        #: The CRC-32; None if it was not computed.
        self.crc32: int | None = None
        # The CRC-32 of the bytes sent since the start; None if it is not to be compared.
        self._sent_crc32: int | None = None
        #: The exception that reading it raised.
        self.error: BaseException | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """The next block, in a buffer that the next call reuses; with a negative *size*, everything that is left."""
        if size is None or size < 0:
            return b''.join(map(bytes, iter(lambda: self.read(READ_BYTES), b'')))
        if self._at >= self.size:
            return b''
        if self._buffer is None:
            self._buffer = memoryview(bytearray(READ_BYTES))
        # HTTP clients read only 16 KiB.
        block = self._buffer[: self.size - self._at]
        try:
            count = self._source.readinto(block, self._start + self._at)
            self._at += count
            if self._sent_crc32 is not None:
                self._sent_crc32 = zlib.crc32(block[:count], self._sent_crc32)
            if not count or (self._at == self.size and self._has_changed()):
                raise FileChanged
        except BaseException as error:
            self.error = error
            raise
        if self._at == self.size:
            self._buffer = None
        return cast('bytes', block[:count])

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        compares = self._source.in_memory and self.crc32 is not None and (offset, whence) == (0, io.SEEK_SET)
        self._sent_crc32 = 0 if compares else None
        return super().seek(offset, whence)

    def _has_changed(self) -> bool:
        return self._source.has_changed() or self._sent_crc32 not in (None, self.crc32)


class FileChanged(Exception):
    """The content of a file has changed."""


Body = bytes | Part | FileBody


def hash_parameter(checksum: str) -> dict[str, str]:
    """The parameter that makes the store verify *checksum*, ``algorithm:hex``; empty for other algorithms than S3's."""
    algorithm, _, digest = checksum.partition(':')
    if algorithm not in ('sha1', 'sha256'):
        return {}
    return {f'Checksum{algorithm.upper()}': base64.b64encode(bytes.fromhex(digest)).decode()}


def checksum_header(body: Body, known: Checksum | None = None) -> dict[str, Any]:
    """The parameter that makes the store verify *body* on arrival: a header, ignored by stores that don't support it.

    CRC-32 detects transmission errors at a fraction of the cost of a hash.

    :param known: A checksum of the body. If S3 can verify it, no other checksum is computed.
    """
    if parameter := hash_parameter(str(known or '')):
        return parameter
    if isinstance(body, bytes):
        crc32 = zlib.crc32(body)
    elif body.crc32 is not None:
        crc32 = body.crc32
    else:
        crc32 = functools.reduce(lambda crc32, block: zlib.crc32(block, crc32), chunks_of(body), 0)
    return {'ChecksumCRC32': base64.b64encode(crc32.to_bytes(4, 'big')).decode()}


@contextlib.contextmanager
def sending(body: Body) -> Generator[None]:
    """Send *body* from its start, and raise errors in reading it, which botocore mistakes for network errors."""
    if isinstance(body, FileBody):
        body.seek(0)
    try:
        yield
    except SDK_ERRORS:
        if isinstance(body, FileBody) and body.error is not None:
            raise body.error from None
        raise


@contextlib.contextmanager
def spooled(chunks: Iterable[bytes]) -> Generator[FileBody]:
    """A body with *chunks*, in a temporary file."""
    with Spool() as spool:
        size = 0
        for chunk in chunks:
            spool.write(chunk)
            size += len(chunk)
        yield FileBody(SourceFile(spool.rewind(), size, spool.forget), 0, size)
