"""What happens when a name is taken."""

from __future__ import annotations

import posixpath
from typing import Literal, Protocol

from .. import names
from ..errors import FileExists

#: What to do if there is a file of that name: raise FileExists, store it under another name, or replace the file.
Conflict = Literal['error', 'rename', 'replace']

_REPLACES: dict[str, bool] = {'error': False, 'rename': False, 'replace': True}
# A name that was taken a moment ago may be available again, but not so often in a row.
_MAX_REPEATS = 20


class _Resolving(Protocol):
    def resolve_conflict(self, target_folder: str, basename: str) -> str: ...


def replaces(conflict: Conflict | None, overwrite: bool | None, if_match: str | None) -> bool | None:
    """Whether to replace a file; None where neither *conflict* nor *overwrite* says so.

    :raises ValueError: If they contradict each other, or *if_match*, which replaces one version.
    """
    if conflict is None:
        wanted = overwrite
    elif conflict in _REPLACES:
        wanted = _REPLACES[conflict]
    else:
        raise ValueError(f'conflict must be {", ".join(map(repr, _REPLACES))} or None, not {conflict!r}')
    if overwrite is not None and bool(overwrite) is not wanted:
        raise ValueError(f'overwrite={overwrite!r} contradicts conflict={conflict!r}: pass one of them')
    if if_match is not None and wanted is False:
        raise ValueError(
            "if_match replaces a version of the file: it needs conflict=None or conflict='replace', and no overwrite=False"
        )
    return wanted


class AvailableName:
    """The search for a name that is not taken: the one that was given first, then those that *storage* resolves to.

    :param name: The name that was given. The one to try next takes its place.
    """

    def __init__(self, storage: _Resolving, name: str) -> None:
        self.name = name
        self._storage = storage
        self._folder, self._basename = posixpath.split(name)
        self._tried: set[str] = set()
        self._repeats = 0

    def advance(self, conflict: FileExists) -> None:
        """Continue with the next name, now that *conflict* was raised for this one.

        :raises FileExists: If another name would be of no use, or there is none.
        """
        # The first name may be that of a folder; for the next one, something above it is in the way.
        if conflict.reason and self._tried:
            raise conflict
        self._tried.add(self.name)
        resolved = self._storage.resolve_conflict(self._folder, self._basename)
        self.name = names.check(names.join(self._folder, names.check(resolved)))
        self._repeats += self.name in self._tried
        if self._repeats > _MAX_REPEATS:
            reason = f'resolve_conflict() returned {posixpath.basename(self.name)!r} again and again, and it is taken'
            raise FileExists(
                conflict.filename, storage=conflict.storage, backend=conflict.backend, reason=reason
            ) from conflict
