"""Pages of a folder's direct contents, for stores without such a listing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from .contract import FileInfo, Folder

#: The maximum number of entries of a page: the limit of S3.
MAX_LIMIT = 1000


def check_limit(limit: int) -> None:
    """:raises ValueError: If *limit* is not a page size that every store supports."""
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f'limit must be a whole number from 1 to {MAX_LIMIT}, not {limit!r}')


def check_after(after: object) -> None:
    """:raises ValueError: If *after*, which can come from a visitor, cannot be the ``next`` of a page."""
    if after is not None and (not isinstance(after, str) or any('\ud800' <= letter <= '\udfff' for letter in after)):
        raise ValueError(f'after must be the `next` of a page, not {after!r}')


def page_of(files: Iterable[FileInfo], prefix: str, after: str | None, limit: int) -> Folder:
    """One page of the folder with the name *prefix*, from all *files* under it, in any order.

    Each page goes through all of them, but keeps little more than one page in memory.

    :param after: The last entry of the previous page, relative to *prefix*. A folder ends with a slash.
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
