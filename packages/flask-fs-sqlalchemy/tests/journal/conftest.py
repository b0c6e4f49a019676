"""Databases with the table of a journal."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from fixture_types import Database, Engines
from journal_table import Base


@pytest.fixture
def engine(each_database: Database) -> sa.Engine:
    """A database with the table of the journal, and one of rows."""
    return each_database(Base)


@pytest.fixture(params=['sqlite', pytest.param('postgres', marks=pytest.mark.server)])
def joining(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> sa.Engine:
    """A database in which entries are settled in the transaction of the rows."""
    url = f'sqlite:///{tmp_path}/rows.db' if request.param == 'sqlite' else request.getfixturevalue('postgres_url')
    engine = engines(url)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def sqlite(tmp_path: Path, engines: Engines) -> sa.Engine:
    """The same in SQLite. No one waits for a lock, so that a test ends at once."""
    engine = engines(f'sqlite:///{tmp_path}/other.db', connect_args={'timeout': 0})
    Base.metadata.create_all(engine)
    return engine
