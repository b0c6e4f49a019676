"""Open files and parts of them: error translation, bounded readers, chunks, and the modes of ``open``."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, NoReturn, TypeVar, cast

from .contract import CHUNK_BYTES, ByteReader

T = TypeVar('T')

#: The maximum position in a file: protocols and databases have 64-bit integers.
MAX_POSITION = 2**63 - 1


class TranslatingFile(io.FileIO):
    """An open file of the operating system that raises errors of Flask-FS.

    :param fd: Its file descriptor, which the object owns from now on.
    :param path: Its path, for the attribute ``name``.
    :param translated: Converts an error of the operating system to one of Flask-FS.
    """

    def __init__(self, fd: int, path: str, translated: Callable[[OSError], Exception]) -> None:
        super().__init__(path, 'rb', opener=lambda *_: fd)
        self._translated = translated

    def _call(self, act: Callable[..., T], *args: Any) -> T:
        try:
            return act(*args)
        except OSError as error:
            raise self._translated(error) from error

    def read(self, size: int | None = -1, /) -> bytes:
        return self._call(super().read, -1 if size is None else size)

    def readall(self) -> bytes:
        return self._call(super().readall)

    def readinto(self, buffer: Any, /) -> int:
        return self._call(super().readinto, buffer)

    def close(self) -> None:
        # The bytes have been read, so it doesn't matter if a file server is unavailable by now.
        with contextlib.suppress(OSError):
            super().close()


class InputStream(io.RawIOBase):
    """The base class of streams that pass on bytes from another source. A subclass implements ``read``.

    RawIOBase would implement ``read`` with ``readinto``, which allocates a buffer for each call and copies twice.
    """

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        raise NotImplementedError

    def readinto(self, buffer: Any, /) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError('this file is closed')


class TranslatedStream(InputStream):
    """A store's stream that raises errors of Flask-FS. Closing it closes the wrapped stream.

    :param errors: The errors that the store's library raises.
    :param raise_translated: Raises an error of Flask-FS for one of these.
    """

    def __init__(
        self,
        stream: IO[bytes],
        errors: tuple[type[Exception], ...],
        raise_translated: Callable[[Exception], NoReturn],
    ) -> None:
        self._stream = stream
        self._errors = errors
        self._raise_translated = raise_translated

    def _call(self, act: Callable[..., T], *args: Any) -> T:
        self._check_open()
        try:
            return act(*args)
        except self._errors as error:
            self._raise_translated(error)

    def seekable(self) -> bool:
        return self._stream.seekable()

    def read(self, size: int | None = -1, /) -> bytes:
        return self._call(self._stream.read, -1 if size is None else size)

    def readall(self) -> bytes:
        return self.read()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._call(self._seek, offset, whence)

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return self._stream.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # A position before the beginning (lseek(2)) is not a failure of the store.
            raise ValueError(f'cannot seek by {offset} (whence {whence}): that is before the beginning') from error

    def tell(self) -> int:
        return self._call(self._stream.tell)

    def close(self) -> None:
        if not self.closed:
            super().close()
            # The bytes have been read, so it doesn't matter if the store is unavailable by now.
            with contextlib.suppress(*self._errors):
                self._stream.close()


@contextlib.contextmanager
def undone_by(undo: Callable[[], object]) -> Generator[None]:
    """Call *undo* if the ``with`` block raises anything, including interrupts, and re-raise it.

    In ``_open``, *undo* is the ``close`` of an opened stream, and the block contains everything that can fail before the
    stream is returned.
    """
    try:
        yield
    except BaseException:
        undo()
        raise


def chunks_of(reader: ByteReader, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The rest of *reader* in chunks of at most *size* bytes, if its ``read`` respects sizes."""
    while chunk := reader.read(size):
        yield chunk


class Chunks(Iterator[bytes]):
    """The rest of an open stream in chunks of *size* bytes. Closing, discarding or exhausting it closes the stream."""

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
        """Release the stream's connection or file."""
        self._stream.close()

    def __del__(self) -> None:
        # The attribute is missing if __init__ raised.
        if (stream := getattr(self, '_stream', None)) is not None:
            stream.close()


class BoundedReader(InputStream):
    """At most *length* bytes of *stream*, from its current position. Closing it closes the stream.

    Reading returns as many bytes as requested, or all remaining ones, even if *stream* returns fewer at a time, as raw
    streams do.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int | None = -1, /) -> bytes:
        size = self._left if size is None or size < 0 else min(size, self._left)
        pieces = []
        while size > 0 and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
            self._left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b''.join(pieces)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.close()


def limited(stream: IO[bytes], length: int) -> IO[bytes]:
    """At most *length* bytes of *stream*, from its current position. Closing it closes the stream.

    ``read(n)`` returns n bytes unless the stream ends earlier, even if *stream* is a raw stream, which can return fewer.
    """
    return cast('IO[bytes]', BoundedReader(stream, length))


def check_range(start: int, stop: int | None) -> None:
    """Check that [start, stop) is a valid range: not negative in length, and without *stop* if it counts from the end.

    :raises ValueError: If it isn't.
    """
    if start < 0 and stop is not None:
        raise ValueError(f'a negative start cannot be combined with a stop, but start is {start} and stop is {stop}')
    if stop is not None and stop < start:
        raise ValueError(f'stop must not be less than start, but start is {start} and stop is {stop}')


def window(stream: IO[bytes], start: int = 0, stop: int | None = None) -> IO[bytes]:
    """The bytes [start, stop) of *stream*, which is at its beginning and need not be seekable.

    ``read(n)`` returns n bytes unless the stream ends earlier, even if *stream* is a raw stream, which can return fewer.
    """
    if start:
        if stream.seekable():
            stream.seek(start)
        else:
            left = start
            while left and (skipped := stream.read(min(left, CHUNK_BYTES))):
                left -= len(skipped)
    return buffered(stream) if stop is None else limited(stream, max(0, stop - start))


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
    """*stream* as a file open for reading in *mode*. The default encoding of text is UTF-8."""
    stream = buffered(stream)
    if not mode.text:
        return stream
    with undone_by(stream.close):
        return io.TextIOWrapper(cast('io.BufferedReader', stream), encoding or 'utf-8', errors, newline)


class Mode:
    """A mode of ``open``: ``r``, ``w`` or ``x``, each with an optional ``b`` or ``t``."""

    def __init__(self, mode: str) -> None:
        letters = sorted(mode.replace('t', '', 1) if 'b' not in mode else mode.replace('b', '', 1))
        if letters not in (['r'], ['w'], ['x']):
            known = "'r', 'rb', 'w', 'wb', 'x', 'xb'"
            raise ValueError(f'mode {mode!r} is not one of {known}: files can only be read, or replaced completely')
        self.reads = letters == ['r']
        self.creates = letters == ['x']
        self.text = 'b' not in mode


# The names that drivers for 1.0 import from here, and their current locations.
_NAMES_OF_1_0 = {
    'FileWriter': ('writers', 'FileWriter'),
    'Limited': ('sources', 'SizeLimitedReader'),
    'TextWriter': ('writers', 'TextWriter'),
    'Window': ('streams', 'BoundedReader'),
    'as_bytes': ('sources', 'as_bytes'),
    'as_source': ('sources', 'as_source'),
    'checksum_of': ('checksums', 'checksum_of'),
    'known_size': ('sources', 'remaining_size'),
    'media_type_of': ('sources', 'media_type_of'),
    'open_writer': ('writers', 'open_writer'),
    'real_file': ('sources', 'real_file'),
    'rereadable': ('sources', 'as_seekable_file'),
    'source': ('sources', 'source'),
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES_OF_1_0:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, now = _NAMES_OF_1_0[name]
    return getattr(importlib.import_module(f'{__package__}.{module}'), now)
