"""The endpoint where an application serves its storages' files."""

from __future__ import annotations

import inspect
import time
from typing import Any

from flask import Blueprint, abort, after_this_request, current_app, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from . import receipts, signing
from .bindings import current_application, state_of
from .cross_origin import add_cors
from .errors import FileNotFound, InvalidFilename, Unavailable
from .names import check
from .storage import Storage

#: Provides the endpoint's name and the ``flask fs`` commands. Each storage gets a separate route.
blueprint = Blueprint('fs', __name__, cli_group=None)

#: The minimum lifetime of the links that a storage with ``SERVING = 'redirect'`` redirects browsers to, in seconds.
REDIRECT_EXPIRES_S = 300


def get_file(fs: str, filename: str) -> Any:
    """Serve the file *filename* of the storage named *fs*, with a valid signature or if the storage is public.

    Responds with 404 for a missing file, and for every file of a storage that isn't served; 403 if the signature is invalid
    or the storage's ``authorize`` denies access; 503 if the store is unavailable.
    """
    storage: Storage = state_of(current_app)[fs]
    after_this_request(_prevent_caching_of_errors)
    try:
        check(filename)
        if request.query_string and (signature := request.args.get(signing.PARAMETER)) is not None:
            return _signed(storage, filename, signature)
        return _public(storage, filename)
    except (FileNotFound, InvalidFilename):
        abort(404)
    except Unavailable:
        abort(503)


def receive_upload(fs: str, address: str) -> Any:
    """Receive an upload to the storage named *fs*, and store it until it is accepted.

    Responds with 201; 403 if the URL was altered or has expired; 400, 411, 413 or 415 if the request doesn't match the
    ticket; 412 if content was already sent to this URL; 503 if the store is unavailable.
    """
    state = state_of(current_app)
    if (route := state.upload_routes.get(fs)) is not None:
        after_this_request(lambda response: add_cors(response, request, route.origins, 'PUT'))
    if request.method == 'OPTIONS':
        return BaseResponse(status=204, headers={'Allow': 'PUT, OPTIONS'})
    return receipts.receive(state[fs], current_application(), address, request)


@blueprint.url_value_preprocessor
def _exempt_from_csrf_protection(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Upload URLs don't need a CSRF token: each URL is a secret that is valid only for one upload."""
    if (protection := current_app.extensions.get('csrf')) is not None and hasattr(protection, 'exempt'):
        protection.exempt(receive_upload)


def _prevent_caching_of_errors(response: Any) -> Any:
    """Caches may store a 404 for any time (RFC 9110 §15.1), but the file might appear, or the visitor might log in."""
    if response.status_code in (403, 404, 503):
        response.headers.setdefault('Cache-Control', 'no-store')
    return response


def _explain_once(storage: Storage) -> None:
    """Log why files that are served on the developer's machine are not served here."""
    state = state_of(current_app)
    if not state.has_explained_serving:
        state.has_explained_serving = True
        current_app.logger.warning(
            'The files of storage %r are not served, because FS_SERVE is not set and debug mode is off. Set FS_SERVE to True to '
            'serve them, or to False to allow signed URLs only.',
            storage.name,
        )


def _signed(storage: Storage, filename: str, signature: str) -> Any:
    try:
        link = signing.verify(current_application(), signature, storage.name, filename, request.method)
    except signing.InvalidSignature as error:
        abort(403, description=str(error))
    return storage.serve(filename, download_name=link.download_name, private=True)


def _public(storage: Storage, filename: str) -> Any:
    config = storage.config
    if not (current_app.debug if config.get('serve') is None else config.serve):
        if config.get('serve') is None:
            _explain_once(storage)
        abort(404)
    authorize = storage.authorize or config.get('authorize')
    if authorize is not None:
        verdict = current_app.ensure_sync(authorize)(filename)
        if isinstance(verdict, BaseResponse):
            return verdict
        if isinstance(verdict, tuple) or inspect.isawaitable(verdict):
            # Both would count as true, but mean something else: a view's response, or a result that isn't available yet.
            raise TypeError(
                f"'authorize' of storage {storage.name!r} returned {type(verdict).__name__}: return True, False or a response"
            )
        if not verdict:
            abort(403)
    if config.serving == 'redirect':
        # Rounded to keep links identical for a while, for all stores.
        expires_s = signing.expiry(REDIRECT_EXPIRES_S) - int(time.time())
        url = storage.signed_url(filename, expires_s=expires_s, method=request.method)
        response = redirect(url)
        response.headers['Cache-Control'] = 'private, no-store'
        return response
    return storage.serve(filename, private=authorize is not None)
