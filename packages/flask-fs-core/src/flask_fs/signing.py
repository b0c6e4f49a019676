"""Links signed by the application, for backends whose store does not sign any."""

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
    """What a signed link allows: one method on one file until it expires, in whole seconds since the epoch."""

    storage: str
    filename: str
    method: str
    expires: int
    download_name: str | None = None


class InvalidSignature(Exception):
    """The signature does not allow the request; the text tells the visitor why."""


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
    """When a link made now expires, in whole seconds since the epoch: after *lifetime_s*, rounded up.

    It is rounded to a multiple of a quarter of the lifetime, so links to one file that are made close together are the
    same, and browsers and caches recognize what they have.
    """
    step_s = max(1, lifetime_s // 4)
    return math.ceil((time.time() + lifetime_s) / step_s) * step_s


def check_download_name(name: str | None) -> str | None:
    """*name* itself, if browsers can save a file under it."""
    if name is not None and (not name or not name.isprintable() or '/' in name or '\\' in name):
        raise InvalidFilename(name, reason='a download_name is a single name, without slashes or control characters')
    return name


def sign(app: Flask, link: SignedLink) -> str:
    """The signature of *link*, which allows whoever has it what the link says.

    :raises ConfigurationError: If *app* has no key.
    """
    return dumps(app, _LINKS, list(link))


def dumps(app: Flask, purpose: str, fields: Any, user: str | None = None) -> str:
    """*fields*, which JSON can express, as a text that only *app* can make; it can be read by anyone, and used in URLs.

    :param purpose: What it is for: a text made for something else is not accepted.
    :param user: For whom it is, if not for whoever has it.
    :raises ConfigurationError: If *app* has no key.
    """
    if not isinstance(app.config.get('SECRET_KEY') or None, (str, bytes)):
        reason = 'Signed links and uploads need a SECRET_KEY, a string that is not empty, in the configuration of the application.'
        raise ConfigurationError(reason=reason)
    return str(_serializer(_keys(app), _salt(purpose, user)).dumps(fields))


def loads(app: Flask, purpose: str, text: str, user: str | None = None) -> Any:
    """What :func:`dumps` has made *text* of, with a current or former key of *app* and for *user*; None if it has not."""
    try:
        return _serializer(keys, _salt(purpose, user)).loads(text) if (keys := _keys(app)) else None
    except (BadData, TypeError, UnicodeError):
        # JSON can have a lone surrogate in a text, which no signature covers.
        return None


def verify(app: Flask, signature: str, storage: str, filename: str, method: str) -> SignedLink:
    """The link that *signature* belongs to, if it allows *method* on this file now. A link for GET allows HEAD too.

    :raises InvalidSignature: If it was modified, has expired, or is for another file or method.
    """
    if not _keys(app):
        raise InvalidSignature('This application does not sign links.')
    try:
        link = SignedLink(*loads(app, _LINKS, signature))
    except TypeError:
        raise InvalidSignature('This link was modified, or is not from this application.') from None
    if (link.storage, link.filename) != (storage, filename):
        raise InvalidSignature('This link is for another file.')
    if method != link.method and (method, link.method) != ('HEAD', 'GET'):
        raise InvalidSignature(f'This link is for {link.method} only.')
    if time.time() >= link.expires:
        raise InvalidSignature('This link has expired.')
    return link


def check_fallbacks(app: Flask) -> None:
    """Warn about SECRET_KEY_FALLBACKS that is a string, as from an environment variable."""
    if isinstance(app.config.get('SECRET_KEY_FALLBACKS'), (str, bytes)):
        warnings.warn(
            'SECRET_KEY_FALLBACKS is a string, not a list of keys. Signed links treat it as one key, but Flask treats each '
            'of its characters as a key of sessions, so anyone can forge sessions. Make it a list; in the '
            """environment that is JSON: '["the old key"]'.""",
            ConfigurationWarning,
            stacklevel=3,
        )


def _keys(app: Flask) -> list[bytes]:
    """The keys of *app* for links, oldest first: the last one signs, and all of them verify."""
    fallbacks = app.config.get('SECRET_KEY_FALLBACKS') or ()
    if not isinstance(fallbacks, (list, tuple, set, frozenset)):
        # The characters of a string, one by one, would be keys that anyone can guess.
        fallbacks = (fallbacks,)
    current = app.config.get('SECRET_KEY')
    # An empty one would verify what anyone can sign.
    keys = [key for key in (*reversed([*fallbacks]), current) if key and isinstance(key, (str, bytes))]
    return [key.encode() if isinstance(key, str) else key for key in keys] if current else []


def _salt(purpose: str, user: str | None) -> str:
    return purpose if user is None else f'{purpose}.{user}'


def _serializer(keys: list[bytes], salt: str) -> URLSafeSerializer:
    import hashlib

    options = {'digest_method': hashlib.sha256, 'key_derivation': 'hmac'}
    return URLSafeSerializer(keys, salt=salt, signer_kwargs=options)
