"""An interrupt at any line of a unit of work loses nothing, and leaves nothing that the journal does not have."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs import transaction, unit_files, unit_of_work

_TRACED = {module.__file__ for module in (transaction, unit_files, unit_of_work)}


def in_a_thread(test: Callable[..., None]) -> Callable[..., None]:
    """Run *test* in a thread that ends with it.

    Where a trace function raises between the lines of an ``except`` block, Python goes on as if that thread still handled the
    exception, which would be the context of all later ones.
    """

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(test, **fixtures).result()

    return run


class Lines:
    """How many lines were reached, and whether the interrupt came."""

    count = 0
    struck = False


@contextlib.contextmanager
def interrupting(at: int) -> Generator[Lines]:
    """Raise KeyboardInterrupt right before the line number *at* of the traced modules, counted as they are reached."""
    lines, before = Lines(), sys.gettrace()

    def trace(frame: Any, event: str, _: Any) -> Any:
        # Python ignores what is raised in a finalizer.
        if frame.f_code.co_filename not in _TRACED or '__del__' in _callers(frame):
            return None
        if event == 'line':
            lines.count += 1
            if lines.count == at:
                lines.struck = True
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def _callers(frame: Any) -> Generator[str]:
    while frame is not None:
        yield frame.f_code.co_name
        frame = frame.f_back


class Row:
    """A row that refers to one file, in a database with a journal."""

    def __init__(self, journal: Any) -> None:
        self.filename, self.journal = 'old.txt', journal

    def commit(self, filename: str) -> None:
        self.filename = filename
        self.journal.commit()


def replace(unit: fs.UnitOfWork, storage: fs.Storage, row: Row) -> None:
    name = unit.save(storage, io.BytesIO(b'new'), 'old.txt', overwrite=True)
    with unit.nested() as nested:
        nested.write(storage, 'b.txt', b'not needed')
        nested.remove(storage, 'b.txt', 'old.txt')
    unit.prepare()
    row.commit(name)
    unit.commit()


def fail(unit: fs.UnitOfWork, storage: fs.Storage, row: Row) -> None:
    with contextlib.suppress(LookupError), unit.nested() as nested:
        nested.write(storage, 'b.txt', b'not needed')
        raise LookupError
    unit.write(storage, 'a.txt', b'new')
    unit.remove(storage, 'old.txt')
    unit.prepare()
    row.journal.roll_back()
    unit.roll_back()


def collect(storage: fs.Storage, row: Row, journal: Any) -> None:
    """Do with the entries of the journal what ``flask fs gc`` does."""
    for entry in journal.entries(0):
        if entry.filename != row.filename:
            storage.remove(entry.filename)


def in_memory(make_app: Any) -> tuple[Flask, fs.Storage]:
    storage = fs.Storage('files', fs.ALL)
    return make_app(storage, FS_BACKEND='memory'), storage


@pytest.mark.slow
@pytest.mark.parametrize('work', [replace, fail])
@pytest.mark.parametrize('joins', [True, False])
@in_a_thread
def test_at_any_line(joins: bool, work: Callable[..., None], make_app: Any, make_journal: Any) -> None:
    app, storage = in_memory(make_app)
    at, struck = 0, True
    with app.app_context():
        while struck:
            at += 1
            storage.write('old.txt', 'old')
            row = Row(journal := make_journal(joins=joins))
            unit = fs.unit(journal=journal)
            with contextlib.suppress(KeyboardInterrupt), interrupting(at) as lines:
                work(unit, storage, row)
            struck = lines.struck
            # Who is interrupted finds out whether the database has committed, and ends the unit once more.
            if row.filename == 'old.txt':
                journal.roll_back()
                unit.roll_back()
            else:
                unit.commit()
            assert storage.exists(row.filename), at
            collect(storage, row, journal)
            assert list(storage.list_files()) == [row.filename], at
            storage.remove(row.filename)
    assert at > 100


@pytest.mark.slow
@in_a_thread
def test_at_any_line_without_a_journal_nothing_that_is_referred_to_is_lost(make_app: Any, make_journal: Any) -> None:
    app, storage = in_memory(make_app)
    at, struck = 0, True
    with app.app_context():
        while struck:
            at += 1
            storage.write('old.txt', 'old')
            row, unit = Row(make_journal()), fs.unit()
            with contextlib.suppress(KeyboardInterrupt), interrupting(at) as lines, unit:
                name = unit.save(storage, io.BytesIO(b'new'), 'old.txt', overwrite=True)
                unit.remove(storage, 'old.txt')
                row.commit(name)
            struck = lines.struck
            assert storage.read(row.filename) == (b'old' if row.filename == 'old.txt' else b'new'), at
            for name in list(storage.list_files()):
                storage.remove(name)
    assert at > 100
