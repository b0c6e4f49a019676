"""What a setting may be. Text is understood too, because settings may come from the environment.

Each function gives what is used for what was configured, or raises ValueError with what it must be.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Container, Mapping
from typing import Any

from .names import is_valid, join


def text(value: Any) -> str:
    """Any text. A number is not taken for it: ``1e5`` would come as ``100000.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        # Without the value, which may be a secret.
        raise ValueError(
            f'text, not {type(value).__name__}: put it in quotes; an environment variable, which Flask reads as JSON, '
            """needs double quotes as a part of its value, in a shell '"..."'"""
        )
    raise ValueError('text')


def header_value(value: Any) -> str:
    """What a response may say in a header: one line of ASCII."""
    line = text(value)
    if not (line.isascii() and line.isprintable()):
        raise ValueError('one line of ASCII')
    return line


def public_url(value: Any) -> str:
    """Where browsers find files: a URL, or the path of one."""
    authority = (text(value).partition('//')[2] or str(value)).partition('/')[0]
    if '@' in authority:
        raise ValueError('a URL without user and password, which every visitor would see')
    return str(value)


def folder(value: Any) -> str:
    """A path on this machine."""
    try:
        return os.fspath(value) if isinstance(value, os.PathLike) else text(value)
    except ValueError as error:
        raise ValueError(f'the path of a folder{str(error).removeprefix("text")}') from None


def key_prefix(value: Any) -> str:
    """A folder inside the store; slashes around it are dropped."""
    prefix = join(text(value))
    if prefix and not is_valid(prefix):
        raise ValueError("a folder inside the store, such as 'tenants/7'")
    return prefix


def boolean(value: Any) -> bool:
    """True or False, also as the words people use for them."""
    if isinstance(value, bool):
        return value
    words = {'true': True, 'yes': True, 'on': True, '1': True, 'false': False, 'no': False, 'off': False, '0': False}
    if (known := words.get(str(value).strip().lower())) is None:
        raise ValueError('True or False')
    return known


def whole_number(value: Any) -> int:
    """A whole number, 0 or more."""
    expected = 'a whole number, 0 or more'
    if isinstance(value, bool):
        raise ValueError(expected)
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(expected) from None
    # int() drops the fraction of a number, and refuses text that has one.
    if number < 0 or (not isinstance(value, str) and number != value):
        raise ValueError(expected)
    return number


def at_least(minimum: int, most: int | None = None) -> Callable[[Any], int]:
    """A whole number, *minimum* or more, and not more than *most*."""
    expected = f'a whole number, {minimum} or more' if most is None else f'a whole number from {minimum} to {most}'

    def parse(value: Any) -> int:
        try:
            number = whole_number(value)
        except ValueError:
            raise ValueError(expected) from None
        if number < minimum or (most is not None and number > most):
            raise ValueError(expected)
        return number

    return parse


def seconds(value: Any) -> float:
    """A duration in seconds, with or without a fraction."""
    expected = 'a number of seconds, more than 0'
    if isinstance(value, bool):
        raise ValueError(expected)
    try:
        duration = float(value)
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    if not 0 < duration < float('inf'):
        raise ValueError(expected)
    return duration


def mapping(value: Any) -> Mapping[str, Any]:
    """A dictionary with text as keys, also as JSON."""
    expected = 'a dictionary, or one as JSON'
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(expected) from None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(expected)
    return value


def file_mode(value: Any) -> int:
    """Permission bits, as a number or as octal text such as ``0o640``, with which the owner may read and write.

    That refuses every usual mode whose octal digits were taken for decimal ones: 640 is ``0o1200``.
    """
    expected = "permission bits with which the owner may read and write, such as '0o640'"
    if isinstance(value, str):
        try:
            value = int(value, 8)
        except ValueError:
            raise ValueError(expected) from None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o7777 or value & 0o600 != 0o600:
        raise ValueError(expected)
    return value


def extensions(value: Any) -> Container[str]:
    """A container of extensions; text is split at commas and blanks."""
    expected = 'a container of extensions, such as ["png", "jpg"]'
    if isinstance(value, str):
        try:
            parts = json.loads(value) if value.lstrip().startswith('[') else value.replace(',', ' ').split()
        except ValueError:
            raise ValueError(expected) from None
        return tuple(str(part).lower().removeprefix('.') for part in parts)
    if not hasattr(value, '__contains__'):
        raise ValueError(expected)
    return value  # type: ignore[no-any-return]  # anything with __contains__ is a container


def one_of(*choices: str) -> Callable[[Any], str]:
    """Text that is one of *choices*."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(' or '.join(repr(choice) for choice in choices))
        return str(value)

    return parse


def function(value: Any) -> Callable[..., Any]:
    """Anything that can be called."""
    if not callable(value):
        raise ValueError('a function')
    return value  # type: ignore[no-any-return]  # callable() does not narrow Any


def not_encrypted(value: Any) -> bool:
    """False, or what stands for it: of what flask-fs2 could do, it is what Flask-FS cannot."""
    with contextlib.suppress(ValueError):
        if not boolean(value):
            return False
    raise ValueError(
        'False, because Flask-FS encrypts no files, and decrypts none that flask-fs2 has encrypted: '
        'decrypt them first, as the guide for moving over says (docs/how-to/upgrade.md)'
    )


def hash_algorithm(value: Any) -> str:
    """The name of an algorithm that hashlib knows, with a digest of fixed size."""
    import hashlib

    if str(value) not in hashlib.algorithms_available or str(value).startswith('shake'):
        raise ValueError("the name of a hash algorithm that Python's hashlib knows, such as 'sha256'")
    return str(value)
