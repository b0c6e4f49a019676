"""A root that was there and is gone holds files all the same: its volume is not mounted."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends.local import LocalBackend

VERBS: dict[str, Callable[[fs.Storage], Any]] = {
    'exists': lambda s: s.exists('a.txt'),
    'exists in a folder': lambda s: s.exists('d/b.txt'),
    'another name': lambda s: s.exists('other'),
    'read': lambda s: s.read('a.txt'),
    'read_chunks': lambda s: s.read_chunks('a.txt'),
    'open': lambda s: s.open('a.txt'),
    'stat': lambda s: s.stat('a.txt'),
    'metadata': lambda s: s.metadata('a.txt'),
    'list_files': lambda s: list(s.list_files()),
    'list a folder': lambda s: list(s.list_files('d/')),
    'scan': lambda s: list(s.scan()),
    'delete': lambda s: s.delete('a.txt'),
    'delete a folder': lambda s: s.delete('d'),
    'remove': lambda s: s.remove('a.txt'),
    'write': lambda s: s.write('new.txt', 'x'),
    'write into a folder': lambda s: s.write('d/e/new.txt', 'x'),
    'replace': lambda s: s.write('a.txt', 'x', overwrite=True),
    'save': lambda s: s.save(io.BytesIO(b'x'), 'new.txt'),
    'open to write': lambda s: s.open('new.txt', 'wb').close(),
    'copy': lambda s: s.copy('a.txt', 'b.txt'),
    'move': lambda s: s.move('a.txt', 'd/b.txt'),
    'local_file': lambda s: s.local_file('a.txt').__enter__(),
    'serve': lambda s: s.serve('a.txt'),
    'sweep': lambda s: s.backend.sweep(),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / 'volume' / 'root'


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('docs', fs.ALL)


@pytest.fixture
def app(make_app: Callable[..., Flask], storage: fs.Storage, root: Path) -> Flask:
    return make_app(storage, DOCS_FS_ROOT=str(root))


@pytest.mark.parametrize('verb', VERBS)
@pytest.mark.parametrize('used', ['by writing', 'by reading', 'by missing', 'by listing'])
def test_every_verb_says_that_the_root_is_gone(
    app: Flask, storage: fs.Storage, root: Path, used: str, verb: str
) -> None:
    (root / 'd').mkdir(parents=True)
    for name in ('a.txt', 'd/b.txt'):
        (root / name).write_text('content')
    if used == 'by writing':
        storage.write('c.txt', 'content')
    elif used == 'by reading':
        storage.read('a.txt')
    elif used == 'by missing':
        assert not storage.exists('c.txt')
    else:
        assert set(storage.list_files()) == {'a.txt', 'd/b.txt'}
    shutil.rmtree(root)
    with app.test_request_context(), pytest.raises(fs.Unavailable, match=r'is gone\. Mount its volume') as caught:
        VERBS[verb](storage)
    assert str(root) in str(caught.value)
    assert not root.exists()


def test_the_root_is_used_again_when_it_is_back(app: Flask, storage: fs.Storage, root: Path) -> None:
    storage.write('a.txt', 'content')
    away = root.rename(root.with_name('away'))
    client = app.test_client()
    assert client.get(storage.url('a.txt')).status_code == 503
    away.rename(root)
    assert client.get(storage.url('a.txt')).data == b'content'
    storage.write('b/c.txt', 'more')
    assert set(storage.list_files()) == {'a.txt', 'b/c.txt'}


def test_what_goes_while_it_is_listed_is_no_end_of_the_list(app: Flask, storage: fs.Storage, root: Path) -> None:
    for number in range(3):
        storage.write(f'{number}/x.txt', 'content')
    listed = storage.scan()
    next(listed)
    shutil.rmtree(root)
    with pytest.raises(fs.Unavailable):
        list(listed)


def test_a_folder_may_be_the_first_thing_that_is_listed(app: Flask, storage: fs.Storage, root: Path) -> None:
    (root / 'a').mkdir(parents=True)
    assert list(storage.list_files('a/')) == []
    assert list(storage.list_files('b/')) == []


def test_a_new_application_finds_nothing_and_makes_the_root(app: Flask, storage: fs.Storage, root: Path) -> None:
    assert list(storage.list_files()) == []
    assert not storage.exists('a.txt')
    storage.delete('a.txt')
    with pytest.raises(fs.FileNotFound):
        storage.read('a.txt')
    storage.write('a.txt', 'content')
    assert (root / 'a.txt').read_text() == 'content'


def test_a_folder_in_the_root_may_come_and_go(app: Flask, storage: fs.Storage, root: Path) -> None:
    storage.write('a/b.txt', 'content')
    shutil.rmtree(root / 'a')
    assert not storage.exists('a/b.txt')
    assert list(storage.list_files('a/')) == []
    storage.write('a/b.txt', 'content')
    assert storage.exists('a/b.txt')


def test_an_override_may_give_a_path_object(tmp_path: Path) -> None:
    class WithPaths(LocalBackend):
        def path(self, filename: str) -> Any:
            return Path(super().path(filename))

    backend = WithPaths('docs', {'root': str(tmp_path / 'root')})
    assert not backend.exists('a/b')
    backend.write('a/b', b'content')
    assert backend.read('a/b') == b'content'
    assert list(backend.list_files('a/')) == list(backend.list_files()) == ['a/b']
    assert str(tmp_path / 'root' / 'a' / 'b') == os.fspath(backend.path('a/b'))
    shutil.rmtree(tmp_path / 'root')
    with pytest.raises(fs.Unavailable):
        backend.exists('a/b')


def test_an_override_that_puts_files_elsewhere_needs_no_root(tmp_path: Path) -> None:
    class Hashed(LocalBackend):
        def path(self, filename: str) -> str:
            return os.path.join(tmp_path, filename.upper())

    backend = Hashed('docs', {'root': str(tmp_path / 'nowhere')})
    backend.write('a', b'content')
    assert not backend.exists('b')
    assert backend.read('a') == b'content'
