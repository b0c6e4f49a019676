"""What files are stored from: text, bytes, uploads and anything with ``read``, read once as bytes."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import tempfile
from collections.abc import Callable, Generator
from typing import IO, Any, cast

from werkzeug.datastructures import FileStorage

from ..media_types import UNKNOWN, normalized
from .contract import ByteReader
from .streams import TranslatingFile, chunks_of

#: What is spooled stays in memory up to this size, then goes on in a temporary file.
SPOOL_BYTES = 1024 * 1024
#: How much of a temporary file passes before the operating system is to forget it, in bytes.
FORGET_BYTES = 8 * 1024 * 1024

_RAW_FILES = (io.FileIO, TranslatingFile)
_REAL_FILES = (*_RAW_FILES, io.BufferedReader, io.BufferedRandom)


def as_bytes(content: Any, encoding: str = 'utf-8') -> bytes | bytearray | memoryview:
    """*content* as bytes; text is encoded, and what has ``read`` is read to its end.

    :raises TypeError: If it is neither text nor bytes-like, and cannot be read.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return content
    if isinstance(content, str):
        return content.encode(encoding)
    return b''.join(chunks_of(as_source(content, encoding)))


def as_source(content: Any, encoding: str = 'utf-8') -> ByteReader:
    """What to read the bytes of *content* from: text, bytes, or anything with ``read``.

    :raises TypeError: If it is none of these.
    """
    if callable(getattr(content, 'read', None)):
        return source(content)
    if isinstance(content, (str, bytes, bytearray, memoryview)):
        return io.BytesIO(as_bytes(content, encoding))
    raise TypeError(f'content must be str, bytes or something with read(), not {type(content).__name__}')


def media_type_of(content: Any) -> str | None:
    """The media type that an upload was sent with; None if that says nothing about the content."""
    given = normalized(content.content_type) if isinstance(content, FileStorage) else UNKNOWN
    return None if given == UNKNOWN else given


def source(file: Any) -> ByteReader:
    """What to read the bytes of *file* from: an uploaded file's stream, text streams encoded as UTF-8.

    The file is never closed, and is read from where it stands.

    :raises TypeError: If it has no ``read``.
    """
    if type(file) is io.BytesIO:
        return file
    reader = file.stream if isinstance(file, FileStorage) else file
    if not callable(getattr(reader, 'read', None)):
        raise TypeError(f'cannot save {type(file).__name__}: it has no read(); text and bytes are stored with write()')
    kind = type(reader)
    # A pipe may have no data yet, which is not its end.
    is_plain = kind is io.BytesIO or (kind in _REAL_FILES and reader.seekable())
    return reader if is_plain else _Encoded(reader)


class Source:
    """What a file is stored from, for :meth:`BaseBackend._put`: the rest of a reader, read once.

    :param reader: Anything whose ``read`` gives bytes; it may ignore the size.
    """

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._ahead = b''
        #: What the reader raised, if it did: that is the caller's error, and no failure of the store.
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        """At most *size* bytes; none at the end alone. Without a size, all that is left."""
        if size < 0:
            return b''.join(chunks_of(self))
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
        return b''.join(pieces)

    def unread(self, head: bytes) -> None:
        """Have *head* read again, before the rest."""
        # A reader may give any kind of bytes.
        self._ahead = b''.join((head, self._ahead)) if self._ahead else head

    @property
    def file(self) -> IO[bytes] | None:
        """The file of the operating system whose rest this is, if it is one that can seek; else None."""
        file = None if self._ahead else real_file(self._reader)
        return file if file is not None and file.seekable() else None

    @property
    def seekable_file(self) -> IO[bytes] | None:
        """The file, on a disk or in memory, whose rest this is and that can be read again; else None."""
        return None if self._ahead else as_seekable_file(self._reader)

    @property
    def remaining_size(self) -> int | None:
        """How many bytes are left, where that can be found out without reading them; else None."""
        size = remaining_size(self._reader)
        return None if size is None else size + len(self._ahead)


class SpoolFailed(Exception):
    """A temporary file cannot be written: a failure of this machine, neither of the caller's source nor of the store."""


class Spool:
    """A temporary file that content passes through, removed after the ``with`` block.

    :param max_bytes: How much is kept in memory instead.
    :ivar file: What was written, to be read.
    """

    def __init__(self, max_bytes: int = 0) -> None:
        with _spooling():
            # Closed by __exit__. A size of 0 would keep everything in memory.
            make = functools.partial(tempfile.SpooledTemporaryFile, max_bytes) if max_bytes else tempfile.TemporaryFile
            self.file = cast('IO[bytes]', make())
        self._forgotten = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written is tried once more; by now nobody needs it.
        with contextlib.suppress(OSError):
            self.file.close()

    def write(self, data: bytes) -> None:
        """Add *data*.

        :raises SpoolFailed: If the disk is full, for instance.
        """
        with _spooling():
            self.file.write(data)
            self.forget(self.file.tell())

    def forget(self, stop: int) -> None:
        """Have the operating system write what is before *stop* to the disk, and keep no copy of it in memory.

        Else a large file fills all memory that is free, which virtual machines have to be given first, page by page.
        """
        if abs(stop - self._forgotten) >= FORGET_BYTES and hasattr(os, 'posix_fadvise'):
            os.posix_fadvise(self.file.fileno(), 0, stop, os.POSIX_FADV_DONTNEED)
            self._forgotten = stop

    def rewind(self, *, clear: bool = False) -> IO[bytes]:
        """The file at its beginning; with *clear*, an empty one."""
        with _spooling():
            self.file.flush()
            self.file.seek(0)
            if clear:
                self.file.truncate()
        return self.file


@contextlib.contextmanager
def spooled(reader: ByteReader) -> Generator[IO[bytes]]:
    """What is left in *reader*, which can be read only once, as a file that can seek, for the ``with`` block."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as file:
        for chunk in chunks_of(reader):
            file.write(chunk)
        file.seek(0)
        yield cast('IO[bytes]', file)


@contextlib.contextmanager
def _spooling() -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = f'the temporary file that it passes through cannot be written: {error.strerror or error}'
        raise SpoolFailed(reason) from error


class _Encoded:
    """A source whose ``read`` may give text, may ignore the size, and may be all that it has."""

    def __init__(self, reader: Any) -> None:
        self._read = reader.read
        self.inner = reader

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._read(size)
        if chunk is None:
            raise BlockingIOError('the source is a non-blocking stream without data: read it to its end first')
        data: bytes = chunk.encode() if isinstance(chunk, str) else chunk
        return data


class SizeLimitedReader:
    """A source that fails once more than *max_bytes* were read from it."""

    def __init__(self, reader: ByteReader, max_bytes: int, too_large: Callable[[], Exception]) -> None:
        self._reader = reader
        self._left = max_bytes
        self._too_large = too_large

    def read(self, size: int = -1, /) -> bytes:
        # One byte more than allowed separates too large from just fitting.
        most = self._left + 1
        chunk = self._reader.read(most if size < 0 else min(size, most))
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()
        return chunk


def peek(reader: Any, size: int, start: int | None = None) -> bytes | None:
    """The next bytes in *reader*, at most *size*, which are still to be read; None if it may be read only once.

    :param start: Its position, where that is known: asking a file of the operating system is a system call.
    """
    inner = reader.inner if type(reader) is _Encoded else reader
    # A subclass of BytesIO may read something else, as one that decrypts does.
    if type(inner) is not io.BytesIO and isinstance(inner, tempfile.SpooledTemporaryFile):
        # fileno() would push a small one to the disk.
        inner = getattr(inner, '_file', None)
    file = inner if type(inner) is io.BytesIO else as_seekable_file(reader)
    if file is None:
        return None
    start = file.tell() if start is None else start
    if hasattr(os, 'pread') and isinstance(file, (io.FileIO, io.BufferedReader)):
        return os.pread(file.fileno(), size, start)
    # What was written to it may not be in the file yet.
    head = file.read(size)
    file.seek(start)
    return head


def remaining_size(reader: ByteReader) -> int | None:
    """How many bytes are left in *reader*, if it can be read twice and has a size; else None."""
    file = as_seekable_file(reader)
    if file is None:
        return None
    if isinstance(file, io.BytesIO):
        size = file.getbuffer().nbytes
    elif not (size := os.fstat(file.fileno()).st_size):
        # It is empty, or made up by the kernel as it is read: what is under /proc has no size.
        return None
    return max(0, size - file.tell())


def as_seekable_file(reader: Any) -> IO[bytes] | None:
    """The file, on a disk or in memory, whose content is what *reader* reads, and can be read again; else None.

    A pipe is a file of the operating system too, and can be read once.
    """
    file = real_file(reader) or (reader if isinstance(reader, io.BytesIO) else None)
    return file if file is not None and file.seekable() else None


def real_file(reader: Any) -> IO[bytes] | None:
    """The file of the operating system whose content is what *reader* reads, or None.

    Only types known to hand out the file's bytes unchanged count: a ``GzipFile`` has a ``fileno`` too.
    """
    reader = reader.inner if type(reader) is _Encoded else reader
    if type(reader) is io.BytesIO:
        return None
    if isinstance(reader, tempfile.SpooledTemporaryFile):
        # fileno() would push a small one to the disk.
        reader = getattr(reader, '_file', None)
    elif isinstance(reader, tempfile._TemporaryFileWrapper):
        reader = reader.file
    inner = reader.raw if type(reader) in (io.BufferedReader, io.BufferedRandom) else reader
    if type(inner) not in _RAW_FILES or reader.closed:
        return None
    if type(reader) is io.BufferedRandom:
        # seek() leaves what was written in the buffer, if that has the new position too.
        reader.flush()
    file: IO[bytes] = reader
    return file
