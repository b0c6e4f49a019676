"""The methods that remove, copy, move and transfer files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .. import names
from ..backends.contract import NO_ATTRIBUTES, Attributes, Capability, FileInfo, Opened
from ..backends.legacy import LegacyDriver
from ..bindings import Binding
from ..errors import DeletionFailed, FileNotFound
from ..registry import Driver
from ..signals import file_deleted, file_deleting, file_moved, file_saving
from .writing import Writing

if TYPE_CHECKING:
    from ..storage import Storage


class Changing(Writing):
    """The methods that remove, copy, move and transfer files."""

    def remove(self, filename: str) -> None:
        """Remove exactly one file. Does nothing if it doesn't exist.

        :raises OperationNotSupported: If the backend is a legacy one whose ``delete`` would remove more files.
        """
        bound, name = self._bound(), self._whole_name(filename)
        infos = self._announce_deleting(bound, [name]) if file_deleting.receivers or file_deleted.receivers else ()
        bound.driver.remove(name)
        for info in infos:
            file_deleted.send(self._storage, info=info)

    def delete_many(self, filenames: Iterable[str]) -> None:
        """Remove exactly these files, in as few requests as the store allows. Files that don't exist are ignored.

        :raises DeletionFailed: If some files could not be removed. Its ``failures`` maps each of their names to an error.
        :raises InvalidFilename: If one of the names is not valid. Then no file is removed.
        """
        if isinstance(filenames, str):
            raise TypeError(f'filenames must be a list or another iterable of names, not the str {filenames!r}')
        bound, doomed = self._bound(), list(dict.fromkeys(self._whole_name(filename) for filename in filenames))
        infos = self._announce_deleting(bound, doomed)
        failures = bound.driver.remove_many(doomed)
        for info in infos:
            if info.name not in failures:
                file_deleted.send(self._storage, info=info)
        if failures:
            first = next(iter(failures))
            reason = f'{len(failures)} of {len(doomed)} files failed, this one with {type(failures[first]).__name__}'
            error = DeletionFailed(first, storage=self.name, backend=bound.kind, reason=reason)
            error.failures = failures
            raise error from failures[first]

    def delete(self, filename: str) -> None:
        """Remove a file **and every file under** ``filename/``. Does nothing if none exists.

        If names come from users, ``delete('a')`` might remove another user's ``a/b``. :meth:`remove` removes one file only.
        """
        bound, name = self._bound(), self._whole_name(filename)
        infos = self._announce_folder(bound, name) if file_deleting.receivers or file_deleted.receivers else ()
        bound.driver.delete(name)
        for info in infos:
            file_deleted.send(self._storage, info=info)

    def copy(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Copy a file within the storage.

        :raises FileNotFound: If no file with that name exists.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), self._whole_name(filename), self._whole_name(target)
        if file_saving.receivers:
            self._announce_saving(new)
        bound.driver.copy(name, new, overwrite=self._may_overwrite(overwrite))
        self._announce_saved(bound, new)

    def move(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Rename a file within the storage.

        :raises FileNotFound: If no file with that name exists.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), self._whole_name(filename), self._whole_name(target)
        file_deleting.send(self._storage, filename=name)
        self._announce_saving(new)
        bound.driver.move(name, new, overwrite=self._may_overwrite(overwrite))
        if file_moved.has_receivers_for(sender := self._storage):
            file_moved.send(sender, info=bound.driver.stat(new), source=name)

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

        :param target: Its new name. Default: the same name.
        :param overwrite: Whether to replace an existing file with that name. Default: the other storage's ``overwrite``.
        :param attributes: Whether to copy its attributes. Pass false if the other backend can't store them.
        :raises FileNotFound: If no file with that name exists in this storage.
        :raises FileExists: If a file with that name exists in the other storage, and *overwrite* is false.
        :raises OperationNotSupported: If the other backend cannot store its attributes. Nothing is stored.
        """
        bound, other = self._bound(), other_storage._bound()
        other_storage._require_writable()
        name, new = self._whole_name(filename), names.check(filename if target is None else target)
        whole = other_storage._whole_name(new)
        other_storage._announce_saving(whole)
        opened = bound.driver.open_whole(name)
        with opened.stream as stream:
            kept = _kept(opened, bound.driver, other.driver) if attributes else NO_ATTRIBUTES
            other_storage._store(other, whole, stream, other_storage._may_overwrite(overwrite), kept)
        return new

    def _announce_deleting(self, bound: Binding, doomed: Iterable[str]) -> Sequence[FileInfo]:
        """Send ``file_deleting`` for each file. Return the metadata of existing files if ``file_deleted`` has receivers."""
        for name in doomed:
            file_deleting.send(self._storage, filename=name)
        return _stat_each(bound, doomed) if file_deleted.has_receivers_for(self._storage) else ()

    def _announce_folder(self, bound: Binding, name: str) -> Sequence[FileInfo]:
        """The same for a file and all files under it, which are listed if any receiver is connected."""
        sender = self._storage
        if not (file_deleting.has_receivers_for(sender) or file_deleted.has_receivers_for(sender)):
            return ()
        infos = [*_stat_each(bound, [name]), *bound.driver.scan(f'{name}/')]
        for info in infos:
            file_deleting.send(sender, filename=info.name)
        return infos


def _stat_each(bound: Binding, filenames: Iterable[str]) -> list[FileInfo]:
    infos = []
    for name in filenames:
        with contextlib.suppress(FileNotFound):
            infos.append(bound.driver.stat(name))
    return infos


def _kept(opened: Opened, source: Driver, target: Driver) -> Attributes:
    """The attributes to store in *target* for a file from *source*. A media type is dropped if *target* can't store one."""
    if isinstance(source, LegacyDriver):
        # Its metadata might be expensive, and contains nothing but the type.
        can_keep = Capability.MIME in target.capabilities
        return Attributes(mime=opened.info.given_mime) if can_keep else NO_ATTRIBUTES
    attributes = opened.info.attributes
    if not target.capabilities & (Capability.MIME | Capability.ATTRIBUTES):
        attributes = dataclasses.replace(attributes, mime=None)
    return attributes
