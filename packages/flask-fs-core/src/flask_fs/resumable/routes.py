"""The routes of tus: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, current_app, request
from werkzeug.wrappers import Response

from ..announcing import AnnouncedUpload
from ..bindings import state_of
from ..cross_origin import add_cors
from ..storage import Storage
from ..upload_routes import check_new_route
from ..verbs.conflicts import Conflict, replaces
from .requests import ENDPOINT, TusRoute

#: How long an upload is kept after content last arrived, in seconds. After that it can be swept.
MAX_EXPIRES_S = 24 * 60 * 60

_METHODS = ('POST', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS')
_EXPOSED = (
    'Location',
    'Tus-Checksum-Algorithm',
    'Tus-Extension',
    'Tus-Max-Size',
    'Tus-Resumable',
    'Tus-Version',
    'Upload-Concat',
    'Upload-Expires',
    'Upload-Filename',
    'Upload-Length',
    'Upload-Metadata',
    'Upload-Offset',
)


def tus(
    app: Flask,
    storage: Storage,
    *,
    authorize: Callable[[AnnouncedUpload], Any],
    user: Callable[[], str | None] | None = None,
    url: str | None = None,
    max_bytes: int | None = None,
    conflict: Conflict | None = 'rename',
    expires_s: int = MAX_EXPIRES_S,
    origins: Collection[str] = (),
) -> None:
    """Add the routes of tus 1.0 to *app*, for resumable uploads of any size to *storage*.

    When a file is complete, it is checked and stored as by :meth:`~flask_fs.Storage.save`, and ``file_saved`` is sent. The
    response header ``Upload-Filename`` contains its name, percent-encoded. Until then the received content is stored in the
    store, hidden, so that any process on any host can continue the upload.

    :param authorize: Called in the request with the :class:`AnnouncedUpload` to decide whether the client may send it. It
        returns true, false, the name for the file, or a response to send instead. If a client sends a file in parallel
        parts, it is called for each part, whose ``filename`` is empty, and for the complete file at the end.
    :param user: Called in the request. Returns the identity of the current user. The URL of an upload is then invalid for
        other users.
    :param url: The path of the route. Default: ``/tus/`` and the storage's name.
    :param max_bytes: The maximum size of a file. The storage's ``MAX_BYTES`` applies too.
    :param conflict: What to do if a file with that name exists: see :meth:`~flask_fs.Storage.save`.
    :param expires_s: How long an upload is kept after content last arrived, in whole seconds, 1 to 86400. ``flask fs sweep``
        removes uploads that haven't changed for a day.
    :param origins: Other sites whose pages may upload with their visitors' cookies, such as ``https://example.org``.
    :raises ConfigurationError: If *storage* isn't one of the application's, or already has such routes.
    :raises ValueError: If *conflict* or *expires_s* is not valid.
    """
    state = state_of(app)
    check_new_route(state, storage, state.tus_routes, 'fs.tus()', origins)
    replaces(conflict, None, None)
    if type(expires_s) is not int or not 1 <= expires_s <= MAX_EXPIRES_S:
        raise ValueError(f'expires_s must be a whole number of seconds from 1 to {MAX_EXPIRES_S}, not {expires_s!r}')
    state.tus_routes[storage.name] = TusRoute(
        storage, authorize, user, max_bytes, conflict, expires_s, frozenset(origins)
    )
    path = (url or f'/tus/{storage.name}').rstrip('/')
    for rule in (f'{path}/', f'{path}/<token>'):
        app.add_url_rule(
            rule,
            ENDPOINT,
            respond,
            methods=_METHODS,
            defaults={'fs': storage.name},
            # Some clients don't follow a redirect of POST.
            strict_slashes=False,
            provide_automatic_options=False,
        )


def respond(fs: str, token: str | None = None) -> Response:
    """The response to a client that uploads to the storage named *fs*."""
    route: TusRoute = state_of(current_app).tus_routes[fs]
    return add_cors(route.respond(token), request, route.origins, ', '.join(_METHODS), ', '.join(_EXPOSED))
