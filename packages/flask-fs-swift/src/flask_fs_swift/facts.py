"""What Swift tells about files, in answers and in listings."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
from collections.abc import Mapping

from flask_fs.backends import FileInfo

from .responses import Entry, is_number

#: Where a file's own checksum is kept with it.
CHECKSUM = 'x-object-meta-fs-checksum'
#: What tells one creation of a file from every other.
CREATION = 'x-object-meta-fs-creation'
#: A content type by which Swift's users and its tools mark a folder.
FOLDER_MIME = 'application/directory'


def is_slo(headers: Mapping[str, str]) -> bool:
    """Whether an object is a static large object: a list of segments."""
    return headers.get('x-static-large-object', '').lower() == 'true'


def is_folder(headers: Mapping[str, str]) -> bool:
    """Whether an object only marks a folder."""
    return headers.get('content-type', '').startswith(FOLDER_MIME) and size_of(headers) == 0


def size_of(headers: Mapping[str, str]) -> int:
    """The length of a file that checked *headers* describe, be it with a range of it."""
    # A range that lies beyond the end is answered with the length alone: bytes */1000.
    _, _, total = headers.get('content-range', '').rpartition('/')
    return int(total if is_number(total) else headers.get('content-length', '0'))


def etag_of(headers: Mapping[str, str]) -> str:
    """The ETag; large objects have it in quotes."""
    return headers.get('etag', '').strip('"')


def info_from_headers(name: str, headers: Mapping[str, str], algorithm: str) -> FileInfo:
    """The facts in the answer to a GET or a HEAD.

    :param algorithm: That of checksums: where it is md5, Swift's own ETag is one, unless the object is a large one.
    """
    etag = etag_of(headers)
    checksum = headers.get(CHECKSUM)
    if checksum is None and algorithm == 'md5' and not is_slo(headers) and 'x-object-manifest' not in headers:
        checksum = f'md5:{etag}'
    mime = headers.get('content-type') or 'application/octet-stream'
    encoding = headers.get('content-encoding') or None
    return FileInfo(name, size_of(headers), _modified(headers), mime, checksum, etag or None, encoding)


def info_from_listing(entry: Entry) -> FileInfo:
    """The facts in one line of a container's listing, which tells the size of a large object too."""
    return FileInfo(entry.name, entry.size, entry.modified, entry.mime, None, entry.etag)


def is_reachable(entry: Entry) -> bool:
    """Whether a request for what a listing tells of would reach it: HTTP clients resolve dot segments."""
    framed = f'/{entry.name}/'
    return '/./' not in framed and '/../' not in framed


def is_file(entry: Entry) -> bool:
    """Whether what a listing tells of is a file, and no mark of a folder."""
    return entry.size != 0 or not entry.mime.startswith(FOLDER_MIME)


def _modified(headers: Mapping[str, str]) -> datetime.datetime | None:
    # X-Timestamp is that of listings; Last-Modified is rounded up to the next second.
    with contextlib.suppress(KeyError, OSError, OverflowError, ValueError):
        return datetime.datetime.fromtimestamp(float(headers['x-timestamp']), datetime.timezone.utc)
    with contextlib.suppress(KeyError, OverflowError, TypeError, ValueError):
        moment = email.utils.parsedate_to_datetime(headers['last-modified'])
        # Python reads a zone of -0000 as none.
        return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)
    return None
