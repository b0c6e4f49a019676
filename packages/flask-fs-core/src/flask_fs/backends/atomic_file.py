"""Files on disk that nobody sees until they are whole."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import time
from collections.abc import Callable, Mapping

from ..names import TEMPORARY_PREFIX
from . import xattrs
from .filesystem import FilesystemSupport, close_folder
from .folders import make, retry_creating_parent
from .streams import undone_by

# What open() gives where the kernel, the file system or the mount has no O_TMPFILE (open(2)).
_NO_UNNAMED = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))
# What link() gives where the file system has no hard links (link(2)).
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS))
# After these an ordinary write would fail as well; after any other error of copy_file_range() it may do.
_DISK_FAILS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG))
_KERNEL_COPY_BYTES = 1 << 30
_WRITE = os.O_WRONLY | getattr(os, 'O_CLOEXEC', 0) | getattr(os, 'O_BINARY', 0)
_NAMED = _WRITE | os.O_CREAT | os.O_EXCL


# For names that no other process chooses; reading each number from the operating system would be a system call more.
_random = random.Random()  # O_EXCL settles it if two should be equal
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_random.seed)


def _temporary_name() -> str:
    return f'{TEMPORARY_PREFIX}{_random.getrandbits(64)}'


class AtomicFile:
    """A file that will be *target*, invisible until :meth:`publish` gives it that name.

    Where the file system has unnamed files, a process that is killed while it writes one leaves nothing behind. Otherwise
    it leaves one file beside the target, whose name begins with ``.fs-tmp-``. Replacing always passes through such a
    name. All methods raise the OSError that the operating system gave, except :meth:`close`.

    :param name: What *target* ends with: no part of it may be a symbolic link.
    :param check_root: Called with *name* before folders are made, to refuse it.
    :param create: Publish it only if the name is free.
    :param is_short: Whether the content is there already, and so is written in a moment: then a file that may replace
        another one has a temporary name at once, which spares a call.
    :param values: Its extended attributes, which it has before any content.
    :param replace: Called with the temporary name and *target* instead of :func:`os.replace`.
    """

    def __init__(
        self,
        target: str,
        name: str,
        filesystem: FilesystemSupport,
        check_root: Callable[[str], None],
        *,
        create: bool,
        is_short: bool = False,
        values: Mapping[str, bytes] | None = None,
        replace: Callable[[str, str], None] | None = None,
    ) -> None:
        self._target = target
        self._name = name
        self._filesystem = filesystem
        self._check_root = check_root
        self._creates = create
        self._rename = replace
        self._mark = xattrs.MARK if values else 0
        self._named = is_short and not create
        # os.path.dirname() takes as long as opening a file.
        self._folder = os.path.dirname(target) if os.name == 'nt' else target.rpartition('/')[0] or '/'
        self._made: list[str] = []
        self._temporary: str | None = None
        self._fd = -1
        # An interrupt may be raised anywhere.
        with undone_by(self.close):
            retry_creating_parent(self._make_folder, self._open)
            if values:
                xattrs.write(self._fd, values)
            if filesystem.file_mode is not None:
                os.fchmod(self._fd, filesystem.file_mode | self._mark)

    def write(self, data: bytes) -> None:
        """Add *data* at the end."""
        written = os.write(self._fd, data)
        if written != len(data):
            view = memoryview(data)
            while written < len(view):
                written += os.write(self._fd, view[written:])

    def copy_from(self, fd: int, start: int) -> int:
        """How many bytes from *start* of the open file *fd* the kernel added by itself: all, some or none."""
        copied = 0
        if hasattr(os, 'copy_file_range'):
            try:
                while count := os.copy_file_range(fd, self._fd, _KERNEL_COPY_BYTES, start + copied):
                    copied += count
            except OSError as error:
                if error.errno in _DISK_FAILS:
                    raise
        return copied

    def publish(self) -> None:
        """Give the file its name.

        :raises FileExistsError: If it is to create that name, which is taken.
        """
        # It is closed already where a folder was in the way of a first attempt.
        if self._filesystem.fsync and self._fd >= 0:
            os.fsync(self._fd)
        if self._creates:
            self._create()
        else:
            self._replace()
        if self._filesystem.fsync:
            # A name is on the disk when its folder is, and a new folder when the one above it is.
            for folder in (self._folder, *map(os.path.dirname, self._made)):
                fd = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    close_folder(fd)

    def close(self) -> None:
        """Release the file; unpublished, it is gone. What fails here is not what has failed first."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self._close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)

    def _close(self) -> None:
        if (fd := self._fd) >= 0:
            # It is closed in any case, also when that reports an error (close(2)).
            self._fd = -1
            os.close(fd)

    def _open(self) -> None:
        filesystem, parent = self._filesystem, self._name.rpartition('/')[0]
        if filesystem.unnamed and not self._named:
            try:
                self._fd = filesystem.opener.open(self._folder, parent, _WRITE | os.O_TMPFILE, 0o666 | self._mark)
            except OSError as error:
                if error.errno in _NO_UNNAMED:
                    filesystem.unnamed = False
                elif error.errno != errno.EPERM:
                    raise
                # EPERM is what ext4 gives in a folder that is just being removed: a name there settles it.
            else:
                if filesystem.learn_from(self._fd):
                    return
                self._close()
        base = _temporary_name()
        temporary = f'{self._folder}/{base}'
        # O_EXCL follows no link.
        self._fd = filesystem.opener.open(temporary, f'{parent}/{base}' if parent else '', _NAMED, 0o666 | self._mark)
        self._temporary = temporary
        filesystem.learn_from(self._fd)

    def _make_folder(self) -> None:
        self._check_root(self._name)
        folder = self._folder
        while folder and not os.path.isdir(folder):
            self._made.append(folder)
            folder = os.path.dirname(folder)
        make(self._folder, self._filesystem.folder_mode)

    def _link(self, name: str) -> None:
        if self._temporary is None:
            # Python calls linkat(), which alone follows the link in /proc, only when given a folder's number too;
            # with an absolute path that number means nothing.
            os.link(f'/proc/self/fd/{self._fd}', name, src_dir_fd=self._fd, follow_symlinks=True)
            return
        try:
            os.link(self._temporary, name)
        except FileExistsError:
            # Over NFS the response to a link that was made may get lost, and the repeated call fails (open(2), O_EXCL).
            if os.lstat(self._temporary).st_nlink < 2:
                raise

    def _close_named(self) -> None:
        """Close the file before it gets its name, and see to it that its time is its own."""
        self._close()
        if not self._filesystem.unnamed and self._temporary is not None:
            # The times of a file system that is not on this machine, or keeps rough ones, may repeat; ETags need others.
            with contextlib.suppress(OSError):
                os.utime(self._temporary, ns=(now := time.time_ns(), now))

    def _create(self) -> None:
        filesystem, target = self._filesystem, self._target
        if self._temporary is not None:
            self._close_named()
        if filesystem.links:
            try:
                self._link(target)
            except FileNotFoundError:
                # The folder has been removed since the file was opened in it.
                retry_creating_parent(self._make_folder, functools.partial(self._link, target))
            except OSError as error:
                if error.errno not in _NO_LINKS or self._temporary is None:
                    raise
                filesystem.links = filesystem.creates_atomically = False
        if not filesystem.links:
            assert self._temporary is not None, 'only a file system with links has unnamed files'
            if not filesystem.creates_atomically and os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            os.rename(self._temporary, target)
            self._temporary = None
        self._close()

    def _replace(self) -> None:
        if self._temporary is None:
            # A file without a name cannot replace one.
            temporary = f'{self._folder}/{_temporary_name()}'
            retry_creating_parent(self._make_folder, functools.partial(self._link, temporary))
            self._temporary = temporary
        self._close_named()
        (self._rename or os.replace)(self._temporary, self._target)
        self._temporary = None
