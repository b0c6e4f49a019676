"""Open files below a root without following symbolic links."""

from __future__ import annotations

import errno
import functools
import os
import struct
import sys
from collections.abc import Callable
from stat import S_ISLNK

# Constants of <linux/openat2.h> and <fcntl.h> that Python doesn't have.
_SYS_OPENAT2, _AT_FDCWD, _RESOLVE_NO_SYMLINKS = 437, -100, 4
_NO_FOLLOW = getattr(os, 'O_NOFOLLOW', 0)


class SymbolicLinkError(OSError):
    """A part of a filename is a symbolic link."""


def require_no_symlink_above(path: str, name: str) -> None:
    """Raise SymbolicLinkError if a folder in *name* is a symbolic link.

    :param path: The path of the file *name*. If it doesn't end with *name*, the application chose it, and it is trusted.
    """
    root, folder = path.removesuffix(name), name
    while '/' in folder and root != path:
        folder = folder.rpartition('/')[0]
        try:
            is_link = S_ISLNK(os.lstat(root + folder).st_mode)
        except OSError:
            # It might be missing because a parent is a link.
            continue
        if is_link:
            reason = f"{folder} is a symbolic link, which local storage doesn't follow"
            raise SymbolicLinkError(errno.ELOOP, reason, path)


class Opener:
    """Opens files below one root. On Linux 5.6 or newer, the kernel itself rejects symbolic links in the same call.

    On other systems, the folders are checked first. No folder is kept open: after renaming it would be the wrong one, and
    it would prevent unmounting its volume.
    """

    def __init__(self) -> None:
        self._asks_kernel = True

    def open(self, path: str, name: str, flags: int, mode: int = 0) -> int:
        """Like :func:`os.open` for *path*, which ends with *name*. No part of *name* may be a symbolic link.

        :raises SymbolicLinkError: If one is. For the last part, the error can also be the one of O_NOFOLLOW.
        """
        if not name or not path.endswith(name):
            return os.open(path, flags, mode)
        flags |= _NO_FOLLOW
        try:
            if '/' in name:
                if self._asks_kernel and (openat2 := _openat2()) is not None:
                    return openat2(path, flags, mode)
                require_no_symlink_above(path, name)
            return os.open(path, flags, mode)
        except NotADirectoryError:
            # The error for a link with O_DIRECTORY, which is part of O_TMPFILE.
            require_no_symlink_above(f'{path}/', f'{name}/')
            raise
        except OSError as error:
            if error.errno != errno.ELOOP or isinstance(error, SymbolicLinkError):
                raise
            require_no_symlink_above(f'{path}/', f'{name}/')
            if not self._asks_kernel:
                raise
            # The link is in the path of the root, where links are allowed: from now on, check the folders instead.
            root = os.path.abspath(path[: -len(name)])
            self._asks_kernel = os.path.realpath(root) == root
            return os.open(path, flags, mode)


@functools.cache
def _openat2() -> Callable[[str, int, int], int] | None:
    """A function that opens a path without symbolic links; None if the system call doesn't exist or isn't permitted."""
    if sys.platform != 'linux' or sys.maxsize < 1 << 32:
        return None
    try:
        # Imported here because files directly in the root don't need it.
        import ctypes

        syscall = ctypes.CDLL(None, use_errno=True).syscall
    except (ImportError, OSError, AttributeError):
        return None
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
    syscall.restype = ctypes.c_long
    how = functools.lru_cache(struct.Struct('=QQQ').pack)
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

    def openat2(path: str, flags: int, mode: int) -> int:
        encoded = path.encode(encoding, errors)
        while (fd := syscall(_SYS_OPENAT2, _AT_FDCWD, encoded, how(flags, mode, _RESOLVE_NO_SYMLINKS), 24)) < 0:
            if (number := ctypes.get_errno()) != errno.EINTR:
                raise OSError(number, os.strerror(number), path)
        return int(fd)

    try:
        os.close(openat2('/', os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0))
    except OSError:
        return None
    return openat2
