"""From a file to pixels: what kind of picture it is, whether its header keeps to the limits, and its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from PIL.Image import Image
from PIL.ImageFile import ImageFile

from . import headers
from .formats import FORMATS, HEAD_BYTES, recognised
from .source import Source
from .spec import Limits, Size


@dataclass
class Picture:
    """A picture of which only the header was read.

    :param size: Its size as stored, before its orientation is applied.
    :param frames: How many frames it says to have.
    :param plays: How often its animation plays; 0 is forever.
    """

    source: Source
    image: ImageFile
    format: str
    size: Size
    frames: int
    orientation: int
    plays: int
    lossless: bool

    @property
    def shown_size(self) -> Size:
        """Its size after its orientation is applied."""
        width, height = self.size
        return (height, width) if self.orientation >= 5 else self.size

    def reduce(self, factor: int) -> None:
        """Let only every so many pixels be decoded, 2, 4 or 8; only JPEG can, all others stay as they are."""
        if factor > 1:
            width, height = self.size
            with self.source.blamed():
                self.image.draft(None, (max(1, width // factor), max(1, height // factor)))

    def decoded(self) -> Iterator[tuple[Image, int]]:
        """Each frame with its duration in milliseconds, whole, in the mode that Pillow gives; only until the next one.

        :raises InvalidContent: If the picture is broken.
        """
        # A PNG's picture for programs that know no animation is no frame of it.
        first = 1 if self.frames > 1 and getattr(self.image, 'default_image', False) else 0
        for number in range(first, self.frames):
            with self.source.blamed():
                try:
                    self.image.seek(number)
                except EOFError:
                    if number == first:
                        raise
                    return
                self.image.load()
                duration = round(float(self.image.info.get('duration') or 0))
            yield self.image, max(0, duration)


def open_picture(source: Source, limits: Limits) -> Picture | None:
    """The picture in *source*, or None for an SVG, which has no pixels.

    :raises InvalidContent: If it is no picture of a known kind, is broken, or is over the limits.
    """
    head = source.read(HEAD_BYTES)
    if not head:
        raise source.refusal('the file is empty, or stands at its end: seek(0) goes back to its beginning')
    kind = recognised(head)
    if kind == 'SVG':
        return None
    if kind is None:
        raise source.refusal(f'not a picture of a known kind: {", ".join((*FORMATS, "SVG"))}')
    opener = FORMATS[kind].open
    if opener is None:
        raise source.refusal(f'pictures of the kind {kind} are not supported by the Pillow that is installed here')
    extent, lossless = None, False
    with source.blamed():
        if kind == 'GIF':
            source.in_header = False
            extent = headers.gif(source, limits.frames)
            _check(source, extent, limits)
        elif kind == 'WEBP':
            extent, lossless = headers.webp(head)
            _check(source, extent, limits)
        source.seek(0)
        image = opener(cast('IO[bytes]', source), '')
        if kind != 'GIF':
            frames = getattr(image, 'n_frames', 1)
            extent = headers.Extent(*image.size, frames if FORMATS[kind].animated else 1)
        assert extent is not None
        _check(source, extent, limits)
        source.in_header = False
        source.counts_scans = kind == 'JPEG' and not _is_one_scan(source, image)
        exif = image.info.get('exif', b'')
        orientation = headers.orientation(exif if isinstance(exif, bytes) else b'')
        plays = _plays(kind, image.info)
    return Picture(source, image, kind, (extent.width, extent.height), extent.frames, orientation, plays, lossless)


def _check(source: Source, extent: headers.Extent, limits: Limits) -> None:
    pixels = extent.width * extent.height
    if pixels < 1:
        raise source.refusal('a picture without pixels')
    if extent.frames < 1:
        raise source.refusal('an animation without frames')
    size = f'{extent.width}x{extent.height} pixels'
    if pixels > limits.pixels:
        raise source.refusal(f'{size} are more than the {limits.pixels:,} pixels allowed')
    if extent.frames > limits.frames:
        raise source.refusal(f'the animation has more than the {limits.frames:,} frames allowed')
    if extent.frames > 1 and pixels * extent.frames > limits.frame_pixels:
        raise source.refusal(
            f'{extent.frames} frames of {size} are more than the {limits.frame_pixels:,} pixels allowed for all frames'
        )


def _plays(kind: str, info: dict[str | tuple[int, int], Any]) -> int:
    # A GIF tells how often to repeat, and plays once if it tells nothing; the others tell how often to play.
    loop = info.get('loop')
    if kind == 'GIF':
        return 1 if loop is None else 0 if loop == 0 else int(loop) + 1
    return int(loop or 0)


def _is_one_scan(source: Source, image: ImageFile) -> bool:
    """Whether a JPEG whose header was just read has all of its components in one scan, which is then its only one."""
    if 'progressive' in image.info:
        return False
    components = getattr(image, 'layers', 0)
    # ITU-T T.81, B.2.3: the marker, the length of what follows, the number of components; two bytes for each, and three.
    length = 6 + 2 * components
    source.seek(max(0, source.tell() - 2 - length))
    return source.read(5) == b'\xff\xda' + length.to_bytes(2, 'big') + bytes((components,))
