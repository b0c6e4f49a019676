"""The backend for GridFS."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, ClassVar, cast

from bson import ObjectId
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    Checksum,
    FileInfo,
    Folder,
    Opened,
    Source,
    batched,
    changed,
)
from flask_fs.errors import Changed, FileExists, FileNotFound, FSError, Replaced
from flask_fs.settings import setting_names, settings_error, storage_prefix

from .attributes import metadata_for, update_for
from .connection import Connection
from .documents import Document, Layout, etag_of, info_of
from .errors import ERRORS, Damaged, NameTaken, Vanished, kind_of, reason_for
from .folders import page
from .settings import SETTINGS, collection_name
from .store import Store, beginning_with
from .stream import ChunkStream
from .sweep import sweep
from .writer import Writer

_logger = logging.getLogger(__name__)
#: How many revisions of a file to try if each is replaced before its first byte is read.
_MAX_REVISIONS = 20


class GridFSBackend(BaseBackend):
    """Stores files under their names in two collections in MongoDB, as the GridFS specification describes.

    The client is created on first use and shared by all storages in the process that use the same settings.
    """

    kind = 'gridfs'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.ATTRIBUTES
        | Capability.COMPARE_AND_SWAP
    )
    settings = SETTINGS
    errors: ClassVar[tuple[type[Exception], ...]] = ERRORS
    seekable_streams = True
    #: The legacy name of ``page_size``, for subclasses that set it.
    page_files: int | None = None

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._settings = storage_prefix(name)
        self.page_size = self.page_files or self.page_size
        if not any(self.config.get(key) for key in ('mongo_url', 'mongo_client', 'mongoengine_alias')):
            raise settings_error(name, self.kind, f'needs {setting_names(name, self.kind, "mongo_url")}')
        try:
            self._collection = collection_name(self.config.get('collection') or name)
        except ValueError as error:
            raise settings_error(name, self.kind, f'needs {self._settings}COLLECTION: it must be {error}') from None
        self._namespace_by_storage('collection')
        self._connection = Connection(name, self.config)
        self._opened: Store | None = None
        self._has_indexes = False
        #: The document that was looked up last, because a file is often opened right after its metadata is read.
        self._latest: Document | None = None

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The server, the database, the collection, and the key prefix."""
        return (self.kind, *self._connection.location, self._collection, self._prefix)

    def describe_location(self) -> str:
        return f'{self._collection}/{self._prefix} in {self._connection.describe()}'

    # --- For code of legacy packages: the objects of pymongo.

    @property
    def client(self) -> MongoClient[Any]:
        """The client of this process, created on first use."""
        return self.db.client

    @property
    def db(self) -> Database[Any]:
        """The database that stores the files."""
        try:
            return self._connection.database()
        except ERRORS as error:
            raise self.translated(error) from error

    @property
    def fs(self) -> GridFS:
        """The collections as an object of the gridfs package, with all of its methods.

        Files stored with it count as revisions of another program. The storage's key prefix is not added to names.
        """
        return GridFS(self.db, self._collection)

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        latest = self._latest
        if etag is None or latest is None or latest['filename'] != name or self._info(latest).etag != etag:
            latest = None
        for _ in range(_MAX_REVISIONS):
            document = latest or self._newest(name)
            info = self._info(document)
            first = self.range_start(info, start, etag)
            with contextlib.suppress(Vanished):
                stream = ChunkStream(
                    self._store(), document, first, min(info.size, info.size if stop is None else stop)
                )
                return Opened(info, cast('IO[bytes]', stream))
            latest = None
        raise self.error(Replaced, name)

    def _stat(self, name: str) -> FileInfo:
        self._latest = document = self._newest(name)
        return self._info(document)

    def _newest(self, name: str) -> Document:
        document = self._store().newest(name)
        if document is None:
            raise self.error(FileNotFound, name)
        return document

    def _info(self, document: Document) -> FileInfo:
        return info_of(document, self.config.checksum)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        listed = self._store().listed(beginning_with(prefix), batch=self.page_size)
        return self._infos(revisions[-1] for revisions in listed)

    def _infos(self, documents: Iterable[Document]) -> Iterator[FileInfo]:
        for document in documents:
            try:
                info = self._info(document)
            except Damaged as error:
                # List the other files, and log the name of this one, so that it can be found and removed.
                _logger.warning('%s', self.translated(error, document['filename']))
            else:
                yield info

    def _names(self, prefix: str) -> Iterator[str]:
        for revisions in self._store().listed(beginning_with(prefix), {'filename': 1}, batch=self.page_size):
            yield revisions[-1]['filename']

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        entries, following = page(self._store(), prefix, after, limit)
        files = self._infos(entry.newest for entry in entries if entry.newest is not None)
        folders = [prefix + entry.name[:-1] for entry in entries if entry.newest is None]
        return Folder(list(files), folders, following)

    # --- Writing.

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo:
        writer = self._writer()
        if create and self._store().newest(name) is not None:
            raise self.error(FileExists, name)
        return self._upload(writer, name, stream, attributes, lambda document: writer.publish(document, create=create))

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo:
        writer = self._writer()
        if Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self.unsupported(name, 'its server does not support the unique index that if_match requires')
        newest = self._store().newest(name)
        if newest is None or etag_of(newest) != etag:
            raise self.error(Changed, name)
        return self._upload(writer, name, stream, attributes, lambda document: writer.swap(document, etag), swaps=True)

    def _upload(
        self,
        writer: Writer,
        name: str,
        stream: Source,
        attributes: Attributes,
        publish: Callable[[dict[str, Any]], Sequence[Document]],
        *,
        swaps: bool = False,
    ) -> FileInfo:
        """Store chunks, then call *publish* with the document. If that fails, remove them, unless the server is down.

        :param publish: Makes the file visible, and returns the replaced revisions.
        """
        file_id, checksum, sent = ObjectId(), Checksum(self.config.checksum), 0
        layout = Layout(0, self.config.chunk_bytes)
        pieces = checksum.through(iter(lambda: stream.take(layout.chunk_bytes), b''))
        document = {'_id': file_id, 'filename': name, 'chunkSize': layout.chunk_bytes}
        try:
            for batch in batched(pieces, layout.batch):
                first, sent = sent, sent + len(batch)
                writer.send(file_id, first, batch)
                # Free its memory before the next batch arrives.
                del batch
            metadata = {**metadata_for(name, attributes), 'checksum': str(checksum)}
            document.update(length=checksum.size, metadata=metadata)
            replaced = publish(document)
        except BaseException as error:
            # If the server is down, cleaning up would only wait for it again.
            if (sent or swaps) and (error is stream.error or not isinstance(error, ServerSelectionTimeoutError)):
                with contextlib.suppress(PyMongoError):
                    writer.abandon(document, hidden=swaps)
            if isinstance(error, NameTaken):
                raise self.error(FileExists, name) from error
            if isinstance(error, Vanished):
                raise self.error(Changed, name) from error
            raise
        writer.remove_replaced(name, replaced)
        return self._info(document)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        document = self._newest(name)
        update = update_for(document, changed(self._info(document).attributes, changes), changes)
        if not self._store().update(document, update):
            raise self.error(Replaced, name)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        writer = self._writer()
        try:
            replaced = writer.rename(name, target, create=create)
        except Vanished:
            raise self.error(FileNotFound, name) from None
        except NameTaken as error:
            raise self.error(FileExists, target) from error
        writer.remove_replaced(target, replaced)

    def _remove(self, name: str) -> None:
        self._remove_where({'filename': name})

    def _delete(self, name: str) -> None:
        self._remove_where({'$or': [{'filename': name}, beginning_with(f'{name}/')]})

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        left = iter(names)
        for batch in batched(left, self.page_size):
            try:
                self._remove_where({'filename': {'$in': batch}})
            except ERRORS:
                # Remove them one by one to find out which fail and why, or whether the server is down.
                return super()._remove_many((*batch, *left))
        return {}

    def _remove_where(self, where: Mapping[str, Any]) -> None:
        Writer(self._store(), slots=False).remove(where, batch=self.page_size)

    def _sweep(self, older_than_s: float) -> int:
        """Remove the remains of uploads whose processes died, and return the number of uploads.

        These are chunks without a file, in the entire collection, regardless of the key prefix. An upload that has sent
        anything within *older_than_s* seconds is not affected.
        """
        return sweep(self._store(), older_than_s)

    # --- The collections.

    def _store(self) -> Store:
        """The collections, on a client of this process."""
        database = self._connection.database()
        store = self._opened
        if store is None or store.database is not database:
            store = self._opened = Store(database, self._collection, self._connection.client)
        return store

    def _writer(self) -> Writer:
        """The writer for the collections. The first call creates their indexes."""
        store = self._store()
        if not self._has_indexes:
            if (refusal := store.make_indexes()) is not None:
                reason = (
                    f'the server refuses the unique index on {self._collection}.files that is required to create files '
                    f'without races ({type(refusal).__name__}). ATOMIC_CREATE and COMPARE_AND_SWAP are not supported.'
                )
                self.drop_capability(Capability.ATOMIC_CREATE | Capability.COMPARE_AND_SWAP, reason)
            self._has_indexes = True
        return Writer(store, slots=Capability.ATOMIC_CREATE in self.capabilities)

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        location = '.'.join(filter(None, (self.config.get('mongo_db'), self._collection)))
        return kind_of(error), reason_for(
            error, location=location, settings=self._settings, connection=self._connection.setting
        )

    #: The name in 1.0, for backward compatibility.
    translate = BaseBackend.translated
