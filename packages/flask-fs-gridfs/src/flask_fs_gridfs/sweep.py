"""Removing the remains of uploads whose process died: chunks without a file, and files under hidden names."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from bson import ObjectId, encode
from bson.errors import BSONError

from flask_fs.backends import batched

from .documents import HIDDEN_PREFIX, date_of
from .store import Store, beginning_with

#: How many uploads are looked up at a time.
PAGE_SIZE = 1000


def sweep(store: Store, older_than_s: float) -> int:
    """Remove the chunks of unfinished uploads that sent nothing for that long, and return the number of uploads."""
    swept = 0
    _drop_successors(store, older_than_s)
    for ids in batched(_uploads(store), PAGE_SIZE):
        # Looked up before the age, because an upload that finishes in between has just sent its last chunk.
        finished = {_hashable(document['_id']) for document in store.files.find({'_id': {'$in': ids}}, {'_id': 1})}
        unfinished = [file_id for file_id in ids if _hashable(file_id) not in finished]
        stale = list(_stale(store, unfinished, older_than_s)) if unfinished else []
        if stale:
            store.chunks.delete_many({'files_id': {'$in': stale}})
        swept += len(stale)
    return swept


def _drop_successors(store: Store, older_than_s: float) -> None:
    """Remove the documents of stale uploads that did not complete the replacement of a specific version."""
    found = store.files.find(beginning_with(HIDDEN_PREFIX), {'uploadDate': 1})
    stale = [document['_id'] for document in found if _is_older(date_of(document), older_than_s)]
    for ids in batched(stale, PAGE_SIZE):
        # Skip a document if a writer is giving it its name right now.
        store.files.delete_many({'_id': {'$in': ids}, **beginning_with(HIDDEN_PREFIX)})


def _is_older(date: datetime.datetime | None, older_than_s: float) -> bool:
    """Whether a date is that long ago, according to the clock of this host."""
    return date is not None and (datetime.datetime.now(datetime.timezone.utc) - date).total_seconds() > older_than_s


def _uploads(store: Store) -> Iterator[Any]:
    """The id of every file that has chunks, from their index."""
    pipeline: list[dict[str, Any]] = [{'$sort': {'files_id': 1, 'n': 1}}, {'$group': {'_id': '$files_id'}}]
    with store.chunks.aggregate(pipeline, allowDiskUse=True, batchSize=PAGE_SIZE) as cursor:
        for document in cursor:
            if _can_be_sent(document['_id']):
                yield document['_id']


def _stale(store: Store, ids: list[Any], older_than_s: float) -> Iterator[Any]:
    """The uploads among *ids* whose last chunk was sent that long ago."""
    pipeline: list[dict[str, Any]] = [
        {'$match': {'files_id': {'$in': ids}}},
        {'$group': {'_id': '$files_id', 'last': {'$max': '$_id'}}},
    ]
    with store.chunks.aggregate(pipeline, allowDiskUse=True) as cursor:
        for found in cursor:
            last = found['last']
            # The ids of other programs' chunks might not contain a time.
            if isinstance(last, ObjectId) and _is_older(last.generation_time, older_than_s):
                yield found['_id']


def _can_be_sent(file_id: Any) -> bool:
    # Text that is not UTF-8 can be received, but not sent.
    try:
        _hashable(file_id)
    except (BSONError, UnicodeEncodeError):
        return False
    return True


def _hashable(file_id: Any) -> bytes:
    # Other programs can use any type of id, such as dictionaries.
    return encode({'_id': file_id})
