"""What S3 responds with, and what does not respond at all, as errors of Flask-FS."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import flask_fs as fs
from flask_fs_s3 import S3Backend
from flask_fs_testing.proxy import FaultProxy

ALWAYS = 1000
Verb = Callable[[Any], object]
VERBS: dict[str, Verb] = {
    'read': lambda backend: backend.read('x'),
    'read_chunks': lambda backend: b''.join(backend.read_chunks('x')),
    'open': lambda backend: backend.open('x', 'rb').close(),
    'exists': lambda backend: backend.exists('x'),
    'stat': lambda backend: backend.stat('x'),
    'list': lambda backend: list(backend.list_files()),
    'write': lambda backend: backend.write('x', b'content'),
    'create': lambda backend: backend.write('x', b'content', overwrite=False),
    'copy': lambda backend: backend.copy('x', 'y'),
    'create by copy': lambda backend: backend.copy('x', 'y', overwrite=False),
    'delete': lambda backend: backend.delete('x'),
}
verb = pytest.mark.parametrize('verb', VERBS.values(), ids=VERBS)


SECRETS = ('a secret of ours', 'a token of ours')


@pytest.fixture(scope='module')
def shared() -> Iterator[tuple[FaultProxy, S3Backend]]:
    """A proxy with nothing behind it, whose responses are scripted, and a backend that tries everything once."""
    with FaultProxy('127.0.0.1', 9) as proxy:
        settings = {
            'endpoint': proxy.endpoint,
            'region': 'us-east-1',
            'access_key': 'somebody',
            'secret_key': SECRETS[0],
            'session_token': SECRETS[1],
            'bucket_name': 'box',
            'retries': 0,
        }
        yield proxy, S3Backend('kit', settings)


@pytest.fixture
def scripted(shared: tuple[FaultProxy, S3Backend]) -> Iterator[FaultProxy]:
    """The proxy with nothing behind it."""
    yield shared[0]
    shared[0].recover()


@pytest.fixture
def lone(shared: tuple[FaultProxy, S3Backend]) -> S3Backend:
    """The backend on that proxy, whose bucket is ``box``."""
    return shared[1]


def _xml(code: str, message: str = '', more: str = '') -> str:
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{declaration}<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'


def _error(proxy: FaultProxy, backend: Any, act: Verb, status: int, body: str = '', **headers: str) -> Any:
    """What *act* raises when this is the response to everything."""
    given = {'Content-Type': 'application/xml', **{name.replace('_', '-'): value for name, value in headers.items()}}
    fault = proxy.answer(status, body, headers=given, times=ALWAYS)
    with pytest.raises(fs.FSError) as raised:
        act(backend)
    assert fault.struck
    proxy.recover()
    return raised.value


#: Status, code and message of a response, and what it is for the caller.
TABLE = [
    (400, 'BadDigest', '', fs.ChecksumMismatch),
    (400, 'InvalidDigest', '', fs.ChecksumMismatch),
    (400, 'XAmzContentSHA256Mismatch', '', fs.ChecksumMismatch),
    (400, 'KeyTooLongError', 'Your key is too long', fs.InvalidFilename),
    (400, 'InvalidArgument', 'Something odd', fs.BackendError),
    (400, 'RequestTimeout', '', fs.Unavailable),
    (401, 'Unauthorized', '', fs.PermissionDenied),
    (403, 'AccessDenied', '', fs.PermissionDenied),
    (403, 'InvalidAccessKeyId', '', fs.PermissionDenied),
    (403, 'SignatureDoesNotMatch', '', fs.PermissionDenied),
    (403, 'RequestTimeTooSkewed', '', fs.PermissionDenied),
    (403, 'InvalidObjectState', '', fs.PermissionDenied),
    (404, 'NoSuchKey', '', fs.FileNotFound),
    (409, 'OperationAborted', '', fs.Unavailable),
    (409, 'ConditionalRequestConflict', '', fs.Unavailable),
    (429, 'TooManyRequests', '', fs.Unavailable),
    (500, 'InternalError', '', fs.Unavailable),
    (503, 'SlowDown', '', fs.Unavailable),
    (503, 'ServiceUnavailable', '', fs.Unavailable),
    (507, 'InsufficientStorage', '', fs.Unavailable),
    (501, 'NotImplemented', 'A header is not implemented', fs.BackendError),
]


@pytest.mark.parametrize(('status', 'code', 'message', 'kind'), TABLE, ids=[f'{row[0]} {row[1]}' for row in TABLE])
def test_an_error_response_of_the_store_is_an_error_of_flask_fs(
    scripted: FaultProxy, lone: S3Backend, status: int, code: str, message: str, kind: type[fs.FSError]
) -> None:
    error = _error(scripted, lone, VERBS['read'], status, _xml(code, message))
    assert type(error) is kind
    assert isinstance(error.__cause__, ClientError)
    assert error.filename == 'x'
    assert message in str(error)


@verb
def test_a_refusal_names_bucket_and_key(scripted: FaultProxy, lone: S3Backend, verb: Verb) -> None:
    error = _error(scripted, lone, verb, 403, _xml('AccessDenied', 'Access Denied'))
    assert type(error) is fs.PermissionDenied
    assert "bucket 'box'" in str(error)
    if error.filename is not None:
        assert f"key '{error.filename}'" in str(error)


def test_a_refusal_names_the_key_with_its_prefix_and_the_file_without(scripted: FaultProxy, lone: S3Backend) -> None:
    backend = S3Backend('kit', {**lone.config, 'prefix': 'tenants/7'})
    error = _error(scripted, backend, VERBS['read'], 403, _xml('AccessDenied'))
    assert "key 'tenants/7/x'" in str(error)
    assert error.filename == 'x'


@pytest.mark.parametrize(
    ('code', 'cure'),
    [
        ('InvalidAccessKeyId', 'check KIT_FS_ACCESS_KEY and FS_S3_ACCESS_KEY'),
        ('SignatureDoesNotMatch', 'check KIT_FS_SECRET_KEY and FS_S3_SECRET_KEY'),
    ],
)
def test_a_refusal_of_the_keys_names_their_settings(
    scripted: FaultProxy, lone: S3Backend, code: str, cure: str
) -> None:
    assert cure in str(_error(scripted, lone, VERBS['read'], 403, _xml(code)))


def test_an_invalid_bucket_name_names_its_setting(scripted: FaultProxy, lone: S3Backend) -> None:
    error = _error(scripted, lone, VERBS['write'], 400, _xml('InvalidBucketName', 'The specified bucket is not valid.'))
    assert type(error) is fs.BackendError
    assert "bucket 'box' has an invalid name: set KIT_FS_BUCKET_NAME" in str(error)


def test_a_listing_of_an_endpoint_with_the_bucket_in_its_path_is_not_a_missing_file(
    scripted: FaultProxy, lone: S3Backend
) -> None:
    error = _error(scripted, lone, VERBS['list'], 404, _xml('NoSuchKey'))
    assert type(error) is fs.BackendError
    assert 'check KIT_FS_ENDPOINT and FS_S3_ENDPOINT, which must not contain the bucket' in str(error)


def test_a_refusal_without_a_body_says_what_it_may_mean(scripted: FaultProxy, lone: S3Backend) -> None:
    """To requests for the metadata of a missing file, S3 responds with 403 if they may not list the bucket."""
    error = _error(scripted, lone, VERBS['stat'], 403)
    assert type(error) is fs.PermissionDenied
    assert 'missing' in str(error)


def test_a_refusal_for_one_of_many_deleted_files_names_it(scripted: FaultProxy, lone: S3Backend) -> None:
    fields = '<LastModified>2026-11-29T08:00:00.000Z</LastModified><ETag>"1"</ETag><Size>1</Size>'
    listed = f'<Name>box</Name><IsTruncated>false</IsTruncated><Contents><Key>x/1</Key>{fields}</Contents>'
    refused = '<Error><Key>x/1</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
    for body in (f'<ListBucketResult>{listed}</ListBucketResult>', f'<DeleteResult>{refused}</DeleteResult>'):
        scripted.answer(200, body, headers={'Content-Type': 'application/xml'})
    with pytest.raises(fs.PermissionDenied, match="'x/1'") as raised:
        lone.delete('x')
    assert raised.value.filename == 'x/1'


# --- Buckets that are not there.


@pytest.mark.slow
@pytest.mark.parametrize('name', ['read', 'read_chunks', 'open', 'copy'])
def test_reading_from_a_missing_bucket_says_so(store: Any, name: str) -> None:
    with pytest.raises(
        fs.FSError, match=f"bucket '{store.bucket}-missing' does not exist: the first file stored creates it"
    ):
        VERBS[name](store.make_missing())


@pytest.mark.slow
@pytest.mark.parametrize('name', ['exists', 'list', 'delete'])
def test_a_missing_bucket_has_no_files(store: Any, name: str) -> None:
    assert not VERBS[name](store.make_missing())


@pytest.mark.slow
@pytest.mark.parametrize('name', ['write', 'create'])
def test_a_missing_bucket_that_is_not_to_be_made_is_an_error_that_says_how(store: Any, name: str) -> None:
    backend = store.backend_class('kit', {**store.missing_settings(), 'create_bucket': False})
    with pytest.raises(fs.FSError, match=r'create it, or set KIT_FS_CREATE_BUCKET = True') as raised:
        VERBS[name](backend)
    assert f'{store.bucket}-missing' in str(raised.value)
    assert isinstance(raised.value.__cause__, ClientError)


# --- Buckets that are elsewhere.


REGION = '<Region>eu-west-3</Region>'
ELSEWHERE = [
    (301, _xml('PermanentRedirect', 'Use another endpoint', '<Endpoint>s3.invalid</Endpoint>'), {}),
    (307, _xml('TemporaryRedirect', 'Use another endpoint', '<Endpoint>s3.invalid</Endpoint>'), {}),
    (400, _xml('AuthorizationHeaderMalformed', "the region 'us-east-1' is wrong; expecting 'eu-west-3'", REGION), {}),
    (400, _xml('AuthorizationHeaderMalformed', "the region 'us-east-1' is wrong; expecting 'eu-west-3'"), {}),
    (400, _xml('IllegalLocationConstraintException', 'incompatible'), {'x_amz_bucket_region': 'eu-west-3'}),
]


@pytest.mark.parametrize(
    ('status', 'body', 'headers'), ELSEWHERE, ids=[f'{row[0]}-{i}' for i, row in enumerate(ELSEWHERE)]
)
@pytest.mark.parametrize('name', ['read', 'write', 'list'])
def test_a_bucket_in_another_region_is_reported_with_its_region(
    scripted: FaultProxy, lone: S3Backend, status: int, body: str, headers: dict[str, str], name: str
) -> None:
    if status in (301, 307):
        headers = {'x_amz_bucket_region': 'eu-west-3'}
    error = _error(scripted, lone, VERBS[name], status, body, **headers)
    assert type(error) is fs.BackendError
    assert "KIT_FS_REGION = 'eu-west-3'" in str(error)


@pytest.mark.parametrize('status', [301, 400])
def test_a_bucket_in_another_region_is_reported_without_a_body_too(
    scripted: FaultProxy, lone: S3Backend, status: int
) -> None:
    """The response to HEAD has a status and headers alone."""
    error = _error(scripted, lone, VERBS['stat'], status, x_amz_bucket_region='eu-west-3')
    assert type(error) is fs.BackendError
    assert "KIT_FS_REGION = 'eu-west-3'" in str(error)


# --- Stores that are busy, silent or no stores.


@verb
def test_a_store_that_stays_busy_is_unavailable(scripted: FaultProxy, lone: S3Backend, verb: Verb) -> None:
    assert type(_error(scripted, lone, verb, 503, _xml('SlowDown', 'Please reduce'))) is fs.Unavailable
    assert type(_error(scripted, lone, verb, 500)) is fs.Unavailable


@verb
def test_a_response_that_is_no_xml_is_unavailable(scripted: FaultProxy, lone: S3Backend, verb: Verb) -> None:
    """As a proxy or a captive portal between the two gives."""
    error = _error(scripted, lone, verb, 502, '<html><p>Bad Gateway</html>', Content_Type='text/html')
    assert type(error) is fs.Unavailable


def test_a_list_that_is_no_xml_is_no_empty_list(scripted: FaultProxy, lone: S3Backend) -> None:
    error = _error(scripted, lone, VERBS['list'], 200, 'It works!', Content_Type='text/plain')
    assert isinstance(error, fs.BackendError)
    assert error.__cause__ is not None


def test_a_page_of_another_server_is_no_empty_list(scripted: FaultProxy, lone: S3Backend) -> None:
    error = _error(scripted, lone, VERBS['list'], 200, '<html><body>It works!</body></html>', Content_Type='text/html')
    assert isinstance(error, fs.BackendError)


def test_a_time_out_is_unavailable(scripted: FaultProxy, lone: S3Backend) -> None:
    backend = S3Backend('kit', {**lone.config, 'read_timeout_s': 0.2})
    scripted.hang(times=ALWAYS)
    with pytest.raises(fs.Unavailable, match=r'(?i)time.*out') as raised:
        backend.read('x')
    assert isinstance(raised.value.__cause__, BotoCoreError)


@pytest.mark.slow
def test_a_time_out_inside_a_response_is_unavailable(proxy: Any, store: Any) -> None:
    store.put_raw('x', bytes(3_000_000))
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', retries=0)
    proxy.cut_download(after_bytes=1_000_000, times=ALWAYS)
    with pytest.raises(fs.Unavailable) as raised:
        backend.read('x')
    assert raised.value.__cause__ is not None


def test_a_refused_connection_is_unavailable(scripted: FaultProxy, lone: S3Backend) -> None:
    scripted.down()
    with pytest.raises(fs.Unavailable, match='connect') as raised:
        lone.read('x')
    assert isinstance(raised.value.__cause__, BotoCoreError)


def test_an_unknown_host_is_unavailable(lone: S3Backend) -> None:
    backend = S3Backend('kit', {**lone.config, 'endpoint': 'http://no-such-host.invalid'})
    with pytest.raises(fs.Unavailable, match='no-such-host'):
        backend.read('x')


@pytest.mark.slow
def test_a_conflict_with_another_writer_is_tried_again(proxy: Any, backend: Any, store: Any) -> None:
    body = _xml('ConditionalRequestConflict', 'A conflicting operation occurred')
    fault = proxy.answer(409, body, headers={'Content-Type': 'application/xml'}, times=2)
    backend.write('x', b'content', overwrite=False)
    assert fault.is_spent
    assert store.get_raw('x') == b'content'


@pytest.mark.slow
def test_a_conflict_at_the_completion_leaves_nothing(proxy: Any, store: Any) -> None:
    """S3 requests all parts again then, which are gone."""
    backend = store.make(endpoint=proxy.endpoint, conditional_completion=True)
    proxy.answer(
        409,
        _xml('ConditionalRequestConflict', 'A conflicting operation occurred'),
        headers={'Content-Type': 'application/xml'},
        when=lambda request: request.method == 'POST' and 'uploadId=' in request.path,
    )
    with pytest.raises(fs.Unavailable):
        backend.write('x', bytes(5 * 2**20), overwrite=False)
    assert store.names_raw() == []


@pytest.mark.slow
def test_a_name_that_the_store_cannot_hold_is_an_invalid_filename(store: Any) -> None:
    """SeaweedFS refuses segments of more than 255 bytes, which Amazon takes."""
    backend = store.make()
    with pytest.raises(fs.InvalidFilename) as raised:
        backend.write('a/' + 300 * 'x', b'content')
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.slow
def test_wrong_credentials_are_a_refusal(store: Any) -> None:
    for wrong in ({'access_key': 'nobody'}, {'secret_key': 'wrong' * 8}):
        for name, act in VERBS.items():
            with pytest.raises(fs.PermissionDenied, match=store.bucket) as raised:
                act(store.make(**wrong))
            assert 'wrongwrong' not in str(raised.value), name


# --- All of them.


@verb
def test_errors_can_be_pickled_and_hold_no_secret(scripted: FaultProxy, lone: S3Backend, verb: Verb) -> None:
    quoted = f'<StringToSign>{SECRETS[0]}</StringToSign>'
    faults: list[Callable[[], object]] = [
        lambda: scripted.answer(403, _xml('SignatureDoesNotMatch', 'x', quoted)),
        lambda: scripted.answer(500, _xml('InternalError', 'x')),
        scripted.cut_upload,
        scripted.down,
    ]
    for strike in faults:
        strike()
        with pytest.raises(fs.FSError) as raised:
            verb(lone)
        scripted.recover()
        error = raised.value
        copied = pickle.loads(pickle.dumps(error))
        assert (type(error), str(error)) == (type(copied), str(copied))
        assert error.__cause__ is not None
        for secret in (*SECRETS, 'Signature='):
            assert secret not in f'{error} {error!r} {error.reason}'


@pytest.mark.parametrize('name', ['exists', 'stat'])
def test_metadata_from_a_server_that_is_no_store_is_an_error(scripted: FaultProxy, lone: S3Backend, name: str) -> None:
    error = _error(scripted, lone, VERBS[name], 200, 'It works!', Content_Type='text/plain')
    assert isinstance(error, fs.BackendError)
