"""What errors of the operating system mean to an application."""

from __future__ import annotations

import errno
import os
import sys

from ..errors import BackendError, FileExists, FileNotFound, FSError, InvalidFilename, PermissionDenied, Unavailable
from .symlinks import SymbolicLinkError

#: There is no such file, or no folder for it: it may be the root that is missing.
MISSING = frozenset((errno.ENOENT, errno.ENOTDIR))
_ABSENT = MISSING | {errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
# From a server or a process behind the file system that does not respond, or no longer has this one.
_NO_RESPONSE = frozenset(
    getattr(errno, name)
    for name in ('ECONNABORTED', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENODEV', 'ENOTCONN', 'ESHUTDOWN', 'ESTALE', 'ETIMEDOUT')
    if hasattr(errno, name)
)


def translate(error: OSError, *, writing: bool = False) -> tuple[type[FSError], str | None]:
    """What kind of error *error* is to an application, and the reason to give.

    :param writing: What is in the way of a name keeps it from being stored; otherwise it means that there is no such file.
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
        return FileExists, 'it is a folder that holds files, and on disk a name is either a file or a folder'
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
        return f'this process runs in a locale whose file names are {encoding}; set PYTHONUTF8=1 for names in UTF-8'
    return None
