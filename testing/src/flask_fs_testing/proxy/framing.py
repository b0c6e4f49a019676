"""Find where HTTP/1.1 messages begin and end, to pass them on unchanged, byte by byte (RFC 9112 §6, §7)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from .sockets import take

#: The longest head of a message that is accepted.
MAX_HEAD_BYTES = 64 * 1024
#: The longest line with the size of a chunk, and the longest trailer.
MAX_LINE_BYTES = 16 * 1024


class Malformed(Exception):
    """The bytes are not an HTTP/1 message."""


class Head(NamedTuple):
    """The first line of a message, its headers by lowercase name, and its original bytes.

    :param status: The status of a response; 0 for a request.
    :param length: The size of the body, if the headers contain it.
    """

    line: tuple[str, str, str]
    headers: Mapping[str, str]
    raw: bytes
    status: int
    length: int | None

    def has(self, header: str, token: str) -> bool:
        """Whether *token* is one of the comma-separated values of *header*."""
        return token in (part.strip().lower() for part in self.headers.get(header, '').split(','))


def take_head(inbox: bytearray) -> Head | None:
    """The head at the beginning of *inbox*, removed from it; None while it is incomplete.

    :raises Malformed: If this cannot become the head of an HTTP/1 message. It stays in *inbox*.
    """
    end = inbox.find(b'\r\n\r\n')
    if end < 0:
        if len(inbox) >= MAX_HEAD_BYTES:
            raise Malformed
        return None
    first, *lines = inbox[:end].decode('latin-1').split('\r\n')
    # A response can lack a reason phrase.
    one, two, three = (*first.split(' ', 2), '', '')[:3]
    is_response = one.startswith('HTTP/1.')
    if not is_response and not three.startswith('HTTP/1.'):
        raise Malformed
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(':')
        name, value = name.strip().lower(), value.strip()
        headers[name] = f'{headers[name]}, {value}' if name in headers else value
    length, status = headers.get('content-length', '0').partition(',')[0], two if is_response else '0'
    if not (length.isdecimal() and status.isdecimal()):
        raise Malformed
    raw = take(inbox, end + len(b'\r\n\r\n'))
    return Head((one, two, three), headers, raw, int(status), int(length) if 'content-length' in headers else None)


class Sized:
    """A body of known length, or one that ends with the connection."""

    def __init__(self, length: int = sys.maxsize) -> None:
        self._left = length

    @property
    def done(self) -> bool:
        return not self._left

    def take(self, inbox: bytearray, max_bytes: int) -> bytes:
        taken = take(inbox, min(self._left, max_bytes))
        self._left -= len(taken)
        return taken


class Chunked:
    """A body in chunks, with its sizes and trailers. Invalid chunks pass too, up to the end of the connection."""

    def __init__(self) -> None:
        self.done = False
        #: Remaining bytes of the current line and its chunk.
        self._left = 0
        self._in_trailers = False
        self._is_last = False

    def take(self, inbox: bytearray, max_bytes: int) -> bytes:
        taken = bytearray()
        while not self.done and len(taken) < max_bytes and (self._left or self._understand_line(inbox)):
            piece = take(inbox, min(self._left, max_bytes - len(taken)))
            if not piece:
                break
            taken += piece
            self._left -= len(piece)
            self.done = self._is_last and not self._left
        return bytes(taken)

    def _understand_line(self, inbox: bytearray) -> bool:
        """Determine what comes next; false while its first line is incomplete."""
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
        if size:
            self._left += size + len(b'\r\n')
        return True


#: The body after a head: ``take`` reads up to a number of bytes of it, including framing, until it is ``done``.
Body = Sized | Chunked


def request_body(head: Head) -> Body:
    """The body that follows the head of a request."""
    return Chunked() if head.has('transfer-encoding', 'chunked') else Sized(head.length or 0)


def response_body(head: Head, method: str) -> Body:
    """The body that follows the head of the response to a request with *method*."""
    if method == 'HEAD' or head.status in (204, 304) or head.status < 200:
        return Sized(0)
    if head.has('transfer-encoding', 'chunked'):
        return Chunked()
    return Sized() if head.length is None else Sized(head.length)
