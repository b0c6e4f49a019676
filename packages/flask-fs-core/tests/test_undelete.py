"""Deleted files that can be restored: what the storage makes of the setting RETENTION_DAYS."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.local import LocalBackend


def make(root: Path, **settings: Any) -> tuple[Flask, fs.Storage]:
    app, storage = Flask('bin'), fs.Storage('docs', fs.ALL)
    app.config.update({'FS_ROOT': str(root), 'FS_RETENTION_DAYS': 7, **settings})
    fs.init_app(app, storage)
    return app, storage


def test_without_the_setting_nothing_is_kept(tmp_path: Path) -> None:
    _, storage = make(tmp_path, FS_RETENTION_DAYS=0)
    storage.write('a.txt', 'a')
    storage.remove('a.txt')
    assert list(storage.deleted()) == []
    assert not (tmp_path / 'docs' / '.fs-deleted').exists()


def test_a_restored_file_is_announced_with_its_attributes() -> None:
    app, storage = Flask('bin'), fs.Storage('docs', fs.ALL)
    app.config.update(FS_BACKEND='memory', FS_RETENTION_DAYS=7)
    fs.init_app(app, storage)
    storage.write('page.html', '<p>', mime='application/octet-stream', metadata={'owner': '7'})
    before = storage.stat('page.html')
    storage.remove('page.html')
    announced: list[Any] = []

    def receive(_: Any, info: Any) -> None:
        announced.append(info)

    with fs.file_saved.connected_to(receive, sender=storage):
        storage.restore('page.html')
    assert announced == [storage.stat('page.html')]
    assert announced[0].attributes == before.attributes
    assert announced[0].checksum == before.checksum


def test_one_of_several_is_restored_by_its_time(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    times = []
    for content in ('first', 'second'):
        storage.write('a.txt', content)
        storage.remove('a.txt')
        times.append(max(file.deleted for file in storage.deleted()))
    storage.restore('a.txt', deleted=times[0])
    assert storage.read('a.txt') == b'first'
    with pytest.raises(fs.FileNotFound):
        storage.restore('other.txt', deleted=times[0])
    storage.remove('a.txt')
    with pytest.raises(fs.FileNotFound):
        storage.restore('a.txt', deleted=datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc))


def test_the_setting_may_end_and_what_was_kept_is_still_there(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    storage.write('a.txt', 'a')
    storage.remove('a.txt')
    _, later = make(tmp_path, FS_RETENTION_DAYS=0)
    assert later.backend.sweep() == 0
    assert [file.name for file in later.deleted()] == ['a.txt']
    later.restore('a.txt')
    assert later.read('a.txt') == b'a'


def test_two_applications_keep_apart_what_they_delete(tmp_path: Path) -> None:
    storage = fs.Storage('docs', fs.ALL)
    apps = []
    for name in ('one', 'two'):
        app = Flask(name)
        app.config.update(FS_ROOT=str(tmp_path / name), FS_RETENTION_DAYS=7)
        fs.init_app(app, storage)
        apps.append(app)
    with apps[0].app_context():
        storage.write('a.txt', 'a')
        storage.remove('a.txt')
    with apps[1].app_context():
        assert list(storage.deleted()) == []
        with pytest.raises(fs.FileNotFound):
            storage.restore('a.txt')


def test_nothing_is_left_on_the_disk_when_all_is_restored_or_purged(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    for name in ('a/b/c.txt', 'a/b/d.txt', 'e.txt'):
        storage.write(name, name)
        storage.remove(name)
    storage.restore('a/b/c.txt')
    storage.purge('a/b/d.txt')
    storage.purge('e.txt')
    root = tmp_path / 'docs'
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob('*')) == ['a', 'a/b', 'a/b/c.txt']


def test_what_lies_in_the_hidden_folder_and_was_not_deleted_is_no_deleted_file(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    storage.write('a.txt', 'a')
    storage.remove('a.txt')
    hidden = tmp_path / 'docs' / '.fs-deleted'
    for stray in (
        'stray',
        'b.txt/stray',
        'b.txt/.fs-deleted-20261399T000000000000Z-0123456789abcdef.txt',
        '.fs-deleted-x',
    ):
        (hidden / stray).parent.mkdir(exist_ok=True)
        (hidden / stray).write_text('')
    assert [file.name for file in storage.deleted()] == ['a.txt']
    assert list(storage.list_files()) == []


def test_a_name_that_is_too_long_to_be_kept_is_not_deleted(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    name = '/'.join(['x' * 200] * 5)
    storage.write(name, 'a')
    with pytest.raises(fs.OperationNotSupported, match='too long'):
        storage.delete(name)
    assert storage.read(name) == b'a'


def test_a_failure_of_the_disk_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, storage = make(tmp_path)
    for name in ('d/1', 'd/2'):
        storage.write(name, name)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, 'no space left')

    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(fs.BackendError):
        storage.delete('d')
    with pytest.raises(fs.DeletionFailed) as caught:
        storage.delete_many(['d/1', 'd/2', 'd/3'])
    assert sorted(caught.value.failures) == ['d/1', 'd/2']
    assert sorted(storage.list_files()) == ['d/1', 'd/2']


def test_a_legacy_backend_is_refused_at_the_start(tmp_path: Path) -> None:
    class Legacy(BaseBackend):
        def delete(self, filename: str) -> None: ...

    with pytest.raises(fs.ConfigurationError, match='DOCS_FS_RETENTION_DAYS = 0'):
        make(tmp_path, DOCS_FS_BACKEND=Legacy)
    _, storage = make(tmp_path, DOCS_FS_BACKEND=Legacy, DOCS_FS_RETENTION_DAYS=0)
    for call in (storage.deleted, lambda: storage.restore('a'), lambda: storage.purge('a')):
        with pytest.raises(fs.OperationNotSupported):
            call()


@pytest.mark.parametrize('name', ['.fs-deleted', '.fs-deleted/a', 'a/.fs-deleted-1', '.FS-Deleted/a'])
def test_the_hidden_names_are_no_filenames(tmp_path: Path, name: str) -> None:
    _, storage = make(tmp_path)
    for verb in (storage.read, storage.remove, storage.restore, storage.purge, storage.url, storage.folder):
        with pytest.raises(fs.InvalidFilename):
            verb(name)


def test_a_subclass_with_paths_of_its_own_keeps_deleted_files_there(tmp_path: Path) -> None:
    class Elsewhere(LocalBackend):
        def path(self, filename: str) -> str:
            return super().path(filename).replace('/docs/', '/elsewhere/')

    _, storage = make(tmp_path, DOCS_FS_BACKEND=Elsewhere)
    storage.write('a.txt', 'a')
    storage.remove('a.txt')
    assert (tmp_path / 'elsewhere' / '.fs-deleted').is_dir()
    storage.restore('a.txt')
    assert storage.read('a.txt') == b'a'


def test_a_file_with_a_long_extension_is_kept(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    name = f'a.{"b" * 253}'
    storage.write(name, 'a')
    storage.remove(name)
    assert [file.name for file in storage.deleted()] == [name]
    storage.restore(name)
    assert storage.read(name) == b'a'


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such names')
def test_deleting_a_folder_leaves_alone_what_could_not_be_restored(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    storage.write('a/one.txt', '1')
    storage.write('a/two.txt', '2')
    folder = tmp_path / 'docs' / 'a'
    foreign = [b'new\nline', b'back\\slash', b'no utf-8 \xff', b'.fs-tmp-7']
    for name in foreign:
        with open(os.path.join(os.fsencode(folder), name), 'wb'):
            pass
    storage.write('a/empty/c.txt', '3')
    storage.delete('a')
    assert sorted(os.listdir(os.fsencode(folder))) == sorted(foreign)
    storage.purge('a/empty/c.txt')
    assert sorted(file.name for file in storage.deleted()) == ['a/one.txt', 'a/two.txt']


def test_a_deleted_folder_is_gone(tmp_path: Path) -> None:
    """Thousands of empty ones would make listings slow."""
    _, storage = make(tmp_path)
    for name in ('a/b/c/1', 'a/b/2', 'a/3', 'ab/4'):
        storage.write(name, name)
    storage.delete('a')
    assert sorted(os.listdir(tmp_path / 'docs')) == ['.fs-deleted', 'ab']
    storage.restore('a/b/c/1')
    assert storage.read('a/b/c/1') == b'a/b/c/1'


@pytest.mark.skipif(os.name == 'nt', reason='needs symbolic links')
def test_deleting_touches_nothing_behind_a_symbolic_link(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    (tmp_path / 'elsewhere' / 'empty').mkdir(parents=True)
    storage.write('a/1', '1')
    (tmp_path / 'docs' / 'link').symlink_to(tmp_path / 'elsewhere')
    storage.delete('link')
    storage.delete('link/empty')
    assert (tmp_path / 'elsewhere' / 'empty').is_dir()


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such names')
def test_what_has_no_possible_name_is_not_swept(tmp_path: Path) -> None:
    _, storage = make(tmp_path)
    storage.write('a', '1')
    storage.remove('a')
    folder = tmp_path / 'docs' / '.fs-deleted'
    for name in ('new\nline', 'b'):
        (folder / name).mkdir()
        (folder / name / f'.fs-deleted-20200101T000000000000Z-{"0" * 16}').write_text('')
    assert storage.backend.sweep() == 1
    assert [file.name for file in storage.deleted()] == ['a']


def test_files_are_kept_no_longer_than_dates_can_say(tmp_path: Path) -> None:
    _, storage = make(tmp_path, FS_RETENTION_DAYS=36_500)
    storage.write('a', '1')
    storage.remove('a')
    assert storage.backend.sweep() == 0
    with pytest.raises(fs.ConfigurationError, match='from 0 to 36500'):
        make(tmp_path, FS_RETENTION_DAYS=36_501)


def test_what_is_listed_under_a_folder_is_not_the_file_of_its_name() -> None:
    app, storage = Flask('bin'), fs.Storage('docs', fs.ALL)
    app.config.update(FS_BACKEND='memory', FS_RETENTION_DAYS=7)
    fs.init_app(app, storage)
    for name in ('reports', 'reports/may'):
        storage.write(name, '')
        storage.remove(name)
    assert [file.name for file in storage.deleted('reports/')] == ['reports/may']
    assert sorted(file.name for file in storage.deleted('reports')) == ['reports', 'reports/may']
