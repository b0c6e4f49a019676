"""Where HTTP/1.1 messages begin and end, so that they can be passed on byte by byte as they came (RFC 9112 §6, §7)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

#: The longest head of a message that is accepted.
MAX_HEAD_BYTES = 64 * 1024
#: The longest line with the size of a chunk, and the longest trailer.
MAX_LINE_BYTES = 16 * 1024


class Malformed(Exception):
    """The bytes are no HTTP/1 message."""


class Head(NamedTuple):
    """The first line of a message, its headers by lower-case name, and all of it as it came."""

    line: tuple[str, str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def version(self) -> str:
        """Of a request: ``HTTP/1.1``."""
        return self.line[2]

    def has(self, header: str, token: str) -> bool:
        """Whether *token* is one of the comma-separated values of *header*."""
        return token in (part.strip().lower() for part in self.headers.get(header, '').split(','))


def take_head(inbox: bytearray) -> Head | None:
    """The head at the beginning of *inbox*, removed from it; None while it is incomplete.

    :raises Malformed: If this cannot become the head of an HTTP/1 message.
    """
    end = inbox.find(b'\r\n\r\n')
    if end < 0:
        if len(inbox) >= MAX_HEAD_BYTES:
            raise Malformed
        return None
    raw = bytes(inbox[: end + 4])
    first, *lines = raw[:end].decode('latin-1').split('\r\n')
    parts = first.split(' ', 2)
    if len(parts) < 2 or not (parts[0].startswith('HTTP/1.') or parts[-1].startswith('HTTP/1.')):
        raise Malformed
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(':')
        name, value = name.strip().lower(), value.strip()
        headers[name] = f'{headers[name]}, {value}' if name in headers else value
    del inbox[: end + 4]
    return Head((parts[0], parts[1], parts[2] if len(parts) > 2 else ''), headers, raw)


class Sized:
    """A body of known length."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def done(self) -> bool:
        return not self._left

    def take(self, inbox: bytearray, max_bytes: int) -> bytes:
        taken = _cut_off(inbox, min(self._left, max_bytes))
        self._left -= len(taken)
        return taken


class UntilClose:
    """A body that ends where the connection does."""

    done = False

    def take(self, inbox: bytearray, max_bytes: int) -> bytes:
        return _cut_off(inbox, max_bytes)


class Chunked:
    """A body in chunks, with its sizes and trailers. What is no chunk passes too, up to the end of the connection."""

    def __init__(self) -> None:
        self.done = False
        #: Bytes left of the line or the chunk that is on its way.
        self._left = 0
        #: Bytes of the chunk that follows the line.
        self._chunk = 0
        self._in_trailers = False
        self._is_last = False

    def take(self, inbox: bytearray, max_bytes: int) -> bytes:
        taken = bytearray()
        while not self.done and len(taken) < max_bytes and (self._left or self._understand_line(inbox)):
            piece = _cut_off(inbox, min(self._left, max_bytes - len(taken)))
            if not piece:
                break
            taken += piece
            self._left -= len(piece)
            if not self._left:
                self._left, self._chunk = self._chunk, 0
                self.done = self._is_last
        return bytes(taken)

    def _understand_line(self, inbox: bytearray) -> bool:
        """Find out what comes next; false while its first line is incomplete."""
        end = inbox.find(b'\n')
        if end < 0 and len(inbox) < MAX_LINE_BYTES:
            return False
        line = bytes(inbox[:end]).strip()
        self._left = end + 1
        if self._in_trailers:
            self._is_last = not line
            return True
        try:
            size = int(line.partition(b';')[0], 16)
        except ValueError:
            self._left = sys.maxsize
            return True
        self._in_trailers = size == 0
        self._chunk = size + len(b'\r\n') if size else 0
        return True


#: What follows a head: ``take`` reads up to so many bytes that belong to it, framing included, until it is ``done``.
Body = Sized | UntilClose | Chunked


def request_body(head: Head) -> Body:
    """The body that follows the head of a request."""
    if head.has('transfer-encoding', 'chunked'):
        return Chunked()
    return Sized(_length(head) or 0)


def response_body(head: Head, method: str) -> Body:
    """The body that follows the head of the response to a request with *method*."""
    status = status_of(head)
    if method == 'HEAD' or status in (204, 304) or status < 200:
        return Sized(0)
    if head.has('transfer-encoding', 'chunked'):
        return Chunked()
    length = _length(head)
    return UntilClose() if length is None else Sized(length)


def status_of(head: Head) -> int:
    """The status of a response."""
    try:
        return int(head.line[1])
    except ValueError:
        raise Malformed from None


def _length(head: Head) -> int | None:
    given = head.headers.get('content-length')
    if given is None:
        return None
    try:
        return int(given.partition(',')[0])
    except ValueError:
        raise Malformed from None


def _cut_off(inbox: bytearray, size: int) -> bytes:
    piece = bytes(memoryview(inbox)[:size])
    del inbox[: len(piece)]
    return piece
