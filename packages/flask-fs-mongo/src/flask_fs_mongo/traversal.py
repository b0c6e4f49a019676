"""Finding the files of a document: in its attributes, lists, and maps, and in those of its embedded documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import mongoengine  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine import EmbeddedDocument
from mongoengine.base import ComplexBaseField, get_document  # type: ignore[import-untyped]  # as above

from flask_fs.references import FileReference


class Found(NamedTuple):
    """A reference of a document.

    :param reference: The reference.
    :param path: The path of the field, such as ``profile.pictures``.
    :param db_path: The path in MongoDB, such as ``profile.pictures.0``.
    :param field: The field that declares it.
    """

    reference: FileReference
    path: str
    db_path: str
    field: Any


def references(document: Any) -> Iterator[Found]:
    """Every reference of *document*, including empty ones."""
    return _in_document(document, '', '')


def _in_document(document: Any, path: str, db_path: str) -> Iterator[Found]:
    for name, field in document._fields.items():
        yield from _in_value(document._data.get(name), f'{path}{name}', f'{db_path}{field.db_field}', innermost(field))


def _in_value(value: Any, path: str, db_path: str, field: Any) -> Iterator[Found]:
    if isinstance(value, FileReference):
        if is_file_field(field):
            yield Found(value, path, db_path, field)
    elif isinstance(value, EmbeddedDocument):
        yield from _in_document(value, f'{path}.', f'{db_path}.')
    else:
        for key, item in items_of(value):
            yield from _in_value(item, path, f'{db_path}.{key}', field)


def with_embedded(document: Any) -> Iterator[Any]:
    """*document*, and every embedded document in it, at any depth."""
    yield document
    for name in document._fields:
        yield from _embedded_documents(document._data.get(name))


def _embedded_documents(value: Any) -> Iterator[Any]:
    if isinstance(value, EmbeddedDocument):
        yield from with_embedded(value)
    else:
        for _, item in items_of(value):
            yield from _embedded_documents(item)


def items_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """The keys and items of a map, or the indexes and items of a list; empty for any other value."""
    if isinstance(value, dict):
        return iter(value.items())
    return enumerate(value) if isinstance(value, (list, tuple)) else iter(())


# --- Document classes.


def file_fields(document_class: Any) -> Mapping[str, tuple[Any, ...]]:
    """The file fields of a document class, including those of embedded documents, by the top-level key in MongoDB.

    For ``profile.pictures``, this is ``profile``.
    """
    found = {field.db_field: tuple(_fields_in(field, {document_class})) for field in document_class._fields.values()}
    return {name: fields for name, fields in found.items() if fields}


def is_file_field(field: Any) -> bool:
    """Whether *field* is a file or image field, rather than a list or map of them."""
    reference_class = getattr(field, 'proxy_class', None)
    return isinstance(reference_class, type) and issubclass(reference_class, FileReference)


def _fields_in(field: Any, seen: set[Any]) -> Iterator[Any]:
    """The file fields in *field*, without those of classes that were already *seen*."""
    field = innermost(field)
    if is_file_field(field):
        yield field
    for embedded in _embedded_in(field):
        if embedded not in seen:
            seen.add(embedded)
            for deeper in embedded._fields.values():
                yield from _fields_in(deeper, seen)


def innermost(field: Any) -> Any:
    """The field of the items if *field* is a list or map; otherwise *field* itself."""
    while isinstance(field, ComplexBaseField) and field.field is not None:
        field = field.field
    return field


def _embedded_in(field: Any) -> Iterator[Any]:
    """The existing classes of embedded documents that *field* can contain."""
    if isinstance(field, mongoengine.EmbeddedDocumentField):
        classes = [field.document_type_obj if field.document_type_obj != 'self' else field.owner_document]
    elif isinstance(field, mongoengine.GenericEmbeddedDocumentField):
        classes = list(field.choices or [EmbeddedDocument])
    else:
        return
    for embedded in classes:
        if isinstance(embedded, str):
            try:
                embedded = get_document(embedded)
            except mongoengine.NotRegistered:
                continue
        yield from subclasses(embedded)


def subclasses(document_class: Any) -> Iterator[Any]:
    """The class and all of its subclasses."""
    if '_fields' in vars(document_class):
        yield document_class
    for subclass in document_class.__subclasses__():
        yield from subclasses(subclass)
