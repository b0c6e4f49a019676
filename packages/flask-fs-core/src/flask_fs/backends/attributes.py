"""What may be stored with a file besides its bytes: checked once here, so that every store can keep it, and as headers."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from werkzeug.http import parse_options_header

from ..files import mime_type
from ..media_types import UNKNOWN, content_coding, normalized
from .contract import NO_ATTRIBUTES, Attributes, FileInfo

__all__ = [
    'MAX_METADATA_BYTES',
    'MAX_VALUE_BYTES',
    'attributes_of',
    'changed',
    'decode_text',
    'download_name_of',
    'encode_text',
    'with_attributes',
]

#: How many bytes one value of metadata may take as a header, Swift's limit (max_meta_value_length), and any other attribute in
#: UTF-8: with them all, a file on ext4 has 4 KB of attributes at most.
MAX_VALUE_BYTES = 256
#: How many bytes all of them may take with their names: S3 allows 2 KB, of which some are for checksums.
MAX_METADATA_BYTES = 1536
#: The names of attributes, in the order of their fields.
NAMES = tuple(field.name for field in dataclasses.fields(Attributes))
# Stores differ in what else they allow: some keep no case, some no underscore, and a name is an identifier for Azure.
_METADATA_NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
_MAX_NAME_CHARACTERS = 64
# BCP 47, and a list of such tags (RFC 9110 §8.5).
_TAG = r'[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*'
_LANGUAGES = re.compile(rf'{_TAG}([ \t]*,[ \t]*{_TAG})*')
# RFC 2047, as S3 returns what is no ASCII.
_ENCODED = re.compile(r'=\?UTF-8\?B\?([A-Za-z0-9+/]*={0,2})\?=', re.IGNORECASE)


class GivenAttributes(TypedDict, total=False):
    """Attributes as keyword arguments; None is none, or removes one."""

    mime: str | None
    cache_control: str | None
    content_encoding: str | None
    content_language: str | None
    download_name: str | None
    metadata: Mapping[str, str] | None


def attributes_of(given: Mapping[str, Any]) -> Attributes:
    """The attributes *given* by name, once they are checked; None means that one is not given.

    :raises TypeError: If there is no attribute of that name, or it is no text.
    :raises ValueError: If one is malformed, or the metadata is too large for some stores.
    """
    if not any(value is not None for value in given.values()):
        _check_names(given)
        return NO_ATTRIBUTES
    return changed(NO_ATTRIBUTES, given)


def changed(attributes: Attributes, changes: Mapping[str, Any]) -> Attributes:
    """*attributes* with *changes* by name, once these are checked; None removes one."""
    _check_names(changes)
    checked: dict[str, Any] = {}
    for name, value in changes.items():
        if name == 'metadata':
            checked[name] = _checked_metadata({} if value is None else value)
        else:
            checked[name] = None if value is None else _CHECKS[name](_line(name, value))
    return dataclasses.replace(attributes, **checked)


def with_attributes(info: FileInfo, attributes: Attributes) -> FileInfo:
    """*info* of a file that is stored with *attributes* and no others."""
    kept = {name: getattr(attributes, name) for name in NAMES}
    # Copied: the metadata is that of who gave it, or of all files without any.
    kept |= {'mime': attributes.mime or mime_type(info.name), 'metadata': dict(attributes.metadata)}
    return dataclasses.replace(info, **kept)


def _check_names(given: Mapping[str, Any]) -> None:
    if unknown := given.keys() - set(NAMES):
        raise TypeError(
            f'no such argument or attribute: {", ".join(sorted(unknown))} (attributes are {", ".join(NAMES)})'
        )


def _line(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'{name} must be a str, not {type(value).__name__}')
    if (length := len(value.encode())) > MAX_VALUE_BYTES:
        raise ValueError(f'{name} has {length} bytes; at most {MAX_VALUE_BYTES} are allowed')
    return str.__str__(value)


def _checked_mime(value: str) -> str:
    if (mime := normalized(value)) == UNKNOWN and value.strip().lower() != UNKNOWN:
        raise ValueError(f'mime must be a media type such as text/plain, not {value!r}')
    return mime


def _checked_cache_control(value: str) -> str:
    if not (value.strip() and value.isascii() and value.isprintable()):
        raise ValueError(
            f'cache_control must be the value of a Cache-Control header, in one line of ASCII, not {value!r}'
        )
    return value.strip()


def _checked_encoding(value: str) -> str | None:
    if (coding := content_coding(value)) is None and value.strip().lower() != 'identity':
        raise ValueError(f'content_encoding must be the value of a Content-Encoding header such as gzip, not {value!r}')
    return coding


def _checked_language(value: str) -> str:
    if not _LANGUAGES.fullmatch(value := value.strip()):
        raise ValueError(f'content_language must be language tags such as de or en-US, not {value!r}')
    return value


def _checked_download_name(value: str) -> str:
    if not value or not value.isprintable() or '/' in value or '\\' in value:
        raise ValueError(f'download_name must be a single name, without slashes or control characters, not {value!r}')
    return value


_CHECKS = {
    'mime': _checked_mime,
    'cache_control': _checked_cache_control,
    'content_encoding': _checked_encoding,
    'content_language': _checked_language,
    'download_name': _checked_download_name,
}


def _checked_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, Mapping):
        raise TypeError(f'metadata must be a mapping of text to text, not {type(metadata).__name__}')
    checked, size = {}, 0
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f'metadata must be a mapping of text to text, not of {name!r} to {type(value).__name__}')
        if not _METADATA_NAME.fullmatch(name) or len(name) > _MAX_NAME_CHARACTERS:
            raise ValueError(
                f'{name!r} cannot be a name in metadata: use lower-case ASCII letters and digits, with single hyphens in '
                f'between, a letter first, and at most {_MAX_NAME_CHARACTERS} of them'
            )
        if name.startswith('fs-'):
            raise ValueError(f'{name!r} cannot be a name in metadata: those that begin with fs- are reserved')
        length = len(encode_text(value))
        if length > MAX_VALUE_BYTES:
            raise ValueError(
                f'metadata[{name!r}] takes {length} bytes as a header; at most {MAX_VALUE_BYTES} are allowed'
            )
        checked[str.__str__(name)], size = str.__str__(value), size + len(name) + length
    if size > MAX_METADATA_BYTES:
        raise ValueError(f'metadata takes {size} bytes as headers; at most {MAX_METADATA_BYTES} are allowed')
    return checked


def encode_text(value: str) -> str:
    """*value* as the value of a header: itself if that keeps it, else as an encoded word (RFC 2047).

    :raises ValueError: If it has lone surrogates, which UTF-8 cannot encode.
    """
    is_plain = value.isascii() and value.isprintable() and value == value.strip() and not _ENCODED.search(value)
    # A store may drop a header without a value.
    return value if value and is_plain else f'=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?='


def decode_text(header: str) -> str:
    """What :func:`encode_text` made a header from; any other text is returned unchanged."""
    if (found := _ENCODED.fullmatch(header)) is None:
        return header
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, ValueError):
        return header


def download_name_of(content_disposition: str | None) -> str | None:
    """The name that a Content-Disposition makes browsers save a file as; None if it has none, or no valid one."""
    if not content_disposition:
        return None
    kind, options = parse_options_header(content_disposition)
    name = options.get('filename')
    if kind.lower() != 'attachment' or not name:
        return None
    try:
        return _checked_download_name(name)
    except ValueError:
        return None
