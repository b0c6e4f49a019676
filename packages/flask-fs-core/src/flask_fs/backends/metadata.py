"""A dictionary of metadata whose checksum is computed when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Metadata(dict[str, Any]):
    """The metadata of a file. The key ``checksum`` is always there; its value is computed when it is first read.

    Copies and whatever iterates over the values read it, so they are plain and complete.
    """

    def __init__(self, known: Mapping[str, Any], *, checksum: Callable[[], str]) -> None:
        super().__init__(known, checksum=None)
        self._compute = checksum

    def __getitem__(self, key: str, /) -> Any:
        if key == 'checksum' and super().__getitem__(key) is None:
            self[key] = self._compute()
        return super().__getitem__(key)

    # These get each value by __getitem__, which those of dict do not.
    get: Any = Mapping.get
    items: Any = Mapping.items
    values: Any = Mapping.values
    __eq__: Any = Mapping.__eq__

    def pop(self, key: str, /, *default: Any) -> Any:
        self.get(key)
        return super().pop(key, *default)

    def copy(self) -> dict[str, Any]:
        return dict(self)

    # dict(metadata) and {**metadata} copy a dict's table without asking it, unless it has an __iter__ of its own.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    __hash__ = None

    def __repr__(self) -> str:
        return repr(self.copy())

    def __or__(self, other: Any, /) -> Any:
        return self.copy() | other

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.copy(),)
