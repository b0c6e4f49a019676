"""A dictionary of metadata that computes its checksum on first access."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Metadata(dict[str, Any]):
    """The metadata of a file. The key ``checksum`` always exists. Its value is computed on first access.

    Copying, and iterating over the values, compute it, so the results are plain and complete.
    """

    def __init__(self, known: Mapping[str, Any], *, checksum: Callable[[], str]) -> None:
        super().__init__(known, checksum=None)
        self._compute = checksum

    def _complete(self) -> None:
        if super().get('checksum') is None:
            self['checksum'] = self._compute()

    def __getitem__(self, key: str, /) -> Any:
        if key == 'checksum':
            self._complete()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None, /) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: str, /, *default: Any) -> Any:
        if key == 'checksum' and key in self:
            self._complete()
        return super().pop(key, *default)

    def items(self) -> Any:
        self._complete()
        return super().items()

    def values(self) -> Any:
        self._complete()
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    # dict(metadata) and {**metadata} copy the dict's internal table, unless it has its own __iter__.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        return dict(self.items()) == other

    __hash__ = None

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def __or__(self, other: Any, /) -> Any:
        return self.copy() | other

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.copy(),)
