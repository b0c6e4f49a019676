"""Uploads from other sites: the CORS protocol of the Fetch standard."""

from __future__ import annotations

from collections.abc import Collection

from flask import Request
from werkzeug.wrappers import Response

#: How long browsers may cache the response to a preflight request, in seconds.
_MAX_AGE_S = 600


def add_cors(
    response: Response, request: Request, origins: Collection[str], methods: str, exposed: str = 'ETag'
) -> Response:
    """Add the headers to *response* that let pages of *origins* send such requests and read the response.

    :param origins: Origins such as ``https://example.org``. No wildcard, because requests can have cookies.
    :param methods: The methods to allow, separated by commas.
    :param exposed: The response headers that pages may read, separated by commas.
    """
    if not origins:
        return response
    response.vary.add('Origin')
    if (origin := request.headers.get('Origin')) not in origins:
        return response
    response.headers['Access-Control-Allow-Origin'] = origin
    response.headers['Access-Control-Allow-Credentials'] = 'true'
    response.headers['Access-Control-Expose-Headers'] = exposed
    if request.method == 'OPTIONS':
        response.headers['Access-Control-Allow-Methods'] = methods
        response.headers['Access-Control-Max-Age'] = str(_MAX_AGE_S)
        # A page that may send requests may also choose their headers.
        if wanted := request.headers.get('Access-Control-Request-Headers'):
            response.headers['Access-Control-Allow-Headers'] = wanted
    return response
