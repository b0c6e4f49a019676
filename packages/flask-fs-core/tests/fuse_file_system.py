"""A file system in memory that reports a full disk when a file is closed, as NFS does, and keeps times in whole seconds.

Run as a program: ``python fuse_file_system.py FOLDER FLAG`` mounts it on FOLDER; while the file FLAG exists the disk is full.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from typing import Any

import fuse


class Node:
    """A file or folder. What is written is kept apart until the file is closed."""

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.content = b''
        self.unwritten: bytearray | None = None
        self.modified_s = self.changed_s = int(time.time())


class MemoryFileSystem(fuse.Operations):  # type: ignore[misc]  # fusepy has no types
    """Files by path."""

    def __init__(self, flag: str) -> None:
        self.flag = flag
        self.nodes: dict[str, Node] = {'/': Node(stat.S_IFDIR | 0o755)}
        self.opened: dict[int, Node] = {}

    def node(self, path: str) -> Node:
        if path not in self.nodes:
            raise fuse.FuseOSError(errno.ENOENT)
        return self.nodes[path]

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        node = self.node(path)
        size = len(node.content if node.unwritten is None else node.unwritten)
        return {
            'st_mode': node.mode,
            'st_nlink': 1,
            'st_size': size,
            'st_mtime': node.modified_s,
            'st_ctime': node.changed_s,
        }

    def readdir(self, path: str, fh: int) -> list[str]:
        inside = path.rstrip('/') + '/'
        names = [other.removeprefix(inside) for other in self.nodes if other.startswith(inside) and other != '/']
        return ['.', '..', *(name for name in names if '/' not in name)]

    def mkdir(self, path: str, mode: int) -> None:
        self.nodes[path] = Node(stat.S_IFDIR | mode)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.nodes[path] = Node(stat.S_IFREG | mode)
        return self.open(path, 0)

    def open(self, path: str, flags: int) -> int:
        fh = len(self.opened) + 1
        self.opened[fh] = self.node(path)
        return fh

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return self.opened[fh].content[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        node = self.opened[fh]
        if node.unwritten is None:
            node.unwritten = bytearray(node.content)
        node.unwritten[offset : offset + len(data)] = data
        return len(data)

    def flush(self, path: str, fh: int) -> None:
        node = self.opened[fh]
        unwritten, node.unwritten = node.unwritten, None
        if unwritten is not None:
            if os.path.exists(self.flag):
                raise fuse.FuseOSError(errno.EDQUOT)
            node.content = bytes(unwritten)
            node.modified_s = node.changed_s = int(time.time())

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        self.flush(path, fh)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        self.node(path).content = self.node(path).content[:length]

    def rename(self, old: str, new: str) -> None:
        self.nodes[new] = self.nodes.pop(old)

    def link(self, target: str, source: str) -> None:
        if target in self.nodes:
            raise fuse.FuseOSError(errno.EEXIST)
        self.nodes[target] = self.node(source)

    def unlink(self, path: str) -> None:
        self.node(path)
        del self.nodes[path]

    def rmdir(self, path: str) -> None:
        self.unlink(path)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        self.node(path).modified_s = int(times[1] if times else time.time())

    def chmod(self, path: str, mode: int) -> None:
        self.node(path).mode = mode


if __name__ == '__main__':
    # The kernel asks each time, so that it never knows more than the file system.
    fresh = {'attr_timeout': 0, 'entry_timeout': 0, 'negative_timeout': 0}
    fuse.FUSE(MemoryFileSystem(sys.argv[2]), sys.argv[1], foreground=True, nothreads=True, **fresh)
