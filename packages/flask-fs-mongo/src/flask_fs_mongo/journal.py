"""The journal of documents: a collection of files that are about to be stored or removed."""

from __future__ import annotations

import datetime
import logging
import secrets
import time
from collections.abc import Collection, Iterator
from typing import Any

from mongoengine.connection import DEFAULT_CONNECTION_NAME, get_db  # type: ignore[import-untyped]  # no type hints
from mongoengine.errors import OperationError  # type: ignore[import-untyped]  # as above

from flask_fs.consistency.journal import Entry

logger = logging.getLogger(__name__)

#: The name of the collection.
COLLECTION = 'fs_journal'


class DocumentJournal:
    """A collection with one document for each file that might have to be removed.

    MongoEngine saves documents outside transactions. So an entry stays until the document is saved, and is renewed right before. If
    the process crashes in between, ``flask fs gc`` checks whether the document refers to the file.

    :param alias: The MongoEngine connection.
    """

    def __init__(self, alias: str = DEFAULT_CONNECTION_NAME) -> None:
        self._alias = alias

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DocumentJournal) and other._alias == self._alias

    def __hash__(self) -> int:
        return hash(self._alias)

    @property
    def _entries(self) -> Any:
        return get_db(self._alias)[COLLECTION]

    def pending(self, storage: str, filename: str) -> str:
        """See :class:`flask_fs.consistency.journal.Journal`, also for the methods below."""
        [entry] = self._write([(storage, filename)], 'created')
        return entry

    def renamed(self, entry: str, filename: str) -> None:
        self._entries.update_one({'_id': entry}, {'$set': {'filename': filename, 'at': _now()}})

    def settle(self, entries: Collection[str], connection: Any = None) -> list[str]:
        mine = {'_id': {'$in': list(entries)}, 'action': 'created'}
        former = list(self._entries.find(mine)) if entries else []
        # For a moment, each entry exists twice, so that there is no moment without it.
        renewed = self._insert([{**document, '_id': _new_id()} for document in former])
        deleted = self._entries.delete_many(mine).deleted_count if former else 0
        if deleted < len(entries):
            self.done(renewed)
            raise OperationError(
                '`flask fs gc` has claimed a file of this document, because the document was not saved within --older-than after '
                'the file was stored. Store the file again, or run gc with a longer --older-than.'
            )
        return renewed

    def unused(self, files: Collection[tuple[str, str]], connection: Any = None) -> list[str]:
        return self._write(files, 'unused')

    def done(self, entries: Collection[str]) -> None:
        if not entries:
            return
        try:
            self._entries.delete_many({'_id': {'$in': list(entries)}})
        except Exception:  # any of pymongo
            logger.exception('%d finished entries of the journal stay until the next flask fs gc', len(entries))

    def claim(self, entry: str) -> bool:
        claimed = self._entries.update_one(
            {'_id': entry, 'action': 'created'}, {'$set': {'action': 'unused', 'at': _now()}}
        )
        return bool(claimed.matched_count)

    def entries(self, older_than_s: float) -> Iterator[Entry]:
        limit = _id_at(time.time_ns() - int(older_than_s * 1e9))
        for document in self._entries.find({'_id': {'$lt': limit}}).sort('_id', 1):
            at = document['at']
            at = at.replace(tzinfo=datetime.timezone.utc) if at.tzinfo is None else at
            yield Entry(document['_id'], document['storage'], document['filename'], document['action'], at)

    def _write(self, files: Collection[tuple[str, str]], action: str) -> list[str]:
        documents = [
            {'_id': _new_id(), 'storage': storage, 'filename': filename, 'action': action, 'at': _now()}
            for storage, filename in files
        ]
        return self._insert(documents)

    def _insert(self, documents: list[dict[str, Any]]) -> list[str]:
        if documents:
            self._entries.insert_many(documents)
        return [str(document['_id']) for document in documents]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _new_id() -> str:
    """A new id, which sorts by time."""
    return _id_at(time.time_ns()) + secrets.token_hex(8)


def _id_at(time_ns: int) -> str:
    return f'{time_ns:016x}'
