"""The sources of files to store: text, bytes, uploads and any object with ``read``, read once as bytes."""

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

#: Spooled content stays in memory up to this size, and is then moved to a temporary file.
SPOOL_BYTES = 1024 * 1024
#: After this many bytes of a temporary file, the operating system drops them from its cache, on request.
FORGET_BYTES = 8 * 1024 * 1024

_RAW_FILES = (io.FileIO, TranslatingFile)
_REAL_FILES = (*_RAW_FILES, io.BufferedReader, io.BufferedRandom)


def as_bytes(content: Any, encoding: str = 'utf-8') -> bytes | bytearray | memoryview:
    """*content* as bytes. Text is encoded, and objects with ``read`` are read to their end.

    :raises TypeError: If it is neither text nor bytes-like, and has no ``read``.
    """
    if isinstance(content, (bytes, bytearray)):
        return content
    if isinstance(content, str):
        return content.encode(encoding)
    if isinstance(content, memoryview):
        # Copied if necessary, because files and sockets accept only contiguous ones.
        return content if content.c_contiguous else content.tobytes()
    return b''.join(chunks_of(as_source(content, encoding)))


def as_source(content: Any, encoding: str = 'utf-8') -> ByteReader:
    """A reader for the bytes of *content*: text, bytes, or any object with ``read``.

    :raises TypeError: If it is none of these.
    """
    if callable(getattr(content, 'read', None)):
        return source(content)
    if isinstance(content, (str, bytes, bytearray, memoryview)):
        return io.BytesIO(as_bytes(content, encoding))
    raise TypeError(f'content must be str, bytes or an object with read(), not {type(content).__name__}')


def media_type_of(content: Any) -> str | None:
    """The media type that an upload was sent with, or None if it is missing or generic."""
    if not isinstance(content, FileStorage):
        return None
    given = normalized(content.content_type)
    return None if given == UNKNOWN else given


def source(file: Any) -> ByteReader:
    """A reader for the bytes of *file*: an upload's stream, or a text stream encoded as UTF-8.

    The file is read from its current position, and never closed.

    :raises TypeError: If it has no ``read``.
    """
    if type(file) is io.BytesIO:
        return file
    reader = file.stream if isinstance(file, FileStorage) else file
    if not callable(getattr(reader, 'read', None)):
        raise TypeError(
            f'cannot save {type(file).__name__}: it has no read(). To store the file at a path, pass pathlib.Path(path); to '
            'store text or bytes, use write().'
        )
    kind = type(reader)
    # A pipe can have no data yet without being at its end.
    is_plain = kind is io.BytesIO or (kind in _REAL_FILES and reader.seekable())
    return reader if is_plain else _Encoded(reader)


class Source:
    """The source of a file to store, for :meth:`BaseBackend._put`: the rest of a reader, read once.

    :param reader: An object whose ``read`` returns bytes. It may ignore the size.
    """

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._ahead = b''
        #: The error that the reader raised, if any: an error of the caller's source, not of the store.
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        """At most *size* bytes, and none only at the end. Without a size, all remaining bytes."""
        if size < 0:
            return b''.join(chunks_of(self))
        if self._ahead:
            chunk, self._ahead = self._ahead, b''
        else:
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
        """Put *head* back, to be read again before the rest."""
        # A reader can return any bytes-like object.
        self._ahead = b''.join((head, self._ahead)) if self._ahead else head

    @property
    def file(self) -> IO[bytes] | None:
        """The underlying file of the operating system if this is its unread rest and it can seek; else None."""
        file = None if self._ahead else real_file(self._reader)
        return file if file is not None and file.seekable() else None

    @property
    def seekable_file(self) -> IO[bytes] | None:
        """The underlying file, on disk or in memory, if this is its unread rest and it can be read again; else None."""
        return None if self._ahead else as_seekable_file(self._reader)

    @property
    def remaining_size(self) -> int | None:
        """The number of remaining bytes, if that is known without reading them; else None."""
        size = remaining_size(self._reader)
        return None if size is None else size + len(self._ahead)


class SpoolFailed(Exception):
    """A temporary file cannot be written. This is an error of this machine, not of the caller's source or the store."""


class Spool:
    """A temporary file for content in transit, removed after the ``with`` block.

    :param max_bytes: The size up to which content is kept in memory instead.
    :ivar file: The file with the written content, for reading.
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
        # Closing flushes buffered data, which can fail again. Nobody needs it anymore.
        with contextlib.suppress(OSError):
            self.file.close()

    def write(self, data: bytes) -> None:
        """Append *data*.

        :raises SpoolFailed: If that fails, for example because the disk is full.
        """
        with _spooling():
            self.file.write(data)
            self.forget(self.file.tell())

    def forget(self, stop: int) -> None:
        """Tell the operating system to write the content before *stop* to disk, and to drop it from memory.

        Otherwise a large file fills all free memory, which virtual machines first have to get from their host, page by page.
        """
        if abs(stop - self._forgotten) >= FORGET_BYTES and hasattr(os, 'posix_fadvise'):
            os.posix_fadvise(self.file.fileno(), 0, stop, os.POSIX_FADV_DONTNEED)
            self._forgotten = stop

    def rewind(self, *, clear: bool = False) -> IO[bytes]:
        """The file at its beginning, emptied if *clear* is true."""
        with _spooling():
            self.file.flush()
            self.file.seek(0)
            if clear:
                self.file.truncate()
        return self.file


@contextlib.contextmanager
def spooled(reader: ByteReader) -> Generator[IO[bytes]]:
    """The rest of *reader*, which can be read only once, as a seekable file for the ``with`` block."""
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
        reason = f'a temporary file for its content cannot be written: {error.strerror or error}'
        raise SpoolFailed(reason) from error


class _Encoded:
    """A source whose ``read`` can return text, can ignore the size, and can be its only method."""

    def __init__(self, reader: Any) -> None:
        self._read = reader.read
        self.inner = reader

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._read(size)
        if chunk is None:
            raise BlockingIOError('the source is a non-blocking stream without data: read it completely first')
        data: bytes = chunk.encode() if isinstance(chunk, str) else chunk
        return data


class SizeLimitedReader:
    """A source that raises when more than *max_bytes* are read from it."""

    def __init__(self, reader: ByteReader, max_bytes: int, too_large: Callable[[], Exception]) -> None:
        self._reader = reader
        self._left = max_bytes
        self._too_large = too_large

    def read(self, size: int = -1, /) -> bytes:
        # Reading one byte more than allowed shows whether the source is too large.
        most = self._left + 1
        chunk = self._reader.read(most if size < 0 else min(size, most))
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()
        return chunk


def peek(reader: Any, size: int, start: int | None = None) -> bytes | None:
    """The next bytes in *reader*, at most *size*, without consuming them; None if it can be read only once.

    :param start: Its position, if known: getting it from a file of the operating system is a system call.
    """
    inner = reader.inner if type(reader) is _Encoded else reader
    # A subclass of BytesIO can return other bytes, for example decrypted ones.
    if type(inner) is not io.BytesIO and isinstance(inner, tempfile.SpooledTemporaryFile):
        # fileno() would move a small file from memory to disk.
        inner = getattr(inner, '_file', None)
    file = inner if type(inner) is io.BytesIO else as_seekable_file(reader)
    if file is None:
        return None
    start = file.tell() if start is None else start
    if hasattr(os, 'pread') and isinstance(file, (io.FileIO, io.BufferedReader)):
        return os.pread(file.fileno(), size, start)
    # Written data might still be in the buffer, so pread() can't be used.
    head = file.read(size)
    file.seek(start)
    return head


def remaining_size(reader: ByteReader) -> int | None:
    """The number of remaining bytes in *reader*, if it can be read twice and has a size; else None."""
    file = as_seekable_file(reader)
    if file is None:
        return None
    if isinstance(file, io.BytesIO):
        size = file.getbuffer().nbytes
    elif not (size := os.fstat(file.fileno()).st_size):
        # It is empty, or the kernel generates its content: files under /proc have no size.
        return None
    return max(0, size - file.tell())


def as_seekable_file(reader: Any) -> IO[bytes] | None:
    """The file, on disk or in memory, whose content *reader* reads, if it can be read again; else None.

    A pipe is a file of the operating system too, but can be read only once.
    """
    file = real_file(reader) or (reader if isinstance(reader, io.BytesIO) else None)
    return file if file is not None and file.seekable() else None


def real_file(reader: Any) -> IO[bytes] | None:
    """The file of the operating system whose content *reader* reads, or None.

    Only types that are known to return the file's bytes unchanged count: a ``GzipFile`` has a ``fileno`` too.
    """
    reader = reader.inner if type(reader) is _Encoded else reader
    if type(reader) is io.BytesIO:
        return None
    if isinstance(reader, tempfile.SpooledTemporaryFile):
        # fileno() would move a small file from memory to disk.
        reader = getattr(reader, '_file', None)
    elif isinstance(reader, tempfile._TemporaryFileWrapper):
        reader = reader.file
    inner = reader.raw if type(reader) in (io.BufferedReader, io.BufferedRandom) else reader
    if type(inner) not in _RAW_FILES or reader.closed:
        return None
    if type(reader) is io.BufferedRandom:
        # seek() doesn't flush written data if the new position is in the buffer.
        reader.flush()
    file: IO[bytes] = reader
    return file
