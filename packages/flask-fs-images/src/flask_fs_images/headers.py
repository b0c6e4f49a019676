"""What the headers of several formats have in common."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Extent(NamedTuple):
    """The canvas of a picture, and how many frames it has."""

    width: int
    height: int
    frames: int = 1


class Broken(Exception):
    """A structure that no sound picture has. The message says which, after "the picture is broken"."""


def orientation(exif: bytes) -> int:
    """The orientation that EXIF gives, 1 to 8; 1 if it gives none or is broken.

    Only this one number is looked for, in the first directory (TIFF 6.0, section 2).
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


def orientation_only(number: int) -> bytes:
    """EXIF that gives this orientation and nothing else."""
    return struct.pack('>2sHLHHHLHHL', b'MM', 42, 8, 1, 0x0112, 3, 1, number, 0, 0)
