"""The command that runs every check on every broken backend, and the score at the end of a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import catching
import mutants
import names_used
import pytest
import score

from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing.concurrency import in_processes

CHECK = 'test_a_range_moves_only_its_bytes'


@pytest.mark.parametrize(
    ('outcome', 'act'),
    [
        ('caught', lambda *_, **__: True),
        ('survived', lambda *_, **__: False),
        ('ended its process', lambda *_, **__: os._exit(7)),
        ('ended its process', lambda *_, **__: 1 / 0),
        ('hung', lambda *_, **__: time.sleep(60)),
    ],
)
def test_a_check_on_a_backend_has_one_of_four_outcomes(
    outcome: str, act: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching, 'catches', act)
    timeout_s = 0.2 if outcome == 'hung' else 60
    assert mutants.judge(MemoryBackend, CHECK, timeout_s) == outcome


@pytest.mark.slow
def test_the_command_runs_what_it_is_told_to_and_keeps_the_outcomes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ['--check', CHECK, '--backend', 'ReadsTheWholeFileForARange', '--jobs', '1']
    # One check that catches one backend is weak.
    assert mutants.main([*chosen, '--json', str(tmp_path / 'matrix.json')]) == 1
    assert json.loads((tmp_path / 'matrix.json').read_text()) == {'ReadsTheWholeFileForARange': {CHECK: 'caught'}}
    printed = capsys.readouterr().out
    assert '1 of 1 broken backends are caught, by 1 checks.\nSurvivors: none.\n' in printed


@pytest.mark.slow
def test_the_command_goes_on_after_the_outcomes_that_it_has(tmp_path: Path) -> None:
    kept = {'ReadsTheWholeFileForARange': {CHECK: 'hung'}, 'Another': {'test_other': 'survived'}}
    (tmp_path / 'matrix.json').write_text(json.dumps(kept))
    options = ['--backend', 'ReadsTheWholeFileForARange', '--jobs', '1', '--json', str(tmp_path / 'matrix.json')]
    assert mutants.main(['--check', 'test_a_range_*', *options]) == 1
    matrix = json.loads((tmp_path / 'matrix.json').read_text())
    assert matrix.pop('Another') == kept['Another']
    assert matrix['ReadsTheWholeFileForARange'].pop(CHECK) == 'hung'
    assert matrix['ReadsTheWholeFileForARange']['test_a_range_has_exactly_its_bytes'] == 'survived'


def test_what_a_check_uses_of_a_backend_is_recorded_in_forks_too() -> None:
    def act(kind: Any) -> None:
        backend = kind('x')
        assert isinstance(backend, MemoryBackend)
        backend.exists('x')
        in_processes(1, lambda _: backend.write('x', b''))

    used = names_used.used_by(act, MemoryBackend)
    assert {'exists', 'write', '_put'} <= used
    assert not {'_remove', '_scan', '__qualname__'} & used


@pytest.mark.parametrize(
    ('own', 'expected'),
    [
        ({'_put': None}, True),
        ({'_put': None, '_remove': None}, True),
        ({'_remove': None}, False),
        # A helper beside what is used, and nothing that any check uses.
        ({'_remove': None, 'helper': None}, False),
        ({'helper': None}, True),
        # Python looks it up, and a store is broken for all.
        ({'_remove': None, '__init__': MemoryBackend.__init__}, True),
        ({'_remove': None, 'store_flags': ()}, True),
    ],
)
def test_a_backend_with_nothing_of_its_own_that_a_check_uses_is_left_out(own: dict[str, Any], expected: bool) -> None:
    backend = type('Broken', (MemoryBackend,), own)
    assert names_used.may_tell_apart({'_put'}, backend, MemoryBackend, {'_put', '_remove'}) is expected
    # It makes a backend elsewhere, where nothing is recorded.
    assert names_used.may_tell_apart({'__qualname__'}, backend, MemoryBackend, {'_put', '_remove'})


def test_the_score_names_survivors_and_weak_checks(capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = (type(name, (MemoryBackend,), {}) for name in ('One', 'Two', 'Three'))
    outcomes = {
        (one, 'test_a'): 'caught',
        (two, 'test_a'): 'hung',
        (three, 'test_a'): 'survived',
        (one, 'test_b'): 'caught',
        (two, 'test_b'): 'survived',
    }
    assert mutants.score(outcomes) == 1
    assert capsys.readouterr().out.splitlines() == [
        '   2 test_a: One, Two',
        '   1 test_b: One',
        'test_a hung on Two',
        '2 of 3 broken backends are caught, by 2 checks.',
        'Survivors: Three.',
        'Checks that catch fewer than two: test_b.',
    ]
    assert mutants.score({(one, 'test_a'): 'caught', (two, 'test_a'): 'caught'}) == 0


def test_the_end_of_a_run_says_the_score() -> None:
    def report(backend: str, check: str, when: str = 'call', passed: bool = True) -> SimpleNamespace:
        return SimpleNamespace(when=when, passed=passed, user_properties=[('broken-backend', [backend, check])])

    passed = [
        report('One', 'test_a'),
        report('One', 'test_b'),
        report('Two', 'test_a'),
        report('Three', 'test_a', 'setup'),
    ]
    stats = {'passed': passed, 'failed': [report('Four', 'test_a', passed=False)], 'deselected': [SimpleNamespace()]}
    lines: list[str] = []
    reporter: Any = SimpleNamespace(stats=stats, section=lines.append, write_line=lines.append)
    score.pytest_terminal_summary(reporter)
    assert lines == [
        'score of the kit',
        '2 of 3 broken backends are caught, by 2 checks; 1 checks catch no more than 1. All of them on all: python3 dev.py mutants',
    ]
    lines.clear()
    reporter.stats = {'passed': [SimpleNamespace(when='call', passed=True, user_properties=[])]}
    score.pytest_terminal_summary(reporter)
    assert lines == []
