"""Files that are stored and removed together with their document, if there is a journal.

Each reference has its own unit of work, which ends after its document is saved; until then, the reference can move to another
document. If it is never saved with a document, its entries stay for ``flask fs gc``.
"""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from flask import Flask, has_app_context
from mongoengine import signals  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.connection import READ_PREFERENCE  # type: ignore[import-untyped]  # as above

from flask_fs import Storage, UnitOfWork
from flask_fs.bindings import current_application
from flask_fs.consistency.sources import sources_of, storage_itself, whole_name
from flask_fs.errors import FSError
from flask_fs.references import FileReference
from flask_fs.stored import StoredFile
from flask_fs.transaction import FileTransaction

from .journal import DocumentJournal
from .traversal import Found, references

#: The attributes in which a reference keeps its unit of work, and its value before a change.
_UNIT, _FORMER = '_fs_unit', '_fs_former'
#: The applications with a journal.
_apps: weakref.WeakSet[Flask] = weakref.WeakSet()


def journals() -> list[tuple[DocumentJournal, set[Storage]]]:
    """The journals of the current application, each with its storages."""
    # Outside an application context, use the only application, as storages do.
    apps = [current_application()] if has_app_context() else list(_apps)
    return [
        (source.journal, set(map(storage_itself, source.storages)))
        for app in apps
        if len(apps) == 1
        for source in sources_of(app)
        if isinstance(source.journal, DocumentJournal)
    ]


def journal_of(storage: Storage) -> DocumentJournal | None:
    """The journal for documents that refer to files of *storage*, in the current application."""
    return next((journal for journal, storages in journals() if storage_itself(storage) in storages), None)


def transaction(reference: FileReference) -> FileTransaction:
    """The transaction for a change of *reference*. With a journal, it ends when the document is saved."""
    vars(reference).setdefault(_FORMER, reference.stored)
    if (journal := journal_of(reference.fs)) is None:
        return FileTransaction(reference.fs)
    unit: UnitOfWork = vars(reference).setdefault(_UNIT, UnitOfWork(journal))
    return unit.transaction(reference.fs)


def is_remade(reference: FileReference) -> bool:
    """Whether *reference* got new files since its document was saved, made from the same image as the files before."""
    former: StoredFile | None = vars(reference).get(_FORMER)
    if former is None or former.upload != reference.stored.upload:
        return False
    return not set(reference.stored.files()) <= set(former.files())


def saved(document: Any) -> None:
    """Record that the references of *document* are stored as they are now."""
    for found in references(document):
        vars(found.reference).pop(_FORMER, None)


def roll_back(document: Any) -> None:
    """Remove what was stored for *document*, which was not saved."""
    for unit in _units([document]):
        unit.roll_back()


class Notes:
    """The journal entries of files to remove after a document is saved or deleted.

    :param files: The files, each with its storage.
    """

    def __init__(self, files: Collection[tuple[Storage, str]]) -> None:
        self._entries: dict[tuple[Storage, str], tuple[DocumentJournal, str]] = {}
        for storage, filename in files:
            if (journal := journal_of(storage)) is not None:
                [entry] = journal.unused([(storage_itself(storage).name, whole_name(storage, filename))])
                self._entries[storage, filename] = journal, entry

    def settle(self, removed: Collection[tuple[Storage, str]]) -> None:
        """Remove the entries, except those of *removed* files that still exist."""
        for file, (journal, entry) in self._entries.items():
            if file not in removed or not _exists(*file):
                journal.done([entry])


def _exists(storage: Storage, filename: str) -> bool:
    try:
        return storage.exists(filename)
    except FSError:
        return True


def watch(app: Flask) -> None:
    """From now on, end the units of documents when they are saved. Called for each *app* with a journal."""
    _apps.add(app)
    signals.pre_save_post_validation.connect(_before_save)
    signals.post_save.connect(_after_save)
    signals.pre_bulk_insert.connect(_before_insert)
    signals.post_bulk_insert.connect(_after_insert)


def in_mongodb(document: Any) -> list[Found]:
    """The non-empty references that *document* has in MongoDB."""
    stored = document._qs.filter(**document._object_key).read_preference(READ_PREFERENCE).first()
    return [] if stored is None else [found for found in references(stored) if found.reference]


def _before_save(sender: Any, document: Any, **_: Any) -> None:
    for unit in _units([document]):
        _keep_files_of_others(document, unit)
        unit.prepare()


def _keep_files_of_others(document: Any, unit: UnitOfWork) -> None:
    """Do not remove files that the document no longer has in MongoDB.

    Another process can have replaced and removed such a file, and another document can have a file with its name by now.
    """
    if unused := set(unit.unused).difference(unit.created):
        current = [] if document.pk is None else [found.reference for found in in_mongodb(document)]
        for reference in current:
            files = (whole_name(reference.fs, name) for name in reference.stored.files())
            unused.difference_update((storage_itself(reference.fs), name) for name in files)
        for storage, filename in unused:
            unit.keep(storage, filename)


def _after_save(sender: Any, document: Any, **_: Any) -> None:
    for unit in _units([document]):
        unit.commit()


#: The units of the documents that are being inserted. MongoEngine can pass other documents to the signal after the insertion.
_inserting: contextvars.ContextVar[tuple[UnitOfWork, ...]] = contextvars.ContextVar('_inserting', default=())


def _before_insert(sender: Any, documents: Iterable[Any], **_: Any) -> None:
    units = tuple(_units(documents))
    for unit in units:
        unit.prepare()
    _inserting.set(units)


def _after_insert(sender: Any, **_: Any) -> None:
    units = _inserting.get()
    _inserting.set(())
    for unit in units:
        unit.commit()


def _units(documents: Iterable[Any]) -> Iterator[UnitOfWork]:
    for document in documents:
        for found in references(document):
            unit = vars(found.reference).get(_UNIT)
            if unit is not None and not unit.is_empty:
                yield unit
