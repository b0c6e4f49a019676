from __future__ import annotations

import itertools
import os
import re
import sys
import time

import pytest

from members import ROOT, tomllib
from run_all import STEPS, Step, run

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='its steps are ended as groups of processes')


def step(name: str, code: str, needs: str | None = None) -> Step:
    return Step(name, [sys.executable, '-c', code], needs)


def test_every_step_is_a_script_of_hatch_and_comes_after_the_one_that_it_needs():
    environments = tomllib.loads((ROOT / 'hatch.toml').read_text())['envs']
    for number, (name, needs) in enumerate(STEPS):
        environment, _, script = name.rpartition(':')
        scripts = environments[environment or 'default']['scripts']
        assert script in {*scripts, *itertools.chain(*scripts.values())}
        assert needs in {None, *(name for name, _ in STEPS[:number])}


def test_all_steps_run_and_each_shows_what_it_wrote(capfd):
    assert run([step('one', 'print("first")'), step('two', 'print("second")')], at_once=2) == 0
    shown = capfd.readouterr().out
    assert re.search(r'first\n=== one passed after \d+ s ===', shown)
    assert re.search(r'second\n=== two passed after \d+ s ===', shown)


def test_what_each_step_took_is_shown_last(capfd):
    busy = 'import time\nwhile time.process_time() < 1: pass'
    assert run([step('idle', 'import time; time.sleep(1)'), step('busy', busy)], at_once=2) == 0
    idle, busy = re.findall(r'^ +(\d+) +(\d+)  (\w+)$', capfd.readouterr().out, re.MULTILINE)
    assert idle[1:] == ('0', 'idle')
    assert busy[1:] == ('1', 'busy')
    assert int(idle[0]) >= 1


def test_a_step_waits_for_the_one_that_it_needs(tmp_path):
    made = tmp_path / 'made'
    steps = [
        step('make', f'import time; time.sleep(0.3); open({str(made)!r}, "w").close()'),
        step('use', f'open({str(made)!r})', needs='make'),
    ]
    assert run(steps, at_once=2) == 0


def test_no_more_run_at_once_than_may(tmp_path):
    alone = f'import os, time; os.mkdir({str(tmp_path / "x")!r}); time.sleep(0.2); os.rmdir({str(tmp_path / "x")!r})'
    assert run([step(str(number), alone) for number in range(3)], at_once=1) == 0


def test_a_failure_ends_the_others_and_is_shown_last(capfd):
    began = time.monotonic()
    steps = [step('long', 'import time; time.sleep(60)'), step('bad', 'print("why"); raise SystemExit(3)')]
    assert run([*steps, step('next', 'print("never")')], at_once=2) == 3
    assert time.monotonic() - began < 30
    assert 'why\n=== bad failed with exit code 3 after' in capfd.readouterr().out
    assert steps[0].process is not None
    assert steps[0].process.poll() is not None
