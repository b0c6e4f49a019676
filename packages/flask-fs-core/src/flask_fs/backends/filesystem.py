"""What the file system under a storage supports."""

from __future__ import annotations

import os

from .symlinks import Opener

# File systems on which close() cannot fail. Elsewhere it may be what reports that a disk is full or a quota exceeded: on
# NFS, CIFS and FUSE, whatever write() has reported before.
_CLOSE_CANNOT_FAIL = frozenset(
    ('bcachefs', 'btrfs', 'ext2', 'ext3', 'ext4', 'f2fs', 'overlay', 'ramfs', 'tmpfs', 'xfs', 'zfs')
)


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

    def learn_from(self, fd: int) -> bool:
        """Whether :attr:`unnamed` holds on the file system that the open file *fd* is on; looked up once."""
        if not self._seen:
            self.unnamed = self.unnamed and type_of(fd) in _CLOSE_CANNOT_FAIL
            # Only now: looking may have been interrupted.
            self._seen = True
        return self.unnamed


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
