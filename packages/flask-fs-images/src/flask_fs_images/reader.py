"""Reading an image from any kind of file, in a limited number of steps, and restoring its position."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Generator
from typing import IO, Any

from flask_fs.backends.sources import spooled
from flask_fs.errors import FSError, InvalidContent
from flask_fs.names import given_name
from flask_fs.upload_checks import position_of

#: WebP, AVIF, HEIC, and SVG are read completely into memory. A larger file is refused.
MAX_BYTES = 128 * 1024 * 1024
#: A file is read in pieces. More pieces than this, plus one for every BYTES_PER_PIECE read, count as an attack.
MAX_PIECES = 100_000
BYTES_PER_PIECE = 16
#: No image needs more bytes than this before its first pixel: the profile of a JPEG has at most 16 MiB.
MAX_HEADER_BYTES = 32 * 1024 * 1024


class Broken(Exception):
    """An invalid structure. The message describes it, and follows "the image is broken: "."""


class ImageReader:
    """A file object for Pillow that begins at the current position of *file*.

    It distinguishes errors of *file* from errors in its content, and refuses content that takes too many steps to read.
    """

    def __init__(self, file: IO[bytes], filename: str | None) -> None:
        self.filename = filename
        self.start = file.tell()
        #: Whether the header is still being read.
        self.in_header = True
        #: Called with the position and the content of each piece that is read.
        self.on_read: Callable[[int, bytes], None] | None = None
        #: The exception that reading *file* raised.
        self.error: Exception | None = None
        self._file = file
        self._pieces = 0
        self._bytes = 0

    def restarted(self) -> ImageReader:
        """A reader of the same content, from its start."""
        self.seek(0)
        return ImageReader(self._file, self.filename)

    def invalid(self, reason: str) -> InvalidContent:
        """The error for content that is refused."""
        return InvalidContent(self.filename, reason=reason)

    def read(self, size: int | None = -1, /) -> bytes:
        size = MAX_BYTES if size is None or size < 0 else size
        if self.in_header:
            size = min(size, max(0, MAX_HEADER_BYTES + 1 - self._bytes))
        position = self.tell() if self.on_read else 0
        try:
            chunk = self._file.read(size)
        except Exception as error:
            self.error = error
            raise
        self._pieces += 1
        self._bytes += len(chunk)
        if self._pieces > MAX_PIECES + self._bytes // BYTES_PER_PIECE:
            raise self.invalid('the image is split into too many pieces')
        if self.in_header and self._bytes > MAX_HEADER_BYTES:
            raise self.invalid(f'its header is larger than {MAX_HEADER_BYTES >> 20} MiB')
        if self.on_read:
            self.on_read(position, chunk)
        return chunk

    def read_all(self) -> bytes:
        """The complete content, for a format that cannot be read in pieces."""
        self.in_header = False
        self.seek(0)
        content = self.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise self.invalid(f'it exceeds the limit of {MAX_BYTES >> 20} MiB for images of this format')
        return content

    def size_bytes(self) -> int:
        """The size of the content. The position does not change."""
        at = self.tell()
        size = self._file.seek(0, os.SEEK_END) - self.start
        self.seek(at)
        return size

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 1:
            offset += self.tell()
        # Only the content can cause these; a real file would raise an OSError.
        if whence == 2 or not 0 <= offset < 1 << 48:
            raise ValueError(f'cannot seek to {offset} from {whence}')
        try:
            return self._file.seek(self.start + offset) - self.start
        except Exception as error:
            self.error = error
            raise

    def tell(self) -> int:
        return self._file.tell() - self.start

    @contextlib.contextmanager
    def content_errors(self) -> Generator[None]:
        """Turns exceptions of the block into InvalidContent, unless reading the file itself failed."""
        try:
            yield
        except (FSError, MemoryError):
            raise
        except Exception as error:
            if self.error is not None:
                raise self.error from None
            detail = f': {error}' if isinstance(error, Broken) else ' or cut short'
            raise self.invalid(f'the image is broken{detail}') from error
        if self.error is not None:
            raise self.error


@contextlib.contextmanager
def open_reader(file: Any, filename: str | None = None) -> Generator[ImageReader]:
    """A reader of *file*: an upload, an open binary file, bytes, or the path of a file as a path-like object.

    The file is read from its current position and is not closed. If it is seekable, it is then back at that position.

    :param filename: The filename for error messages; by default the name of *file*.
    :raises TypeError: If *file* is none of these.
    """
    filename = filename or re.split(r'[/\\]', given_name(file) or '')[-1] or None
    with contextlib.ExitStack() as stack:
        if isinstance(file, os.PathLike):
            stream: Any = stack.enter_context(open(file, 'rb'))
        elif isinstance(file, (bytes, bytearray, memoryview)):
            stream = io.BytesIO(file)
        else:
            stream = getattr(file, 'stream', file)
        if not callable(getattr(stream, 'read', None)) or isinstance(stream, io.TextIOBase):
            raise TypeError(f'an image must be a binary file, bytes, or a Path, not {type(file).__name__}')
        if position_of(stream) is None:
            stream = stack.enter_context(spooled(stream))
        reader = ImageReader(stream, filename)
        try:
            yield reader
        finally:
            stream.seek(reader.start)
