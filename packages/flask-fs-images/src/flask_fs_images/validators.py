"""Validators for uploads. Each is called with an open file and its name, and raises an error to refuse the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from flask_fs.errors import FileTooLarge, InvalidContent
from flask_fs.files import extension

from .concurrency import decoding
from .formats import FORMATS
from .limits import Limits
from .picture import identify, open_picture
from .reader import ImageReader, open_reader

Validator = Callable[[IO[bytes], str], None]

_CLAIMS = {ending: name for name, kind in FORMATS.items() for ending in kind.extensions} | {'svg': 'SVG'}


@dataclass(frozen=True)
class ImageContent:
    """Refuses a file with an image extension if its content is not a valid image of that format.

    The image is decoded completely. Files with other extensions pass. An SVG passes if its root element is ``svg``; its
    links and scripts are not checked.

    :param limits: Limits on the size of the image.
    """

    limits: Limits = field(default_factory=Limits)

    def __call__(self, file: IO[bytes], filename: str) -> None:
        """Check *file*.

        :raises InvalidContent: If its content is refused.
        """
        claimed = _CLAIMS.get(extension(filename))
        if claimed is None:
            return
        with open_reader(file, filename) as reader:
            picture = open_picture(reader, self.limits)
            found = 'SVG' if picture is None else picture.format
            if found != claimed:
                raise reader.invalid(f'the content is {found}, not {claimed} as the filename says')
            if picture is not None:
                # This still reads the complete JPEG.
                picture.reduce(8)
                with decoding.slot(self.limits.concurrency, self.limits.timeout_s, reader.filename):
                    for _ in picture.decode():
                        pass


#: Refuses files that are not the image that their extension claims, with the default limits.
image_content = ImageContent()


@dataclass(frozen=True)
class _MaxDimensions:
    width: int
    height: int
    limits: Limits

    def __call__(self, file: IO[bytes], filename: str) -> None:
        if extension(filename) not in _CLAIMS:
            return
        info = identify(file, limits=self.limits, filename=filename)
        if info.width is None or info.height is None:
            return
        if info.width > self.width or info.height > self.height:
            reason = f'{info.width}x{info.height} pixels exceed the limit of {self.width}x{self.height}'
            raise InvalidContent(filename, reason=reason)


def max_dimensions(width: int, height: int, *, limits: Limits | None = None) -> Validator:
    """A validator that refuses images wider than *width* or taller than *height* pixels, as displayed.

    Only the header is read. SVGs, which have no pixels, and files without an image extension pass.
    """
    return _MaxDimensions(width, height, limits or Limits())


@dataclass(frozen=True)
class _MaxSize:
    size_bytes: int

    def __call__(self, file: IO[bytes], filename: str) -> None:
        size = ImageReader(file, filename).size_bytes()
        if size > self.size_bytes:
            raise FileTooLarge(filename, reason=f'{size:,} bytes exceed the limit of {self.size_bytes:,}')


def max_size(size_bytes: int) -> Validator:
    """A validator that refuses files of more than *size_bytes* bytes, regardless of their type."""
    return _MaxSize(size_bytes)
