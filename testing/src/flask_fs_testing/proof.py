"""Run the checks on a deployment, with pytest in this process, without its output, the user's settings and other plugins."""

from __future__ import annotations

import contextlib
import contextvars
import io
import os
import signal
import tempfile
import textwrap
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from flask_fs import signals

from .concurrency import THREAD_NAME
from .deployment import Deployment, LiveHarness
from .report import PROPERTY, BackendReport, Collected

__all__ = ['Proof', 'prove']

#: How long to wait for the threads of an interrupted check to end, in seconds.
GRACE_S = 30


@dataclass
class Proof:
    """The results of a run.

    :param collected: The outcome of each check, for the report of the kit.
    :param broken: What each failed check saw and did, by its name.
    :param left: What could not be removed, one sentence for each.
    :param interrupted: Whether the user or the system ended the run early.
    :param failure: Why the run failed before its end, unless it was interrupted.
    """

    collected: Collected = field(default_factory=Collected)
    broken: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    interrupted: bool = False
    failure: str = ''

    @property
    def report(self) -> BackendReport | None:
        """The report on all checks; None if none was run."""
        return next(iter(self.collected.reports().values()), None)


def prove(deployment: Deployment, progress: Callable[[int, int], None]) -> Proof:
    """Run all checks, and remove what they stored, however the run ends.

    :param progress: Called after each check with the number of checks run so far, and the total number.
    """
    proof = Proof()
    with tempfile.TemporaryDirectory(prefix='fs-prove-') as folder, _terminable():
        try:
            with _undisturbed(), contextlib.redirect_stdout(io.StringIO()) as output:
                # The only current applications are those of the checks.
                code = contextvars.Context().run(_run, _Live(deployment, proof, progress), Path(folder))
            proof.interrupted = code == pytest.ExitCode.INTERRUPTED
            if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
                proof.failure = output.getvalue()
        except KeyboardInterrupt:
            proof.interrupted = True
        finally:
            _wait_for_threads()
            proof.left = deployment.clear()
    return proof


def _run(live: _Live, folder: Path) -> int:
    (folder / 'pytest.ini').write_text('[pytest]\n', encoding='utf-8')
    options = [
        *(
            '--noconftest',
            '--import-mode=importlib',
            '--capture=sys',
            '--color=no',
            '-Wdefault',
            '-p',
            'no:cacheprovider',
        ),
        # Plugins in the environment of the deployment are for its own tests.
        *('--disable-plugin-autoload', '-p', f'{__package__}.plugin'),
        # Makes the plugin read the capabilities of each backend.
        f'--fs-report={folder / "report"}',
    ]
    folders = ['-c', str(folder / 'pytest.ini'), f'--rootdir={folder}', f'--basetemp={folder / "checks"}']
    return pytest.main(['--pyargs', f'{__package__}.live_checks', *folders, *options], plugins=[live])


@contextlib.contextmanager
def _undisturbed() -> Generator[None]:
    """Hide the user's options from pytest, and the files of the checks from the application's signal receivers."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ))
        for variable in ('PYTEST_ADDOPTS', 'PYTEST_PLUGINS'):
            os.environ.pop(variable, None)
        for name in signals.__all__:
            stack.enter_context(getattr(signals, name).muted())
        yield


@contextlib.contextmanager
def _terminable() -> Generator[None]:
    """Make signals that end a process end the run as Ctrl-C does: everything it stored is removed."""
    names = [name for name in ('SIGTERM', 'SIGHUP') if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {name: signal.signal(getattr(signal, name), signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _wait_for_threads() -> None:
    """Wait until the threads of an interrupted check have ended, and store nothing anymore."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_NAME):
            thread.join(GRACE_S)


class _Live:
    """The plugin that provides each check with its harness, and collects its results."""

    def __init__(self, deployment: Deployment, proof: Proof, progress: Callable[[int, int], None]) -> None:
        self._deployment = deployment
        self._proof = proof
        self._progress = progress
        self._run, self._total = 0, 0

    @pytest.fixture
    def live_harness(self, tmp_path: Path) -> Generator[LiveHarness]:
        """A harness on a part of the deployment, which is cleared after the check."""
        below = f'{self._run}'
        yield LiveHarness(tmp_path, self._deployment, below)
        # To free storage early; what is left is reported after all checks.
        self._deployment.clear(below)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, outcome in report.user_properties:
            if name == PROPERTY and report.when == 'call' and isinstance(outcome, dict):
                self._proof.collected.add({**outcome, 'module': '', 'class': self._deployment.storage})
        if report.failed:
            crash = getattr(report.longrepr, 'reprcrash', None)
            seen = crash.message if crash is not None else report.longreprtext
            # The sections of the kit, without captured output.
            sections = [(title, text) for title, text in report.sections if not title.startswith('Captured')]
            shown = (f'{title}:\n{textwrap.indent(text, "  ")}' for title, text in sections)
            text = '\n'.join([seen, *shown])
            for secret in self._deployment.secrets:
                text = text.replace(secret, '***')
            self._proof.broken[report.nodeid.rpartition('::')[2]] = text

    def pytest_runtest_logfinish(self) -> None:
        self._run += 1
        self._progress(self._run, self._total)
