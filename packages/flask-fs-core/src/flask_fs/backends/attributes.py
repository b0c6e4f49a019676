"""The attributes of files: checks that make sure every store can keep them, and their form in headers."""

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

#: The maximum size of one metadata value as a header, Swift's limit (max_meta_value_length), and of any other attribute in
#: UTF-8. All together fit into the 4 KB of attributes that a file on ext4 can have.
MAX_VALUE_BYTES = 256
#: The maximum size of all metadata with names. S3 allows 2 KB, and some of that is for checksums.
MAX_METADATA_BYTES = 1536
#: The names of attributes, in the order of their fields.
NAMES = tuple(field.name for field in dataclasses.fields(Attributes))
# The common subset of all stores: some don't keep case, some don't allow underscores, and Azure requires an identifier.
_METADATA_NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
_MAX_NAME_CHARACTERS = 64
# BCP 47, and a list of such tags (RFC 9110 §8.5).
_TAG = r'[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*'
_LANGUAGES = re.compile(rf'{_TAG}([ \t]*,[ \t]*{_TAG})*')
# RFC 2047: S3 returns non-ASCII text in this form.
_ENCODED = re.compile(r'=\?UTF-8\?B\?([A-Za-z0-9+/]*={0,2})\?=', re.IGNORECASE)


class GivenAttributes(TypedDict, total=False):
    """Attributes as keyword arguments. None means no value, or removes one."""

    mime: str | None
    cache_control: str | None
    content_encoding: str | None
    content_language: str | None
    download_name: str | None
    metadata: Mapping[str, str] | None


def attributes_of(given: Mapping[str, Any]) -> Attributes:
    """The checked attributes in *given*. None means that an attribute is not set.

    :raises TypeError: If a name isn't an attribute's, or a value isn't text.
    :raises ValueError: If a value is malformed, or the metadata is too large for some stores.
    """
    if not any(value is not None for value in given.values()):
        _check_names(given)
        return NO_ATTRIBUTES
    return changed(NO_ATTRIBUTES, given)


def changed(attributes: Attributes, changes: Mapping[str, Any]) -> Attributes:
    """*attributes* with the checked *changes*, by name. None removes an attribute."""
    _check_names(changes)
    checked: dict[str, Any] = {}
    for name, value in changes.items():
        if name == 'metadata':
            checked[name] = _checked_metadata({} if value is None else value)
        else:
            checked[name] = None if value is None else _CHECKS[name](_line(name, value))
    return dataclasses.replace(attributes, **checked)


def with_attributes(info: FileInfo, attributes: Attributes) -> FileInfo:
    """*info* with exactly *attributes*."""
    kept = {name: getattr(attributes, name) for name in NAMES}
    # Copied, because the mapping belongs to the caller, or is shared by all files without metadata.
    kept |= {'mime': attributes.mime or mime_type(info.name), 'metadata': dict(attributes.metadata)}
    return dataclasses.replace(info, **kept)


def _check_names(given: Mapping[str, Any]) -> None:
    if unknown := given.keys() - set(NAMES):
        raise TypeError(f'no such argument or attribute: {", ".join(sorted(unknown))} (attributes: {", ".join(NAMES)})')


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
        raise ValueError(f'cache_control must be the value of a Cache-Control header, one line of ASCII, not {value!r}')
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
                f'{name!r} is not a valid metadata name: use lowercase ASCII letters, digits and single hyphens between them, '
                f'begin with a letter, and use at most {_MAX_NAME_CHARACTERS} characters'
            )
        if name.startswith('fs-'):
            raise ValueError(f'{name!r} is not a valid metadata name: names that begin with fs- are reserved')
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
    """*value* as a header value: unchanged if a header preserves it, otherwise as an encoded word (RFC 2047).

    :raises ValueError: If it has lone surrogates, which UTF-8 cannot encode.
    """
    is_plain = value.isascii() and value.isprintable() and value == value.strip() and not _ENCODED.search(value)
    # Stores might drop a header without a value.
    return value if value and is_plain else f'=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?='


def decode_text(header: str) -> str:
    """The original text of a header made by :func:`encode_text`. Any other text is returned unchanged."""
    if (found := _ENCODED.fullmatch(header)) is None:
        return header
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, ValueError):
        return header


def download_name_of(content_disposition: str | None) -> str | None:
    """The name in a Content-Disposition under which browsers save a file; None if there is no valid one."""
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
