"""Run everything that CI runs, with one step per processor at a time.

The output of a step is shown when it ends. The first step that fails stops the others, is shown last, and sets the exit
code. If all pass, a table at the end shows how long each took.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from members import ROOT
from run_matrix import command, others

__all__ = ['STEPS', 'Step', 'main', 'run']


@dataclass(eq=False)
class Step:
    """One command.

    :param needs: The name of a step that must pass first.
    :param workers: The number of workers for its tests.
    :param variables: Further environment variables.
    """

    name: str
    command: list[str]
    needs: str | None = None
    workers: int = os.cpu_count() or 1
    variables: Mapping[str, str] = field(default_factory=dict)
    started: float = 0
    seconds: float = 0
    cpu_seconds: float = 0
    output: IO[bytes] = field(default_factory=io.BytesIO, repr=False)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the step in its own process group."""
        settings = {'PYTEST_XDIST_AUTO_NUM_WORKERS': str(self.workers), 'PY_COLORS': '0'}
        variables = {**os.environ, **settings, **self.variables}
        print(f'=== {self.name} started ===', flush=True)
        self.started = time.monotonic()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        assert self.process is not None
        # poll() adds the CPU time of an ended process, and of the processes it waited for, to our children's times.
        before = os.times()
        code = self.process.poll()
        after = os.times()
        self.seconds = time.monotonic() - self.started
        self.cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
        return code

    def stop(self) -> None:
        """Stop it and all processes that it started."""
        if self.process is not None and self.process.poll() is None:
            if sys.platform == 'win32':
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        self.output.close()

    def show(self) -> None:
        """Print its output, and how it ended."""
        code = self.process.returncode if self.process is not None else None
        how = 'passed' if code == 0 else f'failed with exit code {code}'
        self.output.seek(0)
        text = self.output.read().decode(errors='replace').rstrip()
        print(f'{text}\n=== {self.name} {how} after {self.seconds:.0f} s ===\n', flush=True)


#: Where `docs:build` puts the site, which the tests of `test-all` then look at.
SITE = ROOT / 'docs' / '_build' / 'html'

#: Scripts of hatch.toml, each with the one it needs. The longest comes first, then those that fail soon. Steps that wait
#: for the network come before steps that compute, so that all processors are busy to the end.
STEPS: list[tuple[str, str | None]] = [
    ('docs:build', None),
    ('test-all', 'docs:build'),
    ('lint:check', None),
    ('wheels:build', None),
    ('types:mypy', None),
    ('types:pyright', None),
    ('wheels:install', 'wheels:build'),
    ('wheels:lowest', 'wheels:build'),
]


def run(steps: list[Step], at_once: int) -> int:
    """Run *steps*, at most *at_once* at a time; the exit code is 0 if all passed."""
    waiting, running, passed = list(steps), list[Step](), set[str | None]({None})
    try:
        while waiting or running:
            for step in [step for step in waiting if step.needs in passed][: at_once - len(running)]:
                waiting.remove(step)
                step.start()
                running.append(step)
            time.sleep(0.1)
            for step in list(running):
                if (code := step.poll()) is None:
                    continue
                if code:
                    for other in running:
                        if other is not step:
                            other.stop()
                    step.show()
                    return code
                step.show()
                step.stop()
                running.remove(step)
                passed.add(step.name)
    finally:
        for step in running:
            step.stop()
    print('seconds  of CPU  step')
    for step in steps:
        print(f'{step.seconds:7.0f}  {step.cpu_seconds:6.0f}  {step.name}')
    return 0


def main() -> int:
    """Run all steps; the last is `matrix` on the newest Python only, because `lowest` uses the oldest."""
    steps = [Step(name, ['hatch', 'run', name], needs) for name, needs in STEPS]
    [tests] = [step for step in steps if step.name == 'test-all']
    # Most of the time, two of its workers wait for a server. The time zone is one that developers do not have.
    tests.workers += 2
    tests.variables = {'TZ': 'Asia/Kathmandu', 'FS_TEST_SITE': str(SITE)}
    # Sphinx leaves pages whose source is gone.
    shutil.rmtree(SITE, ignore_errors=True)
    # Servers behave the same for each Python.
    without_servers = ['-m', 'not slow and not browser and not once and not server']
    steps += [Step(f'matrix {version}', [*command([version]), *without_servers]) for version in others()[-1:]]
    return run(steps, at_once=os.cpu_count() or 1)


if __name__ == '__main__':
    sys.exit(main())
