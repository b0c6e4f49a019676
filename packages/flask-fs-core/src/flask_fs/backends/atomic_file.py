"""Files on disk that are invisible until they are complete."""

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

# The errors of open() if the kernel, the file system or the mount doesn't support O_TMPFILE (open(2)).
_NO_UNNAMED = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))
# The errors of link() if the file system doesn't support hard links (link(2)).
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS))
# After these errors of copy_file_range(), an ordinary write would fail too. After any other, it might work.
_DISK_FAILS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG))
_KERNEL_COPY_BYTES = 1 << 30
_WRITE = os.O_WRONLY | getattr(os, 'O_CLOEXEC', 0) | getattr(os, 'O_BINARY', 0)
_NAMED = _WRITE | os.O_CREAT | os.O_EXCL


# For names that no other process chooses. Getting each number from the operating system would cost a system call.
_random = random.Random()  # O_EXCL detects equal names
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_random.seed)


def _temporary_name() -> str:
    return f'{TEMPORARY_PREFIX}{_random.getrandbits(64)}'


class AtomicFile:
    """A file that will become *target*. It is invisible until :meth:`publish` gives it that name.

    If the file system supports unnamed files, a process that is killed while writing leaves nothing behind. Otherwise it
    leaves a file next to the target with a name that begins with ``.fs-tmp-``. Replacing a file always uses such a name
    temporarily. All methods except :meth:`close` raise the OSError of the operating system.

    :param name: The end of *target* in which no part may be a symbolic link.
    :param check_root: Called with *name* before folders are created, and can raise to prevent that.
    :param create: Whether to publish it only if the name is free.
    :param is_short: Whether the content is already in memory, and therefore written in a moment. Then a file that can replace
        another immediately gets a temporary name, which saves a system call.
    :param values: Its extended attributes, which are set before any content is written.
    :param replace: Called with the temporary name and *target* instead of :func:`os.replace`.
    """

    def __init__(
        self,
        target: str,
        name: str,
        filesystem: FilesystemSupport,
        check_root: Callable[[str], None],
        create: bool,
        is_short: bool,
        values: Mapping[str, bytes] | None,
        replace: Callable[[str, str], None] | None,
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
        try:
            retry_creating_parent(self._make_folder, self._open)
            if values:
                xattrs.write(self._fd, values)
            if filesystem.file_mode is not None:
                os.fchmod(self._fd, filesystem.file_mode | self._mark)
        except BaseException:
            # An interrupt can be raised anywhere.
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Append *data*."""
        written = os.write(self._fd, data)
        if written != len(data):
            view = memoryview(data)
            while written < len(view):
                written += os.write(self._fd, view[written:])

    def copy_from(self, fd: int, start: int) -> int:
        """Let the kernel append the content of the open file *fd* from *start*. Return the number of bytes: all, some or none."""
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

        :raises FileExistsError: If it has to create that name, but the name is taken.
        """
        # It is already closed if a folder was in the way in a first attempt.
        if self._filesystem.fsync and self._fd >= 0:
            os.fsync(self._fd)
        if self._creates:
            self._create()
        else:
            self._replace()
        if self._filesystem.fsync:
            # A name is on disk once its folder is synced, and a new folder once its parent is.
            for folder in (self._folder, *map(os.path.dirname, self._made)):
                fd = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    close_folder(fd)

    def close(self) -> None:
        """Release the file, and remove it if it isn't published. Errors are ignored, to keep an earlier error visible."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self._close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)

    def _close(self) -> None:
        if (fd := self._fd) >= 0:
            # It is closed in any case, even if close() reports an error (close(2)).
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
                # ext4 reports EPERM for a folder that is being removed. Creating a named file shows whether it is.
            else:
                if filesystem.learn_from(self._fd):
                    return
                self._close()
        base = _temporary_name()
        temporary = f'{self._folder}/{base}'
        # O_EXCL doesn't follow links.
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
            # Only linkat() follows the link in /proc, and Python only calls it if src_dir_fd is passed. With an absolute
            # path, the descriptor has no effect.
            os.link(f'/proc/self/fd/{self._fd}', name, src_dir_fd=self._fd, follow_symlinks=True)
            return
        try:
            os.link(self._temporary, name)
        except FileExistsError:
            # Over NFS, the response to a successful link() can get lost, and the repeated call fails (open(2), O_EXCL).
            if os.lstat(self._temporary).st_nlink < 2:
                raise

    def _close_named(self) -> None:
        """Close the file before it gets its name, and make sure that its time is unique."""
        self._close()
        if not self._filesystem.unnamed and self._temporary is not None:
            # Times of remote file systems, and of those with a coarse resolution, can repeat. ETags need unique ones.
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
                # The folder was removed after the file was opened in it.
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
            # An unnamed file can't replace another.
            temporary = f'{self._folder}/{_temporary_name()}'
            retry_creating_parent(self._make_folder, functools.partial(self._link, temporary))
            self._temporary = temporary
        self._close_named()
        (self._rename or os.replace)(self._temporary, self._target)
        self._temporary = None
