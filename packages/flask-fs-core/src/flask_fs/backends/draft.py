"""Files on disk that nobody sees until they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable

from ..names import TEMPORARY_PREFIX
from .folders import make, within

# What open() answers where the kernel, the file system or the mount has no O_TMPFILE (open(2)).
_NO_UNNAMED = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))
# What link() answers where the file system has no hard links (link(2)).
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS))
# After these an ordinary write would fail as well; after any other error of copy_file_range() it may do.
_DISK_FAILS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG))
_KERNEL_COPY_BYTES = 1 << 30
# File systems on which close() cannot fail. Elsewhere it may be what reports that a disk is full or a quota exceeded: on
# NFS, CIFS and FUSE, whatever has been said to write().
_CLOSE_CANNOT_FAIL = frozenset(
    ('bcachefs', 'btrfs', 'ext2', 'ext3', 'ext4', 'f2fs', 'overlay', 'ramfs', 'tmpfs', 'xfs', 'zfs')
)
_WRITE = os.O_WRONLY | getattr(os, 'O_CLOEXEC', 0) | getattr(os, 'O_BINARY', 0)


class Disk:
    """What is known of the file systems under one storage: found out while writing, and shared by its drafts."""

    def __init__(self, *, file_mode: int | None = None, folder_mode: int | None = None, fsync: bool = False) -> None:
        self.file_mode = file_mode
        self.folder_mode = 0o777 if folder_mode is None else folder_mode
        self.fsync = fsync and os.name != 'nt'
        #: Whether files can be written without a name and then linked: they vanish with a process that dies. They are
        #: closed last, which is right only where nothing is learned from it.
        self.unnamed = hasattr(os, 'O_TMPFILE') and os.path.isdir('/proc/self/fd')
        self._close_cannot_fail: bool | None = None
        #: Whether there are hard links, which make creating a name race-free.
        self.links = hasattr(os, 'link') and os.name != 'nt'

    @property
    def creates_atomically(self) -> bool:
        """Whether creating a name is race-free: through links, or on Windows because rename() refuses to replace."""
        return self.links or os.name == 'nt'

    def close_cannot_fail(self, fd: int) -> bool:
        """Whether closing files such as *fd* reports nothing new; looked up once."""
        if self._close_cannot_fail is None:
            self._close_cannot_fail = _type_of(fd) in _CLOSE_CANNOT_FAIL
        return self._close_cannot_fail


def _type_of(fd: int) -> str | None:
    """The type of the file system that the open file *fd* is on, as Linux names it (proc(5), fdinfo and mountinfo)."""
    try:
        with open(f'/proc/self/fdinfo/{fd}') as lines:
            mount = next(line.split()[1] for line in lines if line.startswith('mnt_id:'))
        with open('/proc/self/mountinfo', errors='replace') as lines:
            found = next(line for line in lines if line.startswith(f'{mount} '))
    except (OSError, StopIteration):
        return None
    return found.partition(' - ')[2].split(' ', 1)[0]


class Draft:
    """A file that will be *target*, invisible until :meth:`publish` gives it that name.

    A process that is killed while writing leaves nothing behind where the file system has unnamed files, elsewhere one
    file beside the target whose name begins with ``.fs-tmp-``. Replacing passes through such a name on both. All
    methods raise the OSError that the operating system gave, but for :meth:`close`.

    :param check_root: Called before folders are made, to refuse it.
    """

    def __init__(self, target: str, disk: Disk, check_root: Callable[[], None]) -> None:
        self._target = target
        self._check_root = check_root
        self._disk = disk
        self._folder = os.path.dirname(target)
        self._made: list[str] = []
        self._name: str | None = None
        self._fd = within(self._make_folder, self._open)
        if disk.file_mode is not None:
            try:
                os.fchmod(self._fd, disk.file_mode)
            except OSError:
                self.close()
                raise

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

    def publish(self, *, create: bool) -> None:
        """Give the file its name.

        :param create: Only if the name is free; otherwise FileExistsError.
        """
        # It is closed already where a folder was in the way of a first attempt.
        if self._disk.fsync and self._fd >= 0:
            os.fsync(self._fd)
        if self._name is not None:
            self._close()
            # The times of a file system that is not on this machine, or keeps rough ones, may repeat; ETags need others.
            with contextlib.suppress(OSError):
                os.utime(self._name, ns=(now := time.time_ns(), now))
        if create:
            self._create()
        else:
            self._replace()
        self._close()
        if self._disk.fsync:
            # A name is on the disk when its folder is, and a new folder when the one above it is.
            for folder in (self._folder, *map(os.path.dirname, self._made)):
                fd = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)

    def close(self) -> None:
        """Release the file; unpublished, it is gone. What fails here is not what has failed first."""
        with contextlib.suppress(OSError):
            self._close()
        if self._name is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name)

    def _close(self) -> None:
        if (fd := self._fd) >= 0:
            # It is closed in any case, also when that reports an error (close(2)).
            self._fd = -1
            os.close(fd)

    def _open(self) -> int:
        if self._disk.unnamed:
            try:
                fd = os.open(self._folder, _WRITE | os.O_TMPFILE, 0o666)
            except OSError as error:
                if error.errno in _NO_UNNAMED:
                    self._disk.unnamed = False
                elif error.errno != errno.EPERM:
                    raise
                # EPERM is what ext4 answers in a folder that is just being removed: a name there tells for sure.
            else:
                if self._disk.close_cannot_fail(fd):
                    return fd
                os.close(fd)
                self._disk.unnamed = False
        name = self._temporary_name()
        fd = os.open(name, _WRITE | os.O_CREAT | os.O_EXCL, 0o666)
        self._name = name
        return fd

    def _make_folder(self) -> None:
        self._check_root()
        folder = self._folder
        while folder and not os.path.isdir(folder):
            self._made.append(folder)
            folder = os.path.dirname(folder)
        make(self._folder, self._disk.folder_mode)

    def _temporary_name(self) -> str:
        return os.path.join(self._folder, f'{TEMPORARY_PREFIX}{secrets.token_hex(8)}')

    def _link(self, name: str) -> None:
        if self._name is None:
            # Python calls linkat(), which alone follows the link in /proc, only when given a folder's number too;
            # with an absolute path that number means nothing.
            os.link(f'/proc/self/fd/{self._fd}', name, src_dir_fd=self._fd, follow_symlinks=True)
            return
        try:
            os.link(self._name, name)
        except FileExistsError:
            # Over NFS the answer to a link that was made may get lost, and the repeated call fails (open(2), O_EXCL).
            if os.lstat(self._name).st_nlink < 2:
                raise

    def _link_to_target(self) -> None:
        # The folder may have been removed since the draft was opened in it.
        within(self._make_folder, lambda: self._link(self._target))

    def _create(self) -> None:
        if self._disk.links:
            try:
                self._link_to_target()
            except OSError as error:
                if error.errno not in _NO_LINKS or self._name is None:
                    raise
                self._disk.links = False
            else:
                return
        assert self._name is not None, 'only a file system with links has unnamed drafts'
        if not self._disk.creates_atomically and os.path.lexists(self._target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._target)
        os.rename(self._name, self._target)
        self._name = None

    def _replace(self) -> None:
        if self._name is None:
            try:
                self._create()
            except FileExistsError:
                # A file without a name cannot replace one: it gets a passing name first.
                name = self._temporary_name()
                within(self._make_folder, lambda: self._link(name))
                self._name = name
            else:
                return
        self._close()
        os.replace(self._name, self._target)
        self._name = None
