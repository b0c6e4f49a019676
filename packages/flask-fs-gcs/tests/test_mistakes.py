"""Mistakes in the settings, and what the error says about them. The server is a real emulator."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_gcs import GCSBackend
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.servers import GCSService

ENDPOINT = 'check the network and KIT_FS_ENDPOINT or FS_GCS_ENDPOINT'


def unavailable(**settings: Any) -> str:
    with pytest.raises(fs.Unavailable) as raised:
        GCSBackend('kit', {'anonymous': True, **settings}).read('x')
    return str(raised.value)


def test_a_server_that_is_not_there_is_reported_with_the_setting_of_its_url() -> None:
    message = unavailable(endpoint='http://127.0.0.1:9', retry_s=0.1)
    assert message.endswith(
        f"bucket 'kit': the store sent no response or an incomplete one (ConnectionError): {ENDPOINT}."
    )


def test_https_for_a_server_without_tls_is_reported_without_a_retry(gcs_service: GCSService) -> None:
    # If it were retried, the test would time out.
    message = unavailable(endpoint=gcs_service.endpoint.replace('http:', 'https:'), retry_s=3600)
    assert message.endswith(f'(SSLError): {ENDPOINT}.')


def test_a_missing_bucket_is_reported_with_the_setting_that_creates_it() -> None:
    body = '{"error": {"errors": [{"message": "The specified bucket does not exist."}]}}'
    with FaultProxy('127.0.0.1', 9) as proxy:
        proxy.respond(404, body, headers={'Content-Type': 'application/json'}, times=9)
        backend = GCSBackend('kit', {'anonymous': True, 'endpoint': proxy.endpoint, 'create_bucket': False})
        with pytest.raises(fs.FileNotFound) as raised:
            backend.write('x', b'content')
    assert str(raised.value).endswith(
        'the bucket does not exist: create it, or check KIT_FS_CREATE_BUCKET or FS_GCS_CREATE_BUCKET.'
    )


def test_a_private_key_that_cannot_be_read_is_refused_at_the_start() -> None:
    private = '-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----'
    key = {'type': 'service_account', 'private_key': private, 'client_email': 'a@b.test', 'token_uri': 'http://b.test'}
    with pytest.raises(
        fs.ConfigurationError, match='KIT_FS_CREDENTIALS: it must be the path of the key file'
    ) as raised:
        GCSBackend('kit', {'credentials': key})
    assert 'hidden' not in ''.join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ('path', 'warns'), [('/kit', True), ('/kit/', True), ('/storage/v1', True), ('', False), ('/other', False)]
)
def test_a_bucket_in_the_endpoint_is_pointed_out(path: str, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        GCSBackend('kit', {'anonymous': True, 'endpoint': f'http://127.0.0.1:4443{path}'})
    expected = f"KIT_FS_ENDPOINT or FS_GCS_ENDPOINT ends with '{path.strip('/').rpartition('/')[2]}', which every request adds to it"
    assert [str(warning.message).startswith(expected) for warning in found] == [True] * warns
