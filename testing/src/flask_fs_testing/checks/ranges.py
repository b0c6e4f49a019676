"""Ranges of files: which bytes, with which metadata."""

from __future__ import annotations

import dataclasses
import io

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, FileInfo, Opened, chunks_of

from ..doubles import BackendWrapper
from ..guarantees import broken, check
from ..harness import Harness
from ..measurements import sizes_of
from .content import content_of

#: Positions at the limits of integers of 31, 32, 63 and 64 bits, and of floating-point numbers.
FAR = (2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30)


class RangeChecks:
    """What opening a file returns."""

    @check(
        '_open',
        cause='The stop is treated as inclusive, or ignored: see how _open passes start and stop to the store.',
    )
    def test_a_range_has_exactly_its_bytes(self, harness: Harness) -> None:
        """_open(name, start, stop) returns the bytes [start, stop), clipped to the size of the file."""
        backend = harness.make()
        content = content_of(5000)
        backend.write('x', content)
        backend.write('empty', b'')
        for start, stop in ((0, None), (0, 1), (10, 20), (4990, None), (4990, 6000), (4999, 5000), (10, 1 << 32)):
            assert read_range(backend, 'x', start, stop)[1] == content[start:stop]
        for stop in (None, 10):
            assert read_range(backend, 'empty', 0, stop)[1] == b''

    @check(
        '_open',
        cause='_open does not count a negative start from the end, as range_start does, or fails for a shorter file, which it must return completely.',
    )
    def test_a_range_from_the_end_has_the_last_bytes(self, harness: Harness) -> None:
        """_open(name, -count) returns the last *count* bytes, or all bytes of a shorter file."""
        backend = harness.make()
        content = content_of(5000)
        backend.write('x', content)
        backend.write('empty', b'')
        for start in (-1, -10, -5000, -6000):
            assert read_range(backend, 'x', start)[1] == content[start:]
        assert read_range(backend, 'empty', -10)[1] == b''

    @check(
        '_open',
        cause='The store returns no bytes for such a range, or an error that _translate does not recognize: call range_start in _open.',
    )
    def test_a_range_that_begins_beyond_the_end_is_refused(self, harness: Harness) -> None:
        """A range that begins at or after the end of a file raises RangeNotSatisfiable, unless it begins at 0."""
        backend = harness.make()
        backend.write('x', content_of(5000))
        backend.write('empty', b'')
        for name, start, stop in (('x', 5000, None), ('x', 5000, 5010), ('x', 9000, None), ('empty', 1, None)):
            with pytest.raises(fs.RangeNotSatisfiable) as caught:
                read_range(backend, name, start, stop)
            assert caught.value.filename == name

    @check(
        '_open',
        cause='The size, type or etag in the response to a range describes the part: _open has to read them from other fields than _stat.',
    )
    def test_a_range_comes_with_the_metadata_of_the_whole_file(self, harness: Harness) -> None:
        """_open returns the same metadata as stat, whichever bytes are requested."""
        backend = harness.make()
        backend.write('x.txt', content_of(5000))
        known = backend.stat('x.txt')
        for start, stop in ((0, None), (10, 20), (4990, None), (-10, None)):
            info, _ = read_range(backend, 'x.txt', start, stop)
            assert (info.name, info.size, info.mime, info.etag) == (known.name, known.size, known.mime, known.etag)
            assert info.checksum in (None, known.checksum)

    @check(
        '_open',
        cause='Off by one at the end, or at a boundary of parts: see how _open computes part numbers from start and stop.',
    )
    def test_every_range_of_every_size_has_its_bytes(self, harness: Harness) -> None:
        """For files of any size, also empty ones and around the boundaries of parts, each kind of range returns its bytes or raises RangeNotSatisfiable."""
        backend = harness.make()
        sizes = sizes_of(harness)
        border = sizes['border']
        for size in (0, 1, 2, border, sizes['parts']):
            content = content_of(size)
            backend.save(io.BytesIO(content), 'x', overwrite=True)
            # Short ranges at each position where one can fail, ranges to the end, and the last bytes; without transferring
            # a large file many times.
            places = {at for at in (0, 1, border - 1, border, border + 1, size - 1, size, size + 1) if at >= 0}
            ranges = [
                (at, stop) for at in sorted(places) for stop in (at + 1, at + 2, None) if stop or size - at <= border
            ]
            ranges += [(-count, None) for count in (1, 2, size, size + 1) if count]
            for start, stop in ranges:
                what = f'_open(name, {start}, {stop}) of a file of {size} bytes'
                try:
                    seen = read_range(backend, 'x', start, stop)[1]
                except fs.RangeNotSatisfiable:
                    if start < max(size, 1):
                        broken(f'Expected {what} to return bytes; saw RangeNotSatisfiable.')
                else:
                    if start >= max(size, 1):
                        broken(f'Expected {what} to raise RangeNotSatisfiable; saw {len(seen)} bytes.')
                    expect_bytes(seen, content[start:stop], what)

    @check(
        '_open',
        cause='The stop limits only a single read(): wrap the stream with limited() or window(), which limit all of them.',
    )
    def test_a_range_read_by_pieces_ends_where_it_should(self, harness: Harness) -> None:
        """A range read in pieces of any size returns the bytes of the range, then none, however often it is read."""
        backend = harness.make()
        size = sizes_of(harness)['border'] + 10
        content = content_of(size)
        backend.save(io.BytesIO(content), 'x')
        for start, stop in (
            (0, 10),
            (3, 8),
            (size - 20, size - 5),
            (size - 20, size - 9),
            (size - 7, None),
            (-7, None),
        ):
            for piece in (1, 3, 100):
                with opened(backend, 'x', start, stop).stream as stream:
                    seen = b''.join(chunks_of(stream, piece))
                    rest = stream.read(piece) + stream.read()
                what = f'_open(name, {start}, {stop}), read in pieces of {piece} bytes,'
                expect_bytes(seen, content[start:stop], what)
                if rest:
                    broken(f'Expected {what} to have ended; saw {len(rest)} bytes more at its end.')

    @check(
        '_open',
        cause='A position overflows a fixed-size integer of a protocol, a database or a C library. Clip start and stop to what it '
        'can express, in _open: no file ends later.',
    )
    def test_positions_far_beyond_any_file_are_beyond_its_end(self, harness: Harness) -> None:
        """Ranges that begin or end at any number, however large, are clipped or rejected like those that end just beyond a file, also over HTTP."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage)
        client, content = app.test_client(), content_of(5000)
        with app.app_context():
            backend = storage.backend
            backend.write('x', content)
            for far in FAR:
                for start, stop in ((0, far), (4990, far), (-far, None)):
                    what = f'read_range({start}, {stop}) of a file of {len(content)} bytes'
                    expect_bytes(backend.read_range('x', start, stop), content[max(start, -len(content)) :], what)
                for beyond in ((far, None), (far, far + 10)):
                    with pytest.raises(fs.RangeNotSatisfiable):
                        backend.read_range('x', *beyond)
        for far in FAR:
            for given, expected in (
                (f'0-{far}', (206, content)),
                (f'-{far}', (206, content)),
                (f'{far}-', (416, None)),
            ):
                response = client.get('/kit/x', headers={'Range': f'bytes={given}'})
                seen = response.status_code, response.data
                if seen[0] != expected[0] or expected[1] not in (None, seen[1]):
                    broken(
                        f'Expected status {expected[0]} for the range {given}; saw {seen[0]}, with {len(seen[1])} bytes.'
                    )

    @check(
        'read_range',
        cause='An overridden read_range differs from that of BaseBackend, which calls _open.',
    )
    def test_read_range_gives_exactly_its_bytes(self, harness: Harness) -> None:
        """read_range(filename, start, stop) returns the bytes [start, stop), the last ones if start is negative, none if the range is empty."""
        backend = harness.make()
        content = content_of(5000)
        backend.write('a/x', content)
        for start, stop in ((0, None), (10, 20), (17, 17), (4990, 6000), (-10, None), (-6000, None)):
            assert backend.read_range('a/x', start, stop) == content[start:stop]
        with pytest.raises(fs.RangeNotSatisfiable):
            backend.read_range('a/x', 5000)
        for start, stop in ((0, None), (5, 10), (-5, None), (3, 3)):
            with pytest.raises(fs.FileNotFound):
                backend.read_range('missing', start, stop)
        for start, stop in ((20, 10), (-10, -5), (-10, 4999)):
            with pytest.raises(ValueError, match='stop'):
                backend.read_range('a/x', start, stop)


def opened(
    backend: BaseBackend, filename: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
) -> Opened:
    """The result of the hook _open, with errors translated as in every verb."""
    info, stream = BackendWrapper(backend).pass_on('open', backend._key(filename), start, stop, etag=etag)
    # Read while the file is open: a driver might need it for the etag.
    return Opened(dataclasses.replace(backend._strip_prefix(info)), stream)


def read_range(
    backend: BaseBackend, filename: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
) -> tuple[FileInfo, bytes]:
    """The metadata that the hook _open returns, and all bytes of the range."""
    info, stream = opened(backend, filename, start, stop, etag=etag)
    with stream:
        return info, stream.read()


def expect_bytes(seen: bytes, expected: bytes, what: str) -> None:
    """Fail unless *seen* are the bytes *expected*. The message shows only where they differ."""
    if seen != expected:
        at = next((at for at, (one, two) in enumerate(zip(seen, expected, strict=False)) if one != two), None)
        differ = '' if at is None else f', which differ from byte {at} on: {seen[at : at + 8]!r}'
        broken(f'Expected {what} to return {len(expected)} bytes; saw {len(seen)}{differ}.')
