"""The route where clients get tickets for uploads, and resume and cancel uploads."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, abort, current_app, jsonify, request, send_from_directory
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from . import names, signing, uppy
from .announcing import AnnouncedUpload, authorized_name, current_user, malformed_is_400
from .backends.incoming import MAX_REQUEST_BYTES, PIECE_BYTES, Incoming
from .bindings import State, current_application, state_of
from .cross_origin import add_cors
from .errors import (
    ConfigurationError,
    FileExists,
    FileTooLarge,
    FSError,
    InvalidFilename,
    InvalidToken,
    NoFile,
    OperationNotSupported,
    Unavailable,
    UploadNotAllowed,
)
from .files import mime_type
from .storage import Storage
from .tickets import Upload, UploadTicket, token_of

#: The endpoint: ``url_for('fs.uploads', fs='photos')``.
ENDPOINT = 'fs.uploads'
#: The endpoint of the script: ``url_for('fs.static', filename='fs-upload.js')``.
STATIC_ENDPOINT = 'fs.static'
# Enough for a token, which contains a name of at most 1024 bytes.
_MAX_BODY_BYTES = 64 * 1024
# The first match for an error counts.
_STATUSES: tuple[tuple[type[FSError], int], ...] = (
    (InvalidToken, 403),
    (NoFile, 404),
    (FileExists, 409),
    (FileTooLarge, 413),
    (UploadNotAllowed, 422),
    (InvalidFilename, 422),
    (OperationNotSupported, 422),
)


@dataclass(frozen=True)
class UploadRoute:
    """The arguments of :func:`uploads` for one storage."""

    storage: Storage
    authorize: Callable[[AnnouncedUpload], Any]
    user: Callable[[], str | None] | None
    max_bytes: int | None
    expires_s: int
    origins: Collection[str]

    def upload_of(self, token: Any) -> Upload:
        """The upload of a ticket, if it was issued to the current user.

        :raises InvalidToken: If it wasn't.
        """
        return self.storage._upload_of(self.storage._bound(), token, current_user(self.user))

    def incoming(self, upload: Upload) -> Incoming:
        """The received content of *upload*."""
        return Incoming(self.storage._receiving_driver(self.storage._bound()), upload.upload_id)

    def ticket(self, filename: Any, size: Any, mime: Any, checksum: Any = None) -> UploadTicket:
        """A ticket for a file that the current user wants to send, if the application allows it."""
        for value, kinds in ((filename, str), (size, int), (mime, str), (checksum, str)):
            if not isinstance(value, kinds) and (value is not None or value is filename):
                abort(400, description='filename, type and checksum must be strings, and size a number.')
        announced = AnnouncedUpload(names.clean(filename), size, mime or None)
        name = authorized_name(self.authorize, announced)
        # A type that only the client declares isn't worth storing.
        is_usual = announced.mime is not None and announced.mime == mime_type(name)
        storage, bound, mime = self.storage, self.storage._bound(), announced.mime if is_usual else None
        with malformed_is_400():
            upload = storage._announced(name, size, self.max_bytes, mime, checksum, self.expires_s)
            # No store accepts such a large file in one request, so this request is for its first piece.
            is_huge = size is not None and size > MAX_REQUEST_BYTES
            sent = storage._request_for(bound, upload, 0 if is_huge else None)
            token = token_of(bound.app, upload, current_user(self.user))
            return UploadTicket(sent.method, sent.url, token, sent.headers, sent.fields)


def check_new_route(
    state: State, storage: Storage, routes: Collection[str], caller: str, origins: Collection[str]
) -> None:
    """Check that an application can get an upload route for *storage*.

    :param routes: The names of the storages that have one.
    :raises ConfigurationError: If the storage isn't one of the application's, or already has such a route.
    :raises TypeError: If *origins* is a str.
    """
    if state.get(storage.name) is not storage:
        raise ConfigurationError(storage=storage.name, reason='pass it to fs.init_app(app, storage) first')
    if storage.name in routes:
        raise ConfigurationError(storage=storage.name, reason=f'{caller} was already called for it')
    if isinstance(origins, str):
        raise TypeError(f'origins must be a list of origins, not {origins!r}')


def uploads(
    app: Flask,
    storage: Storage,
    *,
    authorize: Callable[[AnnouncedUpload], Any],
    user: Callable[[], str | None] | None = None,
    url: str | None = None,
    max_bytes: int | None = None,
    expires_s: int | datetime.timedelta = 900,
    origins: Collection[str] = (),
) -> None:
    """Add a route to *app* where clients get tickets for direct uploads to *storage*: for our script, Uppy, or your own code.

    The URL of the route is ``url_for('fs.uploads', fs=storage.name)``. The URL of the script is
    ``url_for('fs.static', filename='fs-upload.js')``. The route accepts and returns only JSON, as described in the how-to
    guide on direct uploads. An upload becomes a file only when the application passes its token to
    :meth:`~flask_fs.Storage.accept_upload`.

    :param authorize: Called in the request with the :class:`AnnouncedUpload` to decide whether the client may send it. It
        returns true, false, the name for the file, or a response to send instead.
    :param user: Called in the request. Returns the identity of the current user. A token is then invalid for other users:
        pass the same identity to ``accept_upload``.
    :param url: The path of the route. Default: ``/uploads/`` and the storage's name.
    :param max_bytes: The maximum size of a file. The storage's ``MAX_BYTES`` applies too.
    :param expires_s: How long a client can use one ticket to send a file, or a piece of one: see
        :meth:`~flask_fs.Storage.signed_upload`. A client that resumes can get new tickets for up to a day.
    :param origins: Other sites whose pages may use the route with their visitors' cookies, such as ``https://example.org``.
        To let their pages upload to the store itself, use ``flask fs cors``.
    :raises ConfigurationError: If *storage* isn't one of the application's, or already has such a route.
    """
    state = state_of(app)
    check_new_route(state, storage, state.upload_routes, 'fs.uploads()', origins)
    lifetime_s = signing.whole_seconds(expires_s)
    state.upload_routes[storage.name] = UploadRoute(storage, authorize, user, max_bytes, lifetime_s, frozenset(origins))
    app.add_url_rule(
        url or f'/uploads/{storage.name}',
        ENDPOINT,
        respond,
        methods=['POST', 'DELETE', 'OPTIONS'],
        defaults={'fs': storage.name},
        provide_automatic_options=False,
    )
    if STATIC_ENDPOINT not in app.view_functions:
        app.add_url_rule('/uploads/static/<path:filename>', STATIC_ENDPOINT, static_file)


def static_file(filename: str) -> Response:
    """Serve the upload script for pages."""
    return send_from_directory(Path(__file__).with_name('static'), filename)


def respond(fs: str) -> Response:
    """The response to a client that starts, resumes or cancels an upload to the storage named *fs*."""
    route: UploadRoute = state_of(current_app).upload_routes[fs]
    try:
        response = _response(route)
    except Unavailable:
        response = _refusal('The file storage is unavailable at the moment. Try again later.', 503)
    except FSError as error:
        if (status := next((status for kind, status in _STATUSES if isinstance(error, kind)), None)) is None:
            raise
        response = _refusal(str(error), status)
    except HTTPException as error:
        response = error.response or _refusal(error.description or '', error.code or 500)  # type: ignore[assignment]  # a Response of Werkzeug
    response.headers.setdefault('Cache-Control', 'no-store')
    return add_cors(response, request, route.origins, 'POST, DELETE')


def _response(route: UploadRoute) -> Response:
    if request.method == 'OPTIONS':
        return current_application().response_class(status=204, headers={'Allow': 'POST, DELETE, OPTIONS'})
    body = _body()
    if request.method == 'DELETE':
        route.incoming(route.upload_of(body.get('token'))).discard()
        return current_application().response_class(status=204)
    if 'method' in body:
        return jsonify(uppy.signed_request(route, body))
    if 'start' in body:
        return jsonify(_piece(route, route.upload_of(body.get('token')), body['start']))
    if 'token' in body:
        return jsonify(_progress(route, route.upload_of(body['token'])))
    ticket = route.ticket(*map(body.get, ('filename', 'size', 'type', 'checksum')))
    response = jsonify({**dataclasses.asdict(ticket), 'piece_bytes': PIECE_BYTES})
    response.status_code = 201
    return response


def _body() -> dict[str, Any]:
    if not request.is_json:
        # A form on another site can't send JSON without the preflight request that CORS requires.
        abort(415, description='The request body must be JSON.')
    if request.content_length is None:
        abort(411)
    if request.content_length > _MAX_BODY_BYTES:
        abort(413)
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        abort(400, description='The request body must be a JSON object.')
    return body


def _piece(route: UploadRoute, upload: Upload, start: Any) -> dict[str, Any]:
    """The request for the piece of *upload* that begins at byte *start*."""
    if type(start) is not int:
        abort(400, description='start must be a number of bytes.')
    # The lifetime begins now: sending a large file, or resuming later, takes longer than one lifetime.
    upload = upload._replace(expires=int(time.time()) + route.expires_s)
    with malformed_is_400():
        return dataclasses.asdict(route.storage._request_for(route.storage._bound(), upload, start))


def _progress(route: UploadRoute, upload: Upload) -> dict[str, Any]:
    """The state that a client needs to resume: the pieces that it doesn't have to send again."""
    return {'size': upload.size, 'piece_bytes': PIECE_BYTES, 'arrived': route.incoming(upload).arrived()}


def _refusal(text: str, status: int) -> Response:
    response = jsonify(error=text)
    response.status_code = status
    return response
