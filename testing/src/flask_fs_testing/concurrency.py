"""Run code in several threads or processes at once. Failures and hangs are shown with tracebacks, and never block the end of the run."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeVar, cast

from .guarantees import broken

__all__ = ['CAN_FORK', 'THREAD_NAME', 'TIMEOUT_S', 'Background', 'in_processes', 'in_step', 'in_threads']

#: The timeout for all threads or processes of one call, in seconds.
TIMEOUT_S = 100
#: The timeout for a process to end after a request to do so, in seconds.
GRACE_S = 10
#: How many failures are shown: usually all are alike.
SHOWN = 3
#: The prefix of the threads' names.
THREAD_NAME = 'flask-fs-check-'
#: Whether this system can fork processes; Windows cannot.
CAN_FORK = hasattr(os, 'fork')

#: Audit events of calls that read or change the file system.
_FILE_SYSTEM = frozenset(
    getattr(os, name)
    for name in ('access', 'link', 'lstat', 'mkdir', 'open', 'rename', 'replace', 'rmdir', 'stat', 'symlink', 'unlink')
    if hasattr(os, name)
)
#: In Python 3.11, a thread cannot set its profile function while another one does, and audit hooks run meanwhile.
_SETTING_PROFILE = threading.Lock()

T = TypeVar('T')


def in_threads(count: int, act: Callable[[int], T]) -> list[T]:
    """What *act* returns for each number below *count*, called in that many threads at the same moment.

    The check fails if it raises in any of them, or does not return.
    """
    gate = threading.Barrier(count)

    def run(number: int) -> T:
        gate.wait(TIMEOUT_S)
        return act(number)

    threads = [Background(functools.partial(run, number)) for number in range(count)]
    deadline = time.monotonic() + TIMEOUT_S
    return _results('thread', [thread.outcome(deadline) for thread in threads])


def in_processes(count: int, act: Callable[[int], T], meanwhile: Callable[[], object] = lambda: None) -> list[T]:
    """What *act* returns for each number below *count*, called in that many forks of this process.

    The check fails if it raises in any of them, or if one does not end, which is then killed.

    :param meanwhile: Called in this process when the forks have begun.
    """
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(contextlib.closing(_Fork(act, number))) for number in range(count)]
        meanwhile()
        deadline = time.monotonic() + TIMEOUT_S
        return _results('process', [child.outcome(deadline) for child in children])


@contextlib.contextmanager
def in_step(meet: Callable[[], object]) -> Generator[None]:
    """Call *meet* in this thread after each file system call in the ``with`` block.

    Rivals that check before they write wait for each other there, so all of them check before any writes.
    """

    def after(frame: Any, event: str, called: Any) -> None:
        if event == 'c_return' and called in _FILE_SYSTEM:
            meet()

    # Greenlets share a thread, so the function of another one that is still in its block can be set.
    before = None if getattr(sys.getprofile(), '__code__', None) is after.__code__ else sys.getprofile()
    with _SETTING_PROFILE:
        sys.setprofile(after)
    try:
        yield
    finally:
        with _SETTING_PROFILE:
            sys.setprofile(before)


class Background(Generic[T]):
    """A call of *act* in a separate thread, which has started."""

    def __init__(self, act: Callable[[], T]) -> None:
        self._act = act
        self._outcome: tuple[str, Any] | None = None
        # A daemon: Python waits for other threads when it ends.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.name = f'{THREAD_NAME}{self._thread.name}'
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = '', self._act()
        except BaseException as error:  # noqa: BLE001  # shown to whoever waits for the result
            self._outcome = _traceback(error), None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, as soon as it does, or after the timeout."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        """What *act* returned; the check fails if it raised, or did not return."""
        return cast('T', _results('thread', [self.outcome(time.monotonic() + TIMEOUT_S)])[0])

    def outcome(self, deadline: float) -> tuple[str, Any]:
        """What went wrong, if anything did, and what *act* returned."""
        self.wait(max(0, deadline - time.monotonic()))
        if self._outcome is not None:
            return self._outcome
        frame = sys._current_frames().get(self._thread.ident or 0)
        return _hung(''.join(traceback.format_stack(frame)) if frame else ''), None


class _Fork:
    """A fork of this process that calls *act*, until it is closed."""

    def __init__(self, act: Callable[[int], Any], number: int) -> None:
        context = multiprocessing.get_context('fork')
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        self._outcome, sender = context.Pipe(duplex=False)
        # A daemon: Python waits for other processes when it ends.
        self._process = context.Process(target=self._run, args=(sender, act, number), daemon=True)
        self._process.start()
        # Receiving ends when the child ends.
        sender.close()

    def _run(self, sender: Any, act: Callable[[int], Any], number: int) -> None:
        # A handler in C writes it, even if Python is stuck; then the signal has its default effect: it ends the process.
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
            failure = 'It failed after it had returned its result.'
        return f'{failure} Its exit code was {self._process.exitcode}.' if failure else '', result

    def close(self) -> None:
        """End the process if it is still running."""
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
    return f'It did not end within {TIMEOUT_S:g} s. It was at:\n{stack or "an unknown position"}'


def _results(kind: str, outcomes: Sequence[tuple[str, Any]]) -> list[Any]:
    """What was returned, if nothing went wrong in any of them."""
    failures = {number: failure for number, (failure, _) in enumerate(outcomes) if failure}
    if failures:
        shown = [f'--- {kind} {number}:\n{failure}' for number, failure in sorted(failures.items())[:SHOWN]]
        lines, count = '\n'.join(shown), len(outcomes)
        broken(f'Expected {count} of {count} to succeed, each a {kind}; saw {len(failures)} fail.\n{lines}')
    return [result for _, result in outcomes]
