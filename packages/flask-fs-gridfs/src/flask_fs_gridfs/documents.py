"""The documents of GridFS: what they tell about a file, and which of several revisions holds a name.

One document of ``.files`` describes one revision of a file; its content is in the documents of ``.chunks`` that carry its
``_id``. Of several revisions of a name the newest counts: that with the latest ``uploadDate``.

The revisions that this package writes hold *slots* of their name besides: the numbers 0 and 1 in ``metadata.slots``.
A unique index lets each slot of a name be held once, and passes over documents without slots, which are those of other
programs. Who creates a name takes both slots at once, so they fail while anybody holds one. Who replaces a file takes the
slot that it leaves free, and then removes it: the name is held by one of the two, or both, at every moment.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bson import ObjectId

from flask_fs.backends import FileInfo
from flask_fs.files import mime_type

from .failures import Damaged

Document = Mapping[str, Any]

#: How much of a file is asked for, or sent, at once.
BATCH_BYTES = 2 * 1024 * 1024
SLOTS = 'metadata.slots'
BOTH_SLOTS = (0, 1)
#: What deciding between revisions needs to know of each.
REVISION = {'filename': 1, 'uploadDate': 1, 'metadata': 1}


class Layout(NamedTuple):
    """How a file is cut into chunks."""

    length: int
    chunk_bytes: int

    @classmethod
    def of(cls, document: Document) -> Layout:
        """That of a file; other programs may have written its numbers as any type of number."""
        try:
            layout = cls(int(document['length']), int(document['chunkSize']))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f'the document {document["_id"]} tells no length or no chunkSize') from error
        if layout.length < 0 or layout.chunk_bytes < 1:
            raise Damaged(f'the document {document["_id"]} tells an impossible length or chunkSize: {layout}')
        return layout

    @property
    def batch(self) -> int:
        """How many chunks are asked for, or sent, at once."""
        return max(1, BATCH_BYTES // self.chunk_bytes)

    @property
    def chunks(self) -> int:
        """How many chunks the file has."""
        return -(-self.length // self.chunk_bytes)

    def size_of(self, number: int) -> int:
        """How many bytes the chunk *number* has."""
        return max(0, min(self.chunk_bytes, self.length - number * self.chunk_bytes))


def metadata_of(document: Document) -> Document:
    """What is told about a file besides GridFS's own fields."""
    metadata = document.get('metadata')
    return metadata if isinstance(metadata, Mapping) else {}


def slots_of(document: Document) -> tuple[int, ...]:
    """The slots that a revision holds; none if another program wrote it."""
    return tuple(metadata_of(document).get('slots') or ())


def date_of(document: Document) -> datetime.datetime | None:
    """When a revision was written, in UTC."""
    date = document.get('uploadDate')
    if not isinstance(date, datetime.datetime):
        # Some programs leave it out; an ObjectId tells the second in which it was made.
        made = document['_id']
        return made.generation_time if isinstance(made, ObjectId) else None
    # MongoDB's dates are in UTC; without the option tz_aware clients do not say so.
    return date.replace(tzinfo=datetime.timezone.utc) if date.tzinfo is None else date


def now_after(newest: Document | None) -> datetime.datetime:
    """The present, or the first moment after *newest* if this host's clock is behind that of its writer."""
    now = datetime.datetime.now(datetime.timezone.utc)
    # MongoDB keeps milliseconds.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    date = None if newest is None else date_of(newest)
    return now if date is None else max(now, date + datetime.timedelta(milliseconds=1))


def by_name(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """All revisions of one name after the other, oldest first, from *documents* sorted by name and date."""
    revisions: list[Document] = []
    for document in documents:
        if revisions and revisions[-1]['filename'] != document['filename']:
            yield revisions
            revisions = []
        revisions.append(document)
        if len(revisions) > 1 and _is_before(document, revisions[-2]):
            revisions[-2:] = revisions[:-3:-1]
    if revisions:
        yield revisions


def _is_before(document: Document, other: Document) -> bool:
    # The index that sorts ends with the date; of one millisecond the later ObjectId counts.
    one, two = document['_id'], other['_id']
    return (
        document.get('uploadDate') == other.get('uploadDate')
        and isinstance(one, ObjectId)
        and isinstance(two, ObjectId)
        and one < two
    )


def info_of(document: Document, algorithm: str) -> FileInfo:
    """Facts about a file; a checksum of another algorithm than the configured one is not told."""
    name, metadata = document['filename'], metadata_of(document)
    mime = metadata.get('contentType') or document.get('contentType')
    checksum = metadata.get('checksum')
    if not isinstance(checksum, str) and document.get('md5'):
        # Where GridFS kept it until its specification of 2021.
        checksum = f'md5:{document["md5"]}'
    if not isinstance(checksum, str) or not checksum.startswith(f'{algorithm}:'):
        checksum = None
    return FileInfo(
        name,
        Layout.of(document).length,
        date_of(document),
        mime if isinstance(mime, str) and mime else mime_type(name),
        checksum,
        _etag(document),
    )


def _etag(document: Document) -> str:
    made = document['_id']
    if isinstance(made, ObjectId):
        return str(made)
    # Other programs choose their own ids, of any type, and may use one again.
    told = repr((made, document.get('uploadDate'), document.get('length')))
    return hashlib.blake2b(told.encode(), digest_size=12).hexdigest()


def mime_after_rename(document: Document, target: str) -> str | None:
    """The media type to store when a file is renamed: another one only if the old name had suggested it."""
    stored = metadata_of(document).get('contentType')
    suggested = mime_type(target)
    return suggested if stored == mime_type(document['filename']) != suggested else None
