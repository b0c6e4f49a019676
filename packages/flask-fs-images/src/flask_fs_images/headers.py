"""What the headers of some formats tell before Pillow reads them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .source import Source


class Extent(NamedTuple):
    """The canvas of a picture, and how many frames it has."""

    width: int
    height: int
    frames: int = 1


def gif(source: Source, most_frames: int) -> Extent:
    """The canvas that all frames of a GIF fit on, and how many there are; no more than one over *most_frames* is counted.

    Pillow makes its canvas larger when a frame hangs over, and finds the number of frames by walking through them.
    """
    source.seek(0)
    head = source.read(13)
    width, height, flags = struct.unpack('<HHB', head[6:11])
    _skip_palette(source, flags)
    frames = 0
    while frames <= most_frames and (kind := source.read(1)) not in {b'', b';'}:
        if kind == b'!':
            source.read(1)
            _skip_blocks(source)
        elif kind == b',':
            frame = source.read(9)
            if len(frame) < 9:
                break
            left, upper, across, down, flags = struct.unpack('<HHHHB', frame)
            width, height = max(width, left + across), max(height, upper + down)
            _skip_palette(source, flags)
            source.read(1)
            _skip_blocks(source)
            frames += 1
    return Extent(width, height, frames)


def _skip_palette(source: Source, flags: int) -> None:
    if flags & 0x80:
        source.seek(3 << (flags & 7) + 1, 1)


def _skip_blocks(source: Source) -> None:
    # Each block has its length before it, and an empty one ends them; it is read along with the length of the next.
    length = source.read(1)
    while length and (more := length[-1]):
        block = source.read(more + 1)
        length = block[more:]


def webp(head: bytes) -> tuple[Extent, bool]:
    """The canvas of a WebP, and whether its picture is lossless; Pillow's decoder makes room for it when it opens.

    :raises ValueError: If it is not there.
    """
    kind, content = head[12:16], head[20:30]
    if kind == b'VP8X' and len(content) == 10:
        # RFC 9649, 2.7: canvas width and height less one, in 24 bits each.
        across, down = int.from_bytes(content[4:7], 'little') + 1, int.from_bytes(content[7:10], 'little') + 1
        return Extent(across, down), b'VP8L' in head and b'VP8 ' not in head
    if kind == b'VP8L' and len(content) >= 5:
        bits = int.from_bytes(content[1:5], 'little')
        return Extent((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), True
    if kind == b'VP8 ' and len(content) == 10:
        across, down = struct.unpack('<HH', content[6:10])
        return Extent(across & 0x3FFF, down & 0x3FFF), False
    raise ValueError('no size in the header of a WebP')


def orientation(exif: bytes) -> int:
    """The orientation that EXIF tells, 1 to 8; 1 if it tells none or is broken.

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
