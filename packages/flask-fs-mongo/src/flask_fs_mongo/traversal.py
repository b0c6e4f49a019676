"""Where the files of a document are: in its attributes, lists and maps, and in those of its embedded documents."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mongoengine import EmbeddedDocument, signals  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.base import ComplexBaseField, get_document  # type: ignore[import-untyped]  # as above
from mongoengine.errors import NotRegistered  # type: ignore[import-untyped]  # as above
from mongoengine.fields import (  # type: ignore[import-untyped]  # as above
    EmbeddedDocumentField,
    GenericEmbeddedDocumentField,
)

from . import changes
from .references import FileReference


class Found(NamedTuple):
    """One reference of a document.

    :param reference: The reference.
    :param path: Where it is declared: ``profile.pictures``.
    :param place: Where it is in MongoDB: ``profile.pictures.0``.
    :param field: The field that it is of.
    """

    reference: FileReference
    path: str
    place: str
    field: Any


def references(document: Any) -> Iterator[Found]:
    """Every reference of *document*, empty ones included."""
    return _in_document(document, '', '')


def _in_document(document: Any, path: str, place: str) -> Iterator[Found]:
    for name, field in document._fields.items():
        yield from _in_value(document._data.get(name), f'{path}{name}', f'{place}{field.db_field}', innermost(field))


def _in_value(value: Any, path: str, place: str, field: Any) -> Iterator[Found]:
    if isinstance(value, FileReference):
        if hasattr(field, 'proxy_class'):
            yield Found(value, path, place, field)
    elif isinstance(value, EmbeddedDocument):
        yield from _in_document(value, f'{path}.', f'{place}.')
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _in_value(item, path, f'{place}.{key}', field)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _in_value(item, path, f'{place}.{number}', field)


# --- What a class of documents declares.

_declared: weakref.WeakKeyDictionary[Any, Mapping[str, tuple[Any, ...]]] = weakref.WeakKeyDictionary()
_containers: weakref.WeakKeyDictionary[Any, tuple[Any, ...]] = weakref.WeakKeyDictionary()


def declared(document_class: Any, *, in_container: bool) -> None:
    """Note that *document_class* declares a field for files."""
    _declared.clear()
    _containers.pop(document_class, None)
    signals.pre_save.connect(_settle)
    if in_container:
        signals.post_init.connect(_adopt_items)


def file_fields(document_class: Any) -> Mapping[str, tuple[Any, ...]]:
    """The fields for files that documents of this class can have, embedded ones included, by where they are in MongoDB.

    That is the name of the document's own field: ``profile`` for what is found in ``profile.pictures``.
    """
    known = _declared.get(document_class)
    if known is None:
        inside = {field.db_field: _fields_in(field, {document_class}) for field in document_class._fields.values()}
        known = {name: fields for name, (_, fields) in inside.items() if fields}
        if all(complete for complete, _ in inside.values()):
            _declared[document_class] = known
    return known


def _fields_in(field: Any, seen: set[Any]) -> tuple[bool, tuple[Any, ...]]:
    """The fields for files in *field*, and whether all of the classes involved exist by now."""
    from .fields import FileField

    field = innermost(field)
    if isinstance(field, FileField):
        return True, (field,)
    complete, found = True, ()
    for embedded in _embedded_in(field):
        if embedded is None:
            complete = False
        elif embedded not in seen:
            # On the way down only: two attributes may have embedded documents of the same class.
            for deeper in embedded._fields.values():
                whole, fields = _fields_in(deeper, seen | {embedded})
                complete, found = complete and whole, found + fields
    return complete, found


def innermost(field: Any) -> Any:
    """The field of the items, if *field* is a list or map of them; *field* itself otherwise."""
    while isinstance(field, ComplexBaseField) and field.field is not None:
        field = field.field
    return field


def _embedded_in(field: Any) -> Iterator[Any]:
    """The classes of embedded documents that *field* can have; None for one that does not exist yet."""
    if isinstance(field, EmbeddedDocumentField):
        classes = [field.document_type_obj if field.document_type_obj != 'self' else field.owner_document]
    elif isinstance(field, GenericEmbeddedDocumentField):
        classes = list(field.choices or [EmbeddedDocument])
    else:
        return
    for embedded in classes:
        if isinstance(embedded, str):
            try:
                embedded = get_document(embedded)
            except NotRegistered:
                yield None
                continue
        yield from subclasses(embedded)


def subclasses(document_class: Any) -> Iterator[Any]:
    """The class, and every class made from it."""
    if '_fields' in vars(document_class):
        yield document_class
    for subclass in document_class.__subclasses__():
        yield from subclasses(subclass)


# --- References in lists and maps: MongoEngine gives them out as they are, so they are bound to their document beforehand.


def _adopt_items(sender: Any, document: Any, **_: Any) -> None:
    for field in _containers_of(sender):
        _adopt(document, field.name, field.field, document._data.get(field.name))


def _containers_of(document_class: Any) -> tuple[Any, ...]:
    from .fields import FileField

    known = _containers.get(document_class)
    if known is None:
        fields = document_class._fields.values()
        known = tuple(
            field for field in fields if field is not (inner := innermost(field)) and isinstance(inner, FileField)
        )
        _containers[document_class] = known
    return known


def _adopt(owner: Any, root: str, field: Any, values: Any) -> None:
    items: list[tuple[Any, Any]]
    if isinstance(values, dict):
        items = list(values.items())
    elif isinstance(values, list):
        items = list(enumerate(values))
    else:
        return
    # Not by the container's own way, which would mark it as changed.
    put: Any = dict.__setitem__ if isinstance(values, dict) else list.__setitem__
    for key, item in items:
        if isinstance(field, ComplexBaseField):
            _adopt(owner, root, field.field, item)
            continue
        if not isinstance(item, FileReference) or changes.is_attribute(item):
            # A name, or the reference of an attribute, was put into the list: the list gets a reference of its own.
            item = field.reference(item)
            put(values, key, item)
        field._bind(item, owner, root)


def _settle(sender: Any, document: Any, **_: Any) -> None:
    """Before a document is saved: mark what changed in its lists and maps.

    Those that came from another document, as by ``reload``, have marked that one.
    """
    if not file_fields(sender):
        return
    for owner in _with_embedded(document):
        _adopt_items(type(owner), owner)
    for found in references(document):
        if found.reference._changed:
            changes.mark(found.reference)
            found.reference._changed = False


def _with_embedded(document: Any) -> Iterator[Any]:
    yield document
    for name in document._fields:
        yield from _embedded_documents(document._data.get(name))


def _embedded_documents(value: Any) -> Iterator[Any]:
    if isinstance(value, EmbeddedDocument):
        yield from _with_embedded(value)
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _embedded_documents(item)
