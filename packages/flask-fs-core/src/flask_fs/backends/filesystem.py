"""What the file system under a storage supports."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Generator

from .contract import Capability
from .symlinks import Opener

# File systems on disks and in the memory of this machine. On others, such as NFS, CIFS and FUSE, close() may be what reports
# that a disk is full or a quota exceeded, whatever write() has reported before, and a lock may be unknown to other machines.
_ON_THIS_MACHINE = frozenset(
    ('bcachefs', 'btrfs', 'ext2', 'ext3', 'ext4', 'f2fs', 'overlay', 'ramfs', 'tmpfs', 'xfs', 'zfs')
)
# How long to wait for a lock that others have, which is for as long as it takes to look at a file and rename another.
_LOCK_PAUSE_S = 0.0005


class LacksCapability(OSError):
    """The file system lacks what a capability needs.

    :param capability: The one that the backend has to drop.
    """

    def __init__(self, capability: Capability, reason: str) -> None:
        super().__init__(errno.ENOTSUP, reason)
        self.capability = capability
        self.reason = reason


class FilesystemSupport:
    """What the file system under one storage supports, found out while writing, and the modes and safety configured for it."""

    def __init__(self, *, file_mode: int | None = None, folder_mode: int | None = None, fsync: bool = False) -> None:
        self.file_mode = file_mode
        self.folder_mode = 0o777 if folder_mode is None else folder_mode
        self.fsync = fsync and os.name != 'nt'
        #: Whether files can be written without a name and then linked: they vanish with a process that dies. They are
        #: closed last, which is right only where close() reports nothing new.
        self.unnamed = hasattr(os, 'O_TMPFILE') and os.path.isdir('/proc/self/fd')
        self.opener = Opener()
        self._seen = False
        #: Whether there are hard links, which make creating a name race-free.
        self.links = hasattr(os, 'link') and os.name != 'nt'
        #: Whether it is: through links, or on Windows because rename() refuses to replace.
        self.creates_atomically = self.links or os.name == 'nt'
        self._locks: bool | None = None

    def learn_from(self, fd: int) -> bool:
        """Whether :attr:`unnamed` holds on the file system that the open file *fd* is on; looked up once."""
        if not self._seen:
            self.unnamed = self.unnamed and type_of(fd) in _ON_THIS_MACHINE
            # Only now: looking may have been interrupted.
            self._seen = True
        return self.unnamed

    @contextlib.contextmanager
    def locked(self, folder: str) -> Generator[None]:
        """Keep all others who lock *folder*, in any thread or process, waiting for the ``with`` block.

        :raises LacksCapability: If the file system has no such lock (flock(2)), or it may be one that other hosts do not see.
        """
        # Windows has no such module, and nothing there that locks.
        import fcntl

        fd = os.open(folder, os.O_RDONLY)
        try:
            if self._locks is None:
                self._locks = sys.platform != 'linux' or type_of(fd) in _ON_THIS_MACHINE
            if not self._locks:
                raise LacksCapability(Capability.COMPARE_AND_SWAP, 'its file system may be shared with other machines')
            try:
                _wait_for_lock(fd)
            except OSError as error:
                self._locks = False
                reason = f'its file system has no locks: {error.strerror}'
                raise LacksCapability(Capability.COMPARE_AND_SWAP, reason) from error
            try:
                yield
            finally:
                # Closing alone would not unlock it while a process that was forked meanwhile has it open too.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            close_folder(fd)


def _wait_for_lock(fd: int) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Not in the kernel: a greenlet that waits there keeps the one that has the lock from going on.
            time.sleep(_LOCK_PAUSE_S)
        else:
            return


def close_folder(fd: int) -> None:
    """Close the folder that was opened as number *fd*, at once."""
    # Not by os.close(): since version 25.8.1, that of gevent closes what is no regular file only when its loop runs, and a
    # greenlet that does not wait meanwhile runs out of numbers.
    os.closerange(fd, fd + 1)


def type_of(fd: int) -> str | None:
    """The type of the file system that the open file *fd* is on, as Linux names it (proc(5), fdinfo and mountinfo)."""
    try:
        with open(f'/proc/self/fdinfo/{fd}', encoding='ascii') as lines:
            mount = next(line.split()[1] for line in lines if line.startswith('mnt_id:'))
        with open('/proc/self/mountinfo', encoding='utf-8', errors='replace') as lines:
            found = next(line for line in lines if line.startswith(f'{mount} '))
    except (OSError, StopIteration):
        return None
    return found.partition(' - ')[2].split(' ', 1)[0]
