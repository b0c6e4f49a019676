"""Responses whose bytes a web server in front sends: a header says where they are."""

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
    """The path of a location of nginx, without a slash at its end."""
    location = value if isinstance(value, str) else ''
    path = location.removeprefix('/').removesuffix('/')
    # nginx reads it as a URL; what has a meaning there would make another location of it.
    if not location.startswith('/') or not is_valid(path) or set('?#%') & set(path):
        raise ValueError(
            "the path of an internal location of nginx, such as '/protected/': "
            'with a slash first, no empty or dotted part, no backslash, and none of ? # %'
        )
    return f'/{path}'


def respond(backend: Any, name: str) -> Response | None:
    """The response that lets a web server in front send the file *name*; None if none does."""
    location = backend._internal_location(name)
    if location is None and not (
        Capability.LOCAL_PATH in backend.capabilities and current_app.config.get('USE_X_SENDFILE')
    ):
        return None
    info: FileInfo = backend._stat(name)
    if info.content_encoding is not None:
        # nginx drops that header of ours, and none of them decodes the file for a client that does not accept it.
        return None
    if location is not None:
        return by_location(info, location)
    # Apache's mod_xsendfile and lighttpd expect the path of the file on this machine.
    return _with_header(info, 'X-Sendfile', backend._local_path(name))


def by_location(info: FileInfo, location: str) -> Response:
    """The response for nginx, which expects a location of its own configuration."""
    # The tag is the one that nginx sends for this file (ngx_http_set_etag). It is all that clients get to see and come
    # back with, so that with any other one If-Match would fail here, however little the file has changed.
    if info.modified is not None:
        info = dataclasses.replace(info, etag=f'{int(info.modified.timestamp()):x}-{info.size:x}')
    return _with_header(info, 'X-Accel-Redirect', location.replace(os.sep, '/'))


def _with_header(info: FileInfo, header: str, location: str) -> Response:
    # No Accept-Ranges and no ranges: the whole file is handed over, from which the web server cuts the ranges that were requested.
    # nginx would repeat an Accept-Ranges of ours next to its own.
    response = respond_without_content(info, hand_over=True)
    if response.status_code == 200:
        # Percent-encoded: a header holds no other letters, and all of these servers decode it.
        response.headers[header] = quote(location)
    return response
