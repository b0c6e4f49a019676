"""What is stored with a file as the headers and the metadata of an object, in which most stores keep it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ..files import mime_type
from .attributes import changed, decode_text, download_name_of, encode_text
from .contract import NO_ATTRIBUTES, Attributes, FileInfo
from .http import attachment

__all__ = [
    'CHECKSUM_KEY',
    'HEADERS',
    'WRITER_KEY',
    'changed_headers',
    'changed_metadata',
    'headers_of',
    'info_of',
    'metadata_of',
    'unmangled',
]

#: The header of each attribute but the metadata.
HEADERS = {
    'mime': 'content-type',
    'cache_control': 'cache-control',
    'content_encoding': 'content-encoding',
    'content_language': 'content-language',
    'download_name': 'content-disposition',
}
# What no application's own metadata begins with.
_OWN = 'fs-'
#: The key in an object's metadata under which its checksum is kept.
CHECKSUM_KEY = f'{_OWN}checksum'
#: The key of a text that one write alone has: by it a writer whose response was lost recognizes its own object.
WRITER_KEY = f'{_OWN}writer'


def headers_of(attributes: Attributes, name: str) -> dict[str, str]:
    """The headers with which a file *name* is stored, in lower case; its media type is always among them."""
    given = attributes.given() | {'mime': attributes.mime or mime_type(name)}
    if attributes.download_name:
        given['download_name'] = attachment(attributes.download_name)
    return {header: given[attribute] for attribute, header in HEADERS.items() if attribute in given}


def metadata_of(attributes: Attributes) -> dict[str, str]:
    """The application's metadata with which a file is stored, in ASCII."""
    return {key: encode_text(value) for key, value in attributes.metadata.items()}


def changed_headers(changes: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """The headers of a file *name* that *changes* of its attributes are about; None for one that goes."""
    wanted = headers_of(changed(NO_ATTRIBUTES, changes), name)
    return {header: wanted.get(header) for attribute, header in HEADERS.items() if attribute in changes}


def changed_metadata(metadata: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, str]:
    """All *metadata* of an object after *changes* of its attributes: the backend's own entries stay."""
    if 'metadata' not in changes:
        return dict(metadata)
    own = {key: value for key, value in metadata.items() if key.startswith(_OWN)}
    return own | metadata_of(changed(NO_ATTRIBUTES, changes))


def info_of(
    name: str,
    size: int,
    modified: datetime.datetime | None,
    etag: str,
    headers: Mapping[str, str | None],
    metadata: Mapping[str, str],
) -> FileInfo:
    """The metadata of a file, from what its store reports.

    :param etag: As it comes in a header, or without quotes.
    :param headers: At least those of :data:`~flask_fs.backends.HEADERS` that it has, in lower case.
    :param metadata: All that the object has; keys are lowered, since headers have no case.
    """
    found = {key.lower(): value for key, value in metadata.items()}
    return FileInfo(
        name,
        size,
        modified,
        headers.get('content-type') or mime_type(name),
        found.get(CHECKSUM_KEY),
        etag.strip('"') or None,
        headers.get('content-encoding') or None,
        headers.get('cache-control') or None,
        headers.get('content-language') or None,
        download_name_of(headers.get('content-disposition')),
        {key: decode_text(value) for key, value in found.items() if not key.startswith(_OWN)},
    )


def unmangled(header: str) -> str:
    """A header that another program sent as UTF-8, and a client reads as ISO 8859-1, as it was sent; any other as it is."""
    try:
        return header.encode('latin-1').decode()
    except UnicodeError:
        return header
