"""Backends that are each broken in one way: what they remember."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import flask_fs as fs
from flask_fs.backends import Opened, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_what_another_backend_does_is_seen_at_once', 'test_what_another_program_does_is_seen_at_once')
class RemembersMetadata(LocalBackend):
    """Forgets it when it writes or removes the file itself."""

    def _stat(self, name: str) -> fs.FileInfo:
        known: dict[str, fs.FileInfo] = vars(self).setdefault('known', {})
        if name not in known:
            known[name] = super()._stat(name)
        return known[name]

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        vars(self).setdefault('known', {}).pop(name, None)

    def _remove(self, name: str) -> None:
        super()._remove(name)
        vars(self).setdefault('known', {}).pop(name, None)


@caught_by('test_what_another_backend_does_is_seen_at_once', 'test_what_another_program_does_is_seen_at_once')
class RemembersWhatIsMissing(LocalBackend):
    def exists(self, filename: str) -> bool:
        missing: set[str] = vars(self).setdefault('missing', set())
        if filename not in missing and not super().exists(filename):
            missing.add(filename)
        return filename not in missing

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        vars(self).setdefault('missing', set()).discard(name)


@caught_by('test_what_another_backend_does_is_seen_at_once')
class RemembersAListing(LocalBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        known: dict[str, list[str]] = vars(self).setdefault('known', {})
        if prefix not in known:
            known[prefix] = list(super()._names(prefix))
        return iter(known[prefix])


class SharedByBackends(LocalBackend):
    """Remembers for all backends of the process on the same folder, which keep one another informed."""

    memory: ClassVar[dict[str, Any]] = {}

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        self.memory.pop(self.path(name), None)

    def _remove(self, name: str) -> None:
        super()._remove(name)
        self.memory.pop(self.path(name), None)

    def _delete(self, name: str) -> None:
        super()._delete(name)
        self.memory.clear()


@caught_by('test_what_another_process_does_is_seen_at_once', 'test_what_another_program_does_is_seen_at_once')
class RemembersContentInTheProcess(SharedByBackends):
    memory: ClassVar[dict[str, Any]] = {}

    def read(self, filename: str) -> bytes:
        path = self.path(filename)
        if path not in self.memory:
            self.memory[path] = super().read(filename)
        content: bytes = self.memory[path]
        return content


@caught_by('test_what_another_process_does_is_seen_at_once', 'test_what_another_program_does_is_seen_at_once')
class RemembersSizesInTheProcess(SharedByBackends):
    """Opens what it has seen before with the metadata of then."""

    memory: ClassVar[dict[str, Any]] = {}

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        size = self.memory.setdefault(self.path(name), info.size)
        return Opened(dataclasses.replace(info, size=size), stream)

    def read(self, filename: str) -> bytes:
        info, stream = self._open_translated(filename)
        with stream:
            return stream.read(info.size)


@caught_by('test_an_etag_changes_with_every_change')
class TagsBySecondAndSize(LocalBackend):
    """What many web servers do."""

    def _tagged(self, info: fs.FileInfo) -> fs.FileInfo:
        assert info.modified is not None
        return dataclasses.replace(info, etag=f'{int(info.modified.timestamp()):x}-{info.size:x}')

    def _stat(self, name: str) -> fs.FileInfo:
        return self._tagged(super()._stat(name))

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return map(self._tagged, super()._scan(prefix))


@caught_by('test_an_etag_changes_with_every_change')
class TagsByItsOwnWrites(LocalBackend):
    """A number of its own for each write, and no look at what others write."""

    numbers: ClassVar[dict[str, int]] = {}

    def _stat(self, name: str) -> fs.FileInfo:
        return dataclasses.replace(super()._stat(name), etag=f'v{self.numbers.get(self.path(name), 0)}')

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (dataclasses.replace(info, etag=None) for info in super()._scan(prefix))

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        self.numbers[self.path(name)] = self.numbers.get(self.path(name), 0) + 1


@caught_by('test_an_etag_changes_with_every_change')
class TagsByTheNameOfTheUpload(MemoryBackend):
    """A moved file keeps its tag, which may be that of what was there before under a new number."""

    def _put(self, name: str, stream: Source, **options: Any) -> Any:
        super()._put(name, stream, **options)
        info, content = self._files[name]
        count = sum(found.startswith(name) for found in self._files)
        self._files[name] = dataclasses.replace(info, etag=f'{name}-{count}'), content


@caught_by('test_the_time_moves_on_when_a_file_is_replaced')
class TellsWhenItWasMade(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> Any:
        old = self._files.get(name)
        info = super()._put(name, stream, **options)
        if old is not None:
            self._files[name] = (
                dataclasses.replace(self._files[name][0], modified=old[0].modified),
                self._files[name][1],
            )
        return info


@caught_by('test_the_time_moves_on_when_a_file_is_replaced')
class KeepsTheTimeOfTheFile(LocalBackend):
    """Gives the new file the times of the old one, as tools do that rewrite files without a trace."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        path = self.path(name)
        old = os.stat(path) if os.path.exists(path) else None
        super()._put(name, stream, **options)
        if old is not None:
            os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


@caught_by('test_the_time_moves_on_when_a_file_is_replaced')
class ScansOldTimes(MemoryBackend):
    """Has a table for listings, which replacing a file forgets to renew."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        first: dict[str, datetime.datetime | None] = vars(self).setdefault('first', {})
        for info in super()._scan(prefix):
            yield dataclasses.replace(info, modified=first.setdefault(info.name, info.modified))


@caught_by('test_what_another_program_does_is_seen_at_once')
class ChecksumsFromAnIndex(MemoryBackend):
    """Of what backends of this class have stored."""

    checksums: ClassVar[dict[str, str | None]] = {}

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        info = super()._put(name, stream, **options)
        self.checksums[name] = info.checksum
        return info

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, checksum=self.checksums.get(name, info.checksum))

    def _remove(self, name: str) -> None:
        super()._remove(name)
        self.checksums.pop(name, None)
