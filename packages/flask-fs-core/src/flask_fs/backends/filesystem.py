"""The features of the file system under a storage."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Generator

from .contract import Capability
from .symlinks import Opener

# File systems on disks and in the memory of this machine. On others, such as NFS, CIFS and FUSE, close() can be the first call
# that reports a full disk or an exceeded quota, and locks might not work across machines.
_ON_THIS_MACHINE = frozenset(
    ('bcachefs', 'btrfs', 'ext2', 'ext3', 'ext4', 'f2fs', 'overlay', 'ramfs', 'tmpfs', 'xfs', 'zfs')
)
# How long to wait between attempts to lock. A lock is held only while one file is checked and another renamed.
_LOCK_PAUSE_S = 0.0005


class LacksCapability(OSError):
    """The file system lacks a feature that a capability requires.

    :param capability: The capability that the backend has to drop.
    """

    def __init__(self, capability: Capability, reason: str) -> None:
        super().__init__(errno.ENOTSUP, reason)
        self.capability = capability
        self.reason = reason


class FilesystemSupport:
    """The features of the file system under one storage, detected while writing, and its configured modes and safety."""

    def __init__(self, *, file_mode: int | None = None, folder_mode: int | None = None, fsync: bool = False) -> None:
        self.file_mode = file_mode
        self.folder_mode = 0o777 if folder_mode is None else folder_mode
        self.fsync = fsync and os.name != 'nt'
        #: Whether files can be written unnamed and then linked: they disappear if the process dies. They are closed last,
        #: which is correct only if close() can't report new errors.
        self.unnamed = hasattr(os, 'O_TMPFILE') and os.path.isdir('/proc/self/fd')
        self.opener = Opener()
        self._seen = False
        #: Whether hard links are supported, which make creating a name race-free.
        self.links = hasattr(os, 'link') and os.name != 'nt'
        #: Whether creating a name is race-free: with links, or on Windows, where rename() doesn't replace files.
        self.creates_atomically = self.links or os.name == 'nt'
        self._locks: bool | None = None

    def learn_from(self, fd: int) -> bool:
        """Whether :attr:`unnamed` is true for the file system of the open file *fd*. Detected once."""
        if not self._seen:
            self.unnamed = self.unnamed and type_of(fd) in _ON_THIS_MACHINE
            # Set last, because the detection might be interrupted.
            self._seen = True
        return self.unnamed

    @contextlib.contextmanager
    def locked(self, folder: str) -> Generator[None]:
        """Lock *folder* against other threads and processes that lock it, for the ``with`` block.

        :raises LacksCapability: If the file system doesn't support such locks (flock(2)), or other hosts might not see them.
        """
        # Windows doesn't have this module, and nothing calls this there.
        import fcntl

        fd = os.open(folder, os.O_RDONLY)
        try:
            if self._locks is None:
                self._locks = sys.platform != 'linux' or type_of(fd) in _ON_THIS_MACHINE
            if not self._locks:
                raise LacksCapability(
                    Capability.COMPARE_AND_SWAP, 'its file system might be shared with other machines'
                )
            try:
                _wait_for_lock(fd)
            except OSError as error:
                self._locks = False
                reason = f"its file system doesn't support locks: {error.strerror}"
                raise LacksCapability(Capability.COMPARE_AND_SWAP, reason) from error
            try:
                yield
            finally:
                # Closing alone wouldn't unlock it if a process forked in the meantime has it open too.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            close_folder(fd)


def _wait_for_lock(fd: int) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Don't wait in the kernel: a greenlet that waits there blocks the one that has the lock.
            time.sleep(_LOCK_PAUSE_S)
        else:
            return


def close_folder(fd: int) -> None:
    """Close the folder that was opened as descriptor *fd*, immediately."""
    # Not with os.close(): since version 25.8.1, gevent's version closes anything but regular files only when its loop runs,
    # and a greenlet that doesn't yield runs out of descriptors.
    os.closerange(fd, fd + 1)


def type_of(fd: int) -> str | None:
    """The type of the file system of the open file *fd*, as Linux names it (proc(5), fdinfo and mountinfo)."""
    try:
        with open(f'/proc/self/fdinfo/{fd}', encoding='ascii') as lines:
            mount = next(line.split()[1] for line in lines if line.startswith('mnt_id:'))
        with open('/proc/self/mountinfo', encoding='utf-8', errors='replace') as lines:
            found = next(line for line in lines if line.startswith(f'{mount} '))
    except (OSError, StopIteration):
        return None
    return found.partition(' - ')[2].split(' ', 1)[0]
