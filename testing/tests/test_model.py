"""What a failed comparison with the model shows: the shortest script, and how to repeat the run."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from broken_backends.model import RefusesNamesThatWereDeleted

from flask_fs_testing import BackendConformance, LocalHarness, MemoryHarness
from flask_fs_testing.console import ConsoleHere, console

# Each makes shorter what failed, which takes hundreds of runs.
pytestmark = [pytest.mark.slow, pytest.mark.once]


def message_of(backend: Any, base: Any, folder: Path) -> str:
    harness = type('BrokenHarness', (base,), {'backend_class': backend, 'sequences': 300})(folder)
    with pytest.raises(pytest.fail.Exception) as caught:
        BackendConformance().test_any_sequence_of_verbs_does_what_a_dictionary_would(harness)
    return str(caught.value)


@pytest.fixture(scope='module')
def message(tmp_path_factory: pytest.TempPathFactory) -> str:
    return message_of(RefusesNamesThatWereDeleted, MemoryHarness, tmp_path_factory.mktemp('model'))


def script_in(message: str) -> list[str]:
    lines = [line.strip() for line in message.splitlines() if line.startswith('    ')]
    return [re.sub(r"prefix='run-\d+'", "prefix='run'", line) for line in lines]


def test_the_script_has_no_more_lines_than_the_failure_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('FS_TEST_SEED', '1')
    message = message_of(RefusesNamesThatWereDeleted, MemoryHarness, tmp_path)
    assert re.match(r'Expected None from .+; saw FileExists: ', message)
    made, *done = script_in(message)[1:]
    assert made == "two = harness.make(prefix='run')"
    # A deletion and two looks at what it did; then what is refused.
    assert len(done) <= 6
    assert re.search(r'remove|delete', done[0])
    assert re.search(r"overwrite=False|'xb'", done[-1])


def test_the_script_fails_when_its_lines_are_run(message: str, tmp_path: Path) -> None:
    lines = script_in(message)
    harness: Any = type('BrokenHarness', (MemoryHarness,), {'backend_class': RefusesNamesThatWereDeleted})
    here = ConsoleHere(harness(tmp_path))
    assert [here.run(line).error is None for line in lines] == [True] * (len(lines) - 1) + [False]


def test_the_seed_repeats_the_run(message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r'FS_TEST_SEED=(\d+) repeats this run\.', message)
    assert found is not None
    monkeypatch.setenv('FS_TEST_SEED', found[1])
    assert message_of(RefusesNamesThatWereDeleted, MemoryHarness, tmp_path) == message


def test_another_process_runs_lines_of_its_own(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    with console(harness, elsewhere=True) as two, console(harness, elsewhere=False) as one:
        for each in (one, two):
            assert each.run('backend = harness.make()').error is None
        assert one.run("backend.write('x', b'1')").error is None
        assert two.run("backend.read('x')").value == b'1'
        assert str(two.run("backend.read('missing')")).startswith("FileNotFound: 'missing' ")
        assert one.run("__import__('os').getpid()") != two.run("__import__('os').getpid()")


def test_a_process_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    with console(LocalHarness(tmp_path), elsewhere=True) as two:
        for line in ("__import__('os')._exit(1)", 'harness'):
            assert str(two.run(line)) == 'EOFError: the other process has ended'


def test_a_process_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('flask_fs_testing.console.TIMEOUT_S', 0.2)
    with console(LocalHarness(tmp_path), elsewhere=True) as two:
        begun = time.monotonic()
        for line in ("__import__('time').sleep(60)", *['harness'] * 100):
            assert str(two.run(line)) == 'TimeoutError: the other process did not respond within 0.2 s'
        assert time.monotonic() - begun < 10
