"""Code run by several threads or processes at once: each that fails or hangs is shown with its traceback, and none keeps the run from ending."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from .guarantees import broken

__all__ = ['CAN_FORK', 'in_processes', 'in_threads']

#: How long all threads or processes of one call may take, in seconds.
TIMEOUT_S = 100
#: How long a process may take to end after it was told to, in seconds.
GRACE_S = 10
#: How many of those that failed are shown: mostly all fail alike.
SHOWN = 3
#: Whether this system has processes that begin as a copy of another; Windows has none.
CAN_FORK = hasattr(os, 'fork')

T = TypeVar('T')


def in_threads(count: int, act: Callable[[int], T]) -> list[T]:
    """What *act* returns for each number below *count*, called by as many threads at the same moment.

    The check fails if it raises in any of them, or does not return.
    """
    gate = threading.Barrier(count)
    results: dict[int, T] = {}
    failures: dict[int, str] = {}

    def run(number: int) -> None:
        try:
            gate.wait(TIMEOUT_S)
            results[number] = act(number)
        except BaseException as error:  # noqa: BLE001  # shown below
            failures[number] = _traceback(error)

    # Daemons: Python waits for other threads when it ends.
    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + TIMEOUT_S
    for number, thread in enumerate(threads):
        thread.join(max(0, deadline - time.monotonic()))
        if thread.is_alive():
            frame = sys._current_frames().get(thread.ident or 0)
            failures[number] = _hung(''.join(traceback.format_stack(frame)) if frame else '')
    _judge('thread', count, failures)
    return [results[number] for number in range(count)]


def in_processes(count: int, act: Callable[[int], T], meanwhile: Callable[[], object] = lambda: None) -> list[T]:
    """What *act* returns for each number below *count*, called in as many forks of this process.

    The check fails if it raises in any of them, or one does not end; that one is killed.

    :param meanwhile: Called here when they have begun.
    """
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(contextlib.closing(_Fork(act, number))) for number in range(count)]
        meanwhile()
        deadline = time.monotonic() + TIMEOUT_S
        outcomes = [child.outcome(deadline) for child in children]
    _judge('process', count, {number: text for number, (text, _) in enumerate(outcomes) if text})
    return [result for _, result in outcomes]


class _Fork:
    """A fork of this process that calls *act*, until it is closed."""

    def __init__(self, act: Callable[[int], Any], number: int) -> None:
        context = multiprocessing.get_context('fork')
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        self._outcome, sender = context.Pipe(duplex=False)
        # A daemon: Python waits for other processes when it ends.
        self._process = context.Process(target=self._run, args=(sender, act, number), daemon=True)
        self._process.start()
        # The end of the child is the end of what can be received.
        sender.close()

    def _run(self, sender: Any, act: Callable[[int], Any], number: int) -> None:
        # Written by a handler in C, even where Python is stuck; then the signal does what it did before: it ends the process.
        faulthandler.register(signal.SIGUSR1, self._stacks, chain=True)
        try:
            sender.send(('', act(number)))
        except BaseException as error:  # noqa: BLE001  # shown by the parent
            sender.send((_traceback(error), None))

    def outcome(self, deadline: float) -> tuple[str, Any]:
        """What went wrong, if anything did, and what *act* returned."""
        failure, result = 'It ended without a result.', None
        # Nothing to receive raises EOFError.
        with contextlib.suppress(EOFError):
            if not self._outcome.poll(max(0, deadline - time.monotonic())):
                return _hung(self._stop()), None
            failure, result = self._outcome.recv()
        self._process.join(max(GRACE_S, deadline - time.monotonic()))
        if self._process.is_alive():
            return _hung(self._stop()), None
        if not failure and self._process.exitcode:
            failure = 'It failed after it had given its result.'
        return f'{failure} Its exit code was {self._process.exitcode}.' if failure else '', result

    def close(self) -> None:
        """End it if it has not ended."""
        self._stop()
        self._process.close()
        self._outcome.close()
        self._stacks.close()

    def _stop(self) -> str:
        """The stacks of its threads, if it had to be stopped."""
        process = self._process
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGUSR1)
            process.join(GRACE_S)
            process.kill()
        process.join()
        self._stacks.seek(0)
        return self._stacks.read().decode(errors='replace')


def _traceback(error: BaseException) -> str:
    return ''.join(traceback.format_exception(error))


def _hung(stack: str) -> str:
    return f'It did not end within {TIMEOUT_S:g} s. It was at:\n{stack or "a place that could not be found out"}'


def _judge(kind: str, count: int, failures: dict[int, str]) -> None:
    if failures:
        shown = [f'--- {kind} {number}:\n{text}' for number, text in sorted(failures.items())[:SHOWN]]
        lines = '\n'.join(shown)
        broken(f'Expected {count} of {count} to succeed, each a {kind}; seen {len(failures)} fail.\n{lines}')
