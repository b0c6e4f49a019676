"""Metadata of files: true, and the same from every verb."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import io

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, Capability
from flask_fs.files import mime_type

from ..guarantees import check, declares, works_undeclared
from ..harness import Harness
from .content import content_of


class MetadataChecks:
    """What is said of a file."""

    @check('_stat')
    def test_facts_are_true_and_the_same_everywhere(self, harness: Harness) -> None:
        """stat, scan and metadata give the same name, size, type and time of a file, and the time is about now, in UTC."""
        backend = harness.make()
        begun = datetime.datetime.now(datetime.timezone.utc)
        backend.write('a/x.txt', b'0123456789')
        info = backend.stat('a/x.txt')
        [scanned] = backend.scan()
        assert (info.name, info.size, info.mime) == ('a/x.txt', 10, 'text/plain')
        assert info.modified is not None
        assert info.modified.utcoffset() == datetime.timedelta(0)
        assert abs((info.modified - begun).total_seconds()) < 120
        assert (scanned.name, scanned.size) == (info.name, info.size)
        assert scanned.modified is not None
        assert abs((info.modified - scanned.modified).total_seconds()) < 2
        metadata = backend.metadata('a/x.txt')
        assert (metadata['size'], metadata['mime'], metadata['modified']) == (info.size, info.mime, info.modified)

    @check('FileInfo')
    def test_facts_do_not_change(self, harness: Harness) -> None:
        """A FileInfo is frozen: what it says does not change."""
        backend = harness.make()
        backend.write('x', b'')
        with pytest.raises(dataclasses.FrozenInstanceError):
            backend.stat('x').size = 1  # type: ignore[misc]  # that is the point

    @check('CHECKSUM', proves=Capability.CHECKSUM)
    def test_checksums_are_true(self, harness: Harness) -> None:
        """A checksum is that of the content, for small files and large; stat has one that is stored with the file, too."""
        backend = harness.make()
        for size in (0, 10, 3 * CHUNK_BYTES + 5):
            content = content_of(size)
            backend.save(io.BytesIO(content), f'x-{size}')
            true = f'sha256:{hashlib.sha256(content).hexdigest()}'
            assert backend.metadata(f'x-{size}')['checksum'] == true
            stored = backend.stat(f'x-{size}').checksum
            if declares(backend, Capability.CHECKSUM):
                assert stored == true
            elif stored is not None:
                algorithm, _, digest = stored.partition(':')
                assert hashlib.new(algorithm, content).hexdigest() == digest
                works_undeclared(backend, Capability.CHECKSUM)

    @check('CHECKSUM')
    def test_a_replaced_file_has_its_own_checksum_and_etag(self, harness: Harness) -> None:
        """New content has a new checksum, and a new etag: caches and checks of before do not go for it."""
        backend = harness.make()
        backend.write('x', b'first')
        first, etag = backend.metadata('x')['checksum'], backend.stat('x').etag
        backend.write('x', b'other content')
        assert backend.metadata('x')['checksum'] != first
        assert etag is None or etag != backend.stat('x').etag

    @check('MIME', proves=Capability.MIME)
    def test_a_given_media_type_is_kept_where_promised(self, harness: Harness) -> None:
        """A type given with a file is kept, also by copies, where the backend says so; else the name suggests one."""
        backend = harness.make()
        backend.write('x.bin', b'', mime='text/x-special')
        backend.copy('x.bin', 'y.bin')
        seen = backend.stat('x.bin').mime
        if not declares(backend, Capability.MIME) and seen == 'text/x-special':
            works_undeclared(backend, Capability.MIME)
        elif not declares(backend, Capability.MIME):
            assert seen == mime_type('x.bin')
        else:
            assert (seen, backend.stat('y.bin').mime) == ('text/x-special', 'text/x-special')

    @check('LOCAL_PATH', proves=Capability.LOCAL_PATH)
    def test_paths_are_told_where_promised(self, harness: Harness) -> None:
        """path() leads to the file where the backend says so, and else raises OperationNotSupported."""
        backend = harness.make()
        backend.write('a/x.txt', b'0123')
        if declares(backend, Capability.LOCAL_PATH):
            with open(backend.path('a/x.txt'), 'rb') as file:
                assert file.read() == b'0123'
        else:
            with pytest.raises(fs.OperationNotSupported):
                backend.path('a/x.txt')

    @check('local_file')
    def test_any_file_can_be_had_as_a_local_one(self, harness: Harness) -> None:
        """local_file() gives a path with the content, and with the extension that programs look at."""
        backend = harness.make()
        backend.write('a/x.txt', b'0123')
        with backend.local_file('a/x.txt') as path, open(path, 'rb') as file:
            assert file.read() == b'0123'
            assert path.endswith('.txt')
        with pytest.raises(fs.FileNotFound), backend.local_file('missing'):
            pass  # pragma: no cover - local_file() has raised
