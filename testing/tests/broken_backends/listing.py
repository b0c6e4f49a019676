"""Backends that are each broken in one way: deleting and listing."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import flask_fs as fs
from flask_fs.backends import Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

PAGE = 1000


@caught_by('test_deleting_what_is_not_there_is_no_error')
class ComplainsOfNothingToDelete(MemoryBackend):
    def _remove(self, name: str) -> None:
        self._stat(name)
        super()._remove(name)


@caught_by('test_remove_removes_exactly_one_file')
class RemovesWhatIsUnderIt(MemoryBackend):
    def _remove(self, name: str) -> None:
        for below in (name, *self._names(f'{name}/')):
            super()._remove(below)


@caught_by('test_delete_spares_names_sharing_a_prefix')
class DeletesSiblings(MemoryBackend):
    def _delete(self, name: str) -> None:
        for found in list(self._names(name)):
            self._remove(found)


@caught_by('test_a_whole_folder_goes_however_many_files_it_has')
class DeletesOnePage(MemoryBackend):
    def _delete(self, name: str) -> None:
        self._remove(name)
        for below in list(itertools.islice(self._names(f'{name}/'), PAGE)):
            self._remove(below)


@caught_by('test_every_page_is_listed')
class ListsOnePage(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return itertools.islice(super()._scan(prefix), PAGE)


@caught_by('test_a_prefix_is_literal_text')
class TakesAPrefixAsAPattern(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (info for info in super()._scan() if re.match(prefix, info.name))


@caught_by('test_only_files_are_listed')
class ListsFolders(LocalBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        yield from super()._names(prefix)
        yield from (entry.name for entry in os.scandir(self.root) if entry.is_dir() and entry.name.startswith(prefix))


@caught_by('test_files_of_other_programs_are_listed_and_read')
class KnowsOnlyItsOwnFiles(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._index: set[str] = set()

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        self._index.add(name)

    def _names(self, prefix: str) -> Iterator[str]:
        return (name for name in super()._names(prefix) if name in self._index)


@caught_by('test_files_of_other_programs_are_listed_and_read')
class ListsWhatNoVerbTakes(MemoryBackend):
    def list_files(self, prefix: str = '') -> Iterator[str]:
        return self._names(self._prefix + prefix)


@caught_by('test_files_of_other_programs_are_listed_and_read')
class TellsOfWhatNoVerbTakes(MemoryBackend):
    def scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return self._scan(self._prefix + prefix)
