"""Create-only writes: the first writer wins."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from functools import partial

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability

from ..concurrency import CAN_FORK, in_processes, in_threads
from ..guarantees import broken, check, declares, works_undeclared
from ..harness import Harness
from ..sources import OnlyRead

WRITERS = 8
#: How long a writer holds its first byte back for a rival: many times what a busy machine takes to let another process run.
MEETING_S = 0.1


class CreateChecks:
    """One winner for each name."""

    @check('_put with create')
    def test_create_keeps_the_first_writer(self, harness: Harness) -> None:
        """With create, the name of an existing file raises FileExists, and the first content stays."""
        backend = harness.make()
        backend.write('x', b'first', overwrite=False)
        attempts: tuple[Callable[[], object], ...] = (
            lambda: backend.write('x', b'second', overwrite=False),
            lambda: backend.save(OnlyRead(b'second' * 1000), 'x', overwrite=False),
            lambda: backend.copy('y', 'x', overwrite=False),
            lambda: backend.move('y', 'x', overwrite=False),
        )
        for again in attempts:
            backend.write('y', b'second')
            with pytest.raises(fs.FileExists) as caught:
                again()
            assert caught.value.filename == 'x'
            assert backend.read('x') == b'first'
            assert backend.read('y') == b'second'
        assert set(backend.list_files()) == {'x', 'y'}

    @check('_put with create', proves=Capability.ATOMIC_CREATE, race=True)
    def test_of_many_threads_one_creates_a_name(self, harness: Harness) -> None:
        """Of all threads that create one name at once, exactly one wins, and the file is its own."""
        backend = harness.make()
        counts = []
        for turn in range(harness.race_rounds):
            name = f'race-{turn}'
            wins = in_threads(WRITERS, partial(_create, backend, name, threading.Barrier(WRITERS)))
            counts.append(sum(wins))
            if any(wins):
                assert backend.read(name) in [_own(number) for number, won in enumerate(wins) if won]
        _judge(backend, counts)

    @check('_put with create', proves=Capability.ATOMIC_CREATE, race=True)
    def test_of_many_processes_one_creates_a_name(self, harness: Harness) -> None:
        """Of several processes that create the same names at once, exactly one wins each."""
        backend = harness.make()
        if not CAN_FORK or not harness.shared_between_processes or not harness.race_rounds:
            return
        context = multiprocessing.get_context('fork')
        gates = {f'name-{number}': context.Barrier(2) for number in range(harness.race_rounds)}

        def create_all(number: int) -> list[bool]:
            return [_create(backend, name, gate, number) for name, gate in gates.items()]

        _judge(backend, [sum(wins) for wins in zip(*in_processes(2, create_all), strict=True)])

    @check('NESTED_NAMES', proves=Capability.NESTED_NAMES)
    def test_a_file_and_a_folder_of_one_name(self, harness: Harness) -> None:
        """Where a name can be a file and a folder both are kept; elsewhere the second is refused and the first stays."""
        backend = harness.make()
        backend.write('a', b'file')
        backend.write('b/c', b'below')
        if declares(backend, Capability.NESTED_NAMES):
            for overwrite in (False, True):
                backend.write('a/b', b'below', overwrite=overwrite)
                backend.write('b', b'file', overwrite=overwrite)
            assert set(backend.list_files()) == {'a', 'a/b', 'b', 'b/c'}
        else:
            refused = [name for name in ('a/b', 'b') if _is_refused(backend, name)]
            if not refused:
                works_undeclared(backend, Capability.NESTED_NAMES)
        assert {'a', 'b/c'} <= set(backend.list_files())
        assert backend.read('a') == b'file'
        assert backend.read('b/c') == b'below'


def _is_refused(backend: BaseBackend, name: str) -> bool:
    try:
        backend.write(name, b'other', overwrite=False)
    except fs.FileExists:
        return True
    return False


def _own(number: int) -> bytes:
    return f'writer {number}\n'.encode() * 500


class _Awaiting(OnlyRead):
    """Gives its first byte when all rivals have come to the *gate*, so that all are between looking and writing."""

    def __init__(self, content: bytes, gate: threading.Barrier) -> None:
        super().__init__(content)
        self._gates = [gate]

    def read(self, size: int = -1) -> bytes:
        # Or when a moment has passed: a store may let in one writer at a time.
        with contextlib.suppress(threading.BrokenBarrierError):
            if self._gates:
                self._gates.pop().wait(MEETING_S)
        return super().read(size)


def _create(backend: BaseBackend, name: str, gate: threading.Barrier, number: int) -> bool:
    """Create *name* as writer *number*, meeting the others at the *gate*; whether it won."""
    try:
        backend.save(_Awaiting(_own(number), gate), name, overwrite=False)
    except fs.FileExists:
        return False
    finally:
        # One that was refused unread never comes to the gate: the others shall not wait for it.
        gate.abort()
    return True


def _judge(backend: BaseBackend, counts: list[int]) -> None:
    """Exactly one winner in each race where that was promised; at least one everywhere."""
    if not counts and declares(backend, Capability.ATOMIC_CREATE):
        broken('Declared, but race_rounds of the harness is 0, so that nothing shows it.')
    if 0 in counts:
        broken(f'Expected a winner in each of {len(counts)} races; seen none in {counts.count(0)} of them.')
    several = len(counts) - counts.count(1)
    if declares(backend, Capability.ATOMIC_CREATE):
        if several:
            broken(
                f'Expected one winner in each of {len(counts)} races; seen more in {several} (at most {max(counts)}).'
            )
    elif counts and not several:
        works_undeclared(backend, Capability.ATOMIC_CREATE)
