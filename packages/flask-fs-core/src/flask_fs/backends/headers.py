"""Convert the attributes of files to and from the headers and metadata of objects, where most stores keep them."""

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

#: The header of each attribute except the metadata.
HEADERS = {
    'mime': 'content-type',
    'cache_control': 'cache-control',
    'content_encoding': 'content-encoding',
    'content_language': 'content-language',
    'download_name': 'content-disposition',
}
# The prefix of our own metadata. No application's metadata begins with it.
_OWN = 'fs-'
#: The key of the checksum in an object's metadata.
CHECKSUM_KEY = f'{_OWN}checksum'
#: The key of a text that is unique to each write. By it a writer whose response was lost recognizes its own object.
WRITER_KEY = f'{_OWN}writer'


def headers_of(attributes: Attributes, name: str) -> dict[str, str]:
    """The headers to store the file *name* with, in lowercase. They always include its media type."""
    given = attributes.given() | {'mime': attributes.mime or mime_type(name)}
    if attributes.download_name:
        given['download_name'] = attachment(attributes.download_name)
    return {header: given[attribute] for attribute, header in HEADERS.items() if attribute in given}


def metadata_of(attributes: Attributes) -> dict[str, str]:
    """The application's metadata to store a file with, in ASCII."""
    return {key: encode_text(value) for key, value in attributes.metadata.items()}


def changed_headers(changes: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """The headers of the file *name* that change with *changes* of its attributes. None removes a header."""
    wanted = headers_of(changed(NO_ATTRIBUTES, changes), name)
    return {header: wanted.get(header) for attribute, header in HEADERS.items() if attribute in changes}


def changed_metadata(metadata: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, str]:
    """All *metadata* of an object after *changes* of its attributes. The backend's own entries stay."""
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
    """The metadata of a file, from the data that its store reports.

    :param etag: The value of the header, or the same without quotes.
    :param headers: The object's headers in lowercase, at least those in :data:`~flask_fs.backends.HEADERS`.
    :param metadata: All metadata of the object. Keys are converted to lowercase, because headers are case-insensitive.
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
    """Restore a header that another program sent as UTF-8, and a client decoded as ISO 8859-1. Others are unchanged."""
    try:
        return header.encode('latin-1').decode()
    except UnicodeError:
        return header
