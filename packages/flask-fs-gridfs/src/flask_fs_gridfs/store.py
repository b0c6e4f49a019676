"""The two collections of a storage: finding files and reading their chunks.

They are used directly, not through the gridfs package, which sends more requests: it uses a cursor for the chunks of
each file, looks up the newest revision again when it is opened, and checks indexes before each write. It also has no
create-only write. The stored data follows the GridFS specification, so it is compatible with other GridFS programs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from flask_fs.errors import BackendError

from .documents import REVISION, SLOTS, SUCCESSOR, Document, Layout, by_name, shown
from .errors import Damaged, Vanished, kind_of

# Overrides the document and date types of the application's client, so that one document with a date outside Python's
# range, or with text that is not UTF-8, does not break the listing of all others.
_CODEC_OPTIONS: CodecOptions[Any] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler='surrogateescape',
)
_CLAIM = {'$type': 'objectId'}
#: The name of the index on slots.
SLOT_INDEX = 'flask_fs_slots'


class Store:
    """The files in a pair of collections. Its methods raise the errors of pymongo.

    :param keeper: An object that keeps the client open.
    """

    def __init__(self, database: Database[Any], collection: str, keeper: object) -> None:
        self.database = database
        self._keeper = keeper
        options: dict[str, Any] = {
            # A secondary might not have a file yet, or only some of its chunks.
            'read_preference': ReadPreference.PRIMARY,
        }
        if database.write_concern.acknowledged is False:
            # Creating a file and replacing one both depend on the server's response.
            options['write_concern'] = WriteConcern(w=1)
        #: Selects revisions that nobody has claimed, regardless of what other programs store in that field.
        self.unclaimed: Mapping[str, Any] = {SUCCESSOR: {'$not': _CLAIM}}
        codec_options: CodecOptions[Any]
        for codec_options in (_CODEC_OPTIONS, CodecOptions(tz_aware=True)):
            with contextlib.suppress(NotImplementedError):
                # mongomock supports only the simpler options.
                self.files: Collection[dict[str, Any]] = database.get_collection(
                    f'{collection}.files', codec_options, **options
                )
                break
            # In mongomock, null has no missing fields. Servers might read the entire collection for this form.
            self.unclaimed = {'$nor': [{SUCCESSOR: _CLAIM}]}
        self.chunks: Collection[dict[str, Any]] = database.get_collection(
            f'{collection}.chunks', codec_options, **options
        )

    def make_indexes(self) -> Exception | None:
        """Create the two indexes of GridFS and the index on slots, and return the error if the latter is refused.

        Existing indexes are kept.
        """
        self.files.create_index([('filename', ASCENDING), ('uploadDate', ASCENDING)])
        self.chunks.create_index([('files_id', ASCENDING), ('n', ASCENDING)], unique=True)
        try:
            self.files.create_index(
                [('filename', ASCENDING), (SLOTS, ASCENDING)],
                name=SLOT_INDEX,
                unique=True,
                partialFilterExpression={SLOTS: {'$exists': True}},
            )
        except OperationFailure as error:
            # Unique indexes on sharded collections must begin with the shard key. Some servers lack partial indexes.
            if kind_of(error) is not BackendError:
                raise
            return error
        return None

    # --- Files.

    def newest(self, name: str) -> Document | None:
        """The document of the newest revision of the file *name*, if there is one."""
        where, order = {'filename': name}, [('uploadDate', DESCENDING), ('_id', DESCENDING)]
        document: Document | None = self.files.find_one(where, sort=order)
        if document is None or document['filename'] == name:
            return document
        # In MongoDB, a list that contains the name also matches it, and other programs can store one.
        with self.files.find(where, sort=order) as cursor:
            return next((found for found in cursor if found['filename'] == name), None)

    def revisions(self, *names: str) -> list[Document]:
        """All revisions of some names, oldest first, with the fields that :data:`REVISION` names."""
        where = {'filename': names[0] if len(names) == 1 else {'$in': names}}
        # Copied because mongomock modifies its arguments, while other threads read them.
        found = self.files.find(where, dict(REVISION)).sort([('uploadDate', ASCENDING), ('_id', ASCENDING)])
        return [document for document in found if document['filename'] in names]

    def has(self, file_id: Any, name: str | None = None) -> bool:
        """Whether the document of a revision exists, with that *name* if it is given."""
        where = {'_id': {'$eq': file_id}, **({} if name is None else {'filename': name})}
        return self.files.find_one(where, {'_id': 1}) is not None

    def listed(
        self, where: Document, fields: Mapping[str, Any] | None = None, *, batch: int
    ) -> Iterator[list[Document]]:
        """All revisions of each file, oldest first, sorted by name. The server sends *batch* documents at a time."""
        order = [('filename', ASCENDING), ('uploadDate', ASCENDING)]
        with self.files.find(where, fields).sort(order).batch_size(batch) as cursor:
            yield from by_name(cursor)

    def update(self, document: Document, update: Mapping[str, Any]) -> bool:
        """Update the document of a revision, unless it was removed or renamed, and return whether it was updated."""
        where = {'_id': {'$eq': document['_id']}, 'filename': document['filename']}
        return not update or bool(self.files.update_one(where, update).matched_count)

    # --- Chunks.

    def read_chunks(self, document: Document, first: int, count: int) -> list[bytes]:
        """The content of *count* chunks of a file, starting with number *first*.

        Chunks are found by their numbers, and not with an open cursor, because cursors expire on the server after ten
        minutes, which is too short for slow clients.

        :raises Vanished: If chunks are missing because the file no longer exists.
        :raises Damaged: If chunks are missing or have the wrong size.
        """
        layout, file_id = Layout.of(document), document['_id']
        where = {'files_id': {'$eq': file_id}, 'n': {'$gte': first, '$lt': first + count}}
        found = list(self.chunks.find(where, {'_id': 0, 'n': 1, 'data': 1}).sort('n', ASCENDING).limit(count))
        chunks = []
        for number in range(first, first + count):
            chunk = found[number - first] if number - first < len(found) else None
            if chunk is None or chunk.get('n') != number:
                if not self.has(file_id):
                    raise Vanished
                raise Damaged(f'chunk {number} of the file {shown(file_id)} is missing or stored twice')
            data = chunk.get('data')
            if not isinstance(data, bytes) or len(data) != layout.size_of(number):
                actual = f'{len(data)} bytes' if isinstance(data, bytes) else 'no bytes'
                expected = layout.size_of(number)
                raise Damaged(f'chunk {number} of the file {shown(file_id)} has {actual} instead of {expected}')
            chunks.append(data)
        return chunks


def beginning_with(prefix: str) -> Document:
    """The filter for names that begin with the literal text *prefix*, which uses the index."""
    where: dict[str, Any] = {'$gte': prefix}
    # Strings are compared by code points. Incrementing the last character gives the first string after this prefix.
    for end in range(len(prefix), 0, -1):
        following = ord(prefix[end - 1]) + 1
        if following <= 0x10FFFF:
            # Surrogates are not characters, so no name contains them.
            where['$lt'] = prefix[: end - 1] + chr(0xE000 if following == 0xD800 else following)
            break
    return {'filename': where}
