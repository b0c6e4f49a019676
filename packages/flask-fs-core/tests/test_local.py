from __future__ import annotations

import errno
import io
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Opened, filesystem
from flask_fs.backends.local import LocalBackend

needs_posix = pytest.mark.skipif(os.name == 'nt', reason='needs symbolic links, modes and FIFOs')


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend('files', {'root': str(tmp_path / 'root')})


@pytest.fixture(params=['unnamed', 'named', 'without links'])
def any_disk(request: pytest.FixtureRequest, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> LocalBackend:
    """The backend on a file system with O_TMPFILE, on one without, and on one without hard links either."""
    if request.param != 'unnamed':
        backend._filesystem.unnamed = False
    if request.param == 'without links':

        def link(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, 'no links here')

        monkeypatch.setattr(os, 'link', link)
    return backend


def test_files_appear_whole_on_any_file_system(any_disk: LocalBackend) -> None:
    any_disk.write('a/b', b'1', overwrite=False)
    with pytest.raises(fs.FileExists):
        any_disk.write('a/b', b'2', overwrite=False)
    any_disk.write('a/b', b'3')
    any_disk.write('a/c', b'4')
    any_disk.move('a/c', 'd', overwrite=False)
    assert set(any_disk.list_files()) == {'a/b', 'd'}
    assert any_disk.read('a/b') == b'3'
    assert os.listdir(any_disk.path('a')) == ['b']


def test_without_links_create_is_no_longer_promised(any_disk: LocalBackend) -> None:
    any_disk.write('a', b'1', overwrite=False)
    promised = fs.Capability.ATOMIC_CREATE in any_disk.capabilities
    assert any_disk._filesystem.links == promised
    assert fs.Capability.ATOMIC_CREATE in LocalBackend.capabilities


def test_a_file_system_without_unnamed_files_is_noticed(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    if not backend._filesystem.unnamed:
        pytest.skip('no O_TMPFILE here anyway')
    original = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, 'not here')
        return original(path, flags, *more, **named)

    backend.write('first', b'')
    monkeypatch.setattr(os, 'open', refusing)
    backend.write('a', b'1', overwrite=False)
    assert not backend._filesystem.unnamed
    assert backend.read('a') == b'1'


@pytest.mark.parametrize('unnamed', [True, False])
@pytest.mark.parametrize('failing', ['write', 'link', 'replace'])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, failing: str, unnamed: bool
) -> None:
    backend.write('a', b'old')
    backend._filesystem.unnamed &= unnamed

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, 'No space left on device')

    name = 'b' if failing == 'link' else 'a'
    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        with pytest.raises(fs.BackendError, match='No space left') as caught:
            backend.write(name, b'new', overwrite=failing != 'link')
    assert isinstance(caught.value.__cause__, OSError)
    assert backend.read('a') == b'old'
    assert os.listdir(backend.root) == ['a']


def test_a_write_that_the_kernel_cuts_short_goes_on(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.write
    monkeypatch.setattr(os, 'write', lambda fd, data: original(fd, bytes(data[:3])))
    backend.write('a', b'0123456789')
    assert backend.read('a') == b'0123456789'


def test_a_kernel_that_copies_only_a_part_is_helped_out(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not hasattr(os, 'copy_file_range'):
        pytest.skip('no copy_file_range here')
    original = os.copy_file_range
    answers = iter([4, 3])

    def partly(source: int, target: int, count: int, offset: int) -> int:
        if (some := next(answers, None)) is None:
            raise OSError(errno.EXDEV, 'other file system')
        return original(source, target, some, offset)

    monkeypatch.setattr(os, 'copy_file_range', partly)
    (tmp_path / 'x').write_bytes(b'0123456789')
    with (tmp_path / 'x').open('rb') as file:
        file.read(1)
        backend.save(file, 'x', overwrite=True)
        assert file.read() == b''
    assert backend.read('x') == b'123456789'


def test_a_disk_that_is_full_fails_the_kernel_copy_too(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'copy_file_range', full, raising=False)
    (tmp_path / 'x').write_bytes(b'x')
    with (tmp_path / 'x').open('rb') as file, pytest.raises(fs.BackendError, match='No space left'):
        backend.save(file, 'x', overwrite=True)


def test_stale_temporary_files_are_unlisted_unreadable_and_swept(backend: LocalBackend) -> None:
    backend.write('d/a', b'')
    root = Path(backend.root)
    fresh, stale, other = (root / 'd' / f'.fs-tmp-{n}' for n in ('fresh', 'stale', 'other'))
    for path in (fresh, stale, other):
        path.write_bytes(b'')
    two_days_ago = time.time() - 2 * 86400
    os.utime(stale, (two_days_ago, two_days_ago))
    with pytest.raises(fs.InvalidFilename):
        backend.read('d/.fs-tmp-fresh')
    assert list(backend.list_files()) == ['d/a']
    assert not stale.exists()
    assert fresh.exists()
    os.utime(other, (two_days_ago, two_days_ago))
    assert backend.sweep() == 1
    assert backend.sweep(older_than_s=-1) == 1
    assert os.listdir(root / 'd') == ['a']


def test_a_large_upload_to_a_taken_name_is_refused_before_its_end(backend: LocalBackend) -> None:
    class Endless:
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return bytes(size)

    backend.write('x', b'first')
    endless = Endless()
    with pytest.raises(fs.FileExists, match='overwrite=True'):
        backend.save(endless, 'x', overwrite=False)
    assert endless.given == 1 << 20
    assert os.listdir(backend.root) == ['x']


# --- Folders and files in each other's way.


def test_a_file_is_not_stored_where_a_folder_holds_files(backend: LocalBackend) -> None:
    backend.write('a/b', b'1')
    for create in (True, False):
        with pytest.raises(fs.FileExists, match='a folder that contains files') as caught:
            backend.write('a', b'2', overwrite=not create)
        assert 'overwrite=True' not in str(caught.value)
    backend.write('c', b'3')
    with pytest.raises(fs.FileExists, match='a folder that contains files'):
        backend.move('c', 'a')
    assert backend.read('a/b') == b'1'
    assert backend.read('c') == b'3'


def test_a_file_is_not_stored_under_a_file(backend: LocalBackend) -> None:
    backend.write('a', b'1')
    for name in ('a/b', 'a/b/c'):
        with pytest.raises(fs.FileExists, match='a part of its path is a file'):
            backend.write(name, b'2')
        assert not backend.exists(name)
        backend.delete(name)
        with pytest.raises(fs.FileNotFound):
            backend.read(name)
    assert backend.read('a') == b'1'


def test_a_part_too_long_for_the_file_system_is_said_so(backend: LocalBackend) -> None:
    name = 'x' * 300
    with pytest.raises(fs.InvalidFilename, match='longer than the file system allows'):
        backend.write(name, b'')
    assert not backend.exists(name)
    backend.delete(name)
    assert list(backend.list_files(name)) == list(backend.list_files(f'{name}/')) == []


def test_a_folder_removed_while_a_draft_is_in_it_is_made_again(backend: LocalBackend) -> None:
    class Removing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            chunk = super().read(size)
            if not chunk:
                backend.delete('a')
            return chunk

    backend.write('a/x', b'')
    backend.save(Removing(b'content'), 'a/b', overwrite=False)
    assert list(backend.list_files()) == ['a/b']


# --- Symbolic links and other things that are no files.


@needs_posix
def test_links_never_lead_out_of_the_root(backend: LocalBackend, tmp_path: Path) -> None:
    outside = tmp_path / 'outside'
    outside.mkdir()
    (outside / 'secret').write_text('secret')
    backend.write('real/x', b'')
    root = Path(backend.root)
    (root / 'folder').symlink_to(outside)
    (root / 'file').symlink_to(outside / 'secret')
    (root / 'real' / 'deep').symlink_to(outside)
    for name in ('folder/secret', 'file', 'real/deep/secret'):
        assert not backend.exists(name)
        for look in (backend.read, backend.open, backend.stat, backend.metadata, backend.read_chunks):
            with pytest.raises(fs.FileNotFound):
                look(name)
        with pytest.raises(fs.FileNotFound):
            backend.copy(name, 'copied')
        with pytest.raises(fs.FileNotFound):
            backend.move(name, 'moved')
    for name in ('folder/secret', 'folder/new', 'real/deep/new'):
        with pytest.raises(fs.PermissionDenied, match='symbolic link'):
            backend.write(name, b'overwritten')
    for prefix in ('', 'folder/', 'folder', 'real/deep/'):
        assert set(backend.list_files(prefix)) <= {'real/x'}
    backend.delete('folder/secret')
    backend.delete('real')
    assert (outside / 'secret').read_text() == 'secret'
    assert os.listdir(outside) == ['secret']


@needs_posix
def test_replacing_a_link_replaces_the_link_alone(backend: LocalBackend, tmp_path: Path) -> None:
    (tmp_path / 'secret').write_text('secret')
    backend.write('x', b'')
    (Path(backend.root) / 'file').symlink_to(tmp_path / 'secret')
    backend.write('file', b'new')
    assert backend.read('file') == b'new'
    assert (tmp_path / 'secret').read_text() == 'secret'


@needs_posix
def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir()
    (tmp_path / 'root').symlink_to(tmp_path / 'real')
    backend = LocalBackend('x', {'root': str(tmp_path / 'root')})
    backend.write('a/b', b'1')
    assert backend.read('a/b') == b'1'
    assert list(backend.list_files()) == ['a/b']


@needs_posix
def test_a_fifo_is_no_file_and_nothing_waits_for_it(backend: LocalBackend) -> None:
    backend.write('x', b'')
    os.mkfifo(os.path.join(backend.root, 'pipe'))
    assert not backend.exists('pipe')
    with pytest.raises(fs.FileNotFound):
        backend.read('pipe')
    with pytest.raises(fs.FileNotFound):
        backend.open('pipe')
    assert list(backend.list_files()) == ['x']


def test_what_could_be_no_filename_is_left_unlisted(backend: LocalBackend) -> None:
    backend.write('good', b'')
    for name in ('back\\slash', 'new\nline', 'bad\udcff'):
        Path(backend.root, name).write_bytes(b'')
    Path(backend.root, 'fol\\der').mkdir()
    Path(backend.root, 'fol\\der', 'x').write_bytes(b'')
    assert list(backend.list_files()) == ['good']
    assert [info.name for info in backend.scan()] == ['good']


# --- Settings.


@needs_posix
def test_modes_are_as_configured(tmp_path: Path) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path / 'r'), 'file_mode': 0o604, 'folder_mode': 0o705})
    old = os.umask(0o077)
    try:
        backend.write('a/b', b'')
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(backend.path('a/b')).st_mode) == 0o604
    assert stat.S_IMODE(os.stat(backend.path('a')).st_mode) == 0o700


@needs_posix
def test_without_modes_the_umask_decides(backend: LocalBackend) -> None:
    old = os.umask(0o027)
    try:
        backend.write('a', b'')
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(backend.path('a')).st_mode) == 0o640


@needs_posix
def test_fsync_reaches_the_file_and_every_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    original = os.fsync

    def noting(fd: int) -> None:
        synced.append(os.stat(fd).st_ino)
        original(fd)

    monkeypatch.setattr(os, 'fsync', noting)
    backend = LocalBackend('x', {'root': str(tmp_path), 'fsync': True})
    backend.write('a/b/c', b'')
    assert {os.stat(tmp_path / part).st_ino for part in ('a/b/c', 'a/b', 'a', '.')} == set(synced)
    synced.clear()
    backend.write('a/b/c', b'')
    assert len(synced) == 2


@needs_posix
@pytest.mark.parametrize('unnamed', [True, False], ids=['', 'named'])
@pytest.mark.parametrize('overwrite', [True, False], ids=['replacing', 'creating'])
def test_fsync_gets_past_empty_folders(tmp_path: Path, unnamed: bool, overwrite: bool) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path), 'fsync': True})
    backend._filesystem.unnamed &= unnamed
    (tmp_path / 'a' / 'empty').mkdir(parents=True)
    backend.write('a', b'content', overwrite)
    assert backend.read('a') == b'content'
    assert os.listdir(tmp_path) == ['a']


def test_nothing_is_removed_from_a_file_system_that_is_read_only(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.write('a', b'content')

    def refuse(path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, 'unlink', refuse)
    for remove in (backend.remove, backend.delete):
        with pytest.raises(fs.PermissionDenied):
            remove('a')
        # Linux refuses that as well.
        remove('absent')
        remove('absent/b')


def test_sweeping_a_folder_that_cannot_be_read_says_so(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> Any:
        raise PermissionError(errno.EACCES, 'Permission denied', path)

    backend.write('a', b'content')
    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises(fs.PermissionDenied, match=r'\(local\): Permission denied'):
        backend.sweep()


def test_permission_denied_says_so(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.write('a', b'')

    def refuse(path: Any, *_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, 'Permission denied', path)

    for function in ('open', 'lstat', 'unlink'):
        with monkeypatch.context() as patched:
            patched.setattr(os, function, refuse)
            act = {'open': backend.read, 'lstat': backend.exists, 'unlink': backend.delete}[function]
            with pytest.raises(fs.PermissionDenied, match='Permission denied'):
                act('a')


@pytest.mark.skipif(not hasattr(os, 'O_TMPFILE'), reason='needs unnamed files')
def test_a_folder_that_is_just_being_removed_is_no_reason_to_do_without_unnamed_files(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ext4 answers EPERM there."""
    if not backend._filesystem.unnamed:
        pytest.skip('needs /proc')
    original, refused = os.open, []

    def refuse_once(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE and not refused:
            refused.append(path)
            raise PermissionError(errno.EPERM, 'Operation not permitted', path)
        return original(path, flags, *rest, **more)

    monkeypatch.setattr(os, 'open', refuse_once)
    backend.write('a', b'1', overwrite=False)
    assert [backend.root] == refused
    assert os.listdir(backend.root) == ['a']
    assert backend._filesystem.unnamed
    backend.write('b', b'2')
    assert {name: backend.read(name) for name in backend.list_files()} == {'a': b'1', 'b': b'2'}


def test_a_file_that_may_not_be_removed_stays_and_is_said_so(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``chattr +i``: EPERM, which elsewhere than on Linux is what a folder answers too."""
    backend.write('a', b'1')

    def refuse(path: Any, **_: Any) -> Any:
        raise PermissionError(errno.EPERM, 'Operation not permitted', path)

    with monkeypatch.context() as patched:
        patched.setattr(os, 'unlink', refuse)
        with pytest.raises(fs.PermissionDenied, match='Operation not permitted'):
            backend.delete('a')
    assert backend.read('a') == b'1'


@needs_posix
@pytest.mark.parametrize('unnamed', [True, False])
def test_a_file_system_that_keeps_no_modes_says_so_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path), 'file_mode': '640'})
    backend._filesystem.unnamed &= unnamed
    opened: list[int] = []

    def refuse(fd: int, mode: int) -> None:
        opened.append(fd)
        raise PermissionError(errno.EPERM, 'Operation not permitted')

    monkeypatch.setattr(os, 'fchmod', refuse)
    with pytest.raises(fs.PermissionDenied, match='Operation not permitted'):
        backend.write('a', b'')
    assert os.listdir(tmp_path) == []
    with pytest.raises(OSError, match='Bad file descriptor'):
        os.fstat(opened[0])


def test_where_the_kernel_copies_nothing_a_real_file_is_stored_all_the_same(
    backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, 'copy_file_range', raising=False)
    (tmp_path / 'upload').write_bytes(b'0123456789')
    with open(tmp_path / 'upload', 'rb') as upload:
        upload.seek(3)
        backend.save(upload, 'a', overwrite=True)
        assert upload.tell() == 10
    assert backend.read('a') == b'3456789'


@needs_posix
def test_a_root_that_is_a_link_to_nowhere_is_said_so(tmp_path: Path) -> None:
    """As when the disk that it leads to is not mounted."""
    (tmp_path / 'root').symlink_to(tmp_path / 'not mounted')
    backend = LocalBackend('x', {'root': str(tmp_path / 'root')})
    with pytest.raises(fs.FileExists, match='a part of its path is a file'):
        backend.write('a', b'', overwrite=False)
    assert os.listdir(tmp_path) == ['root']


# --- As older applications use it.


def test_a_path_of_the_applications_own_need_not_end_with_the_name(tmp_path: Path) -> None:
    class Hashed(LocalBackend):
        def path(self, filename: str) -> str:
            return str(tmp_path / filename.encode().hex())

    backend = Hashed('x', {'root': '/nowhere/at/all'})
    backend.write('a/b', b'1')
    assert os.listdir(tmp_path) == ['612f62']
    assert (backend.read('a/b'), backend.stat('a/b').size) == (b'1', 1)
    backend.move('a/b', 'c/d')
    backend.delete('c/d')
    assert os.listdir(tmp_path) == []


def test_every_operation_goes_through_an_overridden_path(tmp_path: Path) -> None:
    class Tenanted(LocalBackend):
        tenant = 'one'

        def path(self, filename: str) -> str:
            return str(tmp_path / self.tenant / filename)

    backend = Tenanted('x', {'root': '/nowhere/at/all'})
    backend.write('a/x.txt', b'1')
    assert (tmp_path / 'one' / 'a' / 'x.txt').exists()
    assert list(backend.list_files()) == ['a/x.txt']
    backend.copy('a/x.txt', 'y')
    backend.move('y', 'z')
    assert backend.stat('z').size == 1
    with backend.open('z', 'rb') as file:
        assert file.read() == b'1'
    backend.tenant = 'two'
    assert list(backend.list_files()) == []
    backend.tenant = 'one'
    backend.delete('a')
    assert list(backend.list_files()) == ['z']


def test_path_and_default_root_can_be_replaced_for_the_whole_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, 'default_root', str(tmp_path / 'patched'))
    backend = LocalBackend('x', {})
    backend.write('a', b'1')
    assert (tmp_path / 'patched' / 'x' / 'a').exists()
    monkeypatch.setattr(LocalBackend, 'path', lambda self, filename: str(tmp_path / 'elsewhere' / filename))
    backend.write('b', b'2')
    assert (tmp_path / 'elsewhere' / 'b').exists()


@pytest.mark.parametrize(
    'folder', [str, Path, lambda path: property(lambda _: str(path))], ids=['str', 'Path', 'property']
)
def test_storages_under_one_default_root_stay_apart(
    folder: Callable[[Path], Any],
    make_app: Callable[..., Flask],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As older applications set it in their tests: the folder above, like FS_ROOT."""
    one, two = fs.Storage('one', fs.ALL), fs.Storage('two', fs.ALL)
    app = make_app(one, two, FS_ROOT=str(tmp_path / 'configured'), ONE_FS_PREFIX='sub')
    with app.app_context():
        assert str(tmp_path / 'configured') == one.backend.default_root
        monkeypatch.setattr(LocalBackend, 'default_root', folder(tmp_path / 'patched'))
        one.write('a', '1')
        two.write('a', '2')
        assert (str(tmp_path / 'patched' / 'one' / 'sub'), str(tmp_path / 'patched' / 'two')) == (one.root, two.root)
        for name in list(one.list_files()):
            one.delete(name)
        assert list(two.list_files()) == ['a']
        assert (tmp_path / 'patched' / 'two' / 'a').read_bytes() == b'2'


def test_a_subclass_says_where_the_roots_are(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    class Elsewhere(LocalBackend):
        default_root = str(tmp_path / 'elsewhere')

    one, own = fs.Storage('one'), fs.Storage('own')
    with make_app(one, own, FS_BACKEND=Elsewhere, OWN_FS_ROOT=str(tmp_path / 'own-root')).app_context():
        assert (str(tmp_path / 'elsewhere' / 'one'), str(tmp_path / 'own-root')) == (one.root, own.root)


@pytest.mark.parametrize('above', ['/', 'relative', '/with/slash/'])
def test_the_default_root_is_what_was_set_for_all(make_app: Callable[..., Flask], above: str) -> None:
    storage = fs.Storage('docs')
    with make_app(storage, FS_ROOT=above).app_context():
        expected = os.path.abspath(above), os.path.abspath(os.path.join(above, 'docs'))
        assert (storage.backend.default_root, storage.root) == expected


def test_an_open_file_knows_its_path(backend: LocalBackend) -> None:
    backend.write('x', b'1')
    with backend.open('x', 'rb') as file:
        assert backend.path('x') == file.name


def test_metadata_reads_nothing_until_its_checksum_is_asked_for(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.write('x', b'1')
    with monkeypatch.context() as patched:
        patched.setattr(os, 'open', lambda *_, **__: pytest.fail('opened'))
        facts = backend.metadata('x')
        assert facts['size'] == 1
    assert facts['checksum'].startswith('sha256:6b86b2')


def test_a_link_over_nfs_whose_answer_was_lost_counts_as_made(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend._filesystem.unnamed = False
    original = os.link

    def twice(source: str, target: str) -> None:
        original(source, target)
        original(source, target)

    monkeypatch.setattr(os, 'link', twice)
    backend.write('x', b'mine', overwrite=False)
    assert backend.read('x') == b'mine'
    with pytest.raises(fs.FileExists):
        backend.write('x', b'other', overwrite=False)


# --- File systems that report what went wrong when a file is closed.


@pytest.fixture
def order(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to files, in order, on a file system of a type that is not known."""
    monkeypatch.setattr(filesystem, '_ON_THIS_MACHINE', frozenset())
    backend.write('a', b'the old content')
    done: list[str] = []

    def recording(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ('close', 'link', 'replace', 'unlink'):
        recording(name)
    return done


def test_a_file_is_closed_before_it_gets_its_name(backend: LocalBackend, order: list[str]) -> None:
    backend.write('b', b'content', overwrite=False)
    assert order == ['close', 'link', 'unlink']
    order.clear()
    backend.write('a', b'content')
    assert order == ['close', 'replace']


def test_an_error_of_closing_leaves_the_old_file(
    backend: LocalBackend, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(fd: int, close: Any = os.close) -> None:
        close(fd)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    for save in (lambda: backend.write('a', b'content'), lambda: backend.write('b', b'content', overwrite=False)):
        with monkeypatch.context() as failing:
            failing.setattr(os, 'close', close)
            with pytest.raises(fs.BackendError, match='quota'):
                save()
    assert os.listdir(backend.root) == ['a']
    assert backend.read('a') == b'the old content'


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux names the type')
def test_the_type_of_a_file_system_is_found_or_unknown(tmp_path: Path) -> None:
    with (tmp_path / 'a').open('wb') as file:
        found = filesystem.type_of(file.fileno())
    assert found in {line.split()[-1] for line in Path('/proc/filesystems').read_text().splitlines()}
    assert filesystem.type_of(10**6) is None


def test_a_subclass_that_overrides_a_hook_is_asked_by_every_verb(tmp_path: Path) -> None:
    class Shouting(LocalBackend):
        def _open(self, *args: Any, **kwargs: Any) -> Opened:
            info, stream = super()._open(*args, **kwargs)
            with stream:
                return Opened(info, io.BytesIO(stream.read().upper()))

        def _stat(self, name: str) -> fs.FileInfo:
            return super()._stat(name.removesuffix('!'))

        def _names(self, prefix: str) -> Iterator[str]:
            return (f'{name}!' for name in super()._names(prefix))

    backend = Shouting('docs', {'root': str(tmp_path)})
    backend.write('a', b'content')
    assert backend.read('a') == b'CONTENT'
    assert backend.exists('a!')
    assert list(backend.list_files()) == ['a!']


@pytest.mark.skipif(os.name == 'nt', reason='needs symbolic links')
def test_a_folder_that_an_override_puts_at_a_symbolic_link_is_not_listed(tmp_path: Path) -> None:
    class Renamed(LocalBackend):
        def path(self, filename: str) -> str:
            return super().path(filename.replace('shown', 'link'))

    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere' / 'file').write_text('x')
    backend = Renamed('files', {'root': str(tmp_path / 'root')})
    backend.write('own/file', b'x')
    (tmp_path / 'root' / 'link').symlink_to(tmp_path / 'elsewhere')
    assert list(backend.list_files('shown/')) == []
    assert list(backend.list_files('own/')) == ['own/file']


def test_a_root_may_be_overridden_by_a_path_object_where_files_are_listed(tmp_path: Path) -> None:
    class Rooted(LocalBackend):
        @property
        def root(self) -> Any:
            return tmp_path

    (tmp_path / 'file').write_text('x')
    assert list(Rooted('files').list_files()) == ['file']
