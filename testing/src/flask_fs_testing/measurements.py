"""Measurements of a check, and the sizes that it used. The report shows them, whether the check passed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_fs.backends import CHUNK_BYTES

if TYPE_CHECKING:
    from .harness import Harness

#: Measurements by kind: ``requests`` (how many, by operation), ``allowed`` (their maximum), ``moved`` (bytes, by operation), ``sizes`` (of
#: files, in bytes, by class) and ``open`` (what was left open, by kind).
Measurements = dict[str, dict[str, int]]


def record(harness: Harness, kind: str, **values: int) -> None:
    """Record *values* as measurements of the current check, which has its own harness; the largest value counts."""
    noted = recorded(harness).setdefault(kind, {})
    noted |= {key: max(value, noted.get(key, value)) for key, value in values.items()}


def recorded(harness: Harness) -> Measurements:
    """Everything recorded with :func:`record`."""
    # Harnesses need not call the __init__ of their base.
    noted: Measurements = vars(harness).setdefault('_measurements', {})
    return noted


def sizes_of(harness: Harness, *, min_bytes: int = 0) -> dict[str, int]:
    """A file size in bytes for each class of sizes in which guarantees about content have to hold; recorded for the report.

    ``small`` fits into any buffer, ``border`` is exactly where a file is split, and ``parts`` takes several parts.

    :param min_bytes: The minimum of the largest one.
    """
    border = max(harness.part_sizes, default=CHUNK_BYTES)
    parts = border + min(harness.part_sizes, default=CHUNK_BYTES) + 5
    sizes = {'small': 10, 'border': border, 'parts': max(parts, min_bytes)}
    record(harness, 'sizes', **sizes)
    return sizes
