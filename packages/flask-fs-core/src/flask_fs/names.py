"""What a filename is: the one place that decides."""

from __future__ import annotations

import functools
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.datastructures import FileStorage

from .errors import InvalidFilename
from .files import UNSEEN, split_extension

__all__ = ['MAX_BYTES', 'MAX_PART_BYTES', 'TEMPORARY_PREFIX', 'check', 'clean', 'with_suffix']

#: The most bytes that a filename takes in UTF-8: the limit of an S3 key.
MAX_BYTES = 1024
#: The most bytes that one part between slashes keeps when a client's name is cleaned: the limit of most file systems.
MAX_PART_BYTES = 255
#: Backends begin the names of their own temporary files so; no filename may have a part that does.
TEMPORARY_PREFIX = '.fs-tmp-'

# How many names of a listing are looked at together.
_BATCH = 1000
_ASCII_CONTROLS = bytes((*range(0x20), 0x7F))
# Windows reads these as devices, whatever follows the first dot.
_DEVICES = re.compile(r'(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])\s*(?:[.:]|\Z)', re.IGNORECASE)
# A colon leads to another drive, or to a stream of another file.
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]')
# The 8.3 name that Windows makes for a longer one.
_SHORT_NAME = re.compile(r'(?=.{1,8}(?:\.|\Z))[^.]*~\d+(?:\.[^.]{0,3})?')


def check(filename: str) -> str:
    """*filename* itself, if every backend can keep it.

    Names are parts joined by single slashes. Nothing is normalised: two names that differ in one code point are two files.

    :raises InvalidFilename: If it is empty or absolute, has an empty, ``.`` or ``..`` part, a backslash, a NUL or other
        control character, a lone surrogate, a part that begins like a backend's own temporary files, or more than
        1024 bytes of UTF-8.
    """
    if type(filename) is str:
        return _checked(filename)
    if isinstance(filename, str):
        # A subclass of str (Markup, a lazy string) is taken by its text.
        return _checked(str.__str__(filename))
    raise InvalidFilename(reason=f'A filename is a str, not {type(filename).__name__}')


# A storage checks each name, and so does the backend that it hands it to, for those who use that directly.
@functools.lru_cache(maxsize=1024)
def _checked(filename: str) -> str:
    if not _is_plain(filename) and (reason := _refusal(filename)) is not None:
        raise InvalidFilename(filename, reason=reason)
    return filename


def _is_plain(filename: str) -> bool:
    # Says yes to nearly every name at once; what it refuses is looked at again to tell why, or why not.
    return (
        filename.isprintable()
        and '\\' not in filename
        and '//' not in (framed := f'/{filename}/')
        and '/.' not in framed
        and len(filename) <= MAX_BYTES // 4
    )


def _are_plain(filenames: list[str]) -> bool:
    # The same of many names at once, in less than half of the time.
    together = '/'.join(filenames)
    return (
        _is_printable(together)
        and '\\' not in together
        and '//' not in together
        and '/.' not in together
        and together[:1] not in ('', '/', '.')
        and together[-1] != '/'
        and max(map(len, filenames)) <= MAX_BYTES // 4
    )


def _is_printable(text: str) -> bool:
    # Four times as fast as str.isprintable() with long ASCII text, and slower with short.
    if text.isascii():
        raw = text.encode()
        return len(raw) == len(raw.translate(None, _ASCII_CONTROLS))
    return text.isprintable()


def _fits(filename: str) -> bool:
    return len(filename.encode('utf-8', 'surrogatepass')) <= MAX_BYTES


def _refusal(filename: str) -> str | None:
    parts = filename.split('/')
    if not filename:
        return 'it is empty'
    if not parts[0]:
        return 'it begins with a slash; names are relative to the storage'
    if '' in parts:
        return 'it ends with a slash or has two in a row'
    if '.' in parts or '..' in parts:
        return "it has a '.' or '..' part, which could lead elsewhere"
    if '\\' in filename:
        return 'it has a backslash; parts are separated by /'
    if any(unicodedata.category(character) == 'Cc' for character in filename):
        return 'it has a control character'
    if any(unicodedata.category(character) == 'Cs' for character in filename):
        return 'it has a lone surrogate, which UTF-8 cannot hold'
    if any(part.lower().startswith(TEMPORARY_PREFIX) for part in parts):
        return f"it has a part that begins with '{TEMPORARY_PREFIX}', which backends keep for themselves"
    if not _fits(filename):
        return f'it takes more than {MAX_BYTES} bytes of UTF-8'
    return None


def windows_refusal(filename: str) -> str | None:
    """Why Windows has no file of this name, or another file by it; None if it has one."""
    if found := _NOT_ON_WINDOWS.search(filename):
        return f'Windows allows no {found[0]} in it'
    for part in filename.split('/'):
        if part[-1] in '. ':
            return 'Windows drops the dot or blank at the end of a part'
        if _DEVICES.match(part):
            return f'Windows has a device where it has the part {part!r}'
        if _SHORT_NAME.fullmatch(part):
            return f'Windows may have another file under the short name {part!r}'
    return None


def is_valid(filename: str) -> bool:
    """Whether :func:`check` lets *filename* pass."""
    return _is_plain(filename) or _refusal(filename) is None


def valid_among(listed: Iterable[str]) -> Iterator[str]:
    """Those of *listed*, lazily and in their order, that :func:`check` lets pass.

    Stores hold what other programs put there too, under names that no verb takes.
    """
    left = iter(listed)
    # Whoever looks at a few names only should not wait for many.
    size = 1
    while batch := list(itertools.islice(left, size)):
        # One look at many names at once; only where something strange is among them is each looked at by itself.
        yield from batch if _are_plain(batch) else filter(is_valid, batch)
        size = min(2 * size, _BATCH)


def may_begin_names(prefix: str) -> bool:
    """Whether any filename can begin with *prefix*: an empty one, ``a``, ``a/`` and ``.`` can, ``/``, ``../`` cannot."""
    return not prefix or is_valid(prefix + 'x') or is_valid(prefix + '.x')


def join(*parts: str) -> str:
    """*parts* joined by single slashes, empty ones left out."""
    return '/'.join(stripped for part in parts if (stripped := part.strip('/')))


def clean(client_name: str) -> str:
    """A tame name made from one that a client sent: its last part, in letters, digits, ``.``, ``-`` and ``_``.

    Letters, marks and numbers of every script stay, in Unicode's composed form (NFC); the extension becomes lower case.
    What is left keeps within 255 bytes, its extension included.

    :raises InvalidFilename: If nothing is left.
    """
    name = unicodedata.normalize('NFC', client_name)
    name = re.split(r'[/\\]', name)[-1]
    name = re.sub(r'\s+', '_', name.strip())
    # Composed once more: what stood between a letter and its mark may be gone.
    name = unicodedata.normalize('NFC', ''.join(filter(_is_tame, name)))
    name = re.sub(r'\.{2,}', '.', name)
    stem, dot, ext = name.rpartition('.')
    if not dot:
        stem, ext = ext, ''
    stem, ext = _without_stray_marks(stem).strip('._'), _without_stray_marks(ext)
    if not stem and not ext:
        raise InvalidFilename(client_name, reason='nothing is left of it once cleaned; pass filename= to name the file')
    stem = stem or 'file'
    if _DEVICES.match(stem):
        stem = f'_{stem}'
    ending = f'.{ext.lower()}' if ext else ''
    return _fitted(stem, '', ending, MAX_PART_BYTES)


def _is_tame(character: str) -> bool:
    return character in '._-' or (unicodedata.category(character)[0] in 'LMN' and character not in UNSEEN)


def _without_stray_marks(text: str) -> str:
    # A mark belongs to the letter before it.
    return ''.join(itertools.dropwhile(lambda character: unicodedata.category(character)[0] == 'M', text))


def with_suffix(filename: str, suffix: str) -> str:
    """*filename* with *suffix* before its extension: ``a/b.png`` and ``-100`` give ``a/b-100.png``.

    What comes before the suffix is cut, by whole characters, so that the last part keeps within 255 bytes and the whole
    name within 1024.

    :raises InvalidFilename: If the folder alone is too long for that.
    """
    folder, slash, basename = filename.rpartition('/')
    stem, ending = split_extension(basename)
    place = folder + slash
    max_bytes = min(MAX_PART_BYTES, MAX_BYTES - len(place.encode()))
    return check(place + _fitted(stem, suffix, ending, max_bytes))


def _fitted(stem: str, suffix: str, ending: str, max_bytes: int) -> str:
    ending = _cut(ending, MAX_PART_BYTES // 2)
    cut = _cut(stem, max_bytes - len((suffix + ending).encode()))
    # One character stays in any case, rather than a name that begins with its suffix.
    return (cut if cut == stem else cut.rstrip('.') or stem[:1]) + suffix + ending


def _cut(text: str, max_bytes: int) -> str:
    return text.encode('utf-8', 'ignore')[: max(0, max_bytes)].decode('utf-8', 'ignore')


def of_source(source: Any) -> str | None:
    """The cleaned name that an uploaded file, an open file or a path brings along, or None."""
    if isinstance(source, os.PathLike) and not hasattr(source, 'read'):
        given: Any = os.fspath(source)
    else:
        given = source.filename if isinstance(source, FileStorage) else getattr(source, 'name', None)
    if not isinstance(given, str) or not given or given.startswith('<'):
        return None
    return clean(given)
