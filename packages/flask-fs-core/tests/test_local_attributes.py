"""Attributes on the local disk: extended attributes, and the sticky bit of files that have some."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import Attributes, FileInfo, Source
from flask_fs.backends.attributes import attributes_of
from flask_fs.backends.local import LocalBackend

ALL = attributes_of(
    {
        'mime': 'application/x-own',
        'cache_control': 'public, max-age=60',
        'content_encoding': 'gzip',
        'content_language': 'de',
        'download_name': 'Übung "1".txt',
        'metadata': {'author': 'Jürgen\n', 'empty': ''},
    }
)


def backend_in(root: Path, **settings: Any) -> LocalBackend:
    return LocalBackend('files', {'root': str(root), **settings})


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    backend = backend_in(tmp_path / 'root')
    try:
        backend.write('probe', b'', attributes=Attributes(download_name='x'))
    except fs.OperationNotSupported:
        pytest.skip('needs a file system with extended attributes')
    backend.remove('probe')
    return backend


@pytest.fixture(params=['unnamed', 'named'])
def drafts(request: pytest.FixtureRequest, backend: LocalBackend) -> None:
    backend._filesystem.unnamed = request.param == 'unnamed'


def is_marked(backend: LocalBackend, name: str) -> bool:
    return bool(os.stat(backend.path(name)).st_mode & stat.S_ISVTX)


def set_raw(backend: LocalBackend, name: str, **values: bytes) -> None:
    """Have another program set extended attributes, and the mark."""
    path = backend.path(name)
    for key, value in values.items():
        os.setxattr(path, {'mime': 'user.mime_type', 'others': 'user.fs.attributes'}[key], value)
    os.chmod(path, os.stat(path).st_mode | stat.S_ISVTX)


# --- Kept.


@pytest.mark.usefixtures('drafts')
@pytest.mark.parametrize('content', [b'', b'short', bytes(3 << 20)], ids=['empty', 'short', 'long'])
@pytest.mark.parametrize('create', [True, False])
def test_all_of_them_come_with_the_file(backend: LocalBackend, content: bytes, create: bool) -> None:
    backend.write('a/b.txt', content, not create, attributes=ALL)
    infos = [backend.stat('a/b.txt'), *backend.scan(), *backend.folder('a').files, opened_info(backend, 'a/b.txt')]
    assert [info.attributes for info in infos] == [ALL] * 4
    assert backend.read('a/b.txt') == content


def test_a_real_file_is_copied_by_the_kernel_all_the_same(backend: LocalBackend, tmp_path: Path) -> None:
    (tmp_path / 'source').write_bytes(b'content')
    with (tmp_path / 'source').open('rb') as source:
        backend.save(source, 'a.txt', attributes=ALL)
    assert (backend.stat('a.txt').attributes, backend.read('a.txt')) == (ALL, b'content')


def test_a_new_version_has_its_own_only(backend: LocalBackend) -> None:
    backend.write('a.txt', b'old', attributes=ALL)
    backend.write('a.txt', b'new')
    assert backend.stat('a.txt').attributes == Attributes()
    assert not is_marked(backend, 'a.txt')


@pytest.mark.parametrize('links', [True, False])
def test_copies_and_moved_files_keep_them(backend: LocalBackend, links: bool) -> None:
    backend._filesystem.links = backend._filesystem.unnamed = links
    backend.write('a.txt', b'content', attributes=ALL)
    backend.write('there.txt', b'there', attributes=Attributes(content_language='fr'))
    backend.copy('a.txt', 'b/copied.png')
    backend.copy('a.txt', 'there.txt')
    backend.move('a.txt', 'moved.png', overwrite=False)
    backend.move('b/copied.png', 'there.txt')
    assert backend.stat('moved.png').attributes == backend.stat('there.txt').attributes == ALL


def test_the_type_is_where_other_programs_find_it(backend: LocalBackend) -> None:
    backend.write('a.txt', b'', attributes=ALL)
    assert os.getxattr(backend.path('a.txt'), 'user.mime_type') == b'application/x-own'
    assert json.loads(os.getxattr(backend.path('a.txt'), 'user.fs.attributes'))['content_language'] == 'de'


def test_a_type_that_the_name_suggests_or_that_an_upload_brings_is_not_stored(backend: LocalBackend) -> None:
    backend.write('a.txt', b'', attributes=Attributes(mime='text/plain'))
    backend.save(io.BytesIO(), 'b.txt', mime='image/png')
    assert [os.listxattr(backend.path(name)) for name in ('a.txt', 'b.txt')] == [[], []]
    assert not is_marked(backend, 'a.txt')
    backend.move('a.txt', 'a.html')
    assert backend.stat('a.html').mime == 'text/html'


@pytest.mark.parametrize('mode', [None, 0o640, 0o1600])
def test_the_mode_is_the_one_that_is_set(tmp_path: Path, backend: LocalBackend, mode: int | None) -> None:
    backend = backend_in(tmp_path / 'root', file_mode=mode)
    backend.write('plain.txt', b'')
    backend.write('a.txt', b'', attributes=ALL)
    plain, marked = (stat.S_IMODE(os.stat(backend.path(name)).st_mode) for name in ('plain.txt', 'a.txt'))
    assert marked == plain | stat.S_ISVTX
    assert mode is None or plain == mode
    backend.set_attributes('a.txt', {'content_language': None})
    assert stat.S_IMODE(os.stat(backend.path('a.txt')).st_mode) == marked


@pytest.mark.parametrize('command', ['cp -a "$1/." "$2"', 'tar --xattrs -C "$1" -c . | tar --xattrs -C "$2" -xp'])
def test_a_copy_by_the_usual_programs_keeps_them(backend: LocalBackend, tmp_path: Path, command: str) -> None:
    backend.write('a/b.txt', b'content', attributes=ALL)
    (tmp_path / 'copy').mkdir()
    subprocess.run(['sh', '-c', command, 'sh', backend.root, str(tmp_path / 'copy')], check=True)
    assert backend_in(tmp_path / 'copy').stat('a/b.txt').attributes == ALL


def test_without_the_mark_they_are_hidden_until_it_is_set_again(backend: LocalBackend) -> None:
    backend.write('a.txt', b'', attributes=ALL)
    os.chmod(backend.path('a.txt'), 0o644)
    assert backend.stat('a.txt').attributes == Attributes()
    os.chmod(backend.path('a.txt'), 0o1644)
    assert backend.stat('a.txt').attributes == ALL


# --- Changed.


def test_a_change_leaves_the_bytes_where_they_are(backend: LocalBackend) -> None:
    backend.write('a.txt', b'content', attributes=ALL)
    before, inode = backend.stat('a.txt'), os.stat(backend.path('a.txt')).st_ino
    etag = before.etag
    backend.set_attributes('a.txt', {'cache_control': 'no-store', 'mime': None})
    after = backend.stat('a.txt')
    expected = {**ALL.given(), 'cache_control': 'no-store'}
    del expected['mime']
    assert after.attributes.given() == expected
    assert os.stat(backend.path('a.txt')).st_ino == inode
    assert (after.modified, after.size) == (before.modified, before.size)
    assert after.etag != etag


def test_the_last_attribute_takes_the_mark_along(backend: LocalBackend) -> None:
    backend.write('a.txt', b'')
    backend.set_attributes('a.txt', {'metadata': {'a': '1'}})
    assert is_marked(backend, 'a.txt')
    backend.set_attributes('a.txt', {'metadata': None})
    assert not is_marked(backend, 'a.txt')
    assert os.listxattr(backend.path('a.txt')) == []


def test_what_was_hidden_does_not_come_back_with_a_change(backend: LocalBackend) -> None:
    backend.write('a.txt', b'', attributes=ALL)
    os.chmod(backend.path('a.txt'), 0o644)
    backend.set_attributes('a.txt', {'content_language': 'fr'})
    assert backend.stat('a.txt').attributes == Attributes(content_language='fr')


def test_changes_at_once_are_all_kept(backend: LocalBackend) -> None:
    """Each of them reads all attributes and writes them back, one after the other."""
    backend.write('a.txt', b'')
    program = """
import sys
from flask_fs.backends.local import LocalBackend
root, name = sys.argv[1:]
backend = LocalBackend('files', {'root': root})
sys.stdin.read()
for number in range(200):
    backend.set_attributes('a.txt', {name: f'x-{number}'})
"""
    names = ('content_language', 'download_name', 'cache_control', 'content_encoding')
    command = [sys.executable, '-c', program, str(backend.root)]
    processes = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in names]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 4
    assert backend.stat('a.txt').attributes.given() == dict.fromkeys(names, 'x-199')


def test_an_absent_file_has_none_to_change(backend: LocalBackend) -> None:
    (Path(backend.root) / 'folder').mkdir()
    for name in ('a.txt', 'folder', 'no/a.txt'):
        with pytest.raises(fs.FileNotFound):
            backend.set_attributes(name, {'mime': 'text/x'})


def test_what_may_not_be_changed_in_place_is_replaced(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.write('a.txt', b'content', attributes=Attributes(content_language='de'))
    inode = os.stat(backend.path('a.txt')).st_ino

    def refuse(fd: int, *_: Any, real: Any = os.setxattr) -> None:
        if os.fstat(fd).st_ino == inode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(fd, *_)

    monkeypatch.setattr(os, 'setxattr', refuse)
    backend.set_attributes('a.txt', {'download_name': 'b.txt'})
    assert backend.stat('a.txt').attributes == Attributes(content_language='de', download_name='b.txt')
    assert (backend.read('a.txt'), is_marked(backend, 'a.txt')) == (b'content', True)


# --- Written by others.


@pytest.mark.parametrize(
    'others',
    [
        b'',
        b'{',
        b'null',
        b'[1]',
        b'"text"',
        b'\xff\xfe',
        b'[' * 4000,
        b'{"cache_control": 1, "metadata": [], "mime": {}}',
        b'{"cache_control": "a\\r\\nSet-Cookie: x=y", "download_name": "../x", "content_language": "de\\nX"}',
        b'{"metadata": {"A": "1"}, "unknown": "x", "content_encoding": "a b"}',
        b'{"metadata": {"a": "\\ud800"}, "download_name": "\\ud800"}',
        b'{"metadata": {"fs-checksum": "md5:0"}, "cache_control": null}',
    ],
)
def test_what_is_malformed_is_not_there(backend: LocalBackend, others: bytes) -> None:
    backend.write('a.txt', b'content')
    set_raw(backend, 'a.txt', others=others, mime=b'no type\r\nX: y')
    for info in (backend.stat('a.txt'), *backend.scan(), *backend.folder().files, opened_info(backend)):
        assert (info.attributes, info.mime) == (Attributes(), 'text/plain')
    backend.copy('a.txt', 'b.txt')
    backend.set_attributes('a.txt', {'mime': 'text/x-own'})
    assert backend.stat('a.txt').attributes == Attributes(mime='text/x-own')


def test_what_is_right_counts_beside_what_is_malformed(backend: LocalBackend) -> None:
    backend.write('a.txt', b'')
    set_raw(
        backend, 'a.txt', others=b'{"cache_control": 1, "content_language": "de"}', mime=b'Text/HTML; charset=UTF-8'
    )
    assert backend.stat('a.txt').attributes == Attributes(mime='text/html; charset=utf-8', content_language='de')


def test_a_mark_alone_means_nothing(backend: LocalBackend) -> None:
    backend.write('a.txt', b'')
    set_raw(backend, 'a.txt')
    assert backend.stat('a.txt').attributes == Attributes()


def test_marked_temporary_files_fifos_and_folders_are_no_files(backend: LocalBackend) -> None:
    root = Path(backend.root)
    for name in ('.fs-tmp-1', 'a\tb'):
        (root / name).touch()
        (root / name).chmod(0o1644)
    os.mkfifo(root / 'fifo')
    (root / 'fifo').chmod(0o1644)
    (root / 'folder').mkdir(mode=0o1777)
    backend.write('a.txt', b'', attributes=ALL)
    assert [info.name for info in backend.scan()] == ['a.txt']
    assert [info.name for info in backend.folder().files] == ['a.txt']


def test_what_cannot_be_opened_is_reported_without_them(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    backend.write('a.txt', b'content', attributes=ALL)
    monkeypatch.setattr(backend._filesystem.opener, 'open', refuse)
    assert (backend.stat('a.txt').size, backend.stat('a.txt').attributes) == (7, Attributes())
    assert next(backend.scan()).size == 7


def test_they_are_those_of_the_version_that_is_reported(backend: LocalBackend) -> None:
    """However often the file is replaced between looking at it and reading them."""
    program = """
import itertools, sys
from flask_fs.backends import Attributes
from flask_fs.backends.local import LocalBackend
backend = LocalBackend('files', {'root': sys.argv[1]})
for number in itertools.count():
    attributes = Attributes(content_language=f'x-{number}') if number % 3 else Attributes()
    backend.write('a.txt', bytes(number % 3 and number), attributes=attributes)
    if number == 10:
        print(flush=True)
"""
    seen = set()
    with subprocess.Popen([sys.executable, '-c', program, backend.root], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            for number in itertools.count():
                info = (
                    backend.stat('a.txt')
                    if number % 3 == 0
                    else next(backend.scan())
                    if number % 3 == 1
                    else opened_info(backend)
                )
                assert info.content_language == (f'x-{info.size}' if info.size else None)
                seen.add(info.size)
                # On a busy machine, one of the processes can be far slower than the other.
                if number >= 2000 and len(seen) > 10:
                    break
        finally:
            process.kill()


def opened_info(backend: LocalBackend, name: str = 'a.txt') -> FileInfo:
    info, stream = backend.open_whole(name)
    with stream:
        return info


# --- Not kept.


def failing_setxattr(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, 'setxattr', fail)


class Counted(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.usefixtures('drafts')
def test_a_file_system_that_keeps_none_refuses_them_before_the_source_is_read(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_setxattr(monkeypatch, errno.ENOTSUP)
    backend.write('there.txt', b'old')
    for name in ('new.txt', 'there.txt'):
        source = Counted(b'content')
        with pytest.raises(fs.OperationNotSupported, match="doesn't support extended attributes"):
            backend._put(name, Source(source), attributes=ALL)
        assert source.reads == 0
    assert (list(backend.list_files()), backend.read('there.txt')) == (['there.txt'], b'old')
    assert os.listdir(backend.root) == ['there.txt']
    assert fs.Capability.ATTRIBUTES not in backend.capabilities
    with pytest.raises(fs.OperationNotSupported, match="doesn't store content_language"):
        backend.write('new.txt', b'', attributes=Attributes(content_language='de'))
    with pytest.raises(fs.OperationNotSupported):
        backend.set_attributes('there.txt', {'mime': 'text/x'})
    backend.write('there.txt', b'new')
    backend.copy('there.txt', 'copied.txt')


def test_a_change_on_a_file_system_that_keeps_none_is_refused(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_setxattr(monkeypatch, errno.EOPNOTSUPP)
    backend.write('a.txt', b'content')
    with pytest.raises(fs.OperationNotSupported):
        backend.set_attributes('a.txt', {'mime': 'text/x'})
    assert fs.Capability.ATTRIBUTES not in backend.capabilities


def test_a_file_system_that_keeps_no_sticky_bit_keeps_no_attributes(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be there, and nobody would see them."""

    def unmarked(fd: int, real: Any = os.fstat) -> os.stat_result:
        status = real(fd)
        return os.stat_result((status.st_mode & ~stat.S_ISVTX, *status[1:]))

    monkeypatch.setattr(os, 'fstat', unmarked)
    with pytest.raises(fs.OperationNotSupported, match='sticky bit'):
        backend.write('a.txt', b'content', attributes=ALL)
    assert os.listdir(backend.root) == []
    assert fs.Capability.ATTRIBUTES not in backend.capabilities


def test_a_platform_without_them_declares_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, 'setxattr')
    backend = backend_in(tmp_path)
    assert fs.Capability.ATTRIBUTES not in backend.capabilities
    with pytest.raises(fs.OperationNotSupported):
        backend.write('a.txt', b'content', attributes=ALL)


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.E2BIG, errno.EDQUOT])
def test_what_does_not_fit_says_how_much_it_is(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    backend.write('a.txt', b'old', attributes=Attributes(content_language='de'))
    with monkeypatch.context() as failing:
        failing_setxattr(failing, number)
        for act in (
            lambda: backend.write('a.txt', b'new', attributes=Attributes(download_name='x' * 100)),
            lambda: backend.set_attributes('a.txt', {'download_name': 'x' * 100, 'content_language': None}),
        ):
            with pytest.raises(fs.BackendError, match="120 bytes of attributes don't fit"):
                act()
    assert (backend.read('a.txt'), backend.stat('a.txt').attributes) == (b'old', Attributes(content_language='de'))
    assert fs.Capability.ATTRIBUTES in backend.capabilities
    assert os.listdir(backend.root) == ['a.txt']


def test_the_most_metadata_that_is_allowed_fits(backend: LocalBackend) -> None:
    metadata = {f'name-{number}': 'ü' * 90 for number in range(5)}
    metadata['quoted'] = '"' * 200
    backend.write('a.txt', b'', attributes=attributes_of({'metadata': metadata}))
    assert backend.stat('a.txt').metadata == metadata


def test_a_file_of_a_storage_is_transferred_with_them(
    make_app: Callable[..., Any], backend: LocalBackend, tmp_path: Path
) -> None:
    source, target = fs.Storage('source', fs.ALL), fs.Storage('target', fs.ALL)
    app = make_app(source, target, SOURCE_FS_BACKEND='memory', TARGET_FS_ROOT=str(tmp_path / 'root'))
    with app.app_context():
        source.write('a.txt', b'content', **ALL.given())
        source.transfer('a.txt', target)
        assert target.stat('a.txt').attributes == ALL
