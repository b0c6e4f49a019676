"""Writing: chunks first, then the document that makes a file visible, and last the removal of what it replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from bson import ObjectId
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, NetworkTimeout

from .documents import (
    BOTH_SLOTS,
    SLOTS,
    Document,
    date_of,
    has_own_slots,
    metadata_of,
    mime_after_rename,
    now_after,
    slots_of,
)
from .failures import Crowded, Taken, Vanished
from .store import Store

T = TypeVar('T')
#: How often to begin again when other writers of the same name come first; each time one of them has succeeded.
ATTEMPTS = 100
_DUPLICATE = 11000


class Writer:
    """Changes the files of *store*.

    :param slots: Whether the server keeps slots apart. Without that, creating a file looks first and can lose a race.
    """

    def __init__(self, store: Store, *, slots: bool) -> None:
        self._store = store
        self._slots = slots

    # --- Uploads.

    def send(self, file_id: ObjectId, first: int, pieces: Iterable[bytes]) -> None:
        """Store chunks of a file that has no document yet, from number *first* on."""
        # Their ids are made now: they tell sweep() when the upload was last heard of.
        chunks = [
            {'_id': ObjectId(), 'files_id': file_id, 'n': number, 'data': piece}
            for number, piece in enumerate(pieces, first)
        ]
        try:
            self._store.chunks.insert_many(chunks)
        except NetworkTimeout:
            raise
        except AutoReconnect:
            try:
                self._store.chunks.insert_many(chunks, ordered=False)
            except BulkWriteError as error:
                # Those that are there had arrived, and only the answer was lost.
                if any(problem['code'] != _DUPLICATE for problem in error.details['writeErrors']):
                    raise

    def publish(self, document: dict[str, Any], *, create: bool) -> Sequence[Document]:
        """Make a file visible whose chunks are stored; the revisions that it replaces, which are to be removed next.

        :param document: Its document, but for slots and date.
        :raises Taken: With *create*, if there is a file of that name.
        """
        name = document['filename']
        for _ in range(ATTEMPTS):
            old: Sequence[Document] = ()
            if not (create and self._slots):
                old = self._store.revisions(name)
            if create and old:
                raise Taken
            try:
                self._insert(
                    {
                        **document,
                        'uploadDate': now_after(old[-1] if old else None),
                        'metadata': {**document['metadata'], **self._holding(name, old)},
                    }
                )
            except DuplicateKeyError as error:
                if create:
                    raise Taken from error
                continue
            return old
        raise Crowded

    def abandon(self, file_id: ObjectId) -> None:
        """Remove what is there of an upload that failed."""
        # Its document may have arrived, though nobody has heard of it.
        self._store.files.delete_one({'_id': file_id})
        self._store.chunks.delete_many({'files_id': file_id})

    # --- Names.

    def rename(self, name: str, target: str, *, create: bool) -> Sequence[Document]:
        """Give a file another name; the revisions that it replaces there, which are to be removed next.

        :raises Vanished: If there is no file *name*.
        :raises Taken: With *create*, if there is a file *target*.
        """
        for _ in range(ATTEMPTS):
            found = self._store.revisions(name, target)
            mine = [document for document in found if document['filename'] == name]
            old = [document for document in found if document['filename'] == target]
            if not mine:
                raise Vanished
            if create and old:
                raise Taken
            # What it has replaced must not come back to light where it was.
            self._erase(mine[:-1], {'filename': name})
            try:
                self._update(mine[-1], self._renamed(mine[-1], target, old))
            except (DuplicateKeyError, Vanished):
                # Somebody else has taken the target; or replaced, moved or removed the file.
                continue
            return old
        raise Crowded

    def _renamed(self, document: Document, target: str, old: Sequence[Document]) -> dict[str, Any]:
        """The fields to set in the document of a file that is to replace *old* at *target*."""
        fields: dict[str, Any] = {'filename': target}
        date, other = date_of(document), date_of(old[-1]) if old else None
        if other is not None and (date is None or date <= other):
            fields['uploadDate'] = now_after(old[-1])
        told: dict[str, Any] = dict(self._holding(target, old))
        if (mime := mime_after_rename(document, target)) is not None:
            told['contentType'] = mime
        if metadata_of(document):
            fields.update({f'metadata.{key}': value for key, value in told.items()})
        elif told:
            # Other programs may have stored null, which has no fields.
            fields['metadata'] = told
        return fields

    # --- Slots.

    def _holding(self, name: str, old: Sequence[Document]) -> Mapping[str, Any]:
        """What a revision that is to replace *old* tells of its slots."""
        return {'slots': list(self._free_slots(name, old))} if self._slots else {}

    def _free_slots(self, name: str, old: Sequence[Document]) -> Sequence[int]:
        """The slots that a revision can take that is to replace *old*."""
        if not old:
            return BOTH_SLOTS
        # Left by a writer who died, or one who is just about to remove them.
        self._erase(old[:-1], {'filename': name})
        if not has_own_slots(old[-1]):
            self._clear_slots(old[-1], name)
        held = slots_of(old[-1])
        if set(held) == set(BOTH_SLOTS):
            # That it still holds both is part of the question: it may have been renamed meanwhile.
            where = {'_id': old[-1]['_id'], 'filename': name, SLOTS: list(held)}
            held = held[:1]
            self._again(lambda: self._store.files.update_one(where, {'$set': {SLOTS: list(held)}}))
        return [slot for slot in BOTH_SLOTS if slot not in held]

    def _clear_slots(self, document: Document, name: str) -> None:
        """Take what another program has put where slots are out of the way of the index; the file is replaced next."""
        field = SLOTS if isinstance(document.get('metadata'), Mapping) else 'metadata'
        where = {'_id': {'$eq': document['_id']}, 'filename': name}
        self._again(lambda: self._store.files.update_one(where, {'$unset': {field: ''}}))

    # --- Removal.

    def remove_replaced(self, name: str, old: Sequence[Document]) -> None:
        """Remove the revisions that a new one has replaced."""
        if not self._erase(old, {'filename': name}):
            # Others were at work on this name: one of theirs may be older than ours, or ours older than theirs.
            self.remove_superseded(name)

    def remove_superseded(self, name: str) -> None:
        """Remove all revisions of a name but the newest."""
        self._erase(self._store.revisions(name)[:-1], {'filename': name})

    def remove(self, where: Mapping[str, Any], *, batch: int) -> None:
        """Remove the files that *where* selects, *batch* of them at once."""
        superseded: list[Document] = []
        current: list[Document] = []

        def flush() -> None:
            # Older ones first, so that none of them comes to light.
            for documents in (superseded, current):
                self._erase(documents, where)
                documents.clear()

        for revisions in self._store.listed(where, {'filename': 1, 'uploadDate': 1}, batch=batch):
            superseded += revisions[:-1]
            current.append(revisions[-1])
            if len(superseded) + len(current) >= batch:
                flush()
        flush()

    def _erase(self, documents: Sequence[Document], where: Mapping[str, Any]) -> bool:
        """Remove revisions that are still *where* they were found, then their chunks; whether all were there."""
        if not documents:
            return True
        ids = [document['_id'] for document in documents]
        selected = {'_id': {'$in': ids}, **where}
        complete = self._again(lambda: self._store.files.delete_many(selected)).deleted_count == len(ids)
        if not complete:
            # Somebody has removed some, or renamed them: then their chunks are still needed.
            kept = [document['_id'] for document in self._store.files.find({'_id': {'$in': ids}}, {'_id': 1})]
            ids = [file_id for file_id in ids if file_id not in kept]
        if ids:
            self._again(lambda: self._store.chunks.delete_many({'files_id': {'$in': ids}}))
        return complete

    # --- Connections that have died since they were last used.

    def _insert(self, document: dict[str, Any]) -> None:
        try:
            self._store.files.insert_one(document)
        except NetworkTimeout:
            raise
        except AutoReconnect:
            try:
                self._store.files.insert_one(document)
            except DuplicateKeyError:
                # It may be itself that is there: it had arrived, and only the answer was lost.
                if not self._store.has(document['_id']):
                    raise

    def _update(self, document: Document, fields: Mapping[str, Any]) -> None:
        where = {'_id': document['_id'], 'filename': document['filename']}
        change = {'$set': fields}
        try:
            done = self._store.files.update_one(where, change).matched_count
        except NetworkTimeout:
            raise
        except AutoReconnect:
            done = self._store.files.update_one(where, change).matched_count
            # The change may have been made, and only the answer was lost.
            done = done or self._store.has(document['_id'], fields['filename'])
        if not done:
            raise Vanished

    def _again(self, act: Callable[[], T]) -> T:
        """What *act* gives; done once more if the connection turns out to be dead. Doing it twice must do no harm.

        MongoDB's own retries of writes need a replica set.
        """
        try:
            return act()
        except NetworkTimeout:
            raise
        except AutoReconnect:
            return act()
