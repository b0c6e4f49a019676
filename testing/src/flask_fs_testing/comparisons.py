"""Comparisons of large content, which show only where it differs.

In verbose mode or in CI, pytest compares content line by line, which takes minutes for a few mebibytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

# There is no public API to disable pytest's comparison.
from _pytest.assertion import util

#: Values with text of at least this length are not compared by pytest.
LARGE = 20_000
#: How many characters of a value are shown.
_SHOWN = 40


@contextlib.contextmanager
def brief_comparisons() -> Generator[None]:
    """In the ``with`` block, a failed assertion is explained quickly, however large the values are."""
    compare = util._reprcompare
    if compare is None:
        yield
        return

    def brief(operator: str, left: Any, right: Any) -> str | None:
        if _size(left) + _size(right) < LARGE:
            return compare(operator, left, right)
        # pytest formats it again.
        return f'{_shown(left)} {operator} {_shown(right)}{_difference(left, right)}'.replace('%', '%%')

    util._reprcompare = brief
    try:
        yield
    finally:
        util._reprcompare = compare


def _size(value: Any) -> int:
    return len(repr(value)) if isinstance(value, (bytes, bytearray, str, list, tuple, dict, set, frozenset)) else 0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}… ({len(value)} in all)'


def _difference(left: Any, right: Any) -> str:
    if not isinstance(left, (bytes, bytearray)) or not isinstance(right, (bytes, bytearray)):
        return ''
    pairs = enumerate(zip(left, right, strict=False))
    at = next((number for number, (one, other) in pairs if one != other), min(len(left), len(right)))
    return f'\n~The first difference is at byte {at}: {left[at : at + 20]!r}, and {right[at : at + 20]!r}'
