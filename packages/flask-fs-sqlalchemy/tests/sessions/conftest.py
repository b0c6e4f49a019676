"""A session in a database of each kind, with the files in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from doc_rows import begin_explicitly
from fixture_types import Database
from session_rows import Base
from sqlalchemy.orm import Session


@pytest.fixture(autouse=True)
def files(docs_in_memory: None) -> None:
    """Every test keeps its files in memory."""


@pytest.fixture
def engine(each_database: Database) -> sa.Engine:
    """A database with the tables, and no rows."""
    engine = each_database(Base)
    begin_explicitly(engine)
    return engine


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session on that database."""
    with Session(engine) as session:
        yield session
