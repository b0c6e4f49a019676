"""Pixel modes for scaling, color profiles, and transparency."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from PIL import Image, ImageCms, features

#: A larger profile would bloat small images. Their colors are converted instead.
MAX_PROFILE_BYTES = 64 * 1024

# Pillow built without LittleCMS has the module, but using it fails.
_HAS_LITTLECMS = features.check('littlecms2')
_BROKEN = (OSError, ValueError, TypeError, ImageCms.PyCMSError)
_HIGH_BYTE = [value >> 8 for value in range(65536)]
_SPACES = {'1': 'GRAY', 'I;16': 'GRAY', 'L': 'GRAY', 'P': 'RGB', 'RGB': 'RGB', 'CMYK': 'CMYK'}
_STRAIGHT = {'La': 'LA', 'RGBa': 'RGBA'}
_PREMULTIPLIED = {'LA': 'La', 'RGBA': 'RGBa'}


def to_8_bits(image: Image.Image) -> Image.Image:
    """*image* in mode L, LA, RGB, RGBA, or CMYK, with the same pixels; 16 bits become 8."""
    transparent = 'transparency' in image.info
    if image.mode.startswith('I'):
        return _from_16_bits(image)
    if image.mode == 'P':
        transparent = transparent or (image.palette is not None and image.palette.mode == 'RGBA')
        return image.convert('RGBA' if transparent else 'RGB')
    if image.mode in {'1', 'L'}:
        return image.convert('LA' if transparent else 'L')
    if image.mode == 'RGB' and transparent:
        return image.convert('RGBA')
    return image if image.mode in {'LA', 'RGB', 'RGBA', 'CMYK'} else image.convert('RGB')


def _from_16_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips values above 255.
    wide = image.convert('I')
    narrow = wide.point(_HIGH_BYTE, 'L')
    key = image.info.get('transparency')
    if not isinstance(key, int):
        return narrow
    opaque = [255] * 65536
    opaque[min(max(key, 0), 65535)] = 0
    return Image.merge('LA', (narrow, wide.point(opaque, 'L')))


def premultiplied(image: Image.Image) -> Image.Image:
    """*image* with its colors multiplied by its alpha, if it has alpha, so that its pixels can be averaged."""
    return image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image


def straight(image: Image.Image) -> Image.Image:
    """The opposite of :func:`premultiplied`."""
    return image.convert(_STRAIGHT[image.mode]) if image.mode in _STRAIGHT else image


def on_white(image: Image.Image) -> Image.Image:
    """*image* on a white background, without transparency."""
    if image.mode not in {'LA', 'RGBA'}:
        return image
    opaque = image.mode[:-1] if image.mode == 'LA' else 'RGB'
    white = Image.new(opaque, image.size, 'white')
    white.paste(image.convert(opaque), mask=image.getchannel('A'))
    return white


class Profile:
    """The color profile of an image. A profile that is broken or for another color space is ignored."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._opened: Any = None
        self._transforms: dict[str, Any] = {}
        # ICC.1:2022, 7.2.2: a profile begins with its length. LittleCMS accepts shorter content.
        if _HAS_LITTLECMS and content and int.from_bytes(content[:4], 'big') <= len(content):
            with contextlib.suppress(*_BROKEN):
                self._opened = ImageCms.getOpenProfile(io.BytesIO(content))

    def apply(self, image: Image.Image, *, keep: bool) -> tuple[Image.Image, bytes]:
        """*image*, converted from CMYK if necessary, and the profile to store with it, which is empty for sRGB.

        :param keep: Whether to keep the colors and their profile, if the profile is small.
        """
        if not self._fits(image):
            return (image.convert('RGB') if image.mode == 'CMYK' else image), b''
        if image.mode != 'CMYK':
            if (self._opened.profile.profile_description or '').startswith('sRGB'):
                return image, b''
            if keep and len(self._content) <= MAX_PROFILE_BYTES:
                return image, self._content
        return self._convert(image), b''

    def _fits(self, image: Image.Image) -> bool:
        if self._opened is None:
            return False
        return bool(self._opened.profile.xcolor_space.strip() == _SPACES[image.mode.removesuffix('A')])

    def _convert(self, image: Image.Image) -> Image.Image:
        image = to_8_bits(image)
        colors = image.convert(image.mode[:-1]) if image.mode in {'LA', 'RGBA'} else image
        try:
            if colors.mode not in self._transforms:
                srgb = ImageCms.createProfile('sRGB')
                self._transforms[colors.mode] = ImageCms.buildTransform(self._opened, srgb, colors.mode, 'RGB')
            converted = ImageCms.applyTransform(colors, self._transforms[colors.mode])
        except _BROKEN:
            # The profile is for output only, or its tables are unusable.
            return image.convert('RGB') if image.mode == 'CMYK' else image
        assert converted is not None
        if image.mode in {'LA', 'RGBA'}:
            converted.putalpha(image.getchannel('A'))
        return converted
