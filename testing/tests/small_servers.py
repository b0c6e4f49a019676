"""Servers made for tests of the launchers, in Python so that they are everywhere, and how to look for what is left."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flask_fs_testing.servers import Server, base

RESPONDER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class SmallService:
    url: str


class SmallServer(Server[SmallService]):
    name = 'Small'
    install = 'pip install small'
    code = RESPONDER

    def __init__(self, *, deadline_s: float = 30) -> None:
        super().__init__(deadline_s=deadline_s)
        self.port = 0
        self.starts = 0

    @classmethod
    def missing(cls) -> str | None:
        return None

    def prepare(self) -> Mapping[str, list[str]]:
        self.starts += 1
        [self.port] = base.free_ports(1)
        return {'small': [sys.executable, '-c', self.code, str(self.port)]}

    def is_ready(self) -> bool:
        return base.http_status(self.port, '/') == 200

    @property
    def service(self) -> SmallService:
        return SmallService(f'http://127.0.0.1:{self.port}')


class DyingServer(SmallServer):
    code = 'print("loading"); raise SystemExit("no license found")'


class SilentServer(SmallServer):
    code = 'import time; print("thinking", flush=True); time.sleep(600)'


class UnknownProgram(SmallServer):
    def prepare(self) -> Mapping[str, list[str]]:
        return {'small': [str(self.folder / 'no-such-program')]}


class NotInstalled(SmallServer):
    @classmethod
    def missing(cls) -> str | None:
        return f'Small is not installed. Install it with: {cls.install}'


class StartsAChild(SmallServer):
    child = f'import os\nopen("child.pid", "w").write(str(os.getpid()))\n{RESPONDER}'
    code = f'import subprocess, sys\nsubprocess.run([sys.executable, "-c", {child!r}, sys.argv[1]])'


# What of a server can be seen from outside


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        # A zombie has ended; only its exit code was not read yet.
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return True


def until(condition: Callable[[], bool], what: str, deadline_s: float = 30) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f'not within {deadline_s} s: {what}')
        time.sleep(0.02)


def is_gone(pids: list[int], folder: Path) -> bool:
    return not any(map(is_alive, pids)) and not folder.exists()


def parent_of(pid: int) -> int:
    return int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
