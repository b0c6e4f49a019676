"""Files in MongoDB's GridFS, or in any server with its protocol."""

from __future__ import annotations

from .backend import GridFSBackend

#: Its name in legacy packages.
GridFsBackend = GridFSBackend

__all__ = ['GridFSBackend', 'GridFsBackend']
