"""Backends that are each broken in one way: what has arrived and is no file yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from http_store import HTTPBackend

from flask_fs.backends import FileInfo, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.names import INCOMING_PREFIX

from . import caught_by


@caught_by('test_what_has_arrived_is_hidden')
class ListsWhatHasArrived(MemoryBackend):
    def list_files(self, prefix: str = '') -> Iterator[str]:
        return iter([name for name in self._files if name.startswith(prefix)])


@caught_by('test_what_has_arrived_is_hidden')
class ReadsAnyName(MemoryBackend):
    def read(self, filename: str) -> bytes:
        return self._open(self._prefix + filename).stream.read()


@caught_by('test_what_has_arrived_is_hidden')
class HidesItOnlyWithoutAPrefix(MemoryBackend):
    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        if not self._prefix:
            return super().scan(prefix)
        return map(self._strip_prefix, self._scan(self._prefix + prefix))


@caught_by('test_what_has_arrived_is_what_the_store_lists', 'test_abandoned_uploads_are_swept')
class HidesItFromItself(LocalBackend):
    """Whatever begins with a dot is skipped by its listing."""

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (info for info in super()._scan(prefix) if '/.' not in f'/{info.name}')


@caught_by('test_what_has_arrived_is_what_the_store_lists')
class RemembersItsListings(MemoryBackend):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._listed: dict[str, list[FileInfo]] = {}

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        if not prefix:
            return super()._scan(prefix)
        return iter(self._listed.setdefault(prefix, [*super()._scan(prefix)]))


@caught_by('test_what_has_arrived_is_what_the_store_lists', 'test_one_process_accepts_an_upload_at_a_time')
class ReplacesItsOwnFiles(MemoryBackend):
    """What is hidden is nobody else's."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> FileInfo:
        return super()._put(name, stream, create=create and INCOMING_PREFIX not in name, **options)


@caught_by('test_one_process_accepts_an_upload_at_a_time')
class CreatesEmptyFilesAnyway(HTTPBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        super()._put(name, stream, create=create and stream.remaining_size != 0, **options)


@caught_by('test_abandoned_uploads_are_swept')
class SweepsOnlyItsOwn(MemoryBackend):
    def sweep(self, *, older_than_s: float = 0) -> int | None:
        return self._sweep(older_than_s)


@caught_by('test_abandoned_uploads_are_swept')
class ListsNoTimes(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (dataclasses.replace(info, modified=None) for info in super()._scan(prefix))
