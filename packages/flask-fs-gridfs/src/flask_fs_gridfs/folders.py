"""One page of a folder in one query: the server groups the names in its index into entries, and adds documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .documents import Document, age_of
from .store import Store, beginning_with

#: How many names the server scans for each requested entry. A page is full if its folders have fewer files than this.
NAMES_PER_ENTRY = 100


class Entry(NamedTuple):
    """A file or subfolder directly in a folder.

    :param name: The name within the folder. The name of a subfolder ends with a slash.
    :param newest: The document of a file; None for a subfolder.
    """

    name: str
    newest: Document | None


def page(store: Store, prefix: str, after: str | None, limit: int) -> tuple[list[Entry], str | None]:
    """Up to *limit* entries of a folder, and the entry after which the next page begins, if there might be one."""
    scanned = limit * NAMES_PER_ENTRY
    # One more than the page has, and one for documents without a name.
    pipeline = _pipeline(store.files.name, prefix, _range(prefix, after), scanned, limit + 2)
    with store.files.aggregate(pipeline, allowDiskUse=True) as cursor:
        found = list(cursor)
    named = [group for group in found if group['_id']]
    entries = [entry for group in named[:limit] if (entry := _entry(group)) is not None]
    is_last = len(named) <= limit and sum(group['names'] for group in found) < scanned
    return entries, None if is_last or not named else named[:limit][-1]['_id']


def _range(prefix: str, after: str | None) -> Mapping[str, Any]:
    """The condition for names under *prefix* and after the entry *after* and everything in it."""
    names: dict[str, Any] = beginning_with(prefix)['filename']
    if after is not None:
        del names['$gte']
        # The character after the slash is 0.
        names |= {'$gte': f'{prefix}{after[:-1]}0'} if after.endswith('/') else {'$gt': prefix + after}
    return names


def _pipeline(collection: str, prefix: str, names: Mapping[str, Any], scanned: int, limit: int) -> list[dict[str, Any]]:
    depth = prefix.count('/')
    # Other programs can store a list of strings, which a range also matches, but which cannot be split.
    parts = {'$split': [{'$cond': [{'$isArray': '$filename'}, '', '$filename']}, '/']}
    is_folder = {'$gt': [{'$size': parts}, depth + 1]}
    entry = {'$concat': [{'$ifNull': [{'$arrayElemAt': [parts, depth]}, '']}, {'$cond': [is_folder, '/', '']}]}
    # No file has an empty name, so nothing is added to folders.
    file = {'$cond': [is_folder, '', '$filename']}
    return [
        {'$match': {'filename': names}},
        {'$sort': {'filename': 1}},
        {'$limit': scanned},
        {'$group': {'_id': entry, 'names': {'$sum': 1}, 'file': {'$first': file}}},
        {'$sort': {'_id': 1}},
        {'$limit': limit},
        {'$lookup': {'from': collection, 'localField': 'file', 'foreignField': 'filename', 'as': 'revisions'}},
    ]


def _entry(group: Document) -> Entry | None:
    name = group['_id']
    if name.endswith('/'):
        return Entry(name, None)
    revisions = [document for document in group['revisions'] if document['filename'] == group['file']]
    # The file might have been removed between the two stages.
    return Entry(name, max(revisions, key=age_of)) if revisions else None
