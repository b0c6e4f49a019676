"""Databases for reports, with the files in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from fixture_types import Database, Engines
from flask import Flask
from report_rows import Base, docs, images

import flask_fs as fs


@pytest.fixture(autouse=True)
def storages(app: Flask) -> None:
    fs.init_app(app, docs, images)


@pytest.fixture
def engine(each_database: Database) -> sa.Engine:
    return each_database(Base)


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    return engines(f'sqlite:///{tmp_path}/sqlite.db')
