"""A process that is killed at each of its steps, one after the other: what it leaves is settled, and reported as JSON.

Run as ``killed_documents.py URL FOLDER``. Each step is right before or right after a call that changes the database or the store.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import mongoengine
from flask import Flask
from pymongo.collection import Collection

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.consistency.fsck import check
from flask_fs.consistency.gc import collect
from flask_fs_mongo import FileField, init_app

CHANGES = {
    Collection: ('insert_one', 'insert_many', 'update_one', 'delete_one', 'delete_many', 'find_one_and_update'),
    LocalBackend: ('_put', '_remove'),
}

files = fs.Storage('files', fs.ALL)


class Paper(mongoengine.Document):
    file = FileField(files, on_replace='remove', on_delete='remove', checksum=True)


def application(url: str, folder: str) -> Flask:
    app = Flask('killed')
    app.config.update(FS_ROOT=folder)
    fs.init_app(app, files)
    init_app(app, Paper, journal=True)
    mongoengine.connect(host=url, uuidRepresentation='standard')
    return app


def kill_at(step: int) -> None:
    """From now on, be killed before or after the call that *step* is about."""
    counted = itertools.count()

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(counted) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if next(counted) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, names in CHANGES.items():
        for name in names:
            setattr(owner, name, wrapped(getattr(owner, name)))


def work(url: str, folder: str, step: int) -> None:
    app = application(url, folder)
    with app.app_context():
        kept = Paper()
        kept.file.save(io.BytesIO(b'kept'), 'kept.txt')
        kept.save()
        kill_at(step)
        paper = Paper()
        paper.file.save(io.BytesIO(b'one'), 'a.txt')
        paper.save()
        paper.file.save(io.BytesIO(b'two'), 'a.txt', overwrite=True)
        paper.save()
        paper.file.save(io.BytesIO(b'three'), 'b.txt')
        paper.save()
        paper.delete()


def settle(url: str, folder: str) -> None:
    app = application(url, folder)
    with app.app_context():
        removed = [outcome.action for outcome in collect(app, older_than_s=0)]
        found = [f'{finding.kind} {finding.filename}' for finding in check(app, content=True, older_than_s=0)]
        contents = sorted(paper.file.read().decode() for paper in Paper.objects)
        left = list(app.extensions['fs'].sources[0].journal.entries(0))
        print(json.dumps({'actions': removed, 'found': found, 'contents': contents, 'left': len(left)}), flush=True)
        Paper.objects.delete()


def main(url: str, folder: str) -> None:
    for step in itertools.count():
        # Clients of MongoDB are made after the fork.
        for part in (
            functools.partial(work, url, f'{folder}/{step}', step),
            functools.partial(settle, url, f'{folder}/{step}'),
        ):
            if (pid := os.fork()) == 0:
                part()
                os._exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if part.func is work:
                was_killed = status == -signal.SIGKILL
            assert status in (0, -signal.SIGKILL), status
        if not was_killed:
            break


if __name__ == '__main__':
    main(*sys.argv[1:])
