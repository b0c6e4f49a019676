"""Files in MongoDB's GridFS, or in any server that speaks its protocol."""

from __future__ import annotations

from .backend import GridFSBackend

#: What older packages called it.
GridFsBackend = GridFSBackend

__all__ = ['GridFSBackend', 'GridFsBackend']
