"""The sizes and colors that decoders read from AVIF and HEIC files, and the removal of metadata."""

from __future__ import annotations

from collections.abc import Iterator

from .bits import Bits
from .bitstreams import av1_extents, hevc_extents, length_prefixed
from .isobmff import CODED, Box, Item, Structure
from .limits import Extent
from .reader import Broken

#: An encoder can round sizes up to complete blocks, which are cropped for display.
_BLOCK_PX = 64
#: How many frames may be decoded for each visible frame: reference frames and layers.
_MAX_HIDDEN = 4
#: Top-level boxes that decoders need.
_KEPT = frozenset((b'ftyp', b'meta', b'moov', b'mdat'))
_VIDEO_TRANSFERS, _SRGB_TRANSFER = frozenset((1, 6, 14, 15)), 13
#: Kinds of items that are composed of others: a grid of tiles, an overlay, or one transformed item.
_DERIVED = frozenset((b'grid', b'iovl', b'iden'))
_MAX_DEPTH = 8
#: Kinds of items that are not images.
_METADATA = frozenset((b'Exif', b'mime', b'uri '))


def decoded_extents(found: Structure) -> list[Extent]:
    """Every size that a decoder might allocate memory for, from boxes and from the coded images themselves.

    The sizes of a sequence include its number of frames.

    :raises Broken: If the file is broken, or if an image is larger than its boxes specify.
    """
    extents: list[Extent] = []
    if found.items or not found.tracks:
        _check_kinds(found, found.primary)
    for item in found.items.values():
        declared = _sizes(found, item)
        extents += declared
        if item.kind == b'grid':
            extents.append(_grid(item, found))
        elif item.kind == b'iovl':
            extents.append(_derived_size(found.joined(item.spans), 10))
        elif item.kind in CODED:
            extents += _coded(found, item.kind == b'av01', item.properties, [found.joined(item.spans)], declared)
    for track in found.tracks:
        extents += track.sizes
        is_av1 = any(box.kind == b'av1C' for box in track.configurations)
        samples = [found.content[span] for span in track.samples]
        extents += _coded(found, is_av1, track.configurations, samples, track.sizes)
    return extents


def _sizes(found: Structure, item: Item) -> list[Extent]:
    """The sizes of an item according to its properties."""
    boxes = [found.bits(box, 4) for box in item.properties if box.kind == b'ispe']
    return [Extent(bits.read(32), bits.read(32)) for bits in boxes]


def _coded(
    found: Structure, is_av1: bool, properties: list[Box], samples: list[bytes], declared: list[Extent]
) -> list[Extent]:
    """The sizes of the coded images of an item or track."""
    real: list[Extent] = []
    length_bytes = 4
    for box in properties:
        if box.kind == b'av1C':
            real += av1_extents([found.content[box.start + 4 : box.end]])
        elif box.kind == b'hvcC':
            length_bytes = found.bits(box, 21).read(8) % 4 + 1
            real += hevc_extents(_parameter_sets(found.bits(box, 22)))
    if is_av1:
        real += av1_extents(samples)
    else:
        for sample in samples:
            real += hevc_extents(length_prefixed(sample, length_bytes))
    if sum(one.frames for one in real) > _MAX_HIDDEN * (len(samples) + 1):
        raise Broken('it has many more coded frames than visible ones')
    for one in real:
        # Only for sequences: for a single frame with its own size, this is only an upper bound.
        if not one.frames and any(_is_larger(one, box) for box in declared):
            raise Broken('a coded image is larger than the size in its container')
    # A size that is only rounded up is also in its box, which is checked anyway.
    return [one._replace(frames=len(samples)) for one in set(real) if all(_is_larger(one, box) for box in declared)]


def _is_larger(one: Extent, other: Extent) -> bool:
    return one.width >= other.width + _BLOCK_PX or one.height >= other.height + _BLOCK_PX


def _parameter_sets(bits: Bits) -> Iterator[bytes]:
    # The arrays of an HEVCDecoderConfigurationRecord, each with the kind and number of its units.
    for _ in range(bits.read(8)):
        bits.read(8)
        for _ in range(bits.read(16)):
            yield bits.take(bits.read(16))


def _check_kinds(found: Structure, number: int, depth: int = 0) -> None:
    """Refuse an image if it, or an item that it is composed of, is of a kind whose size is not checked here."""
    item = found.items.get(number)
    if item is None or depth > _MAX_DEPTH or item.kind not in CODED | _DERIVED:
        raise Broken('its coding is not supported')
    if item.kind in _DERIVED:
        for part in set(item.parts):
            _check_kinds(found, part, depth + 1)


def _derived_size(head: bytes, at: int) -> Extent:
    """The size of an image that is composed of others: in 16-bit numbers, or 32-bit if the lowest flag is set."""
    wide = 32 if head[1:2] and head[1] & 1 else 16
    bits = Bits(head, at)
    return Extent(bits.read(wide), bits.read(wide))


def _grid(item: Item, found: Structure) -> Extent:
    """The size of an image made of tiles. The tiles can exceed it by less than one tile."""
    head = found.joined(item.spans)
    size = _derived_size(head, 4)
    rows, columns = head[2] + 1, head[3] + 1
    tiles = [found.items[number] for number in item.parts if number in found.items]
    if len(tiles) != rows * columns:
        raise Broken('a grid has missing or extra tiles')
    for tile in tiles:
        for across, down, _ in _sizes(found, tile):
            if (columns - 1) * across >= size.width or (rows - 1) * down >= size.height:
                raise Broken('the tiles of a grid are larger than the grid')
    return size


def color_codes(found: Structure) -> bytes:
    """Primaries, transfer, matrix, and range of the image, as in a PNG's ``cICP``; empty if it has none."""
    item = found.items.get(found.primary, Item())
    for box in item.properties:
        if box.kind == b'colr' and found.content[box.start : box.start + 4] == b'nclx':
            codes = found.bits(box, 4).take(7)
            # Browsers treat the transfer functions of video as sRGB here, but not in a PNG.
            transfer = _SRGB_TRANSFER if codes[3] in _VIDEO_TRANSFERS else codes[3]
            return bytes((codes[1], transfer, codes[5], codes[6] >> 7))
    return b''


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same image without metadata, or None if the metadata cannot be separated from the rest.

    Lengths and positions do not change, so no table has to change: metadata becomes zeros in boxes named ``free``.
    The orientation is a property of the image, and is kept.
    """
    found, made = Structure(content), bytearray(content)
    needed = [span for track in found.tracks for span in track.samples]
    unneeded = [*found.user, *(box for box in found.top if box.kind not in _KEPT)]
    for box in unneeded:
        made[box.at + 4 : box.at + 8] = b'free'
    for box in (*unneeded, *(box for box in found.top if box.kind == b'mdat')):
        made[box.start : box.end] = bytes(box.end - box.start)
    for item in found.items.values():
        if item.kind in _METADATA and item.kind_at is not None:
            made[item.kind_at] = b'skip'.ljust(item.kind_at.stop - item.kind_at.start, b'\0')
            for span in item.spans:
                made[span] = bytes(span.stop - span.start)
        else:
            needed += item.spans
    for span in needed:
        made[span] = content[span]
    # Decoders also look for data after the last complete box.
    return bytes(made[: max([found.top[-1].end, *(span.stop for span in needed)])])
