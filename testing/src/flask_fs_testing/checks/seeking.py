"""Positions in open files: of one, and of several at once."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable
from functools import partial
from typing import IO

from ..concurrency import Background
from ..guarantees import broken, check
from ..harness import Harness
from ..measurements import sizes_of
from .content import content_of
from .ranges import expect_bytes, opened

#: How often a file is read at another position.
SEEKS = 50
#: More than is fetched of a file when it is opened, in bytes.
SIZE = 150_000
#: How many bytes each of several open files is read at a time, and how often.
TURN_BYTES, TURNS = 9_000, 12


class SeekChecks:
    """What seeking in an open file gives."""

    @check(
        'open',
        cause='Streams of a store seldom seek: declare RANGE where it has ranges, or set seekable_streams where _open gives such files.',
    )
    def test_an_open_file_can_be_read_from_anywhere(self, harness: Harness) -> None:
        """A file open for reading in binary mode is seekable, as zip readers and picture libraries need."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        with backend.open('x', 'rb') as file:
            assert file.seekable()
            file.seek(-3, 2)
            assert file.read() == b'789'
            file.seek(2)
            assert file.read(2) == b'23'
            assert file.tell() == 4

    @check(
        'open',
        cause='A buffer or a count of the stream of _open is not set anew by seek(), or is wrong at a border of parts.',
    )
    def test_reading_after_any_seek_gives_what_is_there(self, harness: Harness) -> None:
        """After any seek, on or back, over borders of parts, to the end and beyond it, the bytes there are read."""
        backend = harness.make()
        sizes = sizes_of(harness)
        border, chance = sizes['border'], random.Random(13)
        for size in (0, 1, SIZE, sizes['parts']):
            content = content_of(size)
            backend.save(io.BytesIO(content), 'x', overwrite=True)
            places = sorted(
                {0, 1, size // 3, *(at for at in (border - 2, border, border + 1) if at < size), size - 1, size}
            )
            with backend.open('x', 'rb') as file:
                # Each of them once, and then there and back.
                for number in range(len(places) + SEEKS if size > 1 else 6):
                    place = places[number] if number < len(places) else chance.choice(places)
                    target = max(0, place + chance.choice((0, 0, -1, 1, -3, 7)))
                    _compare(file, content, target, number % 3, chance.choice((1, 5, 3000)))
                file.seek(size // 2)
                expect_bytes(file.read(), content[size // 2 :], f'the second half of {size} bytes')

    @check(
        'open',
        cause='seek() of the stream of _open accepts or cuts off a negative position: raise ValueError, and stay.',
    )
    def test_a_position_before_the_beginning_is_refused(self, harness: Harness) -> None:
        """seek() to a negative position raises ValueError or OSError, as with any file, and the position stays."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        with backend.open('x', 'rb') as file:
            file.seek(4)
            with contextlib.suppress(ValueError, OSError):
                broken(f'Expected seek(-1) to raise ValueError or OSError; seen {file.seek(-1)}.')
            assert (file.tell(), file.read(2)) == (4, b'45')
            # From elsewhere too, where a file in memory goes to its beginning.
            for offset, whence in ((-100, io.SEEK_CUR), (-100, io.SEEK_END)):
                file.seek(4)
                try:
                    expected = file.seek(offset, whence)
                except (ValueError, OSError):
                    expected = 4
                assert expected in (0, 4)
                assert (file.tell(), file.read(2)) == (expected, b'0123456789'[expected : expected + 2])

    @check(
        '_open',
        cause='Streams share a handle, a position, a buffer or a connection: each call of _open needs one of its own.',
    )
    def test_files_open_at_once_do_not_disturb_one_another(self, harness: Harness) -> None:
        """Several open files, of one name or of several, are each read from their own position, and outlast each other."""
        backend = harness.make()
        contents = {'x': content_of(SIZE), 'y': bytes(255 - byte for byte in content_of(SIZE))}
        for name, content in contents.items():
            backend.write(name, content)
        with contextlib.ExitStack() as stack:
            files = [(name, stack.enter_context(backend.open(name, 'rb'))) for name in ('x', 'y', 'x')]
            starts = (0, 0, SIZE // 2)
            models = [io.BytesIO(contents[name]) for name, _ in files]
            for (_, file), model, start in zip(files, models, starts, strict=True):
                file.seek(start)
                model.seek(start)
            parts = [(start, opened(backend, 'x', start, start + SIZE // 2)) for start in (0, SIZE // 2)]
            streams = [stack.enter_context(contextlib.closing(part.stream)) for _, part in parts]
            read = [b'', b'']
            for turn in range(TURNS):
                for number, ((name, file), model) in enumerate(zip(files, models, strict=True)):
                    if not file.closed:
                        what = f'turn {turn + 1} of {TURNS} with open file {number + 1} of {len(files)}, {name!r},'
                        expect_bytes(file.read(TURN_BYTES), model.read(TURN_BYTES), what)
                for number, stream in enumerate(streams):
                    # It may give fewer bytes at once.
                    read[number] += stream.read(TURN_BYTES)
                if turn == TURNS // 2:
                    files[1][1].close()
            for (start, _), stream, before in zip(parts, streams, read, strict=True):
                what = f'a range of {SIZE // 2} bytes from {start}, read while others were,'
                expect_bytes(before + stream.read(), contents['x'][start : start + SIZE // 2], what)

    @check(
        '_open',
        cause='What another hook does ends the stream: it uses the same connection, cursor or session. Give the stream one of its own.',
    )
    def test_an_open_file_outlasts_other_operations(self, harness: Harness) -> None:
        """While a file is open, its backend can look, list, store, copy and remove others, and it is read on unharmed, by any thread."""
        backend = harness.make()
        content = content_of(SIZE)
        backend.write('x', content)
        backend.write('a/other', b'1')
        with contextlib.closing(backend.read_chunks('x', TURN_BYTES)) as chunks, backend.open('x', 'rb') as file:
            listing = backend.list_files('a/')
            operations: tuple[Callable[[], object], ...] = (
                lambda: backend.stat('x'),
                lambda: backend.exists('missing'),
                lambda: list(backend.list_files()),
                lambda: backend.write('a/new', b'2'),
                lambda: backend.copy('a/new', 'a/copied'),
                lambda: backend.remove('a/new'),
                lambda: backend.read('a/other'),
                lambda: next(listing),
                lambda: backend.delete('a'),
            )
            seen, read = next(chunks), file.read(10)
            for number, operate in enumerate(operations):
                operate()
                expected = content[len(seen) : len(seen) + TURN_BYTES]
                expect_bytes(next(chunks), expected, f'read_chunks() after operation {number + 1}')
                seen += expected
                target = SIZE - TURN_BYTES * (number + 1)
                file.seek(target)
                read = file.read(10)
                expect_bytes(read, content[target : target + 10], f'an open file after operation {number + 1}')
            # By another thread, as a server may send what it has opened.
            at = file.tell()
            rest, end = Background(partial(b''.join, chunks)).result(), Background(file.read).result()
            expect_bytes(seen + rest, content, 'read_chunks() while others were stored and removed')
            expect_bytes(end, content[at:], 'an open file while others were stored and removed')


def _compare(file: IO[bytes], content: bytes, target: int, whence: int, count: int) -> None:
    """Seek to *target*, counted from where *whence* says, and expect *count* bytes of *content* there."""
    origin = {io.SEEK_SET: 0, io.SEEK_CUR: file.tell(), io.SEEK_END: len(content)}[whence]
    position = file.seek(target - origin, whence)
    what = f'seek({target - origin}, {whence}) in {len(content)} bytes'
    if (position, file.tell()) != (target, target):
        broken(f'Expected {what} to go to {target}; seen {position}, and tell() gives {file.tell()}.')
    expected = content[target : target + count]
    expect_bytes(file.read(count), expected, f'{what} and read({count})')
    if file.tell() != target + len(expected):
        broken(f'Expected tell() to give {target + len(expected)} after {what} and read({count}); seen {file.tell()}.')
