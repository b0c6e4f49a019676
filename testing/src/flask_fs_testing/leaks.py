"""Leaks after repeated operations: open files, connections, threads, temporary files, and files in the store."""

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

#: How many times each operation runs, at most, and at least if that takes longer than BUDGET_S.
ROUNDS, MIN_ROUNDS = 200, 12
BUDGET_S = 0.5
#: How many threads share the ROUNDS calls, because servers work concurrently; and how many calls each of them makes before
#: others continue, so that no thread takes long even on a busy machine.
WORKERS, TURN_ROUNDS = 4, 5
#: How many more can be open than before: a pool can grow by a few connections. A leak adds one for each call.
ALLOWED = 5
#: How many names of files left in the store are shown.
SHOWN = 10
#: How long closed objects can take to disappear.
GRACE_S = 3.0

#: An operation, called with a new number each time.
Act = Callable[[int], object]


def leaves_nothing(
    harness: Harness, acts: Mapping[str, Act], *, allowed: int = ALLOWED, in_threads: bool = False
) -> None:
    """Run each of *acts* many times; the check fails if their calls leave something open, or in the store.

    :param allowed: How many more of each kind can be open.
    :param in_threads: Run each ROUNDS times, however long it takes, in several threads concurrently.
    """
    with _temporary_files() as folder, _unclosed_is_no_warning():
        # The first calls load modules and open connections, which stay.
        warm = WORKERS * TURN_ROUNDS if in_threads else 2
        (_repeat_in_threads if in_threads else _repeat)(acts, range(warm))
        stored, before = harness.names_raw(), _held(folder)
        if in_threads:
            for first in range(warm, warm + ROUNDS, WORKERS * TURN_ROUNDS):
                _repeat_in_threads(acts, range(first, first + WORKERS * TURN_ROUNDS))
            rounds = ROUNDS
        else:
            rounds = min(_repeat_for_a_while(act, warm) for act in acts.values())
        leaked = _left(folder, before, allowed)
        record(harness, 'open', **leaked)
        if max(leaked.values(), default=0) > allowed:
            guilty = (name for name, act in acts.items() if _leaks(folder, {name: act}, warm + ROUNDS))
            what = ', '.join(f'{count} more {kind}' for kind, count in leaked.items())
            who = next(guilty, 'all of them together')
            broken(f'Expected nothing to stay open after at least {rounds} calls each; saw {what}, first after: {who}.')
        # By number: an object that belongs to a replaced file can have another name now.
        if len(left := harness.names_raw()) > len(stored):
            extra = sorted(Counter(left) - Counter(stored))
            broken(
                f'Expected nothing new in the store after at least {rounds} calls each; saw {", ".join(extra[:SHOWN])}.'
            )


def _leaks(folder: str, acts: Mapping[str, Act], first: int) -> bool:
    before = _held(folder)
    _repeat(acts, range(first, first + MIN_ROUNDS))
    return max(_left(folder, before, ALLOWED).values(), default=0) > ALLOWED


def _repeat(acts: Mapping[str, Act], numbers: range) -> None:
    for number in numbers:
        for act in acts.values():
            act(number)


def _repeat_for_a_while(act: Act, first: int) -> int:
    """How many times *act* has run: as often as its share of the time allows."""
    begun, rounds = time.monotonic(), 0
    while rounds < MIN_ROUNDS or (rounds < ROUNDS and time.monotonic() < begun + BUDGET_S):
        act(first + rounds)
        rounds += 1
    return rounds


def _repeat_in_threads(acts: Mapping[str, Act], numbers: range) -> None:
    concurrency.in_threads(WORKERS, lambda worker: _repeat(acts, numbers[worker::WORKERS]))


@contextlib.contextmanager
def _unclosed_is_no_warning() -> Generator[None]:
    """Ignore warnings about unclosed objects, which the checks drop on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ResourceWarning)
        yield


def _left(folder: str, before: Counter[str], allowed: int) -> Counter[str]:
    """What is open in addition to *before*; if it is more than *allowed*, it has a moment to disappear."""
    deadline = time.monotonic() + GRACE_S
    while max((left := _held(folder) - before).values(), default=0) > allowed and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def open_files() -> int:
    """How many files and connections this process has open; 0 if the system cannot report it."""
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
