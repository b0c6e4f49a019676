"""Each row of the upgrade guide, and each difference that it explains, is proved by code in the style of older packages.

A row without a proof, and a proof of a row that is no longer there, fail the last test.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from botocore.exceptions import BotoCoreError
from flask import Flask, url_for
from pages import DOCS
from PIL import Image
from pymongo.errors import PyMongoError
from requests import RequestException
from swiftclient import ClientException
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs import images
from flask_fs.backends import BaseBackend
from flask_fs.backends.gridfs import GridFSBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.s3 import S3Backend
from flask_fs.backends.swift import SwiftBackend
from flask_fs.mongo import FileField, ImageField

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = [DOCS / 'how-to' / name for name in ('upgrade.md', 'upgrade-code.md')]
PACKAGES = DOCS.parent / 'packages'
#: Tried with pip and uv on the wheels, in scripts/wheel_tests/test_upgrading.py.
TRIED_WITH_PIP = 'commands'
#: Its rows are checked by what they say.
INSTALLED = 'before'
#: Nothing listens there.
S3 = {'endpoint': 'http://127.0.0.1:9', 'region': 'us-east-1', 'access_key': 'a', 'secret_key': 'b'}
SWIFT = {'authurl': 'http://127.0.0.1:9/auth/v1.0', 'user': 'test:tester', 'key': 'testing'}
GRIDFS = {'mongo_url': 'mongodb://127.0.0.1:9/files'}

Test = Callable[..., None]
PROVED: set[str] = set()


def proves(*rows: str) -> Callable[[Test], Test]:
    """Marks a test as the proof of rows, by their first cells, or of differences, by their first words."""
    PROVED.update(rows)
    return lambda test: test


def tables() -> Iterator[tuple[str, list[list[str]]]]:
    """The first words of each table's head, and the cells of its rows."""
    for page in PAGES:
        for table in re.findall(r'^\|.*\n\|[-|]+\n(?:\|.*\n)+', page.read_text(encoding='utf-8'), re.MULTILINE):
            head, _, *rows = ([cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines())
            yield head[0], rows


def explained() -> list[str]:
    """The differences that are explained, by the words that they begin with."""
    _, _, text = PAGES[1].read_text(encoding='utf-8').partition('## Behavior changes')
    return re.findall(r'^\*\*(.+?)[,.]?\*\*', text, re.MULTILINE)


@pytest.fixture
def make_app(tmp_path: Path) -> Callable[..., Flask]:
    def make(*storages: fs.Storage, **config: Any) -> Flask:
        app = Flask('older', instance_path=str(tmp_path / 'instance'))
        app.config.update(config)
        fs.init_app(app, *storages)
        return app

    return make


@pytest.fixture(params=['local', 'memory'])
def storage(request: pytest.FixtureRequest, make_app: Callable[..., Flask]) -> Iterator[fs.Storage]:
    """A storage for everything, in the current application."""
    storage = fs.Storage('docs', fs.ALL)
    app = make_app(storage, FS_BACKEND=request.param, FS_SERVE=True, SERVER_NAME='site.test')
    with app.app_context():
        yield storage


def settings_of(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    return {f'FS_{kind.upper()}_{key.upper()}': value for key, value in given.items()}


# --- What to install.


def test_what_is_installed_is_there() -> None:
    [rows] = [rows for head, rows in tables() if head == INSTALLED]
    for _, distribution, module in rows:
        name, extra = re.fullmatch(r'`([\w-]+)(?:\[(\w+)])?`', distribution).groups()
        project = tomllib.loads((PACKAGES / name / 'pyproject.toml').read_text(encoding='utf-8'))['project']
        assert name == project['name']
        assert extra is None or extra in project['optional-dependencies']
        if named := re.match(r'`(?:import )?([\w.]+)', module):
            importlib.import_module(named[1])


@proves('`fs.backend`', '`storage.backend`')
def test_entry_points_of_both_names_are_read(tmp_path: Path) -> None:
    info = tmp_path / 'older-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: older\nVersion: 1.0\n', encoding='utf-8')
    (info / 'entry_points.txt').write_text(
        '[fs.backend]\none = older:Backend\n[storage.backend]\ntwo = older:Backend\n', encoding='utf-8'
    )
    (tmp_path / 'older.py').write_text(
        'from flask_fs.backends.memory import MemoryBackend\nclass Backend(MemoryBackend): pass\n', encoding='utf-8'
    )
    code = """
import flask_fs as fs
from flask import Flask
app = Flask('older')
app.config.update(ONE_FS_BACKEND='one', TWO_FS_BACKEND='two')
fs.init_app(app, fs.Storage('one'), fs.Storage('two'))
with app.app_context():
    print(*(type(fs.by_name(name).backend).__name__ for name in ('one', 'two')))
"""
    environ = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    assert subprocess.check_output([sys.executable, '-c', code], env=environ, text=True).strip() == 'Backend Backend'


# --- Settings.


@proves('`FS_BACKEND`, `FS_ROOT`, `FS_PREFIX`, `FS_IMAGES_OPTIMIZE`')
def test_global_settings(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    docs, avatars = fs.Storage('docs'), fs.Storage('avatars')
    app = make_app(docs, avatars, FS_ROOT=str(tmp_path), FS_PREFIX='/files', AVATARS_FS_BACKEND='memory')
    assert (app.config['FS_BACKEND'], app.config['FS_IMAGES_OPTIMIZE']) == ('local', False)
    with app.test_request_context():
        assert str(tmp_path / 'docs' / 'a.txt') == docs.path('a.txt')
        assert docs.url('a.txt') == '/files/docs/a.txt'
        assert isinstance(avatars.backend, MemoryBackend)
    plain = make_app(fs.Storage('docs'))
    with plain.test_request_context():
        assert fs.by_name('docs').url('a.txt') == '/docs/a.txt'
        assert os.path.join(plain.instance_path, 'fs', 'docs') == fs.by_name('docs').root


@proves('`FS_SERVE`')
@pytest.mark.parametrize(('settings', 'status'), [({}, 404), ({'DEBUG': True}, 200), ({'FS_SERVE': True}, 200)])
def test_serving(make_app: Callable[..., Flask], settings: dict[str, Any], status: int) -> None:
    docs = fs.Storage('docs')
    app = make_app(docs, FS_BACKEND='memory', **settings)
    with app.app_context():
        docs.write('a.txt', 'hello')
    assert app.test_client().get('/docs/a.txt').status_code == status


@proves('`FS_URL`, `{NAME}_FS_URL`')
def test_public_urls(make_app: Callable[..., Flask]) -> None:
    docs, avatars = fs.Storage('docs'), fs.Storage('avatars')
    with make_app(docs, avatars, FS_URL='https://h.test/', AVATARS_FS_URL='https://a.test/').app_context():
        assert (docs.has_url, docs.base_url) == (True, 'https://h.test/docs/')
        assert docs.url('a b.txt') == 'https://h.test/docs/a%20b.txt'
        assert avatars.url('x.png') == 'https://a.test/x.png'


@proves('`{NAME}_FS_...` for a storage name with hyphens')
def test_settings_of_a_name_with_hyphens(make_app: Callable[..., Flask]) -> None:
    with pytest.warns(fs.ConfigurationWarning, match='did you mean USER_FILES_FS_ROOT'):
        make_app(files := fs.Storage('user-files'), **{'USER-FILES_FS_ROOT': '/older'})
    assert files.root != '/older'
    with make_app(files := fs.Storage('user-files'), USER_FILES_FS_ROOT='/newer').app_context():
        assert files.root == '/newer'


@proves('`{NAME}_FS_ALLOW`', '`{NAME}_FS_DENY`', 'Storages accept only their own types')
def test_allowed_and_denied_types(make_app: Callable[..., Flask]) -> None:
    pictures = fs.Storage('pictures', fs.IMAGES)
    with make_app(pictures, PICTURES_FS_DENY=['gif']).app_context():
        assert pictures.extension_allowed('png')
        assert not pictures.extension_allowed('txt')
        assert not pictures.extension_allowed('gif')
        with pytest.raises(fs.UnauthorizedFileType):
            pictures.save(FileStorage(io.BytesIO(b'text'), 'notes.txt'))
    with make_app(pictures, PICTURES_FS_ALLOW=fs.DEFAULTS).app_context():
        assert pictures.extension_allowed('txt')


@proves('`{NAME}_FS_PREFIX` (flask-storage)')
def test_a_folder_inside_the_store(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    docs = fs.Storage('docs')
    with make_app(docs, FS_ROOT=str(tmp_path), DOCS_FS_PREFIX='sub').app_context():
        docs.write('a.txt', 'hello')
        assert (tmp_path / 'docs' / 'sub' / 'a.txt').read_bytes() == b'hello'
        assert list(docs.list_files()) == ['a.txt']


@proves('`{NAME}_FS_AES256_ENCRYPTED`, `..._AES256_KEY` (flask-fs2)', '`flask_fs.crypto` (flask-fs2)')
def test_encryption(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.ConfigurationError, match='DOCS_FS_AES256_ENCRYPTED = True'):
        make_app(fs.Storage('docs'), DOCS_FS_AES256_ENCRYPTED=True, DOCS_FS_AES256_KEY='k' * 32)
    make_app(fs.Storage('docs'), DOCS_FS_AES256_ENCRYPTED=False, DOCS_FS_AES256_KEY='k' * 32)
    with pytest.raises(ImportError):
        importlib.import_module('flask_fs.crypto')


@proves(
    'S3: `ENDPOINT`, `REGION`, `ACCESS_KEY`, `SECRET_KEY`', 'S3: `CREATE_BUCKET` (flask-fs2)', 'S3: the bucket name'
)
def test_settings_of_s3(make_app: Callable[..., Flask]) -> None:
    files, own = fs.Storage('User_Files'), fs.Storage('own')
    app = make_app(files, own, FS_BACKEND='s3', OWN_FS_BUCKET_NAME='elsewhere', **settings_of('s3', S3))
    with app.app_context():
        assert {key: files.config[key] for key in S3} == S3
        assert (files.backend.bucket.name, own.backend.bucket.name) == ('user-files', 'elsewhere')
        assert files.config.create_bucket is True
    S3Backend('docs', {})


@proves('GridFS: `MONGO_URL`, `MONGO_DB`')
def test_settings_of_gridfs(make_app: Callable[..., Flask]) -> None:
    older, newer = fs.Storage('older'), fs.Storage('newer')
    make_app(
        older,
        newer,
        FS_BACKEND='gridfs',
        OLDER_FS_MONGO_URL='mongodb://127.0.0.1:9',
        OLDER_FS_MONGO_DB='files',
        **settings_of('gridfs', GRIDFS),
    )
    for storage, collection in ((older, 'older'), (newer, 'newer')):
        assert storage.backend.describe_location() == f'{collection}/ in files at 127.0.0.1:9'


@proves(
    'Swift: `AUTHURL`, `USER`, `KEY`, `TENANT_NAME`, `REGION_NAME`',
    'Swift: `AUTH_VERSION`',
    'Swift: `CREATE_CONTAINER` (flask-fs2)',
    'Swift: `POOL_SIZE`, `RETRIES` (flask-fs2)',
    'Swift: `ETAG_MISMATCH_POLICY` (flask-fs2)',
    'Swift: `TIMEOUT`, `POOL_TIMEOUT` (flask-fs2)',
)
def test_settings_of_swift(make_app: Callable[..., Flask]) -> None:
    given = {**SWIFT, 'tenant_name': 'tenant', 'region_name': 'north'}
    for policy in ('log', 'raise', 'raise_and_delete'):
        files = fs.Storage('files')
        app = make_app(files, FS_BACKEND='swift', FILES_FS_ETAG_MISMATCH_POLICY=policy, **settings_of('swift', given))
        with app.app_context():
            config = files.config
            assert {**given, 'etag_mismatch_policy': policy} == {
                key: config[key] for key in (*given, 'etag_mismatch_policy')
            }
            assert (
                config.auth_version,
                config.create_container,
                config.pool_size,
                config.retries,
            ) == ('1', True, 10, 3)
    with pytest.warns(fs.ConfigurationWarning) as caught:
        make_app(
            fs.Storage('files'),
            FS_BACKEND='swift',
            FS_SWIFT_TIMEOUT=5,
            FS_SWIFT_POOL_TIMEOUT=5,
            **settings_of('swift', SWIFT),
        )
    hints = {str(warning.message).rpartition('did you mean ')[2] for warning in caught}
    assert hints == {'FS_SWIFT_TIMEOUT_S?', 'FS_SWIFT_POOL_TIMEOUT_S?'}


@proves('S3, Swift, GridFS: two storages with one bucket, container or collection')
@pytest.mark.parametrize(
    ('kind', 'given', 'shared'),
    [('s3', S3, 'BUCKET_NAME'), ('swift', SWIFT, 'CONTAINER'), ('gridfs', GRIDFS, 'COLLECTION')],
)
def test_two_storages_in_one_container(
    make_app: Callable[..., Flask], kind: str, given: dict[str, Any], shared: str
) -> None:
    config = {'FS_BACKEND': kind, **settings_of(kind, given), f'ONE_FS_{shared}': 'box', f'TWO_FS_{shared}': 'box'}
    with pytest.raises(fs.ConfigurationError, match="'one' and 'two'"):
        make_app(fs.Storage('one'), fs.Storage('two'), **config)
    make_app(fs.Storage('one'), fs.Storage('two'), **config, TWO_FS_PREFIX='two')


# --- Methods.


@proves("`metadata()['checksum']`", 'Files without a stored checksum')
def test_checksums(make_app: Callable[..., Flask]) -> None:
    docs, older = fs.Storage('docs'), fs.Storage('older')
    with make_app(docs, older, OLDER_FS_CHECKSUM='sha1').app_context():
        for storage, algorithm in ((docs, 'sha256'), (older, 'sha1')):
            os.makedirs(storage.root)
            Path(storage.path('there.txt')).write_text('before', encoding='utf-8')
            found, _, digest = storage.metadata('there.txt')['checksum'].partition(':')
            assert (algorithm, hashlib.new(algorithm, b'before').hexdigest()) == (found, digest)


@proves("`metadata()['modified']`")
def test_the_time_of_the_last_change(storage: fs.Storage) -> None:
    storage.write('a.txt', 'x')
    modified = storage.metadata('a.txt')['modified']
    assert modified.utcoffset() == datetime.timedelta(0)
    assert datetime.timedelta(minutes=1) > datetime.datetime.now(datetime.timezone.utc) - modified


@proves('`delete()` of a missing file', "`delete('a')` spares `ab`")
def test_deleting(storage: fs.Storage) -> None:
    for name in ('a/b.txt', 'a/c/d.txt', 'ab', 'a.b'):
        storage.write(name, '')
    storage.delete('missing')
    storage.delete('a')
    assert set(storage.list_files()) == {'ab', 'a.b'}


@proves('`read()`, `exists()`, `url()` and all others', 'Filenames are validated', "`url('/a')`")
def test_names(storage: fs.Storage) -> None:
    for name in ('../a', '/a', 'a//b', 'a\\b', 'a\nb'):
        for act in (storage.read, storage.exists, storage.delete, storage.open, lambda name: storage.write(name, '')):
            with pytest.raises(fs.InvalidFilename):
                act(name)
        if name != '/a':
            with pytest.raises(fs.InvalidFilename):
                storage.url(name)
    assert storage.url('a') == storage.url('/a')


@proves('`open()` to append or modify (`a`, `r+`)', "`open(name, 'w')`")
def test_opening(storage: fs.Storage) -> None:
    storage.write('a.txt', 'before')
    for mode in ('a', 'ab', 'r+', 'w+'):
        with pytest.raises(ValueError, match='read, or replaced completely'):
            storage.open('a.txt', mode)
    with storage.open('a.txt', 'w') as file:
        file.write('after')
        assert storage.read('a.txt') == b'before'
    assert storage.read('a.txt') == b'after'


@proves('`save()` of content that contradicts its extension')
def test_content_that_contradicts_its_extension(make_app: Callable[..., Flask]) -> None:
    docs, older = fs.Storage('docs', fs.ALL), fs.Storage('older', fs.ALL)
    with make_app(docs, older, FS_BACKEND='memory', OLDER_FS_CHECK_CONTENT=False).app_context():
        page = FileStorage(io.BytesIO(b'<!DOCTYPE html><script>'), 'a.png')
        with pytest.raises(fs.InvalidContent):
            docs.save(page)
        assert older.save(page) == 'a.png'
        assert docs.save(FileStorage(io.BytesIO(b'xxx'), 'b.png')) == 'b.png'
        docs.write('c.png', page)


@proves('calling `save()` twice with one upload')
def test_saving_twice(storage: fs.Storage) -> None:
    upload = FileStorage(io.BytesIO(b'content'), 'a.txt')
    assert [storage.save(upload, name) for name in ('one.txt', 'two.txt')] == ['one.txt', 'two.txt']
    assert [storage.read(name) for name in ('one.txt', 'two.txt')] == [b'content'] * 2


@proves('`path()`')
def test_paths(storage: fs.Storage) -> None:
    storage.write('a.txt', 'x')
    if storage.backend_name == 'local':
        assert os.path.join(storage.root, 'a.txt') == storage.path('a.txt')
    else:
        with pytest.raises(fs.OperationNotSupported):
            storage.path('a.txt')
    with storage.local_file('a.txt') as path, open(path, encoding='utf-8') as file:
        assert file.read() == 'x'


@proves('`copy()` (flask-fs2)')
def test_copying(storage: fs.Storage) -> None:
    storage.write('a.txt', 'a')
    storage.write('b.txt', 'b')
    with pytest.raises(fs.FileExists):
        storage.copy('a.txt', 'b.txt')
    storage.copy('a.txt', 'b.txt', overwrite=True)
    assert storage.read('b.txt') == b'a'


@proves("`extension_allowed('PNG')`", '`fs.IMAGES` and the other groups')
def test_groups_of_types(make_app: Callable[..., Flask]) -> None:
    pictures = fs.Storage('pictures', fs.IMAGES + ['tex'])
    with make_app(pictures).app_context():
        assert [pictures.extension_allowed(ext) for ext in ('png', 'PNG', 'tex')] == [True, True, True]
    extensions = list(fs.IMAGES)
    extensions.append('psd')
    assert extensions == [*fs.IMAGES, 'psd']


@proves('`images.center_thumbnail`, `crop_thumbnail`')
def test_thumbnails_by_one_function() -> None:
    for bbox, expected in ((None, (100, 100)), ((0, 0, 50, 50), (20, 20))):
        with Image.open(images.make_thumbnail(picture(), expected[0], bbox)) as made:
            assert made.size == expected
    assert not hasattr(images, 'center_thumbnail')
    assert not hasattr(images, 'crop_thumbnail')


@proves('`LocalBackend.ensure_path`')
def test_folders_are_made_as_needed(tmp_path: Path) -> None:
    backend = LocalBackend('docs', {'root': str(tmp_path / 'not' / 'there')})
    backend.save(FileStorage(io.BytesIO(b'x'), 'a'), 'deep/down/a.txt')
    assert (tmp_path / 'not' / 'there' / 'deep' / 'down' / 'a.txt').read_bytes() == b'x'
    assert not hasattr(backend, 'ensure_path')


# --- Errors.


@proves('`FileNotFound`, `FileExists`', '`UnauthorizedFileType`')
def test_errors_are_wider(make_app: Callable[..., Flask]) -> None:
    docs = fs.Storage('docs', fs.TEXT)
    with make_app(docs, FS_BACKEND='memory').app_context():
        with pytest.raises(FileNotFoundError) as missing:
            docs.read('a.txt')
        docs.write('a.txt', '')
        with pytest.raises(FileExistsError) as taken:
            docs.write('a.txt', '')
        with pytest.raises(fs.UploadNotAllowed) as refused:
            docs.save(io.BytesIO(b''), 'a.exe')
    assert [missing.type, taken.type, refused.type] == [fs.FileNotFound, fs.FileExists, fs.UnauthorizedFileType]


@proves('`ValueError` from `save` without a name', '`ValueError` from `save` for a form without a file')
def test_saving_without_a_name(storage: fs.Storage) -> None:
    for file, error in (
        (io.BytesIO(b'x'), fs.InvalidFilename),
        (FileStorage(io.BytesIO(), ''), fs.NoFile),
        (None, fs.NoFile),
    ):
        with pytest.raises(ValueError, match=r'.') as caught:
            storage.save(file)
        assert error is caught.type
    with pytest.raises(fs.UploadNotAllowed):
        storage.save(FileStorage(io.BytesIO(), ''))


@proves(
    '`ValueError` about an unknown backend',
    '`None` from `by_name` for an unknown name',
    'a second `Storage` with the same name in one application',
)
def test_errors_of_configuration(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ValueError, match="no backend named 'ftp'") as unknown:
        make_app(fs.Storage('docs'), FS_BACKEND='ftp')
    assert unknown.type is fs.UnknownBackend
    app = make_app(docs := fs.Storage('docs'))
    with app.app_context():
        with pytest.raises(KeyError, match="No storage named 'dosc'") as missing:
            fs.by_name('dosc')
        assert missing.type is fs.UnknownStorage
        assert app.extensions['fs'].get('dosc') is None
        assert docs is app.extensions['fs'].get('docs') is fs.by_name('docs')
    with pytest.raises(fs.ConfigurationError, match="another storage named 'docs'"):
        fs.init_app(app, fs.Storage('docs'))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """What *error* was caused by, and what that was caused by, and so on."""
    while error is not None and (error := error.__cause__) is not None:
        yield error


@proves('errors from boto3, pymongo, swiftclient, the disk')
@pytest.mark.parametrize('kind', ['s3', 'gridfs', 'swift', 'local'])
def test_errors_of_stores(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: BaseBackend
    if kind == 's3':
        backend = S3Backend('docs', {**S3, 'retries': 0, 'connect_timeout_s': 1})
    elif kind == 'gridfs':
        backend = GridFSBackend('docs', {**GRIDFS, 'mongo_options': {'serverSelectionTimeoutMS': 10}})
    elif kind == 'swift':
        backend = SwiftBackend('docs', {**SWIFT, 'retries': 0, 'timeout_s': 1})
    else:
        backend = LocalBackend('docs', {'root': str(tmp_path)})

        def fail(*_: Any, **__: Any) -> int:
            raise OSError(5, 'Input/output error')

        monkeypatch.setattr(os, 'open', fail)
    with pytest.raises(fs.BackendError) as caught:
        backend.read('a.txt')
    monkeypatch.undo()
    # The last is what swiftclient itself works with.
    causes = {'s3': BotoCoreError, 'gridfs': PyMongoError, 'swift': RequestException, 'local': OSError}
    assert any(isinstance(error, causes[kind]) for error in chain(caught.value))


@proves('`ETagMismatchError` (flask-fs2)', '`PoolExhaustedError` (flask-fs2)')
def test_errors_of_swift() -> None:
    swift = importlib.import_module('flask_fs.backends.swift')
    assert issubclass(swift.ETagMismatchError, fs.ChecksumMismatch)
    assert not issubclass(swift.ETagMismatchError, ClientException)
    assert issubclass(swift.PoolExhaustedError, fs.Unavailable)


# --- Pictures.


def picture(width: int = 300, height: int = 200, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    Image.new('RGB', (width, height), 'navy').save(file, 'JPEG', **options)
    file.seek(0)
    return file


@proves('a thumbnail larger than the image or the `bbox`', '`resize(file, 100)` of 300 by 200 pixels')
def test_sizes_of_pictures() -> None:
    for made, size in (
        (images.make_thumbnail(picture(), 400), (200, 200)),
        (images.make_thumbnail(picture(), 100, (0, 0, 50, 80)), (50, 50)),
        (images.resize(picture(), 100), (100, 67)),
        (images.resize(picture(), (90, 40)), (60, 40)),
    ):
        with Image.open(made) as image:
            assert image.size == size


@proves('a photo taken sideways')
def test_sideways_photos() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(images.resize(picture(exif=exif.tobytes()), 300)) as image:
        assert image.size == (200, 300)


@proves('a broken image', 'a path as a `str`')
def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(fs.InvalidContent):
        images.resize(io.BytesIO(picture().getvalue()[:100]), 100)
    path = tmp_path / 'a.jpg'
    path.write_bytes(picture().getvalue())
    with pytest.raises(TypeError):
        images.resize(str(path), 100)
    with Image.open(images.resize(path, 100)) as image:
        assert image.size == (100, 67)


# --- Documents.


@pytest.fixture
def documents(make_app: Callable[..., Flask], mongomock_in_process: Any, fresh_name: str) -> Iterator[type[Any]]:
    """Documents declared as for older packages, whose arguments are by position too."""
    pictures = fs.Storage('pictures', fs.ALL, upload_to='in')
    app = make_app(pictures, FS_BACKEND='memory', FS_URL='https://h.test/')
    mongoengine.connect(fresh_name, mongo_client_class=mongomock_in_process, uuidRepresentation='standard')

    class Product(mongoengine.Document):  # type: ignore[misc]  # MongoEngine has no type hints
        manual = FileField(pictures)
        image = ImageField(150, [100, 32], fs=pictures)

    with app.app_context():
        yield Product
    mongoengine.disconnect()


@proves(
    '`filename`, `url`, `original`, `thumbnail(size)`, `save()`, `rerender()`',
    '`image(size)`, `best_url(size)`, `full()`',
    '`bbox`, `thumbnails`',
)
def test_fields(documents: type[Any]) -> None:
    document = documents()
    assert not document.image
    document.image.save(FileStorage(picture(), 'a.jpg'), 'test.jpg', bbox=(10, 10, 110, 110))
    image = document.image
    assert (image.filename, image.original) == ('in/test.jpg', 'in/test-original.jpg')
    assert (image.thumbnail(100), image.thumbnail(32)) == ('in/test-100.jpg', 'in/test-32.jpg')
    assert image.url == str(image) == image.full() == 'https://h.test/pictures/in/test.jpg'
    for size, name in ((None, ''), (200, ''), (150, ''), (100, '-100'), (90, '-100'), (30, '-32')):
        assert f'https://h.test/pictures/in/test{name}.jpg' == image(size) == image.best_url(size)
    document.save()
    stored = {
        'filename': 'in/test.jpg',
        'original': 'in/test-original.jpg',
        'thumbnails': {'100': 'in/test-100.jpg', '32': 'in/test-32.jpg'},
        'bbox': [10, 10, 110, 110],
    }
    assert documents._get_collection().find_one()['image'] == stored
    again = documents.objects.get()
    assert (again.image.bbox, again.image.thumbnails) == ([10, 10, 110, 110], stored['thumbnails'])
    again.image.rerender()
    again.save()
    assert documents._get_collection().find_one()['image'] == stored


# --- What behaves differently.


@proves('User-uploaded files are served safely')
def test_headers_of_served_files(make_app: Callable[..., Flask]) -> None:
    docs = fs.Storage('docs', fs.ALL)
    app = make_app(docs, FS_BACKEND='memory', FS_SERVE=True)
    with app.app_context():
        docs.write('a.html', '<script>')
        docs.write('a.txt', 'text')
    html, text = (app.test_client().get(f'/docs/a.{ext}') for ext in ('html', 'txt'))
    assert [answer.headers['X-Content-Type-Options'] for answer in (html, text)] == ['nosniff'] * 2
    assert 'sandbox' in html.headers['Content-Security-Policy']
    assert text.headers['Cache-Control'] == 'no-cache'
    cached = make_app(
        kept := fs.Storage('docs'), FS_BACKEND='memory', FS_SERVE=True, DOCS_FS_CACHE_CONTROL='max-age=60'
    )
    with cached.app_context():
        kept.write('a.txt', 'text')
    assert cached.test_client().get('/docs/a.txt').headers['Cache-Control'] == 'max-age=60'


@proves('The first writer wins')
def test_a_name_taken_meanwhile(storage: fs.Storage) -> None:
    class Late(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            storage.write('a.txt', 'first', overwrite=True)
            return super().read(size)

    with pytest.raises(fs.FileExists):
        storage.save(Late(b'second'), 'a.txt')
    assert storage.read('a.txt') == b'first'


@proves('The application starts even if its store is down')
def test_starting_without_a_store(make_app: Callable[..., Flask]) -> None:
    settings = {**settings_of('s3', S3), **settings_of('swift', SWIFT), **settings_of('gridfs', GRIDFS)}
    backends = {'ONE_FS_BACKEND': 's3', 'TWO_FS_BACKEND': 'swift', 'THREE_FS_BACKEND': 'gridfs'}
    make_app(fs.Storage('one'), fs.Storage('two'), fs.Storage('three'), **settings, **backends)


@proves('URLs work without serving')
def test_urls_without_serving(make_app: Callable[..., Flask]) -> None:
    app = make_app(docs := fs.Storage('docs'), FS_SERVE=False)
    app.add_url_rule('/<section>/<path:page>', 'mine', lambda section, page: f'{section} {page}')
    with app.test_request_context():
        assert docs.url('a.txt') == url_for('fs.get_file', fs='docs', filename='a.txt') == '/docs/a.txt'
    assert app.test_client().get('/news/today').text == 'news today'


@proves('No application context is pushed')
def test_outside_of_a_context(make_app: Callable[..., Flask]) -> None:
    docs = fs.Storage('docs')
    one = make_app(docs, FS_BACKEND='memory')
    docs.write('a.txt', 'x')
    two = make_app(docs, FS_BACKEND='memory')
    with pytest.raises(fs.ConfigurationError, match='2 applications'):
        docs.read('a.txt')
    with one.app_context():
        assert docs.read('a.txt') == b'x'
    with two.app_context():
        assert not docs.exists('a.txt')


# --- Nothing is left out.


def test_every_row_has_a_proof_and_every_proof_a_row() -> None:
    rows = {row[0] for head, rows in tables() if head not in (TRIED_WITH_PIP, INSTALLED) for row in rows}
    assert rows | set(explained()) == PROVED
