"""The documents of GridFS: the metadata of files, and which of several revisions is current.

A document in ``.files`` describes one revision of a file. Its content is in the documents of ``.chunks`` that refer to
its ``_id``. If a name has several revisions, the newest one, with the latest ``uploadDate``, is current.

The revisions that this package writes also hold *slots* of their name: the numbers 0, 1, and 2 in ``metadata.slots``. A
unique index ensures that each slot of a name is held only once. It ignores documents without slots, which come from
other programs. A writer that creates a name takes all slots, so it fails if another revision holds any of them. A
writer that replaces a file takes the slot, 0 or 1, that the file does not hold, and then removes the file. At every
moment, at least one of the two holds the name.

A writer that replaces a specific version first stores its own document, with slot 2, under a hidden name. It then
claims the version with a single conditional update, which is decisive: it sets the *successor* and takes the slots 0
and 1, so that nobody else can replace that version. Any process that finds a claim completes it by giving the successor
its name.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bson import DatetimeMS, ObjectId

from flask_fs.backends import FileInfo
from flask_fs.files import mime_type
from flask_fs.names import TEMPORARY_PREFIX

from .attributes import attributes_from
from .errors import Damaged

Document = Mapping[str, Any]

#: How many bytes of a file are fetched or sent at a time.
BATCH_BYTES = 1024 * 1024
#: The maximum number of chunks in a batch, even if they are small, because each takes some memory.
MAX_BATCH_CHUNKS = 4096
#: Most programs use signed 32-bit integers as chunk numbers.
MAX_CHUNKS = 2**31
SLOTS = 'metadata.slots'
#: The slots of writers that replace any version.
SHARED_SLOTS = (0, 1)
#: The slot of writers that replace a specific version.
SWAP_SLOT = 2
ALL_SLOTS = (*SHARED_SLOTS, SWAP_SLOT)
_OWN_SLOTS = ([0], [1], [2], [0, 1], [0, 1, 2])
SUCCESSOR_KEY = 'fs_successor'
SUCCESSOR = f'metadata.{SUCCESSOR_KEY}'
#: The prefix of the hidden names of successors.
HIDDEN_PREFIX = f'{TEMPORARY_PREFIX}swap-'
_CHECKSUM = re.compile(r'[\w-]+:[0-9a-f]+')
#: The fields that are required to decide between revisions.
REVISION = {'filename': 1, 'uploadDate': 1, 'length': 1, 'metadata': 1}


class Layout(NamedTuple):
    """How a file is split into chunks."""

    length: int
    chunk_bytes: int

    @classmethod
    def of(cls, document: Document) -> Layout:
        """The layout of a file. Other programs can store any type of number."""
        length, chunk_bytes = _whole_number(document.get('length')), _whole_number(document.get('chunkSize'))
        if length is None or chunk_bytes is None:
            raise Damaged(f'the document {shown(document["_id"])} has no length or no chunkSize')
        layout = cls(length, chunk_bytes)
        if length < 0 or chunk_bytes < 1 or layout.chunks > MAX_CHUNKS:
            raise Damaged(f'the document {shown(document["_id"])} has an impossible length or chunkSize')
        return layout

    @property
    def batch(self) -> int:
        """How many chunks are fetched or sent at a time."""
        return min(max(1, BATCH_BYTES // self.chunk_bytes), MAX_BATCH_CHUNKS)

    @property
    def chunks(self) -> int:
        """How many chunks the file has."""
        return -(-self.length // self.chunk_bytes)

    def size_of(self, number: int) -> int:
        """The size of the chunk *number* in bytes."""
        return max(0, min(self.chunk_bytes, self.length - number * self.chunk_bytes))


def shown(file_id: Any) -> str:
    """An id for messages. Other programs can use entire documents as ids."""
    text = str(file_id)
    return text if len(text) <= 100 else f'of the type {type(file_id).__name__}'


def _whole_number(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def metadata_of(document: Document) -> Document:
    """The metadata of a file besides GridFS's own fields."""
    metadata = document.get('metadata')
    return metadata if isinstance(metadata, Mapping) else {}


def slots_of(document: Document) -> tuple[int, ...]:
    """The slots that a revision holds; none if another program wrote it."""
    slots = metadata_of(document).get('slots')
    return tuple(slots) if has_own_slots(document) and isinstance(slots, list) else ()


def has_own_slots(document: Document) -> bool:
    """Whether a revision holds no slots, or slots in the form that this package stores.

    Anything else in that field can violate the unique index.
    """
    metadata = document.get('metadata')
    if not isinstance(metadata, Mapping):
        return not isinstance(metadata, list)
    slots = metadata.get('slots')
    return slots is None or slots in _OWN_SLOTS


def successor_of(document: Document) -> ObjectId | None:
    """The id of the revision that replaces this one, if a writer has claimed it."""
    successor = metadata_of(document).get(SUCCESSOR_KEY)
    return successor if isinstance(successor, ObjectId) else None


def hidden_name(file_id: ObjectId) -> str:
    """The hidden name of a revision before it replaces a specific version."""
    return f'{HIDDEN_PREFIX}{file_id}'


def date_of(document: Document) -> datetime.datetime | None:
    """When a revision was written, in UTC."""
    date = document.get('uploadDate')
    if not isinstance(date, datetime.datetime):
        # Some programs omit the date. An ObjectId contains the second in which it was created.
        made = document['_id']
        return made.generation_time if isinstance(made, ObjectId) else None
    # MongoDB's dates are in UTC. Without the option tz_aware, they have no zone.
    return date.replace(tzinfo=datetime.timezone.utc) if date.tzinfo is None else date


def age_of(document: Document) -> tuple[float, str]:
    """The key that sorts revisions, oldest first, like the server sorts them by date and id."""
    date, made = document.get('uploadDate'), document['_id']
    if isinstance(date, DatetimeMS):
        # A date outside of Python's range.
        date_ms = float(int(date))
    else:
        is_date = isinstance(date, datetime.datetime)
        date_ms = found.timestamp() * 1000 if is_date and (found := date_of(document)) else float('-inf')
    return date_ms, str(made) if isinstance(made, ObjectId) else ''


def now_after(newest: Document | None) -> datetime.datetime:
    """The current time, or the first moment after *newest* if this host's clock is behind its writer's clock."""
    now = datetime.datetime.now(datetime.timezone.utc)
    # MongoDB stores milliseconds.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    date = None if newest is None else date_of(newest)
    if date is None:
        return now
    try:
        return max(now, date + datetime.timedelta(milliseconds=1))
    except OverflowError:
        # The last moment that Python supports. For equal dates, the later ObjectId counts as newer.
        return date


def by_name(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """The revisions of each name, oldest first, from *documents* sorted by name and date."""
    revisions: list[Document] = []
    for document in documents:
        if not isinstance(document.get('filename'), str):
            # MongoDB sorts a list that contains strings among the strings.
            continue
        if revisions and revisions[-1]['filename'] != document['filename']:
            yield revisions
            revisions = []
        revisions.append(document)
        if len(revisions) > 1 and _is_before(document, revisions[-2]):
            revisions[-2:] = revisions[:-3:-1]
    if revisions:
        yield revisions


def _is_before(document: Document, other: Document) -> bool:
    # The index sorts by date. Within a millisecond, the later ObjectId counts as newer.
    one, two = document['_id'], other['_id']
    return (
        document.get('uploadDate') == other.get('uploadDate')
        and isinstance(one, ObjectId)
        and isinstance(two, ObjectId)
        and one < two
    )


def info_of(document: Document, algorithm: str) -> FileInfo:
    """The metadata of a file, with the checksum if its algorithm is the configured one."""
    name, metadata = document['filename'], metadata_of(document)
    types = (metadata.get('contentType'), document.get('contentType'))
    mime = next((_plain(found) for found in types if isinstance(found, str) and found), None)
    # GridFS stored the MD5 in md5 until its specification of 2021.
    sums = (metadata.get('checksum'), f'md5:{document.get("md5")}')
    checksum = next((found for found in sums if isinstance(found, str) and _CHECKSUM.fullmatch(found)), None)
    if checksum is not None and not _is_of(checksum, algorithm):
        checksum = None
    size, attributes = Layout.of(document).length, attributes_from(metadata)
    return FileInfo(
        name,
        size,
        date_of(document),
        mime or mime_type(name),
        checksum,
        etag_of(document),
        attributes.content_encoding,
        attributes.cache_control,
        attributes.content_language,
        attributes.download_name,
        attributes.metadata,
    )


def _plain(text: str) -> str:
    # Bytes that are not UTF-8 are decoded as surrogates, and JavaScript as a subclass of str.
    return text.encode('utf-8', 'replace').decode()


def _is_of(checksum: str, algorithm: str) -> bool:
    kind, _, digest = checksum.partition(':')
    return kind == algorithm and len(digest) == 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size


def etag_of(document: Document) -> str:
    """The ETag of a revision."""
    made = document['_id']
    if isinstance(made, ObjectId):
        return str(made)
    # Other programs use their own ids, of any type, and can reuse them.
    version = repr((made, document.get('uploadDate'), document.get('length')))
    return hashlib.blake2b(version.encode(), digest_size=12).hexdigest()


def mime_after_rename(document: Document, target: str) -> str | None:
    """The media type to set when a file is renamed: only if the stored one was suggested by the old name; else None."""
    stored = metadata_of(document).get('contentType')
    suggested = mime_type(target)
    return suggested if stored == mime_type(document['filename']) != suggested else None
