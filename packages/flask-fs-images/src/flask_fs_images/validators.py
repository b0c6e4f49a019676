"""Validators of uploads: each is called with an open file and its name, and raises to refuse it."""

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
    """Refuses a file with the extension of a picture whose content is not a valid picture of that format.

    The picture is decoded completely. Files with another extension pass. An SVG passes if its root element is one: its
    links and scripts are not checked.

    :param limits: How much the picture may demand.
    """

    limits: Limits = field(default_factory=Limits)

    def __call__(self, file: IO[bytes], filename: str) -> None:
        """Return if the file may be stored.

        :raises InvalidContent: If not.
        """
        claimed = _CLAIMS.get(extension(filename))
        if claimed is None:
            return
        with open_reader(file, filename) as reader:
            picture = open_picture(reader, self.limits)
            found = 'SVG' if picture is None else picture.format
            if found != claimed:
                raise reader.invalid(f'the content is {found}, not {claimed} as the name says')
            if picture is not None:
                # This still reads all of a JPEG.
                picture.reduce(8)
                with decoding.slot(self.limits.concurrency, self.limits.timeout_s, reader.filename):
                    for _ in picture.decode():
                        pass


#: Refuses what is not the picture that its extension claims, with the default limits.
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
            reason = f'{info.width}x{info.height} pixels are more than the {self.width}x{self.height} allowed'
            raise InvalidContent(filename, reason=reason)


def max_dimensions(width: int, height: int, *, limits: Limits | None = None) -> Validator:
    """A validator that refuses pictures wider than *width* or higher than *height* pixels as they are shown.

    Only the header is read. SVG has no pixels and passes; so do files whose extension claims no picture.
    """
    return _MaxDimensions(width, height, limits or Limits())


@dataclass(frozen=True)
class _MaxSize:
    size_bytes: int

    def __call__(self, file: IO[bytes], filename: str) -> None:
        size = ImageReader(file, filename).size_bytes()
        if size > self.size_bytes:
            raise FileTooLarge(filename, reason=f'{size:,} bytes are more than the {self.size_bytes:,} allowed')


def max_size(size_bytes: int) -> Validator:
    """A validator that refuses files of more than *size_bytes* bytes, whatever their kind."""
    return _MaxSize(size_bytes)
