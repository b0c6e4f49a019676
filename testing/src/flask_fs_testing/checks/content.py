"""What goes in comes out: whole, from any source, and not at all when the source fails."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import tempfile
from array import array
from pathlib import Path

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES

from ..guarantees import broken, check
from ..harness import Harness
from ..sources import Failing, OnlyRead, SourceFailed

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5)
#: By how much libraries read and send at once, unless they are configured otherwise.
BUFFERS_BYTES = (4096, 8192, 64 * 1024, 128 * 1024, 256 * 1024)


def content_of(size: int) -> bytes:
    """*size* bytes in which a piece out of its place would show."""
    return _numbers(size.bit_length())[:size]


@functools.lru_cache(4)
def _numbers(bits: int) -> bytes:
    # Making them takes longer than storing them.
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
        cause='Only the first piece is stored, or the last one is lost where the size is a multiple of a part or a buffer. '
        'Look at the loops of _put, and of the stream of _open.',
    )
    def test_content_of_any_size_comes_back(self, harness: Harness) -> None:
        """What is stored is what is read, in the store too, just below, at and above the size of any part, chunk or page."""
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
                broken(f'Expected the {size} bytes that were stored from each; seen others from {wrong} (with sizes).')
        for size in _around({*BUFFERS_BYTES, *(2 * size for size in BUFFERS_BYTES)}):
            content = content_of(size)
            backend.save(OnlyRead(content, step=10_007), 'buffers', overwrite=True)
            if not content == backend.read('buffers') == harness.get_raw('buffers'):
                broken(
                    f'Expected the {size} bytes that were stored; seen {len(harness.get_raw("buffers"))} in the store.'
                )

    @check(
        '_put',
        cause='read() is called once, or a short piece is taken for the end: it ends where read() gives nothing. Look at _put.',
    )
    def test_a_source_with_only_short_reads_is_read_to_its_end(self, harness: Harness) -> None:
        """A source that has only read(), and gives less than was requested, is stored whole."""
        backend = harness.make()
        content = content_of(10_000)
        backend.save(OnlyRead(content, step=7), 'short')
        assert backend.read('short') == content

    @check(
        'save',
        cause='The client library rewinds or closes what it is given. Look at _put, and at an own save().',
    )
    def test_saving_starts_where_the_source_stands_and_leaves_it_open(self, harness: Harness) -> None:
        """The rest of an open file is stored, and the file stays open: closing it is its owner's business."""
        backend = harness.make()
        content = content_of(20_000)
        # A file on the disk has a buffer, and so reads further than its reader does.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'source')
            path.write_bytes(content)
            with path.open('rb') as on_disk:
                for source in (io.BytesIO(content), on_disk):
                    source.read(4)
                    backend.save(source, 'rest', overwrite=True)
                    assert backend.read('rest') == content[4:]
                    assert not source.closed

    @check(
        'write',
        cause='An own write() handles files by their name, or from their beginning. Look at write(), which needs no override.',
    )
    def test_write_takes_what_can_be_read_too(self, harness: Harness) -> None:
        """write() stores text, bytes, and the rest of anything with read(), which stays open."""
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
        cause='An own save() loses overwrite, which comes by position too. Look at save(), which needs no override.',
    )
    def test_saving_keeps_a_file_that_is_there_unless_told_to_replace_it(self, harness: Harness) -> None:
        """save() raises FileExists for a file that is there, and replaces it with overwrite, by position or by name."""
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
        cause='An own write() encodes text in another way, or adds a byte order mark. Look at write() and as_binary().',
    )
    def test_text_is_stored_as_utf_8(self, harness: Harness) -> None:
        """Text, given as such or by a text stream, is stored in UTF-8."""
        backend = harness.make()
        backend.save(io.StringIO('été\n'), 'stream')
        backend.write('text', 'été\n')
        assert (backend.read('stream'), backend.read('text')) == ('été\n'.encode(), 'été\n'.encode())
        with backend.open('text') as file:
            assert file.read() == 'été\n'

    @check(
        '_put',
        cause='What was sent so far is kept or published in `finally`, its draft stays, or an error of the source is retried or '
        'translated as one of the store. Look at how _put ends when stream.read() raises.',
    )
    def test_a_source_that_fails_leaves_nothing_new(self, harness: Harness) -> None:
        """When the source fails half-way, its error reaches the caller, the old file is whole and nothing new is left."""
        backend = harness.make()
        backend.write('old', b'old content')
        before = harness.names_raw()
        for name in ('old', 'new'):
            # Some of them are errors that stores have too.
            for after, error in (
                (0, FileNotFoundError),
                (10_000, ConnectionResetError),
                (2 * CHUNK_BYTES, TimeoutError),
                (2 * CHUNK_BYTES, SourceFailed),
            ):
                with pytest.raises(error) as caught:
                    backend.save(Failing(bytes(3 * CHUNK_BYTES), after, error), name, overwrite=True)
                if type(caught.value) is not error:
                    broken(f'Expected the {error.__name__} of the source as it is; seen {caught.value!r}.')
                assert backend.read('old') == b'old content'
                assert not backend.exists('new')
                assert list(backend.list_files()) == ['old']
                assert harness.names_raw() == before

    @check(
        '_put',
        cause='The old file is written over in place, or its size is remembered. Look at _put and _stat.',
    )
    def test_a_replaced_file_is_replaced_whole(self, harness: Harness) -> None:
        """Replacing a long file by a short one leaves nothing of the long one."""
        backend = harness.make()
        backend.write('x', content_of(5000))
        backend.write('x', b'short')
        assert (backend.read('x'), harness.get_raw('x')) == (b'short', b'short')
        assert backend.stat('x').size == 5

    @check(
        '_open',
        cause='A file that is read by ranges is not held to one version: pass etag on to the store. Look at _open.',
    )
    def test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two(self, harness: Harness) -> None:
        """A file that is replaced while it is read gives its old content, or an error: never a mixture."""
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
        cause='An own open() writes in place, or stores in its __exit__ whatever happened. Look at open(), which needs no override.',
    )
    def test_a_file_open_for_writing_appears_when_it_is_closed(self, harness: Harness) -> None:
        """What is written through open() appears, whole, at close; leaving by an exception stores nothing."""
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
        cause='A generator finds it out at the first byte, or an absent file gets made-up metadata. Look at _open and _stat.',
    )
    def test_a_missing_file_is_said_to_be_missing_at_the_call(self, harness: Harness) -> None:
        """Reading a missing file raises FileNotFound when it is called, before the first byte is read."""
        backend = harness.make()
        for verb in (backend.read, backend.read_chunks, backend.open, backend.stat, backend.metadata):
            with pytest.raises(fs.FileNotFound) as caught:
                verb('missing')
            assert caught.value.filename == 'missing'

    @check(
        'a missing bucket, container or folder',
        cause='The error for a missing container passes as it is, or nobody makes the container. Look at _translate, _scan and _put.',
    )
    def test_a_missing_place_is_empty_and_made_by_the_first_write(self, harness: Harness) -> None:
        """Before anything was stored there is nothing to find, which is no error; the first write creates the container."""
        backend = harness.make_missing()
        assert not backend.exists('x')
        assert list(backend.list_files()) == []
        with pytest.raises(fs.FileNotFound):
            backend.read('x')
        backend.delete('x')
        backend.write('x', b'1')
        assert backend.read('x') == b'1'
