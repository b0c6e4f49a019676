"""Several processes that settle the entries of one journal at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from journaled_rows import docs, entries, files, journal
from sqlalchemy.orm import Session, sessionmaker

import flask_fs as fs
from flask_fs.consistency.gc import collect


def test_two_collectors_at_once_do_no_harm(app: Flask, engine: sa.Engine, sessions: sessionmaker[Session]) -> None:
    bound = journal.of(engine)
    for number in range(3):
        bound.pending('docs', f'{number}.txt')
        docs.write(f'{number}.txt', b'content')
    first = collect(app, older_than_s=0)
    next(first)
    second = list(collect(app, older_than_s=0))
    list(first)

    assert len(second) == 3
    assert files() == []
    assert entries(engine) == []


#: A process that settles what is in the journal, and says what it did.
COLLECTOR = """
import sys
from flask import Flask
import sqlalchemy as sa
import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs_sqlalchemy import Journal, init_app

url, root = sys.argv[1:]
app = Flask('collector')
app.config.update(FS_ROOT=root)
fs.init_app(app, fs.Storage('docs', fs.ALL))
# SQLite has one writer at a time, and no queue: on a busy machine one may wait for long.
options = {'timeout': 10_000} if url.startswith('sqlite') else {}
init_app(app, sa.create_engine(url, connect_args=options), journal=Journal(sa.MetaData()), models=[])
print('ready', flush=True)
sys.stdin.readline()
for outcome in collect(app, older_than_s=0):
    print(outcome.action, outcome.filename, flush=True)
"""


@pytest.mark.slow
def test_processes_that_settle_a_thousand_entries_at_once_do_no_harm(
    app: Flask, engine: sa.Engine, tmp_path: Path
) -> None:
    """Half of the files are there."""
    local = Flask('local')
    local.config.update(FS_ROOT=str(tmp_path / 'fs'))
    stored = fs.Storage('docs', fs.ALL)
    fs.init_app(local, stored)
    bound = journal.of(engine)
    for number in range(1000):
        bound.pending('docs', f'{number}.txt')
    with local.app_context():
        for number in range(0, 1000, 2):
            stored.write(f'{number}.txt', b'content')
    url = engine.url.render_as_string(hide_password=False)
    line = [sys.executable, '-c', COLLECTOR, url, str(tmp_path / 'fs')]
    processes = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write('\n')
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        said += output.splitlines()

    with local.app_context():
        assert list(stored.list_files()) == []
    assert entries(engine) == []
    assert {line for line in said if line.startswith('removed')} == {
        f'removed {number}.txt' for number in range(0, 1000, 2)
    }
