"""Run every check on every broken backend, and print which check catches how many, and what survives.

Each check runs in a process of its own, which may end it, hang, or leave threads behind. A check that fails on a backend
that is not broken proves nothing, and is left out.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import fnmatch
import functools
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import catching
from broken_backends import CAUGHT_BY
from http_harness import store

from flask_fs_testing import BackendConformance, NetworkConformance, NetworkHarness
from flask_fs_testing.guarantees import checks_of

#: Between two looks at a process.
POLL_S = 0.005
#: After how many runs of a check there is a sign of life.
PROGRESS = 500
Pair = tuple[Any, str]

_at_the_end = contextlib.ExitStack()


def main(arguments: list[str]) -> int:
    """Print the score; 1 if a backend survives, or a check catches fewer than two."""
    parser = argparse.ArgumentParser(prog='dev.py mutants', description=__doc__)
    parser.add_argument('--check', default='*', metavar='PATTERN', help='only the checks of this name')
    parser.add_argument('--backend', default='*', metavar='PATTERN', help='only the broken backends of this name')
    parser.add_argument('--jobs', type=int, default=2 * (os.cpu_count() or 1), help='how many at once (%(default)s)')
    parser.add_argument('--timeout-s', type=float, default=60, help='for each check, in seconds (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='PATH', help='write the outcome of each check on each backend')
    options = parser.parse_args(arguments)
    mutants = list(dict.fromkeys(backend for backend, _ in CAUGHT_BY))
    chosen = [mutant for mutant in mutants if fnmatch.fnmatch(mutant.__name__, options.backend)]
    controls = {(base, check): 'survived' for base in catching.HARNESSES for check in _checks_for(base, options.check)}
    print(f'{len(controls)} checks on backends that are not broken, {len(chosen)} broken backends ...', flush=True)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context('fork')) as pool:
        controls = _run(pool, controls, options.timeout_s)
        unfit = {pair for pair, outcome in controls.items() if outcome != 'survived'}
        pairs = [
            (mutant, check)
            for mutant in chosen
            for check in _checks_for(mutant, options.check)
            if (_base_of(mutant), check) not in unfit
        ]
        outcomes = _run(pool, pairs, options.timeout_s)
    for base, check in sorted(unfit, key=str):
        print(f'left out: {check} {controls[base, check]} on {base.__name__}, which is not broken')
    if options.json is not None:
        matrix: dict[str, dict[str, str]] = collections.defaultdict(dict)
        for (mutant, check), outcome in outcomes.items():
            matrix[mutant.__name__][check] = outcome
        options.json.write_text(json.dumps(matrix, indent=2, sort_keys=True) + '\n', encoding='utf-8')
    return score(outcomes)


def score(outcomes: Mapping[Pair, str]) -> int:
    """Print what *outcomes* say of each check and of each backend."""
    kills: dict[str, set[str]] = {check: set() for _, check in outcomes}
    mutants = {mutant.__name__ for mutant, _ in outcomes}
    for (mutant, check), outcome in outcomes.items():
        if outcome != 'survived':
            kills[check].add(mutant.__name__)
    for check, caught in sorted(kills.items(), key=lambda item: (-len(item[1]), item[0])):
        few = f': {", ".join(sorted(caught))}' if 0 < len(caught) <= 3 else ''
        print(f'{len(caught):4} {check}{few}')
    survivors = sorted(mutants.difference(*kills.values()))
    weak = sorted(check for check, caught in kills.items() if len(caught) < 2)
    for (mutant, check), outcome in outcomes.items():
        if outcome not in ('survived', 'caught'):
            print(f'{check} {outcome} on {mutant.__name__}')
    print(f'{len(mutants) - len(survivors)} of {len(mutants)} broken backends are caught, by {len(kills)} checks.')
    print(f'Survivors: {", ".join(survivors) or "none"}.')
    print(f'Checks that catch fewer than two: {", ".join(weak) or "none"}.')
    return int(bool(survivors or weak))


def judge(backend: Any, check: str, timeout_s: float, port: int = 0) -> str:
    """Run *check* on *backend* in a fork: ``caught``, ``survived``, ``hung``, or ``ended its process``."""
    if (child := os.fork()) == 0:
        code = 2
        try:
            os.setsid()
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            with tempfile.TemporaryDirectory() as folder:
                code = int(catching.catches(check, backend, Path(folder), port))
        finally:
            os._exit(code)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {0: 'survived', 1: 'caught'}.get(os.waitstatus_to_exitcode(status), 'ended its process')
        time.sleep(POLL_S)
    # With the processes that the check may have begun.
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 'hung'


@functools.cache
def _port() -> int:
    """That of a store of this process, which ends with it."""
    return _at_the_end.enter_context(store())


def _judge(pair: Pair, timeout_s: float) -> str:
    return judge(*pair, timeout_s, _port())


def _run(pool: ProcessPoolExecutor, pairs: Iterable[Pair], timeout_s: float) -> dict[Pair, str]:
    todo, found = list(pairs), []
    for outcome in pool.map(_judge, todo, [timeout_s] * len(todo), chunksize=8):
        found.append(outcome)
        if len(found) % PROGRESS == 0:
            print(f'{len(found)} of {len(todo)}', file=sys.stderr, flush=True)
    return dict(zip(todo, found, strict=True))


def _base_of(backend: Any) -> Any:
    return next(base for base in catching.HARNESSES if issubclass(backend, base))


def _checks_for(backend: Any, pattern: str) -> list[str]:
    on_network = issubclass(catching.harness_class_of(backend), NetworkHarness)
    checks = checks_of(NetworkConformance if on_network else BackendConformance)
    return fnmatch.filter(sorted(checks), pattern)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
