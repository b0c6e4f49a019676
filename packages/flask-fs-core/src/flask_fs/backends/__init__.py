"""What a backend is made of: the template, the facts and the capabilities."""

from __future__ import annotations

from .base import BaseBackend
from .batching import batched
from .checksums import Checksum, checksum_of
from .clients import SharedClient, shared_client
from .contract import ByteReader, Capability, FileInfo

__all__ = [
    'BaseBackend',
    'ByteReader',
    'Capability',
    'Checksum',
    'FileInfo',
    'SharedClient',
    'batched',
    'checksum_of',
    'shared_client',
]
