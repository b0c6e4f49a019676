"""Reading files while they are replaced: one version, or an error."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import IO
from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, FileInfo

from ..concurrency import Background
from ..guarantees import broken, check
from ..harness import Harness
from .content import content_of
from .ranges import opened, read_range

#: How many times a file is opened while another thread replaces it, and how many times that does, at least.
OPENINGS, REPLACEMENTS = 10, 20
#: More than opening a file reads ahead, in bytes.
SIZE = 150_000
#: If parts are smaller than this, in bytes, files are read across their boundary.
MAX_PART_BYTES = 512 * 1024


class VersionChecks:
    """Which version of a file is read."""

    @check(
        '_open',
        cause='There are two requests, one for the metadata and one for the bytes: _open has to get both from the response with the bytes.',
    )
    def test_bytes_come_with_the_metadata_of_their_version(self, harness: Harness) -> None:
        """_open returns metadata and bytes of the same version, even if the file is replaced meanwhile."""
        backend, other = harness.make(), harness.make()
        versions = (content_of(4000), content_of(5000))
        other.write('x', content_of(3000))
        look = backend._stat

        def look_while_it_is_replaced(name: str) -> FileInfo:
            other.write('x', versions[0])
            info = look(name)
            other.write('x', versions[1])
            return info

        with mock.patch.object(backend, '_stat', look_while_it_is_replaced):
            info, content = read_range(backend, 'x')
            assert len(content) == info.size
        other.write('x', versions[0])
        replacements, done = list[bytes](), threading.Event()

        def keep_replacing() -> None:
            for content in itertools.cycle(versions):
                if done.is_set():
                    return
                other.write('x', content)
                replacements.append(content)
                # A greenlet runs until it yields to others.
                time.sleep(0)

        replacing = Background(keep_replacing)
        try:
            opened = 0
            while not replacing.wait(0) and (opened < OPENINGS or len(replacements) < REPLACEMENTS):
                # A store can notice that a file is removed while it is read.
                with contextlib.suppress(fs.Replaced):
                    info, content = read_range(backend, 'x')
                    assert content in versions
                    assert len(content) == info.size
                opened += 1
                time.sleep(0)
        finally:
            done.set()
        replacing.result()

    @check(
        '_open',
        cause='_open ignores etag, or compares it with earlier metadata: send it as a condition, or call range_start.',
    )
    def test_a_version_asked_for_is_opened_or_refused(self, harness: Harness) -> None:
        """_open(name, start, stop, etag=…) returns the version with that etag, and raises Replaced if there is another."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        backend.write('empty', b'')
        etag = backend.stat('x').etag
        with pytest.raises(fs.FileNotFound):
            read_range(backend, 'missing', etag='other')
        for start in (0, -3):
            info, content = read_range(backend, 'empty', start, etag=backend.stat('empty').etag)
            assert (info.size, content) == (0, b'')
            with pytest.raises(fs.Replaced):
                read_range(backend, 'empty', start, etag='other')
        for start, stop in ((0, None), (2, None), (2, 5), (-3, None)):
            info, content = read_range(backend, 'x', start, stop, etag=etag)
            assert content == b'0123456789'[start:stop]
            assert info.etag == etag
            with pytest.raises(fs.Replaced):
                read_range(backend, 'x', start, stop, etag='other')
        backend.write('x', b'9876543210')
        if etag is not None:
            with pytest.raises(fs.Replaced):
                read_range(backend, 'x', etag=etag)

    @check(
        '_open',
        cause='The file is looked up by name again after it was opened: keep one handle, or request each range with the etag.',
    )
    def test_a_file_replaced_at_any_point_is_read_as_one_version(self, harness: Harness) -> None:
        """Reading an open file returns bytes of one version, or raises an error, whenever the file is replaced or removed."""
        backend, other = harness.make(), harness.make()
        size = _size(harness)
        old = content_of(size)
        # (position, bytes): forward, back, and to the end, with more in between than any buffer holds.
        reads = ((0, 100), (100, 5000), (size // 2, 100), (50, 100), (size - 100, 100), (size - 90_000, size))
        for what, new, change in _changes(other, old):
            for point in range(len(reads)):
                other.write('x', old)
                seen: list[tuple[int, int, bytes]] = []
                # A store might not keep old versions.
                with contextlib.suppress(fs.FSError), backend.open('x', 'rb') as file:
                    for number, (position, count) in enumerate(reads):
                        if number == point:
                            change()
                        file.seek(position)
                        seen.append((position, count, file.read(count)))
                for version in (old, *([] if new is None else [new])):
                    if all(version[position : position + count] == piece for position, count, piece in seen):
                        break
                else:
                    pieces = ', '.join(f'{len(piece)} at {position}' for position, _, piece in seen)
                    broken(
                        f'Expected all bytes from one version of a file that is {what} before read {point + 1} '
                        f'of {len(reads)}, or an error; saw a mixture (bytes {pieces}).'
                    )

    @check(
        '_open',
        cause='The stream of _open opens the file only when its first byte is requested, or treats the loss of the file as its end.',
    )
    def test_a_range_of_a_file_that_is_replaced_is_whole_or_an_error(self, harness: Harness) -> None:
        """The stream of _open returns all bytes of the version that its metadata describes, or raises an error."""
        backend, other = harness.make(), harness.make()
        size = _size(harness)
        old = content_of(size)
        for what, _, change in _changes(other, old):
            for start, stop in ((0, None), (1000, size - 10), (-size + 5, None)):
                for before in (0, 70_000):
                    other.write('x', old)
                    info, stream = opened(backend, 'x', start, stop)
                    with contextlib.suppress(fs.FSError), stream:
                        seen = _read(stream, before)
                        change()
                        seen += stream.read()
                        if (info.size, seen) != (size, old[start:stop]):
                            broken(
                                f'Expected [{start}, {stop}) of a file that is {what} after {before} bytes were read, as it '
                                f'was opened, or an error; saw {len(seen)} bytes, with metadata of {info.size} bytes.'
                            )


def _size(harness: Harness) -> int:
    """More than is read ahead, and more than a part if parts are small."""
    part = min(harness.part_sizes, default=0)
    return SIZE + (part if part <= MAX_PART_BYTES else 0)


def _changes(backend: BaseBackend, old: bytes) -> list[tuple[str, bytes | None, Callable[[], object]]]:
    """Changes of a file with the content *old*: a description, the new content, and how to make them."""
    same_size = bytes(255 - byte for byte in old[:256]) * (len(old) // 256 + 1)
    longer = same_size[: len(old)] + b'more'
    versions = {'replaced': same_size[: len(old)], 'replaced with a shorter one': same_size[: len(old) // 3]}

    def replace(content: bytes) -> Callable[[], object]:
        return lambda: backend.write('x', content)

    def replace_by_copy() -> None:
        backend.write('longer', longer)
        backend.copy('longer', 'x')

    changes = [(what, content, replace(content)) for what, content in versions.items()]
    changes.append(('replaced with a copy of a longer one', longer, replace_by_copy))
    return [*changes, ('removed', None, lambda: backend.remove('x'))]


def _read(stream: IO[bytes], count: int) -> bytes:
    """*count* bytes of a stream that can return fewer at once."""
    pieces = []
    while count and (piece := stream.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b''.join(pieces)
