"""Sessions of an application with a journal."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from fixture_types import Database, Engines
from flask import Flask
from journaled_rows import Base, Statements, docs, journal
from sqlalchemy.orm import Session, sessionmaker

import flask_fs as fs
from flask_fs_sqlalchemy import init_app


@pytest.fixture(autouse=True)
def storage(app: Flask) -> None:
    fs.init_app(app, docs)


@pytest.fixture
def engine(each_database: Database) -> sa.Engine:
    return each_database(Base)


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    engine = engines(f'sqlite:///{tmp_path}/other.db')
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sessions(app: Flask, engine: sa.Engine) -> sessionmaker[Session]:
    """Sessions of an application with a journal."""
    made = sessionmaker(engine)
    init_app(app, made, journal=journal, models=[Base])
    return made


@pytest.fixture
def statements(engine: sa.Engine) -> Statements:
    return Statements(engine)
