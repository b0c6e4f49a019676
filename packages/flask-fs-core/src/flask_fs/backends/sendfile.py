"""Responses whose content a web server in front sends: a header contains its location."""

from __future__ import annotations

import dataclasses
import os
from typing import Any
from urllib.parse import quote

from flask import Response, current_app

from ..names import is_valid
from .contract import Capability, FileInfo
from .http import respond_without_content


def internal_location(value: Any) -> str:
    """The path of an nginx location, without a trailing slash."""
    location = value if isinstance(value, str) else ''
    path = location.removeprefix('/').removesuffix('/')
    # nginx parses it as a URL, so special characters would change the location.
    if not location.startswith('/') or not is_valid(path) or set('?#%') & set(path):
        raise ValueError(
            "the path of an internal nginx location, such as '/protected/': "
            "begin with a slash, and don't use empty parts, '.', '..', backslashes, ?, # or %"
        )
    return f'/{path}'


def respond(backend: Any, name: str) -> Response | None:
    """The response that lets a web server in front send the file *name*; None if this isn't configured."""
    location = backend._internal_location(name)
    if location is None and not (
        Capability.LOCAL_PATH in backend.capabilities and current_app.config.get('USE_X_SENDFILE')
    ):
        return None
    info: FileInfo = backend._stat(name)
    if info.content_encoding is not None:
        # nginx drops our Content-Encoding, and no web server decodes the file for clients that don't accept the encoding.
        return None
    if location is not None:
        return by_location(info, location)
    # Apache's mod_xsendfile and lighttpd expect a path on this machine.
    return _with_header(info, 'X-Sendfile', backend._local_path(name))


def by_location(info: FileInfo, location: str) -> Response:
    """The response for nginx, which expects a location in its own configuration."""
    # The tag is the one that nginx sends for this file (ngx_http_set_etag). Clients only ever see that tag, so with any
    # other one, If-Match would always fail here.
    if info.modified is not None:
        info = dataclasses.replace(info, etag=f'{int(info.modified.timestamp()):x}-{info.size:x}')
    return _with_header(info, 'X-Accel-Redirect', location.replace(os.sep, '/'))


def _with_header(info: FileInfo, header: str, location: str) -> Response:
    # No Accept-Ranges and no ranges: the web server gets the complete file, and sends the requested ranges itself. nginx would
    # send our Accept-Ranges in addition to its own.
    response = respond_without_content(info, hand_over=True)
    if response.status_code == 200:
        # Percent-encoded, because headers are ASCII, and all of these servers decode it.
        response.headers[header] = quote(location)
    return response
