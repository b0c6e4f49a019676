"""The attributes of a file in the ``metadata`` of its document, next to what other programs store there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from flask_fs.backends import NO_ATTRIBUTES, Attributes, changed
from flask_fs.files import mime_type

#: The keys in ``metadata``. The application's own metadata is under one of them.
_KEYS = {
    'mime': 'contentType',
    'cache_control': 'cacheControl',
    'content_encoding': 'contentEncoding',
    'content_language': 'contentLanguage',
    'download_name': 'downloadName',
    'metadata': 'custom',
}


def attributes_from(metadata: Mapping[str, Any]) -> Attributes:
    """The attributes in *metadata*, except the media type. Malformed ones, from other programs, are ignored."""
    attributes = NO_ATTRIBUTES
    for name, key in _KEYS.items():
        if name == 'mime' or (value := metadata.get(key)) is None:
            continue
        if name == 'metadata':
            entries = value.items() if isinstance(value, Mapping) else ()
            custom = [_valid(NO_ATTRIBUTES, name, {entry: text}).metadata for entry, text in entries]
            attributes = dataclasses.replace(
                attributes, metadata={entry: text for one in custom for entry, text in one.items()}
            )
        else:
            attributes = _valid(attributes, name, value)
    return attributes


def _valid(attributes: Attributes, name: str, value: Any) -> Attributes:
    with contextlib.suppress(TypeError, ValueError):
        return changed(attributes, {name: value})
    return attributes


def metadata_for(name: str, attributes: Attributes) -> dict[str, Any]:
    """The metadata of a file that is stored with *attributes*."""
    given = attributes.given()
    return {'contentType': mime_type(name), **{_KEYS[attribute]: value for attribute, value in given.items()}}


def update_for(document: Mapping[str, Any], attributes: Attributes, names: Mapping[str, Any]) -> dict[str, Any]:
    """The update of a document that changes the attributes *names* of its file to those in *attributes*."""
    wanted = metadata_for(document['filename'], attributes)
    keys = [_KEYS[name] for name in names]
    if not isinstance(document.get('metadata', {}), Mapping):
        # Other programs can store null, which has no fields.
        return {'$set': {'metadata': {key: wanted[key] for key in keys if key in wanted}}}
    update: dict[str, dict[str, Any]] = {
        '$set': {f'metadata.{key}': wanted[key] for key in keys if key in wanted},
        '$unset': {f'metadata.{key}': '' for key in keys if key not in wanted},
    }
    # Servers before MongoDB 5.0 refuse empty ones.
    return {operator: fields for operator, fields in update.items() if fields}
