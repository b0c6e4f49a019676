"""Mistakes in the settings, and what the error says about them. The server is a real Azurite."""

from __future__ import annotations

import base64
import warnings
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_azure import AzureBackend
from flask_fs_testing.servers import AzureService

WRONG = base64.b64encode(b'a wrong key of an account' * 2).decode()
URL = 'https://example.blob.core.windows.net'
NAMES = {key: f'KIT_FS_{key} or FS_AZURE_{key}' for key in ('ACCOUNT_KEY', 'CONNECTION_STRING', 'SAS_TOKEN')}


def refused(azure_service: AzureService, **settings: Any) -> str:
    backend = AzureBackend('kit', {'retries': 0, **settings})
    with pytest.raises(fs.PermissionDenied) as raised:
        backend.write('x', b'content')
    return str(raised.value)


def test_a_wrong_key_is_reported_with_the_setting_that_has_it(azure_service: AzureService) -> None:
    message = refused(azure_service, account_url=azure_service.endpoint, account_key=WRONG)
    assert message.endswith(f'the store responded with 403 AuthorizationFailure: check {NAMES["ACCOUNT_KEY"]}.')
    assert WRONG not in message


def test_a_wrong_key_in_a_connection_string_is_reported_as_such(azure_service: AzureService) -> None:
    wrong = azure_service.connection_string.replace(azure_service.key, WRONG)
    assert refused(azure_service, connection_string=wrong).endswith(f'check {NAMES["CONNECTION_STRING"]}.')


def test_a_wrong_token_is_reported_with_its_setting(azure_service: AzureService) -> None:
    message = refused(azure_service, account_url=azure_service.endpoint, sas_token='sv=2025-01-05&ss=b&sig=hidden')
    assert message.endswith(f'check {NAMES["SAS_TOKEN"]}.')
    assert 'hidden' not in message


def test_a_connection_string_with_a_key_that_is_not_base64_is_reported(azure_service: AzureService) -> None:
    wrong = azure_service.connection_string.replace(azure_service.key, 'hidden-')
    message = refused(azure_service, connection_string=wrong)
    assert message.endswith(f'check {NAMES["CONNECTION_STRING"]}.')
    assert 'hidden-' not in message


def test_an_unreachable_account_of_a_connection_string_names_that() -> None:
    given = f'AccountName=a;AccountKey={WRONG};BlobEndpoint=http://127.0.0.1:9/a'
    with pytest.raises(fs.Unavailable, match=f'check {NAMES["CONNECTION_STRING"]}'):
        AzureBackend('kit', {'connection_string': given, 'retries': 0}).read('x')


def test_a_missing_container_that_is_not_to_be_created_says_how_to(azure_service: AzureService) -> None:
    settings = {'connection_string': azure_service.connection_string, 'container': 'missing', 'create_container': False}
    with pytest.raises(
        fs.FileNotFound,
        match="'missing' does not exist: create it, or check KIT_FS_CREATE_CONTAINER or FS_AZURE_CREATE_CONTAINER",
    ):
        AzureBackend('kit', settings).write('x', b'content')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({}, 'check KIT_FS_CONNECTION_STRING or .*KIT_FS_ACCOUNT_URL or .*neither a connection string nor an account URL'),
        ({'account_url': URL, 'account_key': 5}, 'text, not int: put it in quotes'),
        ({'account_url': f'AccountName=a;AccountKey={WRONG}'}, r'KIT_FS_ACCOUNT_URL = .*AccountKey=\*\*\*'),
        ({'connection_string': URL}, 'cannot use its settings: check KIT_FS_CONNECTION_STRING'),
    ],
)  # fmt: skip
def test_settings_that_are_missing_or_mixed_up_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(fs.ConfigurationError, match=message) as raised:
        AzureBackend('kit', settings)
    assert not [secret for secret in ('hidden', WRONG) if secret in str(raised.value)]


def test_a_failed_login_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential

    def get_token(*_: Any, **__: Any) -> None:
        raise ClientAuthenticationError('DefaultAzureCredential failed.\nAttempted credentials:\n\tmany')

    # The real one waits for the network of a cloud.
    for name in ('get_token', 'get_token_info'):
        monkeypatch.setattr(DefaultAzureCredential, name, get_token, raising=False)
    with pytest.raises(fs.PermissionDenied) as raised:
        AzureBackend('kit', {'account_url': URL, 'retries': 0, 'connect_timeout_s': 3}).read('x')
    assert 'DefaultAzureCredential failed; log in to Azure, or check KIT_FS_ACCOUNT_KEY' in str(raised.value)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('url', 'warns'),
    [
        (f'{URL}/kit', True),
        ('http://127.0.0.1:10000/example/kit/', True),
        ('http://127.0.0.1:10000/kit', False),
        (f'{URL}/other', False),
        (URL, False),
    ],
)
def test_a_container_in_the_url_of_the_account_is_pointed_out(url: str, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        AzureBackend('kit', {'account_url': url, 'account_key': WRONG})
    expected = "KIT_FS_ACCOUNT_URL or FS_AZURE_ACCOUNT_URL ends with 'kit', which every request adds to it"
    assert [str(warning.message).startswith(expected) for warning in found] == [True] * warns
