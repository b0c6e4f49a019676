"""What can be configured, where it is looked for, and what of it reaches the store."""

from __future__ import annotations

import logging
import re
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.errors import ConfigurationError
from flask_fs_s3 import S3Backend

MiB = 1024 * 1024
PART = 5 * MiB
ENDPOINT = 'https://objects.example.org'
KEYS = {'access_key': 'an-access-key', 'secret_key': 'a-secret-of-ours'}
SETTINGS = {'endpoint': ENDPOINT, 'region': 'us-east-1', 'bucket_name': 'box', **KEYS}


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests is found by boto3."""
    for name in ('ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN', 'PROFILE', 'REGION', 'DEFAULT_REGION'):
        monkeypatch.delenv(f'AWS_{name}', raising=False)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_CONFIG_FILE', str(tmp_path / 'config'))
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', str(tmp_path / 'credentials'))


def _backend(name: str = 'kit', **settings: Any) -> S3Backend:
    return S3Backend(name, {**SETTINGS, **settings})


def _bound(storage: fs.Storage, **config: Any) -> S3Backend:
    """The backend that an application makes of its configuration."""
    app = Flask('kit')
    app.config.update(FS_BACKEND=S3Backend, **config)
    fs.init_app(app, storage)
    with app.app_context():
        backend = storage.backend
    assert isinstance(backend, S3Backend)
    return backend


@pytest.mark.parametrize(('path', 'warns'), [('/box', True), ('/box/', True), ('/storage/v1/s3', False), ('', False)])
def test_an_endpoint_that_ends_with_the_bucket_is_a_warning(path: str, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        _backend(endpoint=f'{ENDPOINT}{path}')
    expected = (
        "KIT_FS_ENDPOINT or FS_S3_ENDPOINT ends with 'box', which every request adds to it: remove it from the URL"
    )
    assert [str(warning.message).startswith(expected) for warning in found] == [True] * warns


def test_an_endpoint_whose_host_is_named_like_the_bucket_is_fine() -> None:
    _backend(endpoint='http://box')


def _credentials(backend: S3Backend) -> Any:
    return backend._bucket.client._request_signer._credentials


# --- Where settings are looked for.


def test_a_storage_is_configured_by_its_own_names_before_those_of_all() -> None:
    backend = _bound(
        fs.Storage('avatars'),
        AVATARS_FS_BUCKET_NAME='faces',
        FS_S3_BUCKET_NAME='others',
        FS_S3_ENDPOINT=ENDPOINT + '/',
        FS_S3_REGION='eu-west-3',
        FS_S3_ACCESS_KEY='an-access-key',
        FS_S3_SECRET_KEY='a-secret-of-ours',
        FS_S3_PART_BYTES=str(6 * MiB),
    )
    assert backend._bucket.name == 'faces'
    assert backend._bucket.client.meta.endpoint_url == ENDPOINT
    assert backend._bucket.client.meta.region_name == 'eu-west-3'
    assert _credentials(backend).access_key == 'an-access-key'
    assert backend.config.part_bytes == 6 * MiB


@pytest.mark.parametrize(('storage', 'bucket'), [('avatars', 'avatars'), ('My_Files', 'my-files'), ('a.b', 'a.b')])
def test_a_bucket_is_named_as_its_storage_unless_it_is_set(storage: str, bucket: str) -> None:
    assert _bound(fs.Storage(storage))._bucket.name == bucket


def test_object_parameters_are_read_as_json_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('FLASK_KIT_FS_OBJECT_PARAMETERS', '{"CacheControl": "max-age=60"}')
    app = Flask('kit')
    app.config.from_prefixed_env()
    storage = fs.Storage('kit')
    app.config.update(FS_BACKEND=S3Backend)
    fs.init_app(app, storage)
    with app.app_context():
        assert storage.config.object_parameters == {'CacheControl': 'max-age=60'}


# --- What is refused.


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('endpoint', 'objects.example.org', 'scheme'),
        ('endpoint', 'https://', 'scheme'),
        ('public_endpoint', '//objects.example.org', 'scheme'),
        ('endpoint', 'https://us3r:pass@objects.example.org', 'without a username and password'),
        ('public_endpoint', 'https://us3r@objects.example.org', 'without a username and password'),
        ('bucket_name', 'a bucket', 'name of a bucket'),
        ('bucket_name', 'bucket/folder', 'name of a bucket'),
        ('bucket_name', '', 'name of a bucket'),
        ('bucket_name', 'böx', 'name of a bucket'),
        ('part_bytes', 5 * MiB - 1, '5242880'),
        ('concurrency', 0, '1 or more'),
        ('read_timeout_s', 0, 'seconds'),
        ('retries', -1, '0 or more'),
        ('addressing_style', 'pretty', "'virtual'"),
        ('request_checksums', 'never', "'when_required'"),
        ('object_parameters', 'max-age', 'dictionary'),
        ('object_parameters', ['ACL'], 'dictionary'),
        ('object_parameters', {'Colour': 'blue'}, 'Colour'),
        ('object_parameters', {'ContentType': 'text/plain'}, 'ContentType'),
        ('object_parameters', {'IfNoneMatch': '*'}, 'IfNoneMatch'),
        ('conditional_writes', 'perhaps', 'True or False'),
    ],
)
def test_an_impossible_setting_is_refused_by_name(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        _backend(**{key: value})
    assert f'KIT_FS_{key.upper()}' in str(raised.value)


@pytest.mark.parametrize('given', ['access_key', 'secret_key'])
def test_half_of_the_credentials_is_refused(given: str) -> None:
    missing = {'access_key': 'SECRET_KEY', 'secret_key': 'ACCESS_KEY'}[given]
    with pytest.raises(ConfigurationError, match=f'KIT_FS_{missing}') as raised:
        S3Backend('kit', {'endpoint': ENDPOINT, given: KEYS[given]})
    assert KEYS[given] not in str(raised.value)


def test_no_secret_is_shown() -> None:
    backend = _backend(session_token='a-token-of-ours')
    shown = f'{backend!r} {backend._bucket!r} {backend._bucket.client!r}'
    for secret in ('a-secret-of-ours', 'a-token-of-ours'):
        assert secret not in shown
    for key in ('secret_key', 'session_token'):
        with pytest.raises(ConfigurationError) as raised:
            _backend(**{key: b'a-secret-of-ours'})
        assert 'a-secret-of-ours' not in str(raised.value)


@pytest.mark.parametrize('key', ['endpoint', 'public_endpoint'])
@pytest.mark.parametrize(
    'value', ['https://somebody:a-secret-of-ours@objects.example.org', 'somebody:a-secret-of-ours@objects.example.org']
)
def test_the_password_of_a_refused_url_is_not_shown(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _backend(**{key: value})
    assert 'a-secret-of-ours' not in ''.join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    'verb',
    [
        lambda backend: backend.read('x'),
        lambda backend: backend.write('x', b'content'),
        lambda backend: list(backend.list_files()),
        lambda backend: backend.signed_url('x'),
    ],
    ids=['read', 'write', 'list', 'link'],
)
def test_no_debug_message_shows_a_secret(verb: Any, caplog: pytest.LogCaptureFixture) -> None:
    token = 'a+token/of-ours=='
    backend = _backend(endpoint='http://127.0.0.1:9', session_token=token, retries=0)
    with caplog.at_level(logging.DEBUG):
        try:
            verb(backend)
        except fs.Unavailable as error:
            shown = ''.join(traceback.format_exception(error))
        else:
            shown = ''
    assert re.search(r'(?i)x-amz-security-token\S*\*\*\*', caplog.text)
    for secret in ('a-secret-of-ours', token, quote(token, safe='')):
        assert secret not in caplog.text + shown


# --- boto3's own configuration.


def test_credentials_and_region_are_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'from-environ')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'eu-north-1')
    backend = S3Backend('kit', {'bucket_name': 'box'})
    assert _credentials(backend).access_key == 'from-environ'
    assert backend._bucket.client.meta.region_name == 'eu-north-1'
    assert _credentials(_backend(access_key='given')).access_key == 'given'


def test_credentials_and_region_are_found_in_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'config').write_text('[profile team]\nregion = eu-south-2\n')
    (tmp_path / 'credentials').write_text('[team]\naws_access_key_id = of-team\naws_secret_access_key = secret\n')
    backend = S3Backend('kit', {'bucket_name': 'box', 'profile': 'team'})
    assert (_credentials(backend).access_key, backend._bucket.client.meta.region_name) == ('of-team', 'eu-south-2')


MISSING = {
    'read': lambda backend: backend.read('x'),
    'exists': lambda backend: backend.exists('x'),
    'write': lambda backend: backend.write('x', b'content'),
    'list': lambda backend: list(backend.list_files()),
    'delete': lambda backend: backend.delete('x'),
    'copy': lambda backend: backend.copy('x', 'y', overwrite=False),
    'link': lambda backend: backend.signed_url('x'),
    'sweep': lambda backend: backend.sweep(),
}
act = pytest.mark.parametrize('act', MISSING.values(), ids=MISSING)


@act
def test_missing_credentials_are_a_matter_of_configuration(act: Any) -> None:
    backend = S3Backend('kit', {'endpoint': 'http://127.0.0.1:9', 'region': 'us-east-1', 'retries': 0})
    with pytest.raises(ConfigurationError, match='KIT_FS_ACCESS_KEY and KIT_FS_SECRET_KEY'):
        act(backend)


@act
def test_a_missing_profile_is_a_matter_of_configuration(act: Any) -> None:
    """Nothing is looked for before it is needed, so that an application starts without it."""
    backend = S3Backend('kit', {'endpoint': 'http://127.0.0.1:9', 'profile': 'nobody', 'retries': 0})
    with pytest.raises(ConfigurationError, match='nobody'):
        act(backend)


@act
def test_half_of_the_credentials_in_the_environment_is_a_matter_of_configuration(
    act: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'alone')
    backend = S3Backend('kit', {'endpoint': 'http://127.0.0.1:9', 'region': 'us-east-1', 'retries': 0})
    with pytest.raises(ConfigurationError, match='KIT_FS_SECRET_KEY'):
        act(backend)


@act
def test_an_impossible_region_is_a_matter_of_configuration(act: Any) -> None:
    backend = S3Backend('kit', {'region': 'no such region!', 'retries': 0, **KEYS})
    with pytest.raises(ConfigurationError):
        act(backend)


# --- Addresses.


def test_the_addressing_style_decides_where_the_bucket_is() -> None:
    link = _backend(addressing_style='virtual').signed_url('a.txt')
    assert link.startswith('https://box.objects.example.org/a.txt?')
    link = _backend(addressing_style='path').signed_url('a.txt')
    assert link.startswith(f'{ENDPOINT}/box/a.txt?')


def test_without_endpoint_links_lead_to_amazon_in_the_region() -> None:
    """Amazon's global address redirects to the region for a day after a bucket was made; no signature survives that."""
    link = S3Backend('kit', {'region': 'eu-west-3', 'bucket_name': 'box', **KEYS}).signed_url('a.txt')
    assert link.startswith('https://box.s3.eu-west-3.amazonaws.com/a.txt?')


def test_links_with_temporary_credentials_carry_their_token() -> None:
    assert 'X-Amz-Security-Token=a-token' in _backend(session_token='a-token').signed_url('a.txt')


# --- Clients.


def test_equal_settings_share_one_client_whatever_the_bucket() -> None:
    one, other = _backend(), _backend(name='other', bucket_name='other', part_bytes=6 * MiB, create_bucket=False)
    assert one._bucket.client is other._bucket.client


@pytest.mark.parametrize(
    'different',
    [
        {'endpoint': 'https://other.example.org'},
        {'region': 'eu-west-3'},
        {'access_key': 'other'},
        {'secret_key': 'other'},
        {'session_token': 'other'},
        {'addressing_style': 'path'},
        {'retries': 0},
        {'read_timeout_s': 5},
        {'request_checksums': 'when_supported'},
    ],
    ids=lambda different: next(iter(different)),
)
def test_different_settings_have_clients_of_their_own(different: dict[str, Any]) -> None:
    one, other = _backend(), _backend(**different)
    assert one._bucket.client is not other._bucket.client


def test_threads_share_the_client_that_the_first_of_them_made() -> None:
    backends = [_backend(name=f'kit-{number}', connect_timeout_s=7) for number in range(8)]
    together = threading.Barrier(8, timeout=30)

    def first_use(backend: S3Backend) -> Any:
        together.wait()
        return backend._bucket.client

    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(first_use, backends))
    assert all(client is clients[0] for client in clients)


# --- What reaches the store.


@pytest.fixture
def parameters() -> dict[str, Any]:
    return {
        'CacheControl': 'max-age=60',
        'ContentDisposition': 'attachment',
        'ContentLanguage': 'de',
        'Metadata': {'color': 'blue'},
    }


@pytest.mark.slow
@pytest.mark.parametrize('size', [10, PART + 1], ids=['one part', 'many parts'])
@pytest.mark.parametrize('copied', [None, 'replacing', 'creating'])
def test_object_parameters_reach_the_store(
    store: Any, parameters: dict[str, Any], size: int, copied: str | None
) -> None:
    backend = store.make(object_parameters=parameters)
    backend.write('a.txt', bytes(size))
    name = 'a.txt'
    if copied:
        name = 'b.html'
        store.make().copy('a.txt', name, overwrite=copied != 'creating')
    response = store.client.head_object(Bucket=store.bucket, Key=name)
    assert response['Metadata'].pop('color') == 'blue'
    assert {'ContentType': 'text/html' if copied else 'text/plain', **parameters, 'Metadata': response['Metadata']} == {
        key: response.get(key) for key in ('ContentType', *parameters)
    }
    assert backend.stat('a.txt').checksum == backend.stat(name).checksum is not None


@pytest.mark.slow
@pytest.mark.parametrize('size', [10, PART + 1], ids=['one part', 'many parts'])
@pytest.mark.parametrize('copied', [False, True])
def test_access_and_storage_class_are_those_of_the_settings(amazon: Any, size: int, copied: bool) -> None:
    """Of copies too: S3 takes neither over from the source."""
    backend = amazon.make(object_acl='public-read', object_storage_class='STANDARD_IA')
    backend.write('a.txt', bytes(size))
    name = 'a.txt'
    if copied:
        name = 'b.txt'
        backend.copy('a.txt', name)
    grants = amazon.client.get_object_acl(Bucket=amazon.bucket, Key=name)['Grants']
    assert [grant['Permission'] == 'READ' for grant in grants if grant['Grantee']['Type'] == 'Group'] == [True]
    assert amazon.client.head_object(Bucket=amazon.bucket, Key=name)['StorageClass'] == 'STANDARD_IA'


@pytest.mark.slow
def test_a_bucket_is_made_in_the_region_of_the_settings(amazon: Any) -> None:
    for region, constraint in (('eu-west-3', 'eu-west-3'), ('us-east-1', None)):
        backend = amazon.make(region=region, bucket_name=f'made-in-{region}')
        backend.write('a.txt', b'content')
        response = amazon.client.get_bucket_location(Bucket=f'made-in-{region}')
        assert constraint == response['LocationConstraint']


@pytest.mark.slow
def test_many_first_writers_make_one_bucket(store: Any) -> None:
    backend = store.make_missing()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: backend.write(f'{number}', b'content'), range(4)))
    assert sorted(backend.list_files()) == ['0', '1', '2', '3']


@pytest.mark.slow
def test_a_session_token_is_sent(proxy: Any, store: Any) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', session_token='a-token')
    proxy.answer(404)
    assert not backend.exists('x')
    assert proxy.requests[0].headers['x-amz-security-token'] == 'a-token'


@pytest.mark.slow
def test_the_bucket_of_a_storage_is_one_of_boto3(store: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    with store.make_app(storage).app_context():
        storage.write('a.txt', b'content')
        bucket = storage.backend.bucket
    assert type(bucket).__name__ == 's3.Bucket'
    assert (bucket.name, [found.key for found in bucket.objects.all()]) == (store.bucket, ['a.txt'])


# --- Which storages would share a bucket.


@pytest.mark.parametrize(
    ('names', 'settings'),
    [
        (('user_files', 'user-files'), {}),
        (('user_files', 'User_Files'), {}),
        (('a', 'b'), {'A_FS_BUCKET_NAME': 'b'}),
        (('a', 'b'), {'A_FS_BUCKET_NAME': 'b', 'FS_S3_REGION': 'us-east-1', 'A_FS_REGION': 'eu-west-2'}),
        (('a', 'b'), {'A_FS_BUCKET_NAME': 'b', 'A_FS_ENDPOINT': ENDPOINT, 'B_FS_ENDPOINT': f'{ENDPOINT.upper()}/'}),
        (('a', 'b'), {'A_FS_BUCKET_NAME': 'b', 'A_FS_ENDPOINT': 'https://s3.x', 'B_FS_ENDPOINT': 'https://s3.x:443'}),
        (('a', 'b'), {'FS_S3_BUCKET_NAME': 'box', 'A_FS_BUCKET_NAME': 'box', 'A_FS_PREFIX': 'b'}),
    ],
)
def test_two_storages_in_one_bucket_are_refused(names: tuple[str, str], settings: dict[str, str]) -> None:
    settings = {key: value.replace('HTTPS', 'https') for key, value in settings.items()}
    app = Flask('kit')
    app.config.update(FS_BACKEND=S3Backend, **settings)
    with pytest.raises(
        fs.ConfigurationError, match=rf'{names[0]!r} and {names[1]!r} \(s3\) would store their files in the same'
    ):
        fs.init_app(app, *map(fs.Storage, names))


@pytest.mark.parametrize(
    'settings',
    [
        {},
        {'FS_S3_BUCKET_NAME': 'box'},
        {'A_FS_BUCKET_NAME': 'box', 'B_FS_BUCKET_NAME': 'box', 'A_FS_PREFIX': 'a'},
        {'A_FS_BUCKET_NAME': 'b', 'A_FS_ENDPOINT': ENDPOINT},
    ],
)
def test_storages_with_buckets_or_folders_of_their_own_are_accepted(settings: dict[str, str]) -> None:
    app = Flask('kit')
    app.config.update(FS_BACKEND=S3Backend, **settings)
    fs.init_app(app, fs.Storage('a'), fs.Storage('b'))


@pytest.mark.parametrize(
    ('given', 'location'),
    [
        ({}, 's3://box/ at objects.example.org'),
        ({'prefix': 'tenants/7', 'endpoint': 'http://127.0.0.1:9000/'}, 's3://box/tenants/7/ at 127.0.0.1:9000'),
        ({'endpoint': None}, 's3://box/'),
    ],
)
def test_the_location_of_files_is_described_without_secrets(given: dict[str, Any], location: str) -> None:
    assert _backend(**given).describe_location() == location
