"""Restore deleted files, with the setting ``RETENTION_DAYS``."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ..backends.contract import DeletedFile
from .changing import Changing


class Undeleting(Changing):
    """The methods for deleted files.

    With ``RETENTION_DAYS``, ``remove``, ``delete`` and ``delete_many`` keep files under hidden names in the same store.
    ``flask fs sweep`` removes them permanently after that time.
    """

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        """The restorable deleted files whose names begin with the literal text *prefix*, lazily, in no particular order.

        A name that was deleted several times can appear several times.
        """
        found = self._bound().driver.deleted(self._folder + prefix)
        return map(self._relative, found) if self._folder else found

    def restore(self, filename: str, *, deleted: datetime.datetime | None = None) -> None:
        """Restore a deleted file under its name, with its attributes.

        :param deleted: When it was deleted, as reported by :meth:`deleted`. Default: the most recent deletion.
        :raises FileNotFound: If it wasn't deleted, or is no longer kept.
        :raises FileExists: If a new file with that name exists. It stays, whatever ``overwrite`` is.
        """
        bound, name = self._bound(), self._whole_name(filename)
        self._announce_saving(name)
        bound.driver.restore(name, deleted=deleted)
        self._announce_saved(bound, name)

    def purge(self, filename: str) -> None:
        """Permanently remove every deleted file with that name. A current file with that name stays.

        This can't be undone.
        """
        self._bound().driver.purge(self._whole_name(filename))
