"""The chunks of a PNG (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib

from .orientation import to_exif
from .reader import ImageReader

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
#: The signature and IHDR, which is first and has 13 bytes.
_HEADER_BYTES = 33
#: The chunks that define how to display the samples, in order of precedence (4.3), and their lengths.
_COLORS = {b'cICP': 4, b'iCCP': None, b'sRGB': 1, b'gAMA': 4, b'cHRM': 32}
_KEPT = frozenset(b'IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT cICP mDCV cLLI acTL fcTL fdAT'.split())
_MAX_EXIF_BYTES = 64 * 1024


def metadata(reader: ImageReader) -> tuple[dict[bytes, bytes], bytes]:
    """The color chunks and EXIF, without reading the pixels.

    :return: The content of the effective color chunks, either ``cICP`` or ``gAMA`` and ``cHRM``; and the content of
        ``eXIf``, which can come after the image.
    """
    colors: dict[bytes, bytes] = {}
    exif = b''
    at, before_picture = len(_SIGNATURE), True
    while True:
        reader.seek(at)
        head = reader.read(8)
        if len(head) < 8 or head[4:] == b'IEND':
            return _effective(colors), exif
        length, kind = int.from_bytes(head[:4], 'big'), head[4:]
        if kind == b'IDAT':
            before_picture = False
        elif kind == b'eXIf' and not exif and length <= _MAX_EXIF_BYTES:
            exif = reader.read(length)
        elif kind in _COLORS and before_picture and kind not in colors and _COLORS[kind] in {None, length}:
            colors[kind] = b'' if _COLORS[kind] is None else reader.read(length)
        at += 12 + length


def _effective(colors: dict[bytes, bytes]) -> dict[bytes, bytes]:
    if b'cICP' in colors:
        return {b'cICP': colors[b'cICP']}
    if b'iCCP' in colors or b'sRGB' in colors or not any(colors.get(b'gAMA', b'')):
        return {}
    # Without gAMA, browsers ignore cHRM.
    return {kind: colors[kind] for kind in (b'gAMA', b'cHRM') if kind in colors}


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack('>L', len(content)) + kind + content + struct.pack('>L', zlib.crc32(kind + content))


def with_chunks(content: bytes, chunks: dict[bytes, bytes]) -> bytes:
    """*content* with *chunks* before its image."""
    added = b''.join(chunk(kind, body) for kind, body in chunks.items())
    return content[:_HEADER_BYTES] + added + content[_HEADER_BYTES:] if added else content


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same image without metadata except its *orientation*."""
    parts = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 8 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], 'big')
        kind = content[at + 4 : at + 8]
        if kind in _KEPT:
            parts.append(content[at:end])
        if kind == b'IHDR' and orientation != 1:
            parts.append(chunk(b'eXIf', to_exif(orientation)))
        if kind == b'IEND':
            break
        at = end
    return b''.join(parts)
