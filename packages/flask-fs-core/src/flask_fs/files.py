"""File types: named groups of extensions, and what an extension tells."""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Container, Iterable
from typing import Any

__all__ = [
    'ALL',
    'ARCHIVES',
    'AUDIO',
    'DATA',
    'DEFAULTS',
    'DOCUMENTS',
    'EXECUTABLES',
    'IMAGES',
    'NONE',
    'SCRIPTS',
    'TEXT',
    'All',
    'AllExcept',
    'DisallowAll',
    'FileTypes',
    'contains',
    'extension',
    'lower_extension',
    'mime',
    'mime_type',
]


class FileTypes(tuple[str, ...]):
    """A group of extensions in lower case, without dots.

    Groups, lists, tuples and sets of extensions are joined with ``+``.
    """

    __slots__ = ()

    def __new__(cls, extensions: Iterable[str] | str = ()) -> FileTypes:
        given = extensions.split() if isinstance(extensions, str) else extensions
        return super().__new__(cls, (ext.lower().removeprefix('.') for ext in given))

    def __add__(self, other: Any) -> FileTypes:
        return FileTypes((*self, *other))

    def __radd__(self, other: Any) -> FileTypes:
        return FileTypes((*other, *self))


class All:
    """Every extension, and names without one."""

    def __contains__(self, ext: object) -> bool:
        return True

    def __repr__(self) -> str:
        return 'All()'


class AllExcept:
    """Every extension but those in *extensions*.

    :param extensions: Any container of extensions.
    """

    def __init__(self, extensions: Container[str]) -> None:
        self.extensions = extensions

    def __contains__(self, ext: object) -> bool:
        return not contains(self.extensions, str(ext))

    def __repr__(self) -> str:
        return f'AllExcept({self.extensions!r})'


class DisallowAll:
    """No extension, and no name without one: the opposite of :class:`All`."""

    def __contains__(self, ext: object) -> bool:
        return False

    def __repr__(self) -> str:
        return 'DisallowAll()'


TEXT = FileTypes('txt md')
DOCUMENTS = FileTypes('pdf rtf odt ods odp odf gnumeric abw doc docx xls xlsx ppt pptx')
IMAGES = FileTypes('jpg jpe jpeg png gif svg bmp webp avif')
AUDIO = FileTypes('wav mp3 aac ogg oga flac opus m4a')
DATA = FileTypes('csv ini json plist xml yaml yml toml')
SCRIPTS = FileTypes('bat js php pl py rb sh')
ARCHIVES = FileTypes('gz bz2 xz zst zip tar tgz txz 7z')
EXECUTABLES = FileTypes('so exe dll')
DEFAULTS = TEXT + DOCUMENTS + IMAGES + DATA
ALL = All()
NONE = FileTypes()

# What the standard library's table lacks in some of the supported Pythons, and what matters here.
_TYPES = {
    'avif': 'image/avif',
    'docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'flac': 'audio/flac',
    'm4a': 'audio/mp4',
    'md': 'text/markdown',
    'odp': 'application/vnd.oasis.opendocument.presentation',
    'ods': 'application/vnd.oasis.opendocument.spreadsheet',
    'odt': 'application/vnd.oasis.opendocument.text',
    'oga': 'audio/ogg',
    'ogg': 'audio/ogg',
    'opus': 'audio/ogg',
    'pptx': 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    'rtf': 'application/rtf',
    'toml': 'application/toml',
    'webp': 'image/webp',
    'xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'yaml': 'application/yaml',
    'yml': 'application/yaml',
    # Compressed content is served as it is, so its type is that of the compression.
    'bz2': 'application/x-bzip2',
    'gz': 'application/gzip',
    'svgz': 'application/gzip',
    'tgz': 'application/gzip',
    'txz': 'application/x-xz',
    'xz': 'application/x-xz',
    'zst': 'application/zstd',
}


def contains(extensions: Container[str], ext: str) -> bool:
    """Whether *ext* is among *extensions*, whatever its case.

    A list, tuple or set may be written in any case; another container is asked for the lower case.
    """
    ext = ext.lower()
    if ext in extensions:
        return True
    if isinstance(extensions, (list, tuple, set, frozenset)):
        return any(str(item).lower() == ext for item in extensions)
    return False


def extension(filename: str) -> str:
    """The extension of *filename* in lower case, without its dot; empty if it has none.

    A leading dot begins a name, not an extension: ``.profile`` has none.
    """
    basename = filename[filename.rfind('/') + 1 :]
    stem, dot, ext = basename.rpartition('.')
    return ext.lower() if dot and stem else ''


def lower_extension(filename: str) -> str:
    """*filename* with its extension in lower case: ``Photo.JPG`` becomes ``Photo.jpg``."""
    ext = extension(filename)
    return filename[: len(filename) - len(ext)] + ext if ext else filename


def mime_type(filename: str) -> str:
    """The media type that *filename* suggests, or ``application/octet-stream``."""
    return _mime_type_of_extension(extension(filename)) or 'application/octet-stream'


def mime(filename: str, default: str | None = None) -> str | None:
    """The media type that *filename* suggests, or *default*."""
    return _mime_type_of_extension(extension(filename)) or default


@functools.lru_cache(maxsize=1024)
def _mime_type_of_extension(ext: str) -> str | None:
    known = _TYPES.get(ext)
    if known is None and ext:
        known, encoding = mimetypes.guess_type(f'name.{ext}', strict=False)
        known = None if encoding else known
    return known
