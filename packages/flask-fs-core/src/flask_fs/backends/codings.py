"""Decode content for clients that don't accept its encoding (RFC 9110 §8.4 and §12.5.3)."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, Any, cast

from flask import Request

_GZIP = ('gzip', 'x-gzip')
# zlib's largest window, and the format of gzip (zlib manual, inflateInit2).
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_BROKEN = (gzip.BadGzipFile, EOFError, zlib.error)


def must_decode(request: Request, content_encoding: str | None) -> bool:
    """Whether the content has to be decoded for *request*: it is gzip, and the client doesn't accept that.

    Content with other encodings is always sent unchanged, because Python's standard library can't decode them.
    """
    if content_encoding not in _GZIP or 'Accept-Encoding' not in request.headers:
        return False
    # Parsed here, because Accept-Encoding: gzip;q=0, * means everything except gzip.
    accepted = {coding.lower(): quality for coding, quality in request.accept_encodings}
    named = [accepted[coding] for coding in _GZIP if coding in accepted]
    return not any(named or (accepted.get('*'),))


def decoded_head(head: bytes, content_encoding: str, size: int) -> bytes | None:
    """The first *size* decoded bytes of content whose encoded form begins with *head*; None if it can't be decoded here.

    Content that isn't actually encoded this way is returned unchanged.
    """
    if content_encoding not in _GZIP:
        return None
    decoded, left = b'', head
    # The first gzip members can be empty (RFC 1952 §2.2).
    while left and len(decoded) < size:
        decoder = zlib.decompressobj(_GZIP_WINDOW)
        try:
            decoded += decoder.decompress(left, size - len(decoded))
        except zlib.error:
            return decoded or head
        left = decoder.unused_data
    return decoded


def gunzipped(stream: IO[bytes]) -> IO[bytes] | None:
    """The decoded content of *stream*, in bounded memory, or None if it isn't gzip. Closing it closes *stream*."""
    decoded = _Gunzipped(stream)
    try:
        decoded.peek(1)
    except _BROKEN:
        decoded.close()
        return None
    return cast('IO[bytes]', decoded)


class _Gunzipped(gzip.GzipFile):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(fileobj=cast('Any', stream), mode='rb')
        self._stream = stream

    def close(self) -> None:
        super().close()
        self._stream.close()
