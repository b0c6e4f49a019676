"""Conflicts: what happens if a file with the same name exists."""

from __future__ import annotations

import posixpath
from typing import Literal, Protocol

from .. import names
from ..errors import FileExists

#: What to do if a file with that name exists: raise FileExists, store the new file under another name, or replace the file.
Conflict = Literal['error', 'rename', 'replace']

_REPLACES: dict[str, bool] = {'error': False, 'rename': False, 'replace': True}
# A name that was taken a moment ago might be available again, but not that often in a row.
_MAX_REPEATS = 20


class _Resolving(Protocol):
    def resolve_conflict(self, target_folder: str, basename: str) -> str: ...


def replaces(conflict: Conflict | None, overwrite: bool | None, if_match: str | None) -> bool | None:
    """Whether to replace a file; None if neither *conflict* nor *overwrite* decides.

    :raises ValueError: If they contradict each other, or *if_match*, which replaces one version.
    """
    if conflict is None:
        wanted = overwrite
    elif conflict in _REPLACES:
        wanted = _REPLACES[conflict]
    else:
        raise ValueError(f'conflict must be {", ".join(map(repr, _REPLACES))} or None, not {conflict!r}')
    if overwrite is not None and bool(overwrite) is not wanted:
        raise ValueError(f'overwrite={overwrite!r} contradicts conflict={conflict!r}: pass only one of them')
    if if_match is not None and wanted is False:
        raise ValueError(
            "if_match replaces a version of the file: use it with conflict=None or conflict='replace', without overwrite=False"
        )
    return wanted


class AvailableName:
    """The search for an available name: first the given one, then those that ``resolve_conflict`` of *storage* returns.

    :param name: The given name. The attribute is always the name to try next.
    """

    def __init__(self, storage: _Resolving, name: str) -> None:
        self.name = name
        self._storage = storage
        self._folder, self._basename = posixpath.split(name)
        self._tried: set[str] = set()
        self._repeats = 0

    def advance(self, conflict: FileExists) -> None:
        """Continue with the next name, after *conflict* was raised for the current one.

        :raises FileExists: If another name wouldn't help, or there is none.
        """
        # The first name might be a folder's. If a later name fails for a reason, a parent of it is in the way.
        if conflict.reason and self._tried:
            raise conflict
        self._tried.add(self.name)
        resolved = self._storage.resolve_conflict(self._folder, self._basename)
        self.name = names.check(names.join(self._folder, names.check(resolved)))
        self._repeats += self.name in self._tried
        if self._repeats > _MAX_REPEATS:
            reason = f'resolve_conflict() keeps returning {posixpath.basename(self.name)!r}, which already exists'
            raise FileExists(
                conflict.filename, storage=conflict.storage, backend=conflict.backend, reason=reason
            ) from conflict
