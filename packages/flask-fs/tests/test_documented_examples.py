"""What the documentation shows, with other names: each example gives what is said beside it."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends import BaseBackend


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return Flask('shop', instance_path=str(tmp_path))


def upload(content: bytes, filename: str) -> FileStorage:
    return FileStorage(io.BytesIO(content), filename)


# --- Storages


def test_an_application_is_set_up_before_storages_are_declared(app: Flask) -> None:
    fs.init_app(app)
    manuals, drawings = fs.Storage('manuals'), fs.Storage('drawings')
    fs.init_app(app, manuals, drawings)
    with app.app_context():
        assert fs.by_name('manuals') is manuals
        assert fs.by_name('drawings') is drawings


@pytest.mark.parametrize(
    ('extensions', 'allowed', 'refused'),
    [
        (fs.IMAGES, ('png', 'jpg'), ('txt', 'exe')),
        (('tex', 'bib'), ('tex', 'bib'), ('png', 'bat')),
        (fs.AllExcept(fs.EXECUTABLES + fs.SCRIPTS), ('txt', 'odd'), ('sh', 'dll')),
        (fs.AllExcept(('iso', 'img')), ('exe', 'txt'), ('iso', 'img')),
        (fs.AllExcept(items=['iso']), ('exe',), ('iso',)),
        (fs.ARCHIVES + fs.DATA, ('zip', 'csv'), ('txt',)),
        (fs.DEFAULTS, ('txt', 'docx', 'png', 'csv'), ('exe', 'php', 'zip')),
        (fs.ALL, ('exe', 'odd'), ()),
        (fs.NONE, (), ('txt',)),
    ],
)
def test_types_are_limited(app: Flask, extensions: Any, allowed: tuple[str, ...], refused: tuple[str, ...]) -> None:
    app.config['FS_BACKEND'] = 'memory'
    storage = fs.Storage('box', extensions)
    fs.init_app(app, storage)
    for extension in allowed:
        assert storage.extension_allowed(extension)
        assert storage.save(io.BytesIO(b'xxx'), f'a.{extension}') == f'a.{extension}'
    for extension in refused:
        assert not storage.file_allowed(upload(b'xxx', f'a.{extension}'), f'a.{extension}')
        with pytest.raises(fs.UnauthorizedFileType):
            storage.save(upload(b'xxx', f'a.{extension}'))


def test_types_are_allowed_and_denied_by_settings(app: Flask) -> None:
    app.config.update(FS_BACKEND='memory', BOX_FS_ALLOW=['iso'], BOX_FS_DENY=['gif'])
    storage = fs.Storage('box', fs.IMAGES)
    fs.init_app(app, storage)
    assert [storage.extension_allowed(extension) for extension in ('iso', 'gif', 'png')] == [True, False, True]


def test_files_are_replaced_only_where_that_is_allowed(app: Flask) -> None:
    strict, open_ = fs.Storage('strict', fs.ALL), fs.Storage('open', fs.ALL, overwrite=True)
    fs.init_app(app, strict, open_)
    with app.app_context():
        for storage in (strict, open_):
            storage.write('log', '1')
            storage.save(io.BytesIO(b'1'), 'sheet')
        with pytest.raises(fs.FileExists):
            strict.write('log', '2')
        with pytest.raises(fs.FileExists):
            strict.save(io.BytesIO(b'2'), 'sheet')
        strict.write('log', '3', True)
        strict.save(io.BytesIO(b'3'), 'sheet', None, True)
        open_.write('log', '2')
        open_.save(io.BytesIO(b'2'), 'sheet')
        with pytest.raises(fs.FileExists):
            open_.save(io.BytesIO(b'3'), 'sheet', overwrite=False)
        assert strict.read('log') == strict.read('sheet') == b'3'
        assert open_.read('log') == open_.read('sheet') == b'2'


def test_the_operations(app: Flask) -> None:
    desk = fs.Storage('desk', fs.ALL)
    fs.init_app(app, desk)
    with app.app_context():
        desk.write('a.note', 'ink')
        assert desk.read('a.note') == b'ink'
        with desk.open('b.note', 'wb') as file:
            file.write(b'more ink')
        with desk.open('b.note') as file:
            assert file.read() == 'more ink'
        assert desk.exists('b.note')
        assert 'b.note' in desk
        desk.delete('b.note')
        assert 'b.note' not in desk
        for missing in (lambda: desk.read('b.note'), lambda: desk.open('b.note', 'r')):
            with pytest.raises(fs.FileNotFound):
                missing()
        assert desk.save(upload(b'', 'c.note'), prefix='in') == 'in/c.note'
        assert desk.save(io.BytesIO(), 'd.note', prefix=lambda: 'up') == 'up/d.note'
        assert set(desk.list_files()) == {'a.note', 'in/c.note', 'up/d.note'}
        assert desk.resolve_conflict('', 'a.note') == 'a_1.note'
        assert str(Path(app.instance_path) / 'fs' / 'desk' / 'a.note') == desk.path('a.note')


def test_a_folder_for_all_files_comes_from_a_callable_that_may_ask_for_the_application(app: Flask) -> None:
    storage = fs.Storage('box', fs.ALL, lambda app: app.name)
    app.config['FS_BACKEND'] = 'memory'
    fs.init_app(app, storage)
    assert storage.save(upload(b'x', 'a.txt')) == 'shop/a.txt'


def test_the_path_of_a_file_that_is_not_on_this_machine(app: Flask) -> None:
    storage = fs.Storage('box')
    app.config['FS_BACKEND'] = 'memory'
    fs.init_app(app, storage)
    with pytest.raises(fs.OperationNotSupported):
        storage.path('a.txt')


@pytest.mark.parametrize('kind', ['local', 'memory'])
def test_the_facts_that_are_always_there(app: Flask, kind: str) -> None:
    storage = fs.Storage('box', fs.ALL)
    app.config.update(FS_BACKEND=kind, SERVER_NAME='shop.test')
    fs.init_app(app, storage)
    with app.app_context():
        storage.write('in/a.csv', '1')
        facts = storage.metadata('in/a.csv')
    assert (facts['filename'], facts['url'], facts['mime']) == ('a.csv', 'http://shop.test/box/in/a.csv', 'text/csv')
    algorithm, _, digest = facts['checksum'].partition(':')
    assert (algorithm, len(digest)) == ('sha256', 64)
    assert isinstance(facts['modified'], datetime.datetime)


# --- Settings


def test_the_defaults_of_the_global_settings(app: Flask) -> None:
    storage = fs.Storage('box')
    fs.init_app(app, storage)
    expected = {
        'FS_SERVE': app.config['DEBUG'],
        'FS_ROOT': f'{app.instance_path}/fs',
        'FS_PREFIX': None,
        'FS_URL': None,
        'FS_BACKEND': 'local',
        'FS_IMAGES_OPTIMIZE': False,
    }
    assert expected == {key: app.config[key] for key in expected}
    with app.test_request_context():
        assert storage.root == f'{app.instance_path}/fs/box'
        assert (storage.url('a.txt'), storage.url('a.txt', True)) == ('/box/a.txt', 'http://localhost/box/a.txt')
        assert (storage.base_url, storage.has_url) == ('http://localhost/box/', False)


def test_addresses_begin_with_the_prefix(app: Flask) -> None:
    app.config.update(FS_PREFIX='/media', FS_SERVE=True)
    storage = fs.Storage('box')
    fs.init_app(app, storage)
    with app.app_context():
        storage.write('a.txt', 'x')
        assert storage.url('a.txt') == '/media/box/a.txt'
    assert app.test_client().get('/media/box/a.txt').text == 'x'


def test_addresses_are_where_the_root_is_visible(app: Flask) -> None:
    app.config['FS_URL'] = 'https://cdn.shop.test/'
    storage = fs.Storage('box')
    fs.init_app(app, storage)
    assert (storage.base_url, storage.has_url) == ('https://cdn.shop.test/box/', True)
    assert storage.url('a.txt') == 'https://cdn.shop.test/box/a.txt'


def test_the_settings_of_a_storage_beat_those_of_its_backend_and_those_of_all(app: Flask, tmp_path: Path) -> None:
    app.config.update(
        FS_ROOT=str(tmp_path / 'all'), FS_LOCAL_ROOT=str(tmp_path / 'local'), OWN_FS_ROOT=str(tmp_path / 'own')
    )
    own, other = fs.Storage('own', fs.IMAGES), fs.Storage('other')
    fs.init_app(app, own, other)
    with app.app_context():
        assert [str(tmp_path / 'own'), str(tmp_path / 'local' / 'other')] == [own.root, other.root]


def test_local_and_remote_storages_side_by_side(app: Flask) -> None:
    docs, faces, photos = fs.Storage('docs'), fs.Storage('faces', fs.IMAGES), fs.Storage('photos', fs.IMAGES)
    app.config.update(
        FS_S3_ENDPOINT='https://objects.shop.test',
        FS_S3_REGION='north-1',
        FS_S3_ACCESS_KEY='id',
        FS_S3_SECRET_KEY='word',
        FS_S3_URL='https://objects.shop.test/',
        FACES_FS_BACKEND='s3',
        PHOTOS_FS_BACKEND='s3',
        DOCS_FS_URL='https://docs.shop.test/',
        PHOTOS_FS_URL='https://photos.shop.test/',
    )
    fs.init_app(app, docs, faces, photos)
    assert [storage.backend.kind for storage in (docs, faces, photos)] == ['local', 's3', 's3']
    assert docs.base_url == 'https://docs.shop.test/'
    assert faces.base_url == 'https://objects.shop.test/faces/'
    assert photos.base_url == 'https://photos.shop.test/'
    assert faces.config.region == 'north-1'


def test_a_custom_backend_is_found_by_its_entry_point(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shelf(BaseBackend):
        """Written with only the documented methods."""

        def __init__(self, name: str, config: Any) -> None:
            super().__init__(name, config)
            self.color = config.color
            self.files: dict[str, bytes] = {}

        def exists(self, filename: str) -> bool:
            return filename in self.files

        def read(self, filename: str) -> bytes:
            return self.files[filename]

        def write(self, filename: str, content: Any) -> None:  # type: ignore[override]
            self.files[filename] = self.as_binary(content)

    from flask_fs import registry

    point = metadata.EntryPoint('shelf', 'my.own:Shelf', 'fs.backend')
    monkeypatch.setattr(metadata.EntryPoint, 'load', lambda _: Shelf)
    monkeypatch.setattr(registry, '_announced', lambda: {point.name: point})
    app.config.update(FS_BACKEND='shelf', FS_SHELF_COLOR='red')
    storage = fs.Storage('box', fs.ALL)
    fs.init_app(app, storage)
    assert storage.backend.color == 'red'
    assert storage.save(upload(b'first', 'a.txt')) == 'a.txt'
    with pytest.raises(fs.FileExists):
        storage.save(upload(b'second', 'a.txt'))
    storage.save(upload(b'third', 'a.txt'), overwrite=True)
    assert storage.read('a.txt') == b'third'


# --- Backends by themselves


def test_a_backend_refuses_to_save_over_a_file_unless_told(tmp_path: Path) -> None:
    from flask_fs.backends.local import LocalBackend
    from flask_fs.storage import Config

    makers: list[Callable[[], Any]] = [lambda: {'root': str(tmp_path)}, lambda: Config(root=str(tmp_path))]
    for turn, make in enumerate(makers):
        backend = LocalBackend('box', make())
        name = f'{turn}.txt'
        backend.save(io.BytesIO(b'1'), name)
        with pytest.raises(fs.FileExists):
            backend.save(upload(b'2', 'x'), name)
        backend.save(upload(b'3', 'x'), name, True)
        assert backend.read(name) == b'3'
        backend.write(name, 'é')
        assert backend.read(name) == backend.as_binary('é') == 'é'.encode()
        with backend.open(name, 'rb') as file:
            assert file.read() == 'é'.encode()
        backend.delete(name)
        assert not backend.exists(name)


@pytest.mark.parametrize(
    ('path', 'settings'),
    [
        ('local.LocalBackend', {'root': '/files'}),
        (
            's3.S3Backend',
            {'endpoint': 'https://s3.shop.test', 'region': 'north-1', 'access_key': 'k', 'secret_key': 's'},
        ),
        ('gridfs.GridFsBackend', {'mongo_url': 'mongodb://mongo.shop.test', 'mongo_db': 'shop'}),
        ('swift.SwiftBackend', {'authurl': 'https://swift.shop.test/auth/v1.0', 'user': 'shop:web', 'key': 'k'}),
    ],
)
def test_each_backend_is_made_from_its_documented_settings(path: str, settings: dict[str, str]) -> None:
    from flask_fs.storage import Config

    module, _, kind = path.partition('.')
    backend_class = getattr(import_module(f'flask_fs.backends.{module}'), kind)
    for given in (settings, Config(settings), Config(**settings)):
        backend = backend_class('box', given)
        assert isinstance(backend, BaseBackend)
        assert settings == {key: backend.config[key] for key in settings}
        assert (backend.name, backend.config.prefix) == ('box', '')


def test_a_config_is_a_dictionary_with_attributes() -> None:
    from flask_fs.storage import Config

    config = Config({'root': '/files'})
    config.size = 7
    assert (config.root, config['size']) == ('/files', 7)
    assert config == {'root': '/files', 'size': 7}
