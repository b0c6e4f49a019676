"""Limits on the size of images, to protect against decompression bombs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Extent(NamedTuple):
    """The size of a canvas in pixels, and its number of frames."""

    width: int
    height: int
    frames: int = 1


@dataclass(frozen=True)
class Limits:
    """Limits on the size of images, and on how many are decoded at the same time. Larger images are refused.

    :param pixels: The maximum number of pixels in an image, checked in its header before anything is decoded.
    :param frames: The maximum number of frames in an animation.
    :param frame_pixels: The maximum total number of pixels in all frames of an animation.
    :param side_px: The maximum width and height of an output. Formats can have lower limits, such as 16,383 for WebP.
    :param concurrency: How many images this process decodes at the same time; by default one per processor.
    :param timeout_s: How many seconds other images wait before :exc:`~flask_fs.Unavailable` is raised.
    """

    pixels: int = 50_000_000
    frames: int = 1_000
    frame_pixels: int = 100_000_000
    side_px: int = 65_500
    concurrency: int | None = None
    timeout_s: float = 60


def excess(extent: Extent, limits: Limits) -> str | None:
    """The reason to refuse an image of that extent; None if it is within the limits."""
    width, height, frames = extent
    pixels, size = width * height, f'{width}x{height} pixels'
    if pixels < 1:
        return 'the image has no pixels'
    if frames < 1:
        return 'the animation has no frames'
    if pixels > limits.pixels:
        return f'{size} exceed the limit of {limits.pixels:,} pixels'
    if frames > limits.frames:
        return f'the animation exceeds the limit of {limits.frames:,} frames'
    if frames > 1 and pixels * frames > limits.frame_pixels:
        return f'{frames} frames of {size} exceed the limit of {limits.frame_pixels:,} pixels in all frames'
    return None
