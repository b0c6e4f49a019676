"""What dev.py shows while it works. All of it goes to stderr: stdout belongs to the command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping

__all__ = ['duration', 'run_to_end', 'run_with_status', 'say']


def say(text: str) -> None:
    """Print *text* for the user."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time such as ``42 s`` or ``2 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest} s' if minutes else f'{rest} s'


def run_with_status(line: list[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """Run *line* and return its exit code and everything it printed.

    A terminal shows its latest line while it runs, and nothing of it afterward.
    """
    # Child processes inherit the lock of dev.py, hence close_fds.
    process = subprocess.Popen(
        line,
        env=dict(variables),
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
    )
    assert process.stdout is not None
    output = []
    try:
        for text in process.stdout:
            output.append(text)
            _show_status(text.strip())
        return process.wait(), ''.join(output)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
        _show_status('')


def _show_status(text: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 5
        # Return to the start of the line, and erase what it shows.
        sys.stderr.write('\r\033[K' + (f'    {text}'[:width] if text else ''))
        sys.stderr.flush()


def run_to_end(line: list[str], variables: Mapping[str, str], cwd: str) -> int:
    """Run *line* in *cwd* and return its exit code; 130 if the user interrupted it."""
    sys.stdout.flush()
    process = subprocess.Popen(line, env=dict(variables), cwd=cwd)
    interrupted = False
    with _passing_on_termination(process):
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                # The terminal interrupts the child process too. Wait for it, so that nothing is left running.
                interrupted = True
    if interrupted:
        return 130
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _passing_on_termination(process: subprocess.Popen[bytes]) -> Generator[None, None, None]:
    """Send the signals that end this process to *process* instead."""
    if os.name == 'nt':
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, frame: process.send_signal(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
