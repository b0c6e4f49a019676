"""The documents of an application as a source of references to files, for ``flask fs gc`` and ``flask fs fsck``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from flask import Flask
from mongoengine import Document, ListField  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.connection import (  # type: ignore[import-untyped]  # as above
    DEFAULT_CONNECTION_NAME,
    READ_PREFERENCE,
)

from flask_fs import Storage
from flask_fs.consistency.sources import Reference, add_source, relative_names, storage_itself
from flask_fs.stored import StoredFile

from . import units
from .journal import DocumentJournal
from .stored_values import StoredValue, stored_values, value_at
from .traversal import file_fields, is_file_field, subclasses

#: How many documents are requested at a time: few enough to process before the server closes an idle cursor.
_BATCH = 100


def init_app(app: Flask, *documents: Any, journal: bool = False, alias: str = DEFAULT_CONNECTION_NAME) -> None:
    """Register documents for ``flask fs gc`` and ``flask fs fsck``. This does not connect to MongoDB.

    :param app: The application.
    :param documents: The document classes, including their subclasses; by default, all with file fields, even if declared later.
        Pass every class that refers to files of a storage: a file that only other classes refer to counts as an orphan.
    :param journal: Whether to record files in the collection ``fs_journal`` before they are stored or removed, so that
        ``flask fs gc`` can remove what a crash leaves behind. Files are then stored as in a :class:`~flask_fs.UnitOfWork` that ends
        when the document is saved: a replaced or deleted file stays until then, and a file that would replace one with the same name
        gets the next available name.
    :param alias: The MongoEngine connection of the journal.
    """
    source = DocumentSource(documents, DocumentJournal(alias) if journal else None)
    add_source(app, source)
    if journal:
        units.watch(app)


class _Collection(NamedTuple):
    """A collection in MongoDB.

    :param classes: The classes of its documents, by the value of ``_cls``.
    :param fields: The file fields in each of its top-level keys.
    :param exact: The keys that contain only a file or a list of files, which can be queried by filename.
    """

    collection: Any
    classes: Mapping[str, Any]
    fields: Mapping[str, tuple[Any, ...]]
    exact: Collection[str]


class _Key(NamedTuple):
    collection: Any
    id: Any
    path: str
    raw: Any


class DocumentSource:
    """The references of documents.

    :param documents: The document classes; empty for all.
    :param journal: The journal of their files.
    """

    def __init__(self, documents: Collection[Any] = (), journal: DocumentJournal | None = None) -> None:
        self._documents = tuple(documents)
        self.journal = journal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DocumentSource) and other._documents == self._documents

    def __hash__(self) -> int:
        return hash(self._documents)

    @property
    def storages(self) -> Collection[Storage]:
        """The storages of all file fields."""
        fields = (field for found in self._classes() for several in file_fields(found).values() for field in several)
        return list(dict.fromkeys(field.fs for field in fields if field.fs is not None))

    def references(self) -> Iterator[Reference]:
        """See :class:`flask_fs.consistency.sources.ReferenceSource`, also for the methods below."""
        for collection in self._collections():
            yield from self._references(collection, {})

    def referenced(self, storage: Storage, names: Collection[str]) -> set[str]:
        found: set[str] = set()
        for collection in self._collections():
            fields = {key: several for key, several in collection.fields.items() if _any_in(several, storage)}
            if not fields:
                continue
            conditions: list[dict[str, Any]] = []
            for key in fields:
                # Queries cannot cover sizes of thumbnails and keys of maps, so all of these documents are read.
                is_exact = key in collection.exact
                some = {'$in': list(names)} if is_exact else {'$exists': True}
                conditions += [{key: some}, {f'{key}.filename': some}] if is_exact else [{key: some}]
            for reference in self._references(collection, {'$or': conditions}):
                if storage_itself(reference.storage) is storage:
                    mine = relative_names(reference.storage, names)
                    found.update(mine[name] for name in reference.stored.files() if name in mine)
        return found

    def holds(self, reference: Reference) -> bool:
        key: _Key = reference.key
        document = key.collection.find_one({'_id': key.id}, {key.path.partition('.')[0]: 1})
        return document is not None and type(reference.stored).read(value_at(document, key.path)) == reference.stored

    def clear(self, reference: Reference) -> bool:
        key: _Key = reference.key
        # An item of a list becomes null, so that the others keep their positions.
        is_item = key.path.rpartition('.')[2].isdecimal()
        change = {'$set': {key.path: None}} if is_item else {'$unset': {key.path: ''}}
        changed = key.collection.update_one({'_id': key.id, key.path: {'$eq': key.raw}}, change)
        return bool(changed.modified_count)

    def _references(self, collection: _Collection, condition: Mapping[str, Any]) -> Iterator[Reference]:
        wanted = dict.fromkeys(['_cls', *collection.fields], 1)
        cursor = collection.collection.find(condition, wanted).sort('_id', 1).batch_size(_BATCH)
        for document in cursor:
            for document_class, value in _values(collection, document):
                stored: StoredFile = value.field.proxy_class.stored_type.read(value.raw)
                if value.field.fs is not None and (stored.filename is not None or stored.problem is not None):
                    where = f'{value.path} of {document_class.__name__} {document["_id"]}'
                    key = _Key(collection.collection, document['_id'], value.path, value.raw)
                    yield Reference(value.field.fs, stored, where, key)

    def _classes(self) -> list[Any]:
        roots = self._documents or (Document,)
        return list(
            dict.fromkeys(found for root in roots for found in subclasses(root) if not found._meta.get('abstract'))
        )

    def _collections(self) -> Iterator[_Collection]:
        """The collections that have documents with file fields."""
        classes: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for found in self._classes():
            if file_fields(found):
                alias = found._meta.get('db_alias', DEFAULT_CONNECTION_NAME)
                classes[alias, found._get_collection_name()].append(found)
        for several in classes.values():
            fields: dict[str, tuple[Any, ...]] = {}
            mixed: set[str] = set()
            for found in several:
                for key, mine in file_fields(found).items():
                    fields[key] = (*fields.get(key, ()), *mine)
                mixed.update(field.db_field for field in found._fields.values() if not _is_exact(field))
            # Not with _get_collection(), which creates indexes.
            collection = several[0]._get_db()[several[0]._get_collection_name()]
            yield _Collection(
                collection.with_options(read_preference=READ_PREFERENCE),
                {found._class_name: found for found in several},
                fields,
                fields.keys() - mixed,
            )


def _values(collection: _Collection, document: Mapping[str, Any]) -> Iterator[tuple[Any, StoredValue]]:
    """The values of file fields in a stored document, according to its class or, if that is unknown, to any class."""
    name = document.get('_cls')
    known = collection.classes.get(name) if isinstance(name, str) else None
    classes = list(collection.classes.values()) if known is None else [known]
    seen = set()
    for document_class in classes:
        for value in stored_values(document_class, document):
            if value.path not in seen:
                seen.add(value.path)
                yield document_class, value


def _is_exact(field: Any) -> bool:
    field = field.field if isinstance(field, ListField) else field
    return is_file_field(field) and field.proxy_class.stored_type is StoredFile


def _any_in(fields: Collection[Any], storage: Storage) -> bool:
    return any(field.fs is not None and storage_itself(field.fs) is storage for field in fields)
