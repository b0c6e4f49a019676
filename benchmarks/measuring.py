"""Shared parts of the benchmarks: measuring contenders in turn, CPU time, and tables in Markdown."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import random
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

Measure = Callable[[], float]


def cpu_s() -> float:
    """The CPU seconds, user and system, of this process and of all its children that have ended."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def cpu_of_process_s(pid: int) -> float:
    """The CPU seconds, user and system, of the main thread of the running process *pid*."""
    # In nanoseconds, where /proc/PID/stat counts the same in hundredths of a second.
    return int(Path(f'/proc/{pid}/schedstat').read_text().split()[0]) / 1e9


def cost_of(act: Callable[[], object], *, before: Callable[[], object] = int, times: int = 1) -> Measure:
    """A measurement of the CPU seconds of one call of *act*, as the mean of *times* calls after one of *before*."""

    def measure() -> float:
        before()
        gc.collect()
        gc.disable()
        try:
            start = cpu_s()
            for _ in range(times):
                act()
            return (cpu_s() - start) / times
        finally:
            gc.enable()

    return measure


def in_turn(contenders: Mapping[str, Measure], *, rounds: int) -> dict[str, list[float]]:
    """The seconds of each contender in each of *rounds*, after a first round that does not count.

    All take part in every round, so that what else the machine is doing hits all alike. Each round has another order,
    because some leave caches and free memory behind in a worse state than others; it is the same order in every run.
    """
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    shuffle = random.Random(0).shuffle
    for number in range(-1, rounds):
        shuffle(names)
        for name in names:
            measured = contenders[name]()
            if number >= 0:
                seconds[name].append(measured)
    return seconds


def report(title: str, seconds: Mapping[str, list[float]], *, reference: str, limit: float | None = None) -> None:
    """Print what was measured as a table in Markdown.

    The best round is the one least disturbed by others; the ratio to the contender *reference* is that of the bests, and
    next to it the median of the ratios within each round.

    :param limit: What the ratios should not exceed.
    """
    unit, name = _unit(min(seconds[reference]))
    print(f'### {title}\n')
    print('| contender | best | median | ratio | median ratio |')
    print('|---|---:|---:|---:|---:|')
    best = min(seconds[reference])
    for contender, measured in seconds.items():
        ratio = statistics.median(one / other for one, other in zip(measured, seconds[reference], strict=True))
        cells = [f'{min(measured) / unit:.2f} {name}', f'{statistics.median(measured) / unit:.2f} {name}']
        print(f'| {contender} | {" | ".join(cells)} | {min(measured) / best:.3f} | {ratio:.3f} |')
    print(f'\nTarget: at most {limit:g} times {reference}.\n' if limit is not None else '', flush=True)


def _unit(seconds: float) -> tuple[float, str]:
    return next(((unit, name) for unit, name in ((1, 's'), (1e-3, 'ms')) if seconds >= unit), (1e-6, 'µs'))


def machine() -> str:
    """The machine, in one line."""
    system = f'{platform.system()} {platform.release().split("-")[0]}, {_file_system(tempfile.gettempdir())}'
    return f'{os.cpu_count()} cores, {system}, {platform.python_implementation()} {platform.python_version()}'


def _file_system(folder: str) -> str:
    mounts = [line.split()[1:3] for line in Path('/proc/mounts').read_text().splitlines()]
    return max((mount for mount in mounts if folder.startswith(mount[0])), key=lambda mount: len(mount[0]))[1]


@contextlib.contextmanager
def passing_folder(*, needed_bytes: int = 0) -> Generator[Path]:
    """A folder for the time being, on the file system of temporary files (the one of TMPDIR, if that is set)."""
    with tempfile.TemporaryDirectory(prefix='flask-fs-benchmark-') as folder:
        if shutil.disk_usage(folder).free < needed_bytes:
            sys.exit(f'{needed_bytes >> 20} MiB are needed in {tempfile.gettempdir()}: set TMPDIR to another folder.')
        yield Path(folder)
