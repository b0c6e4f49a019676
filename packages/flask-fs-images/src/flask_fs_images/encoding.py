"""From pixels to a file with nothing but the picture in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from . import gif, png, webp
from .color import on_white
from .formats import FORMATS

_QUALITY = {'JPEG': 85, 'WEBP': 80, 'AVIF': 75}
#: The maximum size of the pixels, in bytes, for each level of zlib. Where little repeats exactly, as in a screened scan, these
#: take up to 1, 0.4 and 0.1 s of CPU time per MiB, and level 6 takes 0.06 s.
_PNG_LEVELS = ((1 << 20, 9), (2 << 20, 8), (12 << 20, 7))


@dataclass
class Frames:
    """All frames of one output, not premultiplied and of one size.

    :param durations: In milliseconds.
    :param plays: How often the animation plays; 0 is forever.
    """

    images: list[Image.Image]
    durations: list[int]
    plays: int = 0


@dataclass(frozen=True)
class Encoder:
    """Writes one output.

    :param keep: More settings for the encoder, to keep the quality of the input.
    """

    format: str
    quality: int | None = None
    effort: bool = False
    keep: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, frames: Frames, profile: bytes, chunks: dict[bytes, bytes] | None = None) -> io.BytesIO:
        """A file at its beginning.

        :param chunks: The chunks of a PNG that define its colors.
        """
        if self.format == 'GIF':
            # In hundredths of a second. A frame that was to be shown for some time keeps at least one of them.
            durations = [max(10, round(ms, -1)) if ms else 0 for ms in frames.durations]
            return io.BytesIO(gif.encode(frames.images, durations, frames.plays))
        images = [self._prepare(image) for image in self._in_one_mode(frames.images)]
        settings = self._settings(images)
        first, *others = images
        if others:
            settings |= {'save_all': True, 'append_images': others, 'loop': min(frames.plays, 65_535)}
            # In a PNG, a duration is a fraction of two 16-bit numbers.
            settings['duration'] = [min(ms, 65_535) for ms in frames.durations]
        if profile and not chunks:
            settings['icc_profile'] = profile
        file = io.BytesIO()
        first.save(file, self.format, **settings)
        if self.format == 'WEBP' and others and first.mode == 'RGBA':
            return io.BytesIO(webp.with_alpha(file.getvalue()))
        if chunks:
            return io.BytesIO(png.with_chunks(file.getvalue(), chunks))
        file.seek(0)
        return file

    def _settings(self, images: list[Image.Image]) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self.format in _QUALITY:
            settings['quality'] = self.quality or _QUALITY[self.format]
        if self.format == 'JPEG' and self.effort:
            settings |= {'optimize': True, 'progressive': True}
        elif self.format == 'PNG':
            # Level 6, the usual one, takes up to twice as long to save a thousandth.
            settings['compress_level'] = _png_level(images) if self.effort else 4
        elif self.format == 'WEBP':
            # Method 6 takes thirty times as long as 5 if there is transparency.
            settings['method'] = 5 if self.effort else 4
        elif self.format == 'AVIF':
            settings['speed'] = 6 if self.effort else 8
        return {**settings, **self.keep}

    def _in_one_mode(self, images: list[Image.Image]) -> list[Image.Image]:
        """*images* in one mode."""
        modes = {image.mode for image in images}
        mode = 'RGBA' if modes & {'LA', 'RGBA'} else 'RGB'
        return images if len(modes) == 1 else [image.convert(mode) for image in images]

    def _prepare(self, image: Image.Image) -> Image.Image:
        """*image* in a mode that the format supports, with no metadata for the encoder to write."""
        if not FORMATS[self.format].alpha:
            image = on_white(image)
        elif not FORMATS[self.format].gray and image.mode in {'L', 'LA'}:
            image = image.convert({'L': 'RGB', 'LA': 'RGBA'}[image.mode])
        if image.mode in {'P', '1', 'I;16'} and 'transparency' in image.info:
            image.info = {'transparency': image.info['transparency']}
        else:
            image.info = {}
        return image


def _png_level(images: list[Image.Image]) -> int:
    """The level of zlib at which compressing takes no more than about a second of CPU time."""
    size = sum(image.width * image.height * len(image.getbands()) for image in images)
    return next((level for max_bytes, level in _PNG_LEVELS if size <= max_bytes), 6)
