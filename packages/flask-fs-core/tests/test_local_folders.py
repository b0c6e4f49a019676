"""What is directly in a folder of the local disk, page by page."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_fs as fs
from flask_fs.backends.local import LocalBackend


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend('files', {'root': str(tmp_path / 'root')})


@pytest.fixture
def root(backend: LocalBackend) -> Path:
    return Path(backend.root)


def pages(backend: LocalBackend, prefix: str, limit: int) -> Iterator[fs.Folder]:
    page = backend.folder(prefix, limit=limit)
    yield page
    while page.next is not None:
        page = backend.folder(prefix, after=page.next, limit=limit)
        yield page


def shown(backend: LocalBackend, prefix: str = '', limit: int = 1000) -> list[str]:
    """The names of all pages, those of folders with a slash, in their order."""
    found = []
    for page in pages(backend, prefix, limit):
        names = [*(info.name for info in page.files), *(f'{name}/' for name in page.folders)]
        assert len(names) <= limit
        found += sorted(names)
    return found


@pytest.mark.parametrize('limit', [1, 2, 3, 1000])
@pytest.mark.parametrize('prefix', ['', 'f', 'f/'])
def test_pages_are_sorted_and_hold_everything_once(backend: LocalBackend, prefix: str, limit: int) -> None:
    names = ['a', 'a-b', 'b/deep/er', 'b.txt', 'b0', 'ä/x', '日/y', 'z z', 'B/c']
    inside = 'f/' if prefix else ''
    for name in names:
        backend.write(inside + name, name.encode())
    backend.write(inside + 'b/deep/other', b'')
    expected = {inside + (f'{name.partition("/")[0]}/' if '/' in name else name) for name in names}
    assert shown(backend, prefix, limit) == sorted(expected)
    sizes = {info.name: info.size for page in pages(backend, prefix, limit) for info in page.files}
    assert sizes == {inside + name: len(name.encode()) for name in names if '/' not in name}


@pytest.mark.parametrize('prefix', ['no', 'no/such', 'a', 'a/b', 'x' * 300])
def test_what_is_no_folder_is_empty(backend: LocalBackend, prefix: str) -> None:
    backend.write('a', b'')
    assert backend.folder(prefix) == fs.Folder([], [])


def test_a_folder_without_files_is_not_there(backend: LocalBackend, root: Path) -> None:
    """Neither is it in any other store, nor does exists() or a listing show it."""
    backend.write('full/deep/a', b'')
    (root / 'empty' / 'below' / 'it').mkdir(parents=True)
    (root / 'hidden').mkdir()
    (root / 'hidden' / '.fs-tmp-1').touch()
    os.symlink(root / 'full', root / 'empty' / 'link')
    assert backend.folder() == fs.Folder([], ['full'])
    assert shown(backend, limit=1) == ['full/']
    backend.remove('full/deep/a')
    assert backend.folder() == fs.Folder([], [])


def test_links_and_what_has_no_possible_name_are_left_out(backend: LocalBackend, root: Path) -> None:
    backend.write('a', b'')
    backend.write('folder/b', b'')
    os.symlink(root / 'a', root / 'to-file')
    os.symlink(root / 'folder', root / 'to-folder')
    os.symlink(root / 'nowhere', root / 'dangling')
    os.mkfifo(root / 'fifo')
    for name in (b'b\\c', b'tab\t', b'\xff'):
        Path(os.fsdecode(os.fsencode(root) + b'/' + name)).touch()
        folder = Path(os.fsdecode(os.fsencode(root) + b'/d' + name))
        folder.mkdir()
        (folder / 'x').touch()
    assert shown(backend) == ['a', 'folder/']
    assert backend.folder('to-folder') == fs.Folder([], [])
    assert backend.folder('to-folder/folder') == fs.Folder([], [])


def test_stale_temporary_files_are_removed_along_the_way(backend: LocalBackend, root: Path) -> None:
    backend.write('a', b'')
    for name, age_s in (('.fs-tmp-old', 2 * 24 * 60 * 60), ('.fs-tmp-new', 0)):
        (root / name).touch()
        os.utime(root / name, (time.time() - age_s,) * 2)
    assert shown(backend) == ['a']
    assert sorted(os.listdir(root)) == ['.fs-tmp-new', 'a']


def test_a_root_that_is_gone_is_unavailable(backend: LocalBackend, root: Path, tmp_path: Path) -> None:
    assert backend.folder() == backend.folder('a') == fs.Folder([], [])
    backend.write('a/b', b'')
    root.rename(tmp_path / 'elsewhere')
    for prefix in ('', 'a'):
        with pytest.raises(fs.Unavailable):
            backend.folder(prefix)


def test_a_file_that_goes_meanwhile_is_left_out(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in 'abc':
        backend.write(name, b'')
    settled = fs.FileInfo.__post_init__

    def remove_b(info: fs.FileInfo) -> None:
        settled(info)
        backend.remove('b')

    monkeypatch.setattr(fs.FileInfo, '__post_init__', remove_b)
    assert [info.name for info in backend.folder().files] == ['a', 'c']


def test_a_folder_that_may_not_be_looked_into_is_there(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the lost+found of a volume."""
    backend.write('locked/a', b'')
    backend.write('open/a', b'')
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith(('/locked', '/locked/')):
            raise PermissionError(13, 'Permission denied', path)
        return real(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    assert backend.folder() == fs.Folder([], ['locked', 'open'])
    with pytest.raises(fs.PermissionDenied):
        backend.folder('locked')


def test_a_key_prefix_is_a_folder_of_the_root(tmp_path: Path) -> None:
    backend = LocalBackend('files', {'root': str(tmp_path), 'prefix': 'tenants/7'})
    backend.write('a/b', b'')
    assert backend.folder() == fs.Folder([], ['a'])
    assert [info.name for info in backend.folder('a').files] == ['a/b']
