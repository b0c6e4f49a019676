"""The kit on core's backends in surroundings that servers have, and the machines of developers do not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import test_local_and_memory

# Each runs pytest once more.
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(400)]

SPAWNING = "import multiprocessing, sys, pytest; multiprocessing.set_start_method('spawn'); sys.exit(pytest.main(sys.argv[1:]))"
ENVIRONMENTS: dict[str, tuple[dict[str, str], list[str]]] = {
    'gevent': ({}, ['-m', 'gevent.monkey', '--module', 'pytest']),
    # The time zone is neither a whole number of hours from UTC, nor on its day for hours.
    'a time zone, no locale, no encoding by default, and processes that are not forked': (
        {'TZ': 'Asia/Kathmandu', 'LC_ALL': 'C'},
        ['-X', 'warn_default_encoding', '-c', SPAWNING],
    ),
}


@pytest.mark.parametrize(('variables', 'words'), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_core_passes_the_kit_in(variables: dict[str, str], words: list[str]) -> None:
    options = ['-p', 'no:cacheprovider', '-p', 'no:xdist', '-q']
    run = subprocess.run(
        [sys.executable, *words, *options, f'{test_local_and_memory.__file__}::TestLocal'],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.returncode == 0, run.stdout.decode(errors='replace')
