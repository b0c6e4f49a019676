"""Encoding pixels as a file without metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from . import gif, png, webp
from .color import on_white
from .formats import FORMATS, Format
from .spec import Spec

#: The default settings of encoders, and what effort changes. WebP's method 6 takes thirty times as long as method 5 for
#: images with transparency.
_SETTINGS: dict[str, dict[str, Any]] = {
    'JPEG': {'quality': 85},
    'PNG': {'compress_level': 4},
    'WEBP': {'quality': 80, 'method': 4},
    'AVIF': {'quality': 75, 'speed': 8},
}
_EFFORT: dict[str, dict[str, Any]] = {
    'JPEG': {'optimize': True, 'progressive': True},
    'WEBP': {'method': 5},
    'AVIF': {'speed': 6},
}
#: The maximum size of the pixels, in bytes, for each level of zlib. If little repeats exactly, as in a halftone scan,
#: these levels take up to 1, 0.4, and 0.1 s of CPU time per MiB, and level 6 takes 0.06 s.
_PNG_LEVELS = ((1 << 20, 9), (2 << 20, 8), (12 << 20, 7))


@dataclass
class Frames:
    """All frames of one output, not premultiplied and all of the same size.

    :param durations: The duration of each frame, in milliseconds.
    :param plays: How many times the animation plays; 0 means forever.
    """

    images: list[Image.Image]
    durations: list[int]
    plays: int = 0


def encode(
    name: str, spec: Spec, frames: Frames, profile: bytes, *, keep: dict[str, Any], chunks: dict[bytes, bytes] | None
) -> io.BytesIO:
    """A file in the format *name*, positioned at its start.

    :param keep: Additional encoder settings that keep the quality of the input.
    :param chunks: The chunks of a PNG that define its colors.
    """
    if name == 'GIF':
        # GIF stores hundredths of a second. A frame with a duration keeps at least one.
        durations = [max(10, round(ms, -1)) if ms else 0 for ms in frames.durations]
        return io.BytesIO(gif.encode(frames.images, durations, frames.plays))
    first, *others = images = [_prepared(image, FORMATS[name]) for image in _in_one_mode(frames.images)]
    settings = {**_SETTINGS.get(name, {}), **(_EFFORT.get(name, {}) if spec.effort else {})}
    if spec.quality is not None and 'quality' in settings:
        settings['quality'] = spec.quality
    if spec.effort and name == 'PNG':
        # The default level of 6 takes up to twice as long to save a thousandth.
        settings['compress_level'] = _png_level(images)
    settings |= keep
    if others:
        settings |= {'save_all': True, 'append_images': others, 'loop': min(frames.plays, 65_535)}
        # PNG stores a duration as a fraction of two 16-bit numbers.
        settings['duration'] = [min(ms, 65_535) for ms in frames.durations]
    if profile and not chunks:
        settings['icc_profile'] = profile
    file = io.BytesIO()
    first.save(file, name, **settings)
    if name == 'WEBP' and others and first.mode == 'RGBA':
        return io.BytesIO(webp.with_alpha(file.getvalue()))
    if chunks:
        return io.BytesIO(png.with_chunks(file.getvalue(), chunks))
    file.seek(0)
    return file


def _in_one_mode(images: list[Image.Image]) -> list[Image.Image]:
    """*images*, converted to the same mode."""
    modes = {image.mode for image in images}
    mode = 'RGBA' if modes & {'LA', 'RGBA'} else 'RGB'
    return images if len(modes) == 1 else [image.convert(mode) for image in images]


def _prepared(image: Image.Image, kind: Format) -> Image.Image:
    """*image* in a mode that the format supports, without metadata that the encoder would write."""
    if not kind.alpha:
        image = on_white(image)
    elif not kind.gray and image.mode in {'L', 'LA'}:
        image = image.convert({'L': 'RGB', 'LA': 'RGBA'}[image.mode])
    is_native = image.mode in {'P', '1', 'I;16'}
    image.info = {key: value for key, value in image.info.items() if is_native and key == 'transparency'}
    return image


def _png_level(images: list[Image.Image]) -> int:
    """The highest zlib level at which compression takes at most about a second of CPU time."""
    size = sum(image.width * image.height * len(image.getbands()) for image in images)
    return next((level for max_bytes, level in _PNG_LEVELS if size <= max_bytes), 6)
