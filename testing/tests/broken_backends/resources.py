"""Backends that are each broken in one way: files, connections, threads and temporary files that stay."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import queue
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, ClassVar, cast

from http_store import HTTPBackend, Refused

import flask_fs as fs
from flask_fs.backends import Opened, Source
from flask_fs.backends.copies import temporary_copy
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import InputStream, chunks_of
from flask_fs.names import TEMPORARY_PREFIX

from . import caught_by


@caught_by('test_operations_leave_nothing_open', 'test_streams_give_back_what_they_hold')
class KeepsItsStreams(LocalBackend):
    kept: list[Any] = []  # noqa: RUF012
    lock = threading.Lock()

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        self.kept.append(os.dup(self._open_file(name)[0]))
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_operations_leave_nothing_open')
class ForgetsAConnectionNowAndThen(HTTPBackend):
    """Connects anew after some requests, before the server would hang up, and never closes the connection it had."""

    requests = itertools.count(1)
    forgotten: list[http.client.HTTPConnection] = []  # noqa: RUF012

    def _stat(self, name: str) -> fs.FileInfo:
        if next(self.requests) % 25 == 0:
            self.forgotten.append(connection := self._connection())
            connection.connect()
        return super()._stat(name)


@caught_by('test_operations_leave_nothing_open')
class CopiesOverAConnectionOfItsOwnNowAndThen(HTTPBackend):
    """When its usual one is taken, as it believes."""

    copies = itertools.count(1)
    own: list[http.client.HTTPConnection] = []  # noqa: RUF012

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if next(self.copies) % 25 == 0:
            self.own.append(connection := self._connection())
            connection.connect()
        super()._copy(name, target, create=create)


@caught_by('test_operations_leave_nothing_open')
class LeavesTheTemporaryFileOfEachUpload(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        with tempfile.NamedTemporaryFile(delete=False) as spool:
            spool.writelines(chunks_of(stream))
            spool.seek(0)
            return super()._put(name, Source(spool), **options)


@caught_by('test_operations_leave_nothing_open')
class StartsAThreadForEachListing(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        found: queue.Queue[fs.FileInfo | None] = queue.Queue()

        def list_all() -> None:
            for info in super(StartsAThreadForEachListing, self)._scan(prefix):
                found.put(info)
            found.put(None)
            # For the next page, which nobody asks for.
            threading.Event().wait()

        threading.Thread(target=list_all, daemon=True).start()
        return iter(found.get, None)


@caught_by('test_operations_leave_nothing_open')
class KeepsOldRevisions(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        with contextlib.suppress(FileNotFoundError):
            super()._put(f'old-{os.urandom(4).hex()}', Source(super()._open(name).stream))
        super()._put(name, stream, **options)


@caught_by('test_operations_leave_nothing_open')
class KeepsTheCursorOfAFolder(LocalBackend):
    """Until its last page, for which not everybody asks."""

    cursors: list[int] = []  # noqa: RUF012

    def _folder(self, prefix: str, after: str | None, limit: int) -> fs.Folder:
        page = super()._folder(prefix, after, limit)
        if page.next is not None:
            self.cursors.append(os.open(self.root, os.O_RDONLY))
        return page


@caught_by('test_operations_leave_nothing_open')
class RemovesManyInThreads(MemoryBackend):
    pools: list[Any] = []  # noqa: RUF012

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        self.pools.append(pool := ThreadPoolExecutor(2))
        list(pool.map(self._remove, list(names)))
        return {}


@caught_by('test_failures_leave_nothing_open')
class KeepsTheVersionThatItComparesWith(LocalBackend):
    """Unless it is the right one."""

    compared: list[int] = []  # noqa: RUF012

    def _swap(self, name: str, stream: Source, etag: str, **options: Any) -> None:
        descriptor = self._open_file(name)[0]
        try:
            super()._swap(name, stream, etag, **options)
        except fs.Changed:
            self.compared.append(descriptor)
            raise
        os.close(descriptor)


@caught_by('test_failures_leave_nothing_open')
class KeepsTheFolderWhoseFileHasNoAttributes(LocalBackend):
    """Because the file is missing."""

    folders: list[int] = []  # noqa: RUF012

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        self.folders.append(os.open(self.root, os.O_RDONLY))
        super()._set_attributes(name, changes)
        os.close(self.folders.pop())


@caught_by('test_failures_leave_nothing_open')
class ClosesOnlyWhatItReads(LocalBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        descriptor = self._open_file(name)[0]
        opened = super()._open(name, start, stop, etag=etag)
        os.close(descriptor)
        return opened


@caught_by('test_failures_leave_nothing_open')
class LeavesTheTemporaryFileOfAFailedUpload(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        with tempfile.NamedTemporaryFile(delete=False) as spool:
            spool.writelines(chunks_of(stream))
            spool.seek(0)
            info = super()._put(name, Source(spool), **options)
        os.unlink(spool.name)
        return info


@caught_by('test_failures_leave_nothing_open', 'test_failures_of_the_network_leave_nothing_open')
class KeepsRefusedResponses(HTTPBackend):
    """For a log of errors, with all that hangs on their tracebacks."""

    errors_seen: ClassVar[list[Exception]] = []

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        if isinstance(error, Refused):
            self.errors_seen.append(error)
            connection = self._connection()
            connection.connect()
            error.connection = connection  # type: ignore[attr-defined]  # to try it again on
        return super().translate(error, name)


@caught_by('test_failures_of_the_network_leave_nothing_open')
class ConnectsAnewAfterACut(HTTPBackend):
    """To be ready for the next request, which makes a connection of its own."""

    ready: ClassVar[list[http.client.HTTPConnection]] = []

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        if isinstance(error, http.client.IncompleteRead):
            self.ready.append(connection := self._connection())
            connection.connect()
        return super().translate(error, name)


class Produced(InputStream):
    """Bytes that a thread puts into a queue."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(1)
        self._rest = b''
        threading.Thread(target=self._produce, args=(stream, self._queue), daemon=True).start()

    @staticmethod
    def _produce(stream: IO[bytes], into: queue.Queue[bytes]) -> None:
        with stream:
            for piece in iter(lambda: stream.read(1_000_000), b''):
                into.put(piece)
        into.put(b'')

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        pieces, left = list[bytes](), 1 << 60 if size is None or size < 0 else size
        while left and (piece := self._rest or self._queue.get()):
            pieces.append(piece[:left])
            self._rest = piece[left:]
            left -= len(pieces[-1])
        if left:
            # For whoever reads beyond the end.
            self._queue.put(b'')
        return b''.join(pieces)


@caught_by('test_streams_give_back_what_they_hold')
class ReadsAheadInAThread(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, cast('IO[bytes]', Produced(stream)))


@caught_by('test_streams_give_back_what_they_hold')
class LeavesTheLocalCopyOfWhoFails(MemoryBackend):
    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        with temporary_copy(self._open_translated(self._key(filename)).stream, filename) as copy:
            number, path = tempfile.mkstemp(suffix=os.path.basename(copy))
            with open(number, 'wb') as file, open(copy, 'rb') as content:
                file.writelines(content)
        yield path
        os.unlink(path)


@caught_by('test_streams_give_back_what_they_hold')
class ClosesAListingAtItsEnd(LocalBackend):
    cursors: ClassVar[set[int]] = set()

    def _names(self, prefix: str) -> Iterator[str]:
        self.cursors.add(cursor := os.open(self.root, os.O_RDONLY))
        yield from super()._names(prefix)
        self.cursors.discard(cursor)
        os.close(cursor)


@caught_by('test_a_thread_that_ends_leaves_nothing_open')
class ConnectsForEachThread(LocalBackend):
    connections: ClassVar[dict[int | str, int]] = {}

    def _stat_or_connect(self) -> None:
        # Numbers of threads are used again, so each has its name.
        if (thread := threading.current_thread().name) not in self.connections:
            self.connections[thread] = os.open(os.devnull, os.O_RDONLY)

    def read(self, filename: str) -> bytes:
        self._stat_or_connect()
        return super().read(filename)


@caught_by('test_a_thread_that_ends_leaves_nothing_open')
class StartsAWorkerForEachThread(MemoryBackend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._local = threading.local()

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        if not hasattr(self._local, 'worker'):
            self._local.worker = threading.Thread(target=threading.Event().wait, daemon=True)
            self._local.worker.start()
        return super()._put(name, stream, **options)


@caught_by('test_a_fork_in_the_middle_of_an_upload_harms_neither')
class LocksWhileItReadsTheSource(LocalBackend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lock = threading.Lock()

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        # Without a time-out the child would wait forever.
        if not self._lock.acquire(timeout=1):
            raise self.error(fs.Unavailable, name, 'another upload does not end')
        try:
            super()._put(name, stream, **options)
        finally:
            self._lock.release()


@caught_by('test_a_fork_in_the_middle_of_an_upload_harms_neither')
class CleansUpInAChild(LocalBackend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._process = os.getpid()
        self._filesystem.unnamed = False

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if os.getpid() != self._process:
            for left in Path(self.root).glob(f'{TEMPORARY_PREFIX}*'):
                left.unlink()
        super()._put(name, stream, **options)


@caught_by('test_failures_leave_nothing_open')
class LeavesAFileOpenAtSomeRefusals(LocalBackend):
    refusals = itertools.count(1)

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        try:
            return super()._open(name, start, stop, etag=etag)
        except fs.RangeNotSatisfiable:
            if next(self.refusals) % 20 == 0:
                self._open_file(name)
            raise


@caught_by('test_streams_give_back_what_they_hold')
class LeavesAFileOpenAtSomeListings(LocalBackend):
    """That were not read to their end."""

    listings = itertools.count(1)

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        descriptor = os.open(self.root, os.O_RDONLY)
        is_at_its_end = False
        try:
            yield from super()._scan(prefix)
            is_at_its_end = True
        finally:
            if is_at_its_end or next(self.listings) % 20:
                os.close(descriptor)
