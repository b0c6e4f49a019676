"""Backends that are each broken in one way: listing."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


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


@caught_by('test_a_prefix_is_literal_text')
class TakesAPrefixForAFolder(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return super()._scan(f'{prefix.rstrip("/")}/' if prefix else '')


@caught_by('test_a_prefix_is_literal_text')
class ListsByLike(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        pattern = re.compile(re.escape(prefix).replace('%', '.*').replace('_', '.'))
        return (info for info in super()._scan() if pattern.match(info.name))


@caught_by('test_a_prefix_is_literal_text')
class ListsOneFolder(LocalBackend):
    """A prefix that ends inside a name finds the files of its folder, and not those of the folders there."""

    def _names(self, prefix: str) -> Iterator[str]:
        below = prefix.rpartition('/')[0]
        found = super()._names(prefix)
        return found if prefix.endswith('/') or not prefix else (n for n in found if n.rpartition('/')[0] == below)


@caught_by('test_only_files_are_listed')
class FindsFolders(LocalBackend):
    def exists(self, filename: str) -> bool:
        return os.path.exists(self.path(filename))


@caught_by('test_hidden_names_are_names_like_others')
class ListsByAGlob(LocalBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        return (name for name in super()._names(prefix) if not name.rpartition('/')[2].startswith('.'))


@caught_by('test_hidden_names_are_names_like_others')
class SkipsHiddenFolders(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (info for info in super()._scan(prefix) if '/.' not in f'/{info.name.rpartition("/")[0]}')


@caught_by('test_hidden_names_are_names_like_others')
class SparesHiddenFiles(LocalBackend):
    def _delete(self, name: str) -> None:
        self._remove(name)
        for below in [below for below in self._names(f'{name}/') if '/.' not in below]:
            self._remove(below)


@caught_by('test_a_writer_at_work_is_neither_seen_nor_waited_for')
class LocksWhileItReads(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        with self._lock:
            content = b''.join(iter(lambda: stream.take(CHUNK_BYTES), b''))
        return super()._put(name, Source(io.BytesIO(content)), create=create, attributes=attributes)


@caught_by('test_a_writer_at_work_is_neither_seen_nor_waited_for')
class ReservesItsName(MemoryBackend):
    """An empty file, until the content is there."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        super()._put(name, Source(io.BytesIO()), create=create)
        return super()._put(name, stream, attributes=attributes)


@caught_by('test_a_writer_at_work_is_neither_seen_nor_waited_for')
class ListsItsTemporaryFiles(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        temporary = Path(self.path(f'{name}.part'))
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open('w+b') as file:
            try:
                file.writelines(iter(lambda: stream.take(CHUNK_BYTES), b''))
                file.seek(0)
                super()._put(name, Source(file), create=create, attributes=attributes)
            finally:
                temporary.unlink()


@caught_by('test_a_prefix_is_literal_text')
class EndsPrefixesAtTheLastOfTheBasicPlane(MemoryBackend):
    """Lists the names from the prefix to the prefix and U+FFFF, beyond which there are others."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (info for info in super()._scan(prefix) if not prefix or info.name <= f'{prefix}\uffff')


@caught_by('test_a_writer_at_work_is_neither_seen_nor_waited_for')
class LetsWritersOfANameWait(MemoryBackend):
    """A lock for each name, held while the source is read."""

    locks: ClassVar[dict[tuple[int, str], threading.RLock]] = {}

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        with self.locks.setdefault((id(self._files), name), threading.RLock()):
            return super()._put(name, stream, **options)


@caught_by('test_a_writer_at_work_is_neither_seen_nor_waited_for')
class SweepsWhatIsBeingStored(LocalBackend):
    """Takes every temporary file for one of a process that died."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._filesystem.unnamed = False

    def _sweep(self, older_than_s: float) -> int:
        return super()._sweep(-1)
