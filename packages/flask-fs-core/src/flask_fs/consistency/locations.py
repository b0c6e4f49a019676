"""Where an application stores files: which of its storages share files, and which files any database refers to."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Collection, Generator, Iterable, Iterator
from typing import NamedTuple, TypeVar

from flask import Flask

from ..bindings import Binding, current_application, state_of
from ..errors import ConfigurationError, UnknownStorage
from ..storage import Storage
from .journal import Journal
from .sources import ReferenceSource, TwoPhaseSource, sources_of, storage_itself

T = TypeVar('T')


class Location(NamedTuple):
    """A storage that contains files of another storage, possibly under other names.

    :param storage: This storage.
    :param removed: The prefix that names have in the other storage only.
    :param added: The prefix that they have here instead.
    """

    storage: Storage
    removed: str
    added: str

    def name_of(self, filename: str) -> str | None:
        """The name of a file of the other storage here; None if the file is not here."""
        return self.added + filename[len(self.removed) :] if filename.startswith(self.removed) else None


class Locations:
    """The storages of an application, and the sources that refer to their files.

    :raises ConfigurationError: If no source was added to the application.
    """

    def __init__(self, app: Flask) -> None:
        self.sources: list[ReferenceSource] = sources_of(app)
        if not self.sources:
            reason = (
                f'No database is registered for {app.name!r}. Call flask_fs_sqlalchemy.init_app(app, db.session) '
                '(pip install flask-fs-sqlalchemy) or flask_fs_mongo.init_app(app) (pip install flask-fs-mongo).'
            )
            raise ConfigurationError(reason=reason)
        #: Each journal once.
        self.journals: list[Journal] = []
        for source in self.sources:
            if (journal := source.journal) is not None and not any(journal is other for other in self.journals):
                self.journals.append(journal)
        self._bindings: dict[Storage, Binding] = dict(state_of(app).bindings)
        #: The storages that any source refers to, by name.
        self.storages: dict[str, Storage] = {}
        for source in self.sources:
            for storage in source.storages:
                if (itself := storage_itself(storage)) in self._bindings:
                    self.storages[itself.name] = itself
        self._same = {storage: list(self._same_files(storage)) for storage in self._bindings}
        self._app = app

    def selected(self, storages: Iterable[Storage | str]) -> list[Storage]:
        """The storages that were selected, by name or as objects.

        :raises UnknownStorage: If the application has no such storage.
        :raises ConfigurationError: If no source refers to a storage: each of its files would count as an orphan.
        """
        known = {storage.name: storage for storage in self._bindings}
        found = []
        for given in storages:
            name = given if isinstance(given, str) else given.name
            if name not in known:
                reason = f'{self._app.name!r} has no storage named {name!r} (found: {", ".join(sorted(known))}).'
                raise UnknownStorage(reason=reason)
            if name not in self.storages:
                reason = (
                    f'No row or document refers to files of storage {name!r} (they refer to: '
                    f'{", ".join(sorted(self.storages)) or "none"}), so each of its files would count as an orphan.'
                )
                raise ConfigurationError(reason=reason)
            found.append(known[name])
        return list(dict.fromkeys(found))

    def by_name(self, name: str) -> Storage | None:
        """The storage with that name, whether or not anything refers to it."""
        return next((storage for storage in self._bindings if storage.name == name), None)

    def same_file(self, storage: Storage, filename: str) -> Iterator[tuple[Storage, str]]:
        """The file itself, and the same file in other storages that contain this one or are inside it."""
        for location in self._same.get(storage, ()):
            if (name := location.name_of(filename)) is not None:
                yield location.storage, name

    def is_of_another(self, storage: Storage, filename: str) -> bool:
        """Whether a file that *storage* lists belongs to a storage inside it."""
        return any(location.removed and filename.startswith(location.removed) for location in self._same[storage])

    def referenced(self, storage: Storage, filenames: Collection[str]) -> set[str]:
        """Those of *filenames* that any source refers to now."""
        found: set[str] = set()
        for location in self._same[storage]:
            there = {name: filename for filename in filenames if (name := location.name_of(filename)) is not None}
            for source in self._sources_of(location) if there else ():
                found.update(there[name] for name in source.referenced(location.storage, list(there)))
        return found

    def in_doubt(self, storage: Storage) -> str | None:
        """Why it is unknown which files of *storage* are referred to; None if it is known. Call this before :meth:`referenced`."""
        sources = (source for location in self._same[storage] for source in self._sources_of(location))
        doubts = (source.in_doubt() for source in sources if isinstance(source, TwoPhaseSource))
        return next((doubt for doubt in doubts if doubt is not None), None)

    def _sources_of(self, location: Location) -> Iterator[ReferenceSource]:
        """The sources that refer to files of the storage of *location*."""
        return (source for source in self.sources if location.storage in map(storage_itself, source.storages))

    def _same_files(self, storage: Storage) -> Iterator[Location]:
        yield Location(storage, '', '')
        mine = self._bindings[storage]
        for other, binding in self._bindings.items():
            if (below := _folder_in(mine, binding)) is not None:
                yield Location(other, below, '')
            if (above := _folder_in(binding, mine)) is not None:
                yield Location(other, '', above)


def _folder_in(outer: Binding, inner: Binding) -> str | None:
    """The prefix that files of *inner* have in *outer*; None if *outer* does not contain *inner*."""
    if outer.location and inner.location:
        *around, start = outer.location
        *also_around, longer = inner.location
        if around == also_around and isinstance(start, str) and isinstance(longer, str) and longer != start:
            return longer[len(start) :] if longer.startswith(start) else None
        return None
    roots = [getattr(binding.backend, 'root', None) for binding in (outer, inner)]
    if all(isinstance(root, str) for root in roots):
        top, below = (os.path.join(os.path.realpath(str(root)), '') for root in roots)
        if below != top and below.startswith(top):
            return below[len(top) :].replace(os.sep, '/')
    return None


def in_context(app: Flask, found: Generator[T]) -> Generator[T]:
    """Run the generator *found* in a single context of *app*, which is not visible to the caller."""
    try:
        is_current = current_application() is app
    except RuntimeError:
        is_current = False
    if is_current:
        yield from found
        return
    context, app_context = contextvars.copy_context(), app.app_context()
    context.run(app_context.push)
    try:
        while True:
            try:
                value = context.run(next, found)
            except StopIteration:
                return
            yield value
    finally:
        context.run(found.close)
        context.run(app_context.pop, None)
