"""The endpoint under which an application serves its storages."""

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

#: Has the endpoint's name and the ``flask fs`` commands; each storage gets a route of its own.
blueprint = Blueprint('fs', __name__, cli_group=None)

#: The minimum lifetime of the links that a storage with ``SERVING = 'redirect'`` redirects browsers to, in seconds.
REDIRECT_EXPIRES_S = 300


def get_file(fs: str, filename: str) -> Any:
    """The file *filename* of the storage named *fs*: with a valid signature, or if the storage is public.

    404 for a missing file, and for every file of a storage that is not served; 403 if the signature is invalid or the
    storage's ``authorize`` denies access; 503 while the store is unavailable.
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
    """Store the body of the request, which a ticket of the storage named *fs* allows, where it waits to be accepted.

    Responds with 201; 403 if the address was altered or has expired, 400, 411, 413 or 415 if the request is not what the
    ticket says, 412 if something was sent there before, 503 while the store is unavailable.
    """
    state = state_of(current_app)
    if (route := state.upload_routes.get(fs)) is not None:
        after_this_request(lambda response: add_cors(response, request, route.origins, 'PUT'))
    if request.method == 'OPTIONS':
        return BaseResponse(status=204, headers={'Allow': 'PUT, OPTIONS'})
    return receipts.receive(state[fs], current_application(), address, request)


@blueprint.url_value_preprocessor
def _exempt_from_csrf_protection(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Each address for uploads is a secret that only serves to upload, as a token against forged requests would be."""
    if (protection := current_app.extensions.get('csrf')) is not None and hasattr(protection, 'exempt'):
        protection.exempt(receive_upload)


def _prevent_caching_of_errors(response: Any) -> Any:
    """A cache may store a 404 for any time (RFC 9110 §15.1), but the file may appear, or the visitor log in."""
    if response.status_code in (403, 404, 503):
        response.headers.setdefault('Cache-Control', 'no-store')
    return response


def _signed(storage: Storage, filename: str, signature: str) -> Any:
    try:
        link = signing.verify(current_application(), signature, storage.name, filename, request.method)
    except signing.InvalidSignature as error:
        abort(403, description=str(error))
    return storage.serve(filename, download_name=link.download_name, private=True)


def _public(storage: Storage, filename: str) -> Any:
    config = storage.config
    if not (current_app.debug if config.get('serve') is None else config.serve):
        abort(404)
    authorize = storage.authorize or config.get('authorize')
    if authorize is not None:
        verdict = current_app.ensure_sync(authorize)(filename)
        if isinstance(verdict, BaseResponse):
            return verdict
        if isinstance(verdict, tuple) or inspect.isawaitable(verdict):
            # Both are true, but mean something else: the response of a view, or a result that is still to come.
            raise TypeError(
                f"'authorize' of storage {storage.name!r} returned {type(verdict).__name__}: return True, False or a response"
            )
        if not verdict:
            abort(403)
    if config.serving == 'redirect':
        # Rounded, so that links of stores that sign nothing else stay the same for a while too.
        expires_s = signing.expiry(REDIRECT_EXPIRES_S) - int(time.time())
        url = storage.signed_url(filename, expires_s=expires_s, method=request.method)
        response = redirect(url)
        response.headers['Cache-Control'] = 'private, no-store'
        return response
    return storage.serve(filename, private=authorize is not None)
