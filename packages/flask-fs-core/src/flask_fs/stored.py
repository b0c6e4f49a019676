"""The stored form of a reference in a document or row: its filenames, read without trusting the value."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from . import names
from .errors import InvalidFilename

S = TypeVar('S', bound='StoredFile')

#: The keys of the stored form. A plain file has only the first one, and drops an image's other keys.
_KEYS = frozenset(('filename', 'original', 'thumbnails', 'bbox', 'checksum'))
_CHECKSUM = re.compile(r'[a-z][a-z0-9_-]{1,15}:[0-9a-f]{8,128}', re.ASCII)

#: Reads one part of a stored value: returns the readable part, and adds the rest to a list of problems.
Reader = Callable[[Any, list[str]], Any]


class MalformedReferenceWarning(UserWarning):
    """A stored value cannot be read as a reference to a file."""


def read_name(given: Any, problems: list[str]) -> str | None:
    """*given* if it is a valid filename. None for empty text."""
    if given == '':
        return None
    if not isinstance(given, str):
        problems.append(f'it must be text, not {type(given).__name__}')
        return None
    try:
        return names.check(given)
    except InvalidFilename as error:
        problems.append(str(error.reason))
        return None


@dataclass(frozen=True, eq=False)
class StoredFile:
    """The value of a reference, stored as ``{filename: …}``. It can also be read from a plain name. Subclasses add parts.

    :param filename: The main file, or None for no file.
    :param problem: Why the stored value could not be read completely, or None. If set, *raw* is that value.
    :param rest: The other keys of the stored value, which belong to other programs. Comparisons ignore them.
    :param checksum: The checksum of the main file when it was stored, as ``sha256:hex``, if it was recorded. A stored
        ``checksum`` in another form belongs to another program.
    """

    filename: str | None = None
    problem: str | None = None
    raw: Any = None
    rest: Mapping[str, Any] = field(default_factory=dict)
    checksum: str | None = None

    #: How each part is read.
    readers: ClassVar[Mapping[str, Reader]] = {'filename': read_name}

    __hash__ = None  # type: ignore[assignment]  # its mappings have none

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredFile) and (self.parts(), self.raw) == (other.parts(), other.raw)

    @classmethod
    def of(cls: type[S], value: Any) -> S:
        """The reference in *value* from the application: the stored form, a plain name, or None.

        :raises ValueError: If it is none of these.
        """
        stored = cls.read(value)
        if stored.problem is not None:
            raise ValueError(stored.problem)
        if isinstance(value, Mapping) and value and _KEYS.isdisjoint(value):
            raise ValueError(f'it has no filename, only {", ".join(map(repr, value))}')
        return dataclasses.replace(stored, rest={}) if stored.rest else stored

    @classmethod
    def read(cls: type[S], value: Any) -> S:
        """The reference in *value* from a database. Unreadable parts are left out; then *raw* is the complete value."""
        if value is None:
            return cls()
        if not isinstance(value, (str, Mapping)):
            return cls(problem=f'it must be a name or an object, not {type(value).__name__}', raw=value)
        form = {'filename': value} if isinstance(value, str) else value
        parts: dict[str, Any] = {}
        problems: list[str] = []
        for key, reader in cls.readers.items():
            if (part := form.get(key)) is not None:
                found: list[str] = []
                parts[key] = reader(part, found)
                problems += [f'{key}: {problem}' for problem in found]
        is_checksum = isinstance(checksum := form.get('checksum'), str) and _CHECKSUM.fullmatch(checksum)
        if parts.get('filename') is None:
            if parts and any(cls(**parts).files()):
                problems.append('filename: it is missing')
            parts.clear()
        elif is_checksum:
            parts['checksum'] = checksum
        if problems:
            parts.update(problem='; '.join(dict.fromkeys(problems)), raw=value)
        elif parts and not form.keys() <= (known := _KEYS if is_checksum else _KEYS - {'checksum'}):
            parts['rest'] = {key: part for key, part in form.items() if key not in known}
        return cls(**parts)

    def warn(self, where: str) -> None:
        """Issue a :class:`MalformedReferenceWarning` about a value of *where*, such as ``'image' in Page``."""
        reading = 'only part of it is used' if self.filename else 'it is treated as no file'
        text = f'A value of {where} is malformed, so {reading}: {self.problem}'
        warnings.warn(text, MalformedReferenceWarning, stacklevel=2)

    def parts(self) -> dict[str, Any]:
        """The stored form, without empty parts and the keys of other programs."""
        if self.filename is None:
            return {}
        return (
            {'filename': self.filename}
            if self.checksum is None
            else {'filename': self.filename, 'checksum': self.checksum}
        )

    def form(self) -> Any:
        """The stored form, or None for no file. A malformed value is returned unchanged."""
        if self.problem is not None:
            return self.raw
        return {'filename': self.filename, **self.rest, **self.parts()} if self.filename else None

    def files(self) -> Iterator[str]:
        """The name of each file once, the main file last."""
        return iter(() if self.filename is None else (self.filename,))

    @property
    def upload(self) -> str | None:
        """The name of the unmodified file."""
        return self.filename

    def remade_in(self, other: StoredFile) -> Iterator[str]:
        """The names of files that were made from an upload, where *other* has different ones made from that same upload."""
        return iter(())
