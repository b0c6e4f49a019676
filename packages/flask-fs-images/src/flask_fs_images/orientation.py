"""The EXIF orientation of an image, 1 to 8: reading, writing, and applying it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL.Image import Image, Transpose

from .spec import Placement, Size

_OPERATIONS = (
    None,
    Transpose.FLIP_LEFT_RIGHT,
    Transpose.ROTATE_180,
    Transpose.FLIP_TOP_BOTTOM,
    Transpose.TRANSPOSE,
    Transpose.ROTATE_270,
    Transpose.TRANSVERSE,
    Transpose.ROTATE_90,
)


def from_exif(exif: bytes) -> int:
    """The orientation in *exif*; 1 if there is none or it is broken.

    Only the first directory is searched (TIFF 6.0, section 2).
    """
    tiff = exif[6:] if exif.startswith(b'Exif\0\0') else exif
    order = {b'II': '<', b'MM': '>'}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f'{order}L', tiff, 4)
        (count,) = struct.unpack_from(f'{order}H', tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f'{order}HHL', tiff, entry)
            if tag == 0x0112:
                (value,) = struct.unpack_from(f'{order}H' if kind == 3 else f'{order}L', tiff, entry + 8)
                return value if values == 1 and kind in {3, 4} and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def to_exif(number: int) -> bytes:
    """EXIF that contains only this orientation."""
    return struct.pack('>2sHLHHHLHHL', b'MM', 42, 8, 1, 0x0112, 3, 1, number, 0, 0)


@dataclass(frozen=True)
class Orientation:
    """The difference between how an image is stored and how it is displayed.

    :param number: The number in EXIF.
    :param size: The size as displayed.
    """

    number: int
    size: Size

    @classmethod
    def of(cls, exif: bytes, stored: Size) -> Orientation:
        """The orientation in *exif* of an image whose stored size is *stored*."""
        number = from_exif(exif)
        return cls(number, (stored[1], stored[0]) if number >= 5 else stored)

    def stored(self, placement: Placement) -> Placement:
        """The same part of the image in stored pixels."""
        (left, upper, right, lower), size = placement
        width, height = self.size
        if self.number in {2, 3, 6, 7}:
            left, right = width - right, width - left
        if self.number in {3, 4, 7, 8}:
            upper, lower = height - lower, height - upper
        if self.number >= 5:
            return Placement((upper, left, lower, right), (size[1], size[0]))
        return Placement((left, upper, right, lower), size)

    def apply(self, image: Image) -> Image:
        """The stored *image* as it is displayed."""
        operation = _OPERATIONS[self.number - 1]
        return image if operation is None else image.transpose(operation)
