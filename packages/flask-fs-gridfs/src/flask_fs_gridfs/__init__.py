"""Files in GridFS, in MongoDB or any compatible server."""

from __future__ import annotations

from .backend import GridFSBackend

#: The name in legacy packages.
GridFsBackend = GridFSBackend

__all__ = ['GridFSBackend', 'GridFsBackend']
