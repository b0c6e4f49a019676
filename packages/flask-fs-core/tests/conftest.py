"""Applications and storages for the tests of core."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.consistency.journal import Entry

AppFactory = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> AppFactory:
    """Makes applications whose files lie under tmp_path, each in a folder of its own."""
    made = []

    def make(*storages: fs.Storage, **config: Any) -> Flask:
        made.append(1)
        app = Flask(f'app{len(made)}', instance_path=str(tmp_path / f'app{len(made)}'))
        app.config.update({'SECRET_KEY': 'a secret of the tests', 'FS_SERVE': True, **config})
        fs.init_app(app, *storages)
        return app

    return make


@pytest.fixture(params=['local', 'memory'])
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of backend in core, one after the other."""
    return str(request.param)


@pytest.fixture
def storage(kind: str) -> fs.Storage:
    return fs.Storage('files', fs.ALL)


@pytest.fixture
def app(make_app: AppFactory, storage: fs.Storage, kind: str) -> Iterator[Flask]:
    """An application with one storage, and its context pushed."""
    app = make_app(storage, FS_BACKEND=kind)
    with app.app_context():
        yield app


class MemoryJournal:
    """The entries of a journal, and its calls.

    :param joins: Whether its database is that of the rows: then what is settled is back after :meth:`roll_back`.
    """

    def __init__(self, *, joins: bool = True) -> None:
        self.kept: dict[str, Entry] = {}
        self.before: dict[str, Entry] | None = None
        self.calls: list[tuple[Any, ...]] = []
        self._joins = joins
        self._ids = map(str, itertools.count(1))

    def commit(self) -> None:
        """What the database does with the rows."""
        self.before = None

    def roll_back(self) -> None:
        """The same, if they are not committed."""
        if self.before is not None:
            self.kept, self.before = self.before, None

    def _join(self) -> None:
        if self._joins and self.before is None:
            self.before = dict(self.kept)

    @property
    def files(self) -> list[tuple[str, str]]:
        """What is to be done with which file."""
        return [(entry.action, entry.filename) for entry in self.kept.values()]

    def pending(self, storage: str, filename: str) -> str:
        self.calls.append(('pending', filename))
        return self._add(storage, filename, 'created')

    def renamed(self, entry: str, filename: str) -> None:
        self.calls.append(('renamed', filename))
        self.kept[entry] = self.kept[entry]._replace(filename=filename)

    def settle(self, entries: Collection[str], connection: Any = None) -> Collection[str]:
        self.calls.append(('settle', *(self.kept[entry].filename for entry in entries), connection))
        self._join()
        found = [self.kept.pop(entry) for entry in entries]
        return [] if self._joins else [self._add(entry.storage, entry.filename, 'created') for entry in found]

    def unused(self, files: Collection[tuple[str, str]], connection: Any = None) -> list[str]:
        self.calls.append(('unused', *files, connection))
        self._join()
        return [self._add(storage, filename, 'unused') for storage, filename in files]

    def done(self, entries: Collection[str]) -> None:
        self.calls.append(('done', *(self.kept[entry].filename for entry in entries if entry in self.kept)))
        for entry in entries:
            self.kept.pop(entry, None)

    def claim(self, entry: str) -> bool:
        return entry in self.kept

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        return iter([*self.kept.values()])

    def _add(self, storage: str, filename: str, action: Any) -> str:
        entry = next(self._ids)
        self.kept[entry] = Entry(entry, storage, filename, action, datetime.datetime.now(datetime.timezone.utc))
        return entry


@pytest.fixture
def make_journal() -> type[MemoryJournal]:
    return MemoryJournal


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()
