"""Requests that the store signs for clients: what they store, and that it refuses whatever differs from them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import time
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree

import pytest
from urllib3.filepost import encode_multipart_formdata

import flask_fs as fs
from flask_fs.backends import Capability, SignedRequest
from flask_fs.backends.incoming import Incoming
from flask_fs_s3 import S3Backend

MiB = 1024 * 1024
CONTENT = b'hello'
NAME = '.fs-incoming/0123/0-0'


def sha256(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


def in_base64(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def sign(backend: S3Backend, name: str = NAME, **how: Any) -> SignedRequest:
    options: dict[str, Any] = {'size': len(CONTENT), 'max_bytes': None, 'mime': None, 'checksum': None, 'expires_s': 60}
    return backend._signed_upload(name, **options | how)


def request(method: str, url: str, headers: Any = (), body: bytes = b'') -> tuple[int, dict[str, str], bytes]:
    """What the store responds to exactly that request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.putrequest(method, f'{parts.path}?{parts.query}', skip_accept_encoding=True)
        for name, value in {'Content-Length': str(len(body)), **dict(headers)}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def send(signed: SignedRequest, body: bytes = CONTENT, *, file_type: str = 'image/gif', **fields: str) -> int:
    """The status of the response to a request as a client sends it that does what it says."""
    if signed.method == 'PUT':
        return request('PUT', signed.url, signed.headers, body)[0]
    form = [*(signed.fields | fields).items(), ('file', ('a', body, file_type))]
    encoded, content_type = encode_multipart_formdata(form, boundary='0123456789abcdef')
    return request('POST', signed.url, {**signed.headers, 'Content-Type': content_type}, encoded)[0]


@pytest.fixture
def backend(store: Any) -> S3Backend:
    made: S3Backend = store.make()
    return made


WHOLE = {'mime': 'text/plain', 'checksum': sha256(CONTENT)}


def test_a_signed_request_stores_one_file(backend: S3Backend, store: Any) -> None:
    signed = sign(backend, **WHOLE)
    assert signed.headers == {
        'If-None-Match': '*',
        'Content-Type': 'text/plain',
        'x-amz-checksum-sha256': in_base64(CONTENT),
    }
    assert send(signed) == 200
    assert store.get_raw(NAME) == CONTENT
    assert [signed.method, signed.fields] == ['PUT', {}]


def test_a_bucket_is_created_before_clients_send_to_it(store: Any) -> None:
    backend = store.make(**store.missing_settings())
    assert send(sign(backend)) == 200
    assert Incoming(backend, '0123').pieces()[0].size == len(CONTENT)


def test_a_bucket_is_looked_for_once(store: Any, proxy: Any) -> None:
    backend = store.make(endpoint=proxy.endpoint)
    for _ in range(3):
        sign(backend)
        backend._signed_part(NAME, method='POST', upload_id=None, part_number=None, mime=None, expires_s=60)
    assert [(request.method, request.path) for request in proxy.requests] == [('HEAD', f'/{store.bucket}')]


def test_a_bucket_that_must_not_be_created_is_not_looked_for(store: Any, proxy: Any) -> None:
    sign(store.make(endpoint=proxy.endpoint, create_bucket=False))
    assert proxy.requests == []


@pytest.mark.parametrize('how', [{}, {'mime': 'text/plain'}, {'checksum': sha256(CONTENT)}, WHOLE, {'size': 0}])
def test_all_that_was_promised_is_signed(backend: S3Backend, how: dict[str, Any]) -> None:
    """Whatever a version of botocore leaves out of the signature, a client could leave out or change."""
    signed = sign(backend, **how)
    [names] = parse_qs(urlsplit(signed.url).query)['X-Amz-SignedHeaders']
    assert set(names.split(';')) == {name.lower() for name in signed.headers} | {'host', 'content-length'}


def without(name: str) -> dict[str, str | None]:
    return {name: None}


ALTERED: list[tuple[dict[str, str | None], bytes, int]] = [
    ({}, b'hello!', 403),
    ({}, b'hell', 403),
    ({'Content-Length': '5'}, b'hellO', 400),
    ({'Content-Type': 'text/html'}, CONTENT, 403),
    ({'Content-Type': 'text/plain; charset=utf-7'}, CONTENT, 403),
    (without('Content-Type'), CONTENT, 403),
    (without('If-None-Match'), CONTENT, 403),
    ({'If-None-Match': '"0"'}, CONTENT, 403),
    (without('x-amz-checksum-sha256'), CONTENT, 403),
    ({'x-amz-checksum-sha256': in_base64(b'hellO')}, b'hellO', 403),
    ({'x-amz-meta-fs-checksum': 'sha256:00'}, CONTENT, 403),
    ({'x-amz-tagging': 'a=b'}, CONTENT, 403),
    ({'x-amz-copy-source': '/bucket/other'}, CONTENT, 403),
]


def status_of_altered(signed: SignedRequest, headers: dict[str, str | None], body: bytes) -> int:
    sent = {name: value for name, value in (dict(signed.headers) | headers).items() if value is not None}
    return request('PUT', signed.url, sent, body)[0]


@pytest.mark.parametrize(('headers', 'body', 'status'), ALTERED)
def test_a_request_that_was_altered_stores_nothing(
    backend: S3Backend, store: Any, headers: dict[str, str | None], body: bytes, status: int
) -> None:
    signed = sign(backend, **WHOLE)
    assert status_of_altered(signed, headers, body) == status
    assert store.names_raw() == []
    assert send(signed) == 200


@pytest.mark.slow
def test_another_store_refuses_the_same(swift: Any) -> None:
    """Swift's own S3, which has no forms, and whose condition only holds in sequence."""
    signed = sign(swift.make(conditional_writes=True), **WHOLE)
    for headers, body, status in ALTERED:
        # What it does not support it refuses before it looks at the signature.
        assert status_of_altered(signed, headers, body) in (status, 501), headers
    assert swift.names_raw() == []
    assert [send(signed), send(signed)] == [200, 412]


def test_each_parameter_of_the_url_is_signed(backend: S3Backend, store: Any) -> None:
    signed = sign(backend, **WHOLE)
    query = urlsplit(signed.url).query
    for name, [value] in parse_qs(query).items():
        other = value[:-1] + ('1' if value[-1] != '1' else '2')
        altered = signed.url.replace(f'{name}={quote(value, safe="")}', f'{name}={quote(other, safe="")}')
        assert altered != signed.url
        assert 400 <= request('PUT', altered, signed.headers, CONTENT)[0] < 500, name
    for other in (signed.url.replace('0-0?', '0-1?'), signed.url.replace('0123', '0124'), f'{signed.url}&uploads='):
        assert request('PUT', other, signed.headers, CONTENT)[0] == 403
    for method in ('GET', 'HEAD', 'POST', 'DELETE'):
        assert request(method, signed.url, signed.headers, CONTENT if method == 'POST' else b'')[0] in (403, 405)
    assert store.names_raw() == []


def test_of_two_requests_the_second_stores_nothing(backend: S3Backend, store: Any) -> None:
    signed = sign(backend)
    assert [send(signed), send(signed, b'other')] == [200, 412]
    assert store.get_raw(NAME) == CONTENT


def test_a_request_lives_no_longer_than_said(backend: S3Backend, store: Any) -> None:
    signed = sign(backend, expires_s=1)
    time.sleep(2.1)
    assert send(signed) == 403
    assert store.names_raw() == []


def test_more_than_one_request_stores_is_to_be_sent_in_pieces(backend: S3Backend) -> None:
    assert sign(backend, size=5 * 1024 * MiB).method == 'PUT'
    with pytest.raises(fs.FileTooLarge, match='at most 5368709120 bytes in one request; upload the file in pieces'):
        sign(backend, size=5 * 1024 * MiB + 1)


# --- Forms, where the size is not known.


def test_a_form_stores_one_file_of_limited_size(backend: S3Backend, store: Any) -> None:
    form = sign(backend, size=None, max_bytes=10, **WHOLE)
    assert (form.method, form.headers, form.fields['Content-Type'], form.fields['key']) == (
        'POST',
        {},
        'text/plain',
        NAME,
    )
    assert send(form, b'hello world') == 400
    assert send(form, b'hellO') == 400
    assert send(form, **{'Content-Type': 'text/html'}) == 403
    assert send(form, key=f'{NAME}/other') == 403
    assert send(form, **{'x-amz-meta-fs-checksum': 'sha256:00'}) == 403
    assert store.names_raw() == []
    assert send(form) in (200, 201, 204)
    assert store.get_raw(NAME) == CONTENT
    head = store.client.head_object(Bucket=store.bucket, Key=NAME)
    assert head['ContentType'] == 'text/plain'


@pytest.mark.parametrize(('max_bytes', 'size', 'is_stored'), [(0, 0, True), (0, 1, False), (None, 7, True)])
def test_the_limit_of_a_form_is_exact(
    backend: S3Backend, store: Any, max_bytes: int | None, size: int, is_stored: bool
) -> None:
    assert (send(sign(backend, size=None, max_bytes=max_bytes), bytes(size)) < 300) is is_stored
    assert store.names_raw() == [NAME] * is_stored


# --- The multipart API, as Uppy sends it.


def part_of(
    backend: S3Backend, method: str, upload_id: str | None = None, number: int | None = None, mime: str | None = None
) -> SignedRequest:
    return Incoming(backend, '0123').signed_part(method, upload_id, number, mime, 60)


def begin(backend: S3Backend, mime: str | None = None) -> str:
    signed = part_of(backend, 'POST', mime=mime)
    status, _, body = request('POST', signed.url, signed.headers)
    assert status == 200
    return str(ElementTree.fromstring(body).findtext('{*}UploadId'))


def upload_part(backend: S3Backend, upload_id: str, number: int, content: bytes) -> str:
    signed = part_of(backend, 'PUT', upload_id, number)
    status, headers, _ = request('PUT', signed.url, signed.headers, content)
    assert status == 200
    return headers['etag']


def complete(backend: S3Backend, upload_id: str, etags: list[str]) -> tuple[int, dict[str, str], bytes]:
    signed = part_of(backend, 'POST', upload_id)
    parts = ''.join(
        f'<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>' for number, etag in enumerate(etags, 1)
    )
    body = f'<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>'.encode()
    return request('POST', signed.url, {**signed.headers, 'Content-Type': 'application/xml'}, body)


def test_a_file_is_sent_in_parts_by_signed_requests(backend: S3Backend, store: Any) -> None:
    upload_id = begin(backend, 'text/plain')
    etags = [upload_part(backend, upload_id, 1, bytes(5 * MiB)), upload_part(backend, upload_id, 2, CONTENT)]
    listed = part_of(backend, 'GET', upload_id)
    body = request('GET', listed.url, listed.headers)[2]
    assert [part.findtext('{*}ETag') for part in ElementTree.fromstring(body).findall('{*}Part')] == etags
    status, _, body = complete(backend, upload_id, etags)
    completed = ElementTree.fromstring(body)
    assert (status, completed.findtext('{*}Key')) == (200, NAME)
    # Without it, Uppy takes the response for a failure.
    assert completed.findtext('{*}Location')
    assert store.get_raw(NAME) == bytes(5 * MiB) + CONTENT
    [piece] = Incoming(backend, '0123').pieces()
    assert piece.size == 5 * MiB + 5


def test_an_upload_in_parts_replaces_nothing(backend: S3Backend, store: Any) -> None:
    upload_id = begin(backend)
    etag = upload_part(backend, upload_id, 1, b'other')
    assert send(sign(backend)) == 200
    assert complete(backend, upload_id, [etag])[0] == 412
    assert store.get_raw(NAME) == CONTENT


def test_the_type_of_parts_is_signed(backend: S3Backend) -> None:
    signed = part_of(backend, 'POST', mime='text/plain')
    assert signed.headers == {'Content-Type': 'text/plain'}
    assert request('POST', signed.url, {'Content-Type': 'text/html'})[0] == 403


def test_an_upload_in_parts_can_be_aborted(backend: S3Backend, store: Any) -> None:
    upload_id = begin(backend)
    assert store.names_raw() == [f'upload of {NAME}']
    signed = part_of(backend, 'DELETE', upload_id)
    assert request('DELETE', signed.url, signed.headers)[0] == 204
    assert store.names_raw() == []


def test_an_upload_in_parts_that_was_never_completed_is_swept(backend: S3Backend, store: Any) -> None:
    upload_part(backend, begin(backend), 1, CONTENT)
    assert backend.sweep() == 0
    assert store.names_raw() == [f'upload of {NAME}']
    assert backend.sweep(older_than_s=-5) == 1
    assert store.names_raw() == []


@pytest.mark.parametrize(
    ('method', 'upload_id', 'number'),
    [
        ('PUT', None, None),
        ('PUT', 'x', None),
        ('PUT', None, 1),
        ('GET', None, None),
        ('DELETE', None, None),
        ('DELETE', 'x', 1),
        ('POST', 'x', 1),
        ('HEAD', 'x', None),
        # Some stores take these for requests for the whole object.
        ('PUT', '', 1),
        ('GET', '', None),
        ('DELETE', '', None),
    ],
)
def test_there_are_no_other_requests(
    backend: S3Backend, method: str, upload_id: str | None, number: int | None
) -> None:
    with pytest.raises(ValueError, match=r'S3 has no .* request'):
        part_of(backend, method, upload_id, number)


def test_the_id_of_an_upload_is_of_no_use_for_another_key(backend: S3Backend) -> None:
    upload_id = begin(backend)
    signed = Incoming(backend, 'other').signed_part('PUT', upload_id, 1, None, 60)
    assert request('PUT', signed.url, signed.headers, CONTENT)[0] == 404


# --- Settings and stores.


@pytest.mark.parametrize('settings', [{'conditional_writes': False}, {'signature_version': 's3'}])
def test_where_conditions_cannot_be_signed_clients_send_to_the_application(
    store: Any, settings: dict[str, Any]
) -> None:
    backend = store.make(**settings)
    assert Capability.SIGNED_UPLOAD not in backend.capabilities
    for act in (
        lambda: sign(backend),
        lambda: part_of(backend, 'POST'),
        lambda: backend._allow_origins(['https://app.test'], dry_run=True),
    ):
        with pytest.raises(fs.OperationNotSupported, match='clients send their files to the application'):
            act()


def test_requests_have_what_the_bucket_may_require(amazon: Any) -> None:
    parameters = {
        'ServerSideEncryption': 'aws:kms',
        'BucketKeyEnabled': True,
        'ACL': 'public-read',
        'CacheControl': 'max-age=1',
    }
    backend = amazon.make(object_parameters=parameters)
    required = {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
    }
    assert sign(backend).headers == {'If-None-Match': '*', **required}
    assert part_of(backend, 'POST').headers == required
    assert part_of(backend, 'PUT', 'x', 1).headers == {}
    assert required.items() <= sign(backend, size=None).fields.items()


def test_requests_lead_to_the_public_endpoint(store: Any) -> None:
    backend = store.make(public_endpoint='https://files.example.org')
    for signed in (sign(backend), sign(backend, size=None), part_of(backend, 'POST')):
        assert signed.url.startswith('https://files.example.org/')


def test_temporary_credentials_are_part_of_requests(store: Any) -> None:
    backend = store.make(session_token='the-token')
    assert 'X-Amz-Security-Token=the-token' in sign(backend).url
    assert sign(backend, size=None).fields['x-amz-security-token'] == 'the-token'


def test_the_secret_key_is_in_no_request(backend: S3Backend, store: Any) -> None:
    for signed in (sign(backend), sign(backend, size=None), part_of(backend, 'POST')):
        assert not re.search(re.escape(store.service.secret_key), repr(signed))
