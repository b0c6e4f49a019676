"""What a storage may ask of an upload. Each is called with an open file, and its name, and raises if it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from flask_fs.errors import FileTooLarge
from flask_fs.files import extension

from .concurrency import decoding
from .formats import FORMATS
from .opening import open_picture
from .source import Source, source_of
from .spec import Limits

Validator = Callable[[IO[bytes], str], None]

_CLAIMS = {ending: name for name, kind in FORMATS.items() for ending in kind.extensions} | {'svg': 'SVG'}


@dataclass(frozen=True)
class ImageContent:
    """Refuses a file whose extension claims a picture, and whose content is not a sound picture of that kind.

    The picture is decoded to its end. Files with another extension pass. An SVG passes if its root element is one: what it
    refers to or runs is not looked at.

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
        with source_of(file, filename) as source:
            picture = open_picture(source, self.limits)
            found = 'SVG' if picture is None else picture.format
            if found != claimed:
                raise source.refusal(f'the content is {found}, not {claimed} as the name says')
            if picture is not None:
                # Enough to go through all of a JPEG.
                picture.reduce(8)
                with decoding.taken(self.limits.concurrency, self.limits.timeout_s, source.filename):
                    for _ in picture.decoded():
                        pass


#: Refuses what its extension calls a picture and is none, with the usual limits.
image_content = ImageContent()


@dataclass(frozen=True)
class _MaxDimensions:
    width: int
    height: int
    limits: Limits

    def __call__(self, file: IO[bytes], filename: str) -> None:
        if extension(filename) not in _CLAIMS:
            return
        with source_of(file, filename) as source:
            picture = open_picture(source, self.limits)
            if picture is not None:
                _check_size(source, picture.shown_size, (self.width, self.height))


def _check_size(source: Source, size: tuple[int, int], most: tuple[int, int]) -> None:
    if size[0] > most[0] or size[1] > most[1]:
        found, allowed = (f'{width}x{height}' for width, height in (size, most))
        raise source.refusal(f'{found} pixels are more than the {allowed} allowed')


def max_dimensions(width: int, height: int, *, limits: Limits | None = None) -> Validator:
    """A validator that refuses pictures wider than *width* or higher than *height* pixels as they are shown.

    Only the header is read. SVG has no pixels and passes; so do files whose extension claims no picture.
    """
    return _MaxDimensions(width, height, limits or Limits())


@dataclass(frozen=True)
class _MaxSize:
    size_bytes: int

    def __call__(self, file: IO[bytes], filename: str) -> None:
        start = file.tell()
        try:
            size = file.seek(0, os.SEEK_END) - start
        finally:
            file.seek(start)
        if size > self.size_bytes:
            raise FileTooLarge(filename, reason=f'{size:,} bytes are more than the {self.size_bytes:,} allowed')


def max_size(size_bytes: int) -> Validator:
    """A validator that refuses files of more than *size_bytes* bytes, whatever their kind."""
    return _MaxSize(size_bytes)
