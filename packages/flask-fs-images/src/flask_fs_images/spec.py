"""What an output looks like: its size, the part of the picture that it shows, its format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from .formats import WRITTEN

Box = tuple[float, float, float, float]
Size = tuple[int, int]
Fit = Literal['contain', 'cover', 'crop']


class Placement(NamedTuple):
    """Which part of a picture becomes an output of which size."""

    box: Box
    size: Size


@dataclass(frozen=True)
class Spec:
    """One output picture. No output is ever larger than the part of the picture that it shows.

    :param size: The width and height in pixels, or one number for both; None keeps the size.
    :param fit: ``contain`` shows all of the picture within *size*. ``cover`` fills *size* and cuts off what exceeds it on
        two sides. ``crop`` cuts *size* out of the middle without scaling. A picture too small for ``cover`` gives the
        largest part of itself in the proportions of *size*.
    :param bbox: The part of the picture to use, (left, upper, right, lower) in pixels of the picture as it is shown, that
        is after its EXIF orientation is applied. What lies outside of the picture is cut off.
    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF`` or ``BMP``; None keeps that of the input, except that HEIC
        becomes JPEG. JPEG and BMP have no transparency: it becomes white. They have no animation either: the first frame
        is used.
    :param quality: 1 to 100 for JPEG (default 85), WebP (80) and AVIF (75).
    :param effort: Whether to spend time on a smaller file.
    :param srgb: Whether to convert colors to sRGB, instead of keeping the color profile where the format supports one.
    :raises ValueError: If a value is impossible.
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
        """Where this output comes from in a picture of *width* by *height* pixels, and how large it becomes.

        :raises ValueError: If the bbox lies wholly outside.
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
            raise ValueError(f'bbox {self.bbox} lies outside of the picture, which has {width}x{height} pixels')
        return box


def _whole_pixels(region: Box, across: float, down: float) -> Placement:
    # The middle of the region, aligned to whole pixels: what is not scaled is not blurred either.
    left, upper, right, lower = region
    size = max(1, round(across)), max(1, round(down))
    # Less than a pixel at the far border is still a pixel inside of it.
    start = max(0, int(left + (right - left - size[0]) / 2)), max(0, int(upper + (lower - upper - size[1]) / 2))
    return Placement((*start, start[0] + size[0], start[1] + size[1]), size)


def size_of(given: int | Iterable[int]) -> Size:
    """*given* as (width, height).

    :raises ValueError: If it is not a valid size.
    """
    sides = (given, given) if isinstance(given, int) else tuple(given)
    if len(sides) != 2 or any(side != int(side) or side < 1 for side in sides):
        raise ValueError(f'size must be a whole number of pixels, 1 or more, or two of them, not {given!r}')
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
            f'format {name} is not supported by the installed Pillow: install a newer one (AVIF needs 11.3)'
        )
    return name
