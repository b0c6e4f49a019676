"""Attributes of files on a disk, kept as extended attributes (xattr(7)), and the mark of files that have some."""

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

#: The bit in the mode of files that have attributes: the sticky bit, which Linux ignores on files (inode(7)). Every verb that
#: reports attributes reads the file's status anyway, so a file without them costs nothing: it is not looked at any further.
#: Any other mark, such as a call of listxattr() for each file, would be a system call more.
MARK = S_ISVTX

# Where other programs look for the type (freedesktop.org, Shared MIME-info Database, "Storing the MIME type using Extended
# Attributes"), and a name of our own for all others, as JSON.
_MIME = 'user.mime_type'
_OTHERS = 'user.fs.attributes'
_UNSUPPORTED = frozenset((errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
# A full disk gives the same as a value that does not fit (setxattr(2)).
_TOO_LARGE = frozenset((errno.E2BIG, errno.ENOSPC, errno.EDQUOT, errno.ERANGE))


def is_supported() -> bool:
    """Whether Python can set extended attributes here: on Linux alone."""
    return hasattr(os, 'setxattr')


def encoded(name: str, attributes: Attributes) -> dict[str, bytes]:
    """The extended attributes that keep *attributes* of the file *name*, by name; none for a type that the name suggests."""
    given = attributes.given()
    mime = given.pop('mime', None)
    values = {} if mime in (None, mime_type(name)) else {_MIME: mime.encode()}
    if given:
        values[_OTHERS] = json.dumps(given, ensure_ascii=False, separators=(',', ':')).encode()
    return values


def write(fd: int, values: Mapping[str, bytes]) -> None:
    """Give the open file *fd*, which was made with :data:`MARK`, its extended attributes.

    :raises LacksCapability: If the file system keeps none, or lost the mark.
    """
    for name, value in values.items():
        _set(fd, name, value)
    _require_mark(fd)


def replace(fd: int, values: Mapping[str, bytes]) -> None:
    """Make *values* all the extended attributes of ours that the open file *fd* has, whoever reads it meanwhile.

    Each of them is old or new at any time. The mark is set after them: until then they are not there.

    :raises LacksCapability: If the file system keeps none, or no mark.
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
    """The attributes of the open file *fd*. What is malformed, because another program wrote it, is left out."""
    if not status.st_mode & MARK:
        return NO_ATTRIBUTES
    found: dict[str, Any] = {}
    if (others := _get(fd, _OTHERS)) is not None:
        # Nested too deeply, JSON is a RecursionError.
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
        # The mark may have come without them, from another program or with a copy.
        if error.errno == errno.ENODATA or error.errno in _UNSUPPORTED:
            return None
        raise


def _set(fd: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(fd, name, value)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            reason = 'the file system keeps no extended attributes'
            raise LacksCapability(Capability.ATTRIBUTES, reason) from error
        if error.errno in _TOO_LARGE:
            reason = (
                f'{len(value)} bytes of attributes do not fit there; ext4 keeps 4 KB with a file ({error.strerror})'
            )
            raise OSError(error.errno, reason) from error
        raise


def _require_mark(fd: int) -> None:
    if not os.fstat(fd).st_mode & MARK:
        reason = 'the file system keeps no sticky bit, by which files with attributes are recognized'
        raise LacksCapability(Capability.ATTRIBUTES, reason)
