"""A database in memory that refers to files, with a journal."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.consistency.journal import Entry
from flask_fs.consistency.sources import Reference, add_source, relative_names, storage_itself
from flask_fs.stored import StoredFile

UTC = datetime.timezone.utc


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.notes: dict[str, Entry] = {}
        self._written: dict[str, datetime.datetime] = {}
        self._ids = itertools.count()

    def write(self, filename: str, action: Any = 'created', *, age_s: float = 0, storage: str = 'files') -> str:
        """Make an entry that was written some time ago."""
        entry = str(next(self._ids))
        at = datetime.datetime.now(UTC) - datetime.timedelta(seconds=age_s)
        self.notes[entry] = Entry(entry, storage, filename, action, at)
        self._written[entry] = at
        return entry

    def pending(self, storage: str, filename: str) -> str:
        return self.write(filename, storage=storage)

    def renamed(self, entry: str, filename: str) -> None:
        self.notes[entry] = self.notes[entry]._replace(filename=filename)

    def settle(self, entries: Collection[str], connection: Any = None) -> Any:
        self.done(entries)

    def unused(self, files: Collection[tuple[str, str]], connection: Any = None) -> list[str]:
        return [self.write(filename, 'unused', storage=storage) for storage, filename in files]

    def done(self, entries: Collection[str]) -> None:
        for entry in entries:
            self.notes.pop(entry, None)

    def claim(self, entry: str) -> bool:
        if entry not in self.notes or self.notes[entry].action == 'unused':
            return False
        self.notes[entry] = self.notes[entry]._replace(action='unused', at=datetime.datetime.now(UTC))
        return True

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        # Fails as databases do if it changes while it is read.
        limit = datetime.datetime.now(UTC) - datetime.timedelta(seconds=older_than_s)
        return (entry for entry in self.notes.values() if self._written[entry.id] <= limit)


class Rows:
    """A database in memory: the stored form of each row by its key."""

    def __init__(
        self, storage: fs.Storage, journal: Notes | None = None, stored_type: type[StoredFile] = StoredFile
    ) -> None:
        self.storage = storage
        self.journal = journal
        self.rows: dict[Any, Any] = {}
        self._type = stored_type
        #: Called with the key of each row once it is read, and with the names that are looked for.
        self.on_read: Callable[[Any], Any] = lambda key: None
        self.on_look: Callable[[Collection[str]], Any] = lambda names: None

    @property
    def storages(self) -> Collection[fs.Storage]:
        return [self.storage]

    def references(self) -> Iterator[Reference]:
        # As a cursor without a snapshot: each row as it is when it is read.
        for key in list(self.rows):
            stored = self._type.read(self.rows.get(key))
            self.on_read(key)
            if stored.filename is not None or stored.problem is not None:
                yield Reference(self.storage, stored, f'row {key}', key)

    def referenced(self, storage: fs.Storage, names: Collection[str]) -> set[str]:
        self.on_look(names)
        if storage is not storage_itself(self.storage):
            return set()
        mine = relative_names(self.storage, names)
        stored = map(self._type.read, self.rows.values())
        return {mine[name] for each in stored for name in each.files() if name in mine}

    def holds(self, reference: Reference) -> bool:
        return self._type.read(self.rows.get(reference.key)) == reference.stored

    def clear(self, reference: Reference) -> bool:
        if not self.holds(reference):
            return False
        del self.rows[reference.key]
        return True


@pytest.fixture
def journal() -> Notes:
    return Notes()


@pytest.fixture
def rows(app: Flask, storage: fs.Storage, journal: Notes) -> Rows:
    """A database of the application that refers to the files of its storage."""
    found = Rows(storage, journal)
    add_source(app, found)
    return found


@pytest.fixture
def make_rows() -> type[Rows]:
    """Makes further databases: ``make_rows(storage, journal, StoredImage)``."""
    return Rows


@pytest.fixture
def age() -> Callable[..., None]:
    """Makes files older: ``age(storage, 7200, 'a.txt', 'b.txt')``, by default all of them."""
    return make_older


def make_older(storage: fs.Storage, by_s: float, *filenames: str) -> None:
    """Change the time of files to that long ago."""
    at = datetime.datetime.now(UTC) - datetime.timedelta(seconds=by_s)
    for filename in filenames or list(storage.list_files()):
        if storage.backend_name == 'local':
            os.utime(storage.path(filename), (at.timestamp(), at.timestamp()))
        else:
            info, content = storage.backend._files[filename]
            storage.backend._files[filename] = (dataclasses.replace(info, modified=at), content)
