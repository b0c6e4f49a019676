"""Attributes of files on disk, stored as extended attributes (xattr(7)), and the mark of files that have some."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from stat import S_IMODE, S_ISVTX
from typing import Any

from ..files import mime_type
from .attributes import changed
from .contract import NO_ATTRIBUTES, Attributes, Capability
from .filesystem import LacksCapability

#: The bit in the mode of files that have attributes: the sticky bit, which Linux ignores on files (inode(7)). Every method
#: that reports attributes gets the file's status anyway, so files without attributes cost nothing. Anything else, such as
#: calling listxattr() for each file, would need another system call.
MARK = S_ISVTX

# The name where other programs look for the type (freedesktop.org, Shared MIME-info Database, "Storing the MIME type using
# Extended Attributes"), and our own name for all other attributes, as JSON.
_MIME = 'user.mime_type'
_OTHERS = 'user.fs.attributes'
_UNSUPPORTED = frozenset((errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
# A full disk causes the same errors as a value that doesn't fit (setxattr(2)).
_TOO_LARGE = frozenset((errno.E2BIG, errno.ENOSPC, errno.EDQUOT, errno.ERANGE))


def is_supported() -> bool:
    """Whether Python can set extended attributes on this platform: only on Linux."""
    return hasattr(os, 'setxattr')


def encoded(name: str, attributes: Attributes) -> dict[str, bytes]:
    """The extended attributes for *attributes* of the file *name*, by name. A type that the name suggests isn't stored."""
    given = attributes.given()
    mime = given.pop('mime', None)
    values = {} if mime in (None, mime_type(name)) else {_MIME: mime.encode()}
    if given:
        values[_OTHERS] = json.dumps(given, ensure_ascii=False, separators=(',', ':')).encode()
    return values


def write(fd: int, values: Mapping[str, bytes]) -> None:
    """Set the extended attributes of the open file *fd*, which was created with :data:`MARK`.

    :raises LacksCapability: If the file system doesn't support them, or lost the mark.
    """
    for name, value in values.items():
        _set(fd, name, value)
    _require_mark(fd)


def replace(fd: int, values: Mapping[str, bytes]) -> None:
    """Replace all our extended attributes of the open file *fd* with *values*, while others can read them.

    At any time, readers see the old or the new value of each. The mark is set last: until then they are invisible.

    :raises LacksCapability: If the file system doesn't support them, or the mark.
    """
    for name in (_MIME, _OTHERS):
        if name in values:
            _set(fd, name, values[name])
            continue
        try:
            os.removexattr(fd, name)
        except OSError as error:
            if error.errno != errno.ENODATA and error.errno not in _UNSUPPORTED:
                raise
    mode = S_IMODE(os.fstat(fd).st_mode)
    if (wanted := mode | MARK if values else mode & ~MARK) != mode:
        os.fchmod(fd, wanted)
    if values:
        _require_mark(fd)


def read(fd: int, status: os.stat_result) -> Attributes:
    """The attributes of the open file *fd*, without malformed ones, which another program might have written."""
    if not status.st_mode & MARK:
        return NO_ATTRIBUTES
    found: dict[str, Any] = {}
    if (others := _get(fd, _OTHERS)) is not None:
        # Deeply nested JSON raises a RecursionError.
        with contextlib.suppress(ValueError, RecursionError):
            parsed = json.loads(others)
            found = parsed if isinstance(parsed, dict) else {}
    if (mime := _get(fd, _MIME)) is not None:
        found['mime'] = mime.decode('utf-8', 'replace')
    attributes = NO_ATTRIBUTES
    for name, value in found.items():
        with contextlib.suppress(TypeError, ValueError):
            attributes = changed(attributes, {name: value})
    return attributes


def _get(fd: int, name: str) -> bytes | None:
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        # Another program or a copy might have set the mark without the attributes.
        if error.errno == errno.ENODATA or error.errno in _UNSUPPORTED:
            return None
        raise


def _set(fd: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(fd, name, value)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            reason = "the file system doesn't support extended attributes"
            raise LacksCapability(Capability.ATTRIBUTES, reason) from error
        if error.errno in _TOO_LARGE:
            reason = f"{len(value)} bytes of attributes don't fit; ext4 stores at most 4 KB per file ({error.strerror})"
            raise OSError(error.errno, reason) from error
        raise


def _require_mark(fd: int) -> None:
    if not os.fstat(fd).st_mode & MARK:
        reason = "the file system doesn't keep the sticky bit, which marks files with attributes"
        raise LacksCapability(Capability.ATTRIBUTES, reason)
