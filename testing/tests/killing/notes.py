"""An application without any ORM, whose rows and files are changed together by ``fs.unit()``, without a journal.

What its children leave behind when they are killed is found by ``gc --scan``.
"""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, select
from sqlalchemy.pool import NullPool

import flask_fs as fs
from flask_fs.consistency.sources import Reference, add_source
from flask_fs.stored import StoredFile

from . import worlds
from .steps import MAX_ROWS, NAMES, State, digest

__all__ = ['World']

notes = Table('notes', MetaData(), Column('id', Integer, primary_key=True), Column('filename', String(200)))


class NoteSource:
    """The files of the notes, as ``gc`` and ``fsck`` look at them."""

    journal = None

    def __init__(self, engine: Engine, docs: fs.Storage) -> None:
        self.engine = engine
        self.storages = [docs]

    def references(self) -> Iterator[Reference]:
        with self.engine.connect() as connection:
            for number, filename in connection.execute(select(notes.c.id, notes.c.filename)):
                yield Reference(self.storages[0], StoredFile.of(filename), f'note {number}', number)

    def referenced(self, storage: fs.Storage, names: Collection[str]) -> set[str]:
        with self.engine.connect() as connection:
            return set(connection.scalars(select(notes.c.filename).where(notes.c.filename.in_(names))))

    def holds(self, reference: Reference) -> bool:
        return reference.stored.filename in self.referenced(self.storages[0], [str(reference.stored.filename)])

    def clear(self, reference: Reference) -> bool:
        raise NotImplementedError


class World(worlds.World):
    """An application with notes, each of which has a file."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config, docs=fs.ALL)
        [self.docs] = self.scanned = self.storages
        self.engine = create_engine(config['database'], poolclass=NullPool)
        self.engines = [self.engine]
        notes.metadata.create_all(self.engine)
        self.source = NoteSource(self.engine, self.docs)
        add_source(self.app, self.source)

    def run(self, rng: random.Random, state: State, say: Any) -> None:
        state = copy.deepcopy(state)
        while True:
            before = copy.deepcopy(state)
            try:
                with self.app.app_context(), fs.unit() as unit, self.engine.begin() as connection:
                    for _ in range(rng.choice((1, 1, 2, 3))):
                        _change(rng, self, unit, connection, state)
                    if rng.random() < 0.15:
                        raise LookupError
                    say('intent', state)
                say('committed')
            except LookupError:
                state = before

    def seen(self) -> worlds.Seen:
        state: State = {}
        files: set[tuple[str, str]] = set()
        wrong: list[str] = []
        with self.app.app_context(), self.engine.connect() as connection:
            for number, filename in connection.execute(select(notes)):
                files.add(('docs', filename))
                try:
                    state[str(number)] = {'document': digest(self.docs.read(filename))}
                except fs.FileNotFound:
                    wrong.append(f'note {number}: {filename!r} is missing')
        return state, files, wrong

    def close(self) -> None:
        self.engine.dispose()


def _change(rng: random.Random, world: World, unit: Any, connection: Any, state: State) -> None:
    number = int(rng.choice(sorted(state))) if state else None
    former = number and connection.scalar(select(notes.c.filename).where(notes.c.id == number))
    if number is None or (len(state) < MAX_ROWS and rng.random() < 0.3):
        number, former = rng.randrange(1, 2**31), None
        connection.execute(notes.insert().values(id=number, filename=''))
    elif rng.random() < 0.25:
        connection.execute(notes.delete().where(notes.c.id == number))
        unit.remove(world.docs, former)
        del state[str(number)]
        return
    content = rng.randbytes(rng.choice((0, 10, 5000, 70_000)))
    filename = unit.save(world.docs, io.BytesIO(content), rng.choice(NAMES))
    connection.execute(notes.update().where(notes.c.id == number).values(filename=filename))
    if former:
        unit.remove(world.docs, former)
    state[str(number)] = {'document': digest(content)}
