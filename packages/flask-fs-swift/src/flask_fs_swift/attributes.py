"""Attributes of files, stored as the headers of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_fs import backends as fs
from flask_fs.backends import Attributes

_METADATA = 'x-object-meta-'
#: The header that stores the checksum of a file.
CHECKSUM = f'{_METADATA}{fs.CHECKSUM_KEY}'
#: The header that identifies the creation of a file.
CREATION = f'{_METADATA}fs-creation'
#: The header that identifies a change of attributes: the ETag of the content that it was meant for, and a unique ID.
CHANGE = f'{_METADATA}fs-change'

# The headers, besides metadata, that a POST to an object removes unless they are sent again. The type is kept.
_REPEATED = frozenset((*fs.HEADERS.values(), 'expires', 'x-delete-at', 'x-object-manifest', 'x-robots-tag'))
#: Attributes that not every store keeps: operators configure the headers (allowed_headers of the object server).
PROBE = Attributes(cache_control='no-cache', content_encoding='gzip', content_language='en', download_name='probe')


def headers_of(attributes: Attributes, name: str) -> dict[str, str]:
    """The headers to store the file *name* with."""
    return fs.headers_of(attributes, name) | _as_headers(fs.metadata_of(attributes))


def metadata_in(headers: Mapping[str, str]) -> dict[str, str]:
    """All metadata in an object's *headers*, except a checksum that belongs to other content."""
    found = {header.removeprefix(_METADATA): value for header, value in headers.items() if header.startswith(_METADATA)}
    etag = headers.get('etag', '').strip('"')
    if headers.get(CHANGE, etag).partition('/')[0] != etag:
        # The object was replaced at the moment when its attributes were changed.
        found.pop(fs.CHECKSUM_KEY, None)
    return found


def _as_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {_METADATA + key: value for key, value in metadata.items()}


def repeated(headers: Mapping[str, str]) -> dict[str, str]:
    """The *headers* of an object that must be sent again to change its headers or to copy a large object."""
    return {header: value for header, value in headers.items() if header in _REPEATED or header.startswith(_METADATA)}


def changed_headers(headers: Mapping[str, str], name: str, changes: Mapping[str, Any]) -> dict[str, str]:
    """The headers to send to make *changes* to an object without losing its other *headers*."""
    metadata = _as_headers(fs.changed_metadata(metadata_in(headers), changes))
    others = {header: value for header, value in repeated(headers).items() if not header.startswith(_METADATA)}
    # The store keeps the existing type unless it is sent.
    del others['content-type']
    wanted = {**others, **fs.changed_headers(changes, name), **metadata}
    return {header: value for header, value in wanted.items() if value is not None}
