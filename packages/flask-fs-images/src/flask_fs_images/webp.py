"""The chunks of a WebP (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .limits import Extent
from .orientation import to_exif
from .reader import Broken

_HEADER_BYTES = 12
_FRAME_BYTES = 16
_ALPHA, _EXIF, _XMP = 0x10, 0x08, 0x04
_PICTURES = frozenset((b'ALPH', b'VP8 ', b'VP8L'))
_KEPT = _PICTURES | {b'ICCP', b'ANIM'}


def extents(content: bytes) -> tuple[list[Extent], bool]:
    """Every size that a decoder might allocate memory for, with the number of frames, and whether all are lossless.

    :raises Broken: If there is no size.
    """
    sizes: list[tuple[int, int]] = []
    kinds: set[bytes] = set()
    frames = 0
    for kind, start, end in _chunks(content, _HEADER_BYTES, _end(content)):
        parts = [(kind, start, end)]
        if kind == b'VP8X':
            # The width and height of the canvas, minus one, in 24 bits each.
            sizes.append(_pair(content, start + 4))
        elif kind == b'ANMF':
            frames += 1
            sizes.append(_pair(content, start + 6))
            parts = list(_chunks(content, start + _FRAME_BYTES, end))
        for part, at, _ in parts:
            if part in _PICTURES:
                kinds.add(part)
                sizes += _size(part, content[at : at + 10])
    if not sizes:
        raise Broken('its header has no size')
    return [Extent(*size, max(1, frames)) for size in sizes], b'VP8L' in kinds and b'VP8 ' not in kinds


def _end(content: bytes) -> int:
    return min(len(content), 8 + int.from_bytes(content[4:8], 'little'))


def _chunks(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk, and where its content begins and ends."""
    while at + 8 <= end:
        length = int.from_bytes(content[at + 4 : at + 8], 'little')
        yield content[at : at + 4], at + 8, min(end, at + 8 + length)
        at += 8 + length + length % 2


def _pair(content: bytes, at: int) -> tuple[int, int]:
    across, down = content[at : at + 3], content[at + 3 : at + 6]
    return int.from_bytes(across, 'little') + 1, int.from_bytes(down, 'little') + 1


def _size(kind: bytes, head: bytes) -> list[tuple[int, int]]:
    if kind == b'VP8L' and len(head) >= 5:
        bits = int.from_bytes(head[1:5], 'little')
        return [((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)]
    if kind == b'VP8 ' and len(head) == 10:
        across, down = struct.unpack('<HH', head[6:10])
        return [(across & 0x3FFF, down & 0x3FFF)]
    return []


def with_alpha(content: bytes) -> bytes:
    """*content*, an animation, with the flag for transparency set.

    Encoders do not set it if each frame is opaque, even if no frame covers the entire canvas. Browsers ignore it.
    """
    if content[12:16] != b'VP8X':
        return content
    return content[:20] + bytes((content[20] | _ALPHA,)) + content[21:]


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same image without metadata except its *orientation*."""
    parts = []
    for kind, start, end in _chunks(content, _HEADER_BYTES, _end(content)):
        body = content[start:end]
        if kind == b'VP8X':
            flags = body[0] & ~(_EXIF | _XMP)
            body = bytes((flags | _EXIF if orientation != 1 else flags,)) + body[1:]
        elif kind == b'ANMF':
            inner = _chunks(content, start + _FRAME_BYTES, end)
            kept = (_chunk(part, content[at:stop]) for part, at, stop in inner if part in _PICTURES)
            body = b''.join([body[:_FRAME_BYTES], *kept])
        elif kind not in _KEPT:
            continue
        parts.append(_chunk(kind, body))
    if orientation != 1:
        parts.append(_chunk(b'EXIF', to_exif(orientation)))
    body = b''.join(parts)
    return b'RIFF' + struct.pack('<L', 4 + len(body)) + b'WEBP' + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack('<L', len(body)) + body + bytes(len(body) % 2)
