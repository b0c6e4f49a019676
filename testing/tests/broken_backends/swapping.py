"""Backends that are each broken in one way: compare and swap."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import threading
from collections.abc import Mapping
from typing import Any

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, Source
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

CURRENT = 'test_the_current_version_can_be_replaced'
NO_OTHER = 'test_no_other_version_is_replaced'
MEANWHILE = 'test_a_version_replaced_while_the_source_is_read_is_kept'
THREADS = 'test_of_many_threads_that_swap_one_version_one_wins'
PROCESSES = 'test_of_many_processes_that_swap_one_version_one_wins'
COUNTER = 'test_a_counter_that_is_swapped_loses_no_count'
REFUSED = 'test_if_match_is_refused_where_it_is_not_promised'
OWN_ATTRIBUTES = 'test_a_swapped_file_has_its_own_attributes'


class Looks(MemoryBackend):
    """Compares by itself, and then replaces."""

    def _require(self, name: str, etag: str) -> None:
        try:
            found = self._stat(name).etag
        except fs.FileNotFound as error:
            raise self.error(fs.Changed, name) from error
        if found != etag:
            raise self.error(fs.Changed, name)


@caught_by(CURRENT, THREADS)
class ComparesTheEtagOfTheUpload(MemoryBackend):
    """What the store compares is not what stat returns."""

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, etag=f'{info.etag}-1')


@caught_by(CURRENT, COUNTER)
class SwapsToOneEtag(MemoryBackend):
    """Its versions are counted, and swapping does not count."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        info, content = self._received(name, stream, attributes)
        return self._keep(dataclasses.replace(info, etag=etag), content, etag=etag)


@caught_by(CURRENT)
class SwapsSmallFilesOnly(MemoryBackend):
    """Another etag is compared for what is stored in parts."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        content = stream.read()
        etag = f'{etag}-1' if len(content) > CHUNK_BYTES else etag
        return super()._swap(name, Source(io.BytesIO(content)), etag, attributes=attributes)


@caught_by(NO_OTHER)
class TakesAStarForAnyVersion(MemoryBackend):
    """As If-Match does, unquoted."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        if etag == '*' and name in self._files:
            return self._put(name, stream, attributes=attributes)
        return super()._swap(name, stream, etag, attributes=attributes)


@caught_by(NO_OTHER)
class CreatesWhatIsNotThere(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        with contextlib.suppress(KeyError):
            if self._files[name][0].etag != etag:
                raise self.error(fs.Changed, name)
        return self._put(name, stream, attributes=attributes)


@caught_by(NO_OTHER)
class SaysThatItIsNotThere(MemoryBackend):
    """In other words than were promised."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        self._stat(name)
        return super()._swap(name, stream, etag, attributes=attributes)


@caught_by(NO_OTHER)
class TakesAListOfEtags(HTTPBackend):
    """Sends the etag as it is, and so may the caller send several, quoted."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._swap(name, stream, etag.strip('"').rpartition('"')[2] or etag, attributes=attributes)


@caught_by(MEANWHILE, THREADS)
class ComparesBeforeItReads(Looks):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        self._require(name, etag)
        return self._put(name, stream, attributes=attributes)


@caught_by(MEANWHILE, THREADS)
class CompletesPartsWithoutComparing(Looks):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        head = stream.take(CHUNK_BYTES)
        stream.unread(head)
        if len(head) < CHUNK_BYTES:
            return super()._swap(name, stream, etag, attributes=attributes)
        self._require(name, etag)
        return self._put(name, stream, attributes=attributes)


@caught_by(THREADS)
class HasALockOfItsOwn(Looks):
    """Another backend on the store has another one."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._own_lock = threading.Lock()

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        content = stream.take(CHUNK_BYTES * 8)
        with self._own_lock:
            self._require(name, etag)
            threading.Event().wait(0.01)
            return self._put(name, Source(io.BytesIO(content)), attributes=attributes)


@caught_by(PROCESSES, COUNTER)
class ComparesByAnotherRequest(HTTPBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        content = stream.take(CHUNK_BYTES * 8)
        try:
            found = self._stat(name).etag
        except fs.FileNotFound as error:
            raise self.error(fs.Changed, name) from error
        if found != etag:
            raise self.error(fs.Changed, name)
        # As it may take, if the store is not on the same machine.
        threading.Event().wait(0.01)
        self._put(name, Source(io.BytesIO(content)), attributes=attributes)


@caught_by(PROCESSES)
class LocksInItsProcess(ComparesByAnotherRequest):
    lock = threading.Lock()

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        content = stream.take(CHUNK_BYTES * 8)
        with self.lock:
            super()._swap(name, Source(io.BytesIO(content)), etag, attributes=attributes)


@caught_by(PROCESSES, THREADS)
class TellsNoLoser(HTTPBackend):
    """The store refuses, which is taken for a retry that had succeeded before."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        with contextlib.suppress(fs.Changed):
            super()._swap(name, stream, etag, attributes=attributes)


class Modest(MemoryBackend):
    capabilities = MemoryBackend.capabilities & ~Capability.COMPARE_AND_SWAP


@caught_by(REFUSED)
class IgnoresIfMatch(Modest):
    def _put_translated(self, key: str, reader: Any, *, if_match: str | None = None, **options: Any) -> Any:
        return super()._put_translated(key, reader, **options)


@caught_by(REFUSED)
class ReadsBeforeItRefusesToSwap(Modest):
    def _put_translated(self, key: str, reader: Any, **options: Any) -> Any:
        return super()._put_translated(key, io.BytesIO(reader.read()), **options)


@caught_by(REFUSED)
class SwapsWithoutAPromise(Modest):
    """Compares etags of equal content alike, without a promise."""

    def write(
        self, filename: str, content: Any, overwrite: bool = True, *, if_match: str | None = None, **options: Any
    ) -> Any:
        if if_match not in (None, self.stat(filename).etag):
            raise self.error(fs.Changed, filename, hashlib.sha256(self.read(filename)).hexdigest())
        return super().write(filename, content, overwrite, **options)


@caught_by(OWN_ATTRIBUTES)
class SwapsTheBytesAlone(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        return super()._swap(name, stream, etag)


@caught_by(OWN_ATTRIBUTES)
class SwapsAndKeepsOldAttributes(MemoryBackend):
    """Where none are given."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        if name in self._files and not attributes.given():
            attributes = self._stat(name).attributes
        return super()._swap(name, stream, etag, attributes=attributes)


@caught_by(OWN_ATTRIBUTES)
class SwapsAndMergesMetadata(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        if name in self._files:
            merged = {**self._stat(name).metadata, **attributes.metadata}
            attributes = dataclasses.replace(attributes, metadata=merged)
        return super()._swap(name, stream, etag, attributes=attributes)


@caught_by(OWN_ATTRIBUTES)
class SwapsToTheTypeOfTheName(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        return super()._swap(name, stream, etag, attributes=dataclasses.replace(attributes, mime=None))


@caught_by(CURRENT)
class ReturnsTheFormerVersion(MemoryBackend):
    """What is known of the file from before it was replaced."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        there = self._files.get(name)
        new = super()._swap(name, stream, etag, attributes=attributes)
        return new if there is None else there[0]


@caught_by(CURRENT)
class SwapsAndKeepsTheChecksum(MemoryBackend):
    """The entry of the old version is stored again with the new one."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        info, content = self._received(name, stream, attributes)
        there = self._files.get(name)
        return self._keep(dataclasses.replace(info, checksum=there and there[0].checksum), content, etag=etag)


@caught_by(CURRENT)
class DigestsTheFirstChunkOfASwap(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        info, content = self._received(name, stream, attributes)
        checksum = f'sha256:{hashlib.sha256(content[:1000]).hexdigest()}'
        return self._keep(dataclasses.replace(info, checksum=checksum), content, etag=etag)
