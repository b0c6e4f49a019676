"""Many sizes of one picture from one decode."""

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

#: Modes that are stored as they are when a picture keeps its size and format.
_NATIVE = {'PNG': {'1', 'P', 'I;16'}, 'BMP': {'1', 'P'}}


@dataclass(frozen=True)
class Rendered:
    """One output.

    :param file: The picture, at its beginning.
    :param format: ``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``AVIF``, ``BMP``, or ``SVG`` for one passed through.
    :param width: In pixels; None for SVG.
    :param height: Likewise.
    """

    file: io.BytesIO
    format: str
    width: int | None
    height: int | None


def render(
    file: Any, specs: Iterable[Spec], *, limits: Limits | None = None, filename: str | None = None
) -> list[Rendered]:
    """One output for each of *specs*, in their order, from decoding the picture in *file* once.

    An output keeps the format, transparency, animation and colors of the picture, unless its spec or its format says
    otherwise; HEIC becomes JPEG. The EXIF orientation is applied. Nothing else is in an output: no EXIF, no XMP, no
    comments. An SVG is passed through as it is.

    :param file: What :func:`open_image` opened, whose limits and filename count then; or an upload, an open binary file,
        bytes, or a path-like object. A file is read from its position, is not closed, and has that position again afterwards.
    :param filename: Its name in errors; by default its own.
    :raises InvalidContent: If it is not a picture of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    :raises ValueError: If a bbox lies outside of the picture.
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
    """A square thumbnail of the picture in *file*, as a file at its beginning.

    It shows the middle of the picture, or of *bbox*. See :func:`render` for what it keeps, and for *file*.

    :param size: Width and height in pixels; a smaller picture, or bbox, gives a smaller square.
    :param bbox: The part of the picture to use, (left, upper, right, lower) in pixels of the picture as it is shown. What
        lies outside of the picture is cut off.
    :raises InvalidContent: If it is not a picture of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    :raises ValueError: If the bbox lies outside of the picture.
    """
    return _render_one(file, Spec((size, size), 'cover', bbox), limits, filename)


def resize(file: Any, size: int | Size, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The picture in *file* so that it fits within *size*, as a file at its beginning.

    It keeps its proportions, and is never enlarged. See :func:`render` for what it keeps, and for *file*.

    :param size: The maximum width and height in pixels: (width, height), or one number for both.
    :raises InvalidContent: If it is not a picture of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    """
    return _render_one(file, Spec(size), limits, filename)


def optimize(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The picture in *file* in its own size, in fewer bytes where that is possible and never in more, at its beginning.

    The pixels of PNG, BMP and lossless WebP do not change, and neither do those of a GIF of at most 256 colors; a JPEG
    keeps its quality, as it is encoded with the same tables. AVIF and other WebP lose a little. What would not become at
    least 1 % smaller (JPEG) or 5 % (AVIF and other WebP) is not encoded again: only its metadata is removed. See
    :func:`render` for what it keeps, and for *file*.

    :raises InvalidContent: If it is not a picture of a supported format, is broken, or exceeds the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
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
        raise reader.invalid('an SVG cannot be turned into another format')
    content = reader.read_all()
    return [Rendered(io.BytesIO(content), 'SVG', None, None) for _ in specs]


class _Output:
    """One output while it is made."""

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
                f'{side_px} pixels on one side are more than the {max_px} of a {self.name}'
            )

    def add(self, image: Image, duration_ms: int, profile: color.Profile, orientation: Orientation) -> None:
        """Take one frame, if the format has room for it."""
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
        # The pixels are needed no more.
        self._frames.images.clear()
        if shrinks and not spec.srgb and self.is_whole:
            file = no_larger(picture, file, kept_quality=bool(keep))
        return Rendered(file, self.name, width, height)

    def _settings_to_keep(self) -> dict[str, Any]:
        """Settings for the encoder that keep the quality of a picture that is only to become smaller in bytes."""
        picture = self._picture
        if self.name == 'WEBP' and picture.inspection.lossless:
            return {'lossless': True}
        tables: dict[int, list[int]] = getattr(picture.image, 'quantization', {})
        in_order = 0 < len(tables) <= 2 and sorted(tables) == list(range(len(tables)))
        if self.name == 'JPEG' and self.placement.size == picture.size and picture.image.mode != 'CMYK' and in_order:
            return {'quality': -1, 'qtables': tables, 'subsampling': get_sampling(picture.image)}
        return {}


def _decode(picture: Picture, outputs: Sequence[_Output], orientation: Orientation) -> None:
    """Give each output its frames."""
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
    """One frame in the size of each output, as stored."""
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
