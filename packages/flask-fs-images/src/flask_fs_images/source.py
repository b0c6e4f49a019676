"""The file that a picture is read from: any kind of file, left as it was found, read in bounded steps."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Any

from flask_fs.errors import FSError, InvalidContent

from .headers import Broken

#: WebP, AVIF, HEIC and SVG are read whole; a file larger than this is not.
MOST_BYTES = 128 * 1024 * 1024
#: A file is read in pieces. More of them than this, and one for every so many bytes, are an attack on the reader.
MOST_PIECES = 100_000
BYTES_PER_PIECE = 16
#: Before its first pixel, no picture needs more bytes than this: a JPEG's profile has 16 MiB at most.
MOST_HEADER_BYTES = 32 * 1024 * 1024


class Source:
    """A file object for Pillow: *file* from where it stands, as if it began there.

    It says which of the errors came from *file* itself, and refuses content that is read in absurdly many steps.
    """

    def __init__(self, file: IO[bytes], filename: str | None) -> None:
        self.filename = filename
        self.start = file.tell()
        #: Whether the header is still being read.
        self.in_header = True
        #: Called with the position and the content of each piece that is read.
        self.watch: Callable[[int, bytes], None] | None = None
        #: What reading *file* raised.
        self.failure: Exception | None = None
        self._file = file
        self._pieces = 0
        self._bytes = 0

    def refusal(self, reason: str) -> InvalidContent:
        """The error for content that is refused."""
        return InvalidContent(self.filename, reason=reason)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = MOST_BYTES + 1
            chunk = self._read(size)
            if len(chunk) > MOST_BYTES:
                raise self.refusal(f'more than {MOST_BYTES >> 20} MiB are too much for a picture of this kind')
            return chunk
        if self.in_header and self._bytes + size > MOST_HEADER_BYTES:
            size = MOST_HEADER_BYTES + 1 - self._bytes
        return self._read(size)

    def whole(self) -> bytes:
        """All of it, of a kind that is not read piece by piece."""
        self.in_header = False
        self.seek(0)
        return self.read()

    def size_bytes(self) -> int:
        """How long it is. It stands where it stood afterwards."""
        at = self.tell()
        try:
            return self._file.seek(0, os.SEEK_END) - self.start
        finally:
            self.seek(at)

    def _read(self, size: int) -> bytes:
        position = self.tell() if self.watch else 0
        try:
            chunk = self._file.read(size)
        except Exception as error:
            self.failure = error
            raise
        self._pieces += 1
        self._bytes += len(chunk)
        if self._pieces > MOST_PIECES + self._bytes // BYTES_PER_PIECE:
            raise self.refusal('the picture is in too many pieces')
        if self.in_header and self._bytes > MOST_HEADER_BYTES and size <= MOST_HEADER_BYTES:
            raise self.refusal(f'more than {MOST_HEADER_BYTES >> 20} MiB stand before the picture')
        if self.watch:
            self.watch(position, chunk)
        return chunk

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 1:
            offset += self.tell()
        # Where only the content itself can have sent it; a real file would say so with an OSError.
        if whence == 2 or not 0 <= offset < 1 << 48:
            raise ValueError(f'no seeking to {offset} from {whence}')
        try:
            return self._file.seek(self.start + offset) - self.start
        except Exception as error:
            self.failure = error
            raise

    def tell(self) -> int:
        return self._file.tell() - self.start

    @contextlib.contextmanager
    def blamed(self) -> Generator[None]:
        """Whatever goes wrong within the block is the content's fault, unless reading the file itself failed."""
        try:
            yield
        except (FSError, MemoryError):
            raise
        except Exception as error:
            if self.failure is not None:
                raise self.failure from None
            reason = (
                f'the picture is broken: {error}' if isinstance(error, Broken) else 'the picture is broken or cut short'
            )
            raise self.refusal(reason) from error
        if self.failure is not None:
            raise self.failure


@contextlib.contextmanager
def source_of(file: Any, filename: str | None = None) -> Generator[Source]:
    """What to read *file* from: an upload, an open binary file, bytes, or the path of a file as a path-like object.

    It is read from where it stands, is left open, and stands there again afterwards if it can seek.

    :param filename: Its name in errors; by default the one that it brings along.
    :raises TypeError: If it is none of these.
    """
    named = filename or _name_of(file)
    with contextlib.ExitStack() as stack:
        if isinstance(file, os.PathLike):
            stream: Any = stack.enter_context(open(file, 'rb'))
        elif isinstance(file, (bytes, bytearray, memoryview)):
            stream = io.BytesIO(file)
        else:
            stream = getattr(file, 'stream', file)
        if not callable(getattr(stream, 'read', None)) or isinstance(stream, io.TextIOBase):
            raise TypeError(f'a picture is read from a binary file, bytes or a Path, not from {type(file).__name__}')
        if not _seekable(stream):
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=1024 * 1024))
            shutil.copyfileobj(stream, spool)
            spool.seek(0)
            stream = spool
        source = Source(stream, named)
        try:
            yield source
        finally:
            stream.seek(source.start)


def _seekable(stream: Any) -> bool:
    # Before Python 3.11, a SpooledTemporaryFile seeks but has no seekable().
    seekable = getattr(stream, 'seekable', None)
    return bool(seekable()) if callable(seekable) else hasattr(stream, 'seek') and hasattr(stream, 'tell')


def _name_of(file: Any) -> str | None:
    if isinstance(file, os.PathLike):
        return Path(file).name
    for attribute in ('filename', 'name'):
        name = getattr(file, attribute, None)
        # An open file's name may be the number of its descriptor.
        if isinstance(name, str) and name:
            return name.replace('\\', '/').rpartition('/')[2]
    return None
