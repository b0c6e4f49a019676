"""What Swift says about files, in responses and listings, and what makes that credible."""

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

#: A content type by which Swift's users and its tools mark a folder.
FOLDER_MIME = 'application/directory'

#: Swift, Ceph's RADOS Gateway, StorageGRID and Hitachi's HCP all send the first of them with every response.
_MARKS = ('x-trans-id', 'x-openstack-request-id')
#: Errors that say something about a file, a container or a request; believed like a success.
_MEANINGFUL = frozenset((404, 409, 412, 413, 416, 422))
_NO_TIME = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)


class Entry(NamedTuple):
    """One object of a container's listing.

    :param is_slo: Whether it is a static large object; some stores do not say so in listings.
    """

    name: str
    size: int
    modified: datetime.datetime
    mime: str
    etag: str
    is_slo: bool

    @property
    def info(self) -> FileInfo:
        """The metadata of the file; a listing has the size of a large object too."""
        return FileInfo(self.name, self.size, self.modified, self.mime, None, self.etag)

    @property
    def is_reachable(self) -> bool:
        """Whether a request for it would reach it."""
        return not has_dot_segment(self.name)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and no folder nor mark of one."""
        return self.size != 0 or not self.mime.startswith(FOLDER_MIME)


def has_dot_segment(path: str) -> bool:
    """Whether a part of *path* is ``.`` or ``..``, which HTTP clients resolve, so that it leads elsewhere."""
    return not {'.', '..'}.isdisjoint(path.split('/'))


# --- Headers.


def check_origin(status: int, headers: Mapping[str, str]) -> None:
    """Make sure that a response that would be acted upon comes from Swift: login pages and proxies respond 200 and 404 too.

    :raises InvalidResponse: If nothing says so.
    """
    if (status < 300 or status in _MEANINGFUL) and not any(mark in headers for mark in _MARKS):
        reason = f'a response with status {status} came without X-Trans-Id, so it is not from Swift'
        raise InvalidResponse(f'{reason}: something in between responds, or the URL is that of something else')


def check_object(headers: Mapping[str, str]) -> None:
    """Make sure that the response to a GET or HEAD of an object describes one.

    :raises InvalidResponse: If a field is missing that objects always have.
    """
    # A dynamic large object of very many segments has neither length nor ETag.
    needed = ['content-type', 'content-length'] if 'x-object-manifest' in headers else ['content-length', 'etag']
    missing = [name for name in needed if not headers.get(name)]
    if not missing and not is_number(headers['content-length']):
        missing = ['content-length']
    if missing:
        raise InvalidResponse(f'the response about the file has no usable {" and no ".join(missing)}')


def is_number(text: str) -> bool:
    """Whether *text* is a length as HTTP writes it; more digits than 64 bits have are none."""
    return text.isascii() and text.isdecimal() and len(text) <= 19


def is_slo(headers: Mapping[str, str]) -> bool:
    """Whether an object is a static large object: a list of segments."""
    return headers.get('x-static-large-object', '').lower() == 'true'


def is_folder(headers: Mapping[str, str]) -> bool:
    """Whether an object only marks a folder."""
    return headers.get('content-type', '').startswith(FOLDER_MIME) and size_of(headers) == 0


def size_of(headers: Mapping[str, str]) -> int:
    """The length of a file that checked *headers* describe, be it with a range of it."""
    _, _, total = headers.get('content-range', '').rpartition('/')
    return int(total if is_number(total) else headers.get('content-length', '0'))


def etag_of(headers: Mapping[str, str]) -> str:
    """The ETag; large objects have it in quotes."""
    return headers.get('etag', '').strip('"')


def info_from_headers(name: str, headers: Mapping[str, str], algorithm: str) -> FileInfo:
    """The metadata in the response to a GET or a HEAD.

    :param algorithm: That of checksums: where it is md5, Swift's own ETag is one, unless the object is a large one.
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
    # X-Timestamp is that of listings; Last-Modified is rounded up to the next second.
    with contextlib.suppress(KeyError, OSError, OverflowError, ValueError):
        return datetime.datetime.fromtimestamp(float(headers['x-timestamp']), datetime.timezone.utc)
    with contextlib.suppress(KeyError, OverflowError, TypeError, ValueError):
        moment = email.utils.parsedate_to_datetime(headers['last-modified'])
        # Python reads a zone of -0000 as none.
        return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)
    return None


# --- Documents.


def listing(content: bytes, prefix: str, marker: str, delimiter: str = '') -> list[Entry]:
    """The entries of one page of a container's listing, after *marker*.

    :param delimiter: With one, what is below it is one entry, whose name ends with it.
    :raises InvalidResponse: If it is none, or goes back: names come in the order of their code points, each one once.
    """
    try:
        entries = [_entry(fields, delimiter) for fields in list_of_mappings(content)]
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidResponse('a page of the listing of the container is not what Swift lists') from error
    for entry in entries:
        is_below = delimiter and delimiter in entry.name[len(prefix) : -1]
        if not entry.name.startswith(prefix) or entry.name <= marker or is_below:
            raise InvalidResponse('a page of the listing of the container holds what was not requested')
        marker = entry.name
    return entries


def list_of_mappings(content: bytes) -> list[dict[str, Any]]:
    """The JSON objects in a list of these, as JSON.

    :raises TypeError: If it is something else.
    :raises ValueError: If it is no JSON.
    :raises RecursionError: If it is nested too deeply.
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
    # Swift's times are in UTC without saying so, Ceph's end with a Z, which Python understands since 3.11.
    modified = datetime.datetime.fromisoformat(fields['last_modified'].removesuffix('Z'))
    slo = fields.get('slo_etag')
    return Entry(
        name,
        size,
        modified.replace(tzinfo=modified.tzinfo or datetime.timezone.utc),
        # Ceph leaves it out where an object has none.
        mime if isinstance(mime, str) and mime else 'application/octet-stream',
        (slo if isinstance(slo, str) else etag).strip('"'),
        slo is not None,
    )
