"""What a check measured, and which sizes it tried: shown in the report, whether the check passed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_fs.backends import CHUNK_BYTES

if TYPE_CHECKING:
    from .harness import Harness

#: What was measured, by its kind: ``requests`` (how many, by operation), ``moved`` (bytes, by operation), ``sizes`` (of
#: the files tried, in bytes, by class) and ``open`` (files, threads and connections that were left, by operation).
Measurements = dict[str, dict[str, int]]


def record(harness: Harness, kind: str, **values: int) -> None:
    """Note *values* as what the current check measured; each check has a harness of its own."""
    recorded(harness).setdefault(kind, {}).update(values)


def recorded(harness: Harness) -> Measurements:
    """All that was noted with :func:`record`."""
    # Harnesses need not call the __init__ of their base.
    noted: Measurements = vars(harness).setdefault('_measurements', {})
    return noted


def sizes_of(harness: Harness) -> dict[str, int]:
    """A size of file for each class that a promise about content has to hold for, in bytes; noted as tried.

    ``small`` fits into any buffer, ``border`` is just where a file is split, and ``parts`` takes several parts.
    """
    border = max(harness.part_sizes, default=CHUNK_BYTES)
    sizes = {'small': 10, 'border': border, 'parts': border + min(harness.part_sizes, default=CHUNK_BYTES) + 5}
    record(harness, 'sizes', **sizes)
    return sizes
