"""Replacing one version only, on the local disk: of all who compare and swap, one wins."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import Attributes, etags, filesystem
from flask_fs.backends.local import LocalBackend

TIMEOUT_S = 60


def backend_in(root: Path, **settings: Any) -> LocalBackend:
    return LocalBackend('files', {'root': str(root), **settings})


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return backend_in(tmp_path / 'root')


def etag_of(backend: LocalBackend, name: str = 'a.txt') -> str:
    etag = backend.stat(name).etag
    assert etag is not None
    return etag


@pytest.mark.parametrize('settings', [{}, {'fsync': True, 'file_mode': 0o600}], ids=['plain', 'fsync'])
@pytest.mark.parametrize('unnamed', [True, False])
@pytest.mark.parametrize('content', [b'new', bytes(2 << 20)], ids=['short', 'long'])
def test_the_version_is_replaced_with_all_that_it_had(
    tmp_path: Path, settings: dict[str, Any], unnamed: bool, content: bytes
) -> None:
    backend = backend_in(tmp_path / 'root', **settings)
    backend._filesystem.unnamed = unnamed
    backend.write('a/b.txt', b'old', attributes=Attributes(content_language='de'))
    backend.save(io.BytesIO(content), 'a/b.txt', if_match=etag_of(backend, 'a/b.txt'))
    assert (backend.read('a/b.txt'), backend.stat('a/b.txt').attributes) == (content, Attributes())
    backend.write('a/b.txt', b'newer', if_match=etag_of(backend, 'a/b.txt'), attributes=Attributes(mime='text/x'))
    assert backend.stat('a/b.txt').mime == 'text/x'
    assert os.listdir(os.path.dirname(backend.path('a/b.txt'))) == ['b.txt']


CHANGES: dict[str, Callable[[LocalBackend], object]] = {
    'replaced': lambda backend: backend.write('a.txt', b'other'),
    'removed': lambda backend: backend.remove('a.txt'),
    'a folder by now': lambda backend: (backend.remove('a.txt'), backend.write('a.txt/b', b'other')),
    'given attributes': lambda backend: backend.set_attributes('a.txt', {'content_language': 'de'}),
    'replaced by a swap': lambda backend: backend.write('a.txt', b'other', if_match=etag_of(backend)),
}


@pytest.mark.parametrize('change', CHANGES)
def test_another_version_is_left_alone(backend: LocalBackend, change: str) -> None:
    backend.write('a.txt', b'old')
    etag = etag_of(backend)
    CHANGES[change](backend)
    before = {name: backend.read(name) for name in backend.list_files()}

    class Unread:
        def read(self, size: int = -1) -> bytes:
            pytest.fail('the source is read for nothing')

    with pytest.raises(fs.Changed):
        backend.save(Unread(), 'a.txt', if_match=etag)
    assert {name: backend.read(name) for name in backend.list_files()} == before
    assert not list(Path(backend.root).rglob('.fs-tmp-*'))


@pytest.mark.parametrize('change', CHANGES)
def test_a_version_that_changes_while_the_source_is_read_is_left_alone(backend: LocalBackend, change: str) -> None:
    backend.write('a.txt', b'old')

    class Changing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not self.tell():
                CHANGES[change](backend)
            return super().read(size)

    with pytest.raises(fs.Changed):
        backend.save(Changing(b'content'), 'a.txt', if_match=etag_of(backend))
    left = {name: backend.read(name) for name in backend.list_files()}
    assert b'content' not in left.values()
    assert not list(Path(backend.root).rglob('.fs-tmp-*'))


@pytest.mark.parametrize('name', ['absent.txt', 'no/folder/a.txt', 'folder', 'a.txt/b'])
def test_what_is_no_file_has_changed(backend: LocalBackend, name: str) -> None:
    backend.write('a.txt', b'old')
    (Path(backend.root) / 'folder').mkdir()
    with pytest.raises(fs.Changed):
        backend.write(name, b'new', if_match=etag_of(backend))


def test_a_root_that_is_gone_is_unavailable(backend: LocalBackend, tmp_path: Path) -> None:
    backend.write('a.txt', b'old')
    etag = etag_of(backend)
    os.rename(backend.root, tmp_path / 'elsewhere')
    with pytest.raises(fs.Unavailable):
        backend.write('a.txt', b'new', if_match=etag)


def test_of_many_threads_one_wins(backend: LocalBackend) -> None:
    def swap(number: int) -> bool:
        barrier.wait(TIMEOUT_S)
        try:
            backend.write('a.txt', b'%d' % number, if_match=etag)
        except fs.Changed:
            return False
        return True

    backend.write('a.txt', b'old')
    with ThreadPoolExecutor(8) as pool:
        for _ in range(30):
            barrier, etag = threading.Barrier(8), etag_of(backend)
            won = list(pool.map(swap, range(8)))
            assert won.count(True) == 1
            assert backend.read('a.txt') == b'%d' % won.index(True)


# Adds one to the number in a file, as often as requested, whoever else does.
COUNTING = """
import sys
import flask_fs as fs
from flask_fs.backends.local import LocalBackend
backend = LocalBackend('files', {'root': sys.argv[1]})
sys.stdin.read()
left = int(sys.argv[2])
while left:
    info, stream = backend.open_whole('a.txt')
    with stream:
        number = int(stream.read())
        etag = info.etag
    try:
        backend.write('a.txt', b'%d' % (number + 1), if_match=etag)
    except fs.Changed:
        continue
    left -= 1
"""


def test_no_count_is_lost_between_processes(backend: LocalBackend) -> None:
    backend.write('a.txt', b'0')
    command = [sys.executable, '-c', COUNTING, backend.root, '50']
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(TIMEOUT_S) for process in processes] == [0] * 4
    assert backend.read('a.txt') == b'200'


def test_a_process_that_was_forked_meanwhile_does_not_keep_the_lock(backend: LocalBackend) -> None:
    """It has the open folder too, and with it the lock, unless that is given back expressly."""
    backend.write('a.txt', b'old')
    reading, writing = os.pipe()
    with backend._filesystem.locked(backend.root):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        folder = os.open(backend.root, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_others_wait_for_the_comparison_only(backend: LocalBackend) -> None:
    """While one reads its source, others swap, and plain writers never wait."""
    backend.write('a.txt', b'old')

    class Swapping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            backend.write('b.txt', b'newer', if_match=etag_of(backend, 'b.txt'))
            return super().read(size)

    backend.write('b.txt', b'old')
    backend.save(Swapping(b'new'), 'a.txt', if_match=etag_of(backend))
    assert (backend.read('a.txt'), backend.read('b.txt')) == (b'new', b'newer')
    with backend._filesystem.locked(backend.root):
        backend.write('a.txt', b'plain')
    assert backend.read('a.txt') == b'plain'


def test_a_fresh_version_is_waited_for_without_the_lock(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a greenlet that sleeps would keep the lock, for which the next one blocks the thread that both run in."""
    backend.write('a.txt', b'old')
    etag, waits, real = etag_of(backend), list[float](), etags.settled_in_ns

    def settled_in_ns(status: os.stat_result) -> int:
        return real(status) if waits else 3_000_000

    def sleep(duration_s: float) -> None:
        waits.append(duration_s)
        folder = os.open(backend.root, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)

    monkeypatch.setattr('flask_fs.backends.local.settled_in_ns', settled_in_ns)
    monkeypatch.setattr(etags, 'settled_in_ns', settled_in_ns)
    monkeypatch.setattr(etags.time, 'sleep', sleep)
    backend.write('a.txt', b'new', if_match=etag)
    assert waits
    assert backend.read('a.txt') == b'new'


def test_a_version_that_does_not_settle_counts_as_another_one(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.write('a.txt', b'old')
    etag = etag_of(backend)
    monkeypatch.setattr('flask_fs.backends.local.settled_in_ns', lambda status: 1)
    monkeypatch.setattr('flask_fs.backends.local.settled_etag', lambda *_: None)
    with pytest.raises(fs.Changed):
        backend.write('a.txt', b'new', if_match=etag)
    assert backend.read('a.txt') == b'old'


# --- Where there are no locks, or none that count.


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_without_locks_it_is_refused_before_the_source_is_read(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    backend.write('a.txt', b'old')
    etag, source = etag_of(backend), io.BytesIO(b'new')
    monkeypatch.setattr(fcntl, 'flock', fail)
    with pytest.raises(fs.OperationNotSupported, match="doesn't support locks"):
        backend.save(source, 'a.txt', if_match=etag)
    assert (source.tell(), backend.read('a.txt')) == (0, b'old')
    assert fs.Capability.COMPARE_AND_SWAP not in backend.capabilities
    with pytest.raises(fs.OperationNotSupported, match='cannot compare and swap'):
        backend.save(source, 'a.txt', if_match=etag)
    backend.set_attributes('a.txt', {'content_language': 'de'})
    assert backend.stat('a.txt').content_language == 'de'


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux names the type')
@pytest.mark.parametrize('kind', ['nfs4', 'cifs', 'fuse.sshfs', None])
def test_where_other_machines_may_write_too_it_is_refused(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    backend.write('a.txt', b'old')
    monkeypatch.setattr(filesystem, 'type_of', lambda fd: kind)
    with pytest.raises(fs.OperationNotSupported, match='shared with other machines'):
        backend.write('a.txt', b'new', if_match=etag_of(backend))
    assert backend.read('a.txt') == b'old'
    assert fs.Capability.COMPARE_AND_SWAP not in backend.capabilities


def test_a_folder_that_may_not_be_read_cannot_be_locked(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.write('a.txt', b'old')
    etag, real = etag_of(backend), os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if path == backend.root:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, 'open', refuse)
    with pytest.raises(fs.PermissionDenied):
        backend.write('a.txt', b'new', if_match=etag)
