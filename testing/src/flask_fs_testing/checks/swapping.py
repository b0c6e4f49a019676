"""Compare and swap: of all writers that replace one version of a file, one succeeds."""

from __future__ import annotations

import io
import multiprocessing
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability

from ..concurrency import CAN_FORK, Background, in_processes, in_step, in_threads
from ..guarantees import broken, check, declares
from ..harness import Harness
from ..sources import OnlyRead
from .content import content_of
from .creating import MEETING_S, Interrupted
from .joining import expect_true_checksum
from .metadata import judge_result
from .operations import small_sizes
from .races import Awaiting, few, in_two_processes, meet
from .ranges import expect_bytes

#: How many writers swap one version at the same time.
SWAPPERS = 8
#: How many writers count at the same time, and how far each counts.
COUNTERS, COUNTS = 4, 5

WAYS: dict[str, Callable[[BaseBackend, bytes, str], object]] = {
    'save': lambda backend, content, etag: backend.save(OnlyRead(content, 65_537), 'x', if_match=etag),
    'write': lambda backend, content, etag: backend.write('x', content, if_match=etag),
}


class SwapChecks:
    """Versions that are replaced by their etag."""

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        cause='The etag that _stat returns is not the one that the store compares, or files of several parts are completed '
        'without the condition. Check _swap.',
    )
    def test_the_current_version_can_be_replaced(self, harness: Harness) -> None:
        """With if_match and the etag from stat, open or scan, a file is replaced, whatever its size, and gets another etag."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.COMPARE_AND_SWAP):
            return
        sizes = small_sizes(harness)
        backend.write('x', b'first')
        for way, swap in WAYS.items():
            for number, size in enumerate(('small', 'border', 'parts', 'small')):
                info, content = other.stat('x'), content_of(sizes[size]) + f'{way} {number}'.encode()
                opened, stream = other.open_whole('x')
                with stream:
                    etag = opened.etag
                [listed] = other.scan('x')
                etags = {'stat': info.etag, 'open': etag, 'scan': listed.etag or info.etag}
                if len(set(etags.values())) > 1 or info.etag is None:
                    broken(f'Expected the same etag of a version from all verbs; saw {etags}.')
                returned: Any = swap(backend, content, str(info.etag))
                expect_bytes(other.read('x'), content, f'a file that {way} has swapped')
                expect_true_checksum(other, 'x', content)
                judge_result(other, 'x', returned)
                if other.stat('x').etag == info.etag:
                    broken(f'Expected another etag after {way} has replaced a version; saw {info.etag!r} again.')
        assert harness.names_raw() == ['x']

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        cause='The condition is not sent, or is sent as a list or a pattern, or a missing file satisfies it. Check _swap.',
    )
    def test_no_other_version_is_replaced(self, harness: Harness) -> None:
        """Changed is raised if the file is another version, was removed or never existed, and nothing is stored."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.COMPARE_AND_SWAP):
            return
        other.write('x', b'first')
        stale = str(other.stat('x').etag)
        other.write('x', b'second')
        current = str(other.stat('x').etag)
        wrong = (stale, '', '*', 'other', f'"{current}"', f'W/"{current}"', f'{current}, {current}', current[:-1])
        size = small_sizes(harness)['parts']
        for content in (b'new', content_of(size)):
            for etag in wrong if content == b'new' else (stale, '*'):
                _expect_changed(backend, 'x', content, etag, 'it is another version')
                if other.read('x') != b'second':
                    broken(f'Expected the file to stay when Changed is raised for the etag {etag!r}; saw other bytes.')
            other.write('folder/below', b'')
            for name in ('removed', 'missing', 'folder', 'folder/missing'):
                other.write('removed', b'second')
                etag = str(other.stat('removed').etag)
                other.remove('removed')
                for each in (etag, '*', ''):
                    _expect_changed(backend, name, content, each, 'there is no such file')
                    if other.exists(name):
                        broken(f'Expected if_match to create nothing; saw {name!r} created, with the etag {each!r}.')
        assert sorted(harness.names_raw()) == ['folder/below', 'x']

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        cause='The version is compared before the source is read, which can take minutes: compare it in the step of _swap that '
        'makes the file visible.',
    )
    def test_a_version_replaced_while_the_source_is_read_is_kept(self, harness: Harness) -> None:
        """If another writer swaps the version while the source is read, at any point, their file stays; if it is removed, it stays removed."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.COMPARE_AND_SWAP):
            return
        sizes = small_sizes(harness)
        for size in (sizes['small'], sizes['border'] + 1):
            for point in (0, size // 2, size):
                other.write('x', b'first')
                etag, content = str(other.stat('x').etag), content_of(size)
                rivals: list[Background[bool]] = []

                def strike(etag: str = etag, rivals: list[Background[bool]] = rivals) -> None:
                    rivals.append(Background(lambda: _wins(lambda: other.write('x', b'theirs', if_match=etag))))
                    # A store might admit one writer at a time: then it comes second.
                    rivals[0].wait(MEETING_S)

                won = _wins(partial(backend.save, Interrupted(content, point, strike), 'x', if_match=etag))
                winners = [each for each, wins in ((content, won), (b'theirs', rivals[0].result())) if wins]
                what = f'a version that another writer swaps when {point} of {size} bytes were read'
                if len(winners) != 1:
                    broken(f'Expected one of two to replace {what}; saw {len(winners)}.')
                expect_bytes(other.read('x'), winners[0], what)
                other.write('x', b'first')
                source = Interrupted(content, point, lambda: other.remove('x'))
                if _wins(partial(backend.save, source, 'x', if_match=str(other.stat('x').etag))) or other.exists('x'):
                    broken(
                        f'Expected Changed for a file that is removed when {point} of {size} bytes were read; saw it again.'
                    )
        assert harness.names_raw() == []

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        race=True,
        cause='The version is looked up, and then replaced: two writers find the same one. Let the store decide, or hold a lock '
        'during both steps in _swap.',
    )
    def test_of_many_threads_that_swap_one_version_one_wins(self, harness: Harness) -> None:
        """If threads replace one version of a file at the same time, exactly one wins, and the file has the winner's content."""
        backends = [harness.make() for _ in range(SWAPPERS)]
        if not declares(backends[0], Capability.COMPARE_AND_SWAP):
            return
        if not harness.race_rounds:
            broken('Declared, but race_rounds of the harness is 0, so nothing proves it.')
        backends[0].write('x', b'first')
        large = small_sizes(harness)['border'] + 1
        for turn in range(few(harness.race_rounds)):
            etag = str(backends[0].stat('x').etag)
            # Sometimes a large file, which can be stored differently: the second gate is at its end.
            is_large = turn % 4 == 1
            gates = [threading.Barrier(SWAPPERS) for _ in range(1 + is_large)]
            contents = [_own(number, turn, large if is_large else 5000) for number in range(SWAPPERS)]

            def swap(number: int, contents: list[bytes] = contents, etag: str = etag, gates: Any = gates) -> bool:
                with in_step(partial(meet, gates[0])):
                    return _swap(backends[number], 'x', contents[number], etag, *gates)

            _judge_race(backends[0], 'x', contents, in_threads(SWAPPERS, swap))

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        race=True,
        cause='_swap uses a lock of this process, which does not exclude other processes: only the store, or a lock of the '
        'file system, can decide.',
    )
    def test_of_many_processes_that_swap_one_version_one_wins(self, harness: Harness) -> None:
        """If processes replace the same versions of files at the same time, exactly one wins each, and each file has the winner's content."""
        backend = harness.make()
        if not declares(backend, Capability.COMPARE_AND_SWAP):
            return
        if not CAN_FORK or not harness.shared_between_processes:
            return
        context = multiprocessing.get_context('fork')
        names = [f'race-{turn}' for turn in range(few(harness.race_rounds))]
        for name in names:
            backend.write(name, b'first')

        def swap(turn: int, name: str, etag: str, gate: Any, number: int) -> bool:
            with in_step(partial(meet, gate)):
                return _swap(backend, name, _own(number, turn), etag, gate)

        races = [
            partial(swap, turn, name, str(backend.stat(name).etag), context.Barrier(2))
            for turn, name in enumerate(names)
        ]
        for turn, won in enumerate(in_two_processes(races)):
            _judge_race(backend, names[turn], [_own(number, turn) for number in range(2)], won)

    @check(
        'COMPARE_AND_SWAP',
        proves=Capability.COMPARE_AND_SWAP,
        race=True,
        cause='The etag is from another version than the bytes that were read with it, or two versions share an etag. Check '
        'the etag of _open and _stat, and _swap.',
    )
    def test_a_counter_that_is_swapped_loses_no_count(self, harness: Harness) -> None:
        """If threads and processes read a number, add one, and store it with if_match until that succeeds, no increment is lost."""
        backend = harness.make()
        if not declares(backend, Capability.COMPARE_AND_SWAP):
            return
        backend.write('count', b'0')
        gate: Any = threading.Barrier(COUNTERS)
        in_threads(COUNTERS, lambda _: _count(backend, gate))
        expected = COUNTERS * COUNTS
        if CAN_FORK and harness.shared_between_processes:
            gate = multiprocessing.get_context('fork').Barrier(2)
            in_processes(2, lambda _: _count(backend, gate))
            expected += 2 * COUNTS
        if (seen := backend.read('count')) != str(expected).encode():
            broken(f'Expected {expected} after that many increments; saw {seen!r}.')
        assert harness.names_raw() == ['count']

    @check(
        'COMPARE_AND_SWAP',
        cause='if_match is accepted and ignored. Declare COMPARE_AND_SWAP and implement _swap, or let BaseBackend reject it: '
        'do not override verbs.',
    )
    def test_if_match_is_refused_where_it_is_not_promised(self, harness: Harness) -> None:
        """Without COMPARE_AND_SWAP, if_match raises OperationNotSupported before the source is read, and nothing is stored."""
        storage, backend = fs.Storage('kit', fs.ALL), harness.make()
        if declares(backend, Capability.COMPARE_AND_SWAP):
            return
        backend.write('x', b'old')
        etag = backend.stat('x').etag or 'any'
        with harness.make_app(storage).app_context():
            for name in ('x', 'new'):
                source = io.BytesIO(b'new')
                verbs: tuple[Callable[[str], object], ...] = (
                    lambda name: storage.write(name, b'new', if_match=etag),
                    lambda name: storage.save(OnlyRead(b'new'), name, if_match=etag),
                    lambda name: backend.write(name, b'new', if_match=etag),
                    lambda name, source=source: backend.save(source, name, if_match=etag),  # type: ignore[misc]
                )
                for verb in verbs:
                    with pytest.raises(fs.OperationNotSupported):
                        verb(name)
                if source.tell():
                    broken(
                        f'Expected the source to be unread when if_match is rejected; saw {source.tell()} bytes read.'
                    )
        assert (harness.names_raw(), harness.get_raw('x')) == (['x'], b'old')


def _expect_changed(backend: BaseBackend, name: str, content: bytes, etag: str, why: str) -> None:
    reported: list[str | None] = []
    try:
        backend.save(OnlyRead(content, 65_537), name, if_match=etag)
    except fs.Changed as error:
        reported.append(error.filename)
    if reported != [name]:
        broken(
            f'Expected Changed for {name!r} with the etag {etag!r}, because {why}; saw it for {reported or "nothing"}.'
        )


def _wins(swap: Callable[[], object]) -> bool:
    """Whether *swap* succeeds, because the version is still the current one."""
    try:
        swap()
    except fs.Changed:
        return False
    return True


def _swap(backend: BaseBackend, name: str, content: bytes, etag: str, *gates: Any) -> bool:
    """Replace the version *etag*, meeting the others at the *gates*; return whether it won."""
    try:
        return _wins(lambda: backend.save(Awaiting(content, *gates), name, if_match=etag))
    finally:
        # One that was refused without being read never reaches the gates: the others must not wait for it.
        for gate in gates:
            gate.abort()


def _own(number: int, turn: int, size: int = 5000) -> bytes:
    line = f'writer {number} of round {turn}\n'.encode()
    return line * -(-size // len(line))


def _judge_race(backend: BaseBackend, name: str, contents: list[bytes], wins: Any) -> None:
    if sum(wins) != 1:
        broken(f'Expected one of {len(contents)} writers to replace one version of {name!r}; saw {sum(wins)}.')
    expect_bytes(backend.read(name), contents[list(wins).index(True)], f'{name!r}, which one of several has swapped,')


def _count(backend: BaseBackend, gate: Any) -> None:
    """Add one to the number in the file ``count`` several times, each time until no other writer came first.

    It meets the others at the *gate* in between.
    """
    done = 0
    # A writer fails only because another one succeeded.
    for _ in range((COUNTERS + 2) * COUNTS):
        info, stream = backend.open_whole('count')
        try:
            with stream:
                number, etag = int(stream.read()), str(info.etag)
            meet(gate)
            backend.write('count', str(number + 1).encode(), if_match=etag)
        except (fs.Changed, fs.Replaced):
            continue
        if (done := done + 1) == COUNTS:
            return
    broken(f'Expected to count to {COUNTS} concurrently; saw Changed too often, after counting to {done}.')
