"""Pages of what is directly in a folder, where the store has no such listing itself."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from .contract import FileInfo, Folder

#: How many entries a page has at most: the limit of S3.
MAX_LIMIT = 1000


def check_limit(limit: int) -> None:
    """:raises ValueError: If *limit* is no number of entries that every store can give."""
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f'limit must be a whole number from 1 to {MAX_LIMIT}, not {limit!r}')


def check_after(after: object) -> None:
    """:raises ValueError: If *after* cannot be the ``next`` of a page, such as one that comes from a visitor."""
    if after is not None and (not isinstance(after, str) or any('\ud800' <= letter <= '\udfff' for letter in after)):
        raise ValueError(f'after must be the `next` of a page, not {after!r}')


def page_of(files: Iterable[FileInfo], prefix: str, after: str | None, limit: int) -> Folder:
    """One page of the folder whose names begin with *prefix*, of all *files* under it, whose order does not matter.

    All of them are looked at for each page; no more than a page is kept.

    :param after: The last entry of the page before, below *prefix*; a folder ends with a slash.
    """
    entries: dict[str, FileInfo | None] = {}
    for info in files:
        entry, slash, _ = info.name[len(prefix) :].partition('/')
        if after is None or entry + slash > after:
            entries[entry + slash] = None if slash else info
            if len(entries) > 2 * MAX_LIMIT:
                entries = {kept: entries[kept] for kept in heapq.nsmallest(limit + 1, entries)}
    names = heapq.nsmallest(limit + 1, entries)
    page = names[:limit]
    return Folder(
        files=[file for name in page if (file := entries[name]) is not None],
        folders=[prefix + name[:-1] for name in page if entries[name] is None],
        next=page[-1] if len(names) > limit else None,
    )
