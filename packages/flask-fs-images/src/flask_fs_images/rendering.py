"""Many sizes of one picture from one decode."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from . import colour
from .concurrency import decoding
from .encoding import Encoder, Frames
from .formats import FORMATS
from .opening import Picture, open_picture
from .optimizing import no_larger
from .planning import REDUCED_PER_PIXEL, Step, Turn, decoding_factor, steps_for
from .source import Source, source_of
from .spec import Box, Limits, Placement, Size, Spec

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

    An output keeps format, transparency, animation and colors of the picture, unless its spec or its format says
    otherwise; HEIC becomes JPEG. The EXIF orientation is applied. Nothing else is in an output: no EXIF, no XMP, no
    comments. An SVG is passed through as it is.

    :param file: An upload, an open binary file, bytes, or a path-like object. It is read from where it stands, is left
        open, and stands there again afterwards.
    :param filename: Its name in errors; by default the one that it brings along.
    :raises InvalidContent: If it is no picture of a known kind, is broken, or is over the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    :raises ValueError: If a bbox lies outside of the picture.
    """
    specs, limits = list(specs), limits or Limits()
    with source_of(file, filename) as source:
        picture = open_picture(source, limits)
        if picture is None:
            return _passed_through(source, specs)
        with decoding.taken(limits.concurrency, limits.timeout_s, source.filename):
            return _rendered(picture, specs, limits)


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
    :raises InvalidContent: If it is no picture of a known kind, is broken, or is over the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    :raises ValueError: If the bbox lies outside of the picture.
    """
    return _one(file, Spec((size, size), 'cover', bbox), limits, filename)


def resize(file: Any, size: int | Size, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The picture in *file* so that it fits within *size*, as a file at its beginning.

    It keeps its proportions, and is never enlarged. See :func:`render` for what it keeps, and for *file*.

    :param size: The most pixels across and down: (width, height), or one number for both.
    :raises InvalidContent: If it is no picture of a known kind, is broken, or is over the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    """
    return _one(file, Spec(size), limits, filename)


def optimize(file: Any, *, limits: Limits | None = None, filename: str | None = None) -> io.BytesIO:
    """The picture in *file* in its own size, in fewer bytes where that is possible and never in more, at its beginning.

    The pixels of PNG, BMP and lossless WebP stay as they are, and so do those of a GIF of at most 256 colors; a JPEG
    keeps its quality, being encoded with the same tables. AVIF and other WebP lose a little. What would not become at
    least 1 % smaller (JPEG) or 5 % (AVIF and other WebP) is not encoded again: only its metadata goes. See :func:`render`
    for what it keeps, and for *file*.

    :raises InvalidContent: If it is no picture of a known kind, is broken, or is over the limits.
    :raises Unavailable: If too many other pictures were being decoded for too long.
    """
    return _one(file, Spec(effort=True), limits, filename)


def _one(file: Any, spec: Spec, limits: Limits | None, filename: str | None) -> io.BytesIO:
    return render(file, [spec], limits=limits, filename=filename)[0].file


def _passed_through(source: Source, specs: Sequence[Spec]) -> list[Rendered]:
    if any(spec.format is not None for spec in specs):
        raise source.refusal('an SVG cannot be turned into another format')
    source.seek(0)
    content = source.read()
    return [Rendered(io.BytesIO(content), 'SVG', None, None) for _ in specs]


def _rendered(picture: Picture, specs: Sequence[Spec], limits: Limits) -> list[Rendered]:
    turn = Turn(picture.orientation, picture.shown_size)
    places = [turn.stored(spec.place(*turn.size)) for spec in specs]
    formats = [spec.format or picture.written_as for spec in specs]
    for name, place in zip(formats, places, strict=True):
        most = min(limits.side_px, FORMATS[name].side_px)
        if max(place.size) > most:
            raise picture.source.refusal(f'{max(place.size)} pixels on one side are more than the {most} of a {name}')
    steps = steps_for(places)
    factor = decoding_factor(places) if picture.format == 'JPEG' else 1
    picture.reduce(factor)
    if not any(FORMATS[name].animated for name in formats):
        picture.frames = min(picture.frames, 1)
    profile = colour.Profile(picture.profile)
    made = [Frames([], [], picture.plays) for _ in specs]
    profiles = [b''] * len(specs)
    for image, duration in picture.decoded():
        for number, output in _outputs(picture, image, factor, steps, formats):
            if made[number].images and not FORMATS[formats[number]].animated:
                continue
            kind = FORMATS[formats[number]]
            keep = kind.profile and not specs[number].srgb and (kind.grey or output.mode not in {'L', 'LA', 'La'})
            output, profiles[number] = profile.applied(colour.straight(output), keep=keep)
            made[number].images.append(turn.shown(output))
            made[number].durations.append(duration)
    rendered = []
    for number, spec in enumerate(specs):
        name, frames = formats[number], made[number]
        kept = _kept_quality(picture, spec, places[number].size)
        chunks = picture.chunks if name == 'PNG' and profiles[number] else None
        file = Encoder(name, spec.quality, spec.effort, kept).encoded(frames, profiles[number], chunks)
        if _is_same(picture, spec, places[number], name):
            file = no_larger(picture, file, kept_quality=bool(kept))
        rendered.append(Rendered(file, name, *frames.images[0].size))
        # What is encoded is needed no more.
        frames.images.clear()
    return rendered


def _is_same(picture: Picture, spec: Spec, place: Placement, name: str) -> bool:
    """Whether an output is the whole picture again, only to become smaller in bytes."""
    whole = (0, 0, *picture.size), picture.size
    return spec.effort and spec.quality is None and not spec.srgb and name == picture.format and place == whole


def _outputs(
    picture: Picture, image: Image.Image, factor: int, steps: Sequence[Step], formats: Sequence[str]
) -> Iterator[tuple[int, Image.Image]]:
    """The outputs of one frame with their numbers, as stored."""
    width, height = image.size
    whole = Placement((0, 0, *picture.size), picture.size)
    native = _NATIVE.get(picture.format, set()) if picture.frames == 1 else set()
    decoded = _Level(
        _framed(picture, image), (0, 0, max(width * factor, picture.size[0]), max(height * factor, picture.size[1]))
    )
    levels: dict[int | None, _Level] = {None: decoded}
    for step in steps:
        if image.mode in native and step.place == whole and formats[step.number] == picture.format:
            levels[step.number], output = decoded, image.copy()
        else:
            output = levels[step.parent].part(*step.place)
            levels[step.number] = _Level(output, step.place.box)
        yield step.number, output


def _framed(picture: Picture, image: Image.Image) -> Image.Image:
    frame = colour.plain(image)
    # The decoder paints the next frame over this one.
    return frame.copy() if frame is image and picture.frames > 1 else frame


class _Level:
    """The whole picture or a part of it in some size, from which smaller ones are made.

    :param box: What it shows, in pixels of the whole picture as stored.
    """

    def __init__(self, image: Image.Image, box: Box) -> None:
        self.image = image
        self._left, self._upper = box[:2]
        self._across = image.width / (box[2] - box[0])
        self._down = image.height / (box[3] - box[1])

    def part(self, box: Box, size: Size) -> Image.Image:
        """What is in *box*, which it shows, in *size*."""
        left, right = ((x - self._left) * self._across for x in box[::2])
        upper, lower = ((y - self._upper) * self._down for y in box[1::2])
        corner = round(left), round(upper)
        if (left, upper, right, lower) == (*corner, corner[0] + size[0], corner[1] + size[1]):
            return self.image if size == self.image.size else self.image.crop((left, upper, right, lower))
        self.image = colour.mixable(self.image)
        inside = max(0, left), max(0, upper), min(self.image.width, right), min(self.image.height, lower)
        return self.image.resize(size, Image.Resampling.LANCZOS, inside, REDUCED_PER_PIXEL)


def _kept_quality(picture: Picture, spec: Spec, size: Size) -> tuple[tuple[str, Any], ...]:
    """What makes the encoder keep the quality of a picture that is only to become smaller in bytes."""
    if not spec.effort or spec.quality is not None or (spec.format or picture.format) != picture.format:
        return ()
    if picture.format == 'WEBP' and picture.lossless:
        return (('lossless', True),)
    tables = getattr(picture.image, 'quantization', {})
    if picture.format == 'JPEG' and size == picture.size and picture.image.mode != 'CMYK' and _in_order(tables):
        sampling = get_sampling(picture.image)
        return (('quality', -1), ('qtables', tables), ('subsampling', sampling))
    return ()


def _in_order(tables: dict[int, list[int]]) -> bool:
    return 0 < len(tables) <= 2 and sorted(tables) == list(range(len(tables)))
