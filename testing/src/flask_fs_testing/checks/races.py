"""Writers that create the same name at the same moment: one wins."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability

from ..concurrency import CAN_FORK, TIMEOUT_S, in_processes, in_step, in_threads
from ..guarantees import broken, check, declares, works_undeclared
from ..harness import Harness
from ..measurements import sizes_of
from ..sources import OnlyRead

WRITERS = 8
#: How many writers store a large file at the same time, and in how many rounds.
LARGE_WRITERS, LARGE_ROUNDS = 3, 3
#: How long a writer holds back its first byte for a rival: many times what a busy machine takes to run another process.
MEETING_S = 0.1


class RaceChecks:
    """One winner for each name."""

    @check(
        '_put with create',
        proves=Capability.ATOMIC_CREATE,
        race=True,
        cause='The name is looked up first, and then written: two writers find it free. Let the store decide, in the step of _put that makes the file visible.',
    )
    def test_of_many_threads_one_creates_a_name(self, harness: Harness) -> None:
        """If threads create the same name at the same time, exactly one wins, and the file has the winner's content."""
        backend = harness.make()
        counts = []
        for turn in range(harness.race_rounds):
            name = f'race-{turn}'
            wins = in_threads(WRITERS, partial(_create, backend, name, threading.Barrier(WRITERS)))
            counts.append(sum(wins))
            _expect_right(backend, name, [_save] * WRITERS, wins)
        _judge(backend, counts)
        if declares(backend, Capability.ATOMIC_CREATE):
            if not counts:
                broken('Declared, but race_rounds of the harness is 0, so nothing proves it.')
        elif counts and set(counts) == {1}:
            works_undeclared(backend, Capability.ATOMIC_CREATE)

    @check(
        '_put with create',
        proves=Capability.ATOMIC_CREATE,
        race=True,
        cause='_put uses a lock of this process, or checks the store before writing: only the store itself can decide between processes.',
    )
    def test_of_many_processes_one_creates_a_name(self, harness: Harness) -> None:
        """If processes create the same names at the same time, exactly one wins each name."""
        backend = harness.make()
        if not CAN_FORK or not harness.shared_between_processes or not harness.race_rounds:
            return
        context = multiprocessing.get_context('fork')
        races = [partial(_create, backend, f'race-{turn}', context.Barrier(2)) for turn in range(harness.race_rounds)]
        _judge(backend, [sum(wins) for wins in in_two_processes(races)])

    @check(
        '_put with create',
        proves=Capability.ATOMIC_CREATE,
        race=True,
        cause='A file stored in parts is completed without the condition that is used for small files: see the end of _put.',
    )
    def test_of_many_threads_one_creates_a_large_file(self, harness: Harness) -> None:
        """If threads store files of several parts under the same new name, exactly one wins, and its file is complete."""
        backend = harness.make()
        size = sizes_of(harness)['border'] + 1
        counts = []
        for turn in range(min(LARGE_ROUNDS, harness.race_rounds)):
            name = f'race-{turn}'
            gates = [threading.Barrier(LARGE_WRITERS) for _ in range(2)]

            def create(number: int, name: str = name, gates: list[threading.Barrier] = gates) -> bool:
                source = Awaiting(bytes([number]) * size, *gates)
                return _wins(lambda: backend.save(source, name, overwrite=False), *gates)

            wins = in_threads(LARGE_WRITERS, create)
            counts.append(sum(wins))
            if any(wins) and backend.read(name) not in [
                bytes([number]) * size for number, won in enumerate(wins) if won
            ]:
                broken(f'Expected the {size} bytes of a winner; saw other content.')
        _judge(backend, counts)

    @check(
        '_put and _copy and _move with create',
        proves=Capability.ATOMIC_CREATE,
        race=True,
        cause='_copy or _move looks for the target first, and then replaces it: the last step needs the same condition as in _put.',
    )
    def test_of_many_threads_that_create_by_any_verb_one_wins(self, harness: Harness) -> None:
        """If threads save, write, open, copy and move to the same new name, exactly one wins, and no loser loses its source."""
        ways = [_save, _copy, _move, _write, _move, _open, _copy, _move]
        backends = [harness.make() for _ in ways]
        counts = []
        for turn in range(few(harness.race_rounds)):
            name, gate = f'race-{turn}', threading.Barrier(len(ways))
            _prepare(backends[0], name, ways)

            def create(number: int, name: str = name, gate: threading.Barrier = gate) -> bool:
                with in_step(partial(meet, gate)):
                    return _wins(lambda: ways[number](backends[number], name, number, gate), gate)

            wins = in_threads(len(ways), create)
            counts.append(sum(wins))
            _expect_right(backends[0], name, ways, wins)
        _judge(backends[0], counts)

    @check(
        '_copy and _move with create',
        proves=Capability.ATOMIC_CREATE,
        race=True,
        cause='_copy or _move uses a lock of this process, or checks the target before replacing it: let the store decide.',
    )
    def test_of_many_processes_that_copy_or_move_to_a_name_one_wins(self, harness: Harness) -> None:
        """If processes copy or move files to the same names at the same time, exactly one wins each name, and no loser loses its source."""
        backend = harness.make()
        if not CAN_FORK or not harness.shared_between_processes:
            return
        context = multiprocessing.get_context('fork')
        rounds = [
            (f'race-{turn}', ways, context.Barrier(2)) for turn, ways in enumerate(PAIRS * few(harness.race_rounds))
        ]
        for name, ways, _ in rounds:
            _prepare(backend, name, ways)

        def create(name: str, ways: tuple[Way, Way], gate: Any, number: int) -> bool:
            with in_step(partial(meet, gate)):
                return _wins(partial(ways[number], backend, name, number, gate), gate)

        wins = in_two_processes([partial(create, *race) for race in rounds])
        for (name, ways, _), won in zip(rounds, wins, strict=True):
            _expect_right(backend, name, ways, won)
        _judge(backend, [sum(won) for won in wins])


def in_two_processes(races: Sequence[Callable[[int], bool]]) -> list[tuple[bool, bool]]:
    """Whether each of two processes won, for each of the *races*, which they begin at the same time."""
    line = multiprocessing.get_context('fork').Barrier(2)

    def begin_together(race: Callable[[int], bool], number: int) -> bool:
        with contextlib.suppress(threading.BrokenBarrierError):
            line.wait(TIMEOUT_S)
        return race(number)

    def run(number: int) -> list[bool]:
        try:
            return [begin_together(race, number) for race in races]
        finally:
            # The other process must not wait for a failed one.
            line.abort()

    return list(zip(*in_processes(2, run), strict=True))


def few(rounds: int) -> int:
    """How many rounds are enough if each has several chances to show a fault; 0 if race_rounds is 0."""
    return -(-rounds // 5)


def _own(number: int) -> bytes:
    return f'writer {number}\n'.encode() * 500


class Awaiting(OnlyRead):
    """Returns its first byte when all rivals are at the first of the *gates*: all of them have checked, and none has written.

    It ends when all are at the second gate, if there is one: all of them have written, and none has finished.
    """

    def __init__(self, content: bytes, *gates: threading.Barrier) -> None:
        super().__init__(content, step=max(1000, len(content) // 20))
        self._gates = list(gates)
        self._size = len(content)

    def read(self, size: int = -1) -> bytes:
        if self._gates and self._at in (0, self._size):
            meet(self._gates.pop(0))
        return super().read(size)


def meet(gate: threading.Barrier) -> None:
    """Wait for all rivals, but not for long: a store might admit one writer at a time."""
    with contextlib.suppress(threading.BrokenBarrierError):
        gate.wait(MEETING_S)


def _create(backend: BaseBackend, name: str, gate: threading.Barrier, number: int) -> bool:
    """Create *name* as writer *number*, meeting the others at the *gate*; return whether it won."""
    return _wins(lambda: backend.save(Awaiting(_own(number), gate), name, overwrite=False), gate)


def _wins(create: Callable[[], object], *gates: threading.Barrier) -> bool:
    """Whether *create* succeeds, because its name does not exist yet."""
    try:
        create()
    except fs.FileExists:
        return False
    finally:
        # One that was refused without being read never reaches the gates: the others must not wait for it.
        for gate in gates:
            gate.abort()
    return True


# --- Ways to create a file: each gets a backend, the name, a number, and the gate where it meets the others.

Way = Callable[[BaseBackend, str, int, Any], object]


def _save(backend: BaseBackend, name: str, number: int, gate: Any) -> None:
    backend.save(Awaiting(_own(number), gate), name, overwrite=False)


def _write(backend: BaseBackend, name: str, number: int, gate: Any) -> None:
    meet(gate)
    backend.write(name, _own(number), overwrite=False)


def _open(backend: BaseBackend, name: str, number: int, gate: Any) -> None:
    with backend.open(name, 'xb') as file:
        file.write(_own(number))
        meet(gate)


def _copy(backend: BaseBackend, name: str, number: int, gate: Any) -> None:
    meet(gate)
    backend.copy(_source(name, number), name, overwrite=False)


def _move(backend: BaseBackend, name: str, number: int, gate: Any) -> None:
    meet(gate)
    backend.move(_source(name, number), name, overwrite=False)


def _source(name: str, number: int) -> str:
    return f'from/{name}-{number}'


def _prepare(backend: BaseBackend, name: str, ways: Sequence[Way]) -> None:
    """Store the source of a copy or move."""
    for number, way in enumerate(ways):
        if way in (_copy, _move):
            backend.write(_source(name, number), _own(number))


def _expect_right(backend: BaseBackend, name: str, ways: Sequence[Way], wins: Sequence[bool]) -> None:
    """Fail unless the file is that of a winner, and the losers have lost nothing else."""
    if any(wins) and backend.read(name) not in [_own(number) for number, won in enumerate(wins) if won]:
        broken(f'Expected the content of the winner of a race for {name!r}; saw other content.')
    for number, (way, won) in enumerate(zip(ways, wins, strict=True)):
        if way in (_copy, _move):
            is_there, expected = backend.exists(_source(name, number)), way is _copy or not won
            if is_there != expected:
                outcome = f'{way.__name__[1:]} that {"won" if won else "lost"}'
                broken(f'Expected the source of a {outcome} to be {"there" if expected else "gone"}; saw the opposite.')


def _judge(backend: BaseBackend, counts: Sequence[int]) -> None:
    """Fail unless each race has at least one winner and, if the backend declares it, exactly one."""
    if 0 in counts:
        broken(f'Expected a winner in each of {len(counts)} races; saw none in {counts.count(0)} of them.')
    several = len(counts) - counts.count(1)
    if several and declares(backend, Capability.ATOMIC_CREATE):
        broken(f'Expected one winner in each of {len(counts)} races; saw more in {several} (at most {max(counts)}).')


#: What two processes do at the same time.
PAIRS: list[tuple[Way, Way]] = [(_move, _move), (_copy, _move), (_copy, _copy)]
