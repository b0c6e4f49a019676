"""Backends that are each broken in one way: deleted files that are kept."""

from __future__ import annotations

import dataclasses
import datetime
import io
from collections.abc import Iterator

from flask_fs.backends import DeletedFile, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_what_was_deleted_can_be_restored', 'test_an_interrupt_loses_no_deleted_file')
class RemovesAtOnce(MemoryBackend):
    def _retain(self, name: str) -> None:
        self._remove(name)


@caught_by('test_what_was_deleted_can_be_restored', 'test_purging_removes_one_name_for_good')
class KeepsTheNameAlone(MemoryBackend):
    def _retain(self, name: str) -> None:
        self._put(name, Source(io.BytesIO()))
        super()._retain(name)


@caught_by('test_what_was_deleted_can_be_restored')
class ReportsLocalTime(MemoryBackend):
    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            yield dataclasses.replace(file, deleted=file.deleted + datetime.timedelta(hours=5, minutes=45))


@caught_by('test_what_was_deleted_can_be_restored')
class RestoresACopy(MemoryBackend):
    """The same file can be restored again and again."""

    def _restore(self, file: DeletedFile) -> None:
        self._copy(file.id, file.name, create=True)


@caught_by('test_deleted_files_are_hidden')
class KeepsBesideTheOthers(LocalBackend):
    def _retain(self, name: str) -> None:
        self._move(name, f'trash/{name}', create=False)


@caught_by('test_deleted_files_are_hidden')
class ListsWhatItKeeps(MemoryBackend):
    def list_files(self, prefix: str = '') -> Iterator[str]:
        return iter([name for name in self._files if name.startswith(prefix)])


@caught_by('test_restoring_never_replaces_a_file')
class RestoresOverANewFile(MemoryBackend):
    def _restore(self, file: DeletedFile) -> None:
        self._move(file.id, file.name, create=False)


@caught_by('test_restoring_never_replaces_a_file')
class DropsWhatItCannotRestore(MemoryBackend):
    def _restore(self, file: DeletedFile) -> None:
        try:
            super()._restore(file)
        finally:
            self._purge(file)


@caught_by('test_purging_removes_one_name_for_good')
class PurgesWhatIsUnderIt(MemoryBackend):
    def _purge(self, file: DeletedFile) -> None:
        for other in list(self._deleted(file.name)):
            super()._purge(other)


@caught_by('test_purging_removes_one_name_for_good')
class KeepsOneOfEachName(MemoryBackend):
    def _purge(self, file: DeletedFile) -> None:
        if len([other for other in self._deleted(file.name) if other.name == file.name]) > 1:
            super()._purge(file)


@caught_by('test_deleted_files_are_swept_when_their_time_is_over')
class SweepsByTheAgeOfTheFile(MemoryBackend):
    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            yield dataclasses.replace(file, deleted=datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc))


@caught_by('test_deleted_files_are_swept_when_their_time_is_over')
class NeverSweepsDeletedFiles(MemoryBackend):
    def _purge_expired(self) -> int:
        return 0


@caught_by('test_an_interrupt_loses_no_deleted_file')
class KeepsAfterRemoving(LocalBackend):
    def _retain(self, name: str) -> None:
        with self._open(name).stream as stream:
            content = stream.read()
        self._remove(name)
        self._put(name, Source(io.BytesIO(content)))
        super()._retain(name)
