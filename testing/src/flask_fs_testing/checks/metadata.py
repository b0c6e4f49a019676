"""Metadata of files: correct, and the same from every verb."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Generator
from typing import IO
from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend, Capability, FileInfo
from flask_fs.files import mime_type

from ..guarantees import broken, check, declares, works_undeclared
from ..harness import Harness
from ..measurements import sizes_of
from ..sources import OnlyRead
from .content import content_of

FILES = {'a/x.txt': b'0123456789', 'empty': b'', 'a/b/\u00fc 1.PNG': b'x' * 1000, 'x.tar.gz': b'1', '.env': b'A=1'}


class MetadataChecks:
    """The metadata of a file."""

    @check(
        '_stat and _scan',
        cause='One verb guesses what another one reads from the store, or uses another field or unit for it. Check '
        "what _stat and _scan make of the store's response: use one function for both.",
    )
    def test_facts_are_true_and_the_same_everywhere(self, harness: Harness) -> None:
        """stat, scan, metadata and the result of storing agree on the name, size, type, time, checksum and etag of each file; the time is about now."""
        backend = harness.make()
        begun = datetime.datetime.now(datetime.timezone.utc)
        for name, content in FILES.items():
            judge_result(backend, name, backend.save(OnlyRead(content), name))
            judge_result(backend, name, backend.write(name, content))
            # From a file that is older than the stored one.
            with tempfile.TemporaryFile() as file:
                file.write(content)
                file.seek(0)
                _make_old(file)
                judge_result(backend, name, backend.save(file, name, overwrite=True))
        listed = {info.name: info for info in backend.scan()}
        assert set(listed) == set(FILES)
        for name, content in FILES.items():
            info, scanned, metadata = backend.stat(name), listed[name], backend.metadata(name)
            assert (info.name, info.size, info.mime) == (name, len(content), mime_type(name))
            assert info.modified is not None
            assert info.modified.utcoffset() == datetime.timedelta(0)
            assert abs((info.modified - begun).total_seconds()) < 120
            assert (scanned.name, scanned.size, scanned.mime) == (info.name, info.size, info.mime)
            assert scanned.modified is not None
            assert abs((info.modified - scanned.modified).total_seconds()) < 2
            # A listing can omit them.
            assert scanned.etag in (None, info.etag)
            assert scanned.checksum in (None, info.checksum)
            assert (metadata['size'], metadata['mime'], metadata['modified']) == (info.size, info.mime, info.modified)
            assert info.checksum in (None, metadata['checksum'])
            assert info.etag is None or not info.etag.startswith(('"', 'W/'))

    @check(
        '_stat',
        cause='A time without a zone is treated as UTC, or as local time. Check how _stat and _scan create a '
        'datetime, and what _put stores.',
    )
    def test_times_are_in_utc_wherever_the_application_runs(self, harness: Harness) -> None:
        """The modification time is in UTC, and correct whatever the time zone of the application."""
        begun = datetime.datetime.now(datetime.timezone.utc)
        with far_away():
            backend = harness.make()
            backend.write('x', b'')
            [scanned] = backend.scan()
            for modified in (backend.stat('x').modified, scanned.modified, backend.metadata('x')['modified']):
                if modified is None or modified.utcoffset() != datetime.timedelta(0):
                    broken(f'Expected a time in UTC; saw {modified!r}.')
                elif abs((modified - begun).total_seconds()) > 120:
                    broken(
                        f'Expected about {begun} for a file written now, in a zone 13 h 45 min ahead; saw {modified}.'
                    )

    @check('FileInfo', cause='The result is not a FileInfo. Check _stat.')
    def test_facts_do_not_change(self, harness: Harness) -> None:
        """A FileInfo is frozen: its fields do not change."""
        backend = harness.make()
        backend.write('x', b'')
        with pytest.raises(dataclasses.FrozenInstanceError):
            backend.stat('x').size = 1  # type: ignore[misc]  # that is the point

    @check(
        'CHECKSUM',
        proves=Capability.CHECKSUM,
        cause="The checksum is something else, such as the store's etag, or only a part of the content was digested. "
        'Check what _put stores and _stat returns; Checksum.through() sees everything that passes.',
    )
    def test_checksums_are_true(self, harness: Harness) -> None:
        """A checksum is that of the content, for small and large files; a checksum that is stored with the file is also in stat."""
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

    @check(
        'CHECKSUM',
        cause='The metadata of the first version is kept, or cached. Check what _put replaces in addition to the bytes.',
    )
    def test_a_replaced_file_has_its_own_checksum_and_etag(self, harness: Harness) -> None:
        """New content of any size has a new checksum and a new etag, the same from stat and from the verb that stored it, even if only its last byte differs, so that old cached copies do not match it."""
        backend = harness.make()
        for size in sizes_of(harness).values():
            etags = set[str | None]()
            content = content_of(size)
            for version in (content, content[:-1] + bytes([content[-1] ^ 1]), b'short'):
                judge_result(backend, 'x', backend.write('x', version))
                info = backend.stat('x')
                assert backend.metadata('x')['checksum'] == f'sha256:{hashlib.sha256(version).hexdigest()}'
                if version != backend.read('x') or info.size != len(version):
                    broken(f'Expected the {len(version)} bytes that replaced x; saw others.')
                if info.etag in etags - {None}:
                    broken(f'Expected a new etag for new content of {len(version)} bytes; saw {info.etag!r} again.')
                etags.add(info.etag)

    @check(
        'MIME',
        proves=Capability.MIME,
        cause='_put does not store attributes.mime, or _stat guesses instead of reading it.',
    )
    def test_a_given_media_type_is_kept_where_promised(self, harness: Harness) -> None:
        """If the backend declares MIME, a type given with a file is kept, also by copies; otherwise the name determines the type."""
        backend = harness.make()
        # Such as a page that browsers should not show.
        given = {
            'x.bin': 'text/x-special',
            'y.html': 'application/octet-stream',
            'z.txt': 'image/png',
            'w.txt': 'text/plain; charset=iso-8859-1',
        }
        for name, mime in given.items():
            backend.write(name, b'', mime=mime)
            backend.copy(name, f'copied/{name}')
        seen = {name: backend.stat(name).mime for name in given}
        if declares(backend, Capability.MIME):
            assert seen == given
            assert {name: backend.stat(f'copied/{name}').mime for name in given} == given
        else:
            assert seen == {name: mime_type(name) for name in given}

    @check(
        'LOCAL_PATH',
        proves=Capability.LOCAL_PATH,
        cause='_local_path returns another path than _put writes to, or is implemented without the capability.',
    )
    def test_paths_are_told_where_promised(self, harness: Harness) -> None:
        """If the backend declares LOCAL_PATH, path() returns the path of the file; otherwise it raises OperationNotSupported."""
        backend = harness.make()
        backend.write('a/x.txt', b'0123')
        if declares(backend, Capability.LOCAL_PATH):
            with open(backend.path('a/x.txt'), 'rb') as file:
                assert file.read() == b'0123'
        else:
            with pytest.raises(fs.OperationNotSupported):
                backend.path('a/x.txt')

    @check('local_file', cause='local_file is overridden. Override _open or _local_path instead.')
    def test_any_file_can_be_had_as_a_local_one(self, harness: Harness) -> None:
        """local_file() provides a path to the content, with the file extension that programs rely on."""
        backend = harness.make()
        backend.write('a/x.txt', b'0123')
        with backend.local_file('a/x.txt') as path, open(path, 'rb') as file:
            assert file.read() == b'0123'
            assert path.endswith('.txt')
        with pytest.raises(fs.FileNotFound), backend.local_file('missing'):
            pass  # pragma: no cover - local_file() has raised


def _make_old(file: IO[bytes]) -> None:
    """Make *file* look years old, if the operating system can do that with an open one."""
    file.flush()
    if os.utime in os.supports_fd:
        os.utime(file.fileno(), (10**9, 10**9))


def judge_result(backend: BaseBackend, name: str, returned: FileInfo | None) -> None:
    """Fail unless storing a file returned its metadata."""
    if returned is None:
        return
    info = backend.stat(name)
    if returned.modified and info.modified and abs((returned.modified - info.modified).total_seconds()) >= 2:
        broken(f'Expected the result of storing {name!r} to have the time {info.modified}; saw {returned.modified}.')
    for field in ('name', 'size', 'mime', 'checksum', 'etag', 'attributes'):
        seen, known = getattr(returned, field), getattr(info, field)
        if seen != known and not (seen is None and field in ('checksum', 'etag')):
            broken(f'Expected {field} {known!r} for {name!r} from the verb that stored it, as from stat; saw {seen!r}.')


@contextlib.contextmanager
def far_away() -> Generator[None]:
    """Run in a time zone nearly 14 hours ahead, where the operating system can change it."""
    set_zone = getattr(time, 'tzset', lambda: None)
    try:
        with mock.patch.dict(os.environ, TZ='KIT-13:45'):
            set_zone()
            yield
    finally:
        set_zone()
