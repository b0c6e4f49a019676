"""A process that has imported everything and opened nothing; each process to be killed is forked from it.

It reads one request per line from standard input, as JSON, and responds to each with one line: how its child ended, and
all that the child has said.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from .worlds import World, live

__all__ = ['Nursery', 'nursery', 'serve']

Say = Callable[..., None]


class Nursery:
    """The side of the tests. Use it by :func:`nursery`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def child(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let a child handle *request*: ``{'status': …, 'said': […]}``, the status as that of :func:`os.waitpid`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError('The nursery has ended.')
        response: dict[str, Any] = json.loads(line)
        return response


@contextlib.contextmanager
def nursery(kind: str) -> Generator[Nursery]:
    """A nursery whose children run the ``World`` of module ``killing.{kind}``."""
    program = f'import sys; sys.path[:] = {sys.path!r}; from killing.nursery import serve; serve({kind!r})'
    with subprocess.Popen(
        [sys.executable, '-c', program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as process:
        try:
            yield Nursery(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)


def serve(kind: str) -> None:
    """Fork a child for each line, until there are no more."""
    module = __import__(f'killing.{kind}', fromlist=['World'])
    _warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(reading)
            _be_a_child(module.World, request, _speaker(writing))
        os.close(writing)
        with open(reading, encoding='utf-8') as lines:
            said = [json.loads(text) for text in lines]
        _, status = os.waitpid(pid, 0)
        print(json.dumps({'status': status, 'said': said}), flush=True)


def _warm_up() -> None:
    """Import and load what every child needs, without a connection to anything."""
    import boto3
    import gridfs
    import psycopg
    import pymysql
    from PIL import PngImagePlugin

    import flask_fs_gridfs
    import flask_fs_s3

    assert all((gridfs, psycopg, pymysql, flask_fs_gridfs, flask_fs_s3, PngImagePlugin))
    _load_models_once()
    boto3.client('s3', region_name='us-east-1', aws_access_key_id='none', aws_secret_access_key='none').close()


def _load_models_once() -> None:
    from botocore.loaders import JSONFileLoader

    load = functools.cache(JSONFileLoader().load_file)
    JSONFileLoader.load_file = lambda _, path: load(path)  # type: ignore[method-assign]


def _be_a_child(world: Callable[[dict[str, Any]], World], request: dict[str, Any], say: Say) -> None:
    status = 1
    try:
        # Its standard output is that of the nursery.
        os.dup2(2, 1)
        live(world(request['config']), request, say)
        status = 0
    except BaseException:  # noqa: BLE001  # whatever it is, the tests have to see it
        say('failed', traceback.format_exc())
    finally:
        os._exit(status)


def _speaker(writing: int) -> Say:
    """A function that writes a line of JSON at once, as the child may be killed right after it."""

    def say(*what: Any) -> None:
        os.write(writing, (json.dumps(what) + '\n').encode())

    return say
