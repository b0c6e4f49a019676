"""Errors that are not Exceptions and can be raised anywhere: KeyboardInterrupt, and GreenletExit of gevent."""

from __future__ import annotations

import gc
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_fs.backends import BaseBackend, Capability

from ..concurrency import in_threads
from ..guarantees import broken, check, declares
from ..harness import Harness
from ..interrupts import INTERRUPTS, Moments, interrupting
from ..leaks import open_files
from ..sources import Failing, OnlyRead
from .content import content_of
from .operations import OLD, Operation, Stage, reading_operations, small_sizes, writing_operations

#: At how many of its calls an operation is interrupted; and at how many with a server, where a large file takes hundreds.
MOMENTS, MOMENTS_ON_NETWORK = 6, 3
#: How many times each of them interrupts a consumer.
ROUNDS = 3


class InterruptChecks:
    """Interrupts at any point."""

    @check(
        '_put and _swap',
        cause='Cleanup is in `except Exception`, which interrupts bypass: use `finally` or `except BaseException`. Check _put '
        'and _swap.',
    )
    def test_an_interrupted_source_leaves_nothing_new(self, harness: Harness) -> None:
        """If the source of a save, with or without if_match, is interrupted, the caller gets the interrupt, the old file is intact, and nothing new is left."""
        backend = harness.make()
        backend.write('x', OLD)
        before = harness.names_raw()
        size = small_sizes(harness)['parts']
        content, errors = content_of(size), itertools.cycle(INTERRUPTS)
        backend.save(OnlyRead(content, step=65_537), 'x', overwrite=True)
        backend.write('x', OLD)
        threads = threading.active_count()
        # Creating x would be refused, maybe before the source is read.
        ways: list[tuple[str, dict[str, Any]]] = [
            ('x', {'overwrite': True}),
            ('new', {'overwrite': True}),
            ('new', {'overwrite': False}),
        ]
        if declares(backend, Capability.COMPARE_AND_SWAP):
            ways.append(('x', {'if_match': backend.stat('x').etag}))
        for (name, how), after in itertools.product(ways, (0, 1, size - 1)):
            error = next(errors)
            what = f'from save({name!r}, {how}) whose source raises {error.__name__} after {after} of {size} bytes'
            try:
                backend.save(Failing(content, after, error, step=65_537), name, **how)
            except BaseException as caught:  # noqa: BLE001  # judged here
                if not isinstance(caught, error):
                    broken(f'Expected {error.__name__} {what}; saw {caught!r}.')
            else:
                broken(f'Expected {error.__name__} {what}; saw no error.')
            if (seen := harness.names_raw()) != before or harness.get_raw('x') != OLD:
                broken(
                    f'Expected only the old file {what}; saw {seen}, of which x has {len(harness.get_raw("x"))} bytes.'
                )
            assert list(backend.list_files()) == ['x']
        # A pool can grow by one or two.
        if (left := threading.active_count() - threads) > 2:
            broken(f'Expected no more threads after interrupted sources; saw {left} more.')
        _works(backend)

    @check(
        'open',
        cause='`__exit__` stores unless the error is an Exception, or a finalizer closes the file. Check open().',
    )
    def test_an_interrupted_writer_stores_nothing(self, harness: Harness) -> None:
        """If an interrupt ends the block of a file open for writing, nothing is stored, whatever was written to it."""
        backend = harness.make()
        backend.write('x', OLD)
        for error, mode in itertools.product(INTERRUPTS, ('w', 'wb', 'x', 'xb')):
            with pytest.raises(error):
                _interrupted_writer(backend, mode, error)
            if (seen := (harness.names_raw(), harness.get_raw('x'))) != (['x'], OLD):
                broken(f'Expected only x, with {OLD!r}, after {error.__name__} in open(…, {mode!r}); saw {seen}.')
        _works(backend)

    @check(
        'read_chunks',
        cause='A stream, a page or a temporary copy is released only at its end. Check the streams of _open, and _scan.',
    )
    def test_an_interrupted_reader_gives_back_what_it_held(self, harness: Harness) -> None:
        """If the code that reads or lists is interrupted, files, connections and temporary copies are released."""
        backend = harness.make()
        backend.write('x', content_of(small_sizes(harness)['parts']))
        backend.write('y', OLD)
        consumers: dict[str, Callable[[BaseBackend, type[BaseException]], object]] = {
            'read_chunks': lambda backend, error: _interrupted(backend.read_chunks('x', 1000), error),
            'list_files': lambda backend, error: _interrupted(backend.list_files(), error),
            'scan': lambda backend, error: _interrupted(backend.scan(), error),
            'open': _interrupted_file,
            'local_file': _interrupted_local_file,
        }
        for name, consume in consumers.items():
            counts = []
            for error in INTERRUPTS * ROUNDS:
                with pytest.raises(error):
                    consume(backend, error)
                counts.append(open_files())
            gc.collect()
            # The first time can open things that stay open.
            if (left := open_files() - counts[0]) > 2:
                broken(
                    f'Expected no more open files after each interrupted {name}; saw {left} more, one by one: {counts}.'
                )
        _works(backend)

    @check(
        '_put, _swap, _copy, _move, _set_attributes, _remove and _remove_many',
        cause='The old file is removed before the new one is in place, or a partial result is kept: do everything that can '
        'fail before one last step, and clean up in `finally`.',
    )
    def test_an_interrupt_at_any_call_leaves_a_file_old_or_new(self, harness: Harness) -> None:
        """If a verb is interrupted right before any of its calls, each file is complete, old or new, none is lost, and nothing else is left."""
        stage = Stage(harness)
        errors = itertools.cycle(INTERRUPTS)
        harness.make().exists('x')
        gc.collect()
        files = open_files()
        writing, reading = writing_operations(harness), reading_operations(harness)
        for operation in (*writing, *reading):
            stage.set_up(operation.before)
            with interrupting(KeyboardInterrupt) as moments:
                operation.run(harness.make())
            if operation in writing:
                operation.judge(stage.files(), 'nothing interrupted it', succeeded=True)
            on_network = moments.on_network
            for at in spread(moments.count, MOMENTS_ON_NETWORK if on_network else MOMENTS):
                stage.set_up(operation.before)
                moments = _strike(harness, operation, error := next(errors), at)
                when = f'{error.__name__} was raised at call {at} of it'
                if operation in writing:
                    operation.judge(stage.files(), when, succeeded=not moments.struck)
            # The reading operations share their files.
            if operation in (*writing, reading[-1]):
                stage.clear(operation, 'it was interrupted', sweep=on_network)
        gc.collect()
        # A pool can grow by a connection or two.
        if open_files() > files + 5:
            broken(f'Expected about {files} open files and connections after all interrupts; saw {open_files()}.')
        _works(harness.make())


def _strike(harness: Harness, operation: Operation, error: type[BaseException], at: int) -> Moments:
    """Interrupt *operation* at its call number *at*, if it makes that many; fail unless it raises the interrupt."""
    backend = harness.make()
    moments = Moments(error, at)
    try:
        with interrupting(error, at) as moments:
            operation.run(backend)
    except BaseException as caught:
        # Do not keep it: its traceback refers to what has to be released.
        if not moments.struck:
            raise
        if not isinstance(caught, error):
            broken(f'Expected {error.__name__} from {operation.name}, raised at call {at} of it; saw {caught!r}.')
    else:
        if moments.struck:
            broken(f'Expected {error.__name__} from {operation.name}, raised at call {at} of it; saw it swallowed.')
    return moments


def spread(count: int, wanted: int) -> list[int]:
    """At most *wanted* of the numbers from 1 to *count*, the first and the last among them."""
    if count <= wanted:
        return [*range(1, count + 1)]
    return [1 + step * (count - 1) // (wanted - 1) for step in range(wanted)]


def _interrupted(found: Iterator[object], error: type[BaseException]) -> None:
    for _ in found:
        raise error


def _interrupted_file(backend: BaseBackend, error: type[BaseException]) -> None:
    with backend.open('x', 'rb') as file:
        file.read(10)
        raise error


def _interrupted_writer(backend: BaseBackend, mode: str, error: type[BaseException]) -> None:
    with backend.open('new' if 'x' in mode else 'x', mode) as file:
        file.write(b'other' if 'b' in mode else 'other')
        raise error


def _interrupted_local_file(backend: BaseBackend, error: type[BaseException]) -> None:
    path = ''
    try:
        with backend.local_file('x') as path:
            raise error
    finally:
        if Capability.LOCAL_PATH not in backend.capabilities and os.path.exists(path):
            broken('Expected the temporary copy of local_file() to be removed after an interrupt; saw it left.')


def _works(backend: BaseBackend) -> None:
    """Fail unless another thread can also use *backend*, which hangs if a lock is still held."""

    def write_and_read(_: int) -> bytes:
        backend.write('works', b'still')
        return backend.read('works')

    assert in_threads(1, write_and_read) == [b'still']
    backend.remove('works')
