"""Attributes of files, stored with blobs. Metadata keys, and the library's names of headers, must be identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.storage.blob import BlobProperties

from flask_fs.backends import HEADERS, FileInfo, info_of


def identified(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Headers or metadata, with identifiers as keys."""
    return {key.replace('-', '_'): value for key, value in entries.items()}


def metadata_from(blob: BlobProperties) -> dict[str, str]:
    """All metadata of a blob."""
    return {key.replace('_', '-'): value for key, value in (blob.metadata or {}).items()}


def info_from(name: str, blob: BlobProperties, size: int) -> FileInfo:
    """The metadata of a file."""
    headers = {header: getattr(blob.content_settings, header.replace('-', '_')) for header in HEADERS.values()}
    return info_of(name, size, blob.last_modified, blob.etag, headers, metadata_from(blob))
