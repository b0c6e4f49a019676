"""Bringing deleted files back, with the setting ``RETENTION_DAYS``."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ..backends.contract import DeletedFile
from .changing import Changing


class Undeleting(Changing):
    """The verbs about files that were deleted.

    With ``RETENTION_DAYS``, ``remove``, ``delete`` and ``delete_many`` keep files under hidden names, in the same store.
    ``flask fs sweep`` removes them for good when that time is over.
    """

    def deleted(self, prefix: str = '') -> Iterator[DeletedFile]:
        """The deleted files that can be restored and whose name begins with the literal text *prefix*, lazily, in no order.

        A name that was deleted several times may be given as often.
        """
        found = self._bound().driver.deleted(self._folder + prefix)
        return map(self._relative, found) if self._folder else found

    def restore(self, filename: str, *, deleted: datetime.datetime | None = None) -> None:
        """Bring a deleted file back under its name, with its attributes.

        :param deleted: When it was deleted, as :meth:`deleted` reports it; by default the last time.
        :raises FileNotFound: If it was not deleted, or is not kept any more.
        :raises FileExists: If there is a file of that name again. The first one stays, whatever ``overwrite`` says.
        """
        bound, name = self._bound(), self._whole_name(filename)
        self._announce_saving(name)
        bound.driver.restore(name, deleted=deleted)
        self._announce_saved(bound, name)

    def purge(self, filename: str) -> None:
        """Remove what was deleted under that name for good, however often that was; a file that is there now stays.

        This cannot be undone.
        """
        self._bound().driver.purge(self._whole_name(filename))
