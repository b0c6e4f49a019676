"""The backend for GridFS."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeVar, cast

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
    Opened,
    Source,
    batched,
)
from flask_fs.errors import FileExists, FileNotFound, FSError, RangeNotSatisfiable, Replaced
from flask_fs.files import mime_type
from flask_fs.settings import setting_names, settings_error, storage_prefix

from .clients import Connection
from .documents import Document, Layout, info_of
from .failures import SDK_ERRORS, Damaged, Taken, Vanished, kind_of, reason_for
from .settings import SETTINGS, collection_name
from .store import Store, beginning_with
from .streams import ChunkStream, cut
from .sweeping import STALE_S, sweep
from .writing import Writer

T = TypeVar('T')
_logger = logging.getLogger(__name__)
#: How often to look at a file again that is replaced before its first byte was handed out.
_LOOKS = 20


class GridFSBackend(BaseBackend):
    """Keeps files in two collections of a MongoDB, as GridFS lays them out, under their names.

    Its client is made when it is first needed, and shared by all storages of a process with the same settings.
    """

    kind = 'gridfs'
    capabilities = (
        Capability.ATOMIC_CREATE | Capability.CHECKSUM | Capability.MIME | Capability.RANGE | Capability.NESTED_NAMES
    )
    settings = SETTINGS
    #: How many files to list, or to remove, at once.
    page_files = 1000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._settings = storage_prefix(name)
        if not any(self.config.get(key) for key in ('mongo_url', 'mongo_client', 'mongoengine_alias')):
            raise settings_error(name, self.kind, f'needs {setting_names(name, self.kind, "mongo_url")}')
        try:
            self._collection = collection_name(self.config.get('collection') or name)
        except ValueError as error:
            raise settings_error(name, self.kind, f'needs {self._settings}COLLECTION: it must be {error}') from None
        self._keep_apart('collection')
        self._connection = Connection(name, self.config)
        self._opened: Store | None = None
        self._has_indexes = False

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The server, the database, the collection and the key prefix."""
        return (self.kind, *self._connection.location, self._collection, self._prefix)

    def sweep(self, *, older_than_s: float = STALE_S) -> int:
        """Remove what processes left of uploads when they died; the number of uploads.

        These are chunks without a file, in the whole collection, whatever the key prefix. An upload that has sent
        anything within *older_than_s* seconds is left alone.
        """
        with self._translated(None):
            return sweep(self._store(), older_than_s)

    def describe_location(self) -> str:
        return f'{self._collection}/{self._prefix} in {self._connection.describe()}'

    # --- What code for older packages uses.

    @property
    def client(self) -> MongoClient[Any]:
        """The client of this process, made when it is first needed."""
        return self.db.client

    @property
    def db(self) -> Database[Any]:
        """The database that holds the files."""
        with self._translated(None):
            return self._connection.database()

    @property
    def fs(self) -> GridFS:
        """The collections as the package gridfs gives access to them, with all of its methods.

        What it stores are revisions as of any other program; the key prefix of the storage is not put before names.
        """
        return GridFS(self.db, self._collection)

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        def opened(document: Document) -> Opened:
            info = self._info(document)
            if etag not in (None, info.etag):
                raise self.error(Replaced, name)
            if start >= max(info.size, 1):
                raise self.error(RangeNotSatisfiable, name)
            begin = max(0, info.size + start) if start < 0 else start
            return Opened(info, self._stream(document, begin, stop))

        return self._found(name, opened)

    def _open_seekable(self, name: str) -> IO[bytes]:
        return self._found(name, lambda document: self._stream(document, look=True))

    def _read(self, name: str) -> bytes:
        return self._found(name, lambda document: b''.join(self._store().content(document)))

    def _found(self, name: str, act: Callable[[Document], T]) -> T:
        """What *act* gives for the newest revision of a file; for the next one if that vanishes meanwhile."""
        with self._translated(name):
            store = self._store()
            for _ in range(_LOOKS):
                document = store.newest(name)
                if document is None:
                    raise self.error(FileNotFound, name)
                with contextlib.suppress(Vanished):
                    return act(document)
            raise Vanished

    def _stream(self, document: Document, start: int = 0, stop: int | None = None, *, look: bool = False) -> IO[bytes]:
        """The bytes [start, stop) of a file; the first ones are fetched now, of which a *look* takes but one chunk.

        :raises Vanished: If it is no longer there, which from the second fetch on is an error of the application's.
        """
        store, layout, name = self._store(), Layout.of(document), document['filename']
        stop = layout.length if stop is None else min(stop, layout.length)
        ready: Sequence[bytes] = ()
        if start < stop:
            first, last = start // layout.chunk_bytes, (stop - 1) // layout.chunk_bytes
            ready = store.read_chunks(document, first, 1 if look else min(layout.batch, last - first + 1))

        def fetch(number: int, count: int) -> list[bytes]:
            with self._translated(name):
                return store.read_chunks(document, number, count)

        return cast('IO[bytes]', ChunkStream(fetch, layout, start, stop, ready))

    # --- Facts.

    def _stat(self, name: str) -> FileInfo:
        return self._found(name, self._info)

    def _info(self, document: Document) -> FileInfo:
        return info_of(document, self.config.checksum)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        with self._translated(None):
            for revisions in self._store().listed(beginning_with(prefix), batch=self.page_files):
                try:
                    info = self._info(revisions[-1])
                except Damaged as error:
                    # The others can be told about. Its name is listed, so it can be found, looked at and removed.
                    _logger.warning('%s', self.translate(error, revisions[-1]['filename']))
                else:
                    yield info

    def _names(self, prefix: str) -> Iterator[str]:
        with self._translated(None):
            for revisions in self._store().listed(beginning_with(prefix), {'filename': 1}, batch=self.page_files):
                yield revisions[-1]['filename']

    # --- Writing.

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        with self._translated(name):
            writer = self._writer()
            if create and self._store().newest(name) is not None:
                raise Taken
        file_id, checksum, sent = ObjectId(), Checksum(self.config.checksum), 0
        layout = Layout(0, self.config.chunk_bytes)
        pieces = checksum.through(cut(stream, layout.chunk_bytes))

        def ask(act: Callable[[], T]) -> T:
            nonlocal sent
            with self._translated(name):
                try:
                    return act()
                except ServerSelectionTimeoutError:
                    # A clean-up would only wait for the server once more.
                    sent = 0
                    raise

        try:
            # Reading the source stands outside of `ask`: what it raises reaches the caller as it is.
            for batch in batched(pieces, layout.batch):
                first, sent = sent, sent + len(batch)
                ask(functools.partial(writer.send, file_id, first, batch))
            metadata = {'contentType': attributes.mime or mime_type(name), 'checksum': str(checksum)}
            document = {
                '_id': file_id,
                'filename': name,
                'length': checksum.size,
                'chunkSize': layout.chunk_bytes,
                'metadata': metadata,
            }
            replaced = ask(lambda: writer.publish(document, create=create))
        except BaseException:
            if sent:
                with contextlib.suppress(PyMongoError):
                    writer.abandon(file_id)
            raise
        with self._translated(name):
            writer.remove_replaced(name, replaced)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info, stream = self._found(name, lambda document: (self._info(document), self._stream(document)))
        with stream:
            self._put(target, Source(stream), create=create, attributes=Attributes(mime=info.given_mime))

    def _move(self, name: str, target: str, *, create: bool) -> None:
        with self._translated(target):
            writer = self._writer()
            try:
                replaced = writer.rename(name, target, create=create)
            except Vanished:
                raise self.error(FileNotFound, name) from None
            writer.remove_replaced(target, replaced)

    def _remove(self, name: str) -> None:
        self._remove_where(name, {'filename': name})

    def _delete(self, name: str) -> None:
        self._remove_where(name, {'$or': [{'filename': name}, beginning_with(f'{name}/')]})

    def _remove_where(self, name: str, where: Mapping[str, Any]) -> None:
        with self._translated(name):
            Writer(self._store(), slots=False).remove(where, batch=self.page_files)

    # --- The place.

    def _store(self) -> Store:
        """The collections, on a client of this process."""
        database = self._connection.database()
        store = self._opened
        if store is None or store.database is not database:
            store = self._opened = Store(database, self._collection, self._connection.client)
        return store

    def _writer(self) -> Writer:
        """What changes the collections, whose indexes it makes when it is first needed."""
        store = self._store()
        if not self._has_indexes:
            refusal = store.make_indexes()
            if refusal is not None and Capability.ATOMIC_CREATE in self.capabilities:
                self.capabilities = self.capabilities & ~Capability.ATOMIC_CREATE
                _logger.warning(
                    'Storage %r (gridfs): the server refuses the unique index on %s.files that creating files '
                    'without races needs (%s): ATOMIC_CREATE is not promised.',
                    self.name,
                    self._collection,
                    type(refusal).__name__,
                )
            self._has_indexes = True
        return Writer(store, slots=Capability.ATOMIC_CREATE in self.capabilities)

    # --- Errors.

    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Generator[None]:
        """Turns what pymongo raises inside its ``with`` block into the error that tells storage, file and remedy."""
        try:
            yield
        except Taken as error:
            raise self.error(FileExists, name) from error
        except SDK_ERRORS as error:
            raise self.translate(error, name) from error

    def translate(self, error: Exception, name: str | None) -> FSError:
        """The error of Flask-FS that means the same as *error*."""
        place = '.'.join(filter(None, (self.config.get('mongo_db'), self._collection)))
        return self.error(kind_of(error), name, reason_for(error, place=place, settings=self._settings))
