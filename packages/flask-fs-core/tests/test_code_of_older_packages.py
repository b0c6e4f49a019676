"""Code that was written for flask-fs 0.x, flask-fs2 or flask-storage, by their documentation, and works here too.

What works in another way is in docs/how-to/upgrade.md and docs/how-to/upgrade-code.md. Custom backends and test doubles
are in test_documented_backends.py.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import inspect
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, url_for
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.settings import Setting, boolean

AppFactory = Callable[..., Flask]


def _upload(name: str = 'photo.png', content: bytes = b'content') -> FileStorage:
    return FileStorage(io.BytesIO(content), name)


# --- Names and signatures.


@pytest.mark.parametrize(
    ('module', 'names'),
    [
        ('flask_fs', 'Storage init_app by_name BaseBackend DisallowAll'),
        ('flask_fs', 'TEXT DOCUMENTS IMAGES AUDIO DATA SCRIPTS ARCHIVES EXECUTABLES DEFAULTS ALL NONE All AllExcept'),
        ('flask_fs', 'FSError FileExists FileNotFound UnauthorizedFileType UploadNotAllowed OperationNotSupported'),
        ('flask_fs.errors', 'FSError FileExists FileNotFound UnauthorizedFileType UploadNotAllowed'),
        (
            'flask_fs.files',
            'TEXT DOCUMENTS IMAGES AUDIO DATA SCRIPTS ARCHIVES EXECUTABLES DEFAULTS ALL NONE All AllExcept',
        ),
        ('flask_fs.files', 'extension lower_extension DisallowAll'),
        ('flask_fs.storage', 'Storage'),
        ('flask_fs.views', 'get_file'),
        ('flask_fs.backends', 'BaseBackend'),
        ('flask_fs.backends.local', 'LocalBackend'),
        ('flask_fs.backends.mock', 'MockBackend'),
    ],
)
def test_documented_names_are_where_they_were(module: str, names: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in names.split() if not hasattr(imported, name)] == []


@pytest.mark.parametrize(
    ('method', 'before'),
    [
        ('__init__', 'self name extensions upload_to overwrite'),
        ('configure', 'self app'),
        ('save', 'self file_or_wfs filename prefix overwrite'),
        ('write', 'self filename content overwrite'),
        ('read', 'self filename'),
        ('read_chunks', 'self filename chunk_size'),
        ('open', 'self filename mode kwargs'),
        ('exists', 'self filename'),
        ('delete', 'self filename'),
        ('copy', 'self filename target'),
        ('list_files', 'self'),
        ('metadata', 'self filename'),
        ('url', 'self filename external'),
        ('path', 'self filename'),
        ('serve', 'self filename'),
        ('file_allowed', 'self storage basename'),
        ('extension_allowed', 'self ext'),
        ('resolve_conflict', 'self target_folder basename'),
    ],
)
def test_arguments_stand_in_their_places(method: str, before: str) -> None:
    """What was added comes after them, and is optional."""
    now = list(inspect.signature(getattr(fs.Storage, method)).parameters.values())
    expected = before.split()
    if now[-1].kind is inspect.Parameter.VAR_KEYWORD and len(now) > len(expected):
        now.pop()
    assert expected == [parameter.name for parameter in now[: len(expected)]]
    assert all(parameter.default is not parameter.empty for parameter in now[len(expected) :])


@pytest.mark.parametrize(
    ('group', 'before'),
    [
        ('TEXT', 'txt'),
        ('DOCUMENTS', 'rtf odf ods gnumeric abw doc docx xls xlsx'),
        ('IMAGES', 'jpg jpe jpeg png gif svg bmp webp'),
        ('AUDIO', 'wav mp3 aac ogg oga flac'),
        ('DATA', 'csv ini json plist xml yaml yml'),
        ('SCRIPTS', 'bat js php pl py rb sh'),
        ('ARCHIVES', 'gz bz2 zip tar tgz txz 7z'),
        ('EXECUTABLES', 'so exe dll'),
    ],
)
def test_groups_of_types_hold_what_they_held(group: str, before: str) -> None:
    assert [ext for ext in before.split() if ext not in getattr(fs, group)] == []


def test_groups_of_types_join_with_lists_on_either_side() -> None:
    assert {'tex', *fs.TEXT, *fs.IMAGES} == set(fs.TEXT + ['tex'] + fs.IMAGES)
    assert {'tex', *fs.TEXT} == set(['tex'] + fs.TEXT)


# --- Setting up.


def test_storages_may_be_given_after_an_empty_init_app(make_app: AppFactory) -> None:
    app = make_app()
    images = fs.Storage('images', fs.IMAGES)
    fs.init_app(app, images)
    assert list(app.extensions['fs']) == ['images']
    with app.app_context():
        assert fs.by_name('images') is images


def test_settings_are_found_for_the_storage_then_the_backend_then_all(make_app: AppFactory, tmp_path: Path) -> None:
    one, two, three = fs.Storage('one'), fs.Storage('two'), fs.Storage('three')
    app = make_app(
        one,
        two,
        FS_ROOT=str(tmp_path / 'all'),
        FS_LOCAL_ROOT=str(tmp_path / 'disk'),
        ONE_FS_ROOT=str(tmp_path / 'own'),
        FS_URL='https://static.test/',
        ONE_FS_URL='https://one.test/',
    )
    assert str(tmp_path / 'own') == one.root
    assert str(tmp_path / 'disk' / 'two') == two.root
    assert (one.url('a.txt'), two.url('a.txt')) == ('https://one.test/a.txt', 'https://static.test/two/a.txt')
    assert one.has_url
    assert one.base_url == 'https://one.test/'
    fs.init_app(app, three)
    assert three.base_url == 'https://static.test/three/'


def test_an_unknown_name_is_a_key_error_too(make_app: AppFactory) -> None:
    app = make_app(fs.Storage('images'))
    with app.app_context(), pytest.raises(KeyError, match="No storage named 'image'"):
        fs.by_name('image')
    # What code that expects None reads instead.
    assert app.extensions['fs'].get('image') is None


@pytest.mark.parametrize('kind', ['local', 'memory'])
@pytest.mark.parametrize(
    'setting',
    [
        'MY_LETTERS_FS_AES256_ENCRYPTED',
        pytest.param('MY-LETTERS_FS_AES256_ENCRYPTED', marks=pytest.mark.filterwarnings('ignore:MY-LETTERS')),
        'FS_{KIND}_AES256_ENCRYPTED',
        'FS_AES256_ENCRYPTED',
    ],
)
@pytest.mark.parametrize('on', [True, 'yes', '1', 'AES'])
def test_files_that_were_encrypted_are_not_taken_for_plain_ones(
    make_app: AppFactory, kind: str, setting: str, on: Any
) -> None:
    """As flask-fs2 stores them; they would be served as they are, and new ones kept in plain."""
    setting = setting.format(KIND=kind.upper())
    guide = 'docs/how-to/upgrade.md'
    with pytest.raises(fs.ConfigurationError, match=f'cannot use {setting} = {on!r}: it must be False.*{guide}'):
        make_app(fs.Storage('my-letters'), **{'FS_BACKEND': kind, setting: on, 'FS_AES256_KEY': 'hush-hush'})


@pytest.mark.parametrize('off', [False, 'no', '0', 0, None])
def test_files_that_were_not_encrypted_are_kept_as_they_were(make_app: AppFactory, off: Any) -> None:
    settings = {'LETTERS_FS_AES256_ENCRYPTED': off, 'LETTERS_FS_AES256_KEY': 'unused'}
    with make_app(storage := fs.Storage('letters'), **settings).app_context():
        storage.write('a.txt', 'Dear')
        assert Path(storage.path('a.txt')).read_bytes() == b'Dear'


def test_a_storage_may_say_that_it_alone_is_not_encrypted(make_app: AppFactory) -> None:
    settings = {'FS_AES256_ENCRYPTED': True, 'PLAIN_LETTERS_FS_AES256_ENCRYPTED': False}
    make_app(fs.Storage('plain-letters'), **settings)
    with pytest.warns(fs.ConfigurationWarning, match='did you mean SPARE_LETTERS_FS_AES256_ENCRYPTED'):
        make_app(fs.Storage('spare-letters'), FS_AES256_ENCRYPTED=True, **{'SPARE-LETTERS_FS_AES256_ENCRYPTED': False})


def test_a_local_backend_without_an_application_does_not_decrypt_either(tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigurationError, match='DOCS_FS_AES256_ENCRYPTED = True: it must be False'):
        LocalBackend('docs', {'root': str(tmp_path), 'aes256_encrypted': True})


def test_a_backend_may_encrypt_by_itself(make_app: AppFactory) -> None:
    class Encrypting(MemoryBackend):
        settings = (Setting('aes256_encrypted', boolean, False, allow_global=True),)

    with make_app(storage := fs.Storage('docs'), FS_BACKEND=Encrypting, FS_AES256_ENCRYPTED=True).app_context():
        assert storage.config.aes256_encrypted is True


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        ('AV-AT_FS_ROOT', 'AV_AT_FS_ROOT'),
        ('AV-AT_FS_BACKEND', 'AV_AT_FS_BACKEND'),
        ('AV-AT_FS_COLOR', 'AV_AT_FS_COLOR'),
    ],
)
def test_settings_of_a_storage_with_hyphens_get_a_hint(make_app: AppFactory, given: str, meant: str) -> None:
    hint = f"^{given} is not a setting of storage 'av-at' .local.: did you mean {meant}[?]$"
    with pytest.warns(fs.ConfigurationWarning, match=hint) as caught:
        make_app(fs.Storage('av-at'), **{given: '/data'})
    assert len(caught) == 1


def test_settings_of_a_backend_with_hyphens_get_a_hint(make_app: AppFactory) -> None:
    class Disk(LocalBackend):
        kind = 'my-disk'

    with pytest.warns(fs.ConfigurationWarning, match='did you mean FS_MY_DISK_ROOT'):
        make_app(fs.Storage('docs'), FS_BACKEND=Disk, **{'FS_MY-DISK_ROOT': '/data'})


def test_hyphens_that_are_not_set_or_of_another_storage_get_no_hint(make_app: AppFactory) -> None:
    settings = {'AV-AT_FS_ROOT': None, 'OTHER-AT_FS_ROOT': '/data', 'AV_AT_FS_ROOT': '/own'}
    with make_app(storage := fs.Storage('av-at'), **settings).app_context():
        assert storage.root == '/own'


def test_by_default_files_are_in_the_instance_folder(make_app: AppFactory) -> None:
    storage = fs.Storage('docs')
    app = make_app(storage)
    assert os.path.join(app.instance_path, 'fs', 'docs') == storage.root


def test_a_folder_inside_of_the_store_does_not_show_in_names(make_app: AppFactory, tmp_path: Path) -> None:
    """As in flask-storage, whose addresses show it under ``FS_URL``."""
    storage = fs.Storage('docs')
    with make_app(storage, FS_ROOT=str(tmp_path), DOCS_FS_PREFIX='sub/dir', FS_URL='https://h.test/').app_context():
        storage.write('a/x.txt', 'x')
        assert list(storage.list_files()) == ['a/x.txt']
        assert (tmp_path / 'docs' / 'sub' / 'dir' / 'a' / 'x.txt').read_bytes() == b'x'
        assert storage.url('a/x.txt') == 'https://h.test/docs/sub/dir/a/x.txt'


def test_files_that_lie_there_are_found(make_app: AppFactory, tmp_path: Path) -> None:
    (tmp_path / 'docs' / 'a').mkdir(parents=True)
    (tmp_path / 'docs' / 'a' / 'x.txt').write_text('hello')
    storage = fs.Storage('docs')
    with make_app(storage, FS_ROOT=str(tmp_path)).app_context():
        assert list(storage.list_files()) == ['a/x.txt']
        assert storage.read('a/x.txt') == b'hello'


def test_a_storage_is_configured_with_whatever_has_a_config(tmp_path: Path) -> None:
    storage = fs.Storage('docs')
    storage.configure(SimpleNamespace(config={'FS_ROOT': str(tmp_path)}))
    storage.write('a.txt', 'x')
    assert str(tmp_path / 'docs' / 'a.txt') == storage.path('a.txt')


def test_a_local_backend_needs_no_application(tmp_path: Path) -> None:
    backend = LocalBackend('docs', {'root': str(tmp_path)})
    backend.write('a.txt', 'hello')
    assert (backend.read('a.txt'), backend.exists('a.txt')) == (b'hello', True)
    assert list(backend.list_files()) == ['a.txt']
    assert str(tmp_path / 'a.txt') == backend.path('a.txt')
    backend.move('a.txt', 'b.txt')
    assert not backend.exists('a.txt')


# --- Types.


def test_allow_adds_to_the_types_of_a_storage_and_deny_takes_away(make_app: AppFactory) -> None:
    storage = fs.Storage('docs', fs.IMAGES + ['tex'])
    with make_app(storage, DOCS_FS_ALLOW=['heic'], DOCS_FS_DENY=['svg']).app_context():
        found = {ext: storage.extension_allowed(ext) for ext in ('png', 'tex', 'heic', 'svg', 'exe')}
        assert found == {'png': True, 'tex': True, 'heic': True, 'svg': False, 'exe': False}
        assert storage.file_allowed(_upload(), 'photo.png')


def test_types_of_all_storages_are_added_as_older_packages_did(make_app: AppFactory) -> None:
    storage = fs.Storage('pictures', fs.IMAGES)
    with make_app(storage, FS_ALLOW=fs.DEFAULTS).app_context():
        assert storage.extension_allowed('txt')
        assert not storage.extension_allowed('exe')


# --- Files.


def test_uploads_are_saved_under_cleaned_names(app: Flask, storage: fs.Storage) -> None:
    assert storage.save(_upload('My Pic (1).PNG')) == 'My_Pic_1.png'
    assert storage.save(_upload(), 'other.png', 'pics') == 'pics/other.png'
    assert storage.save(_upload(), prefix=lambda: 'pics') == 'pics/photo.png'


def test_upload_to_is_a_folder_or_gives_one(make_app: AppFactory, kind: str) -> None:
    plain, given = fs.Storage('plain', upload_to='in'), fs.Storage('given', upload_to=lambda app: app.name)
    app = make_app(plain, given, FS_BACKEND=kind)
    with app.app_context():
        assert plain.save(_upload(), prefix='p') == 'in/p/photo.png'
        assert given.save(_upload()) == f'{app.name}/photo.png'


def test_what_only_reads_is_saved_and_may_be_rewound(app: Flask, storage: fs.Storage) -> None:
    class Source:
        def __init__(self) -> None:
            self.file = io.BytesIO(b'content')
            self.read = self.file.read

    source = Source()
    assert storage.save(source, 'a.png') == 'a.png'
    source.file.seek(0)
    assert source.read() == storage.read('a.png') == b'content'


def test_names_that_are_taken_are_refused_unless_told_otherwise(app: Flask, storage: fs.Storage) -> None:
    storage.write('a.txt', 'one')
    for act in (lambda: storage.write('a.txt', 'two'), lambda: storage.save(_upload(), 'a.txt')):
        with pytest.raises(fs.FileExists):
            act()
    assert storage.resolve_conflict('', 'a.txt') == 'a_1.txt'
    storage.write('a.txt', 'three', True)
    assert storage.read('a.txt') == b'three'
    assert storage.save(_upload(content=b'four'), 'a.txt', None, True) == 'a.txt'
    assert storage.read('a.txt') == b'four'


def test_conflicts_are_resolved_in_a_folder_by_its_absolute_path(make_app: AppFactory) -> None:
    """As the documentation has it; a folder of the storage is understood as well."""
    storage = fs.Storage('docs')
    with make_app(storage).app_context():
        for name in ('a_1.txt', 'in/a_1.txt', 'in/a_2.txt'):
            storage.write(name, '')
        for folder in (storage.path('in'), storage.path('in') + '/', 'in', 'in/'):
            assert storage.resolve_conflict(folder, 'a.txt') == 'a_3.txt'
        for root in (str(storage.root), ''):
            assert storage.resolve_conflict(root, 'a.txt') == 'a_2.txt'
        assert storage.resolve_conflict(f'{storage.root}-2', 'a.txt') == 'a_1.txt'


def test_files_are_opened_read_asked_for_and_deleted(app: Flask, storage: fs.Storage) -> None:
    with storage.open('a/b.txt', 'w') as file:
        file.write('text')
    with storage.open('a/b.txt') as file:
        assert file.read() == 'text'
    with storage.open('a/b.txt', 'rb') as file:
        assert file.read() == b'text'
    assert b''.join(storage.read_chunks('a/b.txt', 3)) == b'text'
    assert 'a/b.txt' in storage
    storage.copy('a/b.txt', 'a/c.txt')
    storage.write('ab.txt', b'stays')
    storage.delete('a')
    assert list(storage.list_files()) == ['ab.txt']


def test_missing_files_are_an_error_that_can_be_raised_bare(app: Flask, storage: fs.Storage) -> None:
    for act in (storage.read, storage.open, storage.metadata):
        with pytest.raises(fs.FileNotFound):
            act('none')
    with pytest.raises(fs.FSError):
        raise fs.FileNotFound
    storage.delete('none')


@pytest.mark.parametrize('algorithm', ['sha1', 'md5', 'sha256'])
def test_metadata_has_its_keys_and_the_checksum_that_was_kept(make_app: AppFactory, kind: str, algorithm: str) -> None:
    storage = fs.Storage('docs')
    with make_app(storage, FS_BACKEND=kind, FS_CHECKSUM=algorithm, SERVER_NAME='site.test').app_context():
        storage.write('a/x.txt', 'hello')
        metadata = storage.metadata('a/x.txt')
        assert f'{algorithm}:{hashlib.new(algorithm, b"hello").hexdigest()}' == metadata['checksum']
        assert (metadata['filename'], metadata['size'], metadata['mime']) == ('x.txt', 5, 'text/plain')
        assert metadata['url'] == 'http://site.test/docs/a/x.txt'
        assert metadata['modified'].utcoffset() == datetime.timedelta(0)


def test_what_was_a_value_error_still_is(make_app: AppFactory) -> None:
    storage = fs.Storage('docs')
    app = make_app(storage)
    with pytest.raises(ValueError, match='pass filename= to save'):
        storage.save(io.BytesIO(b''))
    app.config['FS_BACKEND'] = 'none'
    with pytest.raises(ValueError, match="no backend named 'none'"):
        fs.init_app(app, storage)


# --- Addresses and serving.


def test_without_a_prefix_addresses_are_those_of_older_packages(make_app: AppFactory, kind: str) -> None:
    storage = fs.Storage('docs')
    app = make_app(storage, FS_BACKEND=kind)
    with app.test_request_context():
        storage.write('a b.txt', 'hello')
        assert storage.url('a b.txt') == url_for('fs.get_file', fs='docs', filename='a b.txt') == '/docs/a%20b.txt'
        assert storage.url('a b.txt', external=True) == 'http://localhost/docs/a%20b.txt'
        assert storage.base_url == 'http://localhost/docs/'
        assert storage.url('/a b.txt') == '/docs/a%20b.txt'
    assert app.test_client().get('/docs/a%20b.txt').text == 'hello'


def test_a_view_may_serve_a_file_itself(make_app: AppFactory, kind: str) -> None:
    storage = fs.Storage('docs')
    app = make_app(storage, FS_BACKEND=kind, FS_SERVE=False)
    app.add_url_rule('/mine/<path:filename>', view_func=storage.serve, endpoint='mine')
    with app.app_context():
        storage.write('a.txt', 'hello')
    assert app.test_client().get('/mine/a.txt').text == 'hello'
    assert app.test_client().get('/docs/a.txt').status_code == 404


@pytest.mark.parametrize(('config', 'status'), [({}, 404), ({'DEBUG': True}, 200), ({'FS_SERVE': True}, 200)])
def test_files_are_served_in_debug_mode_or_where_told(
    make_app: AppFactory, config: dict[str, Any], status: int
) -> None:
    storage = fs.Storage('docs')
    app = make_app(storage, **{'FS_SERVE': None, 'FS_BACKEND': 'memory', **config})
    with app.app_context():
        storage.write('a.txt', 'hello')
    assert app.test_client().get('/docs/a.txt').status_code == status
