"""Streams between applications and backends: any source read as bytes, windows on a range, files written at once."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, cast

from werkzeug.datastructures import FileStorage

from ..media_types import UNKNOWN, normalized
from .contract import CHUNK_BYTES, ByteReader

#: A file opened for writing stays in memory up to this size, then goes on in a temporary file.
SPOOL_BYTES = 1024 * 1024


class TranslatingFile(io.FileIO):
    """An open file of the operating system whose errors are translated, by the context managers that *translated* gives.

    :param fd: Its number, which the file owns from now on.
    :param path: Its name, for those who ask.
    """

    def __init__(self, fd: int, path: str, translated: Callable[[], AbstractContextManager[Any]]) -> None:
        super().__init__(path, 'rb', opener=lambda *_: fd)
        self._translated = translated

    def read(self, size: int | None = -1, /) -> bytes:
        with self._translated():
            return super().read(-1 if size is None else size)

    def readall(self) -> bytes:
        with self._translated():
            return super().readall()

    def readinto(self, buffer: Any, /) -> int:
        with self._translated():
            return super().readinto(buffer)

    def close(self) -> None:
        # What was read was read; that a server has gone away by now changes nothing.
        with contextlib.suppress(OSError):
            super().close()


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
    reader = file.stream if isinstance(file, FileStorage) else file
    if not callable(getattr(reader, 'read', None)):
        raise TypeError(f'cannot save {type(file).__name__}: it has no read(); text and bytes are stored with write()')
    kind = type(reader)
    return reader if kind in _REAL_FILES or kind is io.BytesIO else _Encoded(reader)


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


class Limited:
    """A source that fails once more than *max_bytes* were read from it."""

    def __init__(self, reader: ByteReader, max_bytes: int, too_large: Callable[[], Exception]) -> None:
        self._reader = reader
        self._left = max_bytes
        self._too_large = too_large

    def read(self, size: int = -1, /) -> bytes:
        # One byte more than allowed tells too large from just fitting.
        most = self._left + 1
        chunk = self._reader.read(most if size < 0 else min(size, most))
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()
        return chunk


class Prefixed:
    """The bytes *head*, which were read from *reader*, and then the rest of it."""

    def __init__(self, head: bytes, reader: ByteReader) -> None:
        self._head = head
        self._reader = reader

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._reader.read(size)
        if size < 0:
            chunk, self._head = self._head + self._reader.read(), b''
        else:
            chunk, self._head = self._head[:size], self._head[size:]
        return chunk


def peek(reader: Any, size: int, start: int | None = None) -> bytes | None:
    """The next bytes in *reader*, at most *size*, which are still to be read; None if it may be read only once.

    :param start: Its position, where that is known: asking a file of the operating system is a system call.
    """
    inner = reader.inner if type(reader) is _Encoded else reader
    if isinstance(inner, tempfile.SpooledTemporaryFile):
        # fileno() would push a small one to the disk.
        inner = getattr(inner, '_file', None)
    # A subclass may read something else, as one that decrypts does.
    if type(inner) is io.BytesIO:
        start = inner.tell()
        with inner.getbuffer() as content:
            return bytes(content[start : start + size])
    if (file := rereadable(reader)) is None:
        return None
    start = file.tell() if start is None else start
    if hasattr(os, 'pread') and isinstance(file, (io.FileIO, io.BufferedReader)):
        return os.pread(file.fileno(), size, start)
    # What was written to it may not be in the file yet.
    head = file.read(size)
    file.seek(start)
    return head


def known_size(reader: ByteReader) -> int | None:
    """How many bytes are left in *reader*, if it can be read twice and has a size; else None."""
    file = rereadable(reader)
    if file is None:
        return None
    if isinstance(file, io.BytesIO):
        size = file.getbuffer().nbytes
    elif not (size := os.fstat(file.fileno()).st_size):
        # It is empty, or made up by the kernel as it is read: what is under /proc has no size.
        return None
    return max(0, size - file.tell())


def rereadable(reader: Any) -> IO[bytes] | None:
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


def chunks_of(reader: ByteReader, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """All that is left in *reader*, in pieces of at most *size* bytes where it obeys sizes."""
    while chunk := reader.read(size):
        yield chunk


class Chunks(Iterator[bytes]):
    """The rest of an open stream by chunks of *size* bytes; closing, dropping or exhausting it closes the stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        if size < 1:
            stream.close()
            raise ValueError(f'chunk_size must be 1 or more, not {size}')
        self._stream = stream
        self._size = size

    def __next__(self) -> bytes:
        if self._stream.closed:
            raise StopIteration
        chunk = self._stream.read(self._size)
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Give the stream's connection or file back."""
        self._stream.close()

    def __del__(self) -> None:
        # The stream is missing if __init__ refused.
        if (stream := getattr(self, '_stream', None)) is not None:
            stream.close()


class Window(io.RawIOBase):
    """At most *length* bytes of *stream*, from where it stands; closing it closes the stream."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = min(len(buffer), self._left)
        chunk = self._stream.read(size) if size else b''
        buffer[: len(chunk)] = chunk
        self._left -= len(chunk)
        return len(chunk)

    def read(self, size: int | None = -1, /) -> bytes:
        # Hands the stream's own bytes on: RawIOBase.read() makes a buffer of *size* bytes for each, and copies twice.
        chunk = self._stream.read(self._left if size is None or size < 0 else min(size, self._left))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def limited(stream: IO[bytes], length: int) -> IO[bytes]:
    """At most *length* bytes of *stream*, from where it stands; closing it closes the stream."""
    return cast('IO[bytes]', Window(stream, length))


def window(stream: IO[bytes], start: int = 0, stop: int | None = None) -> IO[bytes]:
    """The bytes [start, stop) of *stream*, which stands at its beginning and may not be seekable."""
    if start:
        if stream.seekable():
            stream.seek(start)
        else:
            left = start
            while left and (skipped := stream.read(min(left, CHUNK_BYTES))):
                left -= len(skipped)
    return stream if stop is None else limited(stream, max(0, stop - start))


def buffered(stream: IO[bytes]) -> IO[bytes]:
    """*stream* with a buffer, if it has none."""
    return io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream


def open_reader(
    stream: IO[bytes],
    mode: Mode,
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> IO[Any]:
    """*stream* as a file open for reading in *mode*; text is UTF-8 unless *encoding* says otherwise."""
    stream = buffered(stream)
    if not mode.text:
        return stream
    try:
        return io.TextIOWrapper(cast('io.BufferedReader', stream), encoding or 'utf-8', errors, newline)
    except BaseException:
        stream.close()
        raise


class Mode:
    """A mode of ``open``: ``r``, ``w`` or ``x``, each with an optional ``b`` or ``t``."""

    def __init__(self, mode: str) -> None:
        letters = sorted(mode.replace('t', '', 1) if 'b' not in mode else mode.replace('b', '', 1))
        if letters not in (['r'], ['w'], ['x']):
            known = "'r', 'rb', 'w', 'wb', 'x', 'xb'"
            raise ValueError(f'mode {mode!r} is not one of {known}: files are read or replaced whole')
        self.reads = letters == ['r']
        self.creates = letters == ['x']
        self.text = 'b' not in mode


class FileWriter(io.BufferedIOBase):
    """A file being written that is stored, whole, when it is closed.

    Leaving its ``with`` block by an exception, :meth:`discard` and dropping it unclosed store nothing.

    :param put: Stores what the stream it is given holds.
    """

    def __init__(self, put: Callable[[IO[bytes]], Any]) -> None:
        self._put = put
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # closed by discard()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._spool.write(data)

    def tell(self) -> int:
        return self._spool.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._spool.seek(offset, whence)
        return self._spool.tell()

    def discard(self) -> None:
        """Close the file and store nothing."""
        if not self.closed:
            self._spool.close()
            super().close()

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._spool.seek(0)
            self._put(cast('IO[bytes]', self._spool))
        finally:
            self.discard()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        _drop(self, self)


class TextWriter(io.TextIOWrapper):
    """A :class:`FileWriter` that takes text."""

    def __init__(self, writer: FileWriter, encoding: str, errors: str | None, newline: str | None) -> None:
        super().__init__(cast('io.BufferedWriter', writer), encoding, errors, newline)
        self._writer = writer

    def discard(self) -> None:
        """Close the file and store nothing."""
        self._writer.discard()

    def close(self) -> None:
        # TextIOWrapper flushes first, which a discarded file would refuse.
        if not self._writer.closed:
            super().close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        if (writer := getattr(self, '_writer', None)) is not None:
            _drop(self, writer)


def _drop(file: IO[Any] | io.IOBase, writer: FileWriter) -> None:
    # io's own finalizer would close, and so store, a file whose writing was given up half-way.
    if getattr(writer, '_spool', None) is not None and not writer.closed:
        message = f'{type(file).__name__} dropped without close(): nothing is stored'
        warnings.warn(message, ResourceWarning, stacklevel=3)
        writer.discard()


def open_writer(
    put: Callable[[IO[bytes]], Any],
    mode: Mode,
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> IO[Any]:
    """A file open for writing in *mode* whose content goes to *put* when it is closed."""
    writer = FileWriter(put)
    if not mode.text:
        return cast('IO[bytes]', writer)
    try:
        return TextWriter(writer, encoding or 'utf-8', errors, newline)
    except BaseException:
        writer.discard()
        raise
