"""Applications with rows of SQLAlchemy, and their processes that are killed."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

import flask_fs as fs
from flask_fs.consistency.sources import sources_of
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn, Journal, init_app

from . import worlds
from .steps import Program, State

__all__ = ['World']


class World(worlds.World):
    """An application with one kind of row.

    :param config: ``database`` (a URL), ``journal`` (that of another database, or None), ``settings`` (of the application).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config, docs=fs.ALL, pictures=fs.IMAGES)
        docs, pictures = self.storages
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
            document: Mapped[Any] = mapped_column(FileColumn(docs, checksum=True, **removed), nullable=True)
            picture: Mapped[Any] = mapped_column(
                ImageColumn(pictures, max_size=16, thumbnails=[8, 4], **removed), nullable=True
            )
            files: Mapped[Any] = mapped_column(FileListColumn(docs, **removed), nullable=True)

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

    def run(self, rng: random.Random, state: State, say: Any) -> None:
        # SQLite has one writer at a time, so no journal can be written while a transaction writes.
        saves_first = self.engine.dialect.name == 'sqlite' and not self.config['journal']
        program = Program(rng, state, saves_first=saves_first)
        while True:
            with self.app.app_context(), Session(self.engine) as session:
                rows = {str(row.id): row for row in session.scalars(select(self.Report).order_by(self.Report.id))}
                program.transaction(session, rows, self, say)

    def seen(self) -> worlds.Seen:
        with self.app.app_context(), Session(self.engine) as session:
            return worlds.look_at(session.scalars(select(self.Report)), *self.storages)

    def close(self) -> None:
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
