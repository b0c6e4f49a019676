"""What a document keeps of a file: the form that is stored in MongoDB."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask_fs import InvalidFilename, names

T = TypeVar('T')

#: A size in pixels, as a key in MongoDB.
_SIZE = re.compile(r'[0-9]{1,9}', re.ASCII)
#: What is read of the stored form.
_KEYS = frozenset(('filename', 'original', 'thumbnails', 'bbox'))
#: The largest number up to which a double holds every whole number.
_MAX_WHOLE = 2**53


class MalformedReferenceWarning(UserWarning):
    """A value in MongoDB cannot be read as a stored file."""


class Bbox(list[float]):
    """The left, upper, right and lower border, in pixels; equal to a list or tuple of the same numbers."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, tuple) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Thumbnails(dict[int, str]):
    """The file of each size. A size may be given as text too, as it is in MongoDB."""

    __hash__ = None

    def __getitem__(self, size: int | str) -> str:
        return super().__getitem__(_number_of(size))

    def __contains__(self, size: object) -> bool:
        return super().__contains__(_number_of(size))

    def get(self, size: Any, default: Any = None) -> Any:
        return super().get(_number_of(size), default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self) == {_number_of(size): name for size, name in other.items()}

    def __ne__(self, other: object) -> bool:
        return not self == other


def _number_of(size: Any) -> Any:
    return int(size) if isinstance(size, str) and _SIZE.fullmatch(size) else size


@dataclass(frozen=True)
class Stored:
    """Names of files, in MongoDB as ``{filename, original?, thumbnails?, bbox?}``.

    :param filename: The main file; None for no file at all.
    :param original: The unmodified file, where that is another one.
    :param thumbnails: The file of each size. As a key in MongoDB, the size is text.
    :param bbox: The part of the picture that the thumbnails show.
    :param problem: Why not all of a value in MongoDB could be read, if so; then *raw* is that value.
    :param rest: What else a value in MongoDB has, of other programs. It is part of no comparison.
    """

    filename: str | None = None
    original: str | None = None
    thumbnails: Mapping[int, str] = field(default_factory=dict)
    bbox: tuple[float, ...] | None = None
    problem: str | None = None
    raw: Any = None
    rest: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, value: Any, *, whole: bool = True) -> Stored:
        """What *value*, from the application, stands for: the stored form, or the plain name of a file.

        :param whole: Whether more than the main file matters.
        :raises ValueError: If it is neither.
        """
        stored = cls.read(value, whole=whole)
        if stored.problem is not None:
            raise ValueError(stored.problem)
        return dataclasses.replace(stored, rest={}) if stored.rest else stored

    @classmethod
    def read(cls, value: Any, *, whole: bool = True) -> Stored:
        """What *value*, from MongoDB, stands for. What cannot be read is left out, and *raw* then keeps all of it."""
        if not value and (value is None or isinstance(value, (str, Mapping))):
            return EMPTY
        form: Mapping[str, Any] = {}
        rest: Mapping[str, Any] = {}
        if isinstance(value, str):
            form = {'filename': value}
        elif isinstance(value, Mapping):
            rest = {key: part for key, part in value.items() if key not in _KEYS}
            form = value if whole else {'filename': value.get('filename')}
        else:
            return cls(problem=f'it must be a name or an object, not {type(value).__name__}', raw=value)
        try:
            return cls._well_formed(form, rest)
        except ValueError:
            return cls._readable(form, value)

    @classmethod
    def _well_formed(cls, form: Mapping[str, Any], rest: Mapping[str, Any]) -> Stored:
        filename, original, bbox = _name(form.get('filename')), _name(form.get('original')), box(form.get('bbox'))
        thumbnails = {_size(key): name for key, value in _items(form.get('thumbnails')) if (name := _name(value))}
        if filename is not None:
            return cls(filename, original if original != filename else None, thumbnails, bbox, rest=rest)
        if original is not None or thumbnails:
            raise ValueError
        return EMPTY

    @classmethod
    def _readable(cls, form: Mapping[str, Any], raw: Any) -> Stored:
        parts = _Parts(form)
        filename, original = parts.read('filename', _name), parts.read('original', _name)
        thumbnails, bbox = parts.read_thumbnails(), parts.read('bbox', box)
        if filename is None:
            if original is not None or thumbnails:
                parts.problems['filename: it is missing'] = None
            original, thumbnails, bbox = None, {}, None
        return cls(filename, original, thumbnails, bbox, '; '.join(parts.problems), raw)

    def to_mongo(self) -> Any:
        """The form in MongoDB, or None for no file. What is empty is left out; what was not read stays as it was."""
        if self.problem is not None:
            return self.raw
        if not self.filename:
            return None
        form: dict[str, Any] = {'filename': self.filename, **self.rest}
        if self.original:
            form['original'] = self.original
        if self.thumbnails:
            form['thumbnails'] = {str(size): name for size, name in self.thumbnails.items()}
        if self.bbox:
            form['bbox'] = list(self.bbox)
        return form

    def files(self) -> Iterator[str]:
        """Each file once, the main one last."""
        files = [*self.thumbnails.values(), self.original, self.filename]
        return iter(dict.fromkeys(name for name in files if name))


#: No file.
EMPTY = Stored()


def box(given: Any) -> tuple[float, ...] | None:
    """*given* as (left, upper, right, lower); None if there is nothing.

    :raises ValueError: If it is no four numbers.
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
    if type(side) is int and -_MAX_WHOLE <= side <= _MAX_WHOLE:
        return side
    number = float(side)
    if not math.isfinite(number):
        raise ValueError
    return int(number) if number.is_integer() and abs(number) <= _MAX_WHOLE else number


def _name(given: Any) -> str | None:
    if given is None or given == '':
        return None
    if not isinstance(given, str):
        raise ValueError(f'it must be text, not {type(given).__name__}')
    try:
        return names.check(given)
    except InvalidFilename as error:
        raise ValueError(error.reason) from error


def _items(given: Any) -> Iterable[tuple[Any, Any]]:
    if not given and (given is None or isinstance(given, list)):
        return ()
    if not isinstance(given, Mapping):
        raise ValueError(f'they must be an object, not {type(given).__name__}')
    return given.items()


def _size(key: Any) -> int:
    text = str(key)
    if not _SIZE.fullmatch(text) or (size := int(text)) < 1:
        raise ValueError('a size must be a whole number of pixels, from 1')
    return size


class _Parts:
    """The parts of a stored form, and what is wrong with them, once each."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self._form = form
        self.problems: dict[str, None] = {}

    def read(self, key: str, read: Callable[[Any], T]) -> T | None:
        return self._attempt(key, read, self._form.get(key))

    def read_thumbnails(self) -> dict[int, str]:
        thumbnails = {}
        for key, value in self.read('thumbnails', _items) or ():
            size, name = self._attempt('thumbnails', _size, key), self._attempt('thumbnails', _name, value)
            if size and name:
                thumbnails[size] = name
        return thumbnails

    def _attempt(self, key: str, read: Callable[[Any], T], given: Any) -> T | None:
        try:
            return read(given)
        except ValueError as error:
            self.problems[f'{key}: {error}'] = None
            return None
