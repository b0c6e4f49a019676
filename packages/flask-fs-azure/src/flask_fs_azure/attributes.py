"""What is kept with a blob besides its bytes, by the library's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.storage.blob import BlobProperties, ContentSettings

from flask_fs.backends import NO_ATTRIBUTES, Attributes, attachment, changed, decode_text, download_name_of, encode_text
from flask_fs.files import mime_type

#: The key in a blob's metadata under which its checksum is kept. Keys have to be identifiers.
CHECKSUM_KEY = 'fs_checksum'
_OWN_KEYS = 'fs_'
_SETTINGS = {
    'mime': 'content_type',
    'cache_control': 'cache_control',
    'content_encoding': 'content_encoding',
    'content_language': 'content_language',
    'download_name': 'content_disposition',
}


def settings_of(attributes: Attributes, name: str) -> ContentSettings:
    """The headers with which a file *name* is stored."""
    given = attributes.given() | {'mime': attributes.mime or mime_type(name)}
    if attributes.download_name:
        given['download_name'] = attachment(attributes.download_name)
    return ContentSettings(**{setting: given[each] for each, setting in _SETTINGS.items() if each in given})


def metadata_of(attributes: Attributes) -> dict[str, str]:
    """The metadata with which it is stored, besides our own."""
    return {key.replace('-', '_'): encode_text(value) for key, value in attributes.metadata.items()}


def attributes_from(blob: BlobProperties) -> dict[str, Any]:
    """The attributes of a file but for its type, by name."""
    settings = blob.content_settings
    return {
        'cache_control': settings.cache_control or None,
        'content_encoding': settings.content_encoding or None,
        'content_language': settings.content_language or None,
        'download_name': download_name_of(settings.content_disposition),
        'metadata': {
            key.lower().replace('_', '-'): decode_text(value)
            for key, value in (blob.metadata or {}).items()
            if not key.startswith(_OWN_KEYS)
        },
    }


def changed_settings(blob: BlobProperties, changes: Mapping[str, Any], name: str) -> ContentSettings | None:
    """All headers of a blob with *changes* made; None if these are about none."""
    wanted, settings = settings_of(changed(NO_ATTRIBUTES, changes), name), blob.content_settings
    for each in changes.keys() & _SETTINGS.keys():
        setattr(settings, _SETTINGS[each], getattr(wanted, _SETTINGS[each]))
    return settings if changes.keys() & _SETTINGS.keys() else None


def changed_metadata(blob: BlobProperties, changes: Mapping[str, Any]) -> dict[str, str] | None:
    """All metadata of a blob with *changes* made; None if these are not about it."""
    if 'metadata' not in changes:
        return None
    own = {key: value for key, value in (blob.metadata or {}).items() if key.startswith(_OWN_KEYS)}
    return own | metadata_of(changed(NO_ATTRIBUTES, changes))
