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
        assert f'a.{extension}' == storage.save(io.BytesIO(b'xxx'), f'a.{extension}')
    for extension in refused:
        assert not storage.file_allowed(upload(b'xxx', f'a.{extension}'), f'a.{extension}')
        with pytest.raises(fs.UnauthorizedFileType):
            storage.save(upload(b'xxx', f'a.{extension}'))


def test_types_are_allowed_and_denied_by_settings(app: Flask) -> None:
    app.config.update(FS_BACKEND='memory', BOX_FS_ALLOW=['iso'], BOX_FS_DENY=['gif'])
    storage = fs.Storage('box', fs.IMAGES)
    fs.init_app(app, storage)
    assert [True, False, True] == [storage.extension_allowed(extension) for extension in ('iso', 'gif', 'png')]


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
        assert b'3' == strict.read('log') == strict.read('sheet')
        assert b'2' == open_.read('log') == open_.read('sheet')


def test_the_operations(app: Flask) -> None:
    desk = fs.Storage('desk', fs.ALL)
    fs.init_app(app, desk)
    with app.app_context():
        desk.write('a.note', 'ink')
        assert b'ink' == desk.read('a.note')
        with desk.open('b.note', 'wb') as file:
            file.write(b'more ink')
        with desk.open('b.note') as file:
            assert 'more ink' == file.read()
        assert desk.exists('b.note')
        assert 'b.note' in desk
        desk.delete('b.note')
        assert 'b.note' not in desk
        for missing in (lambda: desk.read('b.note'), lambda: desk.open('b.note', 'r')):
            with pytest.raises(fs.FileNotFound):
                missing()
        assert 'in/c.note' == desk.save(upload(b'', 'c.note'), prefix='in')
        assert 'up/d.note' == desk.save(io.BytesIO(), 'd.note', prefix=lambda: 'up')
        assert {'a.note', 'in/c.note', 'up/d.note'} == set(desk.list_files())
        assert 'a_1.note' == desk.resolve_conflict('', 'a.note')
        assert str(Path(app.instance_path) / 'fs' / 'desk' / 'a.note') == desk.path('a.note')


def test_a_folder_for_all_files_comes_from_a_callable_that_may_ask_for_the_application(app: Flask) -> None:
    storage = fs.Storage('box', fs.ALL, lambda app: app.name)
    app.config['FS_BACKEND'] = 'memory'
    fs.init_app(app, storage)
    assert 'shop/a.txt' == storage.save(upload(b'x', 'a.txt'))


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
    assert ('a.csv', 'http://shop.test/box/in/a.csv', 'text/csv') == (facts['filename'], facts['url'], facts['mime'])
    algorithm, _, digest = facts['checksum'].partition(':')
    assert ('sha256', 64) == (algorithm, len(digest))
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
        assert f'{app.instance_path}/fs/box' == storage.root
        assert ('/box/a.txt', 'http://localhost/box/a.txt') == (storage.url('a.txt'), storage.url('a.txt', True))
        assert ('http://localhost/box/', False) == (storage.base_url, storage.has_url)


def test_addresses_begin_with_the_prefix(app: Flask) -> None:
    app.config.update(FS_PREFIX='/media', FS_SERVE=True)
    storage = fs.Storage('box')
    fs.init_app(app, storage)
    with app.app_context():
        storage.write('a.txt', 'x')
        assert '/media/box/a.txt' == storage.url('a.txt')
    assert 'x' == app.test_client().get('/media/box/a.txt').text


def test_addresses_are_where_the_root_is_visible(app: Flask) -> None:
    app.config['FS_URL'] = 'https://cdn.shop.test/'
    storage = fs.Storage('box')
    fs.init_app(app, storage)
    assert ('https://cdn.shop.test/box/', True) == (storage.base_url, storage.has_url)
    assert 'https://cdn.shop.test/box/a.txt' == storage.url('a.txt')


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
    assert ['local', 's3', 's3'] == [storage.backend.kind for storage in (docs, faces, photos)]
    assert 'https://docs.shop.test/' == docs.base_url
    assert 'https://objects.shop.test/faces/' == faces.base_url
    assert 'https://photos.shop.test/' == photos.base_url
    assert 'north-1' == faces.config.region


def test_a_custom_backend_is_found_by_its_entry_point(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shelf(BaseBackend):
        """Written with the documented verbs alone."""

        def __init__(self, name: str, config: Any) -> None:
            super().__init__(name, config)
            self.colour = config.colour
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
    app.config.update(FS_BACKEND='shelf', FS_SHELF_COLOUR='red')
    storage = fs.Storage('box', fs.ALL)
    fs.init_app(app, storage)
    assert 'red' == storage.backend.colour
    assert 'a.txt' == storage.save(upload(b'first', 'a.txt'))
    with pytest.raises(fs.FileExists):
        storage.save(upload(b'second', 'a.txt'))
    storage.save(upload(b'third', 'a.txt'), overwrite=True)
    assert b'third' == storage.read('a.txt')


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
        assert b'3' == backend.read(name)
        backend.write(name, 'é')
        assert 'é'.encode() == backend.read(name) == backend.as_binary('é')
        with backend.open(name, 'rb') as file:
            assert 'é'.encode() == file.read()
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
        assert ('box', '') == (backend.name, backend.config.prefix)


def test_a_config_is_a_dictionary_with_attributes() -> None:
    from flask_fs.storage import Config

    config = Config({'root': '/files'})
    config.size = 7
    assert ('/files', 7) == (config.root, config['size'])
    assert {'root': '/files', 'size': 7} == config
