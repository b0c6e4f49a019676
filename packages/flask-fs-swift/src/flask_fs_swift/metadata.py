"""Metadata of files, from responses and listings, and checks that these come from Swift."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask_fs.backends import CHECKSUM_KEY, FileInfo, info_of

from .attributes import metadata_in
from .errors import InvalidResponse

#: The content type that Swift's users and tools mark folders with.
FOLDER_MIME = 'application/directory'

#: Swift, Ceph's RADOS Gateway, StorageGRID, and Hitachi's HCP all send the first of these with every response.
_MARKS = ('x-trans-id', 'x-openstack-request-id')
#: Errors that provide information about a file, a container, or a request, and must be checked like a success.
_MEANINGFUL = frozenset((404, 409, 412, 413, 416, 422))
_NO_TIME = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)


class Entry(NamedTuple):
    """One object of a container's listing.

    :param is_slo: Whether it is a static large object. Some stores do not report this in listings.
    """

    name: str
    size: int
    modified: datetime.datetime
    mime: str
    etag: str
    is_slo: bool

    @property
    def info(self) -> FileInfo:
        """The metadata of the file. Listings also report the size of large objects."""
        return FileInfo(self.name, self.size, self.modified, self.mime, None, self.etag)

    @property
    def is_reachable(self) -> bool:
        """Whether requests can reach the object."""
        return not has_dot_segment(self.name)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not a folder or an object that marks one."""
        return self.size != 0 or not self.mime.startswith(FOLDER_MIME)


def has_dot_segment(path: str) -> bool:
    """Whether a part of *path* is ``.`` or ``..``, which HTTP clients would resolve."""
    return not {'.', '..'}.isdisjoint(path.split('/'))


# --- Headers.


def check_origin(status: int, headers: Mapping[str, str]) -> None:
    """Check that a response comes from Swift, because login pages and proxies also respond with 200 or 404.

    :raises InvalidResponse: If the response lacks Swift's headers.
    """
    if (status < 300 or status in _MEANINGFUL) and not any(mark in headers for mark in _MARKS):
        reason = f'a response with status {status} has no X-Trans-Id header, so it is not from Swift'
        raise InvalidResponse(f'{reason}: check the URL, and whether a proxy or login page responds')


def check_object(headers: Mapping[str, str]) -> None:
    """Check that the response to a GET or HEAD request for an object describes an object.

    :raises InvalidResponse: If a required header is missing.
    """
    # A dynamic large object with very many segments has neither length nor ETag.
    needed = ['content-type', 'content-length'] if 'x-object-manifest' in headers else ['content-length', 'etag']
    missing = [name for name in needed if not headers.get(name)]
    if not missing and not is_number(headers['content-length']):
        missing = ['content-length']
    if missing:
        raise InvalidResponse(f'the response for the file has no valid {" and no ".join(missing)}')


def is_number(text: str) -> bool:
    """Whether *text* is a valid length in HTTP, with no more digits than 64-bit numbers have."""
    return text.isascii() and text.isdecimal() and len(text) <= 19


def is_slo(headers: Mapping[str, str]) -> bool:
    """Whether an object is a static large object: a list of segments."""
    return headers.get('x-static-large-object', '').lower() == 'true'


def is_folder(headers: Mapping[str, str]) -> bool:
    """Whether an object only marks a folder."""
    return headers.get('content-type', '').startswith(FOLDER_MIME) and size_of(headers) == 0


def size_of(headers: Mapping[str, str]) -> int:
    """The length of the file that checked *headers* describe, even if they belong to a range of it."""
    _, _, total = headers.get('content-range', '').rpartition('/')
    return int(total if is_number(total) else headers.get('content-length', '0'))


def etag_of(headers: Mapping[str, str]) -> str:
    """The ETag, without the quotes that large objects have."""
    return headers.get('etag', '').strip('"')


def info_from_headers(name: str, headers: Mapping[str, str], algorithm: str) -> FileInfo:
    """The metadata in the response to a GET or HEAD request.

    :param algorithm: The checksum algorithm. If it is md5, Swift's ETag is the checksum, except for large objects.
    """
    etag, metadata = etag_of(headers), metadata_in(headers)
    if (
        CHECKSUM_KEY not in metadata
        and algorithm == 'md5'
        and not is_slo(headers)
        and 'x-object-manifest' not in headers
    ):
        metadata[CHECKSUM_KEY] = f'md5:{etag}'
    mime = headers.get('content-type') or 'application/octet-stream'
    return info_of(name, size_of(headers), _modified(headers), etag, {**headers, 'content-type': mime}, metadata)


def _modified(headers: Mapping[str, str]) -> datetime.datetime | None:
    # X-Timestamp matches the time in listings; Last-Modified is rounded up to the next second.
    with contextlib.suppress(KeyError, OSError, OverflowError, ValueError):
        return datetime.datetime.fromtimestamp(float(headers['x-timestamp']), datetime.timezone.utc)
    with contextlib.suppress(KeyError, OverflowError, TypeError, ValueError):
        moment = email.utils.parsedate_to_datetime(headers['last-modified'])
        # Python parses the zone -0000 as no zone.
        return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)
    return None


# --- Documents.


def listing(content: bytes, prefix: str, marker: str, delimiter: str = '') -> list[Entry]:
    """The entries of one page of a container's listing, after *marker*.

    :param delimiter: If given, names that contain it after the prefix are grouped into one entry that ends with it.
    :raises InvalidResponse: If the content is not a listing, or its names are not unique and sorted by code points.
    """
    try:
        entries = [_entry(fields, delimiter) for fields in list_of_mappings(content)]
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidResponse("the listing of the container is not in Swift's format") from error
    for entry in entries:
        is_below = delimiter and delimiter in entry.name[len(prefix) : -1]
        if not entry.name.startswith(prefix) or entry.name <= marker or is_below:
            raise InvalidResponse('the listing of the container has entries that were not requested')
        marker = entry.name
    return entries


def list_of_mappings(content: bytes) -> list[dict[str, Any]]:
    """The JSON objects in a JSON list.

    :raises TypeError: If the content is not a list of objects.
    :raises ValueError: If the content is not JSON.
    :raises RecursionError: If the content is nested too deeply.
    """
    document = json.loads(content)
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise TypeError('not a list of objects')
    return document


def _entry(fields: Mapping[str, Any], delimiter: str) -> Entry:
    if delimiter and 'subdir' in fields:
        if not fields['subdir'].endswith(delimiter):
            raise ValueError('subdir')
        return Entry(fields['subdir'], 0, _NO_TIME, FOLDER_MIME, '', is_slo=False)
    name, size, etag, mime = fields['name'], fields['bytes'], fields['hash'], fields.get('content_type')
    if not isinstance(name, str) or not name or type(size) is not int or size < 0 or not isinstance(etag, str):
        raise TypeError('not an object')
    # Swift's times are in UTC without a zone. Ceph's end with a Z, which Python supports since 3.11.
    modified = datetime.datetime.fromisoformat(fields['last_modified'].removesuffix('Z'))
    slo = fields.get('slo_etag')
    return Entry(
        name,
        size,
        modified.replace(tzinfo=modified.tzinfo or datetime.timezone.utc),
        # Ceph omits the type if an object has none.
        mime if isinstance(mime, str) and mime else 'application/octet-stream',
        (slo if isinstance(slo, str) else etag).strip('"'),
        slo is not None,
    )
