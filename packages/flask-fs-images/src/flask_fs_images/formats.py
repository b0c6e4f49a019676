"""The supported formats and how to recognize them."""

from __future__ import annotations

import codecs
import contextlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import SUPPORTED as WEBP
from PIL.WebPImagePlugin import WebPImageFile

_avif: Callable[[IO[bytes], str], ImageFile] | None = None
with contextlib.suppress(ImportError):  # Pillow before 11.3
    from PIL import AvifImagePlugin

    if AvifImagePlugin.SUPPORTED:  # pragma: no branch - the wheels of Pillow have libavif
        _avif = AvifImagePlugin.AvifImageFile

#: How many bytes at the start of a file reveal its format. An SVG can have comments and a doctype before its root.
HEAD_BYTES = 16 * 1024

#: What can come before the root of an SVG. Declarations in a document type are in brackets, and each has its own >.
_SVG_PROLOG = re.compile(
    r'\s+ | <\?.*?\?> | <!--.*?--> | (?i:<!DOCTYPE) [^\[>]* (?: \[ [^\]]* \] [^>]* )? >', re.DOTALL | re.VERBOSE
)
_SVG_ROOT = re.compile(r'<(?:[\w.-]+:)?svg[\s/>]')
_SIGNATURES = (
    (b'\xff\xd8\xff', 'JPEG'),
    (b'\x89PNG\r\n\x1a\n', 'PNG'),
    (b'GIF87a', 'GIF'),
    (b'GIF89a', 'GIF'),
    (b'BM', 'BMP'),
)
_HEIC_BRANDS = frozenset((b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'))


def _heic(file: IO[bytes], filename: str) -> ImageFile:
    # Imported late, because it loads a large library that most applications do not need.
    from pillow_heif import HeifImageFile

    return HeifImageFile(file, filename)  # type: ignore[no-untyped-call]  # it has no type hints here


class _Jpeg(JpegImageFile):
    def getexif(self) -> Exif:
        """An empty EXIF: Pillow would look there for an unused resolution, and warn if the EXIF is broken."""
        return Exif()


@dataclass(frozen=True)
class Format:
    """The properties of one format.

    :param open: Makes a Pillow image from a file object, reading little more than the header. Pillow's own ``open``
        would warn about large images, read several images from one JPEG, and try other formats.
    :param extensions: The file extensions of the format.
    :param side_px: The maximum width and height of an image.
    :param gray: Whether the format stores gray images as such, so that a gray profile can be kept.
    :param written_as: The format of outputs, if this format is only read.
    :param whole: Whether the decoder needs the complete file in memory.
    """

    open: Callable[[IO[bytes], str], ImageFile] | None
    extensions: frozenset[str]
    side_px: int = 2**31 - 1
    animated: bool = False
    alpha: bool = False
    profile: bool = False
    gray: bool = True
    written_as: str | None = None
    whole: bool = False

    @property
    def available(self) -> bool:
        """Whether the installed libraries can read the format."""
        return self.open is not None


FORMATS = {
    'JPEG': Format(_Jpeg, frozenset(('jpg', 'jpe', 'jpeg', 'jfif')), 65_500, profile=True),
    'PNG': Format(PngImageFile, frozenset(('png', 'apng')), animated=True, alpha=True, profile=True),
    'GIF': Format(GifImageFile, frozenset(('gif',)), 65_535, animated=True, alpha=True),
    'WEBP': Format(
        WebPImageFile if WEBP else None,
        frozenset(('webp',)),
        16_383,
        animated=True,
        alpha=True,
        profile=True,
        gray=False,
        whole=True,
    ),
    'AVIF': Format(
        _avif, frozenset(('avif', 'avifs')), 32_768, animated=True, alpha=True, profile=True, gray=False, whole=True
    ),
    'BMP': Format(BmpImageFile, frozenset(('bmp', 'dib'))),
    'HEIC': Format(
        _heic if importlib.util.find_spec('pillow_heif') else None,
        frozenset(('heic', 'heif')),
        written_as='JPEG',
        whole=True,
    ),
}
#: The formats of outputs.
WRITTEN = {name: kind for name, kind in FORMATS.items() if kind.written_as is None}


def recognize(head: bytes) -> str | None:
    """The format of a file that begins with *head*: a name in ``FORMATS``, ``SVG`` or None.

    :param head: The first ``HEAD_BYTES`` of the file, or all of a shorter file.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b'RIFF') and head[8:12] == b'WEBP':
        return 'WEBP'
    if head[4:8] == b'ftyp':
        # Both can begin with mif1, and list their own brand later.
        brands = _brands(head)
        return 'AVIF' if brands & {b'avif', b'avis'} else 'HEIC' if brands & _HEIC_BRANDS else None
    return 'SVG' if _is_svg(head) else None


def _brands(head: bytes) -> set[bytes]:
    # ISO/IEC 14496-12, 4.3: a length, 'ftyp', the major brand, a version, and compatible brands of four bytes each.
    box = head[: int.from_bytes(head[:4], 'big')]
    return {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}


def _is_svg(head: bytes) -> bool:
    encoding = 'utf-16' if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 'utf-8-sig'
    text, at = head.decode(encoding, 'replace'), 0
    while found := _SVG_PROLOG.match(text, at):
        at = found.end()
    return _SVG_ROOT.match(text, at) is not None
