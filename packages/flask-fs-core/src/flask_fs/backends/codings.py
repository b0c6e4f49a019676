"""Content that is stored encoded, for clients that do not accept its encoding (RFC 9110 §8.4 and §12.5.3)."""

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
    """Whether the content has to be decoded for *request*: it is gzip, which the client says it does not accept.

    Other encodings are sent to everybody as they are: nothing in Python's library decodes them.
    """
    if content_encoding not in _GZIP or 'Accept-Encoding' not in request.headers:
        return False
    # Read here, because Accept-Encoding: gzip;q=0, * is about all but gzip.
    accepted = {coding.lower(): quality for coding, quality in request.accept_encodings}
    named = [accepted[coding] for coding in _GZIP if coding in accepted]
    return not any(named or (accepted.get('*'),))


def decoded_head(head: bytes, content_encoding: str, size: int) -> bytes | None:
    """The first *size* bytes of content that begins, encoded, with *head*; None if nothing here decodes that encoding.

    What is not encoded so is returned as it is.
    """
    if content_encoding not in _GZIP:
        return None
    decoded, left = b'', head
    # Of its members, the first ones may be empty (RFC 1952 §2.2).
    while left and len(decoded) < size:
        decoder = zlib.decompressobj(_GZIP_WINDOW)
        try:
            decoded += decoder.decompress(left, size - len(decoded))
        except zlib.error:
            return decoded or head
        left = decoder.unused_data
    return decoded


def gunzipped(stream: IO[bytes]) -> IO[bytes] | None:
    """The decoded content of *stream*, in bounded memory, or None if it is not gzip; closing it closes *stream*."""
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
