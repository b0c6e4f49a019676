"""The blocks of a GIF (GIF89a specification): reads frames as browsers show them, and writes only what changed."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from PIL import Image, ImageChops
from PIL.GifImagePlugin import getdata, getheader

from .limits import Extent
from .reader import ImageReader

Box = tuple[int, int, int, int]

#: A pixel with less alpha becomes transparent, because a GIF has no partial transparency.
HALF = 128
_HEADER_BYTES = 13
_KEEP, _TO_BACKGROUND, _TO_PREVIOUS = 1, 2, 3
_PICTURE, _CONTROL, _APPLICATION, _TRAILER = b',', b'!\xf9', b'!\xff', b';'
_LOOPS = frozenset((b'NETSCAPE2.0', b'ANIMEXTS1.0'))


@dataclass(frozen=True)
class Frame:
    """One frame as stored.

    :param box: The part of the canvas that the frame draws on.
    :param palette: Three bytes for each color.
    :param transparent: The number of the transparent color.
    :param start: Where the compressed pixels begin; they end at *end*.
    """

    box: Box
    flags: int
    palette: bytes
    disposal: int
    duration_ms: int
    transparent: int | None
    start: int
    end: int


@dataclass
class Structure:
    """Everything except the pixels.

    :param plays: How many times the animation plays; 0 means forever.
    """

    extent: Extent
    plays: int = 1
    frames: list[Frame] = field(default_factory=list)


def structure(reader: ImageReader, max_frames: int) -> Structure:
    """The frames of a GIF, at most one more than *max_frames*, and the canvas that contains all of them."""
    # The metadata of a GIF is spread over the entire file.
    reader.in_header = False
    reader.seek(0)
    head = reader.read(_HEADER_BYTES)
    width, height, flags = struct.unpack('<HHB', head[6:11])
    shared = _palette(reader, flags)
    found = Structure(Extent(width, height, 0))
    control: tuple[int, int, int | None] = (0, 0, None)
    for kind, at, begin in _parts(reader):
        if kind == _CONTROL and len(begin) >= 4:
            control = _control(begin)
        elif _is_loop(kind, begin):
            loop = int.from_bytes(begin[12:14], 'little')
            found.plays = loop + 1 if loop else 0
        elif kind == _PICTURE:
            left, upper, across, down, flags = struct.unpack_from('<HHHHB', begin)
            width, height = max(width, left + across), max(height, upper + down)
            box, palette = (left, upper, left + across, upper + down), begin[9:] or shared
            found.frames.append(Frame(box, flags, palette, *control, at + 1 + len(begin), reader.tell()))
            control = (0, 0, None)
            if len(found.frames) > max_frames:
                break
    found.extent = Extent(width, height, len(found.frames))
    return found


def _parts(reader: ImageReader) -> Iterator[tuple[bytes, int, bytes]]:
    """The kind, position, and first bytes of each part after the header. The reader is then at the end of the part.

    The first bytes are the descriptor and palette of an image, and the first data of an extension.
    """
    while kind := reader.read(1):
        at = reader.tell() - 1
        if kind == b'!':
            yield kind + reader.read(1), at, _blocks(reader)
        elif kind == _PICTURE:
            descriptor = reader.read(9)
            if len(descriptor) < 9:
                return
            begin = descriptor + _palette(reader, descriptor[8])
            reader.read(1)
            _blocks(reader)
            yield kind, at, begin
        elif kind == _TRAILER:
            yield kind, at, b''
            return


def _palette(reader: ImageReader, flags: int) -> bytes:
    return reader.read(3 << (flags & 7) + 1) if flags & 0x80 else b''


def _blocks(reader: ImageReader) -> bytes:
    """The first bytes of a sequence of blocks, which is read to its end."""
    # Each block follows its length, and an empty block ends the sequence. A block is read with the length of the next.
    length, begin = reader.read(1), b''
    while length and (size := length[-1]):
        block = reader.read(size + 1)
        if len(begin) < 14:
            begin += block[:size]
        length = block[size:]
    return begin


def _is_loop(kind: bytes, begin: bytes) -> bool:
    return kind == _APPLICATION and begin[:11] in _LOOPS and begin[11:12] == b'\x01' and len(begin) >= 14


def _control(block: bytes) -> tuple[int, int, int | None]:
    disposal = block[0] >> 2 & 7
    # Some early encoders wrote 4 for 3.
    disposal = _TO_PREVIOUS if disposal == 4 else disposal
    return disposal, 10 * int.from_bytes(block[1:3], 'little'), block[3] if block[0] & 1 else None


def composed(reader: ImageReader, found: Structure) -> Iterator[tuple[Image.Image, int]]:
    """Each frame as browsers show it, in RGB or RGBA, with its duration in milliseconds; valid until the next frame.

    Pixels that no frame has drawn or that were disposed of are transparent, regardless of the background color.
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
    # A frame that is cut short in its last block can still have all pixels, if the block and the file are terminated.
    numbers = Image.frombytes('P', size, data[1:] + b'\0;', 'gif', (data[0], frame.flags >> 6 & 1))
    colors = [frame.palette[at : at + 3] + b'\xff' for at in range(0, len(frame.palette) - 2, 3)]
    if frame.transparent is not None and frame.transparent < len(colors):
        colors[frame.transparent] = bytes(4)
    numbers.putpalette(b''.join(colors).ljust(1024, b'\0'), 'RGBA')
    return numbers.convert('RGBA')


def encode(images: Sequence[Image.Image], durations_ms: Sequence[int], plays: int) -> bytes:
    """The content of a GIF with an animation or a single image. Each frame contains only what changed."""
    animated = len(images) > 1
    parts: list[bytes] = []
    shared: list[int] | None = None
    # Most GIFs are a single opaque image, which can be large, so it is not copied.
    canvas = shown = _binary(images[0]) if animated or images[0].mode != 'RGB' else images[0]
    for number, duration in enumerate(durations_ms):
        following = _binary(images[number + 1]) if number + 1 < len(images) else None
        vanishing = _vanishing(shown, following)
        if parts:
            changed = ImageChops.difference(canvas, shown).getbbox(alpha_only=False)
            box = _union(changed, vanishing) or (0, 0, 1, 1)
            part = shown.crop(box)
        else:
            # Programs disagree about what surrounds a first frame that is smaller than the canvas.
            box, part = (0, 0, *images[0].size), shown
        frame = _paletted(part, with_hole=vanishing is not None)
        palette = frame.getpalette()
        if not parts:
            shared = palette
            # Any duration makes it a GIF89a.
            loop = min(max(0, plays - 1), 65_535) if animated and plays != 1 else None
            parts += getheader(frame, info={'duration': 1, 'loop': loop})[0]
        parts += getdata(
            frame,
            box[:2],
            interlace=False,
            duration=min(duration, 655_350),
            disposal=(_TO_BACKGROUND if vanishing else _KEEP) if animated else 0,
            include_color_table=palette != shared,
            transparency=frame.info.get('transparency'),
        )
        canvas = shown
        if vanishing:
            canvas = shown.copy()
            canvas.paste((0, 0, 0, 0), box)
        shown = following or shown
    return b''.join([*parts, b';'])


def _binary(image: Image.Image) -> Image.Image:
    """*image* in RGBA, with each pixel either opaque or transparent, and all transparent pixels equal."""
    if image.mode not in {'LA', 'RGBA'}:
        return image.convert('RGBA')
    alpha = image.getchannel('A').point([0] * HALF + [255] * (256 - HALF))
    shown = Image.new('RGBA', image.size)
    shown.paste(image.convert('RGBA'), mask=alpha)
    shown.putalpha(alpha)
    return shown


def _vanishing(shown: Image.Image, following: Image.Image | None) -> Box | None:
    """The box around the pixels that are transparent in the following frame."""
    if following is None:
        return None
    return ImageChops.subtract(shown.getchannel('A'), following.getchannel('A')).getbbox()


def _union(one: Box | None, other: Box | None) -> Box | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _paletted(image: Image.Image, *, with_hole: bool) -> Image.Image:
    """A frame with a palette, and with the number of the transparent color in its info.

    :param with_hole: Whether to include a transparent color if the palette has room: without one, some programs fill
        disposed pixels with the background color.
    """
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
    """*image* with a palette of its own colors, reduced to at most *colors*."""
    found = image.getcolors(colors)
    paletted = image.quantize(len(found) if found else colors, Image.Quantize.MEDIANCUT)
    palette = (paletted.getpalette() or [])[: 3 * (len(found) if found else colors)]
    paletted.putpalette(palette)
    paletted.info = {}
    return paletted


def stripped(content: bytes, orientation: int) -> bytes | None:
    """The same image without comments and application extensions, except for the loop count."""
    reader = ImageReader(io.BytesIO(content), None)
    reader.in_header = False
    head = reader.read(_HEADER_BYTES)
    parts = [head, _palette(reader, head[10])]
    for kind, at, begin in _parts(reader):
        if kind in {_CONTROL, _PICTURE, _TRAILER}:
            parts.append(content[at : reader.tell()])
        elif _is_loop(kind, begin):
            parts.append(b'!\xff\x0b' + begin[:11] + b'\x03' + begin[11:14] + b'\0')
    return b''.join(parts)
