"""The unit of work that the files of a row belong to."""

from __future__ import annotations

from typing import Any


def unit_of(instance: Any) -> Any:
    """The unit of work of the row *instance*; None for no unit, so that its files are stored and removed at once."""
    return None
