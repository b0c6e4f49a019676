"""The HTTP response for a file: conditional requests, ranges and streaming, as in RFC 9110, and security headers."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Callable, Mapping
from typing import IO
from urllib.parse import quote

from flask import Response, current_app, request
from werkzeug.datastructures import Headers
from werkzeug.http import (
    http_date,
    is_resource_modified,
    parse_content_range_header,
    quote_etag,
)

from ..errors import BackendError, FileNotFound, FSError, PermissionDenied, RangeNotSatisfiable, Replaced, Unavailable
from ..media_types import content_type, is_inert
from .codings import gunzipped, must_decode
from .contract import FileInfo, Opened
from .streams import Chunks, limited, undone_by

#: The size of the blocks of a file that are passed to the server, in bytes.
BLOCK_BYTES = 256 * 1024
#: The policy for types that aren't inert: browsers show them without scripts, forms, plug-ins, network access and cookies.
SANDBOX = "sandbox; default-src 'none'; img-src data:; font-src data:; media-src data:; style-src 'unsafe-inline'"
#: How many versions of a file to try before giving up because it keeps changing.
MAX_VERSIONS = 5
_PRECONDITIONS = frozenset(
    ('HTTP_IF_NONE_MATCH', 'HTTP_IF_MODIFIED_SINCE', 'HTTP_IF_MATCH', 'HTTP_IF_UNMODIFIED_SINCE'),
)
_CONDITIONS = _PRECONDITIONS | {'HTTP_IF_RANGE'}
_KINDS: Mapping[int, type[FSError]] = {
    401: PermissionDenied, 403: PermissionDenied, 404: FileNotFound, 412: Replaced, 501: BackendError,
}  # fmt: skip
# The statuses below 500 that mean that another attempt might succeed.
_BUSY = (408, 409, 425, 429)


#: Opens the bytes [start, stop) of a file, with metadata of the same version: see :meth:`BaseBackend._open`.
Opener = Callable[..., Opened]


def respond(stat: Callable[[], FileInfo], open_file: Opener) -> Response:
    """The response to the current request for a file.

    200 with the complete file, 206 with the requested range, 304 or 412 by the request's conditions, 416 for a range
    beyond the end. A request for several ranges gets the complete file, as RFC 9110 §14.2 allows. Everything in the response
    is from one version of the file. A GET without conditions costs one request to the store. The file is opened only if its
    bytes are sent.

    Encoded content is sent encoded, with its Content-Encoding: length, ranges and validators refer to the encoded bytes. A
    client that doesn't accept gzip gets it decoded, always complete and of unknown length, with a weak ETag.

    :param stat: Gets the file's metadata.
    :raises Replaced: If the file was replaced in every attempt.
    """
    environ = request.environ
    requested = _requested_range() if environ['REQUEST_METHOD'] == 'GET' else None
    if environ['REQUEST_METHOD'] != 'HEAD' and not _CONDITIONS.intersection(environ):
        with contextlib.suppress(RangeNotSatisfiable, Replaced):
            opened = open_file(*(requested or (0, None)))
            if requested is None or not must_decode(request, opened.info.content_encoding):
                return _send(*opened, requested)
            # A range alone can't be decoded.
            opened.stream.close()
    for _ in range(MAX_VERSIONS - 1):
        try:
            return _respond_by_metadata(stat(), open_file, requested)
        except (Replaced, RangeNotSatisfiable):
            # The metadata was from another version.
            continue
    return _respond_by_metadata(stat(), open_file, requested)


def respond_without_content(info: FileInfo, *, hand_over: bool = False) -> Response:
    """The response to HEAD, or to a request whose conditions are not met.

    :param hand_over: Whether a web server in front sends the content. Then the response has no length and no ranges.
    """
    headers, decoding = _headers(info)
    if (status := _precondition(info)) is not None:
        # There is no content to describe. For 304, Werkzeug keeps the fields that caches need (RFC 9110 §15.4.5).
        headers.remove('Content-Type')
        headers.remove('Content-Language')
        return current_app.response_class(status=status, headers=headers)
    if decoding:
        # An iterator, because the length of a list would be sent as the length of the content.
        return current_app.response_class(iter(()), headers=headers)
    if info.content_encoding is not None:
        headers.add('Content-Encoding', info.content_encoding)
    if not hand_over:
        headers.add('Accept-Ranges', 'bytes')
        headers.add('Content-Length', str(info.size))
    return current_app.response_class(headers=headers)


def _respond_by_metadata(info: FileInfo, open_file: Opener, requested: tuple[int, int | None] | None) -> Response:
    if request.method == 'HEAD' or _precondition(info) is not None:
        return respond_without_content(info)
    if requested is not None and (not _range_applies(info) or must_decode(request, info.content_encoding)):
        requested = None
    if requested is not None:
        start, stop = _bounds(*requested, info.size)
        if start >= stop:
            return _unsatisfiable(info)
    return _send(*open_file(*(requested or (0, None)), etag=info.etag), requested)


def _send(info: FileInfo, stream: IO[bytes], requested: tuple[int, int | None] | None) -> Response:
    """The response with the bytes of *stream*: the range *requested*, or the complete file if that is None."""
    with undone_by(stream.close):
        headers, decoding = _headers(info)
        if decoding:
            return _decoded(headers, stream)
        if info.content_encoding is not None:
            headers.add('Content-Encoding', info.content_encoding)
        headers.add('Accept-Ranges', 'bytes')
        start, stop = (0, info.size) if requested is None else _bounds(*requested, info.size)
        if requested is not None:
            if start >= stop:
                stream.close()
                return _unsatisfiable(info)
            headers['Content-Range'] = f'bytes {start}-{stop - 1}/{info.size}'
            # Servers send a real file to its end, whatever Content-Length is. A bounded reader has no file descriptor.
            stream = limited(stream, stop - start)
        headers.add('Content-Length', str(stop - start))
        # A server's own wrapper can pass the complete file to the kernel. Ours closes it as soon as it is read.
        body = request.environ.get('wsgi.file_wrapper', Chunks)(stream, BLOCK_BYTES)
        status = 200 if requested is None else 206
        return current_app.response_class(body, status=status, headers=headers, direct_passthrough=True)


def _headers(info: FileInfo) -> tuple[Headers, bool]:
    """The headers of every response for a file, and whether its content has to be decoded for this client."""
    headers = Headers([('Content-Type', content_type(info.mime))])
    if info.modified is not None:
        headers.add('Last-Modified', http_date(info.modified))
    decoding = must_decode(request, info.content_encoding)
    if info.etag is not None:
        headers.add('ETag', quote_etag(info.etag, weak=decoding))
    if info.cache_control is not None:
        headers.add('Cache-Control', info.cache_control)
    if info.content_language is not None:
        headers.add('Content-Language', info.content_language)
    if info.download_name is not None:
        headers.add('Content-Disposition', attachment(info.download_name))
    if info.content_encoding is not None:
        headers.add('Vary', 'Accept-Encoding')
    return headers, decoding


def _unsatisfiable(info: FileInfo) -> Response:
    headers, _ = _headers(info)
    headers.remove('Content-Language')
    headers.add('Accept-Ranges', 'bytes')
    headers['Content-Range'] = f'bytes */{info.size}'
    headers['Content-Type'] = 'text/plain; charset=utf-8'
    return current_app.response_class(
        'The requested range is beyond the end of the file.\n', status=416, headers=headers
    )


def _decoded(headers: Headers, stream: IO[bytes]) -> Response:
    content = gunzipped(stream)
    if content is None:
        headers['Content-Type'] = 'text/plain; charset=utf-8'
        headers.remove('Content-Language')
        reason = "This file is stored with gzip, which the request doesn't accept, and cannot be decoded.\n"
        return current_app.response_class(reason, status=406, headers=headers)
    return current_app.response_class(Chunks(content, BLOCK_BYTES), headers=headers, direct_passthrough=True)


def _requested_range() -> tuple[int, int | None] | None:
    """The single range of bytes in the current request, or None. A negative start counts from the end."""
    parsed = request.range
    if parsed is None or parsed.units != 'bytes' or len(parsed.ranges) != 1:
        return None
    return parsed.ranges[0]


def _precondition(info: FileInfo) -> int | None:
    """The status that the request's conditions require, or None to continue (RFC 9110 §13.2.2)."""
    if not _PRECONDITIONS.intersection(request.environ):
        return None
    headers = request.headers
    etag = quote_etag(info.etag) if info.etag is not None else None
    if 'If-Match' in headers:
        matched = request.if_match
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
    """The bytes [start, stop) of a range in a file of *size* bytes. A negative start counts from its end."""
    return (max(0, size + start) if start < 0 else start), size if stop is None else min(stop, size)


def _range_applies(info: FileInfo) -> bool:
    """Whether the client's partial copy is from the current version of the file (If-Range, RFC 9110 §13.1.5)."""
    given = request.headers.get('If-Range')
    if given is None:
        return True
    condition = request.if_range
    if condition.etag is not None:
        return not given.lstrip().startswith('W/') and condition.etag == info.etag
    return (
        condition.date is not None
        and info.modified is not None
        and condition.date == info.modified.replace(microsecond=0)
    )


def range_header(start: int, stop: int | None) -> str:
    """The Range header to request the bytes [start, stop) of a file. A negative *start* counts from its end."""
    if start < 0:
        return f'bytes={start}'
    return f'bytes={start}-' if stop is None else f'bytes={start}-{stop - 1}'


def is_range(content_range: str | None, length: int, start: int, stop: int | None) -> bool:
    """Whether a response contains exactly the requested range. Servers and caches in between might send a different one.

    :param content_range: Its Content-Range header.
    :param length: The number of bytes in its body.
    """
    part = parse_content_range_header(content_range)
    if part is None or part.units != 'bytes' or part.length is None:
        return False
    first, end = _bounds(start, stop, part.length)
    return (part.start, part.stop) == (first, end) and length == end - first


def kind_of_status(status: int) -> type[FSError]:
    """The error for the status of a store's response, if the response has no further information (RFC 9110 §15).

    412 is Replaced, as for a reader. A writer knows whether its own condition means FileExists or Changed.
    """
    is_busy = status in _BUSY or status >= 500
    return _KINDS.get(status, Unavailable if is_busy else BackendError)


def attachment(name: str) -> str:
    """A Content-Disposition that saves a file as *name* (RFC 6266), with an ASCII form for older clients."""
    plain = unicodedata.normalize('NFKD', name).encode('ascii', 'ignore').decode()
    quoted = plain.replace('\\', '\\\\').replace('"', '\\"')
    header = f'attachment; filename="{quoted or "download"}"'
    # Browsers decode %22 in the ASCII form.
    return header if plain == name and '%' not in name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def add_security_headers(
    response: Response, *, cache_control: str | None = None, private: bool = False, download_name: str | None = None
) -> Response:
    """Add the headers to *response* that make an untrusted file harmless.

    :param cache_control: The Cache-Control header. None makes caches revalidate each time.
    :param private: Whether the response depends on the visitor. Then only their browser may store it, whatever
        *cache_control* is.
    :param download_name: Makes browsers save the file with this name instead of showing it.
    """
    headers = response.headers
    headers['X-Content-Type-Options'] = 'nosniff'
    headers['Cache-Control'] = cache_control or ('private, no-cache' if private else 'no-cache')
    if private:
        # A shared cache would send the response to other visitors. Converted to lowercase, because Werkzeug, unlike
        # caches, only finds lowercase directives.
        headers['Cache-Control'] = headers['Cache-Control'].lower()
        response.cache_control.private = True
        response.cache_control.public = False
        del response.cache_control.s_maxage
    if response.status_code != 304:
        # Backends that override serve() can send any type, or several.
        headers['Content-Type'] = mime = content_type(headers.get('Content-Type'))
        if not is_inert(mime):
            headers['Content-Security-Policy'] = SANDBOX
    if download_name is not None:
        headers['Content-Disposition'] = attachment(download_name)
    return response
