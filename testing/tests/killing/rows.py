"""Applications with rows of SQLAlchemy, their children that are killed, and how to look at what those leave."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import sources_of
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn, Journal, init_app

from .boundaries import Boundaries
from .steps import Program, State, color_of, digest

__all__ = ['World', 'live', 'look_at']


class World:
    """An application with one kind of row.

    :param config: ``database`` (a URL), ``journal`` (that of another database, or None), ``settings`` (of the application).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.app = Flask('killing')
        self.app.config.update(config['settings'])
        self.docs = fs.Storage('docs', fs.ALL, overwrite=True)
        self.pictures = fs.Storage('pictures', fs.IMAGES, overwrite=True)
        fs.init_app(self.app, self.docs, self.pictures)
        self.engine = create_engine(config['database'], poolclass=NullPool)
        if self.engine.dialect.name == 'sqlite' and config['journal']:
            _begin_explicitly(self.engine)
        self.engines = [self.engine]

        class Base(DeclarativeBase):
            pass

        removed = {'on_delete': 'remove', 'on_replace': 'remove'}

        class Report(Base):
            __tablename__ = 'reports'
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            document: Mapped[Any] = mapped_column(FileColumn(self.docs, checksum=True, **removed), nullable=True)
            picture: Mapped[Any] = mapped_column(
                ImageColumn(self.pictures, max_size=16, thumbnails=[8, 4], **removed), nullable=True
            )
            files: Mapped[Any] = mapped_column(FileListColumn(self.docs, **removed), nullable=True)

        self.Report = Report
        options = {}
        if config['journal']:
            self.engines.append(create_engine(config['journal'], poolclass=NullPool))
            options['bind'] = self.engines[1]
        metadata = Base.metadata
        self.journal = Journal(metadata, **options)
        metadata.create_all(self.engine)
        for engine in self.engines[1:]:
            metadata.create_all(engine)
        init_app(self.app, self.engine, journal=self.journal)
        [self.source] = sources_of(self.app)

    #: The storages that gc looks through for files to which nothing refers: the journal knows all of them.
    scanned: Collection[fs.Storage] = ()

    @property
    def storages(self) -> list[fs.Storage]:
        """All of them."""
        return [self.docs, self.pictures]

    @property
    def saves_first(self) -> bool:
        """Whether the journal cannot be written to while a transaction writes: SQLite has one writer at a time."""
        return self.engine.dialect.name == 'sqlite' and not self.config['journal']

    @property
    def ports(self) -> set[int]:
        """Those of the servers that it uses."""
        urls = [self.config['database'], *map(str, self.config['settings'].values())]
        return {port for url in urls if '://' in url and (port := urlsplit(url).port)}

    def seen(self) -> tuple[State, set[tuple[str, str]], list[str]]:
        """What the rows are, the files to which they refer, and what is wrong with these. A file that is missing has no content."""
        with self.app.app_context(), Session(self.engine) as session:
            return look_at(session.scalars(select(self.Report)), self.docs, self.pictures)

    def close(self) -> None:
        """Disconnect."""
        for engine in self.engines:
            engine.dispose()


def _begin_explicitly(engine: Engine) -> None:
    """Let savepoints be within a transaction: by itself, the driver begins one only with the first change of a row."""

    @event.listens_for(engine, 'connect')
    def let_it_be(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, 'begin')
    def begin(connection: Any) -> None:
        connection.exec_driver_sql('BEGIN')


def look_at(
    rows: Iterable[Any], docs: fs.Storage, pictures: fs.Storage
) -> tuple[State, set[tuple[str, str]], list[str]]:
    """What *rows* or documents are, the files to which they refer, and what is wrong with these."""
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


def live(request: dict[str, Any], say: Any) -> None:
    """Do random transactions until the process is killed; or run gc, if that is requested."""
    rng = random.Random(request['seed'])
    world = World(request['config'])
    boundaries = Boundaries(rng, request, lambda kind: say('at', kind))
    program = Program(rng, request['state'], saves_first=world.saves_first)
    with world.app.app_context():
        for number, engine in enumerate(world.engines):
            boundaries.watch_engine(engine, ('database', 'journal')[number])
        for storage in world.storages:
            storage.exists('a.txt')
            boundaries.watch_backend(storage.backend)
    boundaries.start()
    if request['gc']:
        list(collect(world.app, older_than_s=0, scan=world.scanned))
        return
    while True:
        with world.app.app_context(), Session(world.engine) as session:
            rows = {str(row.id): row for row in session.scalars(select(world.Report).order_by(world.Report.id))}
            program.transaction(session, rows, world, say)
