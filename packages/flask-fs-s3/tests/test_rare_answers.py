"""Responses that stores give seldom: refusals in the middle of an operation, uploads that are gone, altered bytes."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.awsrequest
import pytest
from flask import Flask

import flask_fs as fs
from flask_fs_s3 import S3Backend
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
PART = 5 * MiB
DENIED = '<?xml version="1.0"?>\n<Error><Code>{}</Code><Message></Message></Error>'
Hook = Callable[[S3Backend, str, Callable[..., Any]], None]


def answer_of(status: int, content: bytes = b'', **headers: str) -> Any:
    """What botocore uses as the response to a request, if a function at its event ``before-send`` gives it."""
    given = {name.replace('_', '-'): value for name, value in headers.items()}
    raw = io.BytesIO(content)
    raw.stream = lambda *_, **__: iter([content])  # type: ignore[attr-defined]  # as urllib3's responses have it
    return botocore.awsrequest.AWSResponse('https://s3.invalid/', status, given, raw)


def refusal(status: int, code: str) -> Any:
    return answer_of(status, DENIED.format(code).encode(), Content_Type='application/xml')


@pytest.mark.parametrize(
    ('operation', 'act'),
    [
        ('DeleteObject', lambda backend: backend.delete('x')),
        ('HeadObject', lambda backend: backend.write('new', b'', overwrite=False)),
        ('CreateBucket', lambda backend: backend.write('x', b'')),
        ('ListMultipartUploads', lambda backend: backend.sweep()),
    ],
)
def test_a_refusal_in_the_middle_is_no_absence_and_no_success(
    amazon: Any, hook: Hook, operation: str, act: Callable[[S3Backend], object]
) -> None:
    backend = amazon.make(conditional_writes=False)
    if operation == 'CreateBucket':
        backend = amazon.make_missing()
    else:
        backend.write('x', b'1')
    hook(backend, f'before-send.s3.{operation}', lambda **_: refusal(403, 'AccessDenied'))
    with pytest.raises(fs.PermissionDenied):
        act(backend)
    assert 'new' not in amazon.names_raw()


def test_a_bucket_that_is_not_there_has_nothing_to_sweep(amazon: Any) -> None:
    assert amazon.make_missing().sweep() == 0


def test_a_mark_of_a_folder_is_no_file_and_goes_with_the_folder(amazon: Any) -> None:
    backend = amazon.make()
    for name in ('a/', 'a/x', 'b/'):
        amazon.put_raw(name, b'')
    assert list(backend.list_files()) == [info.name for info in backend.scan()] == ['a/x']
    backend.delete('a')
    assert amazon.names_raw() == ['b/']


def test_keys_that_no_verb_accepts_are_not_listed_and_go_with_their_folder(amazon: Any) -> None:
    backend = amazon.make()
    for key in ('/lead.txt', './x', '.fs-tmp-1', 'a//b.txt', 'a/x'):
        amazon.put_raw(key, b'')
    assert list(backend.list_files()) == [info.name for info in backend.scan()] == ['a/x']
    backend.delete('a')
    assert amazon.names_raw() == ['./x', '.fs-tmp-1', '/lead.txt']


@pytest.mark.parametrize('style', ['path', 'virtual', 'auto'])
def test_a_link_to_amazon_is_in_the_style_that_is_set(amazon: Any, style: str) -> None:
    address = urlsplit(amazon.make(addressing_style=style).signed_url('x'))
    in_path = address.path == f'/{amazon.bucket}/x'
    assert in_path == (style == 'path')
    assert in_path or (address.path, address.netloc.partition('.')[0]) == ('/x', amazon.bucket)


def test_a_closed_stream_gives_nothing_more_and_an_open_one_all_that_is_left(amazon: Any) -> None:
    backend = amazon.make()
    backend.write('x', b'0123456789')
    stream: Any = backend._open('x').stream
    assert stream.read(3) == b'012'
    assert stream.readall() == b'3456789'
    stream.close()
    with pytest.raises(ValueError, match='this file is closed'):
        stream.read(1)


def test_a_whole_file_in_place_of_a_range_is_an_error(amazon: Any, hook: Hook) -> None:
    """It would be mistaken for the range: a server, or a cache in front of it, that supports no ranges."""
    backend = amazon.make()
    backend.write('x', b'0123456789')
    hook(backend, 'before-send.s3.GetObject', lambda request, **_: request.headers.__delitem__('Range'))
    with pytest.raises(fs.BackendError, match='a different range of the file'):
        backend._open('x', 3, 5)
    assert backend._open('x', 0, 10).stream.read() == b'0123456789'


def test_bytes_altered_on_their_way_back_are_noticed(amazon: Any, hook: Hook) -> None:
    backend = amazon.make(request_checksums='when_supported')
    backend.write('x', b'0123456789')
    altered = {'x-amz-checksum-crc32': 'AAAAAA==', 'Content-Length': '10', 'ETag': '"1"'}
    hook(
        backend,
        'before-send.s3.GetObject',
        lambda **_: answer_of(200, b'012345678!', Last_Modified='Mon, 23 Nov 2026 08:00:00 GMT', **altered),
    )
    with pytest.raises(fs.ChecksumMismatch):
        backend.read('x')


@pytest.mark.parametrize('status', [301, 400])
def test_a_bucket_in_another_region_is_reported_if_the_store_does_not_say_where(
    amazon: Any, hook: Hook, status: int
) -> None:
    backend = amazon.make()
    code = 'PermanentRedirect' if status == 301 else 'IllegalLocationConstraintException'
    hook(backend, 'before-send.s3.PutObject', lambda **_: refusal(status, code))
    with pytest.raises(fs.BackendError, match='is in another region: set KIT_FS_REGION to that region'):
        backend.write('x', b'')


def test_a_file_that_is_replaced_at_every_look_is_no_mixture_and_is_to_be_tried_again(amazon: Any, hook: Hook) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app: Flask = amazon.make_app(storage)
    amazon.put_raw('a.bin', b'0')
    contents: list[bytes] = []

    def replace(**_: Any) -> None:
        contents.append(b'0' * (2 + len(contents)))
        amazon.put_raw('a.bin', contents[-1])

    with app.app_context():
        hook(storage.backend, 'before-send.s3.GetObject', replace)
    response = app.test_client().get('/kit/a.bin', headers={'If-None-Match': '"another"'})
    assert len(contents) == 5
    assert response.status_code == 503
    request = app.test_request_context(headers={'If-None-Match': '"another"'})
    with request, pytest.raises(fs.Replaced, match='it was replaced in the meantime'):
        storage.serve('a.bin')


# --- Uploads in parts.


@pytest.mark.parametrize('create', [False, True])
def test_a_completion_that_is_repeated_after_its_response_was_lost_has_succeeded(
    amazon: Any, hook: Hook, create: bool
) -> None:
    """By a store that has no such upload any more at the second request."""
    backend = amazon.make()
    lost: list[bool] = []

    def complete_and_lose(request: Any, **_: Any) -> Any:
        if lost:
            return refusal(404, 'NoSuchUpload')
        lost.append(True)
        upload = {'Bucket': amazon.bucket, 'Key': 'x', 'UploadId': parse_qs(urlsplit(request.url).query)['uploadId'][0]}
        found = amazon.client.list_parts(**upload)['Parts']
        parts = [{'PartNumber': part['PartNumber'], 'ETag': part['ETag']} for part in found]
        amazon.client.complete_multipart_upload(**upload, MultipartUpload={'Parts': parts})
        return refusal(503, 'SlowDown')

    hook(backend, 'before-send.s3.CompleteMultipartUpload', complete_and_lose)
    backend.save(Pattern(PART + 1), 'x', overwrite=not create)
    assert lost
    assert backend.stat('x').size == PART + 1
    assert amazon.names_raw() == ['x']


def test_an_upload_that_was_aborted_elsewhere_needs_no_sweeping(amazon: Any, caplog: Any) -> None:
    backend = amazon.make()

    class Swept(Pattern):
        """Fails when its upload was begun, and swept by an operator."""

        def read(self, size: int = -1) -> bytes:
            found = amazon.client.list_multipart_uploads(Bucket=amazon.bucket).get('Uploads', ())
            for upload in found:
                amazon.client.abort_multipart_upload(
                    Bucket=amazon.bucket, Key=upload['Key'], UploadId=upload['UploadId']
                )
            if found:
                raise InterruptedError('the source failed')
            return super().read(size)

    with caplog.at_level(logging.WARNING), pytest.raises(InterruptedError, match='the source failed'):
        backend.save(Swept(100 * MiB), 'x', overwrite=True)
    assert caplog.messages == []
    assert amazon.names_raw() == []


def test_parts_that_cannot_be_aborted_are_reported(amazon: Any, hook: Hook, caplog: Any) -> None:
    """The opposite: they stay, and cost storage."""
    backend = amazon.make()
    hook(backend, 'before-send.s3.AbortMultipartUpload', lambda **_: refusal(403, 'AccessDenied'))

    def refuse_the_second(request: Any, **_: Any) -> Any:
        return refusal(403, 'AccessDenied') if 'partNumber=2' in request.url else None

    hook(backend, 'before-send.s3.UploadPart', refuse_the_second)
    with caplog.at_level(logging.WARNING), pytest.raises(fs.PermissionDenied):
        backend.save(Pattern(PART + 1), 'x', overwrite=True)
    assert [bool(re.search("parts of 'x' remain in bucket", message)) for message in caplog.messages] == [True]
    assert not backend.exists('x')
    # moto lists no upload without parts: whether the first one arrived is left to chance.
    assert amazon.names_raw() in ([], ['upload of x'])


@pytest.mark.slow
def test_a_refused_delete_is_reported_through_a_real_connection(store: Any, proxy: FaultProxy) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}')
    store.put_raw('x', b'1')
    proxy.answer(403, when=lambda request: request.method == 'DELETE')
    with pytest.raises(fs.PermissionDenied):
        backend.delete('x')
    assert store.names_raw() == ['x']
