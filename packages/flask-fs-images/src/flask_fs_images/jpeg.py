"""The segments of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from typing import NamedTuple

from .limits import Extent
from .orientation import to_exif
from .reader import ImageReader

#: The marker of a segment with a length, or of the end. Within a scan's data, FF is followed by 00 or a restart.
_MARKER = re.compile(rb'\xff[^\x00\x01\xd0-\xd8\xff]')
#: A progressive JPEG has about ten scans. Each goes over the whole picture, however few bytes it takes.
MAX_SCANS = 100
_WINDOW_BYTES = 512
_END, _SCAN, _COMMENT, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
#: Start of frame, for each way of coding.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))


class Header(NamedTuple):
    """What comes before the first scan.

    :param extents: The size in each start of frame; a valid picture has one.
    :param one_scan: Whether the first scan has all components, completely, so that it is the only one.
    """

    extents: list[Extent]
    one_scan: bool


def header(reader: ImageReader) -> Header:
    """What the segments up to the first scan say."""
    extents: list[Extent] = []
    components, progressive, at = 0, False, 2
    while True:
        reader.seek(at)
        window = reader.read(_WINDOW_BYTES)
        if len(window) < 4:
            return Header(extents, one_scan=False)
        found = _MARKER.search(window)
        if found is None or found.start():
            # An FF at the end may begin a marker.
            at += len(window) - 1 if found is None else found.start()
            continue
        marker = window[1]
        if marker in {_END, _SCAN}:
            return Header(extents, marker == _SCAN and not progressive and window[4:5] == bytes((components,)))
        if marker in _FRAMES and len(window) >= 10:
            extents.append(Extent(int.from_bytes(window[7:9], 'big'), int.from_bytes(window[5:7], 'big')))
            components, progressive = window[9], marker in _PROGRESSIVE
        at += 2 + int.from_bytes(window[2:4], 'big')


class ScanCounter:
    """Counts the scans of a JPEG while a decoder reads it from its beginning on."""

    def __init__(self) -> None:
        self.scans = 0
        self._expected = 0
        self._skip = 0
        self._rest = b''
        self._ended = False

    def feed(self, position: int, chunk: bytes) -> None:
        """Count in the bytes that were read from *position*, unless they do not follow the previous ones."""
        if position == 0:
            self.__init__()  # type: ignore[misc]  # a decoder starts over
        if position != self._expected or self._ended:
            return
        self._expected += len(chunk)
        data, at = self._rest + chunk, self._skip
        self._rest = b''
        while (found := _MARKER.search(data, at)) is not None:
            at = found.start()
            marker = data[at + 1]
            if marker == _END:
                self._ended = True
                return
            if at + 4 > len(data):
                self._rest, self._skip = data[at:], 0
                return
            self.scans += marker == _SCAN
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
        self._skip = max(0, at - len(data))
        if not self._skip and data.endswith(b'\xff'):
            self._rest = b'\xff'


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same picture with no metadata but its *orientation*, or None if its structure is broken."""
    parts = [b'\xff\xd8']
    if orientation != 1:
        exif = b'Exif\0\0' + to_exif(orientation)
        parts.append(b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif)
    at = kept = 2
    end, has_scan, closing = len(content), False, b''
    while (found := _MARKER.search(content, at)) is not None:
        start, marker = found.start(), content[found.start() + 1]
        if marker == _END:
            end = start + 2
            break
        if not has_scan:
            # Decoders skip bytes between segments.
            parts.append(content[kept:at])
            kept = start
        at = start + 2 + int.from_bytes(content[start + 2 : start + 4], 'big')
        if at > len(content):
            # A decoder stops here.
            end, closing = start, b'\xff\xd9'
            break
        has_scan = has_scan or marker == _SCAN
        if marker == _COMMENT or _APP0 <= marker <= _APP15:
            parts.append(content[kept:start])
            kept = at
            # Within the data of a scan, which is broken then, it ends the scan.
            ends_scan = has_scan and _MARKER.match(content, at) is None
            parts.append(_kept(marker, content[start:at]) or (bytes((0xFF, marker, 0, 2)) if ends_scan else b''))
    # Decoders accept a picture without an end too.
    return b''.join([*parts, content[kept:end], closing]) if has_scan else None


def _kept(marker: int, segment: bytes) -> bytes:
    """What a decoder needs of an application segment."""
    if marker == _APP0 and segment[4:9] == b'JFIF\0' and len(segment) >= 18:
        # Without its thumbnail.
        return segment[:2] + b'\0\x10' + segment[4:16] + b'\0\0'
    if (marker == _APP2 and segment[4:16] == b'ICC_PROFILE\0') or (marker == _APP14 and segment[4:9] == b'Adobe'):
        return segment
    return b''
