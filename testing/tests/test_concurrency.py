"""Threads and processes of the checks: what fails or hangs in one is shown, and none is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from flask_fs_testing import concurrency
from flask_fs_testing.concurrency import Background, in_processes, in_step, in_threads

pytestmark = pytest.mark.skipif(not concurrency.CAN_FORK, reason='Windows has no fork')

WAYS = pytest.mark.parametrize('run', [in_threads, in_processes])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, 'TIMEOUT_S', 0.5)
    monkeypatch.setattr(concurrency, 'GRACE_S', 0.5)


def fails_if_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f'{number} is odd')
    return number


def hangs(number: int) -> None:
    threading.Event().wait(60)


def failure_of(run: object, act: object, count: int = 1) -> str:
    with pytest.raises(pytest.fail.Exception) as caught:
        run(count, act)  # type: ignore[operator]  # one of WAYS
    return str(caught.value)


@WAYS
def test_results_come_in_the_order_of_the_numbers(run: object) -> None:
    def late_if_first(number: int) -> int:
        time.sleep(0 if number else 0.1)
        return number

    assert run(3, late_if_first) == [0, 1, 2]  # type: ignore[operator]  # one of WAYS


@WAYS
def test_a_failure_shows_the_reason_and_the_traceback(run: object) -> None:
    failure = failure_of(run, fails_if_odd, 4)
    assert failure.startswith('Expected 4 of 4 to succeed, ')
    assert 'saw 2 fail' in failure
    assert 'in fails_if_odd' in failure
    assert 'ValueError: 1 is odd' in failure
    assert 'ValueError: 3 is odd' in failure


@WAYS
@pytest.mark.usefixtures('impatient')
def test_one_that_hangs_is_shown_with_its_stack(run: object) -> None:
    failure = failure_of(run, hangs)
    assert 'It did not end within 0.5 s.' in failure
    assert 'hangs' in failure


@pytest.mark.slow
@WAYS
def test_one_that_hangs_does_not_hide_what_failed(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    # Enough for the other one to fail on a busy machine.
    monkeypatch.setattr(concurrency, 'TIMEOUT_S', 3)
    failure = failure_of(run, lambda number: fails_if_odd(number) if number else hangs(number), 2)
    assert 'saw 2 fail' in failure
    assert 'ValueError: 1 is odd' in failure


@pytest.mark.usefixtures('impatient')
def test_a_process_that_hangs_is_killed_and_joined() -> None:
    pids: list[int] = []

    def hang(number: int) -> None:
        # One that does not show where it is, and does not end when asked to.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        hangs(number)

    real = os.fork

    def fork() -> int:
        if pid := real():
            pids.append(pid)
        return pid

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fork', fork)
        assert 'an unknown position' in failure_of(in_processes, hang)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert pids


@pytest.mark.usefixtures('impatient')
def test_a_process_that_does_not_end_after_its_result_has_failed() -> None:
    def start_a_thread(number: int) -> None:
        threading.Thread(target=hangs, args=(number,)).start()

    assert 'It did not end within 0.5 s.' in failure_of(in_processes, start_a_thread)


def test_a_process_that_ends_by_itself_has_failed() -> None:
    def end(number: int) -> NoReturn:
        os._exit(3)

    assert 'It ended without a result. Its exit code was 3.' in failure_of(in_processes, end)


def test_a_process_whose_result_cannot_be_sent_says_so() -> None:
    failure = failure_of(in_processes, lambda number: lambda: number)
    assert 'local object' in failure


def test_what_happens_here_meanwhile_is_seen_by_the_processes() -> None:
    reading, writing = os.pipe()
    try:
        assert in_processes(1, lambda number: os.read(reading, 1), lambda: os.write(writing, b'x')) == [b'x']
    finally:
        os.close(reading)
        os.close(writing)


def test_a_failure_here_meanwhile_stops_the_processes() -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match='odd'):
        in_processes(1, hangs, lambda: fails_if_odd(1))
    assert time.monotonic() - start < concurrency.TIMEOUT_S / 2


def test_rivals_in_step_wait_for_each_other_after_each_call_of_the_file_system(tmp_path: Path) -> None:
    calls: list[str] = []
    with in_step(lambda: calls.append('met')):
        os.path.exists(tmp_path)
        len(calls)
        (tmp_path / 'folder').mkdir()
    os.path.exists(tmp_path)
    assert calls == ['met', 'met']


def test_rivals_come_into_step_at_once_where_audit_hooks_let_others_run() -> None:
    let_others_run = threading.Event()

    def act(_: int) -> None:
        for _ in range(20):
            with in_step(lambda: None):
                pass

    # It stays, and does nothing once the test is over.
    sys.addaudithook(lambda event, _: event == 'sys.setprofile' and let_others_run.wait(0.001))
    try:
        in_threads(8, act)
    finally:
        let_others_run.set()


def test_a_call_in_the_background_gives_its_result_or_shows_what_went_wrong() -> None:
    begun = threading.Event()
    waiting = Background(lambda: begun.wait(60))
    waiting.wait(0.01)
    begun.set()
    assert waiting.result()
    with pytest.raises(pytest.fail.Exception, match='ValueError: 1 is odd'):
        Background(lambda: fails_if_odd(1)).result()
