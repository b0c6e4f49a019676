"""Removing the files that a document no longer refers to, once MongoDB says so too.

What is compared is what MongoDB had before and has after, not what this process remembers: a document may have been loaded
in part, or changed by someone else since.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from typing import Any

from mongoengine import Document, signals  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.connection import READ_PREFERENCE  # type: ignore[import-untyped]  # as above

from .transaction import discard
from .traversal import Found, file_fields, references, subclasses

#: Where a document keeps what MongoDB had before.
_BEFORE = '_fs_before'


# --- Replaced.


def watch_replacements() -> None:
    """Remove what was replaced, as its field wants it, whenever a document is saved from now on."""
    signals.pre_save_post_validation.connect(_before_save)
    signals.post_save.connect(_after_save)


def _before_save(sender: Any, document: Any, created: bool = False, **_: Any) -> None:
    vars(document).pop(_BEFORE, None)
    cleaned = {
        place for place, fields in file_fields(sender).items() if any(field.on_replace != 'keep' for field in fields)
    }
    if not cleaned or document.pk is None:
        return
    changed = {place.partition('.')[0] for place in document._get_changed_fields()}
    # A new document with a primary key of its own takes the place of the one that MongoDB may have.
    if created or cleaned & changed:
        vars(document)[_BEFORE] = _in_mongodb(document)


def _after_save(sender: Any, document: Any, **_: Any) -> None:
    before = vars(document).pop(_BEFORE, None)
    doomed = [found for found in before or () if _may_go(found, found.field.on_replace)]
    if doomed:
        _remove(doomed, [*_in_mongodb(document), *_of(document)])


# --- Deleted.

_seen: weakref.WeakSet[Any] = weakref.WeakSet()


def watch_deletions(document_class: Any) -> None:
    """Remove the files of deleted documents, as their fields want it, where documents of this class are, or are in.

    MongoEngine sends signals for the exact class of a document, and deletes the documents of a queryset one by one only if
    its class has receivers. So each class has to be known: those that inherit the field, or embed the class that has it,
    are looked for when the first document of any new class is made.
    """
    _seen.clear()
    signals.post_init.connect(_look_for_classes)
    if issubclass(document_class, Document):
        _watch(document_class)


def _look_for_classes(sender: Any, **_: Any) -> None:
    if sender in _seen:
        return
    _seen.add(sender)
    for document_class in subclasses(Document):
        _seen.add(document_class)
        fields = itertools.chain.from_iterable(file_fields(document_class).values())
        if any(field.on_delete != 'keep' for field in fields):
            _watch(document_class)


def _watch(document_class: Any) -> None:
    # A queryset of a parent class finds documents of its subclasses too.
    for watched in document_class.__mro__:
        if isinstance(watched, type(Document)) and issubclass(watched, Document):
            signals.pre_delete.connect(_before_delete, sender=watched)
            signals.post_delete.connect(_after_delete, sender=watched)


def _before_delete(sender: Any, document: Any, **_: Any) -> None:
    vars(document)[_BEFORE] = [] if document.pk is None else _in_mongodb(document)


def _after_delete(sender: Any, document: Any, **_: Any) -> None:
    before = vars(document).pop(_BEFORE, ())
    _remove([found for found in before if _may_go(found, found.field.on_delete)], [])


# --- Either way.


def _of(document: Any) -> list[Found]:
    return [found for found in references(document) if found.reference]


def _in_mongodb(document: Any) -> list[Found]:
    """What the stored document refers to."""
    stored = document._qs.filter(**document._object_key).read_preference(READ_PREFERENCE).first()
    return [] if stored is None else _of(stored)


def _may_go(found: Found, cleaning: Any) -> bool:
    return bool(cleaning(found.reference)) if callable(cleaning) else cleaning == 'remove'


def _remove(doomed: Iterable[Found], kept: Iterable[Found]) -> None:
    spared = {(found.reference.fs, name) for found in kept for name in found.reference._stored.files()}
    for found in doomed:
        shared, storage = found.field._default_files(), found.reference.fs
        names = [name for name in found.reference._stored.files() if (storage, name) not in spared]
        discard(storage, [name for name in names if name not in shared])
