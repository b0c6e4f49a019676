"""Lines of Python that use a backend, run here or in another process: a failure is shown, and repeated, as a script."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from flask_fs.backends import Attributes, BaseBackend

from .arriving import upload
from .concurrency import TIMEOUT_S
from .harness import Harness
from .sources import Failing, OnlyRead, SourceFailed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a line.

    :param value: What it returned.
    :param error: What it raised instead.
    """

    value: Any = None
    error: Exception | None = None

    def __str__(self) -> str:
        return repr(self.value) if self.error is None else f'{type(self.error).__name__}: {self.error}'


class Console(Protocol):
    """Runs lines, one after the other."""

    def run(self, line: str) -> Outcome:
        """What *line* returns, if it is an expression, or raises."""
        ...


class ConsoleHere:
    """Runs lines in this process. They can use ``harness``, sources of the kit, and what earlier lines assigned."""

    def __init__(self, harness: Harness) -> None:
        self._names: dict[str, Any] = {
            'harness': harness,
            'BytesIO': io.BytesIO,
            **{
                each.__name__: each
                for each in (Attributes, Failing, OnlyRead, put, leave, read_from, look_at, swap, upload, entries)
            },
        }

    def run(self, line: str) -> Outcome:
        """What *line* returns, if it is an expression, or raises."""
        try:
            code = compile(line, '<script>', 'exec' if ' = ' in line else 'eval')
            return Outcome(eval(code, self._names))  # lines of checks
        except Exception as error:  # noqa: BLE001  # judged by the check
            return Outcome(error=error)


class ConsoleElsewhere:
    """Runs lines in another process, forked from this one."""

    def __init__(self, lines: Connection, outcomes: Connection) -> None:
        self._lines, self._outcomes = lines, outcomes
        self._failure: Outcome | None = None

    def run(self, line: str) -> Outcome:
        """What *line* returns, if it is an expression, or raises. If the process ends or hangs, each later line fails immediately."""
        if self._failure is None:
            try:
                self._lines.send(line)
                if self._outcomes.poll(TIMEOUT_S):
                    outcome: Outcome = self._outcomes.recv()
                    return outcome
                error: Exception = TimeoutError(f'the other process did not respond within {TIMEOUT_S} s')
            except (EOFError, OSError):
                error = EOFError('the other process has ended')
            self._failure = Outcome(error=error)
        return self._failure


@contextlib.contextmanager
def console(harness: Harness, *, elsewhere: bool) -> Generator[Console]:
    """A console, in another process if *elsewhere*."""
    if not elsewhere:
        yield ConsoleHere(harness)
        return
    context = multiprocessing.get_context('fork')
    # One for each direction: a duplex pipe consists of sockets, and with gevent these do not block.
    (their_lines, our_lines), (our_outcomes, their_outcomes) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    ends = (their_lines, their_outcomes, our_lines, our_outcomes)
    process = context.Process(target=_serve, args=(*ends, harness), daemon=True)
    process.start()
    their_lines.close()
    their_outcomes.close()
    try:
        yield ConsoleElsewhere(our_lines, our_outcomes)
    finally:
        # It is idle, and a process with gevent might not end by itself.
        process.kill()
        process.join(TIMEOUT_S)
        our_lines.close()
        our_outcomes.close()


def _serve(lines: Connection, outcomes: Connection, *args: Any) -> None:
    *other_ends, harness = args
    for end in other_ends:
        end.close()
    here = ConsoleHere(harness)
    with contextlib.suppress(EOFError):
        while True:
            outcomes.send(here.run(lines.recv()))


# --- Helpers for what a line cannot do in one expression.


def put(backend: BaseBackend, filename: str, mode: str, content: bytes) -> None:
    """Write a file through ``open``."""
    with backend.open(filename, mode) as file:
        file.write(content)


def leave(backend: BaseBackend, filename: str, content: bytes) -> None:
    """Write a file through ``open``, and leave its block with an exception."""
    with backend.open(filename, 'wb') as file:
        file.write(content)
        raise SourceFailed


def read_from(backend: BaseBackend, filename: str, start: int) -> bytes:
    """The bytes of a file from *start* on, through ``open``."""
    with backend.open(filename, 'rb') as file:
        file.seek(start)
        return bytes(file.read())


def look_at(backend: BaseBackend, filename: str) -> tuple[int, Attributes]:
    """The size and the attributes of a file."""
    info = backend.stat(filename)
    return info.size, info.attributes


def swap(backend: BaseBackend, filename: str, content: bytes, *, stale: bool) -> None:
    """Replace the current version of a file or, with *stale*, a version that never existed."""
    backend.write(filename, content, if_match='stale' if stale else str(backend.stat(filename).etag))


def entries(backend: BaseBackend, prefix: str, limit: int) -> tuple[list[str], list[str]]:
    """The files and the subfolders directly in a folder, in pages of *limit*."""
    files, folders, after = list[str](), list[str](), None
    # Pages that repeat would never end.
    for _ in range(100):
        page = backend.folder(prefix, after=after, limit=limit)
        files += (info.name for info in page.files)
        folders += page.folders
        if (after := page.next) is None:
            break
    return sorted(files), sorted(folders)
