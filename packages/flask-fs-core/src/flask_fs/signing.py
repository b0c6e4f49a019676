"""Links signed by the application, for backends whose store signs none."""

from __future__ import annotations

import datetime
import math
import time
import warnings
from typing import Any, NamedTuple

from flask import Flask
from itsdangerous import BadData, URLSafeSerializer

from .errors import ConfigurationError, ConfigurationWarning, InvalidFilename

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


def expiry(lifetime_s: int) -> int:
    """When a link made now expires, in whole seconds since the epoch: after *lifetime_s*, rounded up to a common moment.

    The moments are a quarter of the lifetime apart. Links to one file that are made between two of them are the same
    text, so that browsers and caches recognize what they have.
    """
    step_s = max(1, lifetime_s // 4)
    return math.ceil((time.time() + lifetime_s) / step_s) * step_s


def check_download_name(name: str | None) -> str | None:
    """*name* itself, if a browser may be told to save a file under it."""
    if name is not None and (not name or not name.isprintable() or '/' in name or '\\' in name):
        raise InvalidFilename(name, reason='a download_name is one plain name, without slashes or control characters')
    return name


def sign(app: Flask, grant: Grant) -> str:
    """The signature that lets the bearer of a link do what *grant* says.

    :raises ConfigurationError: If *app* has no key.
    """
    if not isinstance(app.config.get('SECRET_KEY') or None, (str, bytes)):
        reason = 'Signed links need SECRET_KEY, a text that is not empty, in the configuration of the application.'
        raise ConfigurationError(reason=reason)
    return str(_serializer(_keys(app)).dumps(list(grant)))


def verify(app: Flask, signature: str, storage: str, filename: str, method: str) -> Grant:
    """The grant behind *signature*, if it allows *method* on this file now. A link for GET allows HEAD too.

    :raises Refused: If it was altered, has expired, or was given for another file or method.
    """
    if not (keys := _keys(app)):
        raise Refused('This application signs no links.')
    try:
        fields: Any = _serializer(keys).loads(signature)
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


def check_fallbacks(app: Flask) -> None:
    """Warn about text as SECRET_KEY_FALLBACKS, such as an environment variable gives."""
    if isinstance(app.config.get('SECRET_KEY_FALLBACKS'), (str, bytes)):
        warnings.warn(
            'SECRET_KEY_FALLBACKS is text and not a list of keys. For signed links it counts as one key, but Flask takes '
            'each of its letters for a key of its sessions, so that anyone can forge them. Make it a list; in the '
            """environment that is JSON: '["the old key"]'.""",
            ConfigurationWarning,
            stacklevel=3,
        )


def _keys(app: Flask) -> list[bytes]:
    """The keys of *app* for links, oldest first: the last one signs, and all of them verify."""
    fallbacks = app.config.get('SECRET_KEY_FALLBACKS') or ()
    if not isinstance(fallbacks, (list, tuple, set, frozenset)):
        # The letters of a text, one by one, would be keys that anyone guesses.
        fallbacks = (fallbacks,)
    current = app.config.get('SECRET_KEY')
    # An empty one would verify what everyone can sign.
    keys = [key for key in (*reversed([*fallbacks]), current) if key and isinstance(key, (str, bytes))]
    return [key.encode() if isinstance(key, str) else key for key in keys] if current else []


def _serializer(keys: list[bytes]) -> URLSafeSerializer:
    import hashlib

    options = {'digest_method': hashlib.sha256, 'key_derivation': 'hmac'}
    return URLSafeSerializer(keys, salt='flask-fs.signed-url', signer_kwargs=options)
