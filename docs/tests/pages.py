"""Pages that are projects of several files, done as they say: files written, commands run, in their order.

A block with a caption is a file, or what is added to one, of the name in the caption. A ``console`` block has commands, and
what they show; ``...`` stands for anything there, and numbers are not compared, because times differ and tests are added.
"""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[1]
#: How long a program may take to start or to end.
DEADLINE_S = 60
_BLOCK = re.compile(r'^```(?:\{code-block\} \S+\n:caption: ([^\n]+)\n\n|console\n)(.*?)^```$', re.MULTILINE | re.DOTALL)
_PROGRAMS = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get('PATH', os.defpath)])
# What would make programs do something else than the page says.
_OTHERS_SETTINGS = ('PYTEST_', 'FLASK_', 'AWS_', 'GUNICORN_', 'FS_TEST_')
# Distributions are installed already, in the environment that runs the tests.
_ENVIRONMENT_MADE = re.compile(r'pip install |python3 -m venv |\. \.venv/')
_PRINT_VARIABLES = f'{sys.executable} -c "import json, os; print(json.dumps(dict(os.environ)))"'


class File(NamedTuple):
    """A file, or what is added to one."""

    name: str
    content: str


class Command(NamedTuple):
    """A command, and what it is said to show."""

    line: str
    shown: str


def steps(page: str) -> Iterator[File | Command]:
    """What the page tells to do, in its order."""
    for name, content in _BLOCK.findall(page):
        if name:
            yield File(name, content)
            continue
        for step in content.removeprefix('$ ').split('\n$ '):
            line, _, shown = step.partition('\n')
            yield Command(line, shown)


class Project:
    """The folder of somebody who follows a page, with a terminal.

    :param folder: Where they begin.
    :param variables: What their environment has besides.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS_SETTINGS)}
        # A home of their own, so that no configuration of this machine's user has a say.
        self.variables = {**kept, 'PATH': _PROGRAMS, 'HOME': str(folder), 'COLUMNS': '80', **variables}

    def follow(self, page: str, instead: Mapping[str, Callable[[], None]]) -> list[str]:
        """Do what *page* says, and give its commands; for those in *instead* that is called and has to do them."""
        done = []
        for step in steps(page):
            if isinstance(step, File):
                self.add(step)
                continue
            done.append(step.line)
            if step.line in instead:
                instead[step.line]()
            elif not _ENVIRONMENT_MADE.match(step.line):
                seen = self.do(step.line)
                assert agree(step.shown, seen), f'$ {step.line}\n{seen}'
        return done

    def add(self, file: File) -> None:
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding='utf-8') + '\n\n' if path.exists() else ''
        path.write_text(before + file.content, encoding='utf-8')

    def do(self, line: str) -> str:
        """What *line* prints, where it has to succeed."""
        word, _, rest = line.partition(' ')
        if word == 'cd':
            self.folder /= rest
        elif word == '.':
            # What the file exports is there for all commands that follow.
            self.variables = json.loads(self._run(f'{line} && {_PRINT_VARIABLES}'))
        else:
            return self._run(line)
        return ''

    def _run(self, line: str) -> str:
        result = subprocess.run(
            line, shell=True, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f'$ {line}\n{result.stdout}{result.stderr}'
        return result.stdout

    @contextmanager
    def running(self, line: str, *, ready: Callable[[], bool], stop: str = '', **variables: str) -> Generator[None]:
        """Let *line* run for a ``with`` block, which begins when it is *ready*.

        :param stop: What is typed to end it; by default it is told to by a signal.
        :param variables: What its environment has besides.
        """
        with tempfile.TemporaryFile('w+') as log:
            # exec, and a group of its own: the signal is for the program and those that it has started.
            process = subprocess.Popen(
                f'exec {line}',
                shell=True,
                cwd=self.folder,
                env={**self.variables, **variables},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            try:
                deadline = time.monotonic() + DEADLINE_S
                while not ready():
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise AssertionError(f'It did not start:\n$ {line}\n{log.read()}')
                    time.sleep(0.05)
                yield
            finally:
                try:
                    if not stop:
                        # Not SIGINT, which is ignored where this run itself was started in the background.
                        _send(process, signal.SIGTERM)
                    process.communicate(stop, timeout=DEADLINE_S)
                finally:
                    _send(process, signal.SIGKILL)


def _send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a program and those that it has started, as far as they still run."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def agree(shown: str, seen: str) -> bool:
    """Whether a command has printed what the page shows."""
    return doctest.OutputChecker().check_output(without_numbers(shown), without_numbers(seen), doctest.ELLIPSIS)


def without_numbers(text: str) -> str:
    # From a minute on, pytest gives the time twice: "in 62.95s (0:01:02)".
    text = re.sub(r' \(\d+:\d\d:\d\d\)', '', text)
    # The line around a summary is as long as the summary leaves room.
    return re.sub(r'=+', '=', re.sub(r'\d+(\.\d+)?', '0', text))
