"""How much a picture may demand before it is refused."""

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
    """How much a picture may demand before it is refused.

    :param pixels: The maximum number of pixels of one picture, checked in its header before anything is decoded.
    :param frames: The maximum number of frames of an animation.
    :param frame_pixels: The maximum number of pixels of all frames of an animation together.
    :param side_px: The maximum width and height of an output. A format may have a lower maximum: 16,383 for WebP.
    :param concurrency: How many pictures this process decodes at once; by default as many as it has processors. Others wait.
    :param timeout_s: How many seconds they wait before :exc:`~flask_fs.Unavailable` is raised.
    """

    pixels: int = 50_000_000
    frames: int = 1_000
    frame_pixels: int = 100_000_000
    side_px: int = 65_500
    concurrency: int | None = None
    timeout_s: float = 60


def excess(extent: Extent, limits: Limits) -> str | None:
    """Why a picture of that extent is refused; None if it is not."""
    width, height, frames = extent
    pixels, size = width * height, f'{width}x{height} pixels'
    if pixels < 1:
        return 'a picture without pixels'
    if frames < 1:
        return 'an animation without frames'
    if pixels > limits.pixels:
        return f'{size} are more than the {limits.pixels:,} pixels allowed'
    if frames > limits.frames:
        return f'the animation has more than the {limits.frames:,} frames allowed'
    if frames > 1 and pixels * frames > limits.frame_pixels:
        return f'{frames} frames of {size} are more than the {limits.frame_pixels:,} pixels allowed for all frames'
    return None
