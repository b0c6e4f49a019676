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
from .errors import NameTaken, TooMuchContention, Vanished
from .store import Store

T = TypeVar('T')
#: How often to begin again when other writers of the same name come first; each time one of them has succeeded.
MAX_ATTEMPTS = 100
_DUPLICATE_KEY = 11000


class Writer:
    """Changes the files of *store*.

    :param slots: Whether the server keeps slots unique. Without that, creating a file checks first and can lose a race.
    """

    def __init__(self, store: Store, *, slots: bool) -> None:
        self._store = store
        self._slots = slots

    # --- Uploads.

    def send(self, file_id: ObjectId, first: int, pieces: Iterable[bytes]) -> None:
        """Store chunks of a file that has no document yet, from number *first* on."""
        # Their ids are made now: from them sweep() sees when the upload was last active.
        chunks = [
            {'_id': ObjectId(), 'files_id': file_id, 'n': number, 'data': piece}
            for number, piece in enumerate(pieces, first)
        ]

        def insert_missing() -> None:
            try:
                self._store.chunks.insert_many(chunks, ordered=False)
            except BulkWriteError as error:
                # Duplicates had arrived, and only the response was lost.
                if any(problem['code'] != _DUPLICATE_KEY for problem in error.details['writeErrors']):
                    raise

        _retry_once(lambda: self._store.chunks.insert_many(chunks), insert_missing)

    def publish(self, document: dict[str, Any], *, create: bool) -> Sequence[Document]:
        """Make a file visible whose chunks are stored; the revisions that it replaces, which are to be removed next.

        :param document: Its document, which is completed with slots and date.
        :raises NameTaken: With *create*, if a file of that name exists.
        """
        name, metadata = document['filename'], document['metadata']
        for _ in range(MAX_ATTEMPTS):
            old: Sequence[Document] = ()
            if not (create and self._slots):
                old = self._store.revisions(name)
            if create and old:
                raise NameTaken
            document['uploadDate'] = now_after(old[-1] if old else None)
            try:
                document['metadata'] = {**metadata, **self._slot_fields(name, old)}
                self._insert(document)
            except DuplicateKeyError as error:
                if create:
                    raise NameTaken from error
                continue
            return old
        raise TooMuchContention

    def abandon(self, file_id: ObjectId) -> None:
        """Remove what exists of an upload that failed."""
        # Its document may have arrived, even if no response did.
        self._store.files.delete_one({'_id': file_id})
        self._store.chunks.delete_many({'files_id': file_id})

    # --- Names.

    def rename(self, name: str, target: str, *, create: bool) -> Sequence[Document]:
        """Give a file another name; the revisions that it replaces there, which are to be removed next.

        :raises Vanished: If there is no file *name*.
        :raises NameTaken: With *create*, if a file *target* exists.
        """
        for _ in range(MAX_ATTEMPTS):
            found = self._store.revisions(name, target)
            current = [document for document in found if document['filename'] == name]
            old = [document for document in found if document['filename'] == target]
            if not current:
                raise Vanished
            if create and old:
                raise NameTaken
            # What it has replaced must not reappear under its old name.
            self._erase(current[:-1], {'filename': name})
            try:
                self._update(current[-1], self._renamed(current[-1], target, old))
            except (DuplicateKeyError, Vanished):
                # Another writer has taken the target; or replaced, moved or removed the file.
                continue
            return old
        raise TooMuchContention

    def _renamed(self, document: Document, target: str, old: Sequence[Document]) -> dict[str, Any]:
        """The fields to set in the document of a file that is to replace *old* at *target*."""
        fields: dict[str, Any] = {'filename': target}
        date, other = date_of(document), date_of(old[-1]) if old else None
        if other is not None and (date is None or date <= other):
            fields['uploadDate'] = now_after(old[-1])
        metadata: dict[str, Any] = dict(self._slot_fields(target, old))
        if (mime := mime_after_rename(document, target)) is not None:
            metadata['contentType'] = mime
        if metadata_of(document):
            fields.update({f'metadata.{key}': value for key, value in metadata.items()})
        elif metadata:
            # Other programs may have stored null, which has no fields.
            fields['metadata'] = metadata
        return fields

    # --- Slots.

    def _slot_fields(self, name: str, old: Sequence[Document]) -> Mapping[str, Any]:
        """The metadata of a revision that is to replace *old*, about its slots."""
        return {'slots': list(self._free_slots(name, old))} if self._slots else {}

    def _free_slots(self, name: str, old: Sequence[Document]) -> Sequence[int]:
        """The slots that a revision can take that is to replace *old*."""
        if not old:
            return BOTH_SLOTS
        # Left by a writer that died, or one that is about to remove them.
        self._erase(old[:-1], {'filename': name})
        if not has_own_slots(old[-1]):
            self._clear_slots(old[-1], name)
        held = slots_of(old[-1])
        if set(held) == set(BOTH_SLOTS):
            # Only while it still holds both: it may have been renamed meanwhile.
            where = {'_id': old[-1]['_id'], 'filename': name, SLOTS: list(held)}
            held = held[:1]
            _retry_once(lambda: self._store.files.update_one(where, {'$set': {SLOTS: list(held)}}))
        return [slot for slot in BOTH_SLOTS if slot not in held]

    def _clear_slots(self, document: Document, name: str) -> None:
        """Remove what another program stored in the field of slots, which the index would refuse; the file is replaced next."""
        field = SLOTS if isinstance(document.get('metadata'), Mapping) else 'metadata'
        where = {'_id': {'$eq': document['_id']}, 'filename': name}
        _retry_once(lambda: self._store.files.update_one(where, {'$unset': {field: ''}}))

    # --- Removal.

    def remove_replaced(self, name: str, old: Sequence[Document]) -> None:
        """Remove the revisions that a new one has replaced."""
        if not self._erase(old, {'filename': name}):
            # Others changed this name too: one of their revisions may be older than ours, or ours older than theirs.
            self._erase(self._store.revisions(name)[:-1], {'filename': name})

    def remove(self, where: Mapping[str, Any], *, batch: int) -> None:
        """Remove the files that *where* selects, *batch* of them at once."""
        superseded: list[Document] = []
        current: list[Document] = []

        def flush() -> None:
            # Older ones first, so that none of them reappears.
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
        """Remove revisions that *where* still selects, then their chunks; whether all of them still existed."""
        if not documents:
            return True
        ids = [document['_id'] for document in documents]
        selected = {'_id': {'$in': ids}, **where}
        complete = _retry_once(lambda: self._store.files.delete_many(selected)).deleted_count == len(ids)
        if not complete:
            # Another writer has removed some, or renamed them: then their chunks are still needed.
            kept = [document['_id'] for document in self._store.files.find({'_id': {'$in': ids}}, {'_id': 1})]
            ids = [file_id for file_id in ids if file_id not in kept]
        if ids:
            _retry_once(lambda: self._store.chunks.delete_many({'files_id': {'$in': ids}}))
        return complete

    # --- Documents.

    def _insert(self, document: dict[str, Any]) -> None:
        def insert_if_missing() -> None:
            try:
                self._store.files.insert_one(document)
            except DuplicateKeyError:
                # The duplicate may be itself: it had arrived, and only the response was lost.
                if not self._store.has(document['_id']):
                    raise

        _retry_once(lambda: self._store.files.insert_one(document), insert_if_missing)

    def _update(self, document: Document, fields: Mapping[str, Any]) -> None:
        where = {'_id': document['_id'], 'filename': document['filename']}

        def update() -> int:
            return self._store.files.update_one(where, {'$set': fields}).matched_count

        # The change may have been made, and only the response was lost.
        if not _retry_once(update, lambda: update() or self._store.has(document['_id'], fields['filename'])):
            raise Vanished


def _retry_once(act: Callable[[], T], again: Callable[[], Any] | None = None) -> T:
    """The result of *act*; of *again*, by default the same once more, if the connection turns out to be dead.

    MongoDB's own retries of writes need a replica set. Doing both must do no harm, as *act* may have been carried out.
    """
    try:
        return act()
    except NetworkTimeout:
        raise
    except AutoReconnect:
        result: T = (again or act)()
        return result
