"""One page of a folder by one query: the server reduces the names in its index to entries, and adds their documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .documents import Document, age_of
from .store import Store, beginning_with

#: How many names the server looks at for each entry that is requested: a page of folders with fewer files is full.
NAMES_PER_ENTRY = 100


class Entry(NamedTuple):
    """What is directly in a folder.

    :param name: Below the folder; that of a subfolder ends with a slash.
    :param newest: The document of a file; None for a subfolder.
    """

    name: str
    newest: Document | None


def page(store: Store, prefix: str, after: str | None, limit: int) -> tuple[list[Entry], str | None]:
    """Up to *limit* entries of a folder, and the one after which the next page begins, if there may be one."""
    scanned = limit * NAMES_PER_ENTRY
    # One more than the page has, and one for what has no name.
    pipeline = _pipeline(store.files.name, prefix, _range(prefix, after), scanned, limit + 2)
    with store.files.aggregate(pipeline, allowDiskUse=True) as cursor:
        found = list(cursor)
    named = [group for group in found if group['_id']]
    entries = [entry for group in named[:limit] if (entry := _entry(group)) is not None]
    is_last = len(named) <= limit and sum(group['names'] for group in found) < scanned
    return entries, None if is_last or not named else named[:limit][-1]['_id']


def _range(prefix: str, after: str | None) -> Mapping[str, Any]:
    """The condition on names: under *prefix*, and behind the entry *after* with all that is in it."""
    names: dict[str, Any] = beginning_with(prefix)['filename']
    if after is not None:
        del names['$gte']
        # A zero is the character that follows the slash.
        names |= {'$gte': f'{prefix}{after[:-1]}0'} if after.endswith('/') else {'$gt': prefix + after}
    return names


def _pipeline(collection: str, prefix: str, names: Mapping[str, Any], scanned: int, limit: int) -> list[dict[str, Any]]:
    depth = prefix.count('/')
    # Other programs may have stored a list of texts, which a range matches too, and which cannot be split.
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
    # It may have been removed between the two stages.
    return Entry(name, max(revisions, key=age_of)) if revisions else None
