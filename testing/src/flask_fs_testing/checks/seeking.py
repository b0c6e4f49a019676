"""Positions in one open file, and in several at the same time."""

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

#: How many times a file is read at another position.
SEEKS = 50
#: More than opening a file reads ahead, in bytes.
SIZE = 150_000
#: How many bytes of each of several open files are read at a time, and how many times.
TURN_BYTES, TURNS = 9_000, 12


class SeekChecks:
    """Seeking in open files."""

    @check(
        'open',
        cause='Streams of a store are rarely seekable: declare RANGE if the store supports ranges, or set seekable_streams if _open returns seekable files.',
    )
    def test_an_open_file_can_be_read_from_anywhere(self, harness: Harness) -> None:
        """A file open for reading in binary mode is seekable, as zip readers and image libraries require."""
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
        cause='seek() does not reset a buffer or a counter of the stream of _open, or it is wrong at a boundary of parts.',
    )
    def test_reading_after_any_seek_gives_what_is_there(self, harness: Harness) -> None:
        """After any seek, forward or backward, across boundaries of parts, to the end and beyond it, the bytes at that position are read."""
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
                # Each of them once, and then back and forth.
                for number in range(len(places) + SEEKS if size > 1 else 6):
                    place = places[number] if number < len(places) else chance.choice(places)
                    target = max(0, place + chance.choice((0, 0, -1, 1, -3, 7)))
                    _compare(file, content, target, number % 3, chance.choice((1, 5, 3000)))
                file.seek(size // 2)
                expect_bytes(file.read(), content[size // 2 :], f'the second half of {size} bytes')

    @check(
        'open',
        cause='seek() of the stream of _open accepts or clips a negative position: raise ValueError, and do not move.',
    )
    def test_a_position_before_the_beginning_is_refused(self, harness: Harness) -> None:
        """seek() to a negative position raises ValueError or OSError, as with any file, and the position does not change."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        with backend.open('x', 'rb') as file:
            file.seek(4)
            with contextlib.suppress(ValueError, OSError):
                broken(f'Expected seek(-1) to raise ValueError or OSError; saw {file.seek(-1)}.')
            assert (file.tell(), file.read(2)) == (4, b'45')
            # From other positions too, where a file in memory moves to its beginning.
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
        cause='Streams share a handle, a position, a buffer or a connection: each call of _open needs its own.',
    )
    def test_files_open_at_once_do_not_disturb_one_another(self, harness: Harness) -> None:
        """Several open files, with one name or different ones, each have their own position, and can be closed in any order."""
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
                    # It can return fewer bytes at once.
                    read[number] += stream.read(TURN_BYTES)
                if turn == TURNS // 2:
                    files[1][1].close()
            for (start, _), stream, before in zip(parts, streams, read, strict=True):
                what = f'a range of {SIZE // 2} bytes from {start}, read while others were,'
                expect_bytes(before + stream.read(), contents['x'][start : start + SIZE // 2], what)

    @check(
        '_open',
        cause='Another hook ends the stream, because it uses the same connection, cursor or session: give the stream its own. Or a '
        'stream or a listing holds a lock until it ends.',
    )
    def test_an_open_file_outlasts_other_operations(self, harness: Harness) -> None:
        """While a file and a listing are open, their backend can read, list, store, copy and remove others, in any thread, and the file can still be read, by any thread."""
        backend = harness.make()
        content = content_of(SIZE)
        backend.write('x', content)
        with contextlib.closing(backend.read_chunks('x', TURN_BYTES)) as chunks, backend.open('x', 'rb') as file:
            open_listings = backend.list_files(), backend.scan()
            for each in open_listings:
                next(each)
            listing = backend.list_files('a/')
            operations: tuple[Callable[[], object], ...] = (
                lambda: backend.write('a/other', b'1'),
                lambda: backend.stat('x'),
                lambda: backend.exists('missing'),
                lambda: list(backend.list_files()),
                lambda: backend.write('a/new', b'2'),
                lambda: backend.copy('a/new', 'a/copied'),
                lambda: backend.remove('a/new'),
                lambda: backend.read('a/other'),
                lambda: next(listing, None),
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
            # Other threads would wait for a lock that this one can pass.
            for operate in operations:
                Background(operate).result()
            # By another thread, because a server can send a file in another thread than it was opened.
            at = file.tell()
            rest, end = Background(partial(b''.join, chunks)).result(), Background(file.read).result()
            expect_bytes(seen + rest, content, 'read_chunks() while others were stored and removed')
            expect_bytes(end, content[at:], 'an open file while others were stored and removed')


def _compare(file: IO[bytes], content: bytes, target: int, whence: int, count: int) -> None:
    """Seek to *target*, relative to *whence*, and expect *count* bytes of *content* there."""
    origin = {io.SEEK_SET: 0, io.SEEK_CUR: file.tell(), io.SEEK_END: len(content)}[whence]
    position = file.seek(target - origin, whence)
    what = f'seek({target - origin}, {whence}) in {len(content)} bytes'
    if (position, file.tell()) != (target, target):
        broken(f'Expected {what} to move to {target}; saw {position}, and {file.tell()} from tell().')
    expected = content[target : target + count]
    expect_bytes(file.read(count), expected, f'{what} and read({count})')
    if file.tell() != target + len(expected):
        broken(f'Expected tell() to return {target + len(expected)} after {what} and read({count}); saw {file.tell()}.')
