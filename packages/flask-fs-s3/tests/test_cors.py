"""The CORS rule of a bucket, without which browsers send nothing of what was signed."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_s3 import S3Backend

OTHER = {'AllowedMethods': ['GET'], 'AllowedOrigins': ['*'], 'AllowedHeaders': ['range'], 'MaxAgeSeconds': 5}


def allow(backend: S3Backend, *origins: str, dry_run: bool = False) -> str:
    return backend._call_hook(lambda _: backend._allow_origins(origins, dry_run=dry_run), '')


def rules_of(store: Any) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = store.client.get_bucket_cors(Bucket=store.bucket)['CORSRules']
    return rules


def origins_of(store: Any) -> list[list[str]]:
    return [rule['AllowedOrigins'] for rule in rules_of(store)]


def preflight(store: Any, origin: str, method: str, *headers: str) -> Any:
    connection = http.client.HTTPConnection(store.host, store.port, timeout=60)
    try:
        asked = {
            'Origin': origin,
            'Access-Control-Request-Method': method,
            'Access-Control-Request-Headers': ','.join(headers),
        }
        connection.request('OPTIONS', f'/{store.bucket}/a.txt', headers=asked)
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def test_browsers_may_send_what_was_signed(store: Any) -> None:
    shown = allow(store.make(), 'https://app.test')
    assert shown == (
        f"Bucket '{store.bucket}' now accepts requests from https://app.test: GET, HEAD, PUT, POST, DELETE with any header. "
        'Pages can read ETag and Location.'
    )
    for method in ('GET', 'HEAD', 'PUT', 'POST', 'DELETE'):
        response = preflight(store, 'https://app.test', method, 'if-none-match', 'x-amz-checksum-sha256')
        assert response.status in (200, 204)
        assert response.headers['Access-Control-Allow-Origin'] == 'https://app.test'
        assert method in response.headers['Access-Control-Allow-Methods']
        assert 'etag' in response.headers['Access-Control-Expose-Headers'].lower()
    assert preflight(store, 'https://other.test', 'PUT').headers['Access-Control-Allow-Origin'] is None


def test_other_rules_stay(store: Any) -> None:
    store.client.put_bucket_cors(Bucket=store.bucket, CORSConfiguration={'CORSRules': [OTHER]})
    [before] = rules_of(store)
    assert allow(store.make(), 'https://app.test').endswith(' ETag and Location. One other rule is kept.')
    assert rules_of(store)[1:] == [before]
    store.client.put_bucket_cors(Bucket=store.bucket, CORSConfiguration={'CORSRules': [OTHER, OTHER]})
    assert allow(store.make(), 'https://app.test').endswith(' 2 other rules are kept.')


def test_origins_are_added_to_those_that_are_allowed(store: Any) -> None:
    backend = store.make()
    allow(backend, 'https://app.test')
    assert ' now accepts requests from https://app.test, http://localhost:5000:' in allow(
        backend, 'http://localhost:5000'
    )
    assert origins_of(store) == [['https://app.test', 'http://localhost:5000']]


def test_calling_it_again_changes_nothing(store: Any, sent: Any) -> None:
    backend = store.make()
    allow(backend, 'https://app.test', 'https://b.test')
    with sent(backend) as operations:
        assert ' already accepts requests from ' in allow(backend, 'https://b.test')
    assert operations == ['GetBucketCors']


def test_a_dry_run_changes_nothing(store: Any, sent: Any) -> None:
    backend = store.make()
    with sent(backend) as operations:
        assert ' would accept requests from https://app.test: ' in allow(backend, 'https://app.test', dry_run=True)
    assert operations == ['GetBucketCors']


def test_a_bucket_is_created_for_its_rule(store: Any) -> None:
    backend = store.make(**store.missing_settings())
    allow(backend, 'https://app.test')
    found = store.client.get_bucket_cors(Bucket=store.missing_settings()['bucket_name'])
    assert [rule['AllowedOrigins'] for rule in found['CORSRules']] == [['https://app.test']]


def test_without_a_bucket_that_may_be_created_the_error_says_so(store: Any) -> None:
    backend = store.make(**{**store.missing_settings(), 'create_bucket': False})
    with pytest.raises(fs.FSError, match=f"bucket '{store.bucket}-missing' does not exist"):
        allow(backend, 'https://app.test')


@pytest.mark.parametrize(('status', 'code'), [(501, 'NotImplemented'), (405, 'MethodNotAllowed')])
def test_a_store_without_rules_of_buckets_says_so(backend: Any, proxy: Any, status: int, code: str) -> None:
    body = f'<Error><Code>{code}</Code></Error>'.encode()
    proxy.respond(status, body, when=lambda request: 'cors' in request.path)
    with pytest.raises(
        fs.OperationNotSupported, match='does not support CORS rules for buckets: allow the origins in its own'
    ):
        allow(backend, 'https://app.test')


def test_the_command_sets_the_rule(store: Any) -> None:
    app = store.make_app(fs.Storage('kit'))
    result = app.test_cli_runner().invoke(args=['fs', 'cors', 'kit', '--origin', 'https://app.test'])
    assert (result.exit_code, result.output[:6]) == (0, 'Bucket')
    assert origins_of(store) == [['https://app.test']]
