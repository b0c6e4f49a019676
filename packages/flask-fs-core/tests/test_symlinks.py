"""Symbolic links below a root, refused by the kernel where it can and looked for elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import symlinks
from flask_fs.backends.local import LocalBackend

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='needs symbolic links')


@pytest.fixture(params=['kernel', 'looks'])
def by_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the kernel refuses links itself; false is as on systems without openat2()."""
    if request.param == 'kernel' and symlinks._openat2() is None:
        pytest.skip('no openat2() here')
    if request.param == 'looks':
        monkeypatch.setattr(symlinks, '_openat2', lambda: None)
    return bool(request.param == 'kernel')


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / 'outside' / 'b').mkdir(parents=True)
    (tmp_path / 'outside' / 'b' / 'secret').write_text('secret')
    return tmp_path / 'outside'


def local(root: Path) -> LocalBackend:
    return LocalBackend('docs', {'root': str(root)})


def refuses(backend: LocalBackend, name: str) -> bool:
    """Whether *backend* neither reads, nor sees, nor writes, nor removes *name*."""
    with pytest.raises(fs.FileNotFound):
        backend.read(name)
    with pytest.raises(fs.FileNotFound):
        backend.open(name)
    for overwrite in (True, False):
        with pytest.raises(fs.PermissionDenied, match='is a symbolic link'):
            backend.write(name, b'new', overwrite=overwrite)
    backend.delete(name)
    backend.remove(name)
    return not backend.exists(name)


@pytest.mark.parametrize('link', ['a', 'x/a', 'x/y/a'])
@pytest.mark.parametrize('below', ['b/secret', 'b/new', 'new/new', 'new'])
def test_a_link_is_not_followed_wherever_it_is_in_a_name(
    tmp_path: Path, outside: Path, by_kernel: bool, link: str, below: str
) -> None:
    place = tmp_path / 'root' / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    assert refuses(local(tmp_path / 'root'), f'{link}/{below}')
    assert sorted(outside.rglob('*')) == [outside / 'b', outside / 'b' / 'secret']


@pytest.mark.parametrize('target', ['outside', 'nowhere', '../root/a'])
def test_a_link_may_lead_anywhere_and_is_not_followed(
    tmp_path: Path, outside: Path, by_kernel: bool, target: str
) -> None:
    (tmp_path / 'root').mkdir()
    (tmp_path / 'root' / 'a').symlink_to(tmp_path / target)
    assert refuses(local(tmp_path / 'root'), 'a/new')
    assert not (tmp_path / 'nowhere').exists()


def test_the_path_of_the_root_may_have_links_and_names_may_not(tmp_path: Path, outside: Path, by_kernel: bool) -> None:
    (tmp_path / 'real' / 'root').mkdir(parents=True)
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    backend = local(tmp_path / 'link' / 'root')
    for number in range(2):
        backend.write(f'a/{number}', b'content', overwrite=False)
        backend.write(f'a/{number}', b'newer')
        assert backend.read(f'a/{number}') == b'newer'
    (tmp_path / 'real' / 'root' / 'b').symlink_to(outside)
    assert refuses(backend, 'b/b/secret')


def test_a_link_that_was_met_once_does_not_end_the_refusal_by_the_kernel(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that becomes a link at the last moment is one that was looked at too early."""
    if (openat2 := symlinks._openat2()) is None:
        pytest.skip('no openat2() here')
    backend = local(tmp_path / 'root')
    backend.write('a/b/secret', b'mine')
    (tmp_path / 'root' / 'link').symlink_to(outside)
    assert refuses(backend, 'link/b/secret')

    def late(path: str, flags: int, mode: int) -> int:
        (tmp_path / 'root' / 'a').rename(tmp_path / 'root' / 'away')
        (tmp_path / 'root' / 'a').symlink_to(outside)
        return openat2(path, flags, mode)

    monkeypatch.setattr(symlinks, '_openat2', lambda: late)
    with pytest.raises(fs.FileNotFound, match='a is a symbolic link'):
        backend.read('a/b/secret')


def test_folders_may_be_renamed_removed_and_made_anew(tmp_path: Path, by_kernel: bool) -> None:
    """Nothing is kept of a folder from one operation to the next."""
    backend, root = local(tmp_path / 'root'), tmp_path / 'root'
    backend.write('a/x', b'old')
    (root / 'a').rename(root / 'b')
    assert not backend.exists('a/x')
    backend.write('a/x', b'new', overwrite=False)
    assert (backend.read('a/x'), backend.read('b/x')) == (b'new', b'old')
    backend.delete('a')
    backend.write('a/x', b'newest', overwrite=False)
    assert (root / 'a' / 'x').read_bytes() == b'newest'


def test_nothing_stays_open(tmp_path: Path, by_kernel: bool) -> None:
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('needs /proc')
    backend = local(tmp_path / 'root')
    backend.write('a/b/x', b'1')
    before = os.listdir('/proc/self/fd')
    backend.write('a/b/x', b'2')
    backend.write('a/b/y', b'2', overwrite=False)
    backend.read('a/b/x')
    backend.exists('a/b/x')
    backend.delete('a/b/x')
    assert os.listdir('/proc/self/fd') == before


def test_names_of_any_letters_reach_the_kernel(tmp_path: Path, by_kernel: bool) -> None:
    backend = local(tmp_path / 'root')
    backend.write('ä/日本/🙂', b'content')
    assert backend.read('ä/日本/🙂') == b'content'


@pytest.mark.parametrize('platform', ['darwin', 'freebsd14', 'win32'])
def test_other_systems_have_no_such_call(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'platform', platform)
    assert symlinks._openat2.__wrapped__() is None


def test_a_sandbox_that_forbids_the_call_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidding(*_: Any, **__: Any) -> Any:
        raise OSError('no library')

    monkeypatch.setattr('ctypes.CDLL', forbidding)
    assert symlinks._openat2.__wrapped__() is None
