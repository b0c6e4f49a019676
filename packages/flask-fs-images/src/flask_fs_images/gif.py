"""The blocks of a GIF (GIF89a specification): frames in, as browsers show them, and frames out, cropped to what changed."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

from PIL import Image, ImageChops
from PIL.GifImagePlugin import GifImageFile

from .limits import Extent
from .reader import ImageReader

Box = tuple[int, int, int, int]

#: A pixel with less alpha is transparent in a GIF, which has nothing in between.
HALF = 128
_HEADER_BYTES = 13
_KEEP, _TO_BACKGROUND, _TO_PREVIOUS = 1, 2, 3
_LOOPS = frozenset((b'NETSCAPE2.0', b'ANIMEXTS1.0'))


@dataclass(frozen=True)
class Frame:
    """One frame as stored.

    :param box: The part of the canvas that it draws on.
    :param palette: Three bytes for each color.
    :param transparent: The number of the color that draws nothing.
    :param start: Where its compressed pixels begin, and *end*, where they end.
    """

    box: Box
    flags: int
    palette: bytes
    transparent: int | None
    disposal: int
    duration_ms: int
    start: int
    end: int


@dataclass
class Structure:
    """Everything but the pixels.

    :param plays: How often the animation plays; 0 is forever.
    """

    extent: Extent
    plays: int = 1
    frames: list[Frame] = field(default_factory=list)


def structure(reader: ImageReader, max_frames: int) -> Structure:
    """The frames of a GIF, up to one over *max_frames*, and the canvas that all of them fit on."""
    # Its metadata is spread over the whole file.
    reader.in_header = False
    reader.seek(0)
    head = reader.read(_HEADER_BYTES)
    width, height, flags = struct.unpack('<HHB', head[6:11])
    shared = _palette(reader, flags)
    found = Structure(Extent(width, height, 0))
    control: tuple[int, int, int | None] = (0, 0, None)
    while len(found.frames) <= max_frames and (kind := reader.read(1)) not in {b'', b';'}:
        if kind == b'!':
            label = reader.read(1)
            blocks = _blocks(reader)
            if label == b'\xf9' and len(blocks) >= 4:
                control = _control(blocks)
            elif label == b'\xff' and blocks[:11] in _LOOPS and blocks[11:12] == b'\x01' and len(blocks) >= 14:
                loop = int.from_bytes(blocks[12:14], 'little')
                found.plays = loop + 1 if loop else 0
        elif kind == b',':
            descriptor = reader.read(9)
            if len(descriptor) < 9:
                break
            left, upper, across, down, flags = struct.unpack('<HHHHB', descriptor)
            width, height = max(width, left + across), max(height, upper + down)
            palette = _palette(reader, flags) or shared
            start = reader.tell()
            reader.read(1)
            _blocks(reader)
            box = left, upper, left + across, upper + down
            disposal, duration, transparent = control
            found.frames.append(Frame(box, flags, palette, transparent, disposal, duration, start, reader.tell()))
            control = (0, 0, None)
    found.extent = Extent(width, height, len(found.frames))
    return found


def _palette(reader: ImageReader, flags: int) -> bytes:
    return reader.read(3 << (flags & 7) + 1) if flags & 0x80 else b''


def _blocks(reader: ImageReader) -> bytes:
    """The beginning of a sequence of blocks, which is read to its end."""
    # The length of each block comes before it, and an empty one ends them. A block is read with the length of the next.
    length, begin = reader.read(1), b''
    while length and (size := length[-1]):
        block = reader.read(size + 1)
        if len(begin) < 14:
            begin += block[:size]
        length = block[size:]
    return begin


def _control(block: bytes) -> tuple[int, int, int | None]:
    disposal = block[0] >> 2 & 7
    # Some early encoders wrote 4 for 3.
    disposal = _TO_PREVIOUS if disposal == 4 else disposal
    return disposal, 10 * int.from_bytes(block[1:3], 'little'), block[3] if block[0] & 1 else None


def composed(reader: ImageReader, found: Structure) -> Iterator[tuple[Image.Image, int]]:
    """Each frame as browsers show it, in RGB or RGBA, with its duration in milliseconds; only until the next one.

    What no frame has drawn on, or was disposed of, is transparent, whatever the background color.
    """
    canvas = Image.new('RGBA', found.extent[:2])
    for frame in found.frames:
        before = canvas.copy() if frame.disposal == _TO_PREVIOUS else None
        drawn = _drawn(reader, frame)
        if drawn is not None:
            canvas.paste(drawn, frame.box, drawn)
        opaque = cast('tuple[int, int]', canvas.getchannel('A').getextrema())[0] == 255
        yield canvas.convert('RGB') if opaque else canvas.copy(), frame.duration_ms
        if before is not None:
            canvas = before
        elif frame.disposal == _TO_BACKGROUND:
            canvas.paste((0, 0, 0, 0), frame.box)


def _drawn(reader: ImageReader, frame: Frame) -> Image.Image | None:
    left, upper, right, lower = frame.box
    size = right - left, lower - upper
    if not all(size):
        return None
    reader.seek(frame.start)
    data = reader.read(frame.end - frame.start)
    # A GIF of its own. Each color is its own index, so that Pillow's interpretation loses none.
    alone = b'GIF89a' + struct.pack('<HHBBB', *size, 0xF7, 0, 0) + bytes(b for n in range(256) for b in (n, 0, n))
    alone += b',' + struct.pack('<HHHHB', 0, 0, *size, frame.flags & 0x40) + data + b'\0;'
    with GifImageFile(cast('IO[bytes]', io.BytesIO(alone))) as image:
        numbers = Image.frombytes('P', size, image.tobytes())
    colors = [frame.palette[at : at + 3] + b'\xff' for at in range(0, len(frame.palette) - 2, 3)]
    if frame.transparent is not None and frame.transparent < len(colors):
        colors[frame.transparent] = bytes(4)
    numbers.putpalette(b''.join(colors).ljust(1024, b'\0'), 'RGBA')
    return numbers.convert('RGBA')


def encode(images: Sequence[Image.Image], durations_ms: Sequence[int], plays: int) -> bytes:
    """The file of an animation, or of one picture. Each frame holds no more than what changed."""
    size = images[0].size
    parts: list[bytes] = []
    shared = b''
    # Most are one opaque picture, which may be large: it is not copied.
    alone = len(images) == 1 and images[0].mode == 'RGB'
    canvas = shown = images[0] if alone else _binary(images[0])
    for number, duration in enumerate(durations_ms):
        following = _binary(images[number + 1]) if number + 1 < len(images) else None
        vanishing = _vanishing(shown, following)
        # Programs disagree about what surrounds a first frame smaller than the canvas.
        box = (_union(_changed(canvas, shown), vanishing) or (0, 0, 1, 1)) if parts else (0, 0, *size)
        palette, transparent, data = _compressed(shown.crop(box) if parts else shown, with_hole=vanishing is not None)
        if not parts:
            shared = palette
            depth = _depth(palette)
            parts.append(b'GIF89a' + struct.pack('<HHBBB', *size, 0xF0 | depth, 0, 0) + palette)
            if len(images) > 1 and plays != 1:
                parts.append(b'!\xff\x0bNETSCAPE2.0\x03\x01' + struct.pack('<HB', min(max(0, plays - 1), 65_535), 0))
        disposal = _TO_BACKGROUND if vanishing else _KEEP
        own = palette != shared
        parts += [
            _graphic_control(disposal if len(images) > 1 else 0, duration, transparent),
            b','
            + struct.pack('<HHHHB', *box[:2], box[2] - box[0], box[3] - box[1], 0x80 | _depth(palette) if own else 0),
            palette if own else b'',
            data,
        ]
        canvas = shown
        if vanishing:
            canvas = shown.copy()
            canvas.paste((0, 0, 0, 0), box)
        if following is not None:
            shown = following
    return b''.join([*parts, b';'])


def _graphic_control(disposal: int, duration_ms: int, transparent: int | None) -> bytes:
    hundredths = min(round(duration_ms / 10), 65_535)
    flags = disposal << 2 | (transparent is not None)
    return b'!\xf9\x04' + struct.pack('<BHBB', flags, hundredths, transparent or 0, 0)


def _binary(image: Image.Image) -> Image.Image:
    """*image* in RGBA, each pixel opaque or transparent, and all transparent ones equal."""
    if image.mode not in {'LA', 'RGBA'}:
        return image.convert('RGBA')
    alpha = image.getchannel('A').point([0] * HALF + [255] * (256 - HALF))
    shown = Image.new('RGBA', image.size)
    shown.paste(image.convert('RGBA'), mask=alpha)
    shown.putalpha(alpha)
    return shown


def _changed(before: Image.Image, after: Image.Image) -> Box | None:
    return ImageChops.difference(before, after).getbbox(alpha_only=False)


def _vanishing(shown: Image.Image, following: Image.Image | None) -> Box | None:
    """The box of the pixels that the following frame no longer has."""
    if following is None:
        return None
    return ImageChops.subtract(shown.getchannel('A'), following.getchannel('A')).getbbox()


def _union(one: Box | None, other: Box | None) -> Box | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _depth(palette: bytes) -> int:
    return max(0, (len(palette) // 3 - 1).bit_length() - 1)


def _compressed(image: Image.Image, *, with_hole: bool) -> tuple[bytes, int | None, bytes]:
    """The palette, the number of its transparent color, and the compressed pixels of a frame.

    :param with_hole: Whether to have a transparent color where there is room for one: some programs fill with the
        background color what is disposed of, unless the frame has one.
    """
    alone = _paletted(image, with_hole=with_hole)
    file = io.BytesIO()
    hole = {key: alone.info[key] for key in ('transparency',) if key in alone.info}
    alone.save(file, 'GIF', interlace=False, optimize=False, **hole)
    file.seek(0)
    reader = ImageReader(file, None)
    (frame,) = structure(reader, 1).frames
    reader.seek(frame.start)
    return frame.palette, frame.transparent, reader.read(frame.end - frame.start)


def _paletted(image: Image.Image, *, with_hole: bool) -> Image.Image:
    colors = image if image.mode == 'RGB' else image.convert('RGB')
    alpha = None if image.mode == 'RGB' else image.getchannel('A')
    opaque = alpha is None or cast('tuple[int, int]', alpha.getextrema())[0] == 255
    if alpha is None or (opaque and not (with_hole and colors.getcolors(255))):
        return _quantized(colors, 256)
    paletted = _quantized(colors, 255)
    count = len(paletted.getpalette() or []) // 3
    paletted.putpalette([*(paletted.getpalette() or []), 0, 0, 0])
    paletted.paste(count, mask=ImageChops.invert(alpha))
    paletted.info = {'transparency': count}
    return paletted


def _quantized(image: Image.Image, colors: int) -> Image.Image:
    """*image* with a palette of as many colors as it has, at most *colors*."""
    found = image.getcolors(colors)
    paletted = image.quantize(len(found) if found else colors, Image.Quantize.MEDIANCUT)
    palette = (paletted.getpalette() or [])[: 3 * (len(found) if found else colors)]
    paletted.putpalette(palette)
    paletted.info = {}
    return paletted


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same picture without comments and application extensions."""
    reader = ImageReader(io.BytesIO(content), None)
    reader.in_header = False
    head = reader.read(_HEADER_BYTES)
    parts = [head, _palette(reader, head[10])]
    while (kind := reader.read(1)) not in {b'', b';'}:
        start = reader.tell() - 1
        if kind == b'!':
            label = reader.read(1)
            blocks = _blocks(reader)
            if label == b'\xf9':
                parts.append(content[start : reader.tell()])
            elif label == b'\xff' and blocks[:11] in _LOOPS and len(blocks) >= 14:
                parts.append(b'!\xff\x0b' + blocks[:11] + b'\x03' + blocks[11:14] + b'\0')
        elif kind == b',':
            descriptor = reader.read(9)
            _palette(reader, descriptor[-1] if descriptor else 0)
            reader.read(1)
            _blocks(reader)
            parts.append(content[start : reader.tell()])
    # A file without the trailer is valid too, and must not grow.
    return b''.join([*parts, kind])
