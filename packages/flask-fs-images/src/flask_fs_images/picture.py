"""From a file to pixels: detects the format, checks the header against the limits, and decodes the frames."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from PIL.Image import Image
from PIL.ImageFile import ImageFile

from . import gif, icc, inspection, webp
from .formats import FORMATS, HEAD_BYTES, recognize
from .inspection import Inspection
from .limits import Extent, Limits, excess
from .orientation import Orientation
from .reader import ImageReader, open_reader
from .spec import Size


@dataclass(frozen=True)
class Info:
    """The format and size of an image, from its header.

    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, ``BMP``, ``HEIC``, or ``SVG``.
    :param width: The width in pixels, after the EXIF orientation is applied; None for SVG.
    :param height: The height, likewise.
    :param frames: The number of frames.
    """

    format: str
    width: int | None
    height: int | None
    frames: int = 1


@dataclass
class Picture:
    """An image whose header has been read. Its pixels can be decoded once.

    :param size: The stored size, before the orientation is applied.
    :param frames: The number of frames according to the header.
    :param plays: How many times the animation plays; 0 means forever.
    :param profile: The color profile, or an equivalent of other color information in the file.
    """

    reader: ImageReader
    image: ImageFile
    format: str
    size: Size
    frames: int
    orientation: Orientation
    plays: int
    profile: bytes
    inspection: Inspection

    def reduce(self, factor: int) -> None:
        """Decode a JPEG at a fraction of its size: 1/2, 1/4, or 1/8. Other formats are not affected."""
        if factor > 1 and self.format == 'JPEG':
            width, height = self.size
            with self.reader.content_errors():
                self.image.draft(None, (max(1, width // factor), max(1, height // factor)))

    def decode(self) -> Iterator[tuple[Image, int]]:
        """Each complete frame, in Pillow's mode, with its duration in milliseconds; valid until the next frame.

        :raises InvalidContent: If the image is broken.
        """
        structure = self.inspection.structure
        with self.reader.content_errors():
            if structure is None:
                yield from self._load()
            else:
                yield from itertools.islice(gif.composed(self.reader, structure), self.frames)

    def _load(self) -> Iterator[tuple[Image, int]]:
        # The image that a PNG has for programs without support for animation is not one of its frames.
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
        # Programs that write BMP often store an alpha of 0 everywhere for an opaque image.
        without = {'BMP': (0, 0), 'WEBP': (255, 255)}.get(self.format)
        if without and image.mode == 'RGBA' and image.getchannel('A').getextrema() == without:
            return image.convert('RGB')
        return image


def open_picture(reader: ImageReader, limits: Limits) -> Picture | None:
    """The image in *reader*, or None for an SVG, which has no pixels.

    :raises InvalidContent: If the file is not an image of a supported format, is broken, or exceeds the limits.
    """
    head = reader.read(HEAD_BYTES)
    if not head:
        raise reader.invalid('the file is empty, or was already read; call seek(0) to read it from the start')
    name = recognize(head)
    if name == 'SVG':
        return None
    if name is None:
        raise reader.invalid(f'not an image of a supported format: {", ".join((*FORMATS, "SVG"))}')
    kind = FORMATS[name]
    if kind.open is None:
        needed = "pip install 'flask-fs-images[heic]'" if name == 'HEIC' else 'install a Pillow with support for it'
        raise reader.invalid(f'{name} images are not supported by this installation: {needed}')
    with reader.content_errors():
        content = reader.read_all() if kind.whole else None
        found = inspection.inspect(name, reader, content, limits.frames)
        for extent in found.extents:
            _check(reader, extent, limits)
        if name == 'WEBP' and content is not None and found.extents[0].frames > 1:
            content = webp.with_alpha(content)
        reader.seek(0)
        image = kind.open(cast('IO[bytes]', reader) if content is None else io.BytesIO(content), '')
        if found.structure:
            extent, plays = found.structure.extent, found.structure.plays
        else:
            extent = Extent(*image.size, getattr(image, 'n_frames', 1) if kind.animated else 1)
            plays = int(image.info.get('loop') or 0)
        _check(reader, extent, limits)
        reader.in_header = False
        reader.on_read = found.on_read
        exif = image.info.get('exif') or found.exif
        size = extent.width, extent.height
        orientation = Orientation.of(exif if isinstance(exif, bytes) else b'', size)
        return Picture(reader, image, name, size, extent.frames, orientation, plays, _profile(image, found), found)


def _check(reader: ImageReader, extent: Extent, limits: Limits) -> None:
    reason = excess(extent, limits)
    if reason is not None:
        raise reader.invalid(reason)


def _profile(image: ImageFile, found: Inspection) -> bytes:
    """The color profile of an image, or an equivalent of the numbers that define its colors."""
    profile = image.info.get('icc_profile')
    if isinstance(profile, bytes) and profile:
        return profile
    gray = image.mode in {'1', 'L', 'LA'} or image.mode.startswith('I')
    if found.color_codes:
        return icc.from_codes(found.color_codes, gray=gray)
    if b'gAMA' in found.chunks:
        return icc.from_gamma(found.chunks[b'gAMA'], found.chunks.get(b'cHRM', b''), gray=gray)
    return b''


class OpenedImage:
    """An image whose header has been read and checked: see :func:`open_image`.

    :param info: The format and size.
    :param limits: The limits that apply to the image.
    """

    def __init__(self, reader: ImageReader, limits: Limits) -> None:
        self.limits = limits
        self.reader = reader
        self._picture = open_picture(reader, limits)
        self.info = Info('SVG', None, None)
        if self._picture is not None:
            self.info = Info(self._picture.format, *self._picture.orientation.size, self._picture.frames)

    def take_picture(self) -> Picture | None:
        """The image to decode, or None for an SVG. The second and later calls open it again."""
        picture, self._picture = self._picture, None
        if picture is None and self.info.format != 'SVG':
            self.reader = self.reader.restarted()
            picture = open_picture(self.reader, self.limits)
        return picture


@contextlib.contextmanager
def open_image(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> Generator[OpenedImage]:
    """Open the image in *file*, so that you can check its ``info`` and then :func:`render` it without opening it twice.

    ::

        with open_image(upload) as image:
            if image.info.width > 1200:
                main, thumbnail = render(image, [Spec(1200), Spec(100, 'cover')])

    :param file: An upload, an open binary file, bytes, or a path-like object. It is read from its current position, is
        not closed, and is back at that position after the block. Do not read from it inside the block.
    :param filename: The filename for error messages; by default the name of *file*.
    :raises InvalidContent: If it is not an image of a supported format, has a broken header, or exceeds the limits.
    """
    with open_reader(file, filename) as reader:
        yield OpenedImage(reader, limits or Limits())


def identify(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> Info:
    """The format and size of the image in *file*, without decoding it.

    The parameters and errors are the same as in :func:`open_image`.
    """
    with open_image(file, limits=limits, filename=filename) as image:
        return image.info
