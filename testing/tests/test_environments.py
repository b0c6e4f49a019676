"""The kit on core's backends in surroundings that servers have, and the machines of developers do not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import test_local_and_memory

# Each runs pytest once more.
pytestmark = [pytest.mark.slow, pytest.mark.once]

ENVIRONMENTS = {
    # Neither a whole number of hours from UTC, nor on its day for hours.
    'a time zone': ({'TZ': 'Asia/Kathmandu'}, []),
    'no locale': ({'LC_ALL': 'C'}, []),
    'no encoding by default': ({}, ['-X', 'warn_default_encoding']),
}


@pytest.mark.parametrize(('variables', 'options'), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_core_passes_the_kit_in(variables: dict[str, str], options: list[str]) -> None:
    words = ['-p', 'no:cacheprovider', '-p', 'no:xdist', '-q', f'{test_local_and_memory.__file__}::TestLocal']
    run = subprocess.run(
        [sys.executable, *options, '-m', 'pytest', *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.returncode == 0, run.stdout.decode(errors='replace')
