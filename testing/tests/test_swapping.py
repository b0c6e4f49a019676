from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.settings import Setting, text
from flask_fs_testing.doubles import FaultyBackend, RecordingBackend, wrap
from flask_fs_testing.memory import FSMemory, in_memory


class Remote(BaseBackend):
    """A store that must get no request in these tests, with a setting of its own and signed links."""

    kind = 'remote'
    capabilities = Capability.SIGNED_URL | Capability.ATOMIC_CREATE
    settings = (Setting('bucket', text, required=True),)

    def _called(self, *_: Any, **__: Any) -> Any:
        pytest.fail('the store got a request')

    _open: Any = _called
    _put: Any = _called
    _stat: Any = _called
    _scan: Any = _called
    _remove: Any = _called
    _signed_url: Any = _called


@pytest.fixture
def avatars() -> fs.Storage:
    return fs.Storage('avatars', fs.IMAGES)


@pytest.fixture
def docs() -> fs.Storage:
    return fs.Storage('docs', fs.ALL, upload_to='in', overwrite=True)


@pytest.fixture
def app(tmp_path: Path, avatars: fs.Storage, docs: fs.Storage) -> Iterator[Flask]:
    app = Flask('app', instance_path=str(tmp_path))
    app.config.update(
        SECRET_KEY='a secret of the tests',
        SERVER_NAME='files.test',
        FS_SERVE=True,
        FS_REMOTE_BUCKET='production',
        FS_REMOTE_URL='https://cdn.test/',
        AVATARS_FS_BACKEND=Remote,
        DOCS_FS_PREFIX='tenants/7',
        DOCS_FS_MAX_BYTES=10,
        DOCS_FS_DENY='exe',
    )
    fs.init_app(app, avatars, docs)
    with app.app_context():
        yield app


def test_every_storage_is_in_memory(app: Flask, avatars: fs.Storage, docs: fs.Storage, fs_memory: FSMemory) -> None:
    assert app is fs_memory(app)
    assert avatars.save(io.BytesIO(b'1'), 'me.png') == 'me.png'
    assert docs.save(io.BytesIO(b'2'), 'a.txt') == 'in/a.txt'
    assert (avatars.read('me.png'), docs.read('in/a.txt')) == (b'1', b'2')
    assert [storage.backend.kind for storage in (avatars, docs)] == ['memory', 'memory']
    assert avatars.config.backend == 'memory'


def test_the_configured_backends_come_back(app: Flask, avatars: fs.Storage, docs: fs.Storage) -> None:
    docs.write('before', 'old')
    with in_memory(app):
        assert not docs.exists('before')
        docs.write('within', '')
        docs.write('before', 'new')
    assert (list(docs.list_files()), docs.read('before')) == (['before'], b'old')
    assert isinstance(docs.backend, LocalBackend)
    assert isinstance(avatars.backend, Remote)
    assert Remote == avatars.config.backend


def test_they_come_back_after_an_exception(app: Flask, docs: fs.Storage) -> None:
    with pytest.raises(ZeroDivisionError), in_memory(app):
        raise ZeroDivisionError
    assert isinstance(docs.backend, LocalBackend)


def test_settings_stay(app: Flask, avatars: fs.Storage, docs: fs.Storage) -> None:
    with in_memory(app):
        with pytest.raises(fs.FileTooLarge):
            docs.write('a', 'x' * 11)
        with pytest.raises(fs.UnauthorizedFileType):
            docs.save(io.BytesIO(), 'a.exe')
        with pytest.raises(fs.UnauthorizedFileType):
            avatars.save(io.BytesIO(), 'a.txt')
        docs.write('a', '1')
        docs.write('a', '2')
        assert (docs.config.prefix, avatars.config.bucket) == ('tenants/7', 'production')
        assert list(docs.list_files()) == ['a']
        assert [info.name for info in docs.backend._scan()] == ['tenants/7/a']


def test_urls_and_serving_keep_working(app: Flask, avatars: fs.Storage, docs: fs.Storage) -> None:
    links = [avatars.url('me.png'), docs.url('a b'), docs.url('a b', external=True)]
    with in_memory(app):
        assert [avatars.url('me.png'), docs.url('a b'), docs.url('a b', external=True)] == links
        docs.write('a b', '123')
        client = app.test_client()
        assert client.get(docs.url('a b', external=True)).data == b'123'
        avatars.write('me.png', '456')
        assert client.get(avatars.signed_url('me.png')).data == b'456'
        assert client.get(docs.url('b')).status_code == 404


def test_a_redirect_to_the_store_becomes_one_to_the_application(tmp_path: Path, fs_memory: FSMemory) -> None:
    app = Flask('app', instance_path=str(tmp_path))
    app.config.update(SECRET_KEY='a secret of the tests', FS_SERVE=True, FS_SERVING='redirect', FS_REMOTE_BUCKET='x')
    storage = fs.Storage('files')
    app.config['FILES_FS_BACKEND'] = Remote
    fs.init_app(app, storage)
    fs_memory(app)
    storage.write('a.txt', '123')
    response = app.test_client().get('/files/a.txt')
    assert response.status_code == 302
    assert app.test_client().get(response.headers['Location']).data == b'123'


def test_storages_added_later_are_in_memory_too(app: Flask) -> None:
    app.config['LATER_FS_BACKEND'] = Remote
    later = fs.Storage('later', fs.ALL)
    with in_memory(app):
        fs.init_app(app, later)
        later.write('a', '1')
        assert later is fs.by_name('later')
        assert app.test_client().get('http://files.test/later/a').data == b'1'
    assert isinstance(later.backend, Remote)


def test_an_application_can_be_swapped_before_it_is_set_up(tmp_path: Path, fs_memory: FSMemory) -> None:
    app = fs_memory(Flask('app', instance_path=str(tmp_path)))
    storage = fs.Storage()
    fs.init_app(app, storage)
    storage.write('a', '')
    assert list(tmp_path.iterdir()) == []


def test_two_applications_are_swapped_apart(tmp_path: Path, fs_memory: FSMemory) -> None:
    storage = fs.Storage()
    one, two, three = (Flask(name, instance_path=str(tmp_path / name)) for name in ('one', 'two', 'three'))
    for app in (one, two, three):
        fs.init_app(app, storage)
    fs_memory(one)
    fs_memory(two)
    for app in (one, two, three):
        with app.app_context():
            assert not storage.exists('a')
            storage.write('a', app.name)
    for app in (one, two, three):
        with app.app_context():
            assert app.name.encode() == storage.read('a')
    assert [path.name for path in tmp_path.iterdir()] == ['three']


def test_each_swap_begins_empty(app: Flask, docs: fs.Storage, fs_memory: FSMemory) -> None:
    fs_memory(app)
    docs.write('a', '')
    fs_memory(app)
    assert list(docs.list_files()) == []


def test_wrappers_stand_around_memory(app: Flask, avatars: fs.Storage, fs_memory: FSMemory) -> None:
    fs_memory(app)
    with wrap(avatars, FaultyBackend) as faulty, wrap(avatars, RecordingBackend) as recording:
        assert isinstance(faulty.wrapped, MemoryBackend)
        avatars.write('a.png', '')
        faulty.fail_next('put')
        with pytest.raises(fs.Unavailable):
            avatars.write('b.png', '')
        assert recording.hooks() == ['put', 'put']
    assert (avatars.exists('a.png'), avatars.exists('b.png')) == (True, False)


def test_a_wrapper_is_removed_from_under_a_swap(app: Flask, docs: fs.Storage) -> None:
    before = docs.backend
    outer = in_memory(app)
    with wrap(docs, FaultyBackend):
        outer.__enter__()
    outer.__exit__(None, None, None)
    assert docs.backend is before
