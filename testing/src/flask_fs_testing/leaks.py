"""What is still open after something was done often: files, connections, threads, temporary files, and what is in the store."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from unittest import mock

from . import concurrency
from .guarantees import broken
from .harness import Harness
from .measurements import record

__all__ = ['ALLOWED', 'MIN_ROUNDS', 'ROUNDS', 'leaves_nothing', 'open_files']

#: How often each thing is done, at most, and at least if all of them take longer than BUDGET_S.
ROUNDS, MIN_ROUNDS = 200, 8
BUDGET_S = 0.3
#: How many threads share what has to be done ROUNDS times, as a server works for several at once; and how often each of
#: them does it before others take over, so that no thread takes long even on a busy machine.
WORKERS, TURN_ROUNDS = 4, 5
#: How much may be open besides what was before: a pool may have grown by a few connections. A leak shows as one for each time.
ALLOWED = 5
#: How many names of what was left in the store are shown.
SHOWN = 10
#: How long what was closed may take to be gone.
GRACE_S = 3.0

#: Something to do; it is given a number that is new each time.
Act = Callable[[int], object]


def leaves_nothing(
    harness: Harness, acts: Mapping[str, Act], *, allowed: int = ALLOWED, in_threads: bool = False
) -> None:
    """Do each of *acts* often; the check fails if something stays open, or in the store, for each time.

    :param allowed: How much more may be open, of each kind.
    :param in_threads: Do each ROUNDS times, however long it takes, in several threads at once.
    """
    repeat, turn = (_repeat_in_threads, WORKERS * TURN_ROUNDS) if in_threads else (_repeat, 1)
    with _temporary_files() as folder, _unclosed_is_no_warning():
        # What the first times load, connect and keep is there from now on.
        warm = 2 * turn
        repeat(acts, range(warm))
        stored, before = harness.names_raw(), _held(folder)
        begun, rounds = time.monotonic(), 0
        while rounds < MIN_ROUNDS or (rounds < ROUNDS and (in_threads or time.monotonic() < begun + BUDGET_S)):
            repeat(acts, range(warm + rounds, warm + rounds + turn))
            rounds += turn
        leaked = _left(folder, before, allowed)
        record(harness, 'open', **leaked)
        if max(leaked.values(), default=0) > allowed:
            guilty = (name for name, act in acts.items() if _leaks(folder, {name: act}, warm + rounds))
            what = ', '.join(f'{count} more {kind}' for kind, count in leaked.items())
            who = next(guilty, 'all of them together')
            broken(f'Expected nothing to stay open after {rounds} times each; seen {what}, first after: {who}.')
        # By number: what belongs to a file that was replaced may have another name now.
        if len(left := harness.names_raw()) > len(stored):
            extra = sorted(Counter(left) - Counter(stored))
            broken(f'Expected nothing new in the store after {rounds} times each; seen {", ".join(extra[:SHOWN])}.')


def _leaks(folder: str, acts: Mapping[str, Act], first: int) -> bool:
    before = _held(folder)
    _repeat(acts, range(first, first + MIN_ROUNDS))
    return max(_left(folder, before, ALLOWED).values(), default=0) > ALLOWED


def _repeat(acts: Mapping[str, Act], numbers: range) -> None:
    for number in numbers:
        for act in acts.values():
            act(number)


def _repeat_in_threads(acts: Mapping[str, Act], numbers: range) -> None:
    concurrency.in_threads(WORKERS, lambda worker: _repeat(acts, numbers[worker::WORKERS]))


@contextlib.contextmanager
def _unclosed_is_no_warning() -> Generator[None]:
    """What is dropped unclosed says so; the checks do that on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ResourceWarning)
        yield


def _left(folder: str, before: Counter[str], allowed: int) -> Counter[str]:
    """What is open besides what was *before*; more than is *allowed* has a moment to go."""
    deadline = time.monotonic() + GRACE_S
    while max((left := _held(folder) - before).values(), default=0) > allowed and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def open_files() -> int:
    """How many files and connections this process has open; 0 where there is no way to find out."""
    descriptors = next(filter(os.path.isdir, ('/proc/self/fd', '/dev/fd')), None)
    return len(os.listdir(descriptors)) if descriptors else 0


def _held(folder: str) -> Counter[str]:
    gc.collect()
    return Counter(
        {
            'open files and connections': open_files(),
            'threads': threading.active_count(),
            'temporary files': len(os.listdir(folder)),
        }
    )


@contextlib.contextmanager
def _temporary_files() -> Generator[str]:
    """A folder for all temporary files of this process: other processes have theirs in the usual one."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tempfile, 'tempdir', folder):
        yield folder
