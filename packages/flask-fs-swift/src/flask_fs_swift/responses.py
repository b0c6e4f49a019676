"""What a response must have to be believed: login pages, proxies and wrong addresses answer 200 and 404 too."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import InvalidResponse

#: Swift, Ceph's RADOS Gateway, StorageGRID and Hitachi's HCP all send the first of them with every response.
_MARKS = ('x-trans-id', 'x-openstack-request-id')
#: Errors that say something about a file, a container or a request; believed like a success.
_TELLING = frozenset((404, 409, 412, 413, 416, 422))
_WANTED = re.compile(r'bytes=(\d*)-(\d*)')
_PART = re.compile(r'bytes (\d{1,19})-(\d{1,19})/(\d{1,19})')


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


def check_origin(status: int, headers: Mapping[str, str]) -> None:
    """Make sure that a response that would be acted upon comes from Swift.

    :raises InvalidResponse: If nothing says so.
    """
    if (status < 300 or status in _TELLING) and not any(mark in headers for mark in _MARKS):
        reason = f'a response with status {status} came without X-Trans-Id, so it is not from Swift'
        raise InvalidResponse(f'{reason}: something in between answers, or the address is that of something else')


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


def check_part(wanted: str, headers: Mapping[str, str]) -> None:
    """Make sure that a partial response holds the range *wanted*, as in a Range header.

    :raises InvalidResponse: If it holds another one, or does not say which.
    """
    part, match = _PART.fullmatch(headers.get('content-range', '')), _WANTED.fullmatch(wanted)
    if part is not None and match is not None:
        start, last, size = (int(number) for number in part.groups())
        wanted_first, wanted_last = match.groups()
        if not wanted_first:
            expected = max(0, size - int(wanted_last)), size - 1
        else:
            expected = int(wanted_first), min(int(wanted_last), size - 1) if wanted_last else size - 1
        if (start, last) == expected and int(headers['content-length']) == last - start + 1:
            return
    raise InvalidResponse('the store gave another range of the file than it was asked for')


def listing(content: bytes, prefix: str, marker: str) -> list[Entry]:
    """The entries of one page of a container's listing, after *marker*.

    :raises InvalidResponse: If it is none, or goes back: names come in the order of their code points, each one once.
    """
    try:
        entries = [_entry(told) for told in _list_of_mappings(content)]
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidResponse('a page of the listing of the container is not what Swift lists') from error
    for entry in entries:
        if not entry.name.startswith(prefix) or entry.name <= marker:
            raise InvalidResponse('a page of the listing of the container holds what was not asked for')
        marker = entry.name
    return entries


def manifest(content: bytes) -> list[dict[str, Any]]:
    """The segments of a static large object, as they were put.

    :raises InvalidResponse: If it is no manifest.
    """
    try:
        entries = _list_of_mappings(content)
        if not all(_is_path(told['path']) for told in entries):
            raise ValueError('path')
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidResponse('the list of its segments is not what Swift keeps') from error
    return entries


def removed_all(content: bytes, count: int) -> bool | None:
    """Whether a bulk request has removed *count* objects; None if the response is not the report of one."""
    try:
        told = json.loads(content)
        numbers = told['Number Deleted'], told['Number Not Found']
        errors = told['Errors']
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(number) is int and number >= 0 for number in numbers) or not isinstance(errors, list):
        return None
    return sum(numbers) == count and not errors


def _list_of_mappings(content: bytes) -> list[dict[str, Any]]:
    told = json.loads(content)
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise TypeError('not a list of objects')
    return told


def _entry(told: Mapping[str, Any]) -> Entry:
    name, size, etag, mime = told['name'], told['bytes'], told['hash'], told.get('content_type')
    if not isinstance(name, str) or not name or type(size) is not int or size < 0 or not isinstance(etag, str):
        raise TypeError('not an object')
    slo = told.get('slo_etag')
    return Entry(
        name,
        size,
        _moment(told['last_modified']),
        # Ceph leaves it out where an object has none.
        mime if isinstance(mime, str) and mime else 'application/octet-stream',
        (slo if isinstance(slo, str) else etag).strip('"'),
        slo is not None,
    )


def _moment(told: str) -> datetime.datetime:
    # Swift's times are in UTC without saying so, Ceph's end with a Z, which Python understands since 3.11.
    moment = datetime.datetime.fromisoformat(told.removesuffix('Z'))
    return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)


def _is_path(told: Any) -> bool:
    container, _, name = told.lstrip('/').partition('/') if isinstance(told, str) else ('', '', '')
    return bool(container and name)
