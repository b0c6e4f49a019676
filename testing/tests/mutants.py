"""Run every check on every broken backend that it may tell apart, and print which check catches how many, and what survives.

Each check runs in a process of its own, which may end it, hang, or leave threads behind. A check that fails on a backend
that is not broken proves nothing, and is left out. So is a broken backend with nothing of its own that a check uses.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import fnmatch
import functools
import json
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import catching
import names_used
from broken_backends import CAUGHT_BY
from http_harness import store

from flask_fs_testing import BackendConformance, NetworkConformance, NetworkHarness
from flask_fs_testing.guarantees import checks_of

#: Between two looks at a process.
POLL_S = 0.005
#: After how many runs of a check there is a sign of life, and what they found is kept.
PROGRESS = 500
#: How many times longer than on a backend that is not broken a check may take, and how long there.
SLOWER, CONTROL_S = 10, 300
Pair = tuple[Any, str]


class Control(NamedTuple):
    """What a check does on a backend that is not broken.

    :param used: The names that it looks up on the backend.
    """

    outcome: str
    seconds: float
    used: set[str]


_at_the_end = contextlib.ExitStack()


def main(arguments: list[str]) -> int:
    """Print the score; 1 if a backend survives, or a check catches fewer than two."""
    parser = argparse.ArgumentParser(prog='dev.py mutants', description=__doc__)
    parser.add_argument('--check', default='*', metavar='PATTERN', help='only the checks of this name')
    parser.add_argument('--backend', default='*', metavar='PATTERN', help='only the broken backends of this name')
    parser.add_argument('--jobs', type=int, default=2 * (os.cpu_count() or 1), help='how many at once (%(default)s)')
    parser.add_argument(
        '--timeout-s',
        type=float,
        default=30,
        help=f'for each check, in seconds (%(default)s), or {SLOWER} times what it takes on a backend that is not broken',
    )
    parser.add_argument(
        '--json',
        type=Path,
        metavar='PATH',
        help='keep the outcomes there, and go on after those that it has from before',
    )
    options = parser.parse_args(arguments)
    mutants = list(dict.fromkeys(backend for backend, _ in CAUGHT_BY))
    chosen = [mutant for mutant in mutants if fnmatch.fnmatch(mutant.__name__, options.backend)]
    bases = [(base, check) for base in catching.HARNESSES for check in _checks_for(base, options.check)]
    print(f'{len(bases)} checks on backends that are not broken ...', flush=True)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context('fork')) as pool:
        controls = dict(zip(bases, pool.map(_control, bases), strict=True))
        pairs = _worth_running(chosen, controls, options.check)
        print(f'{len(pairs)} on {len(chosen)} broken backends ...', flush=True)
        limits = [max(options.timeout_s, SLOWER * controls[_base_of(mutant), check].seconds) for mutant, check in pairs]
        outcomes = _run(pool, dict(zip(pairs, limits, strict=True)), options.json)
    for (base, check), control in controls.items():
        if control.outcome != 'survived':
            print(f'left out: {check} {control.outcome} on {base.__name__}, which is not broken')
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
                code = int(catching.catches(check, backend, Path(folder), port, sequences=None))
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


def _control(pair: Pair) -> Control:
    base, check = pair
    outcomes: list[str] = []
    begun = time.monotonic()
    used = names_used.used_by(lambda backend: outcomes.append(judge(backend, check, CONTROL_S, _port())), base)
    return Control(outcomes[0], time.monotonic() - begun, used)


def _worth_running(mutants: Iterable[Any], controls: Mapping[Pair, Control], pattern: str) -> list[Pair]:
    """The checks that may catch each of *mutants*, beginning with the quickest, so that much is known soon."""
    used_at_all = {
        base: set[str]().union(*(control.used for (kind, _), control in controls.items() if kind is base))
        for base in catching.HARNESSES
    }
    found: dict[Pair, float] = {}
    for mutant in mutants:
        base = _base_of(mutant)
        for check in _checks_for(mutant, pattern):
            outcome, seconds, used = controls[base, check]
            if outcome == 'survived' and names_used.may_tell_apart(used, mutant, base, used_at_all[base]):
                found[mutant, check] = seconds
    return sorted(found, key=found.__getitem__)


def _judge(pair: Pair, timeout_s: float) -> str:
    return judge(*pair, timeout_s, _port())


def _run(pool: ProcessPoolExecutor, limits: Mapping[Pair, float], path: Path | None) -> dict[Pair, str]:
    """The outcome of each pair, which may take so long; those that *path* has are known."""
    matrix: dict[str, dict[str, str]] = collections.defaultdict(dict)
    if path is not None and path.exists():
        matrix.update(json.loads(path.read_text(encoding='utf-8')))
    todo = {pair: limit for pair, limit in limits.items() if pair[1] not in matrix[pair[0].__name__]}
    begun = time.monotonic()
    for number, ((mutant, check), outcome) in enumerate(
        zip(todo, pool.map(_judge, todo, todo.values()), strict=True), 1
    ):
        matrix[mutant.__name__][check] = outcome
        if number % PROGRESS == 0 or number == len(todo):
            minutes = math.ceil((time.monotonic() - begun) / 60)
            print(f'{number} of {len(todo)} in {minutes} min', file=sys.stderr, flush=True)
            if path is not None:
                path.write_text(json.dumps(matrix, indent=2, sort_keys=True) + '\n', encoding='utf-8')
    return {(mutant, check): matrix[mutant.__name__][check] for mutant, check in limits}


def _base_of(backend: Any) -> Any:
    return next(base for base in catching.HARNESSES if issubclass(backend, base))


def _checks_for(backend: Any, pattern: str) -> list[str]:
    on_network = issubclass(catching.harness_class_of(backend), NetworkHarness)
    checks = checks_of(NetworkConformance if on_network else BackendConformance)
    return fnmatch.filter(sorted(checks), pattern)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
