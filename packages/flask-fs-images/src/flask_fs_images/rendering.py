"""Many sizes of an image, decoded only once."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image
from PIL.JpegImagePlugin import get_sampling

from . import color
from .concurrency import decoding
from .encoding import Frames, encode
from .formats import FORMATS
from .limits import Limits
from .optimization import no_larger
from .orientation import Orientation
from .picture import OpenedImage, Picture, open_image
from .reader import ImageReader
from .scaling import Level, Step, decoding_factor, plan
from .spec import Placement, Size, Spec

#: Modes that are kept if an image keeps its size and format.
_NATIVE = {'PNG': {'1', 'P', 'I;16'}, 'BMP': {'1', 'P'}}


@dataclass(frozen=True)
class Rendered:
    """One output.

    :param file: The image, positioned at its start.
    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, ``BMP``, or ``SVG`` for an unmodified SVG.
    :param width: The width in pixels; None for SVG.
    :param height: The height, likewise.
    """

    file: io.BytesIO
    format: str
    width: int | None
    height: int | None


def render(
    file: Any, specs: Iterable[Spec], *, limits: Limits | None = None, filename: str | None = None
) -> list[Rendered]:
    """One output for each of *specs*, in the same order, from the image in *file*, which is decoded once.

    An output keeps the format, transparency, animation, and colors of the image, unless its spec or format requires
    otherwise; HEIC becomes JPEG. The EXIF orientation is applied. Outputs contain no EXIF, XMP, or comments. An SVG is
    not modified.

    :param file: An image opened by :func:`open_image`, whose limits and filename then apply; or an upload, an open
        binary file, bytes, or a path-like object. A file is read from its current position, is not closed, and is back
        at that position afterward.
    :param filename: The filename for error messages; by default the name of *file*.
    :raises InvalidContent: If the file is not an image of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other images were being decoded for too long.
    :raises ValueError: If a bbox is outside the image.
    """
    specs = list(specs)
    if isinstance(file, OpenedImage):
        return _render(file, specs)
    with open_image(file, limits=limits, filename=filename) as image:
        return _render(image, specs)


def make_thumbnail(
    file: Any,
    size: int,
    bbox: Sequence[float] | None = None,
    *,
    limits: Limits | None = None,
    filename: str | None = None,
) -> io.BytesIO:
    """A square thumbnail of the image in *file*, as a file positioned at its start.

    It shows the center of the image or *bbox*. See :func:`render` for what it keeps, and for *file*.

    :param size: The width and height in pixels. A smaller image or bbox results in a smaller square.
    :param bbox: The part of the image to use: (left, upper, right, lower), in pixels of the image as displayed. It is
        clipped to the image.
    :raises InvalidContent: If the file is not an image of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other images were being decoded for too long.
    :raises ValueError: If the bbox is outside the image.
    """
    return _render_one(file, Spec((size, size), 'cover', bbox), limits, filename)


def resize(file: Any, size: int | Size, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The image in *file*, scaled down to fit *size*, as a file positioned at its start.

    It keeps its aspect ratio and is never enlarged. See :func:`render` for what else it keeps, and for *file*.

    :param size: The maximum width and height in pixels: (width, height), or one number for both.
    :raises InvalidContent: If the file is not an image of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other images were being decoded for too long.
    """
    return _render_one(file, Spec(size), limits, filename)


def optimize(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The image in *file*, in fewer bytes if possible and never in more, as a file positioned at its start.

    The pixels of PNG, BMP, lossless WebP, and GIFs of at most 256 colors do not change. A JPEG keeps its quality,
    because it is encoded with the same quantization tables. AVIF and lossy WebP lose some quality. If an image would
    not become at least 1% smaller (JPEG) or 5% smaller (AVIF and lossy WebP), it is not re-encoded, and only its
    metadata is removed. See :func:`render` for what it keeps, and for *file*.

    :raises InvalidContent: If the file is not an image of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other images were being decoded for too long.
    """
    return _render_one(file, Spec(effort=True), limits, filename)


def _render_one(file: Any, spec: Spec, limits: Limits | None, filename: str | None) -> io.BytesIO:
    return render(file, [spec], limits=limits, filename=filename)[0].file


def _render(image: OpenedImage, specs: Sequence[Spec]) -> list[Rendered]:
    picture, limits = image.take_picture(), image.limits
    if picture is None:
        return _pass_through(image.reader, specs)
    orientation = picture.orientation
    outputs = [_Output(picture, spec, orientation.stored(spec.place(*orientation.size))) for spec in specs]
    for output in outputs:
        output.check_size(limits)
    with decoding.slot(limits.concurrency, limits.timeout_s, picture.reader.filename):
        _decode(picture, outputs, orientation)
        return [output.encode() for output in outputs]


def _pass_through(reader: ImageReader, specs: Sequence[Spec]) -> list[Rendered]:
    if any(spec.format is not None for spec in specs):
        raise reader.invalid('an SVG cannot be converted to another format')
    content = reader.read_all()
    return [Rendered(io.BytesIO(content), 'SVG', None, None) for _ in specs]


class _Output:
    """One output in progress."""

    def __init__(self, picture: Picture, spec: Spec, placement: Placement) -> None:
        self.spec = spec
        self.placement = placement
        self.name = spec.format or FORMATS[picture.format].written_as or picture.format
        self.format = FORMATS[self.name]
        self.is_whole = placement == Placement((0, 0, *picture.size), picture.size)
        self._picture = picture
        self._frames = Frames([], [], picture.plays)
        self._profile = b''

    def check_size(self, limits: Limits) -> None:
        side_px, max_px = max(self.placement.size), min(limits.side_px, self.format.side_px)
        if side_px > max_px:
            raise self._picture.reader.invalid(
                f'a width or height of {side_px} pixels exceeds the limit of {max_px} pixels for {self.name}'
            )

    def add(self, image: Image, duration_ms: int, profile: color.Profile, orientation: Orientation) -> None:
        """Add one frame, unless the output already has one and its format has no animation."""
        if self._frames.images and not self.format.animated:
            return
        keep = self.format.profile and not self.spec.srgb and (self.format.gray or image.mode not in {'L', 'LA', 'La'})
        image, self._profile = profile.apply(color.straight(image), keep=keep)
        self._frames.images.append(orientation.apply(image))
        self._frames.durations.append(duration_ms)

    def encode(self) -> Rendered:
        picture, spec = self._picture, self.spec
        shrinks = spec.effort and spec.quality is None and self.name == picture.format
        keep = self._settings_to_keep() if shrinks else {}
        chunks = picture.inspection.chunks if self.name == 'PNG' and self._profile else None
        width, height = self._frames.images[0].size
        file = encode(self.name, spec, self._frames, self._profile, keep=keep, chunks=chunks)
        # The pixels are no longer needed.
        self._frames.images.clear()
        if shrinks and not spec.srgb and self.is_whole:
            file = no_larger(picture, file, kept_quality=bool(keep))
        return Rendered(file, self.name, width, height)

    def _settings_to_keep(self) -> dict[str, Any]:
        """Encoder settings that keep the quality of an image that is only optimized."""
        picture = self._picture
        if self.name == 'WEBP' and picture.inspection.lossless:
            return {'lossless': True}
        tables: dict[int, list[int]] = getattr(picture.image, 'quantization', {})
        in_order = 0 < len(tables) <= 2 and sorted(tables) == list(range(len(tables)))
        if self.name == 'JPEG' and self.placement.size == picture.size and picture.image.mode != 'CMYK' and in_order:
            return {'quality': -1, 'qtables': tables, 'subsampling': get_sampling(picture.image)}
        return {}


def _decode(picture: Picture, outputs: Sequence[_Output], orientation: Orientation) -> None:
    """Decode the frames, and add them to each output."""
    placements = [output.placement for output in outputs]
    steps, factor = plan(placements), decoding_factor(placements) if picture.format == 'JPEG' else 1
    picture.reduce(factor)
    if not any(output.format.animated for output in outputs):
        picture.frames = min(picture.frames, 1)
    profile = color.Profile(picture.profile)
    for image, duration_ms in picture.decode():
        for output, scaled in _scale(picture, image, factor, steps, outputs):
            output.add(scaled, duration_ms, profile, orientation)


def _scale(
    picture: Picture, image: Image, factor: int, steps: Sequence[Step], outputs: Sequence[_Output]
) -> Iterator[tuple[_Output, Image]]:
    """One frame in the size of each output, in the stored orientation."""
    native = _NATIVE.get(picture.format, set()) if picture.frames == 1 else set()
    frame = color.to_8_bits(image)
    if frame is image and picture.frames > 1:
        # The decoder paints the next frame over this one.
        frame = frame.copy()
    width, height = image.size
    decoded = Level(frame, (0, 0, max(width * factor, picture.size[0]), max(height * factor, picture.size[1])))
    levels: dict[int | None, Level] = {None: decoded}
    for step in steps:
        output = outputs[step.number]
        if image.mode in native and output.is_whole and output.name == picture.format:
            levels[step.number], scaled = decoded, image.copy()
        else:
            scaled = levels[step.parent].part(*step.placement)
            levels[step.number] = Level(scaled, step.placement.box)
        yield output, scaled
