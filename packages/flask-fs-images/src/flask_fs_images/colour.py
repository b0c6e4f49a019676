"""Modes that pictures are scaled in, colour profiles, and transparency."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageCms, features

#: A larger profile costs a small picture too much: its colours are converted instead.
MOST_PROFILE_BYTES = 64 * 1024

# A Pillow built without LittleCMS has the module, and fails when it is used.
_MANAGED = features.check('littlecms2')
_BROKEN = (OSError, ValueError, TypeError, ImageCms.PyCMSError)
_HIGH_BYTE = [value >> 8 for value in range(65536)]
_SPACES = {'1': 'GRAY', 'I;16': 'GRAY', 'L': 'GRAY', 'P': 'RGB', 'RGB': 'RGB', 'CMYK': 'CMYK'}
_STRAIGHT = {'La': 'LA', 'RGBa': 'RGBA'}
_MULTIPLIED = {'LA': 'La', 'RGBA': 'RGBa'}


def plain(image: Image.Image) -> Image.Image:
    """*image* in L, LA, RGB, RGBA or CMYK, with the same pixels; 16 bits become 8."""
    transparent = 'transparency' in image.info
    if image.mode.startswith('I'):
        return _eight_bits(image)
    if image.mode == 'P':
        transparent = transparent or (image.palette is not None and image.palette.mode == 'RGBA')
        return image.convert('RGBA' if transparent else 'RGB')
    if image.mode in {'1', 'L'}:
        return image.convert('LA' if transparent else 'L')
    if image.mode == 'RGB' and transparent:
        return image.convert('RGBA')
    return image if image.mode in {'LA', 'RGB', 'RGBA', 'CMYK'} else image.convert('RGB')


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion cuts off what is brighter than 255.
    wide = image.convert('I')
    narrow = wide.point(_HIGH_BYTE, 'L')
    key = image.info.get('transparency')
    if not isinstance(key, int):
        return narrow
    opaque = [255] * 65536
    opaque[min(max(key, 0), 65535)] = 0
    return Image.merge('LA', (narrow, wide.point(opaque, 'L')))


def mixable(image: Image.Image) -> Image.Image:
    """*image* in a mode whose pixels can be mixed: with colours multiplied by alpha, if it has any."""
    return image.convert(_MULTIPLIED[image.mode]) if image.mode in _MULTIPLIED else image


def straight(image: Image.Image) -> Image.Image:
    """The opposite of :func:`mixable`."""
    return image.convert(_STRAIGHT[image.mode]) if image.mode in _STRAIGHT else image


def on_white(image: Image.Image) -> Image.Image:
    """*image* without its transparency, on white."""
    if image.mode not in {'LA', 'RGBA'}:
        return image
    opaque = image.mode[:-1] if image.mode == 'LA' else 'RGB'
    white = Image.new(opaque, image.size, 'white')
    white.paste(image.convert(opaque), mask=image.getchannel('A'))
    return white


class Profile:
    """The colour profile of one picture. One that is broken, or of another kind of colours, counts as none."""

    def __init__(self, content: Any) -> None:
        self.content = content if isinstance(content, bytes) else b''
        self._opened: Any = None
        self._transforms: dict[str, Any] = {}
        # ICC.1:2022, 7.2.2: it begins with its length. LittleCMS puts up with less.
        if int.from_bytes(self.content[:4], 'big') > len(self.content):
            self.content = b''
        if self.content and _MANAGED:
            try:
                self._opened = ImageCms.getOpenProfile(io.BytesIO(self.content))
            except _BROKEN:
                self.content = b''

    def applied(self, image: Image.Image, *, keep: bool) -> tuple[Image.Image, bytes]:
        """*image*, whose mode is none of CMYK any more, and the profile to store with it, empty for sRGB.

        :param keep: Whether to keep the colours as they are, with their profile, if that is small.
        """
        if not self._fits(image):
            return (image.convert('RGB') if image.mode == 'CMYK' else image), b''
        if image.mode != 'CMYK':
            if self._is_srgb():
                return image, b''
            if keep and len(self.content) <= MOST_PROFILE_BYTES:
                return image, self.content
        return self._converted(image), b''

    def _fits(self, image: Image.Image) -> bool:
        if self._opened is None:
            return False
        return bool(self._opened.profile.xcolor_space.strip() == _SPACES[image.mode.removesuffix('A')])

    def _is_srgb(self) -> bool:
        return (self._opened.profile.profile_description or '').startswith('sRGB')

    def _converted(self, image: Image.Image) -> Image.Image:
        image = plain(image)
        colours = image.convert(image.mode[:-1]) if image.mode in {'LA', 'RGBA'} else image
        try:
            if colours.mode not in self._transforms:
                srgb = ImageCms.createProfile('sRGB')
                self._transforms[colours.mode] = ImageCms.buildTransform(self._opened, srgb, colours.mode, 'RGB')
            converted = ImageCms.applyTransform(colours, self._transforms[colours.mode])
        except _BROKEN:
            # It promised more than it holds: a profile for output only, or tables that cannot be used.
            return image.convert('RGB') if image.mode == 'CMYK' else image
        assert converted is not None
        if image.mode in {'LA', 'RGBA'}:
            converted.putalpha(image.getchannel('A'))
        return converted
