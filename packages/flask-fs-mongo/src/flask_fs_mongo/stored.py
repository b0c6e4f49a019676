"""What a document keeps of a file: the form that is stored in MongoDB."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stored:
    """Names of files, in MongoDB as ``{filename, original?, thumbnails?, bbox?}``.

    :param filename: The main file; None for no file at all.
    :param original: The unmodified file, where that is another one.
    :param thumbnails: The file of each size. As a key in MongoDB, the size is text.
    :param bbox: The part of the picture that the thumbnails show.
    """

    filename: str | None = None
    original: str | None = None
    thumbnails: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    bbox: Bbox | None = None

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Stored:
        """What *value*, from MongoDB or the application, stands for: the stored form, or the plain name of a file.

        :raises ValueError: If it is neither.
        """
        if isinstance(value, str):
            return cls(str.__str__(value)) if value else EMPTY
        if not value.get('filename'):
            return EMPTY
        thumbnails = {int(size): _text(name) for size, name in (value.get('thumbnails') or {}).items()}
        original, bbox = value.get('original'), value.get('bbox')
        return cls(
            _text(value['filename']),
            _text(original) if original and original != value['filename'] else None,
            MappingProxyType(thumbnails),
            box(bbox) if bbox else None,
        )

    def to_mongo(self) -> dict[str, Any] | None:
        """The form in MongoDB, or None for no file. What is empty is left out."""
        if not self.filename:
            return None
        form: dict[str, Any] = {'filename': self.filename}
        if self.original:
            form['original'] = self.original
        if self.thumbnails:
            form['thumbnails'] = {str(size): name for size, name in self.thumbnails.items()}
        if self.bbox:
            form['bbox'] = list(self.bbox)
        return form

    def files(self) -> Iterator[str]:
        """Each file once, the main one last."""
        names = [*self.thumbnails.values(), self.original, self.filename]
        return iter(dict.fromkeys(name for name in names if name))


#: No file.
EMPTY = Stored()


def box(given: Any) -> Bbox:
    """*given* as (left, upper, right, lower).

    :raises ValueError: If it is no four numbers.
    """
    left, upper, right, lower = (_number(side) for side in given)
    return left, upper, right, lower


def suffixed(filename: str, suffix: object) -> str:
    """``folder/name-suffix.ext`` for ``folder/name.ext``."""
    stem, ending = posixpath.splitext(filename)
    return f'{stem}-{suffix}{ending}'


def _number(side: Any) -> float:
    number = float(side)
    return int(number) if number.is_integer() else number


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f'a filename is text, not {type(name).__name__}')
    return name
