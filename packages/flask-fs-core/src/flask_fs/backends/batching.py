"""Many items by batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """*items* in lists of *size*, of which the last may be shorter; lazily, as ``itertools.batched`` of Python 3.12."""
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch
        # Freed before the next items arrive, if the caller has no use for it either.
        del batch
