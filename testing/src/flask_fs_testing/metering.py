"""Count the bytes that an operation transfers: over the network, from and to the disk, or in memory."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Generator
from pathlib import Path

from flask_fs.backends import BaseBackend

from .harness import Harness, NetworkHarness
from .proxy import FaultProxy

#: Calls a function, and returns how many bytes it transferred.
Meter = Callable[[Callable[[], object]], int]

#: What this process has read and written with system calls, including pages in memory (Linux; proc_pid_io(5)).
_PROCESS_IO = Path('/proc/self/io')


@contextlib.contextmanager
def through_proxy(harness: NetworkHarness) -> Generator[tuple[FaultProxy, BaseBackend]]:
    """A proxy in front of the store, and a backend that uses only this proxy and has already been used."""
    with FaultProxy(harness.host, harness.port, http=harness.http) as proxy:
        backend = harness.make_via_proxy(f'{proxy.host}:{proxy.port}')
        # Signing in, and finding the container, happen only once.
        backend.write('warm', b'')
        backend.remove('warm')
        yield proxy, backend


def can_be_metered(harness: Harness) -> bool:
    """Whether transferred bytes can be counted.

    They cannot for a store on a disk without ``/proc``, or for the emulator of a server inside this process, which uses
    memory itself.
    """
    if isinstance(harness, NetworkHarness):
        return harness.shared_between_processes
    return not harness.shared_between_processes or _PROCESS_IO.exists()


@contextlib.contextmanager
def metered(harness: Harness) -> Generator[tuple[BaseBackend, Meter]]:
    """A backend of this harness and its meter.

    Over a network, it counts what passes through a proxy, in both directions; for a store inside the process, the memory
    that is allocated; for a store on a disk, what the process reads and writes.
    """
    if isinstance(harness, NetworkHarness):
        with through_proxy(harness) as (proxy, backend):
            yield backend, lambda act: _difference(lambda: _moved_through(proxy), act)
    elif not harness.shared_between_processes:
        yield harness.make(), memory_of
    else:
        yield harness.make(), lambda act: _difference(_read_and_written, act)


def _difference(count: Callable[[], int], act: Callable[[], object]) -> int:
    before = count()
    act()
    return count() - before


def _moved_through(proxy: FaultProxy) -> int:
    return sum(connection.bytes_up + connection.bytes_down for connection in proxy.connections)


def memory_of(act: Callable[[], object]) -> int:
    """The peak memory use of *act*, in bytes."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _read_and_written() -> int:
    counts = dict(line.split(': ') for line in _PROCESS_IO.read_text(encoding='ascii').splitlines())
    return int(counts['rchar']) + int(counts['wchar'])
