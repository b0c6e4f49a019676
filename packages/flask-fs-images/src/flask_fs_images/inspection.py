"""What a file says in its own structure, before any decoder reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import gif, heif, isobmff, jpeg, png, webp
from .headers import Extent
from .source import Source


@dataclass
class Inspection:
    """What matters of a structure, and what Pillow does not say.

    :param extents: Every size that a decoder may make room for.
    :param lossless: Whether a WebP lost nothing when it was encoded.
    :param exif: EXIF that comes after the picture.
    :param chunks: Those of a PNG about its colors.
    :param color_codes: Primaries, transfer, matrix and range, as in ITU-T H.273.
    :param watch: To be called with what is read while the picture is decoded.
    """

    extents: list[Extent] = field(default_factory=list)
    lossless: bool = False
    exif: bytes = b''
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    color_codes: bytes = b''
    watch: Callable[[int, bytes], None] | None = None
    structure: gif.Structure | None = None


def inspect(kind: str, source: Source, content: bytes | None, max_frames: int) -> Inspection:
    """What the structure of a picture of that *kind* says.

    :param content: All of it, of a kind that is read whole.
    :param max_frames: No more than one over it are counted, of a kind whose frames must be counted.
    :raises Broken: If it is broken.
    """
    if kind == 'JPEG':
        return _jpeg(source)
    if kind == 'PNG':
        facts = png.facts(source)
        return Inspection(exif=facts.exif, chunks=facts.colours, color_codes=facts.colours.get(b'cICP', b''))
    if kind == 'GIF':
        structure = gif.structure(source, max_frames)
        return Inspection([structure.extent], structure=structure)
    if kind == 'WEBP' and content is not None:
        extents, lossless = webp.extents(content)
        return Inspection(extents, lossless)
    if kind in {'AVIF', 'HEIC'} and content is not None:
        boxes = isobmff.structure(content)
        return Inspection(heif.decoded_extents(content, boxes), color_codes=heif.color_codes(content, boxes))
    return Inspection()


def _jpeg(source: Source) -> Inspection:
    header = jpeg.header(source)
    if header.one_scan:
        return Inspection(header.extents)
    counter = jpeg.ScanCounter()

    def watch(position: int, piece: bytes) -> None:
        counter.feed(position, piece)
        if counter.scans > jpeg.MAX_SCANS:
            raise source.refusal(f'a JPEG of more than {jpeg.MAX_SCANS} scans')

    return Inspection(header.extents, watch=watch)
