"""Removing files, and giving them other names and storages."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import names, signals
from ..backends.contract import NO_ATTRIBUTES, Attributes, Capability, FileInfo, Opened
from ..backends.legacy import LegacyDriver
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
        bound, name = self._bound(), names.check(filename)
        doomed = []
        if signals.file_deleted.has_receivers_for(self):
            with contextlib.suppress(FileNotFound):
                doomed.append(bound.driver.stat(name))
        bound.driver.remove(name)
        for info in doomed:
            signals.file_deleted.send(self, info=info)

    def delete_many(self, filenames: Iterable[str]) -> None:
        """Remove exactly these files, by as few requests as the store allows; those that are not there are removed already.

        :raises DeletionFailed: If some are still there; its ``failures`` has the error of each by name.
        :raises InvalidFilename: If one of the names is not valid; then none is removed.
        """
        bound, doomed = self._bound(), [names.check(filename) for filename in filenames]
        infos: list[FileInfo] = []
        if signals.file_deleted.has_receivers_for(self):
            for name in dict.fromkeys(doomed):
                with contextlib.suppress(FileNotFound):
                    infos.append(bound.driver.stat(name))
        failures = bound.driver.remove_many(doomed)
        for info in infos:
            if info.name not in failures:
                signals.file_deleted.send(self, info=info)
        if failures:
            first = next(iter(failures))
            reason = f'{len(failures)} of {len(doomed)} files are still there, the first because of: {failures[first]}'
            error = DeletionFailed(first, storage=self.name, backend=bound.kind, reason=reason)
            error.failures = failures
            raise error

    def delete(self, filename: str) -> None:
        """Remove a file **and every file under** ``filename/``; nothing happens if there is none.

        If names come from users, ``delete('a')`` may remove ``a/b`` of another user: :meth:`remove` does not.
        """
        bound, name = self._bound(), names.check(filename)
        if not signals.file_deleted.has_receivers_for(self):
            bound.driver.delete(name)
            return
        doomed = list(bound.driver.scan(f'{name}/'))
        with contextlib.suppress(FileNotFound):
            doomed.insert(0, bound.driver.stat(name))
        bound.driver.delete(name)
        for info in doomed:
            signals.file_deleted.send(self, info=info)

    def copy(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Copy a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), names.check(filename), names.check(target)
        bound.driver.copy(name, new, overwrite=self._may_overwrite(overwrite))
        self._announce_saved(bound, new)

    def move(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Rename a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), names.check(filename), names.check(target)
        bound.driver.move(name, new, overwrite=self._may_overwrite(overwrite))
        if signals.file_moved.has_receivers_for(self):
            signals.file_moved.send(self, info=bound.driver.stat(new), source=name)

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
        name, new = names.check(filename), names.check(filename if target is None else target)
        opened = bound.driver.open_whole(name)
        with opened.stream as stream:
            kept = _kept(opened, bound.driver, other.driver) if attributes else NO_ATTRIBUTES
            other_storage._store(other, new, stream, overwrite=other_storage._may_overwrite(overwrite), attributes=kept)
        return new


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
