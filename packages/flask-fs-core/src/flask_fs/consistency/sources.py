"""Where references to files are found: each binding to a database adds what it has to the application."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Protocol

from flask import Flask

from ..bindings import state_of
from ..storage import Storage
from ..stored import StoredFile
from .journal import Journal


class Reference(NamedTuple):
    """What a row or document stores of a file.

    :param storage: Where its files are; it may be a view of a storage, and then the names of *stored* are relative to that.
    :param stored: The names of its files, maybe with a ``problem``.
    :param where: For people, such as ``document of Report 17``.
    :param key: Whatever the source needs to find it again.
    """

    storage: Storage
    stored: StoredFile
    where: str
    key: Any


class ReferenceSource(Protocol):
    """The rows or documents of one database that refer to files.

    Its methods are called in an application context. They raise the errors of the database: then nothing is removed.
    """

    @property
    def journal(self) -> Journal | None:
        """The journal of this database, if there is one."""
        ...

    @property
    def storages(self) -> Collection[Storage]:
        """The storages whose files it refers to, or views of them."""
        ...

    def references(self) -> Iterator[Reference]:
        """All references that are not empty, lazily, malformed ones included; nothing else is loaded or changed."""
        ...

    def referenced(self, storage: Storage, names: Collection[str]) -> set[str]:
        """Those of *names* to which anything refers that is committed now: as main file, original or thumbnail.

        :param storage: A storage itself, and no view.
        :param names: Whole names in that storage, a few hundred at most: see ``relative_names``.
        """
        ...

    def holds(self, reference: Reference) -> bool:
        """Whether its row still has exactly that value; one query by the row's key."""
        ...

    def clear(self, reference: Reference) -> bool:
        """Make it empty, committed, if its row still has exactly that value; whether it had. No file is removed."""
        ...


def add_source(app: Flask, source: ReferenceSource) -> None:
    """Let ``flask fs gc`` and ``flask fs fsck`` look for references in *source*. One that equals it is replaced."""
    sources = state_of(app).sources
    sources[:] = [*(other for other in sources if other != source), source]


def sources_of(app: Flask) -> list[ReferenceSource]:
    """What was added to *app*."""
    return list(state_of(app).sources)


# --- Views: a field's storage may be `storage.scoped('folder')`. Files are compared by their whole names.


def storage_itself(storage: Storage) -> Storage:
    """*storage*, or the one that it is a view of."""
    itself: Storage = storage._storage  # type: ignore[assignment]  # declared where Storage is not known yet
    return itself


def whole_name(storage: Storage, filename: str) -> str:
    """The name that a file of *storage*, which may be a view, has in the storage itself."""
    return storage._folder + filename


def relative_names(storage: Storage, names: Collection[str]) -> dict[str, str]:
    """Those of the whole *names* that are in *storage*, which may be a view, by the name that they have there."""
    folder = storage._folder
    return {name[len(folder) :]: name for name in names if name.startswith(folder)}
