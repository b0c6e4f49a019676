"""The rules for valid filenames, the same for all backends."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.datastructures import FileStorage

from .errors import InvalidFilename
from .files import UNSEEN, split_extension

__all__ = [
    'DELETED_PREFIX',
    'INCOMING_PREFIX',
    'MAX_BYTES',
    'MAX_PART_BYTES',
    'TEMPORARY_PREFIX',
    'check',
    'clean',
    'with_suffix',
]

#: The maximum length of a filename in bytes of UTF-8: the limit of an S3 key.
MAX_BYTES = 1024
#: The maximum length in bytes of one part between slashes, for cleaned names from clients: the limit of most file systems.
MAX_PART_BYTES = 255
#: The prefix of the backends' temporary files. No part of a filename may begin with it.
TEMPORARY_PREFIX = '.fs-tmp-'
#: The hidden folder of deleted files that can be restored, and the prefix of their names. No part of a filename may begin
#: with it.
DELETED_PREFIX = '.fs-deleted'
#: The hidden folder of uploads that are not accepted yet. No part of a filename may begin with it.
INCOMING_PREFIX = '.fs-incoming'
#: The hidden folders, at the top level of a storage.
HIDDEN_FOLDERS = (DELETED_PREFIX, INCOMING_PREFIX)
_RESERVED = (TEMPORARY_PREFIX, *HIDDEN_FOLDERS)

# Accepted names. Both the storage and its backend check each name, because applications can use a backend directly.
# This lookup takes a third of the time of functools.lru_cache.
_accepted: set[str] = set()
_MAX_ACCEPTED = 1024
# How many names of a listing are checked in one batch.
_BATCH = 1000
_ASCII_CONTROLS = bytes((*range(0x20), 0x7F))
# Windows treats these names as devices, whatever follows the first dot.
_DEVICES = re.compile(r'(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])\s*(?:[.:]|\Z)', re.IGNORECASE)
# A colon selects another drive, or a stream of another file.
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]')
# The 8.3 name that Windows generates for a longer name.
_SHORT_NAME = re.compile(r'(?=.{1,8}(?:\.|\Z))[^.]*~\d+(?:\.[^.]{0,3})?')


def check(filename: str) -> str:
    """*filename* itself, if every backend can store a file with that name.

    Names are parts joined by single slashes. Nothing is normalized: names that differ in one code point are different files.

    :raises InvalidFilename: If it is empty or absolute; has an empty, ``.`` or ``..`` part; contains a backslash, a NUL or
        other control character, or a lone surrogate; has a part with a prefix that is reserved for temporary, deleted or
        incoming files; or is longer than 1024 bytes in UTF-8.
    """
    if type(filename) is not str:
        if not isinstance(filename, str):
            raise InvalidFilename(reason=f'A filename must be a str, not {type(filename).__name__}')
        # For a subclass of str (Markup, a lazy string), only its text matters.
        filename = str.__str__(filename)
    if filename not in _accepted:
        if not _is_plain(filename) and (reason := _refusal(filename)) is not None:
            raise InvalidFilename(filename, reason=reason)
        if len(_accepted) >= _MAX_ACCEPTED:
            _accepted.clear()
        _accepted.add(filename)
    return filename


def _is_plain(filename: str) -> bool:
    # Accepts nearly every valid name quickly. A name that fails here gets the full check, which might still accept it.
    return (
        filename.isprintable()
        and '\\' not in filename
        and '//' not in (framed := f'/{filename}/')
        and '/.' not in framed
        and len(filename) <= MAX_BYTES // 4
    )


def _are_plain(filenames: list[str]) -> bool:
    # The same check for a batch of names, in less than half the time.
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
    # Four times as fast as str.isprintable() for long ASCII text, but slower for short text.
    if text.isascii():
        raw = text.encode()
        return len(raw) == len(raw.translate(None, _ASCII_CONTROLS))
    return text.isprintable()


def _refusal(filename: str) -> str | None:
    parts = filename.split('/')
    if not filename:
        return 'it is empty'
    if not parts[0]:
        return 'it begins with a slash; filenames are relative to the storage'
    if '' in parts:
        return 'it ends with a slash or has two slashes in a row'
    if '.' in parts or '..' in parts:
        return "it has a '.' or '..' part, which could lead elsewhere"
    if '\\' in filename:
        return 'it has a backslash; parts are separated by /'
    if any(unicodedata.category(character) == 'Cc' for character in filename):
        return 'it has a control character'
    if any(unicodedata.category(character) == 'Cs' for character in filename):
        return 'it has a lone surrogate, which UTF-8 cannot encode'
    if reserved := [part for part in parts if part.lower().startswith(_RESERVED)]:
        known = ', '.join(map(repr, _RESERVED))
        return f'it has a part {reserved[0]!r}: the prefixes {known} are reserved for backends'
    if len(filename.encode('utf-8')) > MAX_BYTES:
        return f'it is longer than {MAX_BYTES} bytes in UTF-8'
    return None


def windows_refusal(filename: str) -> str | None:
    """Why Windows cannot store a file with this name, or would use another file; None if it can store it."""
    if found := _NOT_ON_WINDOWS.search(filename):
        return f'Windows does not allow {found[0]} in it'
    for part in filename.split('/'):
        if part[-1] in '. ':
            return 'Windows drops a dot or space at the end of a part'
        if _DEVICES.match(part):
            return f'Windows has a device named {part!r}'
        if _SHORT_NAME.fullmatch(part):
            return f'Windows can use {part!r} as the short name of another file'
    return None


def check_stored(name: str) -> str:
    """*name* itself, if it is valid, or the name of a hidden folder or of a file in one.

    :raises InvalidFilename: If it is none of these.
    """
    try:
        return check(name)
    except InvalidFilename:
        hidden, _, visible = name.partition('/')
        if hidden not in HIDDEN_FOLDERS:
            raise
    if visible := visible.partition(f'/{DELETED_PREFIX}')[0]:
        check(visible)
    return name


def is_valid(filename: str) -> bool:
    """Whether :func:`check` accepts *filename*."""
    return _is_plain(filename) or _refusal(filename) is None


def valid_in_folder(folder: str, basenames: list[str]) -> list[str]:
    """The names of files in *folder*, which is empty or ends with a slash, that :func:`check` accepts.

    :param basenames: Names as a file system returns them: without slashes, and not empty.
    """
    filenames = [folder + basename for basename in basenames]
    # Fewer checks than in _are_plain(), because basenames contain no slashes.
    together = '/'.join(basenames)
    if (
        _is_printable(together)
        and '\\' not in together
        and '/.' not in together
        and not together.startswith('.')
        and not [filename for filename in filenames if len(filename) > MAX_BYTES // 4]
        and (not folder or is_valid(folder[:-1]))
    ):
        return filenames
    return [filename for filename in filenames if is_valid(filename)]


def filter_valid(listed: Iterable[str]) -> Iterator[str]:
    """The names in *listed* that :func:`check` accepts, lazily and in the same order.

    Stores can also contain files of other programs, with names that no method accepts.
    """
    left = iter(listed)
    # The first batches are small, because a caller who needs only a few names shouldn't wait for many.
    size = 1
    while batch := list(itertools.islice(left, size)):
        # Names are checked in batches, and one by one only if a batch contains an unusual name.
        yield from batch if _are_plain(batch) else filter(is_valid, batch)
        size = min(2 * size, _BATCH)


def is_valid_prefix(prefix: str) -> bool:
    """Whether a filename can begin with *prefix*: true for ``''``, ``a``, ``a/`` and ``.``; false for ``/`` and ``../``."""
    # A name of maximum length is its own longest prefix.
    return not prefix or is_valid(prefix) or is_valid(prefix + 'x') or is_valid(prefix + '.x')


def join(*parts: str) -> str:
    """*parts* joined by single slashes, without empty ones."""
    return '/'.join(stripped for part in parts if (stripped := part.strip('/')))


def clean(client_name: str) -> str:
    """A safe name made from a client's filename: its last part, reduced to letters, digits, ``.``, ``-`` and ``_``.

    Letters, marks and numbers of every script are kept, in Unicode's composed form (NFC). The extension becomes lowercase.
    The result is at most 255 bytes long, including its extension.

    :raises InvalidFilename: If no characters are left.
    """
    name = unicodedata.normalize('NFC', client_name)
    name = re.split(r'[/\\]', name)[-1]
    name = re.sub(r'\s+', '_', name.strip())
    # Composed again: a character between a letter and its mark might have been removed.
    name = unicodedata.normalize('NFC', ''.join(filter(_is_safe, name)))
    name = re.sub(r'\.{2,}', '.', name)
    stem, dot, ext = name.rpartition('.')
    if not dot:
        stem, ext = ext, ''
    stem, ext = _without_stray_marks(stem).strip('._'), _without_stray_marks(ext)
    if not stem and not ext:
        raise InvalidFilename(
            client_name, reason='no characters are left after cleaning it; pass filename= to name the file'
        )
    stem = stem or 'file'
    if _DEVICES.match(stem):
        stem = f'_{stem}'
    ending = f'.{ext.lower()}' if ext else ''
    return _fitted(stem, '', ending, MAX_PART_BYTES)


def _is_safe(character: str) -> bool:
    return character in '._-' or (unicodedata.category(character)[0] in 'LMN' and character not in UNSEEN)


def _without_stray_marks(text: str) -> str:
    # A mark modifies the letter before it, and at the start there is none.
    return ''.join(itertools.dropwhile(lambda character: unicodedata.category(character)[0] == 'M', text))


def with_suffix(filename: str, suffix: str) -> str:
    """*filename* with *suffix* before its extension: ``a/b.png`` and ``-100`` become ``a/b-100.png``.

    The text before the suffix is shortened, by complete characters, to limit the last part to 255 bytes and the full name
    to 1024.

    :raises InvalidFilename: If the folder alone is too long for that.
    """
    folder, slash, basename = filename.rpartition('/')
    stem, ending = split_extension(basename)
    parent = folder + slash
    max_bytes = min(MAX_PART_BYTES, MAX_BYTES - len(parent.encode()))
    return check(parent + _fitted(stem, suffix, ending, max_bytes))


def _fitted(stem: str, suffix: str, ending: str, max_bytes: int) -> str:
    ending = _truncate(ending, MAX_PART_BYTES // 2)
    kept = _truncate(stem, max_bytes - len((suffix + ending).encode()))
    # Keep at least one character, because the name must not begin with its suffix.
    return (kept if kept == stem else kept.rstrip('.') or stem[:1]) + suffix + ending


def _truncate(text: str, max_bytes: int) -> str:
    return text.encode('utf-8', 'ignore')[: max(0, max_bytes)].decode('utf-8', 'ignore')


def of_source(source: Any) -> str | None:
    """The cleaned name of an upload with a filename, an open file or a path, or None."""
    given = given_name(source)
    return None if given is None else clean(given)


def given_name(source: Any) -> str | None:
    """The original name of an upload with a filename, an open file or a path, or None."""
    if isinstance(source, os.PathLike) and not hasattr(source, 'read'):
        given: Any = os.fspath(source)
    else:
        given = source.filename if isinstance(source, FileStorage) else getattr(source, 'name', None)
    # The name of an open file can be a descriptor number, or <stdin>.
    return given if isinstance(given, str) and given and not given.startswith('<') else None
