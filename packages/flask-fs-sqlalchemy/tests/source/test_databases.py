"""The database and the journal of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fixture_types import Engines
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from report_rows import Base, Report, docs, found, insert, source_of
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from flask_fs.consistency.sources import sources_of
from flask_fs.errors import ConfigurationError
from flask_fs_sqlalchemy import FileColumn, Journal, init_app
from flask_fs_sqlalchemy.journals import journal_of
from flask_fs_sqlalchemy.source import RowSource


class Unbound(DeclarativeBase):
    pass


class Elsewhere(Unbound):
    __tablename__ = 'elsewhere'
    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)


def test_each_kind_of_session_finds_its_database(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)
    insert(sqlite, document='a.txt')
    with sqlite.connect() as connection, Session(sqlite) as session:
        registry = scoped_session(sessionmaker(sqlite))
        for bind in (sqlite, connection, session, registry, sessionmaker(sqlite)):
            assert [name for _, _, name in found(source_of(bind))] == ['a.txt']
        registry.remove()


def test_the_databases_of_flask_sqlalchemy_are_found(app: Flask, tmp_path: Path) -> None:
    app.config.update(
        SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/main.db',
        SQLALCHEMY_BINDS={'other': f'sqlite:///{tmp_path}/other.db'},
    )

    db = SQLAlchemy()

    class Here(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    class There(db.Model):  # type: ignore[name-defined]  # made by Flask-SQLAlchemy
        __bind_key__ = 'other'
        id: Mapped[int] = mapped_column(primary_key=True)
        document: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)

    journal = Journal(db.metadata)
    db.init_app(app)
    db.create_all()
    for given in (db, db.session):
        init_app(app, given, journal=journal, models=[Here, There])
    db.session.add_all([Here(document='a.txt'), There(document='b.txt')])
    db.session.commit()
    [source] = sources_of(app)
    assert isinstance(source, RowSource)

    assert found(source) == [('document of Here 1', 'docs', 'a.txt'), ('document of There 1', 'docs', 'b.txt')]
    assert source.journal is not None
    source.journal.pending('docs', 'c.txt')
    with db.engine.connect() as connection:
        assert connection.execute(sa.select(journal.table.c.filename)).scalars().all() == ['c.txt']
    assert not sa.inspect(db.engines['other']).has_table('fs_journal')
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()


def test_a_session_without_a_database_for_a_model_is_an_error(sqlite: sa.Engine) -> None:
    """Else its files would look as if nothing referred to them."""
    source = RowSource(sessionmaker(binds={Base: sqlite}), models=[Base, Unbound])

    with pytest.raises(ConfigurationError, match=r'no database for Elsewhere.*models='):
        source.referenced(docs, ['a.txt'])


def test_models_that_are_not_concerned_are_left_out(sqlite: sa.Engine) -> None:
    Base.metadata.create_all(sqlite)

    assert RowSource(sessionmaker(binds={Base: sqlite}), models=[Base]).referenced(docs, ['a.txt']) == set()


def test_an_asynchronous_engine_is_refused(tmp_path: Path) -> None:
    engine = create_async_engine(f'sqlite+aiosqlite:///{tmp_path}/x.db')
    with pytest.raises(TypeError, match='synchronous driver'):
        RowSource(engine)
    with pytest.raises(ConfigurationError, match='synchronous driver'):
        RowSource(engine.sync_engine, models=[Report]).referenced(docs, ['a.txt'])


def test_the_last_of_two_calls_for_one_session_counts(app: Flask, sqlite: sa.Engine) -> None:
    init_app(app, sqlite, models=[Report])
    init_app(app, sqlite, journal=Journal(sa.MetaData()), models=[Report])

    [source] = sources_of(app)
    assert source.journal is not None
    init_app(app, sqlite, models=[Report])
    assert journal_of(Report()) is None


def test_the_journal_of_a_row_is_that_of_its_model(
    app: Flask, sqlite: sa.Engine, engines: Engines, tmp_path: Path
) -> None:
    other = engines(f'sqlite:///{tmp_path}/other.db')
    init_app(app, sqlite, journal=Journal(sa.MetaData(), 'first'), models=[Base])
    init_app(app, other, journal=Journal(sa.MetaData(), 'second'), models=[Unbound])

    with Session(other) as session:
        row = Elsewhere()
        assert (journal := journal_of(row)) is not None
        assert journal.engine is other
        assert journal._journal.table.name == 'second'
        session.add(row)
        assert (journal := journal_of(row)) is not None
        assert journal._session() is session


def test_there_is_no_journal_without_an_application() -> None:
    assert journal_of(Report()) is None
