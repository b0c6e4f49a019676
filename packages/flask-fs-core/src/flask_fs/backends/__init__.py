"""The API for authors of backends, together with ``flask_fs.errors``, ``settings``, ``files``, ``media_types`` and ``names``."""

from __future__ import annotations

from ..config import Config
from ..credentials import hide_in_logs
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
from .headers import (
    CHECKSUM_KEY,
    HEADERS,
    WRITER_KEY,
    changed_headers,
    changed_metadata,
    headers_of,
    info_of,
    metadata_of,
    unmangled,
)
from .http import attachment, is_range, kind_of_status, range_header
from .presence import Container, Presence, gone_reason
from .ranged import SeekableStream
from .response_stream import READ_BYTES, ResponseStream
from .sources import Source, Spool, SpoolFailed
from .streams import chunks_of, limited, undone_by, window

__all__ = [
    'CHECKSUM_KEY',
    'CHUNK_BYTES',
    'HEADERS',
    'NO_ATTRIBUTES',
    'READ_BYTES',
    'STALE_S',
    'WRITER_KEY',
    'Attributes',
    'BaseBackend',
    'ByteReader',
    'Capability',
    'Checksum',
    'Config',
    'Container',
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
    'changed_headers',
    'changed_metadata',
    'checksum_of',
    'chunks_of',
    'decode_text',
    'download_name_of',
    'encode_text',
    'gone_reason',
    'headers_of',
    'hide_in_logs',
    'info_of',
    'is_range',
    'kind_of_status',
    'limited',
    'metadata_of',
    'range_header',
    'shared_client',
    'undone_by',
    'unmangled',
    'window',
    'with_attributes',
]
