"""What the author of a backend imports, besides ``flask_fs.errors``, ``settings``, ``files``, ``media_types`` and ``names``."""

from __future__ import annotations

from ..config import Config
from .attributes import changed, decode_text, download_name_of, encode_text, with_attributes
from .base import BaseBackend
from .batching import batched
from .checksums import Checksum, checksum_of
from .clients import SharedClient, shared_client
from .contract import (
    CHUNK_BYTES,
    NO_ATTRIBUTES,
    STALE_S,
    Attributes,
    ByteReader,
    Capability,
    DeletedFile,
    FileInfo,
    Folder,
    Opened,
    SignedRequest,
)
from .http import attachment, is_range, range_header
from .presence import Presence, gone_reason
from .ranged import SeekableStream
from .response_stream import READ_BYTES, ResponseStream
from .sources import Source, Spool, SpoolFailed
from .streams import chunks_of, limited, undone_by, window

__all__ = [
    'CHUNK_BYTES',
    'NO_ATTRIBUTES',
    'READ_BYTES',
    'STALE_S',
    'Attributes',
    'BaseBackend',
    'ByteReader',
    'Capability',
    'Checksum',
    'Config',
    'DeletedFile',
    'FileInfo',
    'Folder',
    'Opened',
    'Presence',
    'ResponseStream',
    'SeekableStream',
    'SharedClient',
    'SignedRequest',
    'Source',
    'Spool',
    'SpoolFailed',
    'attachment',
    'batched',
    'changed',
    'checksum_of',
    'chunks_of',
    'decode_text',
    'download_name_of',
    'encode_text',
    'gone_reason',
    'is_range',
    'limited',
    'range_header',
    'shared_client',
    'undone_by',
    'window',
    'with_attributes',
]
