"""What is kept with a file besides its bytes, as the headers of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_fs import backends as fs
from flask_fs.backends import Attributes

_METADATA = 'x-object-meta-'
#: Where a file's own checksum is kept with it.
CHECKSUM = f'{_METADATA}{fs.CHECKSUM_KEY}'
#: What distinguishes one creation of a file from every other.
CREATION = f'{_METADATA}fs-creation'
#: What distinguishes one change of attributes from every other, after the ETag of the content that it was meant for.
CHANGE = f'{_METADATA}fs-change'

# Besides metadata, what an object loses when a change of its headers does not repeat it; but for its type.
_REPEATED = frozenset((*fs.HEADERS.values(), 'expires', 'x-delete-at', 'x-object-manifest', 'x-robots-tag'))
#: Attributes that not every store keeps: Swift's operators choose the headers (allowed_headers of the object server).
PROBE = Attributes(cache_control='no-cache', content_encoding='gzip', content_language='en', download_name='probe')


def headers_of(attributes: Attributes, name: str) -> dict[str, str]:
    """The headers with which a file *name* is stored."""
    return fs.headers_of(attributes, name) | _as_headers(fs.metadata_of(attributes))


def metadata_in(headers: Mapping[str, str]) -> dict[str, str]:
    """All metadata in an object's *headers*, but for a checksum that is that of other content."""
    found = {header.removeprefix(_METADATA): value for header, value in headers.items() if header.startswith(_METADATA)}
    etag = headers.get('etag', '').strip('"')
    if headers.get(CHANGE, etag).partition('/')[0] != etag:
        # It was replaced at the moment at which its attributes were changed.
        found.pop(fs.CHECKSUM_KEY, None)
    return found


def _as_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {_METADATA + key: value for key, value in metadata.items()}


def repeated(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of an object's *headers* that a change of its headers, or a copy of a large one, has to send again."""
    return {header: value for header, value in headers.items() if header in _REPEATED or header.startswith(_METADATA)}


def changed_headers(headers: Mapping[str, str], name: str, changes: Mapping[str, Any]) -> dict[str, str]:
    """What to send to make *changes* to an object, and lose nothing else of its *headers*."""
    metadata = _as_headers(fs.changed_metadata(metadata_in(headers), changes))
    others = {header: value for header, value in repeated(headers).items() if not header.startswith(_METADATA)}
    # The store keeps the type that it has, in whatever form, unless it is named.
    del others['content-type']
    wanted = {**others, **fs.changed_headers(changes, name), **metadata}
    return {header: value for header, value in wanted.items() if value is not None}
