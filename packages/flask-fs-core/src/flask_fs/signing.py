"""Links signed by the application, for backends whose store signs none."""

from __future__ import annotations

import datetime
import time
from typing import Any, NamedTuple

from flask import Flask
from itsdangerous import BadData, URLSafeSerializer

from .errors import ConfigurationError, InvalidFilename

#: The most seconds that a link may live: seven days, which is the most that S3 signs for.
MAX_EXPIRES_S = 604_800
#: The query parameter that carries the signature.
PARAMETER = 'signature'


class Grant(NamedTuple):
    """What a signed link allows: one method on one file until a moment, in whole seconds since the epoch."""

    storage: str
    filename: str
    method: str
    expires: int
    download_name: str | None = None


class Refused(Exception):
    """The signature does not allow the request; the text says why, for the one who follows the link."""


def whole_seconds(expires_s: int | datetime.timedelta) -> int:
    """*expires_s* as a number of seconds, if a link may live that long."""
    seconds: Any = expires_s
    if isinstance(expires_s, datetime.timedelta) and not expires_s.microseconds:
        seconds = expires_s.days * 86_400 + expires_s.seconds
    if type(seconds) is not int or not 1 <= seconds <= MAX_EXPIRES_S:
        reason = f'expires_s must be whole seconds from 1 to {MAX_EXPIRES_S} (seven days), or a timedelta of as many'
        raise ValueError(f'{reason}, not {expires_s!r}')
    return seconds


def check_download_name(name: str | None) -> str | None:
    """*name* itself, if a browser may be told to save a file under it."""
    if name is not None and (not name or not name.isprintable() or '/' in name or '\\' in name):
        raise InvalidFilename(name, reason='a download_name is one plain name, without slashes or control characters')
    return name


def sign(app: Flask, grant: Grant) -> str:
    """The signature that lets the bearer of a link do what *grant* says."""
    return str(_serializer(app).dumps(list(grant)))


def verify(app: Flask, signature: str, storage: str, filename: str, method: str) -> Grant:
    """The grant behind *signature*, if it allows *method* on this file now. A link for GET allows HEAD too.

    :raises Refused: If it was altered, has expired, or was given for another file or method.
    """
    try:
        fields: Any = _serializer(app).loads(signature)
        grant = Grant(*fields)
    except (BadData, TypeError):
        raise Refused('This link was altered, or comes from elsewhere.') from None
    if (grant.storage, grant.filename) != (storage, filename):
        raise Refused('This link is for another file.')
    if method != grant.method and (method, grant.method) != ('HEAD', 'GET'):
        raise Refused(f'This link is for {grant.method} only.')
    if time.time() >= grant.expires:
        raise Refused('This link has expired.')
    return grant


def _serializer(app: Flask) -> URLSafeSerializer:
    import hashlib

    key = app.config.get('SECRET_KEY')
    if not key:
        raise ConfigurationError(reason='Signed links need SECRET_KEY in the configuration of the application.')
    # The last key signs; the older ones still verify (Flask's SECRET_KEY_FALLBACKS).
    keys = [*reversed(app.config.get('SECRET_KEY_FALLBACKS') or []), key]
    options = {'digest_method': hashlib.sha256, 'key_derivation': 'hmac'}
    return URLSafeSerializer(keys, salt='flask-fs.signed-url', signer_kwargs=options)
