"""What the applications that are killed have in common, and how to look at what their processes leave."""

from __future__ import annotations

import abc
import random
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

import flask_fs as fs
from flask_fs.consistency.gc import collect

from .boundaries import Boundaries
from .steps import State, color_of, digest

__all__ = ['World', 'live', 'look_at']

#: The rows, the files that they refer to, and what is wrong with these.
Seen = tuple[State, set[tuple[str, str]], list[str]]


class World(abc.ABC):
    """An application whose files belong to something in a database.

    :param config: ``database`` (a URL), ``settings`` (of the application), and what a subclass needs besides.
    :param extensions: The extensions of each storage, by its name.
    """

    #: The engines of SQLAlchemy whose statements are boundaries.
    engines: Sequence[Any] = ()
    #: The storages that gc looks through for files to which nothing refers: a journal has all of them.
    scanned: Collection[fs.Storage] = ()

    def __init__(self, config: dict[str, Any], **extensions: Any) -> None:
        self.config = config
        self.app = Flask('killing')
        self.app.config.update(config['settings'])
        self.storages = [fs.Storage(name, allowed, overwrite=True) for name, allowed in extensions.items()]
        fs.init_app(self.app, *self.storages)

    @property
    def ports(self) -> set[int]:
        """The ports of the servers that it uses."""
        urls = [self.config['database'], *map(str, self.config['settings'].values())]
        return {port for url in urls if '://' in url and (port := urlsplit(url).port)}

    @abc.abstractmethod
    def run(self, rng: random.Random, state: State, say: Any) -> None:
        """Do random transactions, beginning with *state*, until the process is killed."""

    @abc.abstractmethod
    def seen(self) -> Seen:
        """What there is. A file that is missing has no content."""

    @abc.abstractmethod
    def close(self) -> None:
        """Disconnect."""


def live(world: World, request: dict[str, Any], say: Any) -> None:
    """Do random transactions until the process is killed; or run gc, if that is requested."""
    rng = random.Random(request['seed'])
    boundaries = Boundaries(rng, request, lambda kind: say('at', kind))
    with world.app.app_context():
        for number, engine in enumerate(world.engines):
            boundaries.watch_engine(engine, ('database', 'journal')[number])
        for storage in world.storages:
            storage.exists('a.txt')
            boundaries.watch_backend(storage.backend)
    boundaries.start()
    if request['gc']:
        list(collect(world.app, older_than_s=0, scan=world.scanned))
    else:
        world.run(rng, request['state'], say)


def look_at(rows: Iterable[Any], docs: fs.Storage, pictures: fs.Storage) -> Seen:
    """What *rows* or documents are, the files that they refer to, and what is wrong with these."""
    state: State = {}
    files: set[tuple[str, str]] = set()
    wrong: list[str] = []
    for row in rows:
        parts = [(docs, row.document), (pictures, row.picture), *((docs, item) for item in row.files)]
        contents: list[Any] = []
        for storage, reference in parts:
            names = list(reference.stored.files())
            files.update((storage.name, name) for name in names)
            read = [_read(storage, name, wrong, f'row {row.id}') for name in names]
            if storage is pictures:
                colors = {None if content is None else color_of(content) for content in read}
                if len(colors) > 1:
                    wrong.append(f'row {row.id}: the picture and its thumbnails differ: {names}, {colors}')
                contents.append(next(iter(colors)) if colors else None)
            else:
                contents.append(digest(read[0]) if read and read[0] is not None else None)
        state[str(row.id)] = {'document': contents[0], 'picture': contents[1], 'files': contents[2:]}
    return state, files, wrong


def _read(storage: fs.Storage, name: str, wrong: list[str], where: str) -> bytes | None:
    try:
        return storage.read(name)
    except fs.FileNotFound:
        wrong.append(f'{where}: {name!r} is missing in {storage.name!r}')
        return None
