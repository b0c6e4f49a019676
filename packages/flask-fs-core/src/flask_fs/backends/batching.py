"""Split many items into batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """*items* in lists of *size*, lazily, like ``itertools.batched`` of Python 3.12. The last list can be shorter."""
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch
        # Release the batch before the next one is collected, if the caller doesn't use it anymore.
        del batch
