"""The demo as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / 'run.py'
# A job in the background, as tests can be, ignores interrupts, and so do its children.
INTERRUPTIBLE = (
    'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])'
)
needs_signals = pytest.mark.skipif(os.name == 'nt', reason='signals of Unix')


@pytest.mark.parametrize('taken', [False, True], ids=['on a free port', 'beside another program'])
def test_the_program_tells_where_it_is(tmp_path: Path, taken: bool) -> None:
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1] if taken else 0
        command = [sys.executable, str(PROGRAM), '--port', str(port), '--root', str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                line = process.stdout.readline()
                found = re.fullmatch(r'Pigeonhole is at (http://127\.0\.0\.1:(\d+)/) \(Ctrl\+C stops it\)\n', line)
                assert found is not None
                assert str(port) != found[2]
                (tmp_path / 'files').mkdir()
                (tmp_path / 'files' / 'notes.txt').write_text('12345')
                with urllib.request.urlopen(f'{found[1]}fs/files/notes.txt') as answer:
                    assert answer.read() == b'12345'
            finally:
                process.terminate()
            printed = process.stderr.read()
            assert (f'Port {port} is not available' in printed and 'pass --port' in printed) == taken


def test_a_port_that_does_not_exist_is_explained() -> None:
    command = [sys.executable, str(PROGRAM), '--port', '70000']
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.endswith('argument --port: 70000 is not between 0 and 65535\n')


def interrupted(line: str, *arguments: str, **variables: str) -> str:
    """What the program prints after the line that begins with *line*, at which it is interrupted."""
    command = [sys.executable, '-c', INTERRUPTIBLE, sys.executable, str(PROGRAM), *arguments]
    environment = {**os.environ, **variables}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(line)
        process.send_signal(signal.SIGINT)
        printed = process.communicate()[0]
    assert process.returncode == 0
    return printed


@needs_signals
def test_an_interrupt_stops_the_program_without_a_traceback(tmp_path: Path) -> None:
    stopped = interrupted('Pigeonhole is at ', '--port', '0', '--root', str(tmp_path))
    assert stopped == '\nThe demo has stopped.\n'


@needs_signals
def test_an_interrupt_while_it_starts_does_too(tmp_path: Path) -> None:
    """Imports take most of the time; this one takes all of it."""
    (tmp_path / 'flask.py').write_text("import time; print('Importing', flush=True); time.sleep(60)")
    assert interrupted('Importing', PYTHONPATH=str(tmp_path)) == '\nThe demo has stopped.\n'
