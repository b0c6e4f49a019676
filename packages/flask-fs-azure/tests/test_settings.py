"""What can be configured, what is refused, and what of it is never shown."""

from __future__ import annotations

import logging
import sys
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Capability, Config
from flask_fs.errors import ConfigurationError
from flask_fs_azure import AzureBackend
from flask_fs_azure.errors import reason_for

URL = 'https://example.blob.core.windows.net'
KEY = 'YS1zZWNyZXQtb2Ytb3Vycw=='
SAS = 'sv=2025-01-05&ss=b&sig=a-secret%2Bof%2Bours'


def _backend(name: str = 'kit', **settings: Any) -> AzureBackend:
    return AzureBackend(name, {'account_url': URL, 'account_key': KEY, **settings})


def test_a_storage_is_configured_by_its_own_names_before_those_of_all() -> None:
    storage = fs.Storage('avatars')
    app = Flask('kit')
    app.config.update(
        FS_BACKEND='azure',
        FS_AZURE_ACCOUNT_URL=f'{URL}/',
        FS_AZURE_ACCOUNT_KEY=KEY,
        FS_AZURE_CONTAINER='others',
        FS_AZURE_BLOCK_BYTES='1000',
        AVATARS_FS_CONTAINER='faces',
    )
    fs.init_app(app, storage)
    with app.app_context():
        backend = storage.backend
    assert isinstance(backend, AzureBackend)
    assert backend.location == ('azure', 'example.blob.core.windows.net', 'faces', '')
    assert backend.container.url == f'{URL}/faces'
    assert backend.config.block_bytes == 1000


def test_a_container_of_all_storages_has_a_folder_for_each() -> None:
    app = Flask('kit')
    storage = fs.Storage('avatars')
    app.config.update(FS_BACKEND='azure', FS_AZURE_ACCOUNT_URL=URL, FS_AZURE_ACCOUNT_KEY=KEY, FS_AZURE_CONTAINER='all')
    fs.init_app(app, storage)
    with app.app_context():
        assert storage.backend.describe_location() == 'azure://all/avatars/ at example.blob.core.windows.net'


def test_a_connection_string_has_the_account() -> None:
    backend = AzureBackend('kit', {'connection_string': f'AccountName=example;AccountKey={KEY};EndpointSuffix=a.test'})
    assert backend.container.url == 'https://example.blob.a.test/kit'


@pytest.mark.parametrize(('storage', 'container'), [('avatars', 'avatars'), ('My_Files', 'my-files')])
def test_a_container_is_named_as_its_storage_unless_it_is_set(storage: str, container: str) -> None:
    assert _backend(storage).container.container_name == container


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'account_url': 'example.blob.core.windows.net'}, 'KIT_FS_ACCOUNT_URL.*scheme'),
        ({'account_url': f'{URL}?{SAS}'}, 'KIT_FS_ACCOUNT_URL.*without a query'),
        ({'container': 'Kit'}, 'KIT_FS_CONTAINER.*name of a container'),
        ({'container': 'a--b'}, 'KIT_FS_CONTAINER.*name of a container'),
        ({'container': 'kit\n'}, 'KIT_FS_CONTAINER.*name of a container'),
        ({'block_bytes': 0}, 'KIT_FS_BLOCK_BYTES.*1 to'),
        ({'retries': -1}, 'KIT_FS_RETRIES'),
        ({'read_timeout_s': 0}, 'KIT_FS_READ_TIMEOUT_S.*seconds'),
        ({'connection_string': 'nonsense'}, 'KIT_FS_CONNECTION_STRING'),
        ({'account_url': None}, 'KIT_FS_CONNECTION_STRING.*KIT_FS_ACCOUNT_URL'),
        ({'account_url': 'https://files.example.org'}, 'account name'),
    ],
)
def test_what_cannot_be_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        _backend(**settings)
    assert 'a-secret' not in ''.join(traceback.format_exception(raised.value))


def test_a_storage_whose_name_is_none_of_a_container_needs_one() -> None:
    with pytest.raises(ConfigurationError, match=r'AB_FS_CONTAINER or FS_AZURE_CONTAINER.*3 to 63'):
        _backend('ab')
    assert _backend('ab', container='files').container.container_name == 'files'


def test_equal_accounts_share_one_client_whatever_the_container() -> None:
    one, other = _backend(), _backend('other', block_bytes=1000, create_container=False)
    assert one._shared_service is other._shared_service
    for different in ({'account_key': 'b3RoZXI='}, {'retries': 0}, {'read_timeout_s': 5}):
        assert _backend(**different)._shared_service is not one._shared_service


def test_links_are_signed_with_a_key_alone() -> None:
    assert Capability.SIGNED_URL in _backend().capabilities
    backend = _backend(account_key=None, sas_token=SAS)
    assert Capability.SIGNED_URL not in backend.capabilities
    with pytest.raises(fs.OperationNotSupported):
        backend.signed_url('x')


def test_without_key_and_token_an_identity_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _backend(account_key=None, connect_timeout_s=7)
    assert type(backend.container.credential).__name__ == 'DefaultAzureCredential'
    monkeypatch.setitem(sys.modules, 'azure.identity', None)
    with pytest.raises(ConfigurationError, match=r'flask-fs-azure\[identity\]'):
        _backend(account_key=None, connect_timeout_s=8)


def test_a_wrong_account_key_is_reported_with_its_settings() -> None:
    error: Any = ClientAuthenticationError()
    error.status_code, error.response = 403, SimpleNamespace(headers={'x-ms-error-code': 'AuthenticationFailed'})
    reason = reason_for(error, 'box', 'x', 'kit', Config({'account_key': 'a'}))
    assert reason is not None
    assert reason.endswith('check KIT_FS_ACCOUNT_KEY or FS_AZURE_ACCOUNT_KEY')


def test_an_unreachable_store_is_reported_with_the_settings_of_its_url() -> None:
    backend = _backend(account_url='http://127.0.0.1:9/example', retries=0)
    with pytest.raises(fs.Unavailable, match='check KIT_FS_ACCOUNT_URL or FS_AZURE_ACCOUNT_URL'):
        backend.read('x')


@pytest.mark.parametrize(
    'verb',
    [
        lambda backend: backend.read('x'),
        lambda backend: backend.write('x', b'content'),
        lambda backend: backend.copy('x', 'y'),
        lambda backend: list(backend.list_files()),
    ],
    ids=['read', 'write', 'copy', 'list'],
)
@pytest.mark.parametrize('credential', [{'sas_token': SAS}, {'account_key': KEY}], ids=lambda given: next(iter(given)))
def test_no_message_and_no_traceback_shows_a_secret(
    verb: Any, credential: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = {'account_url': 'http://127.0.0.1:9/example', 'retries': 0, **credential}
    backend = AzureBackend('kit', settings)
    with caplog.at_level(logging.DEBUG), pytest.raises(fs.Unavailable) as raised:
        verb(backend)
    shown = ''.join(traceback.format_exception(raised.value)) + caplog.text
    shown += f'{backend!r} {backend.config!r} {backend._shared_service!r} {backend.describe_location()}'
    assert [secret for secret in (KEY, 'a-secret') if secret in shown] == []
