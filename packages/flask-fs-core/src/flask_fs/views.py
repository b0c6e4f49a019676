"""The endpoint under which an application serves its storages."""

from __future__ import annotations

import inspect
import time
from typing import Any

from flask import Blueprint, abort, after_this_request, current_app, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from . import signing
from .bindings import state_of
from .errors import FileNotFound, InvalidFilename, Unavailable
from .names import check
from .storage import Storage

#: Carries the endpoint's name and the ``flask fs`` commands; each storage gets a route of its own.
blueprint = Blueprint('fs', __name__, cli_group='fs')

#: How long a link lives at least that a storage with ``SERVING = 'redirect'`` sends browsers to, in seconds.
REDIRECT_EXPIRES_S = 300


def get_file(fs: str, filename: str) -> Any:
    """The file *filename* of the storage named *fs*: with a valid signature, or if the storage is served openly.

    404 for a file that is not there, and for every file of a storage that is not served; 403 where the signature or the
    storage's ``authorize`` refuses; 503 while the store is unavailable.
    """
    storage: Storage = state_of(current_app)[fs]
    after_this_request(_keep_refusals_out_of_caches)
    try:
        check(filename)
        if request.query_string and (signature := request.args.get(signing.PARAMETER)) is not None:
            return _granted(storage, filename, signature)
        return _open_to_all(storage, filename)
    except (FileNotFound, InvalidFilename):
        abort(404)
    except Unavailable:
        abort(503)


def _keep_refusals_out_of_caches(response: Any) -> Any:
    """A 404 may be kept for as long as a cache likes (RFC 9110 §15.1), and the file may come, or the visitor log in."""
    if response.status_code in (403, 404, 503):
        response.headers.setdefault('Cache-Control', 'no-store')
    return response


def _granted(storage: Storage, filename: str, signature: str) -> Any:
    try:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's documented way out
        grant = signing.verify(app, signature, storage.name, filename, request.method)
    except signing.Refused as refused:
        abort(403, description=str(refused))
    return storage.serve(filename, download_name=grant.download_name, private=True)


def _open_to_all(storage: Storage, filename: str) -> Any:
    config = storage.config
    if not (current_app.debug if config.get('serve') is None else config.serve):
        abort(404)
    authorize = storage.authorize or config.get('authorize')
    if authorize is not None:
        verdict = current_app.ensure_sync(authorize)(filename)
        if isinstance(verdict, BaseResponse):
            return verdict
        if isinstance(verdict, tuple) or inspect.isawaitable(verdict):
            # True by themselves, and meant as something else: the response of a view, or an answer that is still to come.
            raise TypeError(
                f"'authorize' of storage {storage.name!r} returned {type(verdict).__name__}: return True, False or a response"
            )
        if not verdict:
            abort(403)
    if config.serving == 'redirect':
        # The same moment for a while: links of stores that sign nothing but it stay the same too.
        expires_s = signing.expiry(REDIRECT_EXPIRES_S) - int(time.time())
        url = storage.signed_url(filename, expires_s=expires_s, method=request.method)
        response = redirect(url)
        response.headers['Cache-Control'] = 'private, no-store'
        return response
    return storage.serve(filename, private=authorize is not None)
