"""From a file to pixels: what kind of picture it is, whether its header keeps to the limits, and its frames."""

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
    """What the header of a picture says.

    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, ``BMP``, ``HEIC`` or ``SVG``.
    :param width: In pixels, as the picture is shown, that is after its EXIF orientation is applied; None for SVG.
    :param height: Likewise.
    :param frames: Its number of frames.
    """

    format: str
    width: int | None
    height: int | None
    frames: int = 1


@dataclass
class Picture:
    """A picture of which only the header was read. Its pixels can be decoded once.

    :param size: Its size as stored, before its orientation is applied.
    :param frames: The number of frames that its header claims.
    :param plays: How often its animation plays; 0 is forever.
    :param profile: Its color profile, or one equivalent to what it says about its colors otherwise.
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
        """Have only every so many pixels decoded, 2, 4 or 8; only JPEG can, all others stay as they are."""
        if factor > 1 and self.format == 'JPEG':
            width, height = self.size
            with self.reader.content_errors():
                self.image.draft(None, (max(1, width // factor), max(1, height // factor)))

    def decode(self) -> Iterator[tuple[Image, int]]:
        """Each frame with its duration in milliseconds, whole, in the mode that Pillow gives; only until the next one.

        :raises InvalidContent: If the picture is broken.
        """
        structure = self.inspection.structure
        with self.reader.content_errors():
            if structure is None:
                yield from self._load()
            else:
                yield from itertools.islice(gif.composed(self.reader, structure), self.frames)

    def _load(self) -> Iterator[tuple[Image, int]]:
        # A PNG's picture for programs that do not support animation is not a frame of it.
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
        # Programs that write BMP often store an alpha of 0 everywhere, and mean an opaque picture.
        without = {'BMP': (0, 0), 'WEBP': (255, 255)}.get(self.format)
        if without and image.mode == 'RGBA' and image.getchannel('A').getextrema() == without:
            return image.convert('RGB')
        return image


def open_picture(reader: ImageReader, limits: Limits) -> Picture | None:
    """The picture in *reader*, or None for an SVG, which has no pixels.

    :raises InvalidContent: If it is not a picture of a supported format, is broken, or exceeds the limits.
    """
    head = reader.read(HEAD_BYTES)
    if not head:
        raise reader.invalid('the file is empty, or at its end: seek(0) goes back to its beginning')
    name = recognize(head)
    if name == 'SVG':
        return None
    if name is None:
        raise reader.invalid(f'not a picture of a supported format: {", ".join((*FORMATS, "SVG"))}')
    kind = FORMATS[name]
    if kind.open is None:
        needed = "pip install 'flask-fs-images[heic]'" if name == 'HEIC' else 'install a Pillow that has it'
        raise reader.invalid(f'pictures of the format {name} are not supported here: {needed}')
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
    """The color profile of a picture, or one that means what it says in numbers."""
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
    """A picture whose header was read and checked: see :func:`open_image`.

    :param info: What the header says.
    :param limits: What the picture has to keep to.
    """

    def __init__(self, reader: ImageReader, limits: Limits) -> None:
        self.limits = limits
        self.reader = reader
        self._picture = open_picture(reader, limits)
        self.info = Info('SVG', None, None)
        if self._picture is not None:
            self.info = Info(self._picture.format, *self._picture.orientation.size, self._picture.frames)

    def take_picture(self) -> Picture | None:
        """The picture to decode, or None for an SVG. Only from the second call on, it is opened anew."""
        picture, self._picture = self._picture, None
        if picture is None and self.info.format != 'SVG':
            self.reader = self.reader.restarted()
            picture = open_picture(self.reader, self.limits)
        return picture


@contextlib.contextmanager
def open_image(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> Generator[OpenedImage]:
    """Open the picture in *file* for the block: to look at its ``info``, then to :func:`render` it without opening it twice.

    ::

        with open_image(upload) as image:
            if image.info.width > 1200:
                main, thumbnail = render(image, [Spec(1200), Spec(100, 'cover')])

    :param file: An upload, an open binary file, bytes, or a path-like object. It is read from its position, is not closed,
        and has that position again after the block; do not read from it within.
    :param filename: Its name in errors; by default its own.
    :raises InvalidContent: If it is not a picture of a supported format, has a broken header, or exceeds the limits.
    """
    with open_reader(file, filename) as reader:
        yield OpenedImage(reader, limits or Limits())


def identify(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> Info:
    """What kind of picture *file* holds, and how large it is, without decoding it.

    The parameters and errors are those of :func:`open_image`.
    """
    with open_image(file, limits=limits, filename=filename) as image:
        return image.info
