"""File types: named groups of extensions, and media types by extension."""

from __future__ import annotations

import functools
import importlib.util
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
    'extension',
    'lower_extension',
    'mime',
    'mime_type',
]

# Invisible code points (Default_Ignorable_Code_Point), ignored by some file systems.
_UNSEEN_RANGES = (
    *(
        (0xAD, 0xAD),
        (0x34F, 0x34F),
        (0x61C, 0x61C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
    ),
    *((0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE01EF)),
)
UNSEEN = frozenset(chr(number) for first, last in _UNSEEN_RANGES for number in range(first, last + 1))
# Characters that some operating systems or web servers drop at the end of a name, plain and percent-encoded.
_DROPPED = UNSEEN | frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA1), 0x2028, 0x2029))) | frozenset('./\\ ')
_DROPPED_ENCODED = frozenset(f'%{number:02x}' for number in (*range(0x21), 0x2E, 0x2F, 0x5C, 0x7F))


class FileTypes(tuple[str, ...]):
    """A group of extensions in lowercase, without dots.

    Combine groups with ``+``, also with lists, tuples and sets of extensions.
    """

    __slots__ = ()

    def __new__(cls, extensions: Iterable[str] | str = ()) -> FileTypes:
        given = extensions.split() if isinstance(extensions, str) else extensions
        return super().__new__(cls, (ext.lower().removeprefix('.') for ext in given))

    def __add__(self, other: Any) -> FileTypes:
        return FileTypes((*self, *FileTypes(other)))

    def __radd__(self, other: Any) -> FileTypes:
        return FileTypes((*FileTypes(other), *self))


class _Rule(Container[str]):
    """A group of extensions that can't be listed, only tested for membership."""

    def file_allowed(self, storage: object, basename: str) -> bool:
        """Whether a file named *basename* is allowed. Flask-WTF's ``FileAllowed`` calls this for groups without iteration."""
        return extension(basename) in self

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


class All(_Rule):
    """Every extension, and names without one."""

    def __contains__(self, ext: object) -> bool:
        return True


class AllExcept(_Rule):
    """Every extension except those in *items*.

    :param items: Any container of extensions.
    """

    def __init__(self, items: Container[str]) -> None:
        self.items = items

    def __contains__(self, ext: object) -> bool:
        return not contains(self.items, str(ext))

    def __repr__(self) -> str:
        return f'AllExcept({self.items!r})'


class DisallowAll(_Rule):
    """No extension, and no name without one: the opposite of :class:`All`."""

    def __contains__(self, ext: object) -> bool:
        return False


TEXT = FileTypes('txt md')
DOCUMENTS = FileTypes('pdf rtf odt ods odp odf gnumeric abw doc docx xls xlsx ppt pptx')
IMAGES = FileTypes('jpg jpe jpeg jfif png gif svg bmp webp avif')
# The formats of phones, which only one browser shows: included only if flask-fs-images can convert them. find_spec()
# doesn't import the library.
if all(importlib.util.find_spec(name) for name in ('flask_fs_images', 'pillow_heif')):
    IMAGES += FileTypes('heic heif')
AUDIO = FileTypes('wav mp3 aac ogg oga flac opus m4a')
DATA = FileTypes('csv ini json plist xml yaml yml toml')
SCRIPTS = FileTypes('bat js php pl py rb sh')
ARCHIVES = FileTypes('gz bz2 xz zst zip tar tgz txz 7z')
EXECUTABLES = FileTypes('so exe dll')
DEFAULTS = TEXT + DOCUMENTS + IMAGES + DATA
ALL = All()
NONE = FileTypes()

# Types that are missing from the standard library's table in some supported Python versions.
_TYPES = {
    'avif': 'image/avif',
    'heic': 'image/heic',
    'heif': 'image/heif',
    'jfif': 'image/jpeg',
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
    # Compressed content is served compressed, so its type is the compression format.
    'bz2': 'application/x-bzip2',
    'gz': 'application/gzip',
    'svgz': 'application/gzip',
    'tgz': 'application/gzip',
    'txz': 'application/x-xz',
    'xz': 'application/x-xz',
    'zst': 'application/zstd',
}


def contains(extensions: Container[str], ext: str) -> bool:
    """Whether *ext* is among *extensions*, ignoring case.

    The items of a list, tuple or set can be in any case and have dots. Text is split at commas and whitespace. Any other
    container is tested for the lowercase extension.
    """
    ext = ext.casefold()
    if isinstance(extensions, str):
        # As text, 'php' contains 'p', which isn't one of its extensions.
        extensions = extensions.replace(',', ' ').split()
    return ext in extensions or (
        isinstance(extensions, (list, tuple, set, frozenset))
        and any(str(item).lower().removeprefix('.') == ext for item in extensions)
    )


def extension(filename: str) -> str:
    """The extension of *filename* in lowercase, without its dot; empty if it has none.

    Parsing follows operating systems and web servers. A leading dot begins a name, not an extension: ``.profile`` has
    none. Characters that some of them drop are ignored: ``x.php.``, ``x.php ``, ``x.php%20``, ``x.php/`` and
    ``x.php::$DATA`` all have the extension ``php``.
    """
    stem, dot, ext = filename.rpartition('.')
    if not dot:
        return ''
    if ext.isascii() and ext.isalnum() and stem and stem[-1] != '/':
        return ext.lower()
    # Not lower(): a case-insensitive file system treats ſ as s, as casefold() does.
    return bare_extension(split_extension(filename)[1][1:]).casefold()


def split_extension(filename: str) -> tuple[str, str]:
    """Split *filename* before the dot of its extension. Each part can be empty.

    The second part includes ignored characters: ``x.php.`` becomes ``x`` and ``.php.``.
    """
    end = _end(filename, len(filename))
    start = max(filename.rfind('/', 0, end), filename.rfind('\\', 0, end)) + 1
    while (dot := filename.rfind('.', start, end)) > start:
        if bare_extension(filename[dot + 1 : end]):
            return filename[:dot], filename[dot:]
        # Only the name of an NTFS stream: `x.php.:a`.
        end = _end(filename, dot)
    return filename, ''


def bare_extension(ext: str) -> str:
    """The extension *ext* without ignored characters. On Windows, the text after a colon is the name of a stream."""
    if not ext or (ext.isascii() and ext.isalnum()):
        return ext
    ext = ext.partition(':')[0]
    ext = ext[: _end(ext, len(ext))]
    return ext if ext.isascii() else ''.join(letter for letter in ext if letter not in UNSEEN)


def _end(filename: str, end: int) -> int:
    """The length of the first *end* characters of *filename* without ignored ones at the end."""
    while end:
        if filename[end - 1] in _DROPPED or filename[end - 1].isspace():
            end -= 1
        elif filename[max(0, end - 3) : end].lower() in _DROPPED_ENCODED:
            end -= 3
        else:
            break
    return end


def lower_extension(filename: str) -> str:
    """*filename* with its extension in lowercase: ``Photo.JPG`` becomes ``Photo.jpg``."""
    stem, ending = split_extension(filename)
    return stem + ending.lower()


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
