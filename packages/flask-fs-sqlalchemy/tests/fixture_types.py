"""The types of fixtures that are functions."""

from __future__ import annotations

import io
from collections.abc import Callable

from sqlalchemy import Engine

#: Creates engines, like ``create_engine``, that are disposed of after the test.
Engines = Callable[..., Engine]
#: Creates the tables of a base, and returns the engine: ``database(Base)``.
Database = Callable[..., Engine]
#: Draws a picture: ``picture(width, height)``.
Picture = Callable[..., io.BytesIO]
