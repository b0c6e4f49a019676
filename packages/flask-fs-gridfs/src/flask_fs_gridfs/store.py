"""The two collections of a storage: finding files and reading their chunks.

They are used directly, not through the package gridfs, which would ask more often: for the chunks of each file by a
cursor of its own, for the newest revision again when it is opened, and for indexes before each write. It also has no
create-only write. What is stored is GridFS as its specification says, so every program for it reads it, and is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from flask_fs.errors import BackendError

from .documents import REVISION, SLOTS, Document, Layout, by_name, shown
from .failures import Damaged, Vanished, kind_of

# Whatever types of documents and dates the client of an application makes, here they are these: one document with a date
# that Python does not have, or with text that is no UTF-8, does not break the listing of all others.
_CODEC_OPTIONS: CodecOptions[Any] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler='surrogateescape',
)
#: What the index on slots is called.
SLOT_INDEX = 'flask_fs_slots'


class Store:
    """The files of one pair of collections. What pymongo raises leaves it as it is.

    :param keeper: Whatever keeps the client open.
    """

    def __init__(self, database: Database[Any], collection: str, keeper: object) -> None:
        self.database = database
        self._keeper = keeper
        options: dict[str, Any] = {
            # A secondary may not have a file yet, or only some of its chunks.
            'read_preference': ReadPreference.PRIMARY,
        }
        if database.write_concern.acknowledged is False:
            # Creating a file, and replacing one, both depend on what the server answers.
            options['write_concern'] = WriteConcern(w=1)
        codec_options: CodecOptions[Any]
        for codec_options in (_CODEC_OPTIONS, CodecOptions(tz_aware=True)):
            with contextlib.suppress(NotImplementedError):
                # mongomock has only the simpler ones.
                self.files: Collection[dict[str, Any]] = database.get_collection(
                    f'{collection}.files', codec_options, **options
                )
                break
        self.chunks: Collection[dict[str, Any]] = database.get_collection(
            f'{collection}.chunks', codec_options, **options
        )

    def make_indexes(self) -> Exception | None:
        """Make the two indexes of GridFS and the one on slots; what the server has against the latter, if it refuses it.

        Where they are there already nothing happens.
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
            # Sharded collections take only unique indexes that begin with the shard key; some servers know no partial ones.
            if kind_of(error) is not BackendError:
                raise
            return error
        return None

    # --- Files.

    def newest(self, name: str) -> Document | None:
        """The document of the file *name*, if there is one."""
        where, order = {'filename': name}, [('uploadDate', DESCENDING), ('_id', DESCENDING)]
        document: Document | None = self.files.find_one(where, sort=order)
        if document is None or document['filename'] == name:
            return document
        # To MongoDB, a list with the name in it has that name too; of other programs' documents this may be one.
        with self.files.find(where, sort=order) as cursor:
            return next((found for found in cursor if found['filename'] == name), None)

    def revisions(self, *names: str) -> list[Document]:
        """What decides between all revisions of some names, oldest first."""
        where = {'filename': names[0] if len(names) == 1 else {'$in': names}}
        found = self.files.find(where, REVISION).sort([('uploadDate', ASCENDING), ('_id', ASCENDING)])
        return [document for document in found if document['filename'] in names]

    def has(self, file_id: Any, name: str | None = None) -> bool:
        """Whether the document of a revision is there, under its *name* if that is told."""
        where = {'_id': {'$eq': file_id}, **({} if name is None else {'filename': name})}
        return self.files.find_one(where, {'_id': 1}) is not None

    def listed(
        self, where: Document, fields: Mapping[str, Any] | None = None, *, batch: int
    ) -> Iterator[list[Document]]:
        """All revisions of each file, oldest first, name after name; the server sends *batch* documents at once."""
        order = [('filename', ASCENDING), ('uploadDate', ASCENDING)]
        cursor: Cursor[dict[str, Any]] = self.files.find(where, fields).sort(order).batch_size(batch)
        try:
            yield from by_name(cursor)
        finally:
            cursor.close()

    # --- Chunks.

    def read_chunks(self, document: Document, first: int, count: int) -> list[bytes]:
        """The content of *count* chunks of a file, from number *first* on.

        They are found by their numbers and not by a cursor that goes on: those live on the server and end after ten
        minutes, which a slow client exceeds.

        :raises Vanished: If chunks are missing as the file is no longer there.
        :raises Damaged: If chunks are missing, or not of the right size.
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
                raise Damaged(f'chunk {number} of the file {shown(file_id)} is missing, or there twice')
            data = chunk.get('data')
            if not isinstance(data, bytes) or len(data) != layout.size_of(number):
                seen = f'{len(data)} bytes' if isinstance(data, bytes) else 'no bytes'
                expected = layout.size_of(number)
                raise Damaged(f'chunk {number} of the file {shown(file_id)} has {seen} instead of {expected}')
            chunks.append(data)
        return chunks

    def content(self, document: Document) -> Iterator[bytes]:
        """The whole content of a file, chunk by chunk."""
        layout = Layout.of(document)
        for first in range(0, layout.chunks, layout.batch):
            yield from self.read_chunks(document, first, min(layout.batch, layout.chunks - first))


def beginning_with(prefix: str) -> Document:
    """Selects the names that begin with the literal text *prefix*, by the index."""
    where: dict[str, Any] = {'$gte': prefix}
    # Strings are compared by code points: the first one after all that begin so has its last character raised by one.
    for end in range(len(prefix), 0, -1):
        following = ord(prefix[end - 1]) + 1
        if following <= 0x10FFFF:
            # Surrogates are no characters, and not in any name.
            where['$lt'] = prefix[: end - 1] + chr(0xE000 if following == 0xD800 else following)
            break
    return {'filename': where}
