"""What is kept with a file besides its bytes, as the properties of an object and as the headers that come with its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_fs.backends import Attributes, attachment, decode_text, download_name_of, encode_text
from flask_fs.files import mime_type

#: What the keys of this package's own metadata begin with.
_OWN = 'fs-'
#: The key in an object's metadata under which its checksum is kept.
CHECKSUM_KEY = f'{_OWN}checksum'
#: The key of a text that one write alone has: by it a writer whose response was lost recognizes its own object.
WRITER_KEY = f'{_OWN}writer'
#: The key that says of a Cache-Control which the store itself sends too that it was given.
_CACHE_CONTROL_KEY = f'{_OWN}cache-control'
# With objects that have none: https://cloud.google.com/storage/docs/metadata#cache-control.
_DEFAULT_CACHE_CONTROLS = ('private, max-age=0', 'public, max-age=3600', 'no-cache, no-store, max-age=0')
_PROPERTIES = {
    'mime': 'content_type',
    'cache_control': 'cache_control',
    'content_encoding': 'content_encoding',
    'content_language': 'content_language',
    'download_name': 'content_disposition',
}


def set_attributes(blob: Any, attributes: Attributes, names: Iterable[str] = (*_PROPERTIES, 'metadata')) -> None:
    """Set those of *attributes* with these *names* on an object that is sent next; nothing else of it changes."""
    old: Mapping[str, str] = blob.metadata or {}
    metadata: dict[str, str | None] = {}
    for name in names:
        value = getattr(attributes, name)
        if name == 'metadata':
            metadata |= dict.fromkeys(key for key in old if not key.lower().startswith(_OWN))
            metadata |= {key: encode_text(text) for key, text in value.items()}
            continue
        if name == 'mime':
            value = value or mime_type(blob.name)
        elif name == 'download_name' and value:
            value = attachment(value)
        elif name == 'cache_control':
            metadata[_CACHE_CONTROL_KEY] = 'given' if value in _DEFAULT_CACHE_CONTROLS else None
        if value != getattr(blob, _PROPERTIES[name]):
            setattr(blob, _PROPERTIES[name], value)
    # A patch keeps what is not named, and removes what is null.
    if changes := {key: value for key, value in metadata.items() if value != old.get(key)}:
        blob.metadata = changes


def attributes_of(blob: Any) -> dict[str, Any]:
    """The attributes of an object, but for its type, by name."""
    return {
        'cache_control': blob.cache_control or None,
        'content_encoding': blob.content_encoding,
        'content_language': blob.content_language or None,
        'download_name': download_name_of(blob.content_disposition),
        'metadata': _custom(blob.metadata or {}),
    }


def attributes_from(headers: Mapping[str, str], metadata: Mapping[str, str]) -> dict[str, Any]:
    """The same, from the headers of its bytes."""
    cache_control = headers.get('Cache-Control')
    if cache_control in _DEFAULT_CACHE_CONTROLS and not metadata.get(_CACHE_CONTROL_KEY):
        cache_control = None
    return {
        'cache_control': cache_control or None,
        'content_encoding': headers.get('X-Goog-Stored-Content-Encoding'),
        'content_language': headers.get('Content-Language') or None,
        'download_name': download_name_of(_text(headers.get('Content-Disposition', ''))),
        'metadata': _custom(metadata),
    }


def metadata_from(headers: Mapping[str, str]) -> dict[str, str]:
    """The metadata of an object, from the headers of its bytes."""
    prefix = 'x-goog-meta-'
    return {
        header.lower().removeprefix(prefix): _text(value)
        for header, value in headers.items()
        if header.lower().startswith(prefix)
    }


def _custom(metadata: Mapping[str, str]) -> dict[str, str]:
    # Headers have no case.
    lowered = {key.lower(): value for key, value in metadata.items()}
    return {key: decode_text(value) for key, value in lowered.items() if not key.startswith(_OWN)}


def _text(header: str) -> str:
    # Other programs may have stored any text; http.client takes its bytes for Latin-1.
    try:
        return header.encode('latin-1').decode()
    except UnicodeError:
        return header
