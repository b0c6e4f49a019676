"""Attributes, compare and swap, folders, usage and removing many: what the storage decides, on whichever backend."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, ClassVar
from unittest.mock import MagicMock, call, create_autospec

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.storage import Usage

AppFactory = Callable[..., Flask]

EVERYTHING: dict[str, Any] = {
    'mime': 'text/markdown',
    'cache_control': 'max-age=60',
    'content_encoding': 'gzip',
    'content_language': 'de',
    'download_name': 'Über.txt',
    'metadata': {'owner': 'Ada', 'note': 'zwei\nZeilen'},
}
HOSTILE = ['../a', '/a', 'a//b', 'a/', 'a\\b', 'a\0', '.', '..', '\ud800', '.fs-tmp-1']


class Untouched(io.BytesIO):
    """A source that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError('it was read')


class Custom(BaseBackend):
    """A legacy backend, with only the documented methods."""

    files: ClassVar[dict[str, bytes]] = {}

    def exists(self, filename: str) -> bool:
        return filename in self.files

    def read(self, filename: str) -> bytes:
        return self.files[filename]

    def write(self, filename: str, content: Any, *_: Any) -> Any:
        self.files[filename] = self.as_binary(content)

    def delete(self, filename: str) -> None:
        for name in [name for name in self.files if f'{name}/'.startswith(f'{filename}/')]:
            del self.files[name]

    def list_files(self, *_: Any) -> Iterator[str]:
        return iter(sorted(self.files))


@pytest.fixture
def custom(make_app: AppFactory) -> Iterator[fs.Storage]:
    storage = fs.Storage('files', fs.ALL)
    Custom.files.clear()
    with make_app(storage, FS_BACKEND=Custom).app_context():
        yield storage


@pytest.fixture
def memory(make_app: AppFactory) -> Iterator[fs.Storage]:
    """A storage on a backend that keeps all attributes, and compares and swaps."""
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory').app_context():
        yield storage


def kept(storage: fs.Storage, filename: str) -> dict[str, Any]:
    return {name: getattr(storage.stat(filename), name) for name in EVERYTHING}


# --- Attributes.


def test_each_way_of_storing_takes_attributes(memory: fs.Storage) -> None:
    memory.save(io.BytesIO(b'1'), 'a.txt', **EVERYTHING)
    memory.save(io.BytesIO(b'1'), 'a.txt', conflict='rename', **EVERYTHING)
    memory.write('b.txt', b'1', **EVERYTHING)
    with memory.open('c.txt', 'w', encoding='utf-16', **EVERYTHING) as file:
        file.write('1')
    memory.scoped('t').write('d.txt', b'1', **EVERYTHING)
    for name in ('a.txt', 'a_1.txt', 'b.txt', 'c.txt', 't/d.txt'):
        assert kept(memory, name) == EVERYTHING, name
    assert memory.read('c.txt') == '1'.encode('utf-16')


def test_copies_have_the_attributes_and_replacing_has_only_its_own(memory: fs.Storage, make_app: AppFactory) -> None:
    memory.write('a.txt', b'1', **EVERYTHING)
    memory.copy('a.txt', 'b.txt')
    memory.move('b.txt', 'c.txt')
    memory.transfer('c.txt', memory, 'd.txt')
    memory.transfer('c.txt', memory, 'e.txt', attributes=False)
    assert kept(memory, 'c.txt') == kept(memory, 'd.txt') == EVERYTHING
    nothing = dict.fromkeys(EVERYTHING) | {'mime': 'text/plain', 'metadata': {}}
    assert kept(memory, 'e.txt') == nothing
    memory.write('a.txt', b'2', overwrite=True)
    assert kept(memory, 'a.txt') == nothing


def test_an_attribute_that_is_given_wins_over_that_of_the_upload(memory: fs.Storage) -> None:
    upload = FileStorage(io.BytesIO(b'1'), 'a.txt', content_type='text/csv')
    memory.write('a.txt', upload)
    memory.write('b.txt', upload, mime='text/markdown')
    assert [memory.stat(name).mime for name in ('a.txt', 'b.txt')] == ['text/csv', 'text/markdown']


def test_only_what_is_named_changes(memory: fs.Storage) -> None:
    memory.write('a.txt', b'1', **EVERYTHING)
    etag = memory.stat('a.txt').etag
    memory.set_attributes('a.txt', cache_control=None, metadata={'new': '1'})
    assert kept(memory, 'a.txt') == EVERYTHING | {'cache_control': None, 'metadata': {'new': '1'}}
    memory.set_attributes('a.txt')
    assert kept(memory, 'a.txt')['metadata'] == {'new': '1'}
    assert memory.read('a.txt') == b'1'
    assert etag is not None
    with pytest.raises(fs.FileNotFound):
        memory.set_attributes('none', mime='text/plain')


@pytest.mark.parametrize(
    'given',
    [{'mime': 'no type'}, {'download_name': '../x'}, {'metadata': {'Bad Name': ''}}, {'cache_control': 'a\r\nb'}],
)
def test_a_malformed_attribute_is_refused_before_anything_is_read(app: Flask, storage: fs.Storage, given: Any) -> None:
    storage.write('there', '')
    for store in (
        lambda: storage.save(Untouched(), 'a', **given),
        lambda: storage.write('a', Untouched(), **given),
        lambda: storage.open('a', 'wb', **given),
        lambda: storage.set_attributes('there', **given),
    ):
        with pytest.raises(ValueError, match=r'.'):
            store()
    assert list(storage.list_files()) == ['there']


def test_what_is_no_attribute_is_a_mistake_of_the_caller(app: Flask, storage: fs.Storage) -> None:
    storage.write('there', '')
    calls: list[Callable[[], Any]] = [
        lambda: storage.save(Untouched(), 'a', color='red'),  # type: ignore[call-arg]
        lambda: storage.write('a', Untouched(), color='red'),  # type: ignore[call-arg]
        lambda: storage.open('a', 'wb', color='red'),
        lambda: storage.set_attributes('there', color='red'),  # type: ignore[call-arg]
    ]
    for store in calls:
        with pytest.raises(TypeError, match=r'color|argument'):
            store()
    with pytest.raises(ValueError, match=r'set_attributes\(\)'):
        storage.open('there', 'r', mime='text/plain')
    assert list(storage.list_files()) == ['there']


def test_what_a_legacy_backend_cannot_keep_is_refused_at_the_call(custom: fs.Storage) -> None:
    custom.write('there', '')
    for name, value in EVERYTHING.items():
        for store in (
            lambda given: custom.save(Untouched(), 'a', **given),
            lambda given: custom.write('a', Untouched(), **given),
            lambda given: custom.open('a', 'wb', **given),
            lambda given: custom.set_attributes('there', **given),
        ):
            with pytest.raises(fs.OperationNotSupported):
                store({name: value})
    for store_one in (
        lambda: custom.save(Untouched(), 'there', if_match='x'),
        lambda: custom.write('there', Untouched(), if_match='x'),
    ):
        with pytest.raises(fs.OperationNotSupported, match='compare and swap'):
            store_one()
    # None is no attribute.
    assert custom.save(io.BytesIO(b'1'), 'b', mime=None, metadata=None) == 'b'
    assert sorted(custom.list_files()) == ['b', 'there']


@pytest.mark.parametrize('make', [MagicMock, lambda: create_autospec(BaseBackend, instance=True)])
def test_a_double_gets_no_argument_that_is_not_documented(
    app: Flask, storage: fs.Storage, make: Callable[[], Any]
) -> None:
    storage.backend = double = make()
    double.exists.return_value = False
    file = io.BytesIO(b'1')
    for store in (
        lambda: storage.save(file, 'a', mime='text/plain'),
        lambda: storage.write('a', file, metadata={'a': '1'}),
        lambda: storage.open('a', 'wb', download_name='x'),
        lambda: storage.set_attributes('a', mime='text/plain'),
        lambda: storage.save(file, 'a', if_match='x'),
        lambda: storage.write('a', file, if_match='x'),
    ):
        with pytest.raises(fs.OperationNotSupported):
            store()
    assert not [name for name, *_ in double.mock_calls if name in ('save', 'write', 'open')]
    storage.save(file, 'a', conflict='error')
    storage.save(file, 'b', conflict='replace')
    storage.write('c', 'x')
    assert double.save.call_args_list[0] == call(file, 'a')
    assert double.write.mock_calls == [call('c', 'x')]


def test_one_storage_keeps_attributes_in_the_application_that_can(make_app: AppFactory) -> None:
    storage = fs.Storage('files', fs.ALL)
    able, unable = make_app(storage, FS_BACKEND='memory'), make_app(storage, FS_BACKEND=Custom)
    with able.app_context():
        storage.write('a', '1', metadata={'a': '1'})
        assert storage.stat('a').metadata == {'a': '1'}
    with unable.app_context(), pytest.raises(fs.OperationNotSupported):
        storage.write('a', '1', metadata={'a': '1'})


# --- Compare and swap.


def test_who_saves_an_older_version_learns_it(memory: fs.Storage) -> None:
    memory.write('a', 'one')
    first = memory.stat('a').etag
    memory.write('a', 'two', if_match=first)
    file = io.BytesIO(b'skipped three')
    file.seek(8)
    with pytest.raises(fs.Changed) as caught:
        memory.save(file, 'a', if_match=first)
    assert (caught.value.filename, file.tell()) == ('a', 8)
    memory.remove('a')
    with pytest.raises(fs.Changed):
        memory.write('a', 'four', if_match=first)
    assert not memory.exists('a')


# --- Folders, usage, many.


def test_a_folder_is_listed_page_by_page(app: Flask, storage: fs.Storage) -> None:
    for name in ('top', 'd/a', 'd/b', 'd/c/x', 'd/c/y', 'd/e/f/g', 'd-other', 'dd/x'):
        storage.write(name, name)
    files, folders, after = [], [], None
    while True:
        page = storage.folder('d', after=after, limit=2)
        assert len(page.files) + len(page.folders) <= 2
        files += [(info.name, info.size) for info in page.files]
        folders += page.folders
        if (after := page.next) is None:
            break
    assert (sorted(files), sorted(folders)) == ([('d/a', 3), ('d/b', 3)], ['d/c', 'd/e'])
    assert storage.folder('d/') == storage.folder('d')
    for absent in ('none', 'd/a', 'top', 'd/c/x'):
        page = storage.folder(absent)
        assert (page.files, page.folders, page.next) == ([], [], None)


@pytest.mark.parametrize('name', HOSTILE)
def test_no_hostile_name_is_a_folder_or_removed(app: Flask, storage: fs.Storage, name: str) -> None:
    storage.write('a', '1')
    if name != 'a/':  # A slash at the end is that of a folder.
        with pytest.raises(fs.InvalidFilename):
            storage.folder(name)
    for act in (lambda: storage.delete_many(['a', name]), lambda: storage.set_attributes(name, mime='text/plain')):
        with pytest.raises(fs.InvalidFilename):
            act()
    assert list(storage.list_files()) == ['a']


@pytest.mark.parametrize('after', ['\ud800', b'a', 7])
def test_what_is_no_token_of_a_page_is_refused(app: Flask, storage: fs.Storage, after: Any) -> None:
    for any_storage in (storage, storage.scoped('t')):
        with pytest.raises(ValueError, match='after'):
            any_storage.folder(after=after)


@pytest.mark.parametrize('limit', [0, -1, 1001, 1.5, True, '10', None])
def test_a_limit_is_what_every_store_can_give(app: Flask, storage: fs.Storage, limit: Any) -> None:
    for any_storage in (storage, storage.scoped('t')):
        with pytest.raises(ValueError, match='1 to 1000'):
            any_storage.folder(limit=limit)


def test_usage_counts_what_begins_with_a_prefix(app: Flask, storage: fs.Storage) -> None:
    assert storage.usage() == Usage(0, 0)
    for name, size in (('a/b', 10), ('a/c', 0), ('ab', 5)):
        storage.write(name, b'x' * size)
    assert storage.usage() == (3, 15)
    assert storage.usage('a/').bytes == 10
    assert storage.usage('a').files == 3
    assert storage.usage('../') == (0, 0)


def test_many_are_removed_exactly(app: Flask, storage: fs.Storage) -> None:
    for name in ('a/b', 'ab', 'c', 'd'):
        storage.write(name, '')
    storage.delete_many(name for name in ('a', 'c', 'c', 'none', 'ab'))
    storage.delete_many([])
    assert sorted(storage.list_files()) == ['a/b', 'd']


def test_each_failure_is_about_its_own_file(memory: fs.Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: Any = memory.backend
    shared = backend.error(fs.PermissionDenied, 'a', 'the request was refused')
    monkeypatch.setattr(backend, '_remove_many', lambda names: dict.fromkeys(names, shared))
    with pytest.raises(fs.DeletionFailed) as caught:
        memory.delete_many(['a', 'b'])
    found = {name: (type(error), error.filename, error.reason) for name, error in caught.value.failures.items()}
    assert found == {name: (fs.PermissionDenied, name, shared.reason) for name in ('a', 'b')}
    assert caught.value.failures['b'].__cause__ is shared


def test_text_is_no_list_of_names(app: Flask, storage: fs.Storage) -> None:
    """It would remove the files named by its characters."""
    for name in 'abc':
        storage.write(name, '')
    with pytest.raises(TypeError, match='abc'):
        storage.delete_many('abc')
    assert sorted(storage.list_files()) == ['a', 'b', 'c']


def test_a_legacy_backend_lists_folders_counts_and_removes_many(custom: fs.Storage) -> None:
    for name in ('a/b', 'a/c/d', 'e', 'f'):
        custom.write(name, name)
    with pytest.raises(ValueError, match='after'):
        custom.folder('a', after='\ud800')
    page = custom.folder('a')
    assert ([info.name for info in page.files], page.folders) == (['a/b'], ['a/c'])
    assert custom.usage() == (4, 10)
    # Its delete would remove what is under `a` too.
    with pytest.raises(fs.DeletionFailed) as caught:
        custom.delete_many(['e', 'a', 'none'])
    assert {name: type(error) for name, error in caught.value.failures.items()} == {'a': fs.OperationNotSupported}
    assert sorted(custom.list_files()) == ['a/b', 'a/c/d', 'f']


def test_a_double_is_deleted_from_one_by_one(app: Flask, storage: fs.Storage) -> None:
    double = MagicMock(spec=['delete', 'exists'])
    storage.backend = double
    storage.delete_many(['a', 'b', 'a'])
    assert double.delete.mock_calls == [call('a'), call('b')]


@pytest.mark.parametrize('attributes', [{}, {'mime': 'text/html'}, {'metadata': {'a': '1'}}])
def test_metadata_belongs_to_whoever_gets_it(app: Flask, storage: fs.Storage, attributes: Any) -> None:
    """Changing it changes no file: neither this one nor those stored later."""
    storage.write('a', '', **attributes)
    kept = storage.stat('a').attributes
    for info in (storage.stat('a'), *storage.scan()):
        info.metadata['changed'] = 'yes'
    storage.write('b', '', mime='text/html')
    storage.copy('a', 'c')
    assert storage.stat('a').attributes == storage.stat('c').attributes == kept
    assert storage.stat('b').metadata == {}
