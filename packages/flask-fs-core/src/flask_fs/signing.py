"""Links signed by the application, for backends whose store can't sign links."""

from __future__ import annotations

import datetime
import math
import time
import warnings
from typing import Any, NamedTuple

from flask import Flask
from itsdangerous import BadData, URLSafeSerializer

from .errors import ConfigurationError, ConfigurationWarning, InvalidFilename

#: The maximum lifetime of a link: seven days, which is also the maximum of S3.
MAX_EXPIRES_S = 604_800
#: The query parameter that carries the signature.
PARAMETER = 'signature'
_LINKS = 'flask-fs.signed-url'


class SignedLink(NamedTuple):
    """The permission in a signed link: one method on one file until it expires, in whole seconds since the epoch."""

    storage: str
    filename: str
    method: str
    expires: int
    download_name: str | None = None


class InvalidSignature(Exception):
    """The signature doesn't allow the request. The message says why, for the visitor."""


def whole_seconds(expires_s: int | datetime.timedelta) -> int:
    """*expires_s* as a number of seconds, if it is a valid lifetime of a link."""
    seconds: Any = expires_s
    if isinstance(expires_s, datetime.timedelta) and not expires_s.microseconds:
        seconds = expires_s.days * 86_400 + expires_s.seconds
    if type(seconds) is not int or not 1 <= seconds <= MAX_EXPIRES_S:
        reason = (
            f'expires_s must be a whole number of seconds from 1 to {MAX_EXPIRES_S} (seven days), or such a timedelta'
        )
        raise ValueError(f'{reason}, not {expires_s!r}')
    return seconds


def expiry(lifetime_s: int) -> int:
    """The expiry of a link made now, in whole seconds since the epoch: after *lifetime_s*, rounded up.

    It is rounded to a multiple of a quarter of the lifetime. So links to one file that are made close together are
    identical, and browsers and caches recognize files that they already have.
    """
    step_s = max(1, lifetime_s // 4)
    return math.ceil((time.time() + lifetime_s) / step_s) * step_s


def check_download_name(name: str | None) -> str | None:
    """*name* itself, if browsers can save a file with this name."""
    if name is not None and (not name or not name.isprintable() or '/' in name or '\\' in name):
        raise InvalidFilename(name, reason='a download_name is a single name, without slashes or control characters')
    return name


def sign(app: Flask, link: SignedLink) -> str:
    """The signature of *link*. Whoever has it can use the link.

    :raises ConfigurationError: If *app* has no key.
    """
    return dumps(app, _LINKS, list(link))


def dumps(app: Flask, purpose: str, fields: Any, user: str | None = None) -> str:
    """*fields*, which must be JSON-compatible, as URL-safe text signed by *app*. Anyone can read it.

    :param purpose: Its purpose. Text signed for another purpose is not accepted.
    :param user: The user that it is valid for. Default: anyone who has it.
    :raises ConfigurationError: If *app* has no key.
    """
    if not isinstance(app.config.get('SECRET_KEY') or None, (str, bytes)):
        reason = (
            "Signed URLs and uploads need Flask's SECRET_KEY, a nonempty string that stays secret. Create one with "
            "python -c 'import secrets; print(secrets.token_hex())', and set app.config['SECRET_KEY'] to it."
        )
        raise ConfigurationError(reason=reason)
    return str(_serializer(_keys(app), _salt(purpose, user)).dumps(fields))


def loads(app: Flask, purpose: str, text: str, user: str | None = None) -> Any:
    """The fields in *text*, if :func:`dumps` made it with a current or former key of *app* and for *user*; otherwise None."""
    try:
        return _serializer(keys, _salt(purpose, user)).loads(text) if (keys := _keys(app)) else None
    except (BadData, TypeError, UnicodeError):
        # Text in JSON can contain a lone surrogate, which can't be signed.
        return None


def verify(app: Flask, signature: str, storage: str, filename: str, method: str) -> SignedLink:
    """The link of *signature*, if it allows *method* on this file now. A link for GET also allows HEAD.

    :raises InvalidSignature: If it was modified, has expired, or is for another file or method.
    """
    if not _keys(app):
        raise InvalidSignature("This application doesn't sign links.")
    try:
        link = SignedLink(*loads(app, _LINKS, signature))
    except TypeError:
        raise InvalidSignature('This link was modified, or is not from this application.') from None
    if (link.storage, link.filename) != (storage, filename):
        raise InvalidSignature('This link is for another file.')
    if method != link.method and (method, link.method) != ('HEAD', 'GET'):
        raise InvalidSignature(f'This link is only for {link.method} requests.')
    if time.time() >= link.expires:
        raise InvalidSignature('This link has expired.')
    return link


def check_fallbacks(app: Flask) -> None:
    """Warn if SECRET_KEY_FALLBACKS is a string, for example from an environment variable."""
    if isinstance(app.config.get('SECRET_KEY_FALLBACKS'), (str, bytes)):
        warnings.warn(
            'SECRET_KEY_FALLBACKS is a string, not a list of keys. Signed links treat it as one key, but Flask treats each '
            'of its characters as a session key, so anyone can forge sessions. Make it a list; in an environment '
            """variable, use JSON: '["the old key"]'.""",
            ConfigurationWarning,
            stacklevel=3,
        )


def _keys(app: Flask) -> list[bytes]:
    """The keys of *app* for links, oldest first: the last one signs, and all of them verify."""
    fallbacks = app.config.get('SECRET_KEY_FALLBACKS') or ()
    if not isinstance(fallbacks, (list, tuple, set, frozenset)):
        # Each character of a string would be a key that anyone can guess.
        fallbacks = (fallbacks,)
    current = app.config.get('SECRET_KEY')
    # An empty key would accept signatures that anyone can make.
    keys = [key for key in (*reversed([*fallbacks]), current) if key and isinstance(key, (str, bytes))]
    return [key.encode() if isinstance(key, str) else key for key in keys] if current else []


def _salt(purpose: str, user: str | None) -> str:
    return purpose if user is None else f'{purpose}.{user}'


def _serializer(keys: list[bytes], salt: str) -> URLSafeSerializer:
    import hashlib

    options = {'digest_method': hashlib.sha256, 'key_derivation': 'hmac'}
    return URLSafeSerializer(keys, salt=salt, signer_kwargs=options)
