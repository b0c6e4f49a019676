"""The boxes of AVIF and HEIC files (ISO/IEC 14496-12 and 23008-12): items with properties, and tracks with samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .reader import Broken

#: Kinds of items that are coded pictures.
CODED = frozenset((b'av01', b'hvc1', b'hev1'))
_CONTAINERS = frozenset((b'moov', b'trak', b'mdia', b'minf', b'stbl', b'iprp'))
_MAX_BOXES = 20_000
_MAX_EXTENTS = 100_000
_MAX_SAMPLES = 100_000


class Box(NamedTuple):
    """A box: its header is at *at*, its content from *start* to *end*."""

    kind: bytes
    at: int
    start: int
    end: int


class Span(NamedTuple):
    """A part of the file."""

    start: int
    end: int


@dataclass
class Item:
    """A picture, a part of one, or metadata."""

    kind: bytes = b''
    spans: list[Span] = field(default_factory=list)
    properties: list[Box] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    #: The position of its kind, and of the name and type that follow.
    kind_at: Span | None = None


@dataclass
class Track:
    """A sequence of pictures."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    configurations: list[Box] = field(default_factory=list)
    samples: list[Span] = field(default_factory=list)


@dataclass
class Structure:
    """The content of the boxes.

    :param primary: The number of the item to show.
    :param top: The outermost boxes.
    :param user: Boxes of tracks and movies that hold metadata.
    """

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)
    top: list[Box] = field(default_factory=list)
    user: list[Box] = field(default_factory=list)

    def primary_property(self, kind: bytes) -> list[Box]:
        """The properties of that kind of the item to show."""
        item = self.items.get(self.primary)
        return [box for box in item.properties if box.kind == kind] if item else []


class _Reader:
    """Reads the numbers of a box, one after the other."""

    def __init__(self, content: bytes, start: int, end: int) -> None:
        self.content, self.at, self.end = content, start, end

    def read(self, count: int) -> int:
        if self.at + count > self.end:
            raise Broken('a box is cut short')
        self.at += count
        return int.from_bytes(self.content[self.at - count : self.at], 'big')

    def kind(self) -> bytes:
        return self.read(4).to_bytes(4, 'big')


def structure(content: bytes) -> Structure:
    """The structure of a file.

    :raises Broken: If it is broken, or has too many boxes, items or samples.
    """
    return _Parser(content).parsed()


class _Parser:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._found = Structure()
        self._boxes = self._extents = 0

    def parsed(self) -> Structure:
        # What follows the last box does not matter.
        with contextlib.suppress(Broken):
            self._found.top += self._in(0, len(self._content))
        for box in self._found.top:
            if box.kind == b'meta':
                self._meta(box)
            elif box.kind == b'moov':
                for inner in self._all_in(box):
                    if inner.kind == b'trak':
                        self._track(inner)
                    elif inner.kind in {b'udta', b'meta', b'uuid'}:
                        self._found.user.append(inner)
        return self._found

    def _in(self, at: int, end: int) -> Iterator[Box]:
        while at + 8 <= end:
            reader = _Reader(self._content, at, end)
            length, kind = reader.read(4), reader.kind()
            if length == 1:
                length = reader.read(8)
            elif length == 0:
                length = end - at
            self._boxes += 1
            if at + length < reader.at or at + length > end or self._boxes > _MAX_BOXES:
                raise Broken('a box has an impossible length, or there are too many')
            yield Box(kind, at, reader.at, at + length)
            at += length

    def _all_in(self, box: Box) -> Iterator[Box]:
        """The boxes in *box*, at any depth."""
        for inner in self._in(box.start, box.end):
            yield inner
            if inner.kind in _CONTAINERS:
                yield from self._all_in(inner)

    def _full(self, box: Box) -> tuple[int, int, _Reader]:
        reader = _Reader(self._content, box.start, box.end)
        return reader.read(1), reader.read(3), reader

    def _item(self, number: int) -> Item:
        return self._found.items.setdefault(number, Item())

    def _meta(self, meta: Box) -> None:
        boxes = list(self._in(meta.start + 4, meta.end))
        data = next((box for box in boxes if box.kind == b'idat'), None)
        for box in boxes:
            if box.kind == b'pitm':
                version, _, reader = self._full(box)
                self._found.primary = reader.read(4 if version else 2)
            elif box.kind == b'iinf':
                self._information(box)
            elif box.kind == b'iloc':
                self._locations(box, data)
            elif box.kind == b'iref':
                self._references(box)
            elif box.kind == b'iprp':
                self._properties(box)

    def _information(self, box: Box) -> None:
        version, _, reader = self._full(box)
        reader.read(4 if version else 2)
        for entry in self._in(reader.at, box.end):
            version, _, reader = self._full(entry)
            if entry.kind == b'infe' and version >= 2:
                item = self._item(reader.read(4 if version > 2 else 2))
                reader.read(2)
                item.kind = reader.kind()
                item.kind_at = Span(reader.at - 4, entry.end)

    def _locations(self, box: Box, data: Box | None) -> None:
        version, _, reader = self._full(box)
        sizes = reader.read(2)
        offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_bytes = sizes & 15 if version else 0
        wide = 4 if version > 1 else 2
        for _ in range(reader.read(wide)):
            item = self._item(reader.read(wide))
            method = reader.read(2) & 15 if version else 0
            reader.read(2)
            base = reader.read(base_bytes)
            for _ in range(reader.read(2)):
                self._extents += 1
                if self._extents > _MAX_EXTENTS:
                    raise Broken('the items are in too many pieces')
                reader.read(index_bytes)
                offset, length = base + reader.read(offset_bytes), reader.read(length_bytes)
                if method == 1 and data is not None:
                    item.spans.append(self._span(data.start + offset, length, data.end))
                elif method == 0:
                    item.spans.append(self._span(offset, length, len(self._content)))
                else:
                    raise Broken('an item is located in a way that decoders do not support')

    def _span(self, start: int, length: int, end: int) -> Span:
        # A length of 0 means the rest.
        stop = start + length if length else end
        if stop > end:
            raise Broken('an item is cut short')
        return Span(start, stop)

    def _references(self, box: Box) -> None:
        version, _, reader = self._full(box)
        wide = 4 if version else 2
        for entry in self._in(reader.at, box.end):
            reader = _Reader(self._content, entry.start, entry.end)
            item = self._item(reader.read(wide))
            targets = [reader.read(wide) for _ in range(reader.read(2))]
            if entry.kind == b'dimg':
                item.parts += targets

    def _properties(self, box: Box) -> None:
        shared: list[Box] = []
        for inner in self._in(box.start, box.end):
            if inner.kind == b'ipco':
                shared += self._in(inner.start, inner.end)
        for inner in self._in(box.start, box.end):
            if inner.kind != b'ipma':
                continue
            version, flags, reader = self._full(inner)
            for _ in range(reader.read(4)):
                item = self._item(reader.read(4 if version else 2))
                for _ in range(reader.read(1)):
                    number = reader.read(2) & 0x7FFF if flags & 1 else reader.read(1) & 0x7F
                    if 0 < number <= len(shared):
                        item.properties.append(shared[number - 1])

    def _track(self, box: Box) -> None:
        track = Track()
        tables: dict[bytes, Box] = {}
        for inner in self._all_in(box):
            tables.setdefault(inner.kind, inner)
            if inner.kind == b'stsd':
                self._descriptions(inner, track)
        if not {b'stsz', b'stsc'} <= tables.keys() or not {b'stco', b'co64'} & tables.keys() or not track.sizes:
            return
        self._samples(tables, track)
        self._found.tracks.append(track)

    def _descriptions(self, box: Box, track: Track) -> None:
        _, _, reader = self._full(box)
        reader.read(4)
        for entry in self._in(reader.at, box.end):
            if entry.kind in CODED and entry.end - entry.start >= 78:
                # VisualSampleEntry: its width and height follow 24 bytes, and boxes of its own 78.
                reader = _Reader(self._content, entry.start + 24, entry.end)
                track.sizes.append((reader.read(2), reader.read(2)))
                track.configurations += self._in(entry.start + 78, entry.end)

    def _samples(self, tables: dict[bytes, Box], track: Track) -> None:
        _, _, sizes = self._full(tables[b'stsz'])
        same, count = sizes.read(4), sizes.read(4)
        wide = 8 if b'co64' in tables else 4
        _, _, offsets = self._full(tables.get(b'co64') or tables[b'stco'])
        _, _, runs = self._full(tables[b'stsc'])
        chunks = offsets.read(4)
        firsts = [(runs.read(4), runs.read(4), runs.read(4))[:2] for _ in range(runs.read(4))]
        if max(count, chunks, len(firsts)) > _MAX_SAMPLES:
            raise Broken('a track of too many samples')
        run, left = 0, count
        for number in range(1, chunks + 1):
            at = offsets.read(wide)
            while run + 1 < len(firsts) and firsts[run + 1][0] <= number:
                run += 1
            for _ in range(min(left, firsts[run][1] if firsts else 0)):
                length = same or sizes.read(4)
                track.samples.append(Span(at, at + length))
                at += length
                left -= 1
        if any(span.end > len(self._content) for span in track.samples):
            raise Broken('a sample is cut short')
