"""The chunks of a PNG (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from .headers import orientation_only
from .source import Source

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
#: The signature and IHDR, which comes first and has 13 bytes.
_HEADER_BYTES = 33
#: What says how to show the samples, in the order in which one goes before the next (4.3).
_COLOURS = {b'cICP': 4, b'iCCP': None, b'sRGB': 1, b'gAMA': 4, b'cHRM': 32}
_KEPT = frozenset(b'IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT cICP mDCV cLLI acTL fcTL fdAT'.split())
_MAX_EXIF_BYTES = 64 * 1024


@dataclass
class Facts:
    """What the chunks of a PNG say besides its pixels.

    :param colours: The content of the chunks about colours that count: ``cICP``, or ``gAMA`` and ``cHRM``.
    :param exif: That of ``eXIf``, which may come after the picture.
    """

    colours: dict[bytes, bytes] = field(default_factory=dict)
    exif: bytes = b''


def facts(source: Source) -> Facts:
    """What the chunks say, without reading the picture itself."""
    colours: dict[bytes, bytes] = {}
    exif = b''
    at, before_picture = len(_SIGNATURE), True
    while True:
        source.seek(at)
        head = source.read(8)
        if len(head) < 8 or head[4:] == b'IEND':
            break
        length, kind = int.from_bytes(head[:4], 'big'), head[4:]
        if kind == b'IDAT':
            before_picture = False
        elif kind == b'eXIf' and not exif and length <= _MAX_EXIF_BYTES:
            exif = source.read(length)
        elif kind in _COLOURS and before_picture and kind not in colours and _COLOURS[kind] in {None, length}:
            colours[kind] = b'' if _COLOURS[kind] is None else source.read(length)
        at += 12 + length
    return Facts(_counting(colours), exif)


def _counting(colours: dict[bytes, bytes]) -> dict[bytes, bytes]:
    if b'cICP' in colours:
        return {b'cICP': colours[b'cICP']}
    if b'iCCP' in colours or b'sRGB' in colours or not any(colours.get(b'gAMA', b'')):
        return {}
    # Without gAMA, browsers do not look at cHRM.
    return {kind: colours[kind] for kind in (b'gAMA', b'cHRM') if kind in colours}


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack('>L', len(content)) + kind + content + struct.pack('>L', zlib.crc32(kind + content))


def with_chunks(content: bytes, chunks: dict[bytes, bytes]) -> bytes:
    """*content* with *chunks* before its picture."""
    added = b''.join(chunk(kind, body) for kind, body in chunks.items())
    return content[:_HEADER_BYTES] + added + content[_HEADER_BYTES:] if added else content


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same picture without metadata but its *orientation*."""
    parts = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 8 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], 'big')
        kind = content[at + 4 : at + 8]
        if kind in _KEPT:
            parts.append(content[at:end])
        if kind == b'IHDR' and orientation != 1:
            parts.append(chunk(b'eXIf', orientation_only(orientation)))
        if kind == b'IEND':
            break
        at = end
    return b''.join(parts)
