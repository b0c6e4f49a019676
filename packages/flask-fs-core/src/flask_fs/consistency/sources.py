"""Sources of references to files: each database binding registers its source with the application."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

from flask import Flask

from ..bindings import state_of
from ..storage import Storage
from ..stored import StoredFile
from .journal import Journal


class Reference(NamedTuple):
    """What a row or document stores about a file.

    :param storage: The storage of its files. If it is a view, the names in *stored* are relative to the view.
    :param stored: The names of its files, possibly with a ``problem``.
    :param where: A description for people, such as ``document of Report 17``.
    :param key: Whatever the source needs to find the reference again.
    """

    storage: Storage
    stored: StoredFile
    where: str
    key: Any


class ReferenceSource(Protocol):
    """The rows or documents of one database that refer to files.

    Its methods are called in an application context. If they raise a database error, nothing is removed.
    """

    @property
    def journal(self) -> Journal | None:
        """The journal of this database, if there is one."""
        ...

    @property
    def storages(self) -> Collection[Storage]:
        """The storages, or views of storages, whose files the rows refer to."""
        ...

    def references(self) -> Iterator[Reference]:
        """All non-empty references, including malformed ones, read lazily. Nothing else is loaded or changed."""
        ...

    def referenced(self, storage: Storage, names: Collection[str]) -> set[str]:
        """Those of *names* that any committed row refers to, as a main file, original, or thumbnail.

        :param storage: A storage, never a view.
        :param names: Full names in that storage, a few hundred at most; see ``relative_names``.
        """
        ...

    def holds(self, reference: Reference) -> bool:
        """Whether the row still has exactly this value. This takes one query by the row's key."""
        ...

    def clear(self, reference: Reference) -> bool:
        """If the row still has exactly this value, empty it, commit, and return True. No file is removed."""
        ...


@runtime_checkable
class TwoPhaseSource(Protocol):
    """A source whose database supports two-phase commits. Implement this in addition to :class:`ReferenceSource`."""

    def in_doubt(self) -> str | None:
        """Why a row that cannot be read yet might refer to a file, such as a prepared transaction; None if there is none.

        Until then, nothing is removed. This is called before ``referenced``.
        """
        ...


def add_source(app: Flask, source: ReferenceSource) -> None:
    """Register *source* for ``flask fs gc`` and ``flask fs fsck``. It replaces a source that is equal to it."""
    sources = state_of(app).sources
    sources[:] = [*(other for other in sources if other != source), source]


def sources_of(app: Flask) -> list[ReferenceSource]:
    """The sources that were added to *app*."""
    return list(state_of(app).sources)


# --- Views: a field's storage can be `storage.scoped('folder')`. Files are compared by their full names.


def storage_itself(storage: Storage) -> Storage:
    """*storage*, or the underlying storage if it is a view."""
    itself: Storage = storage._storage  # type: ignore[assignment]  # declared where Storage is not known yet
    return itself


def whole_name(storage: Storage, filename: str) -> str:
    """The full name of a file of *storage*, which can be a view, in the underlying storage."""
    return storage._folder + filename


def relative_names(storage: Storage, names: Collection[str]) -> dict[str, str]:
    """Those of the full *names* that are in *storage*, which can be a view, by their names there."""
    folder = storage._folder
    return {name[len(folder) :]: name for name in names if name.startswith(folder)}
