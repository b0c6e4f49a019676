"""Reporting changes of references to their document, in attributes, lists, and maps.

MongoEngine returns the items of lists and maps unchanged, so their references are bound to the document beforehand.
"""

from __future__ import annotations

import functools
from typing import Any

from mongoengine import signals  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.base import ComplexBaseField  # type: ignore[import-untyped]  # as above

from flask_fs.references import FileReference

from .traversal import file_fields, innermost, is_file_field, items_of, references, with_embedded


def track(*, in_container: bool) -> None:
    """Start tracking references. Called when a document class declares a file field, or a list or map of them."""
    _container_fields_of.cache_clear()
    signals.pre_save.connect(_mark_items)
    if in_container:
        signals.post_init.connect(_bind_items)


def bind(reference: FileReference, field: Any, document: Any, name: str) -> None:
    """Bind *reference* to *field* and to attribute *name* of *document*."""
    reference.owner, reference.instance, reference.name = field._owner, document, name


def mark_changed(reference: FileReference) -> None:
    """Mark *reference* as changed in its document. In a list or map, it stays dirty, since that can move to another document."""
    _mark(reference)
    reference.dirty = not is_attribute(reference)


def is_attribute(reference: FileReference) -> bool:
    """Whether *reference* is an attribute of its document, rather than an item of a list or map."""
    return reference.instance is not None and reference.instance._data.get(reference.name) is reference


def _mark(reference: FileReference) -> None:
    document = reference.instance
    if document is None:
        return
    path = _path_of(reference, document._data.get(reference.name), str(reference.name))
    if path is not None:
        document._mark_as_changed(path)


def _path_of(reference: FileReference, value: Any, path: str) -> str | None:
    """The path of *reference*, by identity, in *value*, which is at *path*."""
    if value is reference:
        return path
    paths = (_path_of(reference, item, f'{path}.{key}') for key, item in items_of(value))
    return next((path for path in paths if path is not None), None)


def _bind_items(sender: Any, document: Any, **_: Any) -> None:
    for field in _container_fields_of(sender):
        _bind(document, field.name, field.field, document._data.get(field.name))


@functools.cache
def _container_fields_of(document_class: Any) -> list[Any]:
    fields = document_class._fields.values()
    return [field for field in fields if field is not innermost(field) and is_file_field(innermost(field))]


def _bind(document: Any, name: str, field: Any, values: Any) -> None:
    if not isinstance(values, (dict, list)):
        return
    # Not the container's __setitem__, which would mark it as changed.
    put: Any = dict.__setitem__ if isinstance(values, dict) else list.__setitem__
    for key, item in list(items_of(values)):
        if isinstance(field, ComplexBaseField):
            _bind(document, name, field.field, item)
            continue
        if not isinstance(item, FileReference) or is_attribute(item):
            # The item is a filename, or the reference of an attribute. The list gets a new reference.
            item = field.reference(item)
            put(values, key, item)
        bind(item, field, document, name)


def _mark_items(sender: Any, document: Any, **_: Any) -> None:
    """Mark changes in lists and maps before a document is saved.

    A list that came from another document, for example by ``reload``, has marked them there.
    """
    if not file_fields(sender):
        return
    for owner in with_embedded(document):
        _bind_items(type(owner), owner)
    for found in references(document):
        if found.reference.dirty:
            _mark(found.reference)
            found.reference.dirty = False
