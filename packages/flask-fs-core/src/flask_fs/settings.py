"""Settings of storages and backends: declarations, parsers, and error messages.

A parser converts a configured value, or raises ValueError with a description of the values it accepts. Parsers also
accept text, because settings can come from environment variables.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Container, Generator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .errors import ConfigurationError, ConfigurationWarning
from .names import is_valid, join

__all__ = [
    'Setting',
    'at_least',
    'boolean',
    'extensions',
    'file_mode',
    'folder',
    'function',
    'hash_algorithm',
    'host_of',
    'http_url',
    'key_prefix',
    'mapping',
    'non_negative_int',
    'one_of',
    'seconds',
    'server_of',
    'setting_names',
    'settings_error',
    'storage_prefix',
    'text',
    'warn_if_repeated',
]


class Setting(NamedTuple):
    """One setting of storages or of a backend.

    :param key: Its name in lowercase, as in ``config.key``.
    :param parse: Converts the configured value; raises ValueError with a description of the values it accepts.
    :param default: The value if the setting is not set.
    :param doc: What it does, in one sentence.
    :param required: Whether the application must set it.
    :param append_storage_name: Whether the storage's name is appended to a value from a wider scope, as for folders and URLs.
    :param allow_global: Whether ``FS_{KEY}`` also sets it, for every storage on every backend.
    :param secret: Whether messages hide its value.
    :param live: Whether later changes to ``app.config`` take effect; only for settings that a distribution registers.
    """

    key: str
    parse: Callable[[Any], Any]
    default: Any = None
    doc: str = ''
    required: bool = False
    append_storage_name: bool = False
    allow_global: bool = False
    secret: bool = False
    live: bool = False


def storage_prefix(storage: str) -> str:
    """The prefix of the settings of *storage*: ``AVATARS_FS_``."""
    return f'{storage.upper().replace("-", "_")}_FS_'


def backend_prefix(kind: str) -> str:
    """The prefix of settings for every storage on the backend *kind*: ``FS_S3_``."""
    return f'FS_{kind.upper().replace("-", "_")}_'


def setting_names(storage: str, kind: str, key: str) -> str:
    """The names that set *key* for *storage* on the backend *kind*: ``AVATARS_FS_BUCKET or FS_S3_BUCKET``."""
    return f'{storage_prefix(storage)}{key.upper()} or {backend_prefix(kind)}{key.upper()}'


def settings_error(storage: str, kind: str, problem: str) -> ConfigurationError:
    """The error for settings that are missing or contradict each other.

    :param problem: The rest of a sentence about the storage, such as ``needs AVATARS_FS_BUCKET or FS_S3_BUCKET``.
    """
    return ConfigurationError(reason=f'Storage {storage!r} ({kind}) {problem}.')


@contextlib.contextmanager
def _must_be(expected: str) -> Generator[None]:
    """Replace any parsing error with one that says what is *expected*; also a decorator for parsers."""
    try:
        yield
    except (LookupError, OverflowError, TypeError, ValueError):
        raise ValueError(expected) from None


def text(value: Any) -> str:
    """Any text. Numbers are rejected: ``1e5`` would become ``100000.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        # Without the value, which may be a secret.
        raise ValueError(
            f'text, not {type(value).__name__}: put it in quotes; Flask parses environment variables as JSON, so there '
            """the value itself needs double quotes, in a shell '"..."'"""
        )
    raise ValueError('text')


def header_value(value: Any) -> str:
    """The value of a response header: one line of ASCII."""
    line = text(value)
    if not (line.isascii() and line.isprintable()):
        raise ValueError('one line of ASCII')
    return line


def public_url(value: Any) -> str:
    """The URL where browsers find files, or its path alone."""
    authority = (text(value).partition('//')[2] or str(value)).partition('/')[0]
    if '@' in authority:
        raise ValueError('a URL without a username and password, which every visitor would see')
    return str(value)


def http_url(value: Any) -> str:
    """The URL of an HTTP service, without a trailing slash."""
    expected = "a URL with its scheme, 'http://' or 'https://'"
    with _must_be(expected):
        url = text(value).rstrip('/')
        parts = urlsplit(url)
        if parts.scheme not in ('http', 'https') or not parts.netloc:
            raise ValueError
    if '@' in url:
        # Libraries quote URLs in messages and logs, and signed links contain them. The whole URL is checked because a
        # password can contain characters that end the host part.
        raise ValueError(f'{expected}, without a username and password')
    return url


def folder(value: Any) -> str:
    """A path on this machine."""
    try:
        return os.fspath(value) if isinstance(value, os.PathLike) else text(value)
    except ValueError as error:
        raise ValueError(f'the path of a folder{str(error).removeprefix("text")}') from None


def key_prefix(value: Any) -> str:
    """A folder inside the store, without leading and trailing slashes."""
    prefix = join(text(value))
    if prefix and not is_valid(prefix):
        raise ValueError("a folder inside the store, such as 'tenants/7'")
    return prefix


@_must_be('True or False')
def boolean(value: Any) -> bool:
    """True or False, or a word such as ``yes`` or ``off``."""
    if isinstance(value, bool):
        return value
    words = {'true': True, 'yes': True, 'on': True, '1': True, 'false': False, 'no': False, 'off': False, '0': False}
    return words[str(value).strip().lower()]


@_must_be('a whole number, 0 or more')
def non_negative_int(value: Any) -> int:
    """A whole number, 0 or more."""
    number = int(value)
    # int() drops the fraction of a number, and rejects text that has one.
    if isinstance(value, bool) or number < 0 or (not isinstance(value, str) and number != value):
        raise ValueError
    return number


def at_least(minimum: int, maximum: int | None = None) -> Callable[[Any], int]:
    """A whole number, *minimum* or more, up to *maximum*."""
    expected = (
        f'a whole number, {minimum} or more' if maximum is None else f'a whole number from {minimum} to {maximum}'
    )

    @_must_be(expected)
    def parse(value: Any) -> int:
        number = non_negative_int(value)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError
        return number

    return parse


@_must_be('a number of seconds, more than 0')
def seconds(value: Any) -> float:
    """A duration in seconds, with or without a fraction."""
    duration = float(value)
    if isinstance(value, bool) or not 0 < duration < float('inf'):
        raise ValueError
    return duration


@_must_be('a dictionary, or a JSON object')
def mapping(value: Any) -> Mapping[str, Any]:
    """A dictionary with text keys, or a JSON object."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError
    return value


@_must_be("permission bits that let the owner read and write, such as '0o640'")
def file_mode(value: Any) -> int:
    """Permission bits that let the owner read and write, as a number or as octal text such as ``0o640``.

    This rejects every common mode that was written as a decimal number by mistake: 640 is ``0o1200``.
    """
    if isinstance(value, str):
        value = int(value, 8)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o7777 or value & 0o600 != 0o600:
        raise ValueError
    return value


@_must_be('a container of extensions, such as ["png", "jpg"]')
def extensions(value: Any) -> Container[str]:
    """A container of extensions. Text is split at commas and whitespace."""
    if isinstance(value, str):
        parts = json.loads(value) if value.lstrip().startswith('[') else value.replace(',', ' ').split()
        return tuple(str(part).lower().removeprefix('.') for part in parts)
    if not hasattr(value, '__contains__'):
        raise ValueError
    return value  # type: ignore[no-any-return]  # anything with __contains__ is a container


def one_of(*choices: str) -> Callable[[Any], str]:
    """Text that is one of *choices*."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(' or '.join(repr(choice) for choice in choices))
        return str(value)

    return parse


def function(value: Any) -> Callable[..., Any]:
    """Any callable."""
    if not callable(value):
        raise ValueError('a function')
    return value  # type: ignore[no-any-return]  # callable() does not narrow Any


def hash_algorithm(value: Any) -> str:
    """The name of an algorithm that hashlib supports, with a digest of fixed size."""
    import hashlib

    if str(value) not in hashlib.algorithms_available or str(value).startswith('shake'):
        raise ValueError("the name of a hash algorithm that Python's hashlib supports, such as 'sha256'")
    return str(value)


def host_of(url: str) -> str:
    """The host and port of *url*, for messages. Empty if this could be part of a password."""
    netloc = urlsplit(url).netloc
    # A password can contain characters that end the host of a well-formed URL, such as #.
    return netloc.rpartition('@')[2] if '@' in netloc or '@' not in url else ''


def server_of(url: str) -> str:
    """The host, port and path of *url*, without the scheme's default port: the same for all spellings of a server's URL."""
    parts = urlsplit(url)
    default = {'http': ':80', 'https': ':443'}.get(parts.scheme, '')
    return parts.netloc.lower().removesuffix(default) + parts.path.rstrip('/')


def warn_if_repeated(url: str | None, part: str, names: str, *, start: int = 1) -> None:
    """Warn if *url* ends with *part*, such as the bucket, which every request adds to it.

    :param names: The names of the setting that contains *url*: see :func:`setting_names`.
    :param start: The first part of the path that could be *part*, counted from 1.
    """
    if urlsplit(url or '').path.rstrip('/').split('/')[start:][-1:] == [part]:
        warning = f'{names} ends with {part!r}, which every request adds to it: remove it from the URL.'
        warnings.warn(warning, ConfigurationWarning, stacklevel=7)


#: How long a driver waits for its store, for client libraries that have separate timeouts.
TIMEOUTS = (
    Setting('connect_timeout_s', seconds, 10.0, 'How long to wait for a connection, in seconds.'),
    Setting('read_timeout_s', seconds, 60.0, 'How long to wait for data in a response, in seconds.'),
)
