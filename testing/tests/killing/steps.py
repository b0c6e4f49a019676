"""What a process does until it is killed: random transactions over rows with files, pictures and lists of files."""

from __future__ import annotations

import copy
import hashlib
import io
import random
from collections.abc import Callable
from typing import Any

from PIL import Image

__all__ = ['MAX_ROWS', 'NAMES', 'Program', 'State', 'color_of', 'digest']

#: By the number of a row: the digest of its document, the color of its picture, the digests of its list, each None for none.
State = dict[str, dict[str, Any]]

NAMES = ('report.txt', 'minutes.txt', 'letter.txt')
#: How many rows there are at most, for a kill to come soon after each of them was used.
MAX_ROWS = 6


def digest(content: bytes) -> str:
    """What distinguishes one content from another."""
    return hashlib.sha256(content).hexdigest()[:16]


def picture(color: int, size_px: int = 24) -> io.BytesIO:
    """A picture of one color, given as a level of gray."""
    file = io.BytesIO()
    Image.new('L', (size_px, size_px), color).save(file, 'PNG')
    file.seek(0)
    return file


def color_of(content: bytes) -> int:
    """The color of such a picture."""
    with Image.open(io.BytesIO(content)) as image:
        color = image.convert('L').getpixel((1, 1))
    assert isinstance(color, int)
    return color


class Program:
    """Random transactions, with what the rows are after each of them.

    :param rng: What decides.
    :param state: What the rows are at its beginning.
    :param saves_first: Whether nothing may be saved after the database was written to in the same transaction.
    """

    def __init__(self, rng: random.Random, state: State, *, saves_first: bool) -> None:
        self.rng = rng
        self.state = copy.deepcopy(state)
        self.saves_first = saves_first

    def transaction(self, session: Any, rows: dict[str, Any], world: Any, say: Callable[..., None]) -> None:
        """One transaction in *session*, whose rows are *rows*, to its end, whichever that is."""
        before, saved = self.state, copy.deepcopy(self.state)
        self.state = saved
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            if not self.saves_first and self.rng.random() < 0.25:
                self._in_savepoint(session, rows, world)
            else:
                self._step(session, rows, world)
        end = self.rng.choices(('commit', 'roll back', 'close'), (8, 1, 1))[0]
        if end == 'commit':
            say('intent', self.state)
            session.commit()
            say('committed')
            return
        if end == 'roll back':
            session.rollback()
        session.close()
        self.state = before

    def _in_savepoint(self, session: Any, rows: dict[str, Any], world: Any) -> None:
        before, rows_before = copy.deepcopy(self.state), dict(rows)
        savepoint = session.begin_nested()
        self._step(session, rows, world)
        if self.rng.random() < 0.5:
            savepoint.commit()
        else:
            savepoint.rollback()
            self.state = before
            rows.clear()
            rows.update(rows_before)

    def _step(self, session: Any, rows: dict[str, Any], world: Any) -> None:
        number = self.rng.choice(sorted(rows)) if rows else None
        if number is None or (len(rows) < MAX_ROWS and self.rng.random() < 0.3):
            self._new(session, rows, world)
            return
        row = rows[number]
        kinds = ['replace', 'clear', 'picture', 'no picture', 'rerender', 'append', 'drop', 'delete']
        kind = self.rng.choices(kinds, (4, 1, 4, 1, 1, 3, 2, 2))[0]
        is_new = session.is_modified(row) and row in session.new
        if kind == 'delete' and not is_new:
            session.delete(row)
            del rows[number], self.state[number]
        elif kind != 'delete':
            getattr(self, f'_{kind.replace(" ", "_")}')(row, self.state[number])

    def _new(self, session: Any, rows: dict[str, Any], world: Any) -> None:
        number = self.rng.randrange(1, 2**31)
        row = world.Report(id=number)
        self.state[str(number)] = expected = {'document': None, 'picture': None, 'files': []}
        added_first = self.rng.random() < 0.5
        if added_first:
            session.add(row)
        self._replace(row, expected)
        if self.rng.random() < 0.4:
            self._picture(row, expected)
        if not added_first:
            session.add(row)
        rows[str(number)] = row

    def _content(self) -> bytes:
        return self.rng.randbytes(self.rng.choice((0, 10, 5000, 70_000)))

    def _replace(self, row: Any, expected: dict[str, Any]) -> None:
        content = self._content()
        row.document.save(io.BytesIO(content), self.rng.choice(NAMES))
        expected['document'] = digest(content)

    def _clear(self, row: Any, expected: dict[str, Any]) -> None:
        row.document = None
        expected['document'] = None

    def _picture(self, row: Any, expected: dict[str, Any]) -> None:
        color = self.rng.randrange(256)
        row.picture.save(picture(color), 'picture.png')
        expected['picture'] = color

    def _no_picture(self, row: Any, expected: dict[str, Any]) -> None:
        row.picture = None
        expected['picture'] = None

    def _rerender(self, row: Any, expected: dict[str, Any]) -> None:
        if row.picture:
            row.picture.rerender()

    def _append(self, row: Any, expected: dict[str, Any]) -> None:
        content = self._content()
        row.files.new().save(io.BytesIO(content), self.rng.choice(NAMES))
        expected['files'].append(digest(content))

    def _drop(self, row: Any, expected: dict[str, Any]) -> None:
        if row.files:
            index = self.rng.randrange(len(row.files))
            row.files.pop(index)
            expected['files'].pop(index)
