from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import progress
from members import ROOT
from progress import duration, run_to_end, run_with_status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0.2, '0 s'), (59.4, '59 s'), (59.6, '1 min 0 s'), (125, '2 min 5 s'), (3700, '61 min 40 s')]
)
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


def test_the_output_and_the_exit_code_are_returned():
    code = 'import sys; print("out", flush=True); print("err", file=sys.stderr); sys.exit(3)'
    assert run_with_status([sys.executable, '-c', code], os.environ) == (3, 'out\nerr\n')


def test_without_a_terminal_nothing_is_shown_meanwhile(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(progress.sys, 'stderr', shown)
    run_with_status([sys.executable, '-c', 'print("Collecting flask")'], os.environ)
    assert shown.getvalue() == ''


def test_a_terminal_shows_the_latest_line_and_erases_it_at_the_end(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(progress.sys, 'stderr', shown)
    run_with_status([sys.executable, '-c', 'print("Collecting flask")'], os.environ)
    assert shown.getvalue() == '\r\033[K    Collecting flask\r\033[K'


def test_a_long_line_stays_on_one_line_of_the_terminal(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(progress.sys, 'stderr', shown)
    monkeypatch.setenv('COLUMNS', '20')
    run_with_status([sys.executable, '-c', 'print("x" * 500)'], os.environ)
    assert max(len(line) for line in shown.getvalue().split('\r\033[K')) < 20


def test_a_command_runs_in_its_folder_and_sets_the_exit_code(tmp_path):
    code = 'open("made", "w").close(); raise SystemExit(7)'
    assert run_to_end([sys.executable, '-c', code], os.environ, cwd=str(tmp_path)) == 7
    assert (tmp_path / 'made').exists()


#: Runs a child process that says when it is ready, and how it ended.
PARENT = """
import os, signal, sys
# A job in the background, such as a run of the tests, ignores interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from progress import run_to_end
sys.exit(run_to_end([sys.executable, '-c', sys.argv[2]], os.environ, cwd='.'))
"""
CHILD = """
import signal, sys, time
def end(number, frame):
    print('ended', flush=True)
    sys.exit(2)
signal.signal(signal.{signal}, end)
print('ready', flush=True)
time.sleep(60)
"""


def start(child: str, folder: Path) -> subprocess.Popen[str]:
    line = [sys.executable, '-c', PARENT, str(ROOT / 'scripts'), child]
    process = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.skipif(os.name == 'nt', reason='terminals of Unix')
def test_an_interrupt_from_the_terminal_waits_for_the_child_and_exits_with_130(tmp_path):
    with start(CHILD.format(signal='SIGINT'), tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate()
    assert (output, process.returncode) == ('ended\n', 130)


@pytest.mark.skipif(os.name == 'nt', reason='signals of Unix')
def test_a_termination_is_passed_on(tmp_path):
    with start(CHILD.format(signal='SIGTERM'), tmp_path) as process:
        process.terminate()
        output, _ = process.communicate()
    assert (output, process.returncode) == ('ended\n', 2)


@pytest.mark.skipif(os.name == 'nt', reason='signals of Unix')
def test_a_child_that_a_signal_killed_sets_the_exit_code_of_a_shell(tmp_path):
    code = 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'
    assert run_to_end([sys.executable, '-c', code], os.environ, cwd=str(tmp_path)) == 137
