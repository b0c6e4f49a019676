"""What a check measured, and which sizes it tried: shown in the report, whether the check passed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_fs.backends import CHUNK_BYTES

if TYPE_CHECKING:
    from .harness import Harness

#: What was measured, by its kind: ``requests`` (how many, by operation), ``allowed`` (the maximum of these), ``moved`` (bytes, by operation), ``sizes`` (of
#: the files tried, in bytes, by class) and ``open`` (what was left open, by its kind).
Measurements = dict[str, dict[str, int]]


def record(harness: Harness, kind: str, **values: int) -> None:
    """Note *values* as what the current check measured, of several the largest; each check has a harness of its own."""
    noted = recorded(harness).setdefault(kind, {})
    noted |= {key: max(value, noted.get(key, value)) for key, value in values.items()}


def recorded(harness: Harness) -> Measurements:
    """All that was noted with :func:`record`."""
    # Harnesses need not call the __init__ of their base.
    noted: Measurements = vars(harness).setdefault('_measurements', {})
    return noted


def sizes_of(harness: Harness, *, min_bytes: int = 0) -> dict[str, int]:
    """A size of file for each class that a promise about content has to hold for, in bytes; noted as tried.

    ``small`` fits into any buffer, ``border`` is just where a file is split, and ``parts`` takes several parts.

    :param min_bytes: The minimum of the largest one.
    """
    border = max(harness.part_sizes, default=CHUNK_BYTES)
    parts = border + min(harness.part_sizes, default=CHUNK_BYTES) + 5
    sizes = {'small': 10, 'border': border, 'parts': max(parts, min_bytes)}
    record(harness, 'sizes', **sizes)
    return sizes
