"""Parts of files: which bytes, of which version, with which metadata."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, FileInfo

from ..doubles import BackendWrapper
from ..guarantees import check
from ..harness import Harness
from .content import content_of

#: How often a file is opened while another thread replaces it, and how often that does, at least.
OPENINGS, REPLACEMENTS = 10, 20


class RangeChecks:
    """What opening a file gives."""

    @check('_open')
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

    @check('_open')
    def test_a_range_has_exactly_its_bytes(self, harness: Harness) -> None:
        """_open(name, start, stop) gives the bytes [start, stop), cut off at the end of the file."""
        backend = harness.make()
        content = content_of(5000)
        backend.write('x', content)
        backend.write('empty', b'')
        for start, stop in ((0, None), (0, 1), (10, 20), (4990, None), (4990, 6000), (4999, 5000)):
            assert _opened(backend, 'x', start, stop)[1] == content[start:stop]
        for stop in (None, 10):
            assert _opened(backend, 'empty', 0, stop)[1] == b''

    @check('_open')
    def test_a_range_from_the_end_has_the_last_bytes(self, harness: Harness) -> None:
        """_open(name, -count) gives the last *count* bytes, and of a shorter file all of it."""
        backend = harness.make()
        content = content_of(5000)
        backend.write('x', content)
        backend.write('empty', b'')
        for start in (-1, -10, -5000, -6000):
            assert _opened(backend, 'x', start)[1] == content[start:]
        assert _opened(backend, 'empty', -10)[1] == b''

    @check('_open')
    def test_a_range_that_begins_beyond_the_end_is_refused(self, harness: Harness) -> None:
        """A range that begins at the end of a file or after it raises RangeNotSatisfiable, unless it begins at 0."""
        backend = harness.make()
        backend.write('x', content_of(5000))
        backend.write('empty', b'')
        for name, start, stop in (('x', 5000, None), ('x', 5000, 5010), ('x', 9000, None), ('empty', 1, None)):
            with pytest.raises(fs.RangeNotSatisfiable) as caught:
                _opened(backend, name, start, stop)
            assert caught.value.filename == name

    @check('_open')
    def test_a_range_comes_with_the_metadata_of_the_whole_file(self, harness: Harness) -> None:
        """What _open says of a file is what stat says of it, whichever of its bytes are requested."""
        backend = harness.make()
        backend.write('x.txt', content_of(5000))
        known = backend.stat('x.txt')
        for start, stop in ((0, None), (10, 20), (4990, None), (-10, None)):
            info, _ = _opened(backend, 'x.txt', start, stop)
            assert (info.name, info.size, info.mime, info.etag) == (known.name, known.size, known.mime, known.etag)
            assert info.checksum in (None, known.checksum)

    @check('_open')
    def test_bytes_come_with_the_metadata_of_their_version(self, harness: Harness) -> None:
        """The metadata that _open gives is of the version that its bytes are of, also when the file is replaced meanwhile."""
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
            info, content = _opened(backend, 'x')
            assert len(content) == info.size
        other.write('x', versions[0])
        replacements, done = list[bytes](), threading.Event()

        def keep_replacing() -> None:
            for content in itertools.cycle(versions):
                if done.is_set():
                    return
                other.write('x', content)
                replacements.append(content)

        with ThreadPoolExecutor(1) as pool:
            replacing = pool.submit(keep_replacing)
            try:
                opened = 0
                while not replacing.done() and (opened < OPENINGS or len(replacements) < REPLACEMENTS):
                    # A store may notice that a file goes while it is read.
                    with contextlib.suppress(fs.Replaced):
                        info, content = _opened(backend, 'x')
                        assert content in versions
                        assert len(content) == info.size
                    opened += 1
            finally:
                done.set()
        replacing.result()

    @check('_open')
    def test_a_version_asked_for_is_opened_or_refused(self, harness: Harness) -> None:
        """_open(name, start, stop, etag=…) gives the version with that etag, and raises Replaced if there is another."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        etag = backend.stat('x').etag
        with pytest.raises(fs.FileNotFound):
            _opened(backend, 'missing', etag='other')
        for start, stop in ((0, None), (2, None), (2, 5), (-3, None)):
            info, content = _opened(backend, 'x', start, stop, etag=etag)
            assert content == b'0123456789'[start:stop]
            assert info.etag == etag
            with pytest.raises(fs.Replaced):
                _opened(backend, 'x', start, stop, etag='other')
        backend.write('x', b'9876543210')
        if etag is not None:
            with pytest.raises(fs.Replaced):
                _opened(backend, 'x', etag=etag)

    @check('read_range')
    def test_read_range_gives_exactly_its_bytes(self, harness: Harness) -> None:
        """read_range(filename, start, stop) gives the bytes [start, stop), the last ones if start is negative, none if empty."""
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


def _opened(
    backend: BaseBackend, filename: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
) -> tuple[FileInfo, bytes]:
    """What the hook _open gives, its errors translated as in every verb."""
    info, stream = BackendWrapper(backend).pass_on('open', filename, start, stop, etag=etag)
    with stream:
        # Of the open file: a driver may look at it for its etag.
        return dataclasses.replace(info), stream.read()
