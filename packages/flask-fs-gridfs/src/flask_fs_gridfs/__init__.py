"""Files in MongoDB's GridFS, or in any server that speaks its protocol."""

from __future__ import annotations

from .backend import GridFSBackend

__all__ = ['GridFSBackend']
