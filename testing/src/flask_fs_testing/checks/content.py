"""What goes in comes out: whole, from any source, and not at all when the source fails."""

from __future__ import annotations

import contextlib
import io
import sys
from array import array

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES

from ..guarantees import check
from ..harness import Harness
from ..sources import Failing, OnlyRead, SourceFailed

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5)


def content_of(size: int) -> bytes:
    """*size* bytes in which a piece out of its place would show."""
    numbers = array('I', range(size // 4 + 1))
    if sys.byteorder == 'little':
        numbers.byteswap()
    return numbers.tobytes()[:size]


class ContentChecks:
    """Bytes in, bytes out."""

    @check('_put and _open')
    def test_content_of_any_size_comes_back(self, harness: Harness) -> None:
        """What is stored is what is read, in the store too, whether it fits into one chunk or not."""
        backend = harness.make()
        around = [border + more for border in harness.part_sizes for more in (-1, 0, 1)]
        for size in {*SIZES, *around}:
            content = content_of(size)
            backend.save(io.BytesIO(content), f'size-{size}')
            assert backend.read(f'size-{size}') == content
            assert harness.get_raw(f'size-{size}') == content
            assert b''.join(backend.read_chunks(f'size-{size}', 100_000)) == content
            with backend.open(f'size-{size}', 'rb') as file:
                assert file.read() == content

    @check('_put')
    def test_a_source_with_only_short_reads_is_read_to_its_end(self, harness: Harness) -> None:
        """A source that has only read(), and gives less than was requested, is stored whole."""
        backend = harness.make()
        content = content_of(10_000)
        backend.save(OnlyRead(content, step=7), 'short')
        assert backend.read('short') == content

    @check('save')
    def test_saving_starts_where_the_source_stands_and_leaves_it_open(self, harness: Harness) -> None:
        """The rest of an open file is stored, and the file stays open: closing it is its owner's business."""
        backend = harness.make()
        source = io.BytesIO(b'0123456789')
        source.read(4)
        backend.save(source, 'rest')
        assert backend.read('rest') == b'456789'
        assert not source.closed

    @check('write')
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

    @check('save')
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

    @check('save')
    def test_text_is_stored_as_utf_8(self, harness: Harness) -> None:
        """Text, given as such or by a text stream, is stored in UTF-8."""
        backend = harness.make()
        backend.save(io.StringIO('été\n'), 'stream')
        backend.write('text', 'été\n')
        assert (backend.read('stream'), backend.read('text')) == ('été\n'.encode(), 'été\n'.encode())
        with backend.open('text') as file:
            assert file.read() == 'été\n'

    @check('_put')
    def test_a_source_that_fails_leaves_nothing_new(self, harness: Harness) -> None:
        """When the source fails half-way, its error reaches the caller, the old file is whole and nothing new is left."""
        backend = harness.make()
        backend.write('old', b'old content')
        before = harness.names_raw()
        for name in ('old', 'new'):
            for after in (0, 10_000, 2 * CHUNK_BYTES):
                with pytest.raises(SourceFailed):
                    backend.save(Failing(bytes(3 * CHUNK_BYTES), after), name, overwrite=True)
                assert backend.read('old') == b'old content'
                assert not backend.exists('new')
                assert list(backend.list_files()) == ['old']
                assert harness.names_raw() == before

    @check('_put')
    def test_a_replaced_file_is_replaced_whole(self, harness: Harness) -> None:
        """Replacing a long file by a short one leaves nothing of the long one."""
        backend = harness.make()
        backend.write('x', content_of(5000))
        backend.write('x', b'short')
        assert (backend.read('x'), harness.get_raw('x')) == (b'short', b'short')
        assert backend.stat('x').size == 5

    @check('_open')
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

    @check('open')
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

    @check('_open')
    def test_a_missing_file_is_said_to_be_missing_at_the_call(self, harness: Harness) -> None:
        """Reading a missing file raises FileNotFound when it is called, before the first byte is read."""
        backend = harness.make()
        for verb in (backend.read, backend.read_chunks, backend.open, backend.stat, backend.metadata):
            with pytest.raises(fs.FileNotFound) as caught:
                verb('missing')
            assert caught.value.filename == 'missing'

    @check('a missing bucket, container or folder')
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
