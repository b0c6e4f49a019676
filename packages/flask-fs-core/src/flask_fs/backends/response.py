"""The HTTP answer for one file: conditional requests, ranges and streaming, after RFC 9110."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import IO
from urllib.parse import quote

from flask import Response, current_app, request
from werkzeug.datastructures import Headers
from werkzeug.http import (
    http_date,
    is_resource_modified,
    parse_etags,
    parse_if_range_header,
    parse_range_header,
    quote_etag,
)

from ..media_types import content_type
from .codings import gunzipped, must_decode
from .contract import FileInfo
from .streams import Chunks, limited

#: How much of a file is handed to the server at once, in bytes.
BLOCK_BYTES = 256 * 1024

#: Opens the bytes [start, stop) of the file; a stop of None is its end.
RangeOpener = Callable[[int, 'int | None'], IO[bytes]]


def respond(info: FileInfo, open_range: RangeOpener | None) -> Response:
    """The answer to the current request for the file of *info*.

    200 with the whole file, 206 with the one range asked for, 304 or 412 by the request's conditions, 416 for a range
    beyond the end. Several ranges in one request are answered with the whole file, as RFC 9110 §14.2 allows. The file is
    opened only when its bytes are sent.

    Content that is stored encoded is sent so, with its Content-Encoding: length, ranges and validators are those of the
    encoded bytes. A client that does not accept gzip gets it decoded, whole and of unknown length, with a weak ETag.

    :param open_range: None if a web server in front sends the content: then neither length nor range is told.
    """
    environ = request.environ
    headers = Headers([('Content-Type', content_type(info.mime))])
    if info.modified is not None:
        headers.add('Last-Modified', http_date(info.modified))
    decoding = open_range is not None and must_decode(request, info.content_encoding)
    if info.etag is not None:
        headers.add('ETag', quote_etag(info.etag, weak=decoding))
    if info.content_encoding is not None:
        headers.add('Vary', 'Accept-Encoding')
    status = _precondition(info) if _CONDITIONS.intersection(environ) else None
    if status is not None:
        headers.remove('Content-Type')
        return current_app.response_class(status=status, headers=headers)

    if open_range is not None and decoding:
        return _decoded(headers, open_range)
    if info.content_encoding is not None:
        headers.add('Content-Encoding', info.content_encoding)
    if open_range is None:
        return current_app.response_class(headers=headers)

    headers.add('Accept-Ranges', 'bytes')
    start: int = 0
    stop: int | None = None
    if 'HTTP_RANGE' in environ and environ['REQUEST_METHOD'] == 'GET' and _range_applies(info):
        wanted = parse_range_header(environ['HTTP_RANGE'])
        if wanted is not None and wanted.units == 'bytes' and len(wanted.ranges) == 1:
            start, stop = _bounds(*wanted.ranges[0], info.size)
            if start >= stop:
                headers['Content-Range'] = f'bytes */{info.size}'
                headers['Content-Type'] = 'text/plain; charset=utf-8'
                headers.remove('Content-Encoding')
                return current_app.response_class('No such range in this file.\n', status=416, headers=headers)
            headers['Content-Range'] = f'bytes {start}-{stop - 1}/{info.size}'
    headers.add('Content-Length', str((info.size if stop is None else stop) - start))
    if environ['REQUEST_METHOD'] == 'HEAD':
        return current_app.response_class(status=200, headers=headers)
    stream = open_range(start, stop)
    if stop is not None:
        # Servers send a real file to its end, whatever Content-Length says; a window has no file number.
        stream = limited(stream, stop - start)
    # A server's own wrapper may hand the whole file to the kernel; ours closes it as soon as it was read.
    body = environ.get('wsgi.file_wrapper', Chunks)(stream, BLOCK_BYTES)
    status = 200 if stop is None else 206
    return current_app.response_class(body, status=status, headers=headers, direct_passthrough=True)


def _decoded(headers: Headers, open_range: RangeOpener) -> Response:
    if request.method == 'HEAD':
        # An iterator, because the length of a list would be sent as that of the content.
        return current_app.response_class(iter(()), headers=headers)
    stream = gunzipped(open_range(0, None))
    if stream is None:
        headers['Content-Type'] = 'text/plain; charset=utf-8'
        reason = 'This file is stored as gzip, which you do not accept, and cannot be decoded.\n'
        return current_app.response_class(reason, status=406, headers=headers)
    return current_app.response_class(Chunks(stream, BLOCK_BYTES), headers=headers, direct_passthrough=True)


def respond_at_once(
    fetch: Callable[[str | None], tuple[FileInfo, IO[bytes]] | None], otherwise: Callable[[], Response]
) -> Response:
    """The answer to the current request by one request to the store, which is asked for the same range.

    :param fetch: Gives the facts about the whole file, and the open bytes of a range as in a Range header, or of the
        whole file for None; None instead if the store gives no such range.
    :param otherwise: Answers what needs facts before bytes: HEAD, conditions, ranges that are not there.
    """
    environ = request.environ
    conditional = 'HTTP_IF_RANGE' in environ or _CONDITIONS.intersection(environ)
    if environ['REQUEST_METHOD'] != 'GET' or conditional:
        return otherwise()
    wanted = parse_range_header(environ.get('HTTP_RANGE'))
    one = wanted is not None and wanted.units == 'bytes' and len(wanted.ranges) == 1
    found = fetch(wanted.to_header() if wanted is not None and one else None)
    if found is None:
        return otherwise()
    info, stream = found
    if one and must_decode(request, info.content_encoding):
        # Of a part alone nothing can be decoded.
        stream.close()
        return otherwise()
    try:
        return respond(info, lambda start, stop: stream)
    except BaseException:
        stream.close()
        raise


_CONDITIONS = frozenset(
    ('HTTP_IF_NONE_MATCH', 'HTTP_IF_MODIFIED_SINCE', 'HTTP_IF_MATCH', 'HTTP_IF_UNMODIFIED_SINCE'),
)


def _precondition(info: FileInfo) -> int | None:
    """The status that the request's conditions call for, or None to go on (RFC 9110 §13.2.2)."""
    headers = request.headers
    etag = quote_etag(info.etag) if info.etag is not None else None
    if 'If-Match' in headers:
        matched = parse_etags(headers['If-Match'])
        if not (matched.star_tag or (info.etag is not None and matched.is_strong(info.etag))):
            return 412
    elif (
        (limit := request.if_unmodified_since) is not None
        and info.modified is not None
        and info.modified.replace(microsecond=0) > limit
    ):
        return 412
    if 'If-None-Match' in headers or 'If-Modified-Since' in headers:
        unchanged = not is_resource_modified(request.environ, etag=etag, last_modified=info.modified)
        return 304 if unchanged else None
    return None


def _bounds(start: int, stop: int | None, size: int) -> tuple[int, int]:
    """The bytes [start, stop) that a range means in a file of *size* bytes; a negative start counts from its end."""
    return (max(0, size + start) if start < 0 else start), size if stop is None else min(stop, size)


def _range_applies(info: FileInfo) -> bool:
    """Whether the file is still the one that the client has parts of (If-Range, RFC 9110 §13.1.5)."""
    given = request.headers.get('If-Range')
    if given is None:
        return True
    condition = parse_if_range_header(given)
    if condition.etag is not None:
        return not given.lstrip().startswith('W/') and condition.etag == info.etag
    return (
        condition.date is not None
        and info.modified is not None
        and condition.date == info.modified.replace(microsecond=0)
    )


def attachment(name: str) -> str:
    """A Content-Disposition that saves a file as *name* (RFC 6266), with a plain form for clients that know no other."""
    plain = unicodedata.normalize('NFKD', name).encode('ascii', 'ignore').decode()
    quoted = plain.replace('\\', '\\\\').replace('"', '\\"')
    header = f'attachment; filename="{quoted or "download"}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
