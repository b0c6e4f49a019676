"""Attributes of files, stored as properties of objects, and read from these or from response headers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from flask_fs.backends import HEADERS, FileInfo, changed_headers, changed_metadata, info_of, unmangled

from .errors import ImplausibleResponse

#: The metadata key that marks a Cache-Control as set, although it equals a default of the store.
_CACHE_CONTROL_KEY = 'fs-cache-control'
# Sent for objects without one: https://cloud.google.com/storage/docs/metadata#cache-control.
_DEFAULT_CACHE_CONTROLS = ('private, max-age=0', 'public, max-age=3600', 'no-cache, no-store, max-age=0')
_METADATA = 'x-goog-meta-'


def headers_from(blob: Any) -> dict[str, str | None]:
    """The headers of an object."""
    return {header: getattr(blob, header.replace('-', '_')) for header in HEADERS.values()}


def set_attributes(blob: Any, headers: Mapping[str, str | None], metadata: Mapping[str, str]) -> None:
    """Set *headers* and all *metadata* of an object before it is sent; nothing else of it changes."""
    for header, value in headers.items():
        setattr(blob, header.replace('-', '_'), value)
    if 'cache-control' in headers:
        metadata = {key: value for key, value in metadata.items() if key != _CACHE_CONTROL_KEY}
        if headers['cache-control'] in _DEFAULT_CACHE_CONTROLS:
            metadata[_CACHE_CONTROL_KEY] = 'given'
    # A patch keeps keys that are missing, and removes keys that are null.
    old = blob.metadata or {}
    if changes := dict.fromkeys(old.keys() - metadata.keys()) | dict(metadata.items() - old.items()):
        blob.metadata = changes


def change_attributes(blob: Any, changes: Mapping[str, Any]) -> None:
    """Make *changes* to an object whose metadata was loaded."""
    set_attributes(blob, changed_headers(changes, blob.name), changed_metadata(blob.metadata or {}, changes))


def info_from_blob(blob: Any) -> FileInfo:
    """The metadata of a file whose object was loaded or listed."""
    if None in (blob.generation, blob.size, blob.updated):
        raise ImplausibleResponse('an object has no generation, size, or time')
    # Times in headers have no fractions of a second.
    modified, generation = blob.updated.replace(microsecond=0), str(blob.generation)
    return info_of(blob.name, blob.size, modified, generation, headers_from(blob), blob.metadata or {})


def info_from_headers(name: str, received: Mapping[str, str]) -> tuple[FileInfo, int]:
    """The metadata of a file from a response with its content or a range of it, and the length of that."""
    headers: dict[str, Any] = {header.lower(): unmangled(value) for header, value in received.items()}
    try:
        length = int(headers.get('content-length') or headers['x-goog-stored-content-length'])
        size = int(headers.get('content-range', '').rpartition('/')[2] or length)
        modified, generation = parsedate_to_datetime(headers['last-modified']), headers['x-goog-generation']
    except (KeyError, TypeError, ValueError) as error:
        raise ImplausibleResponse('the response has no generation, size, or time') from error
    metadata = {key.removeprefix(_METADATA): value for key, value in headers.items() if key.startswith(_METADATA)}
    headers['content-encoding'] = headers.get('x-goog-stored-content-encoding')
    if headers.get('cache-control') in _DEFAULT_CACHE_CONTROLS and _CACHE_CONTROL_KEY not in metadata:
        del headers['cache-control']
    return info_of(name, size, modified, generation, headers, metadata), length
