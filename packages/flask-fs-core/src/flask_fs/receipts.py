"""Receive direct uploads in the application, for stores that can't sign uploads, in bounded memory."""

from __future__ import annotations

import hashlib

from flask import Flask, Request, abort
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from .backends.contract import ByteReader
from .backends.incoming import Incoming
from .backends.sources import SizeLimitedReader
from .errors import FileExists, Unavailable
from .media_types import normalized
from .storage import Storage
from .tickets import START, Upload, upload_at

# Servers copy the requested bytes into one buffer, which doubles the memory, in each of their threads.
_READ_BYTES = 64 * 1024


def receive(storage: Storage, app: Flask, address: str, request: Request) -> Response:
    """Store the body of *request*, an upload to *address*, for :func:`flask_fs.views.receive_upload`."""
    upload = upload_at(app, address)
    if upload is None or upload.storage != storage.name:
        abort(403, description='This upload URL was modified, or is not from this application.')
    if not upload.can_be_sent:
        abort(403, description='This ticket has expired. Request a new one.')
    if upload.mime is not None and normalized(request.content_type or '') != upload.mime:
        abort(415, description=f'The ticket is only for files of type {upload.mime}.')
    start, size = _expected(upload, request)
    bound = storage._bound()
    try:
        Incoming(storage._receiving_driver(bound), upload.upload_id).put(_body(upload, request, start, size), start)
    except FileExists:
        abort(412, description='This content was already sent.')
    except Unavailable:
        abort(503)
    return Response(status=201)


def _expected(upload: Upload, request: Request) -> tuple[int, int | None]:
    """The offset of the body of *request* in the file, and the number of bytes that it must have, if known."""
    sent = request.content_length
    try:
        start = int(request.args.get(START, 0))
        size = upload.piece_size(start) if start or (START in request.args and upload.size is not None) else upload.size
    except ValueError as error:
        abort(400, description=str(error))
    if sent is None and not request.environ.get('wsgi.input_terminated'):
        abort(411)
    if sent is not None and upload.max_bytes is not None and sent > upload.max_bytes:
        raise _too_large(upload.max_bytes)
    if size is not None and sent not in (None, size):
        abort(400, description=f'{size} bytes were announced, but {sent} are being sent.')
    return start, sent if size is None else size


def _body(upload: Upload, request: Request, start: int, size: int | None) -> ByteReader:
    # The limit is the ticket's, not MAX_CONTENT_LENGTH, which is for forms that are parsed.
    body: ByteReader = get_input_stream(request.environ)
    most = upload.max_bytes if size is None else size
    if most is not None:
        body = SizeLimitedReader(body, most, lambda: _too_large(most))
    is_whole = start == 0 and upload.size in (None, size)
    return _Exact(body, size, upload.checksum if is_whole else None)


def _too_large(max_bytes: int) -> HTTPException:
    return RequestEntityTooLarge(f'At most {max_bytes} bytes are allowed.')


class _Exact:
    """A body that ends with an error unless it has that size and checksum, so that a wrong body isn't stored."""

    def __init__(self, body: ByteReader, size: int | None, checksum: str | None) -> None:
        self._body, self._left, self._checksum = body, size, checksum
        self._digest = hashlib.sha256() if checksum else None

    def read(self, size: int = -1, /) -> bytes:
        try:
            chunk = self._body.read(_READ_BYTES if size < 0 else min(size, _READ_BYTES))
        except HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  # each server has its own errors for this
            abort(400, description=f'The body is malformed, or ended early: {error}')
        if self._left is not None:
            self._left -= len(chunk)
        if self._digest is not None:
            self._digest.update(chunk)
        if self._left == 0 or (not chunk and size):
            self._check()
        return chunk

    def _check(self) -> None:
        if self._left:
            abort(400, description=f'{self._left} bytes are missing.')
        if self._digest is not None and f'sha256:{self._digest.hexdigest()}' != self._checksum:
            abort(400, description=f"The content doesn't have the checksum {self._checksum}.")
