"""Backends that are each broken in what verbs do after other verbs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, Folder, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

ANY_SEQUENCE = 'test_any_sequence_of_verbs_does_what_a_dictionary_would'


@caught_by(ANY_SEQUENCE)
class RefusesNamesThatWereDeleted(MemoryBackend):
    """A marker of the deletion stays where the file was."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._deleted: set[str] = set()

    def _remove(self, name: str) -> None:
        super()._remove(name)
        self._deleted.add(name)

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if options.get('create') and name in self._deleted:
            raise self.error(fs.FileExists, name)
        super()._put(name, stream, **options)


@caught_by(ANY_SEQUENCE)
class ListsFromAnIndexThatMovesForget(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._moved: set[str] = set()

    def _move(self, name: str, target: str, *, create: bool) -> None:
        super()._move(name, target, create=create)
        self._moved.add(target)

    def _names(self, prefix: str) -> Iterator[str]:
        return (name for name in super()._names(prefix) if name not in self._moved)


@caught_by(ANY_SEQUENCE)
class RemembersFactsUntilItWrites(LocalBackend):
    """Until it writes the file itself: what another process writes is not seen."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._known: dict[str, fs.FileInfo] = {}

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        self._known.pop(name, None)
        super()._put(name, stream, **options)

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return self._known.setdefault(name, info)


@caught_by(ANY_SEQUENCE)
class HasNoFoldersOfCopies(MemoryBackend):
    """Folders come from an index that copies do not enter."""

    _copied: ClassVar[set[str]] = set()

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        self._copied.add(target)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        return dataclasses.replace(page, files=[info for info in page.files if info.name not in self._copied])


@caught_by('test_any_sequence_of_verbs_does_what_a_dictionary_would')
class HasChunksOfItsOwn(MemoryBackend):
    """Larger than those that were asked for."""

    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES, **options: Any) -> Any:
        return super().read_chunks(filename, max(chunk_size, 4096), **options)
