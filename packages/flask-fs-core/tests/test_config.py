from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs import config
from flask_fs.backends.base import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.settings import (
    Setting,
    at_least,
    boolean,
    extensions,
    file_mode,
    folder,
    function,
    hash_algorithm,
    host_of,
    http_url,
    key_prefix,
    mapping,
    non_negative_int,
    seconds,
    text,
)
from flask_fs.storage import Config


@pytest.fixture
def made(make_app: Callable[..., Flask]) -> Iterator[Callable[..., fs.Storage]]:
    """Makes a storage, with the context of an application of its own pushed."""
    with contextlib.ExitStack() as contexts:

        def make(name: str = 'avatars', **settings: Any) -> fs.Storage:
            storage = fs.Storage(name)
            contexts.enter_context(make_app(storage, **settings).app_context())
            return storage

        yield make


@pytest.mark.parametrize(
    ('settings', 'root'),
    [
        ({'AVATARS_FS_ROOT': '/own', 'FS_LOCAL_ROOT': '/backend', 'FS_ROOT': '/all'}, '/own'),
        ({'FS_LOCAL_ROOT': '/backend', 'FS_ROOT': '/all'}, '/backend/avatars'),
        ({'FS_ROOT': '/all/'}, '/all/avatars'),
        ({'AVATARS_FS_ROOT': None, 'FS_ROOT': '/all'}, '/all/avatars'),
        ({'FS_ROOT': Path('/all')}, '/all/avatars'),
    ],
)
def test_the_narrower_setting_wins_and_wider_ones_get_the_name_appended(
    made: Callable[..., fs.Storage], settings: dict[str, Any], root: str
) -> None:
    assert made(**settings).root == root


@pytest.mark.parametrize(
    ('url', 'host'),
    [
        ('https://files.test:8080/a?b#c', 'files.test:8080'),
        ('mongodb://one:1,two:2/db', 'one:1,two:2'),
        ('https://user:hush@files.test/', 'files.test'),
        ('https://user:hu@sh@files.test/', 'files.test'),
        ('https://user:hush#@files.test/', ''),
        ('https://user:hush/@files.test/', ''),
        ('https://user:hush?@files.test/', ''),
        ('', ''),
    ],
)
def test_the_host_of_a_url_is_never_a_password(url: str, host: str) -> None:
    assert host_of(url) == host


def test_the_default_root_lies_in_the_instance_folder(made: Callable[..., fs.Storage], tmp_path: Path) -> None:
    assert str(tmp_path / 'app1' / 'fs' / 'avatars') == made().root
    assert str(tmp_path / 'app2' / 'fs' / 'avatars') == made(FS_ROOT=None).root


def test_hyphens_in_a_storage_name_become_underscores(made: Callable[..., fs.Storage]) -> None:
    assert made('my-files', MY_FILES_FS_ROOT='/x').root == '/x'


def test_a_key_prefix_is_invisible_in_names(made: Callable[..., fs.Storage], tmp_path: Path) -> None:
    for kind in ('local', 'memory'):
        storage = made(AVATARS_FS_PREFIX='/tenant/7/', AVATARS_FS_ROOT=str(tmp_path / 'r'), FS_BACKEND=kind)
        storage.write('a/b.txt', 'x')
        assert list(storage.list_files()) == ['a/b.txt']
        assert [info.name for info in storage.scan('a')] == ['a/b.txt']
        assert storage.stat('a/b.txt').name == 'a/b.txt'
        with pytest.raises(fs.FileExists, match=r"^'a/b.txt' is already"):
            storage.write('a/b.txt', 'x')
        storage.copy('a/b.txt', 'c')
        storage.move('c', 'd')
        storage.delete('a')
        assert list(storage.list_files()) == ['d']
    assert (tmp_path / 'r' / 'tenant' / '7' / 'd').exists()


def test_a_global_prefix_is_no_key_prefix(made: Callable[..., fs.Storage]) -> None:
    assert made(FS_PREFIX='/files').config.prefix == ''


def test_an_unknown_backend_names_those_found_and_the_way_out(made: Callable[..., fs.Storage]) -> None:
    with pytest.raises(fs.UnknownBackend) as caught:
        made(AVATARS_FS_BACKEND='gopher')
    message = str(caught.value)
    assert "Storage 'avatars': no backend named 'gopher'" in message
    assert 'local' in message
    assert 'memory' in message
    assert 'Change AVATARS_FS_BACKEND or FS_BACKEND.' in message


@pytest.mark.parametrize(
    ('given', 'meant'),
    [('Local', 'local'), ('memry', 'memory'), ('swft', 'swift'), ('mongodb', 'gridfs'), ('Minio', 's3')],
)
def test_a_misspelt_backend_gets_a_hint(made: Callable[..., fs.Storage], given: str, meant: str) -> None:
    with pytest.raises(fs.UnknownBackend, match=f'Did you mean {meant!r}[?]'):
        made(FS_BACKEND=given)


class Demanding(BaseBackend):
    kind = 'demanding'
    capabilities = fs.Capability.CHECKSUM
    settings = (
        Setting('endpoint', text, required=True, allow_global=True),
        Setting('secret_key', non_negative_int, secret=True),
        Setting('password', text, secret=True),
        Setting('pool_size', non_negative_int, 4),
    )


@pytest.mark.parametrize(
    ('setting', 'value', 'expected'),
    [
        ('MAX_BYTES', float('inf'), 'a whole number, 0 or more'),
        ('MAX_BYTES', 1.5, 'a whole number, 0 or more'),
        ('MAX_BYTES', '1e6', 'a whole number, 0 or more'),
        ('DENY', '["php"', 'a container of extensions'),
        ('CACHE_CONTROL', 'no-store\r\nX-Other: 1', 'one line of ASCII'),
        ('CACHE_CONTROL', 'max-age=1\u2028', 'one line of ASCII'),
    ],
)
def test_what_cannot_be_read_says_what_it_must_be(
    made: Callable[..., fs.Storage], setting: str, value: Any, expected: str
) -> None:
    with pytest.raises(fs.ConfigurationError, match=rf'cannot use AVATARS_FS_{setting} = .*: it must be {expected}'):
        made(**{f'AVATARS_FS_{setting}': value})


def test_large_numbers_are_read_exactly() -> None:
    assert non_negative_int(str(2**53 + 1)) == non_negative_int(2**53 + 1) == 2**53 + 1
    assert non_negative_int(1e6) == 10**6


@pytest.mark.parametrize('denied', [['.php'], ('.PHP',), {'php'}, frozenset({'.php'}), '.php,exe', '["php"]'])
def test_extensions_are_denied_with_their_dots_and_without(made: Callable[..., fs.Storage], denied: Any) -> None:
    storage = made(AVATARS_FS_DENY=denied)
    storage.extensions = fs.ALL
    assert not storage.extension_allowed('php')
    assert storage.extension_allowed('png')


def test_a_missing_setting_says_where_it_was_looked_for(made: Callable[..., fs.Storage]) -> None:
    expected = 'needs AVATARS_FS_ENDPOINT or FS_DEMANDING_ENDPOINT or FS_ENDPOINT'
    with pytest.raises(fs.ConfigurationError, match=expected):
        made(FS_BACKEND=Demanding)


def test_all_that_is_wrong_is_said_at_once(made: Callable[..., fs.Storage]) -> None:
    with pytest.raises(fs.ConfigurationError) as caught:
        made(FS_BACKEND=Demanding, FS_DEMANDING_POOL_SIZE='many', AVATARS_FS_SERVE='perhaps')
    message = str(caught.value)
    assert 'AVATARS_FS_ENDPOINT' in message
    assert "cannot use FS_DEMANDING_POOL_SIZE = 'many': it must be a whole number, 0 or more" in message
    assert "cannot use AVATARS_FS_SERVE = 'perhaps': it must be True or False" in message


def test_a_secret_stays_out_of_the_message(made: Callable[..., fs.Storage]) -> None:
    with pytest.raises(fs.ConfigurationError) as caught:
        made(FS_BACKEND=Demanding, FS_ENDPOINT='x', AVATARS_FS_SECRET_KEY='hush-hush')
    assert 'AVATARS_FS_SECRET_KEY' in str(caught.value)
    assert 'hush' not in str(caught.value)


@pytest.mark.parametrize(
    ('given', 'hint'),
    [
        ('AVATARS_FS_RROT', 'AVATARS_FS_ROOT'),
        ('AVATARS_FS_ALOW', 'AVATARS_FS_ALLOW'),
        ('FS_LOCAL_FSINC', 'FS_LOCAL_FSYNC'),
        ('AVATARS_FS_MAXBYTES', 'AVATARS_FS_MAX_BYTES'),
        ('AVATARS_FS_MAX', 'AVATARS_FS_MAX_BYTES'),
        ('FS_SERV', 'FS_SERVE'),
        ('FS_BACKND', 'FS_BACKEND'),
        ('FS_MAXBYTES', 'FS_MAX_BYTES'),
    ],
)
def test_a_misspelt_setting_gets_a_hint(made: Callable[..., fs.Storage], given: str, hint: str) -> None:
    with pytest.warns(fs.ConfigurationWarning, match=f'{given} is not a setting .*: did you mean {hint}'):
        made(**{given: 1})


class Narrow(BaseBackend):
    kind = 'narrow'
    capabilities = fs.Capability.RANGE
    settings = (Setting('bucket', text),)


def test_a_setting_of_one_backend_has_no_effect_for_every_storage_and_the_hint_says_so(
    made: Callable[..., fs.Storage],
) -> None:
    with pytest.warns(fs.ConfigurationWarning, match='FS_BUCKET is not a setting .*: did you mean FS_NARROW_BUCKET'):
        assert made(FS_BACKEND=Narrow, FS_BUCKET='box').config.get('bucket') is None


def test_settings_of_other_backends_are_not_misspelt(made: Callable[..., fs.Storage]) -> None:
    made(FS_S3_MAX_BYTES=1, FS_S3_BUCKET_NAME='box', FS_LOCAL_FSYNC=True, FS_PREFIX='/files', FS_BACKEND='memory')


@pytest.mark.parametrize(
    ('storage', 'given', 'hint'),
    [
        ('photos', 'PHOTO_FS_ROOT', 'PHOTOS_FS_ROOT'),
        ('photos', 'PHOTTOS_FS_FSYNC', 'PHOTOS_FS_FSYNC'),
        ('photos', 'PHOTSO_FS_BACKEND', 'PHOTOS_FS_BACKEND'),
        ('avatars', 'AVATERS_FS_MAX_BYTES', 'AVATARS_FS_MAX_BYTES'),
        ('user-files', 'USERFILES_FS_ALLOW', 'USER_FILES_FS_ALLOW'),
        ('my_fs_docs', 'MY_FS_DOC_FS_ROOT', 'MY_FS_DOCS_FS_ROOT'),
        ('photos2', 'PHOTO2_FS_ROOT', 'PHOTOS2_FS_ROOT'),
    ],
)
def test_a_setting_of_a_misspelt_storage_gets_a_hint_at_the_first_request(
    make_app: Callable[..., Flask], storage: str, given: str, hint: str
) -> None:
    client = make_app(fs.Storage(storage), fs.Storage('others'), **{given: '1'}).test_client()
    expected = f"^{given} is not a setting of any storage in 'app1': did you mean {hint}[?]$"
    with pytest.warns(fs.ConfigurationWarning, match=expected) as warned:
        client.get('/')
    assert len(warned) == 1
    client.get('/')


@pytest.mark.parametrize(
    ('storages', 'settings'),
    [
        pytest.param(['photos'], {'THUMBS_FS_ROOT': 'x'}, id='another name'),
        pytest.param(['photos'], {'PHOTO_FS_COLOR': 'x'}, id='not a setting'),
        pytest.param(['photos'], {'PHOTO_FS_BUCKET_NAME': 'x'}, id='a setting of another backend'),
        pytest.param(['photos'], {'PHOTO_FS_ROOT': None}, id='not set'),
        pytest.param(['photos'], {'PHOTO_FS_ROOT': 'x', 'PHOTOS_FS_ROOT': 'y'}, id='both are set'),
        pytest.param(['photos', 'photo'], {'PHOTO_FS_ROOT': 'x'}, id='both exist'),
        pytest.param(['photos', 'user-files'], {'USER-FILES_FS_ALLOW': 'x'}, id='the older spelling of a hyphen'),
        pytest.param(['tenant1'], {'TENANT2_FS_ROOT': 'x', 'TENANT12_FS_ROOT': 'x'}, id='a number'),
        pytest.param(['files-a', 'v'], {'FILES_B_FS_ROOT': 'x', 'W_FS_ROOT': 'x'}, id='a letter'),
        pytest.param(['files', 'abc-eu'], {'FILES_A_FS_ROOT': 'x', 'ABC_UE_FS_ROOT': 'x'}, id='a short word'),
        pytest.param(['shop-north'], {'SHOP_SOUTH_FS_ROOT': 'x'}, id='a similar word'),
        pytest.param(['s3', 'fs'], {'FS_S3_ROOT': 'x', 'FS_ROOT': 'y'}, id='settings of many storages'),
    ],
)
def test_settings_that_may_be_of_other_storages_get_no_hint(
    make_app: Callable[..., Flask], storages: list[str], settings: dict[str, Any]
) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter('always')
        app = make_app(*map(fs.Storage, storages))
        app.config.update(settings)
        app.test_client().get('/')
    assert [str(warning.message) for warning in warned if 'any storage' in str(warning.message)] == []


def test_a_missing_setting_is_explained_by_a_misspelt_storage(make_app: Callable[..., Flask]) -> None:
    storages = fs.Storage('avatars'), fs.Storage('others')
    with (
        pytest.raises(fs.ConfigurationError, match='needs AVATARS_FS_ENDPOINT or FS_DEMANDING_ENDPOINT'),
        pytest.warns(fs.ConfigurationWarning, match='^AVATAR_FS_ENDPOINT is not .*: did you mean AVATARS_FS_ENDPOINT'),
    ):
        make_app(*storages, FS_BACKEND=Demanding, AVATAR_FS_ENDPOINT='x')


def test_an_error_about_one_storage_blames_no_setting_of_another(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.ConfigurationError, match='needs AVATARS_FS_ENDPOINT'):
        make_app(fs.Storage('avatars'), fs.Storage('avatar'), FS_BACKEND=Demanding, AVATAR_FS_ENDPOINT='x')


def test_a_misspelt_backend_is_the_only_complaint(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.UnknownBackend, match='locale'):
        make_app(fs.Storage('avatars'), AVATARS_FS_BACKEND='locale', AVATAR_FS_FSYNC=True)


def test_a_storage_that_another_call_adds_is_not_misspelt(make_app: Callable[..., Flask]) -> None:
    app = make_app(fs.Storage('photos'), PHOTO_FS_ALLOW='exe')
    with app.app_context():
        pass
    photo = fs.Storage('photo')
    fs.init_app(app, photo)
    app.test_client().get('/')
    assert photo.extension_allowed('exe')


def test_names_of_storages_are_checked_in_each_application(make_app: Callable[..., Flask]) -> None:
    photos = fs.Storage('photos')
    right, wrong = make_app(photos, PHOTOS_FS_ALLOW='exe'), make_app(photos, PHOTO_FS_ALLOW='exe')
    right.test_client().get('/')
    with pytest.warns(fs.ConfigurationWarning, match="any storage in 'app2': did you mean PHOTOS_FS_ALLOW"):
        wrong.test_client().get('/')


def test_a_setting_that_resembles_none_is_left_to_the_backend(made: Callable[..., fs.Storage]) -> None:
    assert made(AVATARS_FS_COLOR='red').config.color == 'red'


def test_redirecting_needs_a_backend_that_signs(made: Callable[..., fs.Storage]) -> None:
    with pytest.raises(fs.ConfigurationError, match=r"cannot use AVATARS_FS_SERVING = 'redirect'.*cannot sign links"):
        made(AVATARS_FS_SERVING='redirect')
    with pytest.raises(fs.ConfigurationError, match="it must be 'proxy' or 'redirect'"):
        made(AVATARS_FS_SERVING='indirect')


def test_settings_from_the_environment_work_as_text(
    made: Callable[..., fs.Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        'FS_SERVE': 'no',
        'AVATARS_FS_MAX_BYTES': '1000',
        'AVATARS_FS_ALLOW': 'exe, sh',
        'AVATARS_FS_DENY': '["svg"]',
        'AVATARS_FS_FILE_MODE': '0o640',
        'FS_LOCAL_FSYNC': 'true',
    }.items():
        monkeypatch.setenv(f'FLASK_{name}', value)
    environment = Flask('environment')
    environment.config.from_prefixed_env()
    storage = made(**{key: value for key, value in environment.config.items() if 'FS_' in key})
    settings = storage.config
    assert (settings.serve, settings.max_bytes, settings.allow) == (False, 1000, ('exe', 'sh'))
    assert (settings.deny, settings.file_mode, settings.fsync) == (['svg'], 0o640, True)
    assert storage.extension_allowed('exe')
    assert not storage.extension_allowed('svg')


@pytest.mark.parametrize(
    ('given', 'kind'), [('12345678', 'int'), ('1e5', 'float'), ('-0', 'int'), ('NaN', 'float'), ('true', 'bool')]
)
def test_a_number_for_text_from_the_environment_is_told_how_to_become_text(
    made: Callable[..., fs.Storage], monkeypatch: pytest.MonkeyPatch, given: str, kind: str
) -> None:
    def from_environment(value: str) -> dict[str, Any]:
        monkeypatch.setenv('FLASK_AVATARS_FS_PASSWORD', value)
        environment = Flask('environment')
        environment.config.from_prefixed_env()
        password = environment.config['AVATARS_FS_PASSWORD']
        return {'FS_BACKEND': Demanding, 'FS_ENDPOINT': 'x', 'AVATARS_FS_PASSWORD': password}

    with pytest.raises(fs.ConfigurationError) as caught:
        made(**from_environment(given))
    expected = (
        f"Storage 'avatars' (demanding) cannot use AVATARS_FS_PASSWORD: it must be text, not {kind}: put it in quotes; "
        'Flask parses environment variables as JSON, so there the value itself needs double quotes, in a shell '
        """'"..."'."""
    )
    assert str(caught.value) == expected
    assert made(**from_environment(f'"{given}"')).config.password == given


def test_the_path_of_a_folder_that_looks_like_a_number_gets_the_same_advice(made: Callable[..., fs.Storage]) -> None:
    with pytest.raises(
        fs.ConfigurationError, match='FS_ROOT = 2024: it must be the path of a folder, not int: put it in quotes; '
    ):
        made(FS_ROOT=2024)


@pytest.mark.parametrize('value', [None, b'x', ['x'], {'x': 1}, object()])
def test_what_quotes_would_not_mend_gets_no_advice_about_them(value: object) -> None:
    with pytest.raises(ValueError, match=r'^text$'):
        text(value)


@pytest.mark.parametrize('value', [1, True, 'yes', 'On', '1', 'TRUE'])
def test_words_for_true_are_understood(value: object) -> None:
    assert boolean(value) is True


@pytest.mark.parametrize(
    ('parse', 'value'),
    [
        (non_negative_int, -1),
        (non_negative_int, True),
        (non_negative_int, 1.5),
        (non_negative_int, '1.5'),
        (non_negative_int, []),
        (at_least(5), 4),
        (at_least(5), 'many'),
        (at_least(5, 9), 10),
        (seconds, 0),
        (seconds, -1),
        (seconds, True),
        (seconds, 'soon'),
        (seconds, 'inf'),
        (seconds, 'nan'),
        (seconds, None),
        (mapping, 3),
        (mapping, '{'),
        (mapping, '[1]'),
        (mapping, {1: 2}),
        (boolean, 2),
        (text, 3),
        (http_url, 3),
        (http_url, 'files.test'),
        (http_url, 'ftp://files.test'),
        (http_url, 'http://'),
        (http_url, 'http://[files.test'),
        (http_url, 'http://user@files.test'),
        (http_url, 'http://user:hush#hush@files.test'),
        (key_prefix, '../x'),
        (key_prefix, 'a\\b'),
        (folder, 3),
        (file_mode, '999'),
        (file_mode, True),
        (file_mode, -1),
        (file_mode, 640),
        (file_mode, 755),
        (file_mode, '400'),
        (extensions, 3),
        (extensions, '[not json'),
        (function, 'name'),
        (hash_algorithm, 'rot13'),
        (hash_algorithm, 'shake_128'),
    ],
)
def test_an_impossible_value_is_refused(parse: Any, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is the sentence's end, see above
        parse(value)


@pytest.mark.parametrize(
    ('parse', 'value', 'expected'),
    [
        (at_least(5), '5', 5),
        (http_url, 'https://files.test/v1/', 'https://files.test/v1'),
        (seconds, '1.5', 1.5),
        (seconds, 30, 30.0),
        (mapping, '{"a": {"b": 1}}', {'a': {'b': 1}}),
        (mapping, {'a': 1}, {'a': 1}),
    ],
)
def test_numbers_and_dictionaries_may_come_as_text(parse: Any, value: object, expected: object) -> None:
    assert parse(value) == expected


def test_a_plain_dictionary_configures_a_backend_without_any_application(tmp_path: Path) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path), 'file_mode': '600', 'fsync': None})
    backend.write('a', 'text')
    assert (tmp_path / 'a').read_bytes() == b'text'
    assert (tmp_path / 'a').stat().st_mode & 0o777 == 0o600
    with pytest.raises(fs.ConfigurationError, match='needs a root'):
        _ = LocalBackend('x').root


def test_a_config_configures_a_backend_as_a_plain_dictionary_does(tmp_path: Path) -> None:
    root = str(tmp_path)
    for given in (
        Config({'root': root, 'fsync': 'yes'}),
        Config(root=root, fsync='yes'),
        Config([('root', root)], fsync=1),
    ):
        for kind in (LocalBackend, MemoryBackend):
            backend: BaseBackend = kind('x', given)
            backend.write('a/b.txt', 'text')
            assert backend.read('a/b.txt') == b'text'
            assert backend.config.prefix == ''
        assert isinstance(LocalBackend('x', given).config.fsync, bool)
        assert LocalBackend('x', given).root == root
        assert set(given) == {'root', 'fsync'}
    with pytest.raises(fs.ConfigurationError, match='X_FS_FSYNC'):
        LocalBackend('x', Config(root=root, fsync='perhaps'))


def test_the_settings_of_a_storage_make_another_backend_of_it(made: Callable[..., fs.Storage], tmp_path: Path) -> None:
    storage = made(AVATARS_FS_ROOT=str(tmp_path / 'own'), AVATARS_FS_PREFIX='in')
    storage.write('a', 'x')
    for config_ in (storage.config, Config(storage.config), dict(storage.config)):
        assert LocalBackend('other', config_).read('a') == b'x'


def test_settings_are_read_set_and_deleted_as_attributes() -> None:
    settings = Config({'a': 1, 'b': None}, c=3)
    settings.d = settings.a + settings.c
    settings.a = 5
    del settings.c
    assert settings == {'a': 5, 'b': None, 'd': 4}
    assert settings.b is None
    with pytest.raises(AttributeError, match="no setting 'c'"):
        del settings.c


def test_a_setting_that_is_not_there_says_which_are() -> None:
    with pytest.raises(AttributeError, match=r"no setting 'b' \(set: a\)"):
        _ = Config({'a': 1}).b
    assert not hasattr(Config(), 'a')


def test_a_setting_may_be_set_on_a_configured_storage(made: Callable[..., fs.Storage]) -> None:
    storage = made()
    storage.config.max_bytes = 1
    with pytest.raises(fs.FileTooLarge):
        storage.write('a', 'xy')


@pytest.mark.parametrize('configured', [True, False])
def test_a_local_backend_within_an_application_is_in_its_folder(
    make_app: Callable[..., Flask], tmp_path: Path, configured: bool
) -> None:
    app = make_app(FS_ROOT=str(tmp_path / 'all') if configured else None)
    with app.app_context():
        backend = LocalBackend('docs', {})
    folder_of_all = tmp_path / 'all' if configured else tmp_path / 'app1' / 'fs'
    assert str(folder_of_all / 'docs') == backend.root
    assert str(folder_of_all) == backend.default_root
    backend.write('a', 'x')
    assert (folder_of_all / 'docs' / 'a').read_bytes() == b'x'


def test_a_relative_root_stays_where_it_was_when_the_backend_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage, backend = fs.Storage('docs'), LocalBackend('docs', {'root': 'by/itself'})
    app = Flask(__name__)
    app.config['FS_ROOT'] = 'all'
    fs.init_app(app, storage)
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    storage.write('a', 'x')
    assert str(tmp_path / 'all' / 'docs' / 'a') == storage.path('a')
    assert (tmp_path / 'all' / 'docs' / 'a').read_bytes() == b'x'
    assert str(tmp_path / 'by' / 'itself' / 'a') == backend.path('a')


# --- What init_app puts into app.config.


def test_the_documented_defaults_are_put_into_the_settings(tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    fs.init_app(app)
    assert {key: value for key, value in app.config.items() if key.startswith('FS_')} == {
        'FS_SERVE': False,
        'FS_ROOT': str(tmp_path / 'fs'),
        'FS_PREFIX': None,
        'FS_URL': None,
        'FS_BACKEND': 'local',
        'FS_IMAGES_OPTIMIZE': False,
    }


def test_settings_that_are_there_stay() -> None:
    given = {
        'FS_SERVE': 'no',
        'FS_ROOT': '/all',
        'FS_PREFIX': '/fs',
        'FS_URL': '/media',
        'FS_BACKEND': 'memory',
        'FS_IMAGES_OPTIMIZE': True,
    }
    for settings in (given, dict.fromkeys(given)):
        app = Flask(__name__)
        app.config.update(settings)
        fs.init_app(app, fs.Storage())
        fs.init_app(app)
        assert settings == {key: value for key, value in app.config.items() if key.startswith('FS_')}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that a distribution adds to those of every storage."""
    monkeypatch.setattr(config, '_registered', {})
    config.register_settings(
        Setting('frames', at_least(1), 9, allow_global=True),
        Setting('draft', boolean, False, allow_global=True, live=True),
    )


@pytest.mark.usefixtures('registered')
def test_a_registered_setting_is_one_of_every_storage(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('pictures')
    with make_app(storage, FS_LOCAL_FRAMES='3').app_context():
        assert storage.config.frames == 3
        assert 'frames=3' in repr(storage.config)
    with pytest.raises(
        fs.ConfigurationError, match=r'cannot use PICTURES_FS_FRAMES = 0: it must be a whole number, 1 or'
    ):
        make_app(storage, PICTURES_FS_FRAMES=0)
    with pytest.warns(
        fs.ConfigurationWarning, match='PICTURES_FS_FRAME is not a setting .* did you mean PICTURES_FS_FRAMES'
    ):
        make_app(storage, PICTURES_FS_FRAME=4)


@pytest.mark.usefixtures('registered')
def test_a_registered_setting_may_be_live(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('pictures')
    app = make_app(storage)
    with app.app_context():
        assert storage.config.draft is False
        app.config.update(FS_DRAFT='yes', FS_FRAMES=4)
        assert (storage.config.draft, storage.config.frames) == (True, 9)


def test_a_setting_registered_after_storages_were_configured_is_theirs_too(
    make_app: Callable[..., Flask], request: pytest.FixtureRequest
) -> None:
    storage, assigned = fs.Storage('pictures'), fs.Storage('assigned')
    assigned.backend = MemoryBackend('assigned')
    app = make_app(storage, FS_FRAMES='4', PICTURES_FS_DRAFT='perhaps')
    request.getfixturevalue('registered')
    assert (assigned.config.frames, assigned.config.draft) == (9, False)
    with app.app_context():
        with pytest.raises(fs.ConfigurationError, match="PICTURES_FS_DRAFT = 'perhaps'"):
            _ = storage.config
        del app.config['PICTURES_FS_DRAFT']
        assert (storage.config.frames, storage.config.draft) == (4, False)


def test_an_object_with_only_a_config_will_do(tmp_path: Path) -> None:
    class Settings:
        config = {'FS_ROOT': str(tmp_path)}  # noqa: RUF012  # only read

    storage = fs.Storage('loose')
    storage.configure(Settings())
    storage.write('a', 'x')
    assert (tmp_path / 'loose' / 'a').exists()
    assert storage.metadata('a')['url'] is None


@pytest.mark.parametrize('name', ['', 'a b', 'a/b', '<x>', '-a', 'é'])
def test_a_storage_name_that_settings_or_addresses_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(fs.ConfigurationError, match='is not a valid storage name'):
        fs.Storage(name)


@pytest.mark.parametrize(
    ('setting', 'found'),
    [
        (config.Setting('place', config.whole_number, everywhere=False), None),
        (config.Setting('place', config.whole_number), 3),
        (config.Setting('place', config.text, None, 'Where.', True, True, True), '3/docs'),
    ],
)
@pytest.mark.filterwarnings('ignore:FS_PLACE is not a setting')
def test_settings_declared_as_in_1_0_mean_what_they_meant(setting: Setting, found: object) -> None:
    given = {'FS_PLACE': '3', 'FS_MINE_OTHER': None}
    assert config.resolve(given, 'docs', 'mine', [setting]).get('place') == found


@pytest.mark.parametrize(
    ('values', 'more'),
    [(('k', str, None, '', False, False, True, False, False, 'surplus'), {}), (('k', str), {'key': 'z'})],
)
def test_a_setting_declared_as_in_1_0_has_each_value_once(values: tuple[Any, ...], more: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        config.Setting(*values, **more)
