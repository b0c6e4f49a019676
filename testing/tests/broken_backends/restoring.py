"""Backends that are each broken in one way: deleted files that come back."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
from collections.abc import Iterator

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, DeletedFile, Source, retention, with_attributes
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

RESTORED = 'test_what_was_deleted_can_be_restored'
ATTRIBUTES = 'test_a_restored_file_has_its_attributes'
BY_TIME = 'test_each_deletion_is_restored_by_its_time'
BY_PREFIX = 'test_deleted_files_are_listed_by_prefix'
TOO_LONG = 'test_what_cannot_be_kept_is_not_deleted'
SWEPT = 'test_deleted_files_are_swept_when_their_time_is_over'


class Kept(MemoryBackend):
    def _kept_of(self, name: str) -> list[DeletedFile]:
        return [file for file in MemoryBackend._deleted(self, name) if file.name == name]


@caught_by(RESTORED)
class DeletesWhatIsUnderWhatItKeeps(MemoryBackend):
    def _retain(self, name: str) -> None:
        super()._retain(name)
        self._delete(name)


@caught_by(ATTRIBUTES)
class RestoresTheBytesAlone(MemoryBackend):
    def _restore(self, file: DeletedFile) -> None:
        with self._open(file.id).stream as stream:
            self._put(file.name, Source(stream), create=True)
        self._remove(file.id)


@caught_by(ATTRIBUTES)
class KeepsTheBytesAlone(Kept):
    def _retain(self, name: str) -> None:
        super()._retain(name)
        for file in self._kept_of(name):
            info, content = self._files[file.id]
            self._files[file.id] = with_attributes(info, NO_ATTRIBUTES), content


@caught_by(ATTRIBUTES)
class RestoresTheTypeOfAnotherName(MemoryBackend):
    """It is kept under a name without an extension, which suggests no type."""

    def _restore(self, file: DeletedFile) -> None:
        super()._restore(file)
        info, content = self._files[file.name]
        mime = info.given_mime or 'application/octet-stream'
        self._files[file.name] = dataclasses.replace(info, mime=mime), content


@caught_by(BY_TIME)
class KeepsTheLastDeletionAlone(Kept):
    def _retain(self, name: str) -> None:
        for file in self._kept_of(name):
            self._purge(file)
        super()._retain(name)


@caught_by(BY_TIME)
class RestoresTheLastDeletion(Kept):
    """Whichever is requested."""

    def _restore(self, file: DeletedFile) -> None:
        super()._restore(max(self._kept_of(file.name), key=lambda kept: kept.deleted))


@caught_by(BY_TIME)
class PurgesTheOthersOfAName(Kept):
    """Once one of them is back."""

    def _restore(self, file: DeletedFile) -> None:
        super()._restore(file)
        for other in self._kept_of(file.name):
            self._purge(other)


@caught_by(BY_TIME)
class ReportsWhenItWasWritten(Kept):
    """Instead of when it was deleted."""

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            modified = self._files[file.id][0].metadata.get('written')
            yield dataclasses.replace(
                file, deleted=datetime.datetime.fromisoformat(modified) if modified else file.deleted
            )

    def _retain(self, name: str) -> None:
        if (there := self._files.get(name)) is not None:
            info, content = there
            metadata = {**info.metadata, 'written': str(info.modified)}
            self._files[name] = dataclasses.replace(info, metadata=metadata), content
        super()._retain(name)


@caught_by(BY_PREFIX)
class ListsAllThatWasDeleted(MemoryBackend):
    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        return super()._deleted(self._prefix)


@caught_by(BY_PREFIX)
class ListsDeletedByFolder(MemoryBackend):
    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            if not prefix or prefix.endswith('/') or f'{file.name}/'.startswith(f'{prefix}/'):
                yield file


@caught_by(BY_PREFIX)
class ListsWhatOthersDeleted(MemoryBackend):
    """Of all tenants, as if it was its own."""

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for info in self._scan('tenants/' if self._prefix else ''):
            tenant, folder, _ = info.name.partition(retention.folder_of(''))
            if folder:
                for file in retention.deleted_files([info], tenant):
                    name = f'{self._prefix}{file.name.removeprefix(tenant)}'
                    if name.startswith(prefix):
                        yield dataclasses.replace(file, name=name)


@caught_by(TOO_LONG)
class RemovesWhatItCannotKeep(MemoryBackend):
    def _retain(self, name: str) -> None:
        try:
            super()._retain(name)
        except fs.OperationNotSupported:
            self._remove(name)


@caught_by(TOO_LONG)
class SaysThatItHasKeptWhatItCannot(MemoryBackend):
    def _retain(self, name: str) -> None:
        with contextlib.suppress(fs.OperationNotSupported):
            super()._retain(name)


@caught_by('test_an_interrupt_loses_no_deleted_file')
class RemovesBeforeItKeeps(HTTPBackend):
    def _retain(self, name: str) -> None:
        try:
            info, stream = self._open(name)
        except fs.FileNotFound:
            return
        with stream:
            content = stream.read()
        kept = retention.kept_name(name, self._prefix)
        assert kept is not None
        self._remove(name)
        self._put(kept, Source(io.BytesIO(content)), attributes=info.attributes)


@caught_by(SWEPT)
class SweepsWhatIsHidden(MemoryBackend):
    """What it keeps is hidden too."""

    def _sweep(self, older_than_s: float) -> int:
        now = datetime.datetime.now(datetime.timezone.utc)
        age = datetime.timedelta(seconds=older_than_s)
        old = [info.name for info in self._scan('.fs-') if info.modified and now - info.modified >= age]
        for name in old:
            self._remove(name)
        return len(old)


@caught_by(SWEPT)
class SweepsAllHiddenFolders(LocalBackend):
    def _sweep(self, older_than_s: float) -> int:
        swept = super()._sweep(older_than_s)
        if not older_than_s:
            for file in list(self._deleted('')):
                self._purge(file)
        return swept or 0


@caught_by('test_restoring_never_replaces_a_file')
class LooksBeforeItRestores(MemoryBackend):
    def _restore(self, file: DeletedFile) -> None:
        with contextlib.suppress(fs.FileNotFound):
            self._stat(file.name)
            raise self.error(fs.FileExists, file.name)
        self._move(file.id, file.name, create=False)


@caught_by('test_restoring_never_replaces_a_file')
class LooksWhenItListsWhatToRestore(MemoryBackend):
    """A name that is in use is not listed at all."""

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        return iter([file for file in super()._deleted(prefix) if file.name not in self._files])

    def _restore(self, file: DeletedFile) -> None:
        self._move(file.id, file.name, create=False)


@caught_by(SWEPT)
class PurgesEveryDeletionOfTheName(Kept):
    def _purge(self, file: DeletedFile) -> None:
        for each in self._kept_of(file.name):
            self._remove(each.id)


@caught_by(SWEPT)
class PurgesTheLastDeletion(Kept):
    """Whichever is over."""

    def _purge(self, file: DeletedFile) -> None:
        if kept := self._kept_of(file.name):
            self._remove(max(kept, key=lambda each: each.deleted).id)


@caught_by(RESTORED)
class ReportsDeletionsInLocalTime(MemoryBackend):
    """As UTC, which looks right where that is the time zone."""

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            local = datetime.datetime.fromtimestamp(file.deleted.timestamp())  # noqa: DTZ006
            yield dataclasses.replace(file, deleted=local.replace(tzinfo=datetime.timezone.utc))


@caught_by(RESTORED)
class TakesDeletionsForLocalTime(MemoryBackend):
    """They have no zone in its index."""

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        for file in super()._deleted(prefix):
            taken = file.deleted.replace(tzinfo=None).astimezone(datetime.timezone.utc)
            yield dataclasses.replace(file, deleted=taken)
