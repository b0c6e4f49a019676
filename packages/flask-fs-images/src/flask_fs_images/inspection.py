"""Checks of a file's structure before any decoder reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import gif, heif, isobmff, jpeg, png, webp
from .limits import Extent
from .reader import ImageReader


@dataclass
class Inspection:
    """Information from the structure of a file that Pillow does not report.

    :param extents: Every size that a decoder might allocate memory for.
    :param lossless: Whether a WebP is lossless.
    :param exif: EXIF that comes after the image.
    :param chunks: The chunks of a PNG that define its colors.
    :param color_codes: Primaries, transfer, matrix, and range, as in ITU-T H.273.
    :param on_read: A function to call with each piece that is read while the image is decoded.
    """

    extents: list[Extent] = field(default_factory=list)
    lossless: bool = False
    exif: bytes = b''
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    color_codes: bytes = b''
    on_read: Callable[[int, bytes], None] | None = None
    structure: gif.Structure | None = None


def inspect(name: str, reader: ImageReader, content: bytes | None, max_frames: int) -> Inspection:
    """Inspect the structure of an image.

    :param name: The format of the image.
    :param content: The complete content, if the format requires it.
    :param max_frames: Counting frames stops at one more than this, for formats whose frames must be counted.
    :raises Broken: If the image is broken.
    """
    if name == 'JPEG':
        extents, one_scan = jpeg.header(reader)
        return Inspection(extents, on_read=None if one_scan else jpeg.ScanCounter().feed)
    if name == 'PNG':
        chunks, exif = png.metadata(reader)
        return Inspection(exif=exif, chunks=chunks, color_codes=chunks.get(b'cICP', b''))
    if name == 'GIF':
        structure = gif.structure(reader, max_frames)
        return Inspection([structure.extent], structure=structure)
    if name == 'WEBP' and content is not None:
        return Inspection(*webp.extents(content))
    if name in {'AVIF', 'HEIC'} and content is not None:
        boxes = isobmff.Structure(content)
        return Inspection(heif.decoded_extents(boxes), color_codes=heif.color_codes(boxes))
    return Inspection()
