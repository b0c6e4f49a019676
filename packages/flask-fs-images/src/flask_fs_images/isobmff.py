"""The boxes of AVIF and HEIC files (ISO/IEC 14496-12 and 23008-12): items with properties, tracks with samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .bits import Bits
from .limits import Extent
from .reader import Broken

#: Kinds of items that are coded images.
CODED = frozenset((b'av01', b'hvc1', b'hev1'))
_CONTAINERS = frozenset((b'moov', b'trak', b'mdia', b'minf', b'stbl', b'iprp'))
_MAX_BOXES = 20_000
_MAX_EXTENTS = 100_000
_MAX_SAMPLES = 100_000


class Box(NamedTuple):
    """A box, with its header at *at* and its content from *start* to *end*."""

    kind: bytes
    at: int
    start: int
    end: int


@dataclass
class Item:
    """An image, a part of an image, or metadata.

    :param spans: The parts of the file that hold the content of the item.
    :param kind_at: The part that holds its kind, and the name and type that follow.
    """

    kind: bytes = b''
    spans: list[slice] = field(default_factory=list)
    properties: list[Box] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    kind_at: slice | None = None


@dataclass
class Track:
    """A sequence of images."""

    sizes: list[Extent] = field(default_factory=list)
    configurations: list[Box] = field(default_factory=list)
    samples: list[slice] = field(default_factory=list)


class Structure:
    """The structure of a file.

    :ivar primary: The number of the item to show.
    :ivar top: The top-level boxes.
    :ivar user: Boxes of tracks and movies that hold metadata.
    :raises Broken: If the structure is broken, or has too many boxes, items, or samples.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.primary = self._boxes = self._extents = 0
        self.items: dict[int, Item] = {}
        self.tracks: list[Track] = []
        self.top: list[Box] = []
        self.user: list[Box] = []
        # Anything after the last box is ignored.
        with contextlib.suppress(Broken):
            self.top += self._in(0, len(content))
        for box in self.top:
            if box.kind == b'meta':
                self._read_meta(box)
            elif box.kind == b'moov':
                for inner in self._all_in(box):
                    if inner.kind == b'trak':
                        self._read_track(inner)
                    elif inner.kind in {b'udta', b'meta', b'uuid'}:
                        self.user.append(inner)

    def bits(self, box: Box, at: int = 0) -> Bits:
        """The content of *box*, starting at *at*."""
        return Bits(self.content, box.start + at, box.end)

    def joined(self, spans: list[slice]) -> bytes:
        """Parts of the file, joined."""
        return b''.join(self.content[span] for span in spans)

    def _in(self, at: int, end: int) -> Iterator[Box]:
        while at + 8 <= end:
            bits = Bits(self.content, at, end)
            length, kind = bits.read(32), bits.take(4)
            length = bits.read(64) if length == 1 else length or end - at
            self._boxes += 1
            if at + length < bits.at or at + length > end or self._boxes > _MAX_BOXES:
                raise Broken('a box has an impossible length, or there are too many boxes')
            yield Box(kind, at, bits.at, at + length)
            at += length

    def _all_in(self, box: Box) -> Iterator[Box]:
        """The boxes in *box*, at all depths."""
        for inner in self._in(box.start, box.end):
            yield inner
            if inner.kind in _CONTAINERS:
                yield from self._all_in(inner)

    def _full(self, box: Box) -> tuple[int, int, Bits]:
        """The version and flags of a full box, and the bits that follow."""
        bits = self.bits(box)
        return bits.read(8), bits.read(24), bits

    def _item(self, number: int) -> Item:
        return self.items.setdefault(number, Item())

    def _read_meta(self, meta: Box) -> None:
        boxes = list(self._in(meta.start + 4, meta.end))
        data = next((box for box in boxes if box.kind == b'idat'), None)
        for box in boxes:
            if box.kind == b'pitm':
                version, _, bits = self._full(box)
                self.primary = bits.read(32 if version else 16)
            elif box.kind == b'iinf':
                self._read_information(box)
            elif box.kind == b'iloc':
                self._read_locations(box, data)
            elif box.kind == b'iref':
                self._read_references(box)
            elif box.kind == b'iprp':
                self._read_properties(box)

    def _read_information(self, box: Box) -> None:
        version, _, bits = self._full(box)
        bits.read(32 if version else 16)
        for entry in self._in(bits.at, box.end):
            version, _, bits = self._full(entry)
            if entry.kind == b'infe' and version >= 2:
                item = self._item(bits.read(32 if version > 2 else 16))
                bits.read(16)
                item.kind_at = slice(bits.at, entry.end)
                item.kind = bits.take(4)

    def _read_locations(self, box: Box, data: Box | None) -> None:
        version, _, bits = self._full(box)
        offset_bits, length_bits, base_bits, index_bits = (8 * bits.read(4) for _ in range(4))
        number_bits = 32 if version > 1 else 16
        for _ in range(bits.read(number_bits)):
            item = self._item(bits.read(number_bits))
            method = bits.read(16) & 15 if version else 0
            bits.read(16)
            base = bits.read(base_bits)
            for _ in range(bits.read(16)):
                self._extents += 1
                if self._extents > _MAX_EXTENTS:
                    raise Broken('the items are split into too many pieces')
                bits.read(index_bits if version else 0)
                offset, length = base + bits.read(offset_bits), bits.read(length_bits)
                if method == 1 and data is not None:
                    start, end = data.start + offset, data.end
                elif method == 0:
                    start, end = offset, len(self.content)
                else:
                    raise Broken('the location of an item uses an unsupported method')
                # A length of 0 means everything up to the end.
                stop = start + length if length else end
                if stop > end:
                    raise Broken('an item is cut short')
                item.spans.append(slice(start, stop))

    def _read_references(self, box: Box) -> None:
        version, _, bits = self._full(box)
        number_bits = 32 if version else 16
        for entry in self._in(bits.at, box.end):
            bits = self.bits(entry)
            item = self._item(bits.read(number_bits))
            targets = [bits.read(number_bits) for _ in range(bits.read(16))]
            if entry.kind == b'dimg':
                item.parts += targets

    def _read_properties(self, box: Box) -> None:
        boxes = list(self._in(box.start, box.end))
        shared = [one for inner in boxes if inner.kind == b'ipco' for one in self._in(inner.start, inner.end)]
        for inner in boxes:
            if inner.kind != b'ipma':
                continue
            version, flags, bits = self._full(inner)
            for _ in range(bits.read(32)):
                item = self._item(bits.read(32 if version else 16))
                for _ in range(bits.read(8)):
                    # The first bit is whether the property is essential.
                    bits.read(1)
                    number = bits.read(15 if flags & 1 else 7)
                    if 0 < number <= len(shared):
                        item.properties.append(shared[number - 1])

    def _read_track(self, box: Box) -> None:
        track = Track()
        tables: dict[bytes, Box] = {}
        for inner in self._all_in(box):
            tables.setdefault(inner.kind, inner)
            if inner.kind == b'stsd':
                self._read_descriptions(inner, track)
        offsets = tables.get(b'co64') or tables.get(b'stco')
        if not {b'stsz', b'stsc'} <= tables.keys() or offsets is None or not track.sizes:
            return
        self._read_samples(tables[b'stsz'], tables[b'stsc'], offsets, track)
        track.sizes = [size._replace(frames=len(track.samples)) for size in track.sizes]
        self.tracks.append(track)

    def _read_descriptions(self, box: Box, track: Track) -> None:
        _, _, bits = self._full(box)
        bits.read(32)
        for entry in self._in(bits.at, box.end):
            if entry.kind in CODED and entry.end - entry.start >= 78:
                # VisualSampleEntry: its width and height are at byte 24, and its own boxes at byte 78.
                bits = self.bits(entry, 24)
                track.sizes.append(Extent(bits.read(16), bits.read(16)))
                track.configurations += self._in(entry.start + 78, entry.end)

    def _read_samples(self, stsz: Box, stsc: Box, stco: Box, track: Track) -> None:
        _, _, sizes = self._full(stsz)
        same, count = sizes.read(32), sizes.read(32)
        _, _, offsets = self._full(stco)
        _, _, runs = self._full(stsc)
        chunks = offsets.read(32)
        firsts = [(runs.read(32), runs.read(32), runs.read(32))[:2] for _ in range(runs.read(32))]
        if max(count, chunks, len(firsts)) > _MAX_SAMPLES:
            raise Broken('a track has too many samples')
        run, left = 0, count
        for number in range(1, chunks + 1):
            at = offsets.read(64 if stco.kind == b'co64' else 32)
            while run + 1 < len(firsts) and firsts[run + 1][0] <= number:
                run += 1
            for _ in range(min(left, firsts[run][1] if firsts else 0)):
                length = same or sizes.read(32)
                track.samples.append(slice(at, at + length))
                at += length
                left -= 1
        if any(span.stop > len(self.content) for span in track.samples):
            raise Broken('a sample is cut short')
