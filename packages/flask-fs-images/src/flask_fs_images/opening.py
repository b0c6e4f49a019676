"""From a file to pixels: what kind of picture it is, whether its header keeps to the limits, and its frames."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, cast

from PIL.Image import Image
from PIL.ImageFile import ImageFile

from . import gif, headers, icc, inspection, webp
from .formats import FORMATS, HEAD_BYTES, recognised
from .inspection import Inspection
from .source import Source
from .spec import Limits, Size


@dataclass
class Picture:
    """A picture of which only the header was read.

    :param size: Its size as stored, before its orientation is applied.
    :param frames: How many frames it says to have.
    :param plays: How often its animation plays; 0 is forever.
    :param profile: Its color profile, or one that means the same as what it says otherwise.
    :param chunks: What a PNG says about its colors otherwise.
    """

    source: Source
    image: ImageFile
    format: str
    size: Size
    frames: int
    orientation: int
    plays: int
    lossless: bool
    profile: bytes = b''
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    structure: gif.Structure | None = None

    @property
    def shown_size(self) -> Size:
        """Its size after its orientation is applied."""
        width, height = self.size
        return (height, width) if self.orientation >= 5 else self.size

    @property
    def written_as(self) -> str:
        """The format that it comes out in, unless another one is asked for."""
        return FORMATS[self.format].written_as or self.format

    def reduce(self, factor: int) -> None:
        """Let only every so many pixels be decoded, 2, 4 or 8; only JPEG can, all others stay as they are."""
        if factor > 1 and self.format == 'JPEG':
            width, height = self.size
            with self.source.blamed():
                self.image.draft(None, (max(1, width // factor), max(1, height // factor)))

    def decoded(self) -> Iterator[tuple[Image, int]]:
        """Each frame with its duration in milliseconds, whole, in the mode that Pillow gives; only until the next one.

        :raises InvalidContent: If the picture is broken.
        """
        if self.structure is not None:
            frames: Iterator[tuple[Image, int]] = itertools.islice(
                gif.composed(self.source, self.structure), self.frames
            )
        else:
            frames = self._loaded()
        while True:
            with self.source.blamed():
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _loaded(self) -> Iterator[tuple[Image, int]]:
        # A PNG's picture for programs that know no animation is no frame of it.
        first = 1 if self.frames > 1 and getattr(self.image, 'default_image', False) else 0
        for number in range(first, self.frames):
            try:
                if self.frames > 1:
                    self.image.seek(number)
            except EOFError:
                if number == first:
                    raise
                return
            self.image.load()
            duration = round(float(self.image.info.get('duration') or 0))
            yield self._visible(self.image), max(0, duration)

    def _visible(self, image: Image) -> Image:
        # Programs that write BMP often leave alpha at 0 everywhere, and mean a picture that is there.
        without = {'BMP': (0, 0), 'WEBP': (255, 255)}.get(self.format)
        if without and image.mode == 'RGBA' and image.getchannel('A').getextrema() == without:
            return image.convert('RGB')
        return image


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
        needed = "pip install 'flask-fs-images[heic]'" if kind == 'HEIC' else 'install a Pillow that has it'
        raise source.refusal(f'pictures of the kind {kind} are not supported here: {needed}')
    with source.blamed():
        content = source.whole() if FORMATS[kind].whole else None
        seen = inspection.inspect(kind, source, content, limits.frames)
        for extent in seen.extents:
            _check(source, extent, limits)
        if kind == 'WEBP' and content is not None and seen.extents[0].frames > 1:
            content = webp.with_alpha(content)
        source.seek(0)
        image = opener(cast('IO[bytes]', source) if content is None else io.BytesIO(content), '')
        extent = seen.structure.extent if seen.structure else _extent(kind, image)
        _check(source, extent, limits)
        source.in_header = False
        source.watch = seen.watch
        return _picture(source, image, kind, extent, seen)


def _extent(kind: str, image: ImageFile) -> headers.Extent:
    frames = getattr(image, 'n_frames', 1)
    return headers.Extent(*image.size, frames if FORMATS[kind].animated else 1)


def _picture(source: Source, image: ImageFile, kind: str, extent: headers.Extent, seen: Inspection) -> Picture:
    exif = image.info.get('exif') or seen.exif
    orientation = headers.orientation(exif if isinstance(exif, bytes) else b'')
    plays = seen.structure.plays if seen.structure else int(image.info.get('loop') or 0)
    profile = image.info.get('icc_profile')
    if not isinstance(profile, bytes) or not profile:
        profile = _described(image, seen)
    return Picture(
        source,
        image,
        kind,
        (extent.width, extent.height),
        extent.frames,
        orientation,
        plays,
        seen.lossless,
        profile,
        seen.chunks,
        seen.structure,
    )


def _described(image: ImageFile, seen: Inspection) -> bytes:
    """A profile that means what the picture says in numbers."""
    grey = image.mode in {'1', 'L', 'LA'} or image.mode.startswith('I')
    if seen.color_codes:
        return icc.from_codes(seen.color_codes, grey=grey)
    if b'gAMA' in seen.chunks:
        return icc.from_gamma(seen.chunks[b'gAMA'], seen.chunks.get(b'cHRM', b''), grey=grey)
    return b''


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
