"""What a backend is made of: the template, the facts and the capabilities."""

from __future__ import annotations

from .base import BaseBackend
from .contract import ByteReader, Capability, FileInfo

__all__ = ['BaseBackend', 'ByteReader', 'Capability', 'FileInfo']
