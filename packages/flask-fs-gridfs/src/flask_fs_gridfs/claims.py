"""Claims: replacing one specific revision of a file."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from .documents import SHARED_SLOTS, SUCCESSOR, SUCCESSOR_KEY, Document, hidden_name, now_after
from .retries import retry_once
from .store import Store


def claim(store: Store, document: Document, successor: ObjectId) -> bool:
    """Claim a revision for *successor*; false if it is gone, has changed, or was replaced or claimed by others."""
    version: dict[str, Any] = {'_id': document['_id']}
    if not isinstance(document['_id'], ObjectId):
        # Other programs use ids of other types, and can reuse them.
        version = {field: {'$eq': document.get(field)} for field in ('_id', 'uploadDate', 'length')}
    where = {**version, 'filename': document['filename'], **store.unclaimed}
    claimed = {'slots': list(SHARED_SLOTS), SUCCESSOR_KEY: successor}
    fields: dict[str, Any] = {f'metadata.{key}': value for key, value in claimed.items()}
    if not isinstance(document.get('metadata', {}), Mapping):
        fields = {'metadata': claimed}

    def update() -> int:
        return store.files.update_one(where, {'$set': fields}).matched_count

    def update_if_missing() -> bool:
        # The update may have been applied although the response was lost. Others may even have completed the claim.
        mine = {'_id': {'$eq': document['_id']}, SUCCESSOR: successor}
        return bool(
            update()
            or store.files.find_one(mine, {'_id': 1}) is not None
            or not store.has(successor, hidden_name(successor))
        )

    try:
        return bool(retry_once(update, update_if_missing))
    except DuplicateKeyError:
        # Another writer has replaced it.
        return False


def reveal(store: Store, document: Document, successor: ObjectId) -> datetime.datetime:
    """Give the successor of a claimed revision its name, unless others were faster, and return its date."""
    date = now_after(document)
    where = {'_id': successor, 'filename': hidden_name(successor)}
    fields = {'filename': document['filename'], 'uploadDate': date}
    retry_once(lambda: store.files.update_one(where, {'$set': fields}))
    return date


def complete(store: Store, document: Document, successor: ObjectId) -> None:
    """Reveal the successor of a claimed revision, or end the claim if its writer has given up."""
    reveal(store, document, successor)
    if not store.has(successor, document['filename']):
        where = {'_id': {'$eq': document['_id']}, SUCCESSOR: successor}
        retry_once(lambda: store.files.update_one(where, {'$unset': {SUCCESSOR: ''}}))
