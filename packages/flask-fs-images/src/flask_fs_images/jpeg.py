"""The segments of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re

from .limits import Extent
from .orientation import to_exif
from .reader import Broken, ImageReader

#: The marker of a segment with a length, or of the end. In the data of a scan, FF is followed by 00 or a restart.
_MARKER = re.compile(rb'\xff[^\x00\x01\xd0-\xd8\xff]')
#: A progressive JPEG has about ten scans. Decoding a scan processes the entire image, however small the scan is.
MAX_SCANS = 100
_WINDOW_BYTES = 512
_END, _SCAN, _COMMENT, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
#: Start of frame, for each way of coding.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))


def header(reader: ImageReader) -> tuple[list[Extent], bool]:
    """The sizes in the segments before the first scan, and whether that scan is the only one.

    Each start of frame contains a size; a valid image has one. A complete scan of all components is the only scan.
    """
    extents: list[Extent] = []
    components, progressive, at = 0, False, 2
    while True:
        reader.seek(at)
        window = reader.read(_WINDOW_BYTES)
        if len(window) < 4:
            return extents, False
        found = _MARKER.search(window)
        if found is None or found.start():
            # An FF at the end might begin a marker.
            at += len(window) - 1 if found is None else found.start()
            continue
        marker = window[1]
        if marker in {_END, _SCAN}:
            return extents, marker == _SCAN and not progressive and window[4:5] == bytes((components,))
        if marker in _FRAMES and len(window) >= 10:
            extents.append(Extent(int.from_bytes(window[7:9], 'big'), int.from_bytes(window[5:7], 'big')))
            components, progressive = window[9], marker in _PROGRESSIVE
        at += 2 + int.from_bytes(window[2:4], 'big')


class ScanCounter:
    """Counts the scans of a JPEG while a decoder reads it from the start."""

    def __init__(self) -> None:
        self.scans = 0
        self._expected = 0
        #: Where to look for the next marker.
        self._next = 0
        self._rest = b''

    def feed(self, position: int, chunk: bytes) -> None:
        """Count the scans in the bytes read from *position*, unless they don't follow the previous ones.

        :raises Broken: If there are too many scans.
        """
        if position == 0:
            self.__init__()  # type: ignore[misc]  # a decoder starts over
        if position != self._expected:
            return
        start, data = position - len(self._rest), self._rest + chunk
        self._expected += len(chunk)
        while (found := _MARKER.search(data, max(0, self._next - start))) is not None:
            at = found.start()
            marker, self._next = data[at + 1], start + at
            if marker == _END:
                # Nothing follows it.
                self._expected = -1
                return
            if at + 4 > len(data):
                break
            self.scans += marker == _SCAN
            if self.scans > MAX_SCANS:
                raise Broken(f'it has more than {MAX_SCANS} scans')
            self._next += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
        else:
            # An FF at the end might begin a marker.
            self._next = max(self._next, self._expected - data.endswith(b'\xff'))
        self._rest = data[max(0, self._next - start) :]


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same image without metadata except its *orientation*, or None if its structure is broken."""
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
            # In the data of a scan, where it does not belong, the segment ends the scan.
            ends_scan = has_scan and _MARKER.match(content, at) is None
            parts.append(_kept(marker, content[start:at]) or (bytes((0xFF, marker, 0, 2)) if ends_scan else b''))
    # Decoders also accept an image without an end marker.
    return b''.join([*parts, content[kept:end], closing]) if has_scan else None


def _kept(marker: int, segment: bytes) -> bytes:
    """The part of an application segment that a decoder needs."""
    if marker == _APP0 and segment[4:9] == b'JFIF\0' and len(segment) >= 18:
        # Without its thumbnail.
        return segment[:2] + b'\0\x10' + segment[4:16] + b'\0\0'
    if (marker == _APP2 and segment[4:16] == b'ICC_PROFILE\0') or (marker == _APP14 and segment[4:9] == b'Adobe'):
        return segment
    return b''
