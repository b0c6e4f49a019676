"""Open files and parts of them: translated errors, bounded readers, chunks, and the modes of ``open``."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, NoReturn, TypeVar, cast

from .contract import CHUNK_BYTES, ByteReader

T = TypeVar('T')


class TranslatingFile(io.FileIO):
    """An open file of the operating system whose errors are those of Flask-FS.

    :param fd: Its number, which the file owns from now on.
    :param path: Its name, for those who ask.
    :param translated: Makes an error of Flask-FS from one of the operating system.
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
        # What was read was read; that a server has gone away by now changes nothing.
        with contextlib.suppress(OSError):
            super().close()


class InputStream(io.RawIOBase):
    """The base of streams that hand on the bytes of something else: a subclass implements ``read``.

    RawIOBase would implement that by ``readinto``: with a buffer made for each call, and copying twice.
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
    """A stream of a store whose errors are those of Flask-FS; closing it closes the stream.

    :param errors: What the store's library raises.
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
            # That is before the beginning (lseek(2)): no failure of the store.
            raise ValueError(f'cannot seek by {offset} from there (whence {whence})') from error

    def tell(self) -> int:
        return self._call(self._stream.tell)

    def close(self) -> None:
        if not self.closed:
            super().close()
            # What was read was read; that the store has gone away by now changes nothing.
            with contextlib.suppress(*self._errors):
                self._stream.close()


@contextlib.contextmanager
def undone_by(undo: Callable[[], object]) -> Generator[None]:
    """A ``with`` block that calls *undo* if anything is raised in it, interrupts too, and raises that.

    In ``_open``, *undo* is the ``close`` of what was opened: the block is what may fail before that is handed on.
    """
    try:
        yield
    except BaseException:
        undo()
        raise


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


class BoundedReader(InputStream):
    """At most *length* bytes of *stream*, from its position on; closing it closes the stream.

    Reading gives as much as was requested, or what is left, also where *stream* gives it by and by, as raw streams do.
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
    """At most *length* bytes of *stream*, from its position on; closing it closes the stream.

    ``read(n)`` gives n bytes unless it ends before, also where *stream* is a raw one, which may give fewer.
    """
    return cast('IO[bytes]', BoundedReader(stream, length))


def check_range(start: int, stop: int | None) -> None:
    """Reject what is no range: one that ends before it begins, or that counts from the end and has a *stop*.

    :raises ValueError: If [start, stop) is such a one.
    """
    if start < 0 and stop is not None:
        raise ValueError(f'a range from the end has no stop, but start is {start} and stop is {stop}')
    if stop is not None and stop < start:
        raise ValueError(f'stop must not be less than start, but start is {start} and stop is {stop}')


def window(stream: IO[bytes], start: int = 0, stop: int | None = None) -> IO[bytes]:
    """The bytes [start, stop) of *stream*, which is at its beginning and may not be seekable.

    ``read(n)`` gives n bytes unless it ends before, also where *stream* is a raw one, which may give fewer.
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
    """*stream* as a file open for reading in *mode*; text is UTF-8 unless *encoding* says otherwise."""
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
            raise ValueError(f'mode {mode!r} is not one of {known}: files are read or replaced whole')
        self.reads = letters == ['r']
        self.creates = letters == ['x']
        self.text = 'b' not in mode


# The names that drivers written for 1.0 import from here, and where they are now.
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
