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

#: How long an upload is kept after something last arrived, in seconds: later it may be swept.
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
    """Give *app* the routes of tus 1.0, with which clients send files of any size to *storage*, and resume where they were cut off.

    Once all of a file has arrived it is checked and stored as by :meth:`~flask_fs.Storage.save`, and ``file_saved`` is sent. Its
    name is in the header ``Upload-Filename`` of the response, percent-encoded. What has arrived before is stored in the store,
    hidden, so that any process on any host can go on with it.

    :param authorize: Called in the request with the :class:`AnnouncedUpload`: whether the client may send it. It returns
        true, false, the name that the file is to have, or a response that is sent instead. Where a client sends a file in
        parallel, it is called for each part, whose ``filename`` is empty, and for the whole file at the end.
    :param user: Called in the request; what identifies the current user. The URL of an upload is then worth nothing for
        another one.
    :param url: The path of the route, by default ``/tus/`` and the storage's name.
    :param max_bytes: The maximum size of a file; that of the storage counts too.
    :param conflict: What to do if there is a file of that name: see :meth:`~flask_fs.Storage.save`.
    :param expires_s: How long an upload is kept after something last arrived, in whole seconds, 1 to 86400. ``flask fs sweep``
        removes what has not changed for a day.
    :param origins: Other sites whose pages may send files with the cookies of their visitors, such as ``https://example.org``.
    :raises ConfigurationError: If *storage* is not one of the application's, or has such routes already.
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
            # Some clients follow no redirection of POST.
            strict_slashes=False,
            provide_automatic_options=False,
        )


def respond(fs: str, token: str | None = None) -> Response:
    """The response to a client that sends a file to the storage named *fs*."""
    route: TusRoute = state_of(current_app).tus_routes[fs]
    return add_cors(route.respond(token), request, route.origins, ', '.join(_METHODS), ', '.join(_EXPOSED))
