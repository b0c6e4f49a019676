"""Writing: first the chunks, then the document that makes a file visible, then the removal of what it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from .claims import claim, complete, reveal
from .documents import (
    ALL_SLOTS,
    REVISION,
    SHARED_SLOTS,
    SLOTS,
    SWAP_SLOT,
    Document,
    date_of,
    etag_of,
    has_own_slots,
    hidden_name,
    metadata_of,
    mime_after_rename,
    now_after,
    slots_of,
    successor_of,
)
from .errors import NameTaken, TooMuchContention, Vanished
from .retries import retry_once
from .store import Store

#: How many attempts to make if other writers of the same name are faster. Each time, one of them has succeeded.
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
        """Store chunks of a file that has no document yet, starting with number *first*."""
        # Their ids are generated now, because sweep() derives the time of the last activity from them.
        chunks = [
            {'_id': ObjectId(), 'files_id': file_id, 'n': number, 'data': piece}
            for number, piece in enumerate(pieces, first)
        ]

        def insert_missing() -> None:
            try:
                self._store.chunks.insert_many(chunks, ordered=False)
            except BulkWriteError as error:
                # Duplicates were already stored, and only the response was lost.
                if any(problem['code'] != _DUPLICATE_KEY for problem in error.details['writeErrors']):
                    raise

        retry_once(lambda: self._store.chunks.insert_many(chunks), insert_missing)

    def publish(self, document: dict[str, Any], *, create: bool) -> Sequence[Document]:
        """Make a file visible whose chunks are stored, and return the replaced revisions, to be removed next.

        :param document: The document of the file, to which this adds slots and date.
        :raises NameTaken: With *create*, if a file with that name exists.
        """
        name, metadata = document['filename'], document['metadata']
        for _ in range(MAX_ATTEMPTS):
            old: Sequence[Document] = ()
            if not (create and self._slots):
                old = self._store.revisions(name)
            if create and old:
                raise NameTaken
            if self._settle(name, old):
                continue
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

    def swap(self, document: dict[str, Any], etag: str) -> Sequence[Document]:
        """Like :meth:`publish`, but replace only the version *etag* of a file.

        :raises Vanished: If the file is not that version or does not exist.
        """
        name, file_id = document['filename'], document['_id']
        metadata = {**document['metadata'], 'slots': [SWAP_SLOT]}
        self._insert(
            {**document, 'filename': hidden_name(file_id), 'uploadDate': now_after(None), 'metadata': metadata}
        )
        for _ in range(MAX_ATTEMPTS):
            old = self._store.revisions(name)
            if self._settle(name, old):
                continue
            if not old or etag_of(old[-1]) != etag:
                raise Vanished
            # A revision left by another swap would hold the slot of this one.
            self._erase(old[:-1], {'filename': name})
            if claim(self._store, old[-1], file_id):
                document['uploadDate'] = reveal(self._store, old[-1], file_id)
                return old
        raise TooMuchContention

    def abandon(self, document: Document, *, hidden: bool) -> None:
        """Remove the remains of a failed upload.

        :param hidden: Whether it replaces a specific version. If others have completed that, the file is kept.
        """
        file_id = document['_id']
        # Its document may have been stored although the response was lost.
        where = {'filename': hidden_name(file_id)} if hidden else {}
        self._store.files.delete_one({'_id': file_id, **where})
        if not hidden or not self._store.has(file_id):
            self._store.chunks.delete_many({'files_id': file_id})

    def _settle(self, name: str, revisions: Sequence[Document]) -> bool:
        """Complete an unfinished replacement of a specific version, and return whether there was one.

        :param revisions: All revisions of *name*, which must be read again if this returns true.
        """
        if not revisions:
            return False
        *older, newest = revisions
        if (successor := successor_of(newest)) is not None:
            self._erase(older, {'filename': name})
            complete(self._store, newest, successor)
            return True
        if slots_of(newest) != (SWAP_SLOT,):
            return False
        # The revision that it replaced held both shared slots, so these were stored later, but based on an older state.
        late = [document for document in older if slots_of(document) and successor_of(document) is None]
        if late:
            where = {'_id': late[-1]['_id'], 'filename': name, **self._store.unclaimed}
            date = {'uploadDate': now_after(newest)}
            retry_once(lambda: self._store.files.update_one(where, {'$set': date}))
        return bool(late)

    # --- Names.

    def rename(self, name: str, target: str, *, create: bool) -> Sequence[Document]:
        """Rename a file, and return the revisions that it replaces, to be removed next.

        :raises Vanished: If the file *name* does not exist.
        :raises NameTaken: With *create*, if the file *target* exists.
        """
        for _ in range(MAX_ATTEMPTS):
            found = self._store.revisions(name, target)
            current = [document for document in found if document['filename'] == name]
            old = [document for document in found if document['filename'] == target]
            if not current:
                raise Vanished
            if create and old:
                raise NameTaken
            if self._settle(name, current) or self._settle(target, old):
                continue
            # The revisions that it had replaced must not reappear under the old name.
            self._erase(current[:-1], {'filename': name})
            try:
                self._update(current[-1], self._renamed(current[-1], target, old))
            except (DuplicateKeyError, Vanished):
                # Another writer has created the target, or has replaced, claimed, moved, or removed the file.
                continue
            return old
        raise TooMuchContention

    def _renamed(self, document: Document, target: str, old: Sequence[Document]) -> dict[str, Any]:
        """The fields to set in the document of a file that replaces *old* at *target*."""
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
            # Other programs can store null, which has no fields.
            fields['metadata'] = metadata
        return fields

    # --- Slots.

    def _slot_fields(self, name: str, old: Sequence[Document]) -> Mapping[str, Any]:
        """The slot metadata of a revision that replaces *old*."""
        return {'slots': list(self._free_slots(name, old))} if self._slots else {}

    def _free_slots(self, name: str, old: Sequence[Document]) -> Sequence[int]:
        """The slots that a revision that replaces *old* can take."""
        if not old:
            return ALL_SLOTS
        # These were left by a writer that died, or a writer is about to remove them.
        self._erase(old[:-1], {'filename': name})
        if not has_own_slots(old[-1]):
            self._clear_slots(old[-1], name)
        held = slots_of(old[-1])
        if set(held) >= set(SHARED_SLOTS):
            # Only if it still holds both, because it might have been renamed in the meantime.
            where = {'_id': old[-1]['_id'], 'filename': name, SLOTS: list(held), **self._store.unclaimed}
            held = held[:1]
            retry_once(lambda: self._store.files.update_one(where, {'$set': {SLOTS: list(held)}}))
        return [slot for slot in SHARED_SLOTS if slot not in held]

    def _clear_slots(self, document: Document, name: str) -> None:
        """Remove another program's value from the slot field, which the index would refuse, before replacing a file."""
        field = SLOTS if isinstance(document.get('metadata'), Mapping) else 'metadata'
        where = {'_id': {'$eq': document['_id']}, 'filename': name, **self._store.unclaimed}
        retry_once(lambda: self._store.files.update_one(where, {'$unset': {field: ''}}))

    # --- Removal.

    def remove_replaced(self, name: str, old: Sequence[Document]) -> None:
        """Remove the revisions that a new one has replaced."""
        if self._erase(old, {'filename': name}):
            return
        # Others also changed this name. Their revisions can be older or newer than ours.
        for _ in range(MAX_ATTEMPTS):
            found = self._store.revisions(name)
            if not self._settle(name, found):
                self._erase(found[:-1], {'filename': name})
                return
        raise TooMuchContention

    def remove(self, where: Mapping[str, Any], *, batch: int) -> None:
        """Remove the files that *where* selects, *batch* at a time."""
        for _ in range(MAX_ATTEMPTS):
            if self._remove_listed(where, batch=batch):
                return
        raise TooMuchContention

    def _remove_listed(self, where: Mapping[str, Any], *, batch: int) -> bool:
        """Remove the files that *where* selects, except files that were changed since they were listed.

        :return: Whether none was changed.
        """
        superseded: list[Document] = []
        current: list[Document] = []
        is_complete = True

        def flush() -> None:
            nonlocal is_complete
            # Remove older revisions first, so that none of them reappears.
            self._erase(superseded, where)
            if not self._erase(current, {**where, **self._store.unclaimed}):
                is_complete = False
                ids = [document['_id'] for document in current]
                for document in self._store.files.find({'_id': {'$in': ids}, **where}, dict(REVISION)):
                    self._settle(document['filename'], [document])
            superseded.clear()
            current.clear()

        for revisions in self._store.listed(where, {'filename': 1, 'uploadDate': 1}, batch=batch):
            superseded += revisions[:-1]
            current.append(revisions[-1])
            if len(superseded) + len(current) >= batch:
                flush()
        flush()
        return is_complete

    def _erase(self, documents: Sequence[Document], where: Mapping[str, Any]) -> bool:
        """Remove the revisions that *where* still selects and their chunks, and return whether all of them existed."""
        if not documents:
            return True
        ids = [document['_id'] for document in documents]
        selected = {'_id': {'$in': ids}, **where}
        complete = retry_once(lambda: self._store.files.delete_many(selected)).deleted_count == len(ids)
        if not complete:
            # Another writer has removed or renamed some of them. The chunks of renamed ones are still needed.
            kept = [document['_id'] for document in self._store.files.find({'_id': {'$in': ids}}, {'_id': 1})]
            ids = [file_id for file_id in ids if file_id not in kept]
        if ids:
            retry_once(lambda: self._store.chunks.delete_many({'files_id': {'$in': ids}}))
        return complete

    # --- Documents.

    def _insert(self, document: dict[str, Any]) -> None:
        def insert_if_missing() -> None:
            try:
                self._store.files.insert_one(document)
            except DuplicateKeyError:
                # The duplicate might be this document, stored by the attempt whose response was lost.
                if not self._store.has(document['_id']):
                    raise

        retry_once(lambda: self._store.files.insert_one(document), insert_if_missing)

    def _update(self, document: Document, fields: Mapping[str, Any]) -> None:
        where = {'_id': document['_id'], 'filename': document['filename'], **self._store.unclaimed}

        def update() -> int:
            return self._store.files.update_one(where, {'$set': fields}).matched_count

        # The update may have been applied although the response was lost.
        if not retry_once(update, lambda: update() or self._store.has(document['_id'], fields['filename'])):
            raise Vanished
