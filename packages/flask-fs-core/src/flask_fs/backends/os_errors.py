"""Translate errors of the operating system."""

from __future__ import annotations

import errno
import os
import sys

from ..errors import BackendError, FileExists, FileNotFound, FSError, InvalidFilename, PermissionDenied, Unavailable
from .symlinks import SymbolicLinkError

#: The file or its folder doesn't exist. The root might be missing too.
MISSING = frozenset((errno.ENOENT, errno.ENOTDIR))
_ABSENT = MISSING | {errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
# The server or process behind the file system doesn't respond, or no longer has this file system.
_NO_RESPONSE = frozenset(
    getattr(errno, name)
    for name in ('ECONNABORTED', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENODEV', 'ENOTCONN', 'ESHUTDOWN', 'ESTALE', 'ETIMEDOUT')
    if hasattr(errno, name)
)


def translate(error: OSError, *, writing: bool = False) -> tuple[type[FSError], str | None]:
    """The kind of error to raise for *error*, and the reason to report.

    :param writing: Whether a file was being stored. If not, something in the way of its path means that it doesn't exist.
    """
    number = error.errno
    if isinstance(error, SymbolicLinkError):
        return PermissionDenied if writing else FileNotFound, error.strerror
    if number == errno.ENOENT or (not writing and number in _ABSENT):
        return FileNotFound, None
    if number == errno.ENAMETOOLONG:
        return InvalidFilename, 'a part of it is longer than the file system allows'
    if number == errno.EEXIST and not os.path.isdir(error.filename2 or error.filename):
        return FileExists, None
    if number in (errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        return FileExists, 'it is a folder that contains files, and on disk a name is either a file or a folder'
    if number == errno.ENOTDIR:
        return FileExists, 'a part of its path is a file, and on disk a name is either a file or a folder'
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PermissionDenied, f'{error.strerror}: {error.filename!r}'
    kind = Unavailable if number in _NO_RESPONSE else BackendError
    return kind, f'{error.strerror}' + (f': {error.filename!r}' if error.filename else '')


def unencodable(name: str) -> str | None:
    """Why this process cannot pass *name* to the operating system, or None if it can."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        return f'the locale of this process encodes file names as {encoding}; set PYTHONUTF8=1 for names in UTF-8'
    return None
