"""Views of a storage: of one folder, without changes, and both."""

from __future__ import annotations

import copy
import datetime
import io
import os
import pickle
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs import names
from flask_fs.backends.memory import MemoryBackend
from flask_fs.references import FileReference
from flask_fs.verbs.scoped import CHANGING, READING

HOSTILE = [
    '..',
    '../other.txt',
    '../70/x.txt',
    'a/../../../secret.txt',
    './a',
    '/secret.txt',
    '//x',
    'a//b',
    'a/',
    '',
    '.',
    '\\..\\secret.txt',
    '..\\secret.txt',
    'a\0b',
    'a\nb',
    '\ud800',
    '.fs-tmp-1',
    '../7/own.txt',
    'x' * 1017,
]


@pytest.fixture
def view(app: Flask, storage: fs.Storage) -> fs.Storage:
    """One folder of a storage that has files around it, also under names that only begin alike."""
    for name in ('secret.txt', 'tenants/70/x.txt', 'tenants/7.txt', 'tenants/8/own.txt', 'tenants/7/own.txt'):
        storage.write(name, name)
    return storage.scoped('tenants/7')


def content(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in storage.list_files()}


def test_a_view_is_a_storage_that_names_its_files_by_themselves(storage: fs.Storage, view: fs.Storage) -> None:
    assert isinstance(view, fs.Storage)
    assert view.save(io.BytesIO(b'1'), 'a.txt', prefix='in') == 'in/a.txt'
    view.write('b.txt', '22')
    with view.open('c.txt', 'w') as file:
        file.write('333')
    view.copy('c.txt', 'd.txt')
    view.move('d.txt', 'in/e.txt')
    whole = {'tenants/7/in/a.txt': 1, 'tenants/7/b.txt': 2, 'tenants/7/c.txt': 3, 'tenants/7/in/e.txt': 3}
    assert {info.name: info.size for info in storage.scan('tenants/7/') if 'own' not in info.name} == whole
    assert sorted(view.list_files()) == ['b.txt', 'c.txt', 'in/a.txt', 'in/e.txt', 'own.txt']
    assert sorted(view.list_files('in/')) == ['in/a.txt', 'in/e.txt']
    assert sorted(info.name for info in view.scan('in/a')) == ['in/a.txt']
    assert (view.stat('in/a.txt').name, view.stat('in/a.txt').size) == ('in/a.txt', 1)
    assert view.read('b.txt') == b'22'
    assert view.read_range('c.txt', 1) == b'33'
    assert b''.join(view.read_chunks('c.txt')) == b'333'
    assert 'b.txt' in view
    assert 'tenants/7/b.txt' not in view
    assert view.metadata('in/a.txt')['filename'] == 'a.txt'
    assert view.usage() == (5, 9 + len('tenants/7/own.txt'))
    assert view.usage('in/') == (2, 4)


def test_a_view_lists_one_folder_at_a_time(view: fs.Storage) -> None:
    view.write('in/a.txt', '')
    view.write('in/deep/b.txt', '')
    for top in ('', '/'):
        page = view.folder(top)
        assert ([info.name for info in page.files], page.folders, page.next) == (['own.txt'], ['in'], None)
    page = view.folder('in')
    assert view.folder('in/') == page
    assert ([info.name for info in page.files], page.folders) == (['in/a.txt'], ['in/deep'])
    first = view.folder('in', limit=1)
    rest = view.folder('in', limit=1, after=first.next)
    assert {*first.folders, *rest.folders, *(info.name for info in (*first.files, *rest.files))} == {
        'in/a.txt',
        'in/deep',
    }


@pytest.mark.parametrize('name', HOSTILE, ids=ascii)
def test_no_name_leads_out_of_the_folder(storage: fs.Storage, view: fs.Storage, name: str) -> None:
    """Neither as a name nor as a target, a prefix, a folder, or the continuation of one."""
    before = content(storage)
    upload = io.BytesIO(b'evil')
    calls: list[Callable[[], Any]] = [
        lambda: view.write(name, b'evil', overwrite=True),
        lambda: view.open(name, 'wb'),
        lambda: view.read(name),
        lambda: view.open(name, 'rb'),
        lambda: view.exists(name),
        lambda: view.stat(name),
        lambda: view.metadata(name),
        lambda: view.path(name),
        lambda: view.local_file(name).__enter__(),
        lambda: view.serve(name),
        lambda: view.signed_url(name),
        lambda: view.remove(name),
        lambda: view.delete(name),
        lambda: view.delete_many(['own.txt', name]),
        lambda: view.copy('own.txt', name, overwrite=True),
        lambda: view.copy(name, 'stolen.txt'),
        lambda: view.move('own.txt', name, overwrite=True),
        lambda: view.move(name, 'stolen.txt'),
        lambda: view.transfer(name, view, 'stolen.txt'),
        lambda: view.transfer('own.txt', view, name, overwrite=True),
        lambda: view.set_attributes(name),
        lambda: view.restore(name),
        lambda: view.purge(name),
    ]
    for call in calls:
        with pytest.raises(fs.InvalidFilename):
            call()
    if name:
        with pytest.raises(fs.InvalidFilename):
            view.save(upload, name, overwrite=True)
    for prefix in (name, f'{name}/', f'/{name}'):
        assert all(found == 'own.txt' for found in view.list_files(prefix)), prefix
        assert all(info.name == 'own.txt' for info in view.scan(prefix)), prefix
    # What UTF-8 cannot encode is no token.
    for after in (name.replace('\ud800', 'x'), 'tenants', 'tenants/70', '\U0010ffff'):
        page = view.folder(after=after)
        assert {info.name for info in page.files} <= {'own.txt'}
        assert page.folders == []
    if name.strip('/'):
        with pytest.raises(fs.InvalidFilename):
            view.scoped(name if name != 'a/' else 'a//')
    assert content(storage) == before


@pytest.mark.parametrize(
    'folder', ['', '/', '..', 'tenants/..', '/tenants', 'a//b', 'a//', '.', 'a\\b', 'a\n', '.fs-tmp-1']
)
def test_what_is_no_folder_has_no_view(storage: fs.Storage, folder: str) -> None:
    with pytest.raises(fs.InvalidFilename):
        storage.scoped(folder)


@pytest.mark.parametrize('folder', ['Ünï çødé', '.hidden', 'A b', '火', 'e\u0301', 'tenants/%2e%2e', "it's"])
def test_a_folder_is_used_literally(app: Flask, storage: fs.Storage, folder: str) -> None:
    view = storage.scoped(folder)
    assert view.save(FileStorage(io.BytesIO(b'1'), filename='Ä b.txt')) == 'Ä_b.txt'
    assert list(view.list_files()) == ['Ä_b.txt']
    assert list(storage.list_files()) == [f'{folder}/Ä_b.txt']


def test_where_a_name_and_its_folder_are_too_long_the_error_has_the_name(view: fs.Storage) -> None:
    name = 'x' * 100 + '/' + 'y' * 914
    assert names.check(name) == name
    with pytest.raises(fs.InvalidFilename, match='1024') as caught:
        view.write(name, '')
    assert caught.value.filename == name


def test_a_view_of_a_view_is_a_view_of_the_storage(app: Flask, storage: fs.Storage) -> None:
    inner = storage.scoped('a').scoped('b/')
    inner.write('c', '')
    assert list(storage.list_files()) == ['a/b/c']
    assert inner == storage.scoped('a/b')
    with pytest.raises(fs.InvalidFilename):
        inner.read('../c')


def test_views_of_the_same_folder_are_equal(storage: fs.Storage) -> None:
    view, other = storage.scoped('a'), fs.Storage('files', fs.ALL)
    assert view == storage.scoped('a/')
    assert hash(view) == hash(storage.scoped('a'))
    different = {storage, view, storage.scoped('b'), view.read_only(), storage.read_only(), other.scoped('a'), other}
    assert len(different) == 7
    assert view.read_only() == storage.read_only().scoped('a')
    assert view.read_only().read_only() == view.read_only()


def test_a_view_names_its_storage_folder_and_limits(storage: fs.Storage) -> None:
    assert repr(storage.scoped('a/b')) == "<Storage 'files'>.scoped('a/b')"
    assert repr(storage.scoped('a').read_only()) == "<Storage 'files'>.scoped('a').read_only()"
    assert storage.scoped('a').name == 'files'


def test_a_copy_of_a_view_is_the_view(storage: fs.Storage) -> None:
    view = storage.scoped('a')
    assert copy.deepcopy(view) is view
    assert copy.copy(view) is view


def test_a_view_has_the_attributes_of_its_storage_as_they_are_now(app: Flask, storage: fs.Storage) -> None:
    view = storage.scoped('a').read_only()
    storage.overwrite, storage.extensions = True, fs.TEXT
    assert (view.overwrite, view.extensions) == (True, fs.TEXT)
    assert not view.extension_allowed('exe')
    assert view.backend is storage.backend
    assert view.config == storage.config


def test_a_view_has_the_upload_to_basename_and_checks_of_its_storage(make_app: Any) -> None:
    seen = []
    storage = fs.Storage(
        'docs',
        fs.TEXT,
        upload_to='up',
        basename=lambda: 'named',
        overwrite=True,
        validators=[lambda file, filename: seen.append(filename)],
    )
    with make_app(storage, FS_BACKEND='memory').app_context():
        view = storage.scoped('t/7')
        for _ in range(2):
            assert view.save(FileStorage(io.BytesIO(b'1'), filename='mine.txt')) == 'up/named.txt'
        assert seen == ['t/7/up/named.txt'] * 2
        assert list(storage.list_files()) == ['t/7/up/named.txt']
        with pytest.raises(fs.UnauthorizedFileType) as caught:
            view.save(io.BytesIO(b'1'), 'a.exe')
        assert caught.value.filename == 'up/a.exe'


def test_the_next_available_name_is_one_in_the_folder(storage: fs.Storage, view: fs.Storage) -> None:
    view.write('own_1.txt', '')
    storage.write('own_1.txt', '')
    assert view.resolve_conflict('', 'own.txt') == 'own_2.txt'
    view.write('in/own_1.txt', '')
    assert view.resolve_conflict('in', 'own.txt') == 'own_2.txt'
    if view.root is not None:
        assert view.resolve_conflict(os.path.join(view.root, 'in'), 'own.txt') == 'own_2.txt'
    for folder in ('..', '../8', 'in/../..'):
        with pytest.raises(fs.InvalidFilename):
            view.resolve_conflict(folder, 'own.txt')
    # It has to fit with the folder of the view.
    long = 'd' * 250 + '/' + 'd' * 250 + '/' + 'd' * 250
    basename = view.resolve_conflict(long, 'n' * 255)
    assert len(f'tenants/7/{long}/{basename}') <= names.MAX_BYTES


def test_errors_have_the_names_of_the_view(view: fs.Storage) -> None:
    view.write('tenants/7/x', '')
    calls: list[tuple[type[fs.FSError], str, Callable[[], Any]]] = [
        (fs.FileNotFound, 'none', lambda: view.read('none')),
        (fs.FileNotFound, 'none', lambda: view.stat('none')),
        (fs.FileNotFound, 'none', lambda: view.open('none')),
        (fs.FileNotFound, 'none', lambda: view.read_chunks('none')),
        (fs.FileNotFound, 'none', lambda: view.local_file('none').__enter__()),
        (fs.FileNotFound, 'none', lambda: view.copy('none', 'b')),
        (fs.FileNotFound, 'none', lambda: view.transfer('none', view, 'b')),
        (fs.FileExists, 'own.txt', lambda: view.write('own.txt', '')),
        (fs.FileExists, 'own.txt', lambda: view.save(io.BytesIO(), 'own.txt')),
        (fs.FileExists, 'own.txt', lambda: view.open('own.txt', 'x')),
        (fs.FileExists, 'tenants/7/x', lambda: view.write('tenants/7/x', '')),
        (fs.FileExists, 'own.txt', lambda: view.transfer('tenants/7/x', view, 'own.txt')),
        (fs.InvalidFilename, '../x', lambda: view.read('../x')),
    ]
    for kind, name, call in calls:
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.filename == name
        assert repr(name) in str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).filename == name


def test_an_error_that_passes_through_two_verbs_is_renamed_once(make_app: Any) -> None:
    class Careful(fs.Storage):
        def read(self, filename: str) -> bytes:
            self.stat(filename)
            return super().read(filename)

    storage = Careful('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory').app_context(), pytest.raises(fs.FileNotFound) as caught:
        storage.scoped('a').read('a/x')
    assert caught.value.filename == 'a/x'


def test_a_file_closed_too_late_reports_the_name_of_the_view(view: fs.Storage) -> None:
    file = view.open('new.txt', 'x')
    view.write('new.txt', '')
    with pytest.raises(fs.FileExists) as caught:
        file.close()
    assert caught.value.filename == 'new.txt'


def test_of_many_files_those_that_stay_have_the_names_of_the_view(
    view: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    view.write('b.txt', '')
    remove = view.backend._remove

    def refuse(name: str) -> None:
        if name == 'tenants/7/own.txt':
            raise view.backend.error(fs.PermissionDenied, name)
        remove(name)

    def remove_each(names: Any) -> Any:
        return fs.BaseBackend._remove_many(view.backend, names)

    monkeypatch.setattr(view.backend, '_remove', refuse)
    monkeypatch.setattr(view.backend, '_remove_many', remove_each)
    with pytest.raises(fs.DeletionFailed) as caught:
        view.delete_many(['own.txt', 'b.txt'])
    assert list(caught.value.failures) == ['own.txt']
    assert (caught.value.filename, caught.value.failures['own.txt'].filename) == ('own.txt', 'own.txt')
    assert 'tenants' not in str(caught.value)
    assert list(view.list_files()) == ['own.txt']


def test_deleting_in_a_view_spares_what_is_beside_it(storage: fs.Storage, view: fs.Storage) -> None:
    view.write('in/a', '')
    view.write('7/a', '')
    view.delete('in')
    view.delete('7')
    view.delete_many(['own.txt', 'x.txt', 'tenants/8/own.txt'])
    view.remove('own.txt')
    assert sorted(storage.list_files()) == ['secret.txt', 'tenants/7.txt', 'tenants/70/x.txt', 'tenants/8/own.txt']


def test_files_are_transferred_from_and_to_views(storage: fs.Storage, view: fs.Storage) -> None:
    other = storage.scoped('tenants/8')
    assert view.transfer('own.txt', other, 'copy.txt') == 'copy.txt'
    assert view.transfer('own.txt', storage) == 'own.txt'
    assert storage.transfer('secret.txt', view) == 'secret.txt'
    assert storage.read('tenants/8/copy.txt') == storage.read('own.txt') == b'tenants/7/own.txt'
    assert view.read('secret.txt') == b'secret.txt'
    with pytest.raises(fs.FileExists) as caught:
        view.transfer('own.txt', storage, 'tenants/7/own.txt')
    assert caught.value.filename


def test_deleted_files_are_listed_restored_and_purged_in_the_folder(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FILES_FS_RETENTION_DAYS=7).app_context():
        view = storage.scoped('t')
        for name in ('a', 't/a', 't/b', 'tt/a'):
            storage.write(name, name)
        storage.delete_many(['a', 't/a', 't/b', 'tt/a'])
        assert sorted(file.name for file in view.deleted()) == ['a', 'b']
        assert [file.name for file in view.deleted('b')] == ['b']
        view.restore('a')
        view.purge('b')
        assert view.read('a') == b't/a'
        assert sorted(file.name for file in storage.deleted()) == ['a', 'tt/a']
        with pytest.raises(fs.FileNotFound) as caught:
            view.restore('b')
        assert caught.value.filename == 'b'


# --- Read-only.


def test_every_verb_is_known_as_one_that_reads_or_changes() -> None:
    """A new verb would else change files through a view that only reads."""
    verbs = {name for name in dir(fs.Storage) if not name.startswith('_') and callable(getattr(fs.Storage, name))}
    others = {
        'configure',
        'extension_allowed',
        'file_allowed',
        'local_file',
        'open',
        'read_only',
        'scoped',
        'signed_url',
    }
    assert verbs - others == READING | CHANGING


class Untouched(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError('it was read')


@pytest.mark.parametrize(
    'make', [lambda s: s.read_only(), lambda s: s.scoped('t').read_only(), lambda s: s.read_only().scoped('t')]
)
def test_a_read_only_view_changes_nothing(
    app: Flask, storage: fs.Storage, make: Callable[[fs.Storage], fs.Storage]
) -> None:
    storage.write('a', 'a')
    storage.write('t/a', 'a')
    view, source = make(storage), Untouched()
    calls: dict[str, Callable[[], Any]] = {
        'save': lambda: view.save(source, 'b'),
        'write': lambda: view.write('b', source),
        'open': lambda: view.open('b', 'w'),
        'create': lambda: view.open('b', 'xb'),
        'remove': lambda: view.remove('a'),
        'delete': lambda: view.delete('a'),
        'delete_many': lambda: view.delete_many(['a']),
        'accept_upload': lambda: view.accept_upload('token'),
        'copy': lambda: view.copy('a', 'b'),
        'move': lambda: view.move('a', 'b'),
        'purge': lambda: view.purge('a'),
        'restore': lambda: view.restore('a'),
        'set_attributes': lambda: view.set_attributes('a', mime='text/plain'),
        'transfer': lambda: storage.transfer('a', view, 'b'),
        'missing': lambda: storage.transfer('none', view, 'b'),
        'signed_upload': lambda: view.signed_upload('b'),
        'signed_url': lambda: view.signed_url('b', method='PUT'),
        'bad name': lambda: view.remove('../a'),
    }
    assert {*calls} >= CHANGING
    for call in calls.values():
        with pytest.raises(fs.OperationNotSupported, match='read-only'):
            call()
    assert content(storage) == {'a': b'a', 't/a': b'a'}
    assert view.read('a') == b'a'
    assert view.transfer('a', storage, 'copied') == 'copied'
    with view.open('a') as file:
        assert file.read() == 'a'


def test_a_storage_class_of_an_application_keeps_its_own_verbs_in_views(make_app: Any) -> None:
    class Numbered(fs.Storage):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.saved = 0

        def save(self, *args: Any, **kwargs: Any) -> str:
            self.saved += 1
            return super().save(*args, **kwargs)

        def resolve_conflict(self, target_folder: str, basename: str) -> str:
            return f'{target_folder}-{basename}' if self.exists(basename) else basename

    storage = Numbered('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory').app_context():
        view = storage.scoped('t')
        assert isinstance(view, Numbered)
        view.save(io.BytesIO(), 'a')
        assert storage.saved == 1
        assert view.resolve_conflict('in', 'a') == 'in-a'
        with pytest.raises(fs.OperationNotSupported):
            view.read_only().save(io.BytesIO(), 'b')
        assert storage.saved == 1


# --- Applications, URLs, references and signals.


def test_a_view_is_that_of_the_current_application_also_if_made_before(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    view = storage.scoped('t')
    assert view.backend is None
    with pytest.raises(fs.ConfigurationError, match='not configured'):
        view.read('a')
    first, second = make_app(storage, FS_BACKEND='memory'), make_app(storage)
    for app in (first, second):
        with app.app_context():
            view.write('a', app.name)
    with first.app_context():
        assert (view.read('a'), view.backend_name, view.root) == (first.name.encode(), 'memory', None)
    with second.app_context():
        assert (view.read('a'), view.backend_name) == (second.name.encode(), 'local')
        assert view.root == os.path.join(storage.root or '', 't')
        assert view.path('a') == storage.path('t/a')


def test_a_view_works_outside_of_the_context_of_its_only_application(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='memory')
    storage.scoped('t').write('a', '1')
    with app.app_context():
        assert storage.read('t/a') == b'1'


def test_a_view_is_not_configured_itself(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    for view in (storage.scoped('t'), storage.read_only()):
        with pytest.raises(fs.ConfigurationError, match='configure the storage itself'):
            make_app(view)
        with pytest.raises(fs.ConfigurationError, match='configure the storage itself'):
            view.configure(Flask('other'))


def test_a_backend_assigned_to_a_view_is_that_of_the_storage(app: Flask, storage: fs.Storage) -> None:
    view, configured = storage.scoped('t'), storage.backend
    view.backend = mock = object()
    assert storage.backend is mock
    del view.backend
    assert storage.backend is configured


def test_urls_and_links_of_a_view_open_its_files(app: Flask, storage: fs.Storage) -> None:
    view = storage.scoped("t/it's ä")
    view.write('a b.txt', 'content')
    client = app.test_client()
    with app.test_request_context():
        assert view.url('/a b.txt') == storage.url("t/it's ä/a b.txt") == view.url('a b.txt')
        assert view.base_url + 'a%20b.txt' == view.url('a b.txt', external=True) == view.metadata('a b.txt')['url']
        url, signed = view.url('a b.txt'), view.signed_url('a b.txt', expires_s=datetime.timedelta(minutes=1))
    assert client.get(url).text == 'content'
    app.config['FS_SERVE'] = False
    assert client.get(signed).text == 'content'
    other = signed.replace(urllib.parse.quote('a b.txt'), 'c')
    storage.write("t/it's ä/c", '')
    assert client.get(other).status_code == 403


def test_a_view_has_urls_of_a_server_of_its_own(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory', FILES_FS_URL='https://cdn.test/x').app_context():
        view = storage.scoped('t/7')
        assert view.has_url
        assert view.base_url == 'https://cdn.test/x/t/7/'
        assert view.url('a') == 'https://cdn.test/x/t/7/a'


def test_links_that_the_store_signs_are_for_the_whole_name(make_app: Any) -> None:
    class Signing(MemoryBackend):
        capabilities = MemoryBackend.capabilities | fs.Capability.SIGNED_URL

        def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
            return f'https://store.test/{name}?{method}'

    storage = fs.Storage('files', fs.TEXT)
    with make_app(storage, FS_BACKEND=Signing).app_context():
        view = storage.scoped('t')
        assert view.signed_url('a.txt') == 'https://store.test/t/a.txt?GET'
        assert view.signed_url('a.txt', method='PUT') == 'https://store.test/t/a.txt?PUT'
        assert view.read_only().signed_url('a.txt', method='HEAD') == 'https://store.test/t/a.txt?HEAD'
        with pytest.raises(fs.OperationNotSupported, match='read-only'):
            view.read_only().signed_url('a.txt', method='PUT')
        with pytest.raises(fs.UnauthorizedFileType) as caught:
            view.signed_url('a.exe', method='PUT')
        assert caught.value.filename == 'a.exe'


def test_a_view_serves_its_files(app: Flask, storage: fs.Storage) -> None:
    view = storage.scoped('t').read_only()
    storage.write('t/a.txt', 'content')
    storage.write('a.txt', 'other')
    with app.test_request_context(headers={'Range': 'bytes=0-2'}):
        response = view.serve('a.txt', download_name='b.txt')
        response.direct_passthrough = False
        assert (response.status_code, response.get_data()) == (206, b'con')
        with pytest.raises(fs.FileNotFound):
            view.serve('t/a.txt')


def test_authorize_gets_the_whole_name(app: Flask, storage: fs.Storage) -> None:
    view, seen = storage.scoped('t'), []
    view.write('a', '1')
    storage.authorize = lambda name: bool(seen.append(name) or True)
    with app.test_request_context():
        url = view.url('a')
    assert app.test_client().get(url).data == b'1'
    assert seen == ['t/a']


def test_references_work_with_views(app: Flask, storage: fs.Storage) -> None:
    reference = FileReference(storage.scoped('t'), upload_to='up')
    assert reference.save(io.BytesIO(b'1'), 'a.txt') == 'up/a.txt'
    assert storage.read('t/up/a.txt') == reference.read() == b'1'
    assert reference.save(io.BytesIO(b'2'), 'a.txt', overwrite=True) == 'up/a.txt'
    assert reference == FileReference(storage.scoped('t'), 'up/a.txt')
    assert reference != FileReference(storage, 'up/a.txt')
    assert reference.is_in(storage.scoped('t'))
    assert not reference.is_in(storage)
    with app.test_request_context():
        assert reference.url == storage.url('t/up/a.txt')
    readonly = FileReference(storage.scoped('t').read_only(), 'up/a.txt')
    assert readonly.read() == b'2'
    with pytest.raises(fs.OperationNotSupported):
        readonly.delete()
    reference.delete()
    assert list(storage.list_files()) == []


def test_the_sender_of_signals_is_the_storage_and_names_are_whole(app: Flask, storage: fs.Storage) -> None:
    heard: list[tuple[Any, str]] = []

    def note(sender: Any, info: fs.FileInfo, source: str = '') -> None:
        heard.append((sender, source + info.name))

    with fs.file_saved.connected_to(note), fs.file_deleted.connected_to(note), fs.file_moved.connected_to(note):
        view = storage.scoped('t')
        view.write('a', '')
        view.move('a', 'b')
        view.delete('b')
    assert heard == [(storage, 't/a'), (storage, 't/at/b'), (storage, 't/b')]
    assert all(sender is storage for sender, _ in heard)


def test_no_part_of_an_error_tells_where_the_folder_is(storage: fs.Storage, view: fs.Storage) -> None:
    with pytest.raises(fs.FileNotFound) as absent:
        view.read('absent.txt')
    assert absent.value.args == ('absent.txt',)
    assert 'tenants' not in repr(absent.value)
    assert 'tenants' not in str(pickle.loads(pickle.dumps(absent.value)))


@pytest.mark.skipif(os.name == 'nt', reason='needs symbolic links')
def test_no_reason_of_an_error_tells_where_the_folder_is(app: Flask, tmp_path: Path) -> None:
    storage = fs.Storage('linked', fs.ALL)
    app.config.update(LINKED_FS_BACKEND='local', LINKED_FS_ROOT=str(tmp_path))
    fs.init_app(app, storage)
    storage.write('tenants/8/x.txt', 'x')
    storage.write('tenants/7/own.txt', 'x')
    (tmp_path / 'tenants/7/link').symlink_to(tmp_path / 'tenants/8')
    with pytest.raises(fs.FileNotFound, match='link is a symbolic link') as error:
        storage.scoped('tenants/7').read('link/x.txt')
    assert 'tenants' not in str(error.value)


@pytest.mark.parametrize('verb', ['list_files', 'scan', 'deleted'])
def test_errors_while_listing_a_view_are_relative(
    storage: fs.Storage, view: fs.Storage, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(prefix: str) -> Iterator[Any]:
        yield from ()
        raise fs.Unavailable(prefix, storage=storage.name)

    monkeypatch.setattr(storage.backend, verb, fail)
    with pytest.raises(fs.Unavailable) as error:
        list(getattr(view, verb)('own'))
    assert error.value.filename == 'own'
