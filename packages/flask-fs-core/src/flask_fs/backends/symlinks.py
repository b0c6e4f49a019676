"""Opening files below a root without following symbolic links there."""

from __future__ import annotations

import errno
import functools
import os
import struct
import sys
from collections.abc import Callable
from stat import S_ISLNK

# What <linux/openat2.h> and <fcntl.h> call them; Python has no names for these.
_SYS_OPENAT2, _AT_FDCWD, _RESOLVE_NO_SYMLINKS = 437, -100, 4
_NO_FOLLOW = getattr(os, 'O_NOFOLLOW', 0)


class SymbolicLinkError(OSError):
    """A part of a filename is a symbolic link."""


def require_no_symlink_above(path: str, name: str) -> None:
    """Raise SymbolicLinkError if a folder of *name* is a symbolic link.

    :param path: Where the file *name* is. If it does not end with *name*, the application made it, and it is trusted.
    """
    root, folder = path.removesuffix(name), name
    while '/' in folder and root != path:
        folder = folder.rpartition('/')[0]
        try:
            is_link = S_ISLNK(os.lstat(root + folder).st_mode)
        except OSError:
            # It may be missing where a link further up leads.
            continue
        if is_link:
            reason = f'{folder} is a symbolic link, which local storage does not follow'
            raise SymbolicLinkError(errno.ELOOP, reason, path)


class Opener:
    """Opens what is below one root. On Linux 5.6 or newer the kernel itself refuses symbolic links, in the same call.

    Elsewhere the folders are looked at first. Nothing is kept open: an open folder would be another one once it was
    renamed, and would keep its volume from being unmounted.
    """

    def __init__(self) -> None:
        self._asks_kernel = True

    def open(self, path: str, name: str, flags: int, mode: int = 0) -> int:
        """As :func:`os.open`, of *path*, which ends with *name*; no part of *name* may be a symbolic link.

        :raises SymbolicLinkError: If one is. The last part may also give the error of O_NOFOLLOW.
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
            # What a link gives with O_DIRECTORY, which is part of O_TMPFILE.
            require_no_symlink_above(f'{path}/', f'{name}/')
            raise
        except OSError as error:
            if error.errno != errno.ELOOP or isinstance(error, SymbolicLinkError):
                raise
            require_no_symlink_above(f'{path}/', f'{name}/')
            if not self._asks_kernel:
                raise
            # The link is in the path of the root, which may have some: from now on folders are looked at.
            root = os.path.abspath(path[: -len(name)])
            self._asks_kernel = os.path.realpath(root) == root
            return os.open(path, flags, mode)


@functools.cache
def _openat2() -> Callable[[str, int, int], int] | None:
    """A function that opens a path without any symbolic link; None where there is no such system call, or no leave to use it."""
    if sys.platform != 'linux' or sys.maxsize < 1 << 32:
        return None
    try:
        # Imported here because files in the root itself need none of it.
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
