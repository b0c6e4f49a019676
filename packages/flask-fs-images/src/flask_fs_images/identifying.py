"""What a picture is, told from its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .opening import open_picture
from .source import source_of
from .spec import Limits


@dataclass(frozen=True)
class Info:
    """What the header of a picture tells.

    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, ``BMP``, ``HEIC`` or ``SVG``.
    :param width: In pixels, as the picture is shown, that is after its EXIF orientation is applied; None for SVG.
    :param height: Likewise.
    :param frames: How many frames it says to have.
    """

    format: str
    width: int | None
    height: int | None
    frames: int = 1


def identify(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> Info:
    """What kind of picture *file* holds, and how large it is, without decoding it.

    :param file: An upload, an open binary file, bytes, or a path-like object. It is read from where it stands, is left
        open, and stands there again afterwards.
    :param filename: Its name in errors; by default the one that it brings along.
    :raises InvalidContent: If it is no picture of a known kind, has a broken header, or is over the limits.
    """
    with source_of(file, filename) as source:
        picture = open_picture(source, limits or Limits())
        if picture is None:
            return Info('SVG', None, None)
        width, height = picture.shown_size
        return Info(picture.format, width, height, picture.frames)
