"""Content: stored completely from any source, and not at all if the source fails."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, Capability

from ..guarantees import broken, check, declares
from ..harness import Harness
from ..sources import Failing, OnlyRead, SourceFailed

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5)
#: How much libraries read and send at once by default.
BUFFERS_BYTES = (4096, 8192, 64 * 1024, 128 * 1024, 256 * 1024)


def content_of(size: int) -> bytes:
    """*size* bytes that reveal a misplaced piece."""
    return _numbers(size.bit_length())[:size]


@functools.lru_cache(4)
def _numbers(bits: int) -> bytes:
    # Cached because generating them takes longer than storing them.
    numbers = array('I', range((1 << bits) // 4 + 1))
    if sys.byteorder == 'little':
        numbers.byteswap()
    return numbers.tobytes()


def _around(borders: set[int]) -> list[int]:
    """The sizes just below, at and above each of *borders*."""
    return sorted({border + more for border in borders for more in (-1, 0, 1)})


class ContentChecks:
    """Bytes in, bytes out."""

    @check(
        '_put and _open',
        cause='Only the first piece is stored, or the last one is lost if the size is a multiple of a part or a buffer. '
        'Check the loops in _put, and in the stream of _open.',
    )
    def test_content_of_any_size_comes_back(self, harness: Harness) -> None:
        """Content is read back exactly as it was stored, also in the store itself, at sizes just below, at and above any part, chunk or page."""
        backend = harness.make()
        parts = {*harness.part_sizes, 2 * min(harness.part_sizes, default=CHUNK_BYTES)}
        for size in sorted({*SIZES, *_around(parts)}):
            content, name = content_of(size), f'size-{size}'
            backend.save(io.BytesIO(content), name, overwrite=True)
            with backend.open(name, 'rb') as file:
                seen = {
                    'read()': backend.read(name),
                    'the store': harness.get_raw(name),
                    'read_chunks()': b''.join(backend.read_chunks(name, 100_000)),
                    'open()': file.read(),
                }
            if wrong := {how: len(found) for how, found in seen.items() if found != content}:
                broken(f'Expected the {size} bytes that were stored; saw other content from {wrong} (with sizes).')
        for size in _around({*BUFFERS_BYTES, *(2 * size for size in BUFFERS_BYTES)}):
            content = content_of(size)
            backend.save(OnlyRead(content, step=10_007), 'buffers', overwrite=True)
            if not content == backend.read('buffers') == harness.get_raw('buffers'):
                broken(
                    f'Expected the {size} bytes that were stored; saw {len(harness.get_raw("buffers"))} in the store.'
                )

    @check(
        '_put',
        cause='read() is called once, or a short piece is treated as the end: the source ends when read() returns nothing. Check _put.',
    )
    def test_a_source_with_only_short_reads_is_read_to_its_end(self, harness: Harness) -> None:
        """A source that has only read(), and returns less than requested, is stored completely."""
        backend = harness.make()
        content = content_of(10_000)
        backend.save(OnlyRead(content, step=7), 'short')
        assert backend.read('short') == content

    @check(
        'save',
        cause='The client library rewinds or closes its input. Check _put, and save() if it is overridden.',
    )
    def test_saving_starts_where_the_source_stands_and_leaves_it_open(self, harness: Harness) -> None:
        """An open file is stored from its current position, whether it creates, replaces or swaps a file, and stays open: closing it is up to its owner."""
        backend = harness.make()
        content = content_of(20_000)
        storing: list[Callable[[IO[bytes]], object]] = [
            lambda source: backend.save(source, 'rest', overwrite=False),
            lambda source: backend.save(source, 'rest', overwrite=True),
        ]
        if declares(backend, Capability.COMPARE_AND_SWAP):
            storing.append(lambda source: backend.save(source, 'rest', if_match=str(backend.stat('rest').etag)))
        # A file on disk has a buffer, and so reads ahead.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'source')
            path.write_bytes(content)
            with path.open('rb') as on_disk:
                for source in (io.BytesIO(content), on_disk):
                    for start, store in enumerate(storing, 4):
                        source.seek(0)
                        source.read(start)
                        store(source)
                        assert backend.read('rest') == content[start:]
                        assert not source.closed
                    backend.remove('rest')

    @check(
        'write',
        cause='An overridden write() uses the name of a file, or starts at its beginning. Check write(), which needs no override.',
    )
    def test_write_takes_what_can_be_read_too(self, harness: Harness) -> None:
        """write() stores text, bytes, and the remaining content of anything with read(), which stays open."""
        backend = harness.make()
        source = io.BytesIO(b'0123456789')
        source.read(4)
        given = {'bytes': b'456789', 'file': source, 'text': io.StringIO('456789'), 'read': OnlyRead(b'456789', step=5)}
        for name, content in given.items():
            backend.write(name, content)
            assert backend.read(name) == b'456789'
        assert not source.closed

    @check(
        'save',
        cause='An overridden save() ignores overwrite, which can also be positional. Check save(), which needs no override.',
    )
    def test_saving_keeps_a_file_that_is_there_unless_told_to_replace_it(self, harness: Harness) -> None:
        """save() raises FileExists if the file exists, and replaces it with overwrite, as a positional or keyword argument."""
        backend = harness.make()
        backend.save(io.BytesIO(b'first'), 'x')
        with pytest.raises(fs.FileExists):
            backend.save(io.BytesIO(b'second'), 'x')
        with pytest.raises(fs.FileExists):
            backend.save(io.BytesIO(b'second'), 'x', overwrite=False)
        assert backend.read('x') == b'first'
        backend.save(io.BytesIO(b'second'), 'x', True)
        assert backend.read('x') == b'second'
        backend.save(io.BytesIO(b'third'), 'x', overwrite=True)
        assert backend.read('x') == b'third'

    @check(
        'save',
        cause='An overridden write() encodes text differently, or adds a byte order mark. Check write() and as_binary().',
    )
    def test_text_is_stored_as_utf_8(self, harness: Harness) -> None:
        """Text, from a string or a text stream, is stored as UTF-8."""
        backend = harness.make()
        backend.save(io.StringIO('été\n'), 'stream')
        backend.write('text', 'été\n')
        assert (backend.read('stream'), backend.read('text')) == ('été\n'.encode(), 'été\n'.encode())
        with backend.open('text') as file:
            assert file.read() == 'été\n'

    @check(
        '_put',
        cause='Partial content is kept or published in `finally`, a temporary file stays, or an error of the source is retried or '
        'translated as if it were from the store. Check how _put ends when stream.read() raises.',
    )
    def test_a_source_that_fails_leaves_nothing_new(self, harness: Harness) -> None:
        """If the source fails midway, its error reaches the caller, the old file is intact and nothing new is left."""
        backend = harness.make()
        backend.write('old', b'old content')
        before = harness.names_raw()
        for name in ('old', 'new'):
            # Stores raise some of them too.
            for after, error in (
                (0, FileNotFoundError),
                (10_000, ConnectionResetError),
                (2 * CHUNK_BYTES, TimeoutError),
                (2 * CHUNK_BYTES, SourceFailed),
            ):
                with pytest.raises(error) as caught:
                    backend.save(Failing(bytes(3 * CHUNK_BYTES), after, error), name, overwrite=True)
                if type(caught.value) is not error:
                    broken(f'Expected the {error.__name__} of the source, unchanged; saw {caught.value!r}.')
                assert backend.read('old') == b'old content'
                assert not backend.exists('new')
                assert list(backend.list_files()) == ['old']
                assert harness.names_raw() == before

    @check(
        '_put',
        cause='The old file is overwritten in place, or its size is cached. Check _put and _stat.',
    )
    def test_a_replaced_file_is_replaced_whole(self, harness: Harness) -> None:
        """Replacing a long file with a short one leaves nothing of the long one."""
        backend = harness.make()
        backend.write('x', content_of(5000))
        backend.write('x', b'short')
        assert (backend.read('x'), harness.get_raw('x')) == (b'short', b'short')
        assert backend.stat('x').size == 5

    @check(
        '_open',
        cause='Ranges of a file are not read from one version: pass etag on to the store. Check _open.',
    )
    def test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two(self, harness: Harness) -> None:
        """Reading a file while it is replaced returns its old content, or raises an error: never a mixture."""
        backend = harness.make()
        old, new = content_of(3 * CHUNK_BYTES), bytes(3 * CHUNK_BYTES)
        backend.save(io.BytesIO(old), 'x')
        chunks = backend.read_chunks('x', 1000)
        seen = next(chunks)
        backend.save(io.BytesIO(new), 'x', overwrite=True)
        with contextlib.suppress(fs.FSError):
            seen += b''.join(chunks)
            assert seen == old
        assert backend.read('x') == new

    @check(
        'open',
        cause='An overridden open() writes in place, or its __exit__ stores even after an error. Check open(), which needs no override.',
    )
    def test_a_file_open_for_writing_appears_when_it_is_closed(self, harness: Harness) -> None:
        """A file written through open() appears, complete, when it is closed; if the block ends with an exception, nothing is stored."""
        backend = harness.make()
        with backend.open('x', 'wb') as file:
            file.write(b'0123')
            assert not backend.exists('x')
        assert backend.read('x') == b'0123'
        file = backend.open('x', 'wb')
        try:
            with pytest.raises(SourceFailed), file:
                raise SourceFailed
        finally:
            assert backend.read('x') == b'0123'

    @check(
        '_open',
        cause='A generator notices it only at the first byte, or a missing file gets invented metadata. Check _open and _stat.',
    )
    def test_a_missing_file_is_said_to_be_missing_at_the_call(self, harness: Harness) -> None:
        """Reading a missing file raises FileNotFound at the call, before the first byte is read."""
        backend = harness.make()
        for verb in (backend.read, backend.read_chunks, backend.open, backend.stat, backend.metadata):
            with pytest.raises(fs.FileNotFound) as caught:
                verb('missing')
            assert caught.value.filename == 'missing'

    @check(
        'a missing bucket, container or folder',
        cause='The error for a missing container is not translated, or nothing creates the container. Check _translate, _scan and _put.',
    )
    def test_a_missing_place_is_empty_and_made_by_the_first_write(self, harness: Harness) -> None:
        """Before anything is stored, listings are empty and files missing, without an error; the first write creates the container."""
        backend = harness.make_missing()
        assert not backend.exists('x')
        assert list(backend.list_files()) == []
        with pytest.raises(fs.FileNotFound):
            backend.read('x')
        backend.delete('x')
        backend.write('x', b'1')
        assert backend.read('x') == b'1'
