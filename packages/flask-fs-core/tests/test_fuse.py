"""Local storage on a file system that reports a full disk only when a file is closed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import filesystem

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name('fuse_file_system.py')
TIMEOUT_S = 20


class Volume:
    """A mounted file system."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / 'volume'
        self.mount.mkdir()
        self.full = folder / 'full'
        self._process = subprocess.Popen([sys.executable, str(PROGRAM), str(self.mount), str(self.full)])
        until = time.monotonic() + TIMEOUT_S
        while not os.path.ismount(self.mount):
            assert self._process.poll() is None, 'the file system was not mounted'
            assert time.monotonic() < until, 'the file system took too long to mount'
            time.sleep(0.01)
        (self.mount / 'root').mkdir()

    def die(self) -> None:
        """Let the program behind the file system die; what was mounted stays, and is of no use."""
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def unmount(self) -> None:
        program = shutil.which('fusermount3') or shutil.which('fusermount')
        assert program is not None
        subprocess.run([program, '-u', '-z', str(self.mount)], check=False, stderr=subprocess.DEVNULL)
        self._process.wait(TIMEOUT_S)


def why_no_fuse() -> str | None:
    try:
        import fuse  # noqa: F401
    except ModuleNotFoundError:
        return 'needs fusepy'
    except OSError:
        return 'needs libfuse 2 (Debian: libfuse2)'
    if not (shutil.which('fusermount3') or shutil.which('fusermount')):
        return 'needs fusermount (Debian: fuse3)'
    return None


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    if not os.path.exists('/dev/fuse'):
        # Nothing that could be installed would help.
        pytest.skip('this machine has no /dev/fuse')
    if missing := why_no_fuse():
        (pytest.fail if os.environ.get('FS_TEST_SERVICES') == 'required' else pytest.skip)(missing)
    volume = Volume(tmp_path)
    try:
        yield volume
    finally:
        volume.unmount()


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('docs', fs.ALL)


@pytest.fixture
def app(make_app: Callable[..., Flask], storage: fs.Storage, volume: Volume) -> Flask:
    return make_app(storage, DOCS_FS_ROOT=str(volume.mount / 'root'))


def real_file(folder: Path) -> Any:
    path = folder / 'upload'
    path.write_bytes(b'the new content')
    return path


def write_to(file: Any) -> None:
    with file:
        file.write(b'the new content')


SAVES: dict[str, Callable[[fs.Storage, Path], Any]] = {
    'create': lambda s, _: s.save(io.BytesIO(b'the new content'), 'new.txt'),
    'create in a new folder': lambda s, _: s.save(io.BytesIO(b'the new content'), 'd/new.txt'),
    'replace': lambda s, _: s.save(io.BytesIO(b'the new content'), 'a.txt', overwrite=True),
    'replace nothing': lambda s, _: s.save(io.BytesIO(b'the new content'), 'new.txt', overwrite=True),
    'save a real file': lambda s, folder: s.save(real_file(folder), 'a.txt', overwrite=True),
    'write': lambda s, _: s.write('a.txt', b'the new content', overwrite=True),
    'open to write': lambda s, _: write_to(s.open('a.txt', 'wb')),
    'open to create': lambda s, _: write_to(s.open('new.txt', 'xb')),
    'copy': lambda s, _: s.copy('b.txt', 'a.txt', overwrite=True),
}


@pytest.mark.parametrize('fsync', [False, True], ids=['', 'fsync'])
@pytest.mark.parametrize('how', SAVES)
def test_a_save_that_fails_when_the_file_is_closed_leaves_the_old_one(
    app: Flask, storage: fs.Storage, volume: Volume, tmp_path: Path, how: str, fsync: bool
) -> None:
    backend: Any = storage.backend
    backend._filesystem.fsync = fsync
    storage.write('a.txt', b'the old content')
    storage.write('b.txt', b'another')
    volume.full.touch()
    with pytest.raises(fs.BackendError, match='Disk quota exceeded'):
        SAVES[how](storage, tmp_path)
    volume.full.unlink()
    assert storage.read('a.txt') == b'the old content'
    assert {path.name for path in (volume.mount / 'root').rglob('*') if path.is_file()} == {'a.txt', 'b.txt'}
    SAVES[how](storage, tmp_path)
    saved = 'd/new.txt' if 'folder' in how else 'new.txt' if storage.exists('new.txt') else 'a.txt'
    assert (b'another' if how == 'copy' else b'the new content') == storage.read(saved)


def test_the_file_system_is_seen_to_be_none_where_close_cannot_fail(volume: Volume) -> None:
    with (volume.mount / 'root' / 'x').open('wb') as file:
        assert filesystem.type_of(file.fileno()).startswith('fuse')  # type: ignore[union-attr]  # it is one


def test_an_unmounted_volume_is_unavailable(app: Flask, storage: fs.Storage, volume: Volume) -> None:
    storage.write('a.txt', b'content')
    volume.unmount()
    for act in (
        lambda: storage.exists('a.txt'),
        lambda: storage.write('b.txt', b''),
        lambda: list(storage.list_files()),
    ):
        with pytest.raises(fs.Unavailable):
            act()
    assert app.test_client().get(storage.url('a.txt')).status_code == 503
    assert os.listdir(volume.mount) == []


def test_a_volume_whose_server_died_is_unavailable(app: Flask, storage: fs.Storage, volume: Volume) -> None:
    storage.write('a.txt', b'content')
    volume.die()
    for act in (
        lambda: storage.exists('a.txt'),
        lambda: storage.write('b.txt', b''),
        lambda: list(storage.list_files()),
    ):
        with pytest.raises(fs.Unavailable, match='not connected'):
            act()


def test_what_fails_while_a_file_is_read_is_translated(app: Flask, storage: fs.Storage, volume: Volume) -> None:
    storage.write('a.txt', bytes(1 << 20))
    with storage.open('a.txt', 'rb') as buffered:
        chunks = storage.read_chunks('a.txt', 1000)
        volume.die()
        for read in (lambda: next(chunks), lambda: buffered.read(10), buffered.read, lambda: buffered.raw.read(10)):
            with pytest.raises(fs.Unavailable, match=r"'a\.txt' is unavailable in storage 'docs'"):
                read()


def test_no_two_versions_share_an_etag_where_times_are_whole_seconds(
    app: Flask, storage: fs.Storage, volume: Volume
) -> None:
    client, url, seen = app.test_client(), storage.url('a.txt'), {}
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        content = os.urandom(8)
        storage.write('a.txt', content, overwrite=True)
        response = client.get(url)
        assert response.data == content
        assert seen.setdefault(response.headers.get('ETag'), content) == content or 'ETag' not in response.headers
    time.sleep(2.1)
    assert client.get(url).headers['ETag'] not in seen


def test_attributes_are_refused_and_nothing_is_stored(app: Flask, storage: fs.Storage, volume: Volume) -> None:
    storage.write('a.txt', b'the old content')
    for act in (
        lambda: storage.write('a.txt', b'new', overwrite=True, content_language='de'),
        lambda: storage.write('b.txt', b'new', metadata={'a': '1'}),
        lambda: storage.set_attributes('a.txt', content_language='de'),
    ):
        with pytest.raises(fs.OperationNotSupported):
            act()
    assert fs.Capability.ATTRIBUTES not in storage.backend.capabilities
    assert storage.read('a.txt') == b'the old content'
    assert [path.name for path in (volume.mount / 'root').iterdir()] == ['a.txt']


def test_a_change_of_attributes_is_refused(app: Flask, storage: fs.Storage) -> None:
    storage.write('a.txt', b'content')
    with pytest.raises(fs.OperationNotSupported, match="doesn't support extended attributes"):
        storage.set_attributes('a.txt', content_language='de')
    assert fs.Capability.ATTRIBUTES not in storage.backend.capabilities


def test_swapping_is_refused_where_other_machines_may_write(app: Flask, storage: fs.Storage) -> None:
    storage.write('a.txt', b'content')
    with pytest.raises(fs.OperationNotSupported, match='might be shared with other machines'):
        storage.write('a.txt', b'new', if_match='any')
    assert fs.Capability.COMPARE_AND_SWAP not in storage.backend.capabilities
    assert storage.read('a.txt') == b'content'
