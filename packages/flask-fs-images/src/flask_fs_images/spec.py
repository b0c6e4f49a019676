"""The specification of an output: its size, its format, and the part of the image that it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from .formats import WRITTEN

Box = tuple[float, float, float, float]
Size = tuple[int, int]
Fit = Literal['contain', 'cover', 'crop']


class Placement(NamedTuple):
    """The part of an image that an output shows, and the size of the output."""

    box: Box
    size: Size


@dataclass(frozen=True)
class Spec:
    """One output image. It is never larger than the part of the image that it shows.

    :param size: The width and height in pixels, or one number for both; None keeps the size.
    :param fit: ``contain`` scales the image to fit within *size*. ``cover`` fills *size*, and crops two sides if
        necessary. ``crop`` cuts *size* out of the center without scaling. If the image is too small for ``cover``, the
        output is the largest part of it that has the aspect ratio of *size*.
    :param bbox: The part of the image to use: (left, upper, right, lower), in pixels of the image after its EXIF
        orientation is applied. It is clipped to the image.
    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, or ``BMP``; None keeps the input format, except
        that HEIC becomes JPEG. In JPEG and BMP, transparency becomes white, and only the first frame of an animation is
        used.
    :param quality: 1 to 100, for JPEG (default 85), WebP (80), and AVIF (75).
    :param effort: Whether to spend more time on a smaller file.
    :param srgb: Whether to convert colors to sRGB, instead of keeping the color profile if the format supports one.
    :raises ValueError: If a value is invalid.
    """

    size: int | Size | None = None
    fit: Fit = 'contain'
    bbox: Iterable[float] | None = None
    format: str | None = None
    quality: int | None = None
    effort: bool = False
    srgb: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, 'size', size_of(self.size))
        elif self.fit != 'contain':
            raise ValueError(f'fit={self.fit!r} needs a size')
        if self.fit not in get_args(Fit):
            raise ValueError(f'fit must be one of {", ".join(get_args(Fit))}, not {self.fit!r}')
        if self.bbox is not None:
            object.__setattr__(self, 'bbox', _bbox(self.bbox))
        if self.format is not None:
            object.__setattr__(self, 'format', _format(self.format))
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f'quality must be 1 to 100, not {self.quality}')

    def place(self, width: int, height: int) -> Placement:
        """The part that this output shows of an image of *width* by *height* pixels, and the size of the output.

        :raises ValueError: If the bbox is completely outside the image.
        """
        left, upper, right, lower = region = self._region(width, height)
        across, down = right - left, lower - upper
        if self.size is None:
            return _whole_pixels(region, across, down)
        wanted_across, wanted_down = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        if self.fit == 'contain':
            scale = min(wanted_across / across, wanted_down / down)
            if scale >= 1:
                return _whole_pixels(region, across, down)
            return Placement(region, (max(1, round(across * scale)), max(1, round(down * scale))))
        if self.fit == 'crop':
            return _whole_pixels(region, min(across, wanted_across), min(down, wanted_down))
        part_across = min(across, down * wanted_across / wanted_down)
        part_down = min(down, across * wanted_down / wanted_across)
        if part_across <= wanted_across:
            return _whole_pixels(region, part_across, part_down)
        left += (across - part_across) / 2
        upper += (down - part_down) / 2
        return Placement((left, upper, left + part_across, upper + part_down), (wanted_across, wanted_down))

    def _region(self, width: int, height: int) -> Box:
        if self.bbox is None:
            return 0, 0, width, height
        left, upper, right, lower = self.bbox
        box = max(0, left), max(0, upper), min(width, right), min(height, lower)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(f'bbox {self.bbox} is outside the image, which has {width}x{height} pixels')
        return box


def _whole_pixels(region: Box, across: float, down: float) -> Placement:
    # The center of the region, aligned to whole pixels, so that an image that is not scaled is not blurred.
    left, upper, right, lower = region
    size = max(1, round(across)), max(1, round(down))
    # A fraction of a pixel at the far border counts as a pixel inside the image.
    start = max(0, int(left + (right - left - size[0]) / 2)), max(0, int(upper + (lower - upper - size[1]) / 2))
    return Placement((*start, start[0] + size[0], start[1] + size[1]), size)


def size_of(given: int | Iterable[int]) -> Size:
    """*given* as (width, height).

    :raises ValueError: If it is not a valid size.
    """
    sides = (given, given) if isinstance(given, int) else tuple(given)
    if len(sides) != 2 or any(side != int(side) or side < 1 for side in sides):
        raise ValueError(f'size must be a whole number of pixels, 1 or more, or a pair of them, not {given!r}')
    return int(sides[0]), int(sides[1])


def _bbox(given: Iterable[float]) -> Box:
    box = tuple(float(number) for number in given)
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(f'bbox must be (left, upper, right, lower) with left < right and upper < lower, not {box}')
    return box


def _format(given: str) -> str:
    name = {'JPG': 'JPEG'}.get(given.upper(), given.upper())
    if name not in WRITTEN:
        raise ValueError(f'format must be one of {", ".join(WRITTEN)}, not {given!r}')
    if not WRITTEN[name].available:
        raise ValueError(
            f'the installed Pillow does not support format {name}: install a newer version (AVIF requires 11.3)'
        )
    return name
