"""What happens to files of rows that are garbage collected, or alive at the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_fs_sqlalchemy.collected import Collected


class Thing:
    """What can be garbage collected."""


def test_it_is_done_later_and_in_order() -> None:
    collected, done = Collected(), []
    things = [Thing(), Thing()]
    for number, thing in enumerate(things):
        collected.watch(thing, lambda number=number: done.append(number))
    del thing, things[1]
    things.clear()
    assert done == []
    collected.settle()
    assert done == [1, 0]
    collected.settle()
    assert done == [1, 0]


def test_what_is_watched_no_more_has_nothing_done() -> None:
    collected, done = Collected(), []
    thing = Thing()
    collected.watch(thing, lambda: done.append(1)).detach()
    del thing
    collected.settle()
    assert done == []


def test_one_thread_does_all_of_it() -> None:
    """Several callbacks can concern the same files."""
    collected, done = Collected(), []
    begins, goes_on = threading.Event(), threading.Event()

    def first() -> None:
        begins.set()
        assert goes_on.wait(60)
        collected.settle()
        done.append(1)

    things = [Thing(), Thing()]
    for thing, then in zip(things, (first, lambda: done.append(2)), strict=True):
        collected.watch(thing, then)
    del thing
    things.pop(0)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(collected.settle)
        assert begins.wait(60)
        things.clear()
        collected.settle()
        assert done == []
        goes_on.set()
        running.result()
    assert done == [1, 2]
    collected.watch(thing := Thing(), lambda: done.append(3))
    del thing
    collected.settle()
    assert done == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='This system does not fork')
@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
def test_a_forked_process_does_nothing_about_what_belongs_to_another_one() -> None:
    collected, done = Collected(), []
    thing = Thing()
    collected.watch(thing, lambda: done.append(1))
    if not (child := os.fork()):
        del thing
        collected.settle()
        os._exit(len(done))
    assert os.waitpid(child, 0) == (child, 0)
    del thing
    collected.settle()
    assert done == [1]


_PROGRAM = """
import io, os, sys
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn

docs = fs.Storage('docs', fs.ALL)
app = Flask('app')
app.config['FS_ROOT'] = sys.argv[1]
fs.init_app(app, docs)

class Base(DeclarativeBase):
    pass

class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[object] = mapped_column(FileColumn(docs))

engine = sa.create_engine(f'sqlite:///{sys.argv[1]}/rows.db')
Base.metadata.create_all(engine)
session = Session(engine)
with app.app_context():
    rows = [Doc(), Doc(), Doc()]
    for row, name in zip(rows, ('committed.txt', 'written.txt', 'alone.txt')):
        row.file.save(io.BytesIO(), name)
        if name == 'committed.txt':
            session.add(row)
            session.commit()
        elif name == 'written.txt':
            session.add(row)
            session.flush()
    assert len(list(docs.list_files())) == 3
if sys.argv[2] == 'dies':
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(('end', 'left'), [('ends', 1), ('dies', 3)])
def test_at_the_end_of_a_process_what_is_not_committed_goes(tmp_path: Path, end: str, left: int) -> None:
    subprocess.run([sys.executable, '-c', _PROGRAM, str(tmp_path), end], check=True)
    assert len(list(tmp_path.glob('docs/*.txt'))) == left
