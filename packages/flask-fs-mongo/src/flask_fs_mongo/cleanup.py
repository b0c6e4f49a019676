"""Removing files that a document no longer refers to, once MongoDB has the change.

This compares what MongoDB had before and has after the change, not what is in memory: a document can be loaded only in part, or
changed by another process in the meantime.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Collection, Iterable
from typing import Any

from mongoengine import Document, signals  # type: ignore[import-untyped]  # MongoEngine has no type hints

from flask_fs import Storage
from flask_fs.references import FileReference
from flask_fs.transaction import discard, removes

from .traversal import Found, file_fields, references, subclasses
from .units import Notes, is_remade, journals, saved
from .units import in_mongodb as _in_mongodb

#: The attribute in which a document keeps the references that MongoDB had before.
_BEFORE = '_fs_before'
#: The attribute in which it keeps the journal entries of their files.
_NOTES = '_fs_notes'


# --- Replaced.


def watch_replacements() -> None:
    """From now on, remove replaced files when a document is saved, according to their fields."""
    signals.pre_save_post_validation.connect(_before_save)
    signals.post_save.connect(_after_save)


def _before_save(sender: Any, document: Any, created: bool = False, **_: Any) -> None:
    vars(document).pop(_BEFORE, None)
    if document.pk is None:
        return
    watched = {
        name for name, fields in file_fields(sender).items() if any(field.on_replace != 'keep' for field in fields)
    }
    changed = {path.partition('.')[0] for path in document._get_changed_fields()}
    # A new document with an explicit primary key can replace one in MongoDB.
    replaces = bool(watched) and (created or bool(watched & changed) or _has_other_listeners(sender))
    if replaces or _remade(document):
        before = vars(document)[_BEFORE] = _in_mongodb(document)
        if journals():
            vars(document)[_NOTES] = Notes(_replaced_files(document, before, references(document)))


def _has_other_listeners(document_class: Any) -> bool:
    """Whether a listener of the application may be called after the one here, and change files: they have no order."""
    receivers = signals.pre_save_post_validation.receivers_for(document_class)
    return any(not str(getattr(receiver, '__module__', None)).startswith('flask_fs_mongo.') for receiver in receivers)


def _remade(document: Any) -> list[FileReference]:
    return [found.reference for found in references(document) if is_remade(found.reference)]


def _replaced_files(document: Any, before: Collection[Found], used: Iterable[Found]) -> list[tuple[Storage, str]]:
    """The files that the document had *before*, that no *used* reference has, and that the fields remove."""
    used = list(used)
    replaced = [found for found in before if removes(found.field.on_replace, found.reference)]
    files = _unused_files(((found, found.reference.stored.files()) for found in replaced), used)
    # Another process might have made these after this one read the document, and nothing else removes them.
    new = _remade(document)
    remade = [
        (
            found,
            [
                name
                for item in new
                if item.fs == found.reference.fs
                for name in found.reference.stored.remade_in(item.stored)
            ],
        )
        for found in before
    ]
    return list(dict.fromkeys([*files, *_unused_files(remade, used)]))


def _after_save(sender: Any, document: Any, **_: Any) -> None:
    before = vars(document).pop(_BEFORE, None)
    if before is not None:
        _remove(document, _replaced_files(document, before, [*_in_mongodb(document), *references(document)]))
    saved(document)


# --- Deleted.

_seen: weakref.WeakSet[Any] = weakref.WeakSet()


def watch_deletions(document_class: Any) -> None:
    """Remove the files of deleted documents, according to their fields, in all classes that inherit or embed *document_class*.

    MongoEngine sends signals for the exact class of a document, and deletes the documents of a queryset one by one only if its class
    has receivers. So every class must be watched: the first document of a new class triggers a search for classes that inherit the
    field, or embed a class that has it.
    """
    _seen.clear()
    signals.post_init.connect(_find_classes)
    if issubclass(document_class, Document):
        _watch(document_class)


def _find_classes(sender: Any, **_: Any) -> None:
    if sender in _seen:
        return
    _seen.add(sender)
    for document_class in subclasses(Document):
        _seen.add(document_class)
        fields = itertools.chain.from_iterable(file_fields(document_class).values())
        if any(field.on_delete != 'keep' for field in fields):
            _watch(document_class)


def _watch(document_class: Any) -> None:
    # A queryset of a parent class also returns documents of its subclasses.
    for watched in document_class.__mro__:
        if isinstance(watched, type(Document)) and issubclass(watched, Document):
            signals.pre_delete.connect(_before_delete, sender=watched)
            signals.post_delete.connect(_after_delete, sender=watched)


def _before_delete(sender: Any, document: Any, **_: Any) -> None:
    before = vars(document)[_BEFORE] = [] if document.pk is None else _in_mongodb(document)
    if journals():
        vars(document)[_NOTES] = Notes(_deleted_files(before))


def _deleted_files(before: Iterable[Found]) -> list[tuple[Storage, str]]:
    deleted = [found for found in before if removes(found.field.on_delete, found.reference)]
    return _unused_files(((found, found.reference.stored.files()) for found in deleted), [])


def _after_delete(sender: Any, document: Any, **_: Any) -> None:
    before = vars(document).pop(_BEFORE, ())
    _remove(document, _deleted_files(before))


# --- In both cases.


def _unused_files(unused: Iterable[tuple[Found, Iterable[str]]], used: Iterable[Found]) -> list[tuple[Storage, str]]:
    """The files of *unused* that no *used* reference has, without those of a field's default."""
    kept = {(found.reference.fs, name) for found in used if found.reference for name in found.reference.stored.files()}
    files: list[tuple[Storage, str]] = []
    for found, names in unused:
        storage, shared = found.reference.fs, found.field._owner.shared_files()
        files += [(storage, name) for name in names if (storage, name) not in kept and name not in shared]
    return files


def _remove(document: Any, files: Collection[tuple[Storage, str]]) -> None:
    for storage, name in files:
        discard(storage, [name])
    if (notes := vars(document).pop(_NOTES, None)) is not None:
        notes.settle(files)
