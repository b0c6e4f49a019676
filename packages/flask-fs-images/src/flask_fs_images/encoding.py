"""From pixels to a file, without anything but the picture in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from PIL import Image

from .colour import on_white
from .formats import FORMATS

_QUALITY = {'JPEG': 85, 'WEBP': 80, 'AVIF': 75}
#: What lies below is transparent in a GIF, which knows nothing between.
_HALF = 128


@dataclass
class Frames:
    """What is encoded: all frames of one output, straight and of one size.

    :param durations: In milliseconds.
    :param plays: How often the animation plays; 0 is forever.
    """

    images: list[Image.Image]
    durations: list[int]
    plays: int = 0


@dataclass(frozen=True)
class Encoder:
    """How to write one output.

    :param keep: More settings for the encoder, which keep the quality of the input.
    """

    format: str
    quality: int | None = None
    effort: bool = False
    keep: Sequence[tuple[str, Any]] = ()

    def encoded(self, frames: Frames, profile: bytes) -> io.BytesIO:
        """A file at its beginning."""
        settings = self._settings()
        first, *others = (self._fitting(image) for image in self._alike(frames.images))
        if others:
            settings |= self._animation(frames) | {'save_all': True, 'append_images': others}
        if self.format == 'GIF' and 'transparency' in first.info:
            # Frames with holes replace what is under them; those without are stored as what changed.
            settings |= {'transparency': first.info['transparency'], 'disposal': 2}
        if profile:
            settings['icc_profile'] = profile
        file = io.BytesIO()
        first.save(file, self.format, **settings)
        file.seek(0)
        return file

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self.format in _QUALITY:
            settings['quality'] = self.quality or _QUALITY[self.format]
        if self.format == 'JPEG' and self.effort:
            settings |= {'optimize': True, 'progressive': True}
        elif self.format == 'PNG':
            # Level 6, the usual one, takes up to twice the time for files that differ by a thousandth.
            settings |= {'optimize': True} if self.effort else {'compress_level': 4}
        elif self.format == 'WEBP':
            # Method 6 takes thirty times as long as 5 for pictures with transparency.
            settings['method'] = 5 if self.effort else 4
        elif self.format == 'AVIF':
            settings['speed'] = 6 if self.effort else 8
        elif self.format == 'GIF':
            settings |= {'interlace': False}
        return settings | dict(self.keep)

    def _animation(self, frames: Frames) -> dict[str, Any]:
        if self.format == 'GIF':
            # In hundredths of a second; none of them is shown for no time that was to be shown for some.
            durations = [max(10, round(ms, -1)) if ms else 0 for ms in frames.durations]
            return {'duration': durations} | ({} if frames.plays == 1 else {'loop': max(0, frames.plays - 1)})
        # In a PNG, a duration is a fraction of two numbers of 16 bits.
        return {'duration': [min(ms, 65_535) for ms in frames.durations], 'loop': min(frames.plays, 65_535)}

    def _alike(self, images: list[Image.Image]) -> list[Image.Image]:
        """*images* in one mode; in a GIF, they have an alpha channel only if they need one."""
        alphas = [image.getchannel('A') for image in images if image.mode in {'LA', 'RGBA'}]
        if self.format == 'GIF' and all(cast('tuple[int, int]', alpha.getextrema())[0] >= _HALF for alpha in alphas):
            return [image.convert('RGB') for image in images]
        if len({image.mode for image in images}) == 1:
            return images
        return [image.convert('RGBA' if alphas else 'RGB') for image in images]

    def _fitting(self, image: Image.Image) -> Image.Image:
        """*image* in a mode that the format holds, with nothing attached that an encoder would write along."""
        if not FORMATS[self.format].alpha:
            image = on_white(image)
        elif self.format == 'GIF':
            image = _paletted(image)
        elif self.format in {'WEBP', 'AVIF'} and image.mode in {'L', 'LA'}:
            image = image.convert({'L': 'RGB', 'LA': 'RGBA'}[image.mode])
        if image.mode in {'P', '1', 'I;16'} and 'transparency' in image.info:
            image.info = {'transparency': image.info['transparency']}
        else:
            image.info = {}
        return image


def _paletted(image: Image.Image) -> Image.Image:
    if image.mode not in {'LA', 'RGBA'}:
        return image.convert('RGB').quantize(256, Image.Quantize.MEDIANCUT)
    alpha = image.getchannel('A')
    paletted = image.convert('RGBA').convert('RGB').quantize(255, Image.Quantize.MEDIANCUT)
    colours = paletted.getpalette() or []
    paletted.putpalette((colours + [0] * 768)[:768])
    paletted.paste(255, mask=alpha.point([255] * _HALF + [0] * (256 - _HALF)))
    paletted.info = {'transparency': 255}
    return paletted
