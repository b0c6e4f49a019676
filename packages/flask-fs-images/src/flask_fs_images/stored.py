"""The stored value of an image reference: the main file, original, thumbnails, and the part that they show."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from flask_fs.stored import Reader, StoredFile, read_name

#: A size in pixels, as a key of the stored form.
_SIZE = re.compile(r'[0-9]{1,9}', re.ASCII)
#: The largest number up to which a double represents every integer.
_MAX_INTEGER = 2**53


class Bbox(list[float]):
    """The left, upper, right, and lower border, in pixels; equal to a list or tuple of the same numbers."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, tuple) else other)

    __ne__ = object.__ne__


class Thumbnails(dict[int, str]):
    """The filename of each size. A size can be a number or, as in the stored form, text."""

    __hash__ = None

    def __getitem__(self, size: int | str) -> str:
        return super().__getitem__(_as_number(size))

    def __contains__(self, size: object) -> bool:
        return super().__contains__(_as_number(size))

    def get(self, size: Any, default: Any = None) -> Any:
        return super().get(_as_number(size), default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self) == {_as_number(size): name for size, name in other.items()}

    __ne__ = object.__ne__


def _as_number(size: Any) -> Any:
    return int(size) if isinstance(size, str) and _SIZE.fullmatch(size) else size


def bbox_of(given: Any) -> tuple[float, ...] | None:
    """*given* as (left, upper, right, lower); None if it is None or empty.

    :raises ValueError: If it is not four numbers.
    """
    if given is None or (isinstance(given, (list, tuple)) and not given):
        return None
    try:
        sides = () if isinstance(given, (str, bytes, Mapping)) else tuple(map(_number, given))
    except (TypeError, ValueError, OverflowError):
        sides = ()
    if len(sides) != 4:
        raise ValueError('it must be four numbers')
    return sides


def _number(side: Any) -> float:
    number = float(side)
    if not math.isfinite(number):
        raise ValueError
    return int(number) if number.is_integer() and abs(number) <= _MAX_INTEGER else number


def _read_bbox(given: Any, problems: list[str]) -> tuple[float, ...] | None:
    try:
        return bbox_of(given)
    except ValueError as error:
        problems.append(str(error))
        return None


def _read_thumbnails(given: Any, problems: list[str]) -> dict[int, str]:
    if given == []:
        return {}
    if not isinstance(given, Mapping):
        problems.append(f'they must be an object, not {type(given).__name__}')
        return {}
    thumbnails = {}
    for key, value in given.items():
        name = None if value is None else read_name(value, problems)
        if not _SIZE.fullmatch(text := str(key)) or int(text) < 1:
            problems.append('a size must be a whole number of pixels, 1 or more')
        elif name is not None:
            thumbnails[int(text)] = name
    return thumbnails


@dataclass(frozen=True, eq=False)
class StoredImage(StoredFile):
    """The value of a reference to an image, stored as ``{filename, original?, thumbnails?: {size: filename}, bbox?}``.

    :param original: The unmodified file, if it is not the main file.
    :param thumbnails: The filename of each size. In the stored form, sizes are text.
    :param bbox: The part of the image that the thumbnails show.
    """

    original: str | None = None
    thumbnails: Mapping[int, str] = field(default_factory=dict)
    bbox: tuple[float, ...] | None = None

    readers: ClassVar[Mapping[str, Reader]] = {
        'filename': read_name,
        'original': read_name,
        'thumbnails': _read_thumbnails,
        'bbox': _read_bbox,
    }

    def __post_init__(self) -> None:
        if self.original == self.filename:
            object.__setattr__(self, 'original', None)

    def parts(self) -> dict[str, Any]:
        thumbnails = {str(size): name for size, name in self.thumbnails.items()}
        more = {'original': self.original, 'thumbnails': thumbnails, 'bbox': list(self.bbox or ())}
        return {**super().parts(), **{key: part for key, part in more.items() if part}}

    def files(self) -> Iterator[str]:
        files = (*self.thumbnails.values(), self.original, self.filename)
        return iter(dict.fromkeys(name for name in files if name))

    @property
    def upload(self) -> str | None:
        return self.original or self.filename

    def remade_in(self, other: StoredFile) -> Iterator[str]:
        if isinstance(other, StoredImage) and self.upload == other.upload:
            made = [name for size, name in self.thumbnails.items() if size in other.thumbnails]
            kept = {self.upload, *other.files()}
            yield from (name for name in dict.fromkeys((*made, self.filename)) if name and name not in kept)
