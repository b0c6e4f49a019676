"""What can be configured, what is refused, and what of it is never shown."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs_gcs import GCSBackend


def _backend(name: str = 'kit', **settings: Any) -> GCSBackend:
    return GCSBackend(name, {'anonymous': True, **settings})


@pytest.fixture(scope='module')
def key() -> dict[str, str]:
    """The key of a service account that Google never heard of."""
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        'type': 'service_account',
        'project_id': 'photos',
        'private_key_id': 'abc',
        'private_key': private.decode(),
        'client_email': 'app@photos.iam.gserviceaccount.com',
        'token_uri': 'http://127.0.0.1:9/token',
    }


def test_a_storage_is_configured_by_its_own_names_before_those_of_all() -> None:
    storage, app = fs.Storage('avatars'), Flask('kit')
    app.config.update(
        FS_BACKEND='gcs',
        FS_GCS_BUCKET_NAME='everybodys',
        FS_GCS_CHUNK_BYTES='300000',
        FS_GCS_ENDPOINT='http://127.0.0.1:4443/',
        AVATARS_FS_BUCKET_NAME='faces',
    )
    fs.init_app(app, storage)
    with app.app_context():
        backend = storage.backend
    assert isinstance(backend, GCSBackend)
    assert backend.location == ('gcs', '127.0.0.1:4443', 'faces', '')
    assert backend.describe_location() == 'gs://faces/ at 127.0.0.1:4443'
    assert backend.config.chunk_bytes == 300_000


def test_a_bucket_of_all_storages_has_a_folder_for_each() -> None:
    storage, app = fs.Storage('avatars'), Flask('kit')
    app.config.update(FS_BACKEND='gcs', FS_GCS_BUCKET_NAME='everybodys')
    fs.init_app(app, storage)
    with app.app_context():
        assert storage.backend.describe_location() == 'gs://everybodys/avatars/'


def test_the_bucket_is_named_like_the_storage_as_far_as_names_of_buckets_go() -> None:
    assert _backend('My_Files').describe_location() == 'gs://my-files/'


@pytest.mark.parametrize(
    ('setting', 'value', 'expected'),
    [
        ('bucket_name', 'a/b', 'the name of a bucket'),
        ('bucket_name', 'Faces', 'lowercase'),
        ('chunk_bytes', 1000, '262144 or more'),
        ('credentials', '/nowhere/key.json', 'the path of the key file of a service account'),
        ('credentials', '{"client_email": "hidden"', 'or the content of that file'),
        ('credentials', {'private_key': 'hidden'}, 'or the content of that file'),
        ('endpoint', 'storage.example.org', 'a URL with its scheme'),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_sent(setting: str, value: object, expected: str) -> None:
    with pytest.raises(fs.ConfigurationError, match=expected) as caught:
        _backend(**{setting: value})
    assert setting.upper() in str(caught.value)
    assert 'hidden' not in ''.join(traceback.format_exception(caught.value))


def test_no_credentials_are_looked_for_before_something_is_requested() -> None:
    with mock.patch('google.auth.default', side_effect=AssertionError('looked for')) as default:
        backend = GCSBackend('kit', {})
        assert Capability.SIGNED_URL not in backend.capabilities
        with pytest.raises(AssertionError, match='looked for'):
            backend.exists('x')
    assert default.call_count == 1


def test_missing_credentials_are_an_error_of_configuration(tmp_path: Path) -> None:
    missing = str(tmp_path / 'missing.json')
    with (
        mock.patch.dict(os.environ, {'GOOGLE_APPLICATION_CREDENTIALS': missing}),
        pytest.raises(
            fs.ConfigurationError, match=r'missing.json was not found\. Set KIT_FS_CREDENTIALS or .*KIT_FS_ANONYMOUS'
        ),
    ):
        GCSBackend('kit', {}).exists('x')


@pytest.mark.parametrize('form', ['a file', 'JSON', 'a dictionary'])
def test_a_key_signs_links_without_a_request(key: dict[str, str], tmp_path: Path, form: str) -> None:
    file = tmp_path / 'key.json'
    file.write_text(json.dumps(key))
    given: object = {'a file': str(file), 'JSON': json.dumps(key), 'a dictionary': key}[form]
    backend = GCSBackend('kit', {'credentials': given, 'bucket_name': 'faces'})
    link = backend.signed_url('a b/ü.txt', expires_s=90, download_name='x.txt')
    assert link.startswith('https://storage.googleapis.com/faces/a%20b/%C3%BC.txt?')
    for part in (
        'X-Goog-Algorithm=GOOG4-RSA-SHA256',
        'X-Goog-Expires=90',
        'X-Goog-Credential=app%40photos.iam.gserviceaccount.com',
        'response-content-disposition=attachment',
        'X-Goog-Signature=',
    ):
        assert part in link
    assert backend.signed_url('x') != backend.signed_url('x', method='PUT')
    assert backend._bucket.client.sdk.project == 'photos'


@pytest.mark.parametrize('method', ['GET', 'PUT'])
def test_a_signature_is_what_google_documents(key: dict[str, str], method: str) -> None:
    """Put together anew, as in https://cloud.google.com/storage/docs/access-control/signing-urls-manually."""
    link = urlsplit(GCSBackend('kit', {'credentials': key}).signed_url('a b/ü.txt', method=method, expires_s=90))
    query, _, signature = link.query.rpartition('&X-Goog-Signature=')
    query = '&'.join(sorted(query.split('&')))
    given = dict(parse_qsl(query))
    request = f'{method}\n{link.path}\n{query}\nhost:{link.netloc}\n\nhost\nUNSIGNED-PAYLOAD'
    scope = given['X-Goog-Credential'].partition('/')[2]
    digest = hashlib.sha256(request.encode()).hexdigest()
    signed = f'GOOG4-RSA-SHA256\n{given["X-Goog-Date"]}\n{scope}\n{digest}'
    private: Any = serialization.load_pem_private_key(key['private_key'].encode(), None)
    # Raises if it is another one.
    private.public_key().verify(bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_links_lead_to_the_public_endpoint(key: dict[str, str]) -> None:
    public = {'endpoint': 'http://10.0.0.1', 'public_endpoint': 'https://files.example.org'}
    link = GCSBackend('kit', {'credentials': key, **public}).signed_url('x')
    assert link.startswith('https://files.example.org/kit/x?')


def test_without_a_key_the_application_signs() -> None:
    assert Capability.SIGNED_URL not in _backend().capabilities
    with pytest.raises(fs.OperationNotSupported):
        _backend().signed_url('x')


def test_the_key_is_shown_nowhere(key: dict[str, str]) -> None:
    settings = {'credentials': key, 'endpoint': 'http://127.0.0.1:9', 'retry_s': 0.1, 'connect_timeout_s': 0.2}
    backend = GCSBackend('kit', settings)
    # Nothing listens where it would log in.
    with pytest.raises(fs.FSError) as caught:
        backend.read('x')
    secret = key['private_key'].splitlines()[1]
    for shown in (repr(backend), repr(backend.config), repr(backend._bucket._shared_client), str(caught.value)):
        assert secret not in shown


def test_storages_with_the_same_credentials_share_a_client() -> None:
    one, other, elsewhere = _backend('one'), _backend('other'), _backend('one', endpoint='http://127.0.0.1:1')
    assert one._bucket.client is other._bucket.client
    assert one._bucket.client is not elsewhere._bucket.client
