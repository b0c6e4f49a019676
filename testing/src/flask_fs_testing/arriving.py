"""Uploaded pieces, and clients that send them, for the checks of uploads."""

from __future__ import annotations

import http.client
import io
import secrets
import socket
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend
from flask_fs.backends.incoming import Incoming, new_id

#: How long a client waits for a response, in seconds.
TIMEOUT_S = 30


class Request(Protocol):
    """The request to send, from a ticket or signed by a store."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def fields(self) -> Mapping[str, str]: ...


def arrived(
    backend: BaseBackend, *contents: bytes, upload_id: str | None = None, attributes: Attributes = NO_ATTRIBUTES
) -> Incoming:
    """An upload whose pieces have arrived.

    :param attributes: Attributes stored with each piece, as a client could have done.
    """
    incoming, start = Incoming(backend, upload_id or new_id()), 0
    for content in contents:
        name = f'{incoming._folder}{start}-{start}'
        if attributes is NO_ATTRIBUTES:
            incoming.put(io.BytesIO(content), start)
        else:
            backend._put_translated(name, io.BytesIO(content), create=True, attributes=attributes)
        start += len(content)
    return incoming


def accept(incoming: Incoming, target: str, *, create: bool = True, attributes: Attributes = NO_ATTRIBUTES) -> None:
    """Create the file *target* from the uploaded pieces, and remove the pieces."""
    incoming.create(incoming.pieces(), target, create=create, attributes=attributes)
    incoming.discard()


def upload(backend: BaseBackend, filename: str, content: bytes, *, overwrite: bool) -> None:
    """Store a file as an upload of two pieces, and accept it; if that fails, nothing is left."""
    middle, incoming = len(content) // 2, Incoming(backend, new_id())
    try:
        if middle:
            incoming.put(io.BytesIO(content[:middle]))
        incoming.put(io.BytesIO(content[middle:]), middle)
        incoming.create(incoming.pieces(), filename, create=not overwrite)
    finally:
        incoming.discard()


def send(request: Request, content: bytes, *, mime: str | None = None) -> int:
    """The status of the response to exactly *request*, with *content*.

    :param mime: The type of the file that browsers send in a form; by default that of *request*.
    """
    body, headers = _message(request, content, mime)
    try:
        connection = _connection(request)
        try:
            connection.request(request.method, _target(request), body, headers)
            with connection.getresponse() as response:
                response.read()
                return response.status
        finally:
            connection.close()
    except (http.client.HTTPException, ConnectionError):
        # A server that closes the connection has stored nothing.
        return 500


def send_half(request: Request, content: bytes) -> None:
    """Send the first half of the content with *request*, disconnect, and return when the server has noticed."""
    body, headers = _message(request, content)
    connection = _connection(request)
    try:
        connection.putrequest(request.method, _target(request))
        for name, value in {'Content-Length': str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[: len(body) // 2])
        connection.sock.shutdown(socket.SHUT_WR)
        while connection.sock.recv(4096):
            pass
    except ConnectionError:
        pass
    finally:
        connection.close()


def _connection(request: Request) -> http.client.HTTPConnection:
    url = urlsplit(request.url)
    kind = http.client.HTTPSConnection if url.scheme == 'https' else http.client.HTTPConnection
    return kind(url.hostname or '', url.port, timeout=TIMEOUT_S)


def _target(request: Request) -> str:
    url = urlsplit(request.url)
    return f'{url.path}?{url.query}' if url.query else url.path


def _message(request: Request, content: bytes, mime: str | None = None) -> tuple[bytes, dict[str, str]]:
    if request.method != 'POST':
        return content, dict(request.headers)
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in request.fields.items()
    ]
    mime = mime or request.fields.get('Content-Type', 'text/plain')
    last = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\nContent-Type: {mime}\r\n\r\n'
    body = ''.join([*parts, last]).encode() + content + f'\r\n--{boundary}--\r\n'.encode()
    return body, {**request.headers, 'Content-Type': f'multipart/form-data; boundary={boundary}'}


def upload_of(storage: fs.Storage, ticket: fs.UploadTicket) -> Incoming:
    """Where uploads with *ticket* arrive."""
    found = storage._upload_of(storage._bound(), ticket.token, None)
    return Incoming(storage.backend, found.upload_id)
