"""Removing files, and giving them other names and storages."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from blinker import Signal

from .. import names, signals
from ..backends.contract import NO_ATTRIBUTES, Attributes, Capability, FileInfo, Opened
from ..backends.legacy import LegacyDriver
from ..bindings import Binding
from ..errors import DeletionFailed, FileNotFound
from ..registry import Driver
from .writing import Writing

if TYPE_CHECKING:
    from ..storage import Storage


class Changing(Writing):
    """The verbs that remove, copy and move files."""

    def remove(self, filename: str) -> None:
        """Remove exactly one file; nothing happens if there is none.

        :raises OperationNotSupported: If the backend is a custom one whose ``delete`` would remove more than that.
        """
        bound, name = self._bound(), self._whole_name(filename)
        self._announce_deleting(name)
        infos = self._to_be_deleted(bound, [name])
        bound.driver.remove(name)
        self._announce_deleted(infos)

    def delete_many(self, filenames: Iterable[str]) -> None:
        """Remove exactly these files, by as few requests as the store allows; those that are not there are removed already.

        :raises DeletionFailed: If some are still there; its ``failures`` has the error of each by name.
        :raises InvalidFilename: If one of the names is not valid; then none is removed.
        """
        bound, doomed = self._bound(), [self._whole_name(filename) for filename in filenames]
        doomed = list(dict.fromkeys(doomed))
        self._announce_deleting(*doomed)
        infos = self._to_be_deleted(bound, doomed)
        failures = bound.driver.remove_many(doomed)
        self._announce_deleted(info for info in infos if info.name not in failures)
        if failures:
            first = next(iter(failures))
            reason = f'{len(failures)} of {len(doomed)} files are still there, this one because of {type(failures[first]).__name__}'
            error = DeletionFailed(first, storage=self.name, backend=bound.kind, reason=reason)
            error.failures = failures
            raise error from failures[first]

    def delete(self, filename: str) -> None:
        """Remove a file **and every file under** ``filename/``; nothing happens if there is none.

        If names come from users, ``delete('a')`` may remove ``a/b`` of another user: :meth:`remove` does not.
        """
        bound, name = self._bound(), self._whole_name(filename)
        infos: list[FileInfo] = []
        if _is_heard(signals.file_deleted, self._storage) or _is_heard(signals.file_deleting, self._storage):
            infos = [*_stat_each(bound, [name]), *bound.driver.scan(f'{name}/')]
            self._announce_deleting(*(info.name for info in infos))
        bound.driver.delete(name)
        self._announce_deleted(infos)

    def copy(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Copy a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), self._whole_name(filename), self._whole_name(target)
        self._announce_saving(new)
        bound.driver.copy(name, new, overwrite=self._may_overwrite(overwrite))
        self._announce_saved(bound, new)

    def move(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Rename a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), self._whole_name(filename), self._whole_name(target)
        self._announce_deleting(name)
        self._announce_saving(new)
        bound.driver.move(name, new, overwrite=self._may_overwrite(overwrite))
        if _is_heard(signals.file_moved, sender := self._storage):
            signals.file_moved.send(sender, info=bound.driver.stat(new), source=name)

    def transfer(
        self,
        filename: str,
        other_storage: Storage,
        target: str | None = None,
        *,
        overwrite: bool | None = None,
        attributes: bool = True,
    ) -> str:
        """Copy a file with its attributes to another storage, in bounded memory, and return its name there.

        :param target: Its new name; by default the same one.
        :param overwrite: Whether to replace a file of that name; the default is that of the other storage.
        :param attributes: Whether its attributes go with it; false leaves behind what the other backend may not keep.
        :raises FileNotFound: If there is no file of that name here.
        :raises FileExists: If there is a file of that name there, and *overwrite* is false.
        :raises OperationNotSupported: If the other backend cannot keep its attributes. Nothing is stored.
        """
        bound, other = self._bound(), other_storage._bound()
        other_storage._require_writable()
        name, new = self._whole_name(filename), names.check(filename if target is None else target)
        whole = other_storage._whole_name(new)
        other_storage._announce_saving(whole)
        opened = bound.driver.open_whole(name)
        with opened.stream as stream:
            kept = _kept(opened, bound.driver, other.driver) if attributes else NO_ATTRIBUTES
            other_storage._store(
                other, whole, stream, overwrite=other_storage._may_overwrite(overwrite), attributes=kept
            )
        return new

    def _to_be_deleted(self, bound: Binding, doomed: Iterable[str]) -> list[FileInfo]:
        """What those of *doomed* that exist are now, if a receiver is to be sent that."""
        return _stat_each(bound, doomed) if _is_heard(signals.file_deleted, self._storage) else []

    def _announce_deleting(self, *doomed: str) -> None:
        if signals.file_deleting.receivers:
            for name in doomed:
                signals.file_deleting.send(self._storage, filename=name)

    def _announce_deleted(self, infos: Iterable[FileInfo]) -> None:
        for info in infos:
            signals.file_deleted.send(self._storage, info=info)


def _is_heard(signal: Signal, sender: Any) -> bool:
    return bool(signal.receivers) and signal.has_receivers_for(sender)


def _stat_each(bound: Binding, filenames: Iterable[str]) -> list[FileInfo]:
    infos = []
    for name in filenames:
        with contextlib.suppress(FileNotFound):
            infos.append(bound.driver.stat(name))
    return infos


def _kept(opened: Opened, source: Driver, target: Driver) -> Attributes:
    """The attributes with which a file from *source* is stored in *target*: a type by itself only where that keeps types."""
    if isinstance(source, LegacyDriver):
        # Its metadata may be expensive, and says no more than the type.
        can_keep = Capability.MIME in target.capabilities
        return Attributes(mime=opened.info.given_mime) if can_keep else NO_ATTRIBUTES
    attributes = opened.info.attributes
    if not target.capabilities & (Capability.MIME | Capability.ATTRIBUTES):
        attributes = dataclasses.replace(attributes, mime=None)
    return attributes
