"""The values of file fields as they are in MongoDB, found without creating documents, and without trusting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import mongoengine  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.base import ComplexBaseField, get_document  # type: ignore[import-untyped]  # as above

from .traversal import is_file_field, items_of


class StoredValue(NamedTuple):
    """The value of a file field in a stored document.

    :param path: The path in MongoDB, such as ``profile.pictures.0``.
    :param field: The field.
    :param raw: The stored value.
    """

    path: str
    field: Any
    raw: Any


def stored_values(document_class: Any, raw: Mapping[str, Any]) -> Iterator[StoredValue]:
    """All values of file fields in *raw*, a stored document of *document_class*, except null."""
    return _in_document(document_class, raw, '')


def value_at(raw: Any, path: str) -> Any:
    """The value at *path* in a stored document; None if there is none."""
    for key in path.split('.'):
        raw = next((item for each, item in items_of(raw) if str(each) == key), None)
    return raw


def _in_document(document_class: Any, raw: Mapping[str, Any], prefix: str) -> Iterator[StoredValue]:
    for field in document_class._fields.values():
        if (value := raw.get(field.db_field)) is not None:
            yield from _in_value(field, value, f'{prefix}{field.db_field}')


def _in_value(field: Any, value: Any, path: str) -> Iterator[StoredValue]:
    if is_file_field(field):
        if value is not None:
            yield StoredValue(path, field, value)
    elif isinstance(field, (mongoengine.EmbeddedDocumentField, mongoengine.GenericEmbeddedDocumentField)):
        if isinstance(value, Mapping) and (embedded := _class_of(field, value)) is not None:
            yield from _in_document(embedded, value, f'{path}.')
    elif isinstance(field, ComplexBaseField) and field.field is not None:
        for key, item in items_of(value):
            yield from _in_value(field.field, item, f'{path}.{key}')


def _class_of(field: Any, value: Mapping[str, Any]) -> Any:
    """The class of an embedded document; None if it is unknown."""
    if isinstance(name := value.get('_cls'), str):
        try:
            return get_document(name)
        except mongoengine.NotRegistered:
            pass
    if not isinstance(field, mongoengine.EmbeddedDocumentField):
        return None
    declared = field.document_type_obj
    if declared == 'self':
        return field.owner_document
    try:
        return get_document(declared) if isinstance(declared, str) else declared
    except mongoengine.NotRegistered:
        return None
