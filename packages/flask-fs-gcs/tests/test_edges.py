"""What is sent, and what happens when the store does not respond as it should."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, PreconditionFailed, RetryError
from google.auth.exceptions import RefreshError, TransportError

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs_gcs import GCSBackend
from flask_fs_testing.proxy import FaultProxy, ProxiedRequest

CHUNK_BYTES = 768 * 1024
LARGE = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b'the rest'


def sent(proxy: FaultProxy, method: str) -> list[ProxiedRequest]:
    return [request for request in proxy.requests if request.method == method]


# --- What is sent.


def test_creating_sends_its_condition_with_a_file_with_an_upload_and_with_a_copy(
    backend: GCSBackend, proxy: FaultProxy
) -> None:
    backend.write('small', b'x', overwrite=False)
    backend.write('large', LARGE, overwrite=False)
    backend.copy('small', 'copied', overwrite=False)
    assert ['ifGenerationMatch=0' in request.path for request in sent(proxy, 'POST')] == [True, True, True]


def test_a_replacement_has_no_condition(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('small', b'x')
    backend.write('large', LARGE)
    backend.copy('small', 'copied')
    assert not any('ifGenerationMatch' in request.path for request in proxy.requests if request.method == 'POST')


def test_a_reader_names_the_generation_that_it_began_with(backend: GCSBackend, proxy: FaultProxy, store: Any) -> None:
    backend.write('x', LARGE)
    with backend.open('x', 'rb') as file:
        file.read(10)
        file.seek(CHUNK_BYTES)
        file.read(10)
        generation = backend.stat('x').etag
        assert sent(proxy, 'GET')[-2].headers['x-goog-if-generation-match'] == generation
        # The emulator does not heed it; the generation of the response is compared too.
        store.put_raw('x', LARGE)
        file.seek(0)
        file.seek(2 * CHUNK_BYTES)
        with pytest.raises(fs.Replaced):
            file.read(10)


@pytest.mark.parametrize('size', [0, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
def test_pieces_have_the_md5_of_all_with_the_last_one(backend: GCSBackend, proxy: FaultProxy, size: int) -> None:
    content = LARGE[:size]
    backend.save(io.BytesIO(content), 'x', overwrite=True)
    pieces = sent(proxy, 'PUT')
    assert len(pieces) == (size // CHUNK_BYTES + 1 if size >= CHUNK_BYTES else 0)
    digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    assert [piece.headers.get('x-goog-hash') for piece in pieces] == [None] * (len(pieces) - 1) + [
        f'md5={digest}'
    ] * bool(pieces)
    assert backend.read('x') == content
    assert backend.stat('x').checksum == f'sha256:{hashlib.sha256(content).hexdigest()}'


def test_what_is_stored_as_gzip_is_read_as_it_is_stored(backend: GCSBackend, store: Any) -> None:
    blob, content = store.bucket.blob('x.txt'), gzip.compress(b'hello ' * 1000)
    blob.content_encoding = 'gzip'
    blob.upload_from_string(content, content_type='text/plain')
    assert backend.read('x.txt') == content
    assert backend.read_range('x.txt', 3, 7) == content[3:7]
    assert [backend.stat('x.txt').content_encoding, next(backend.scan()).content_encoding] == ['gzip', 'gzip']
    backend.copy('x.txt', 'y.txt')
    assert backend.read('y.txt') == content
    assert backend.stat('y.txt').content_encoding == 'gzip'


def test_a_copy_keeps_what_other_programs_set(backend: GCSBackend, store: Any) -> None:
    blob = store.bucket.blob('x.txt')
    blob.cache_control, blob.metadata = 'no-store', {'color': 'blue'}
    blob.upload_from_string(b'x', content_type='text/x-mine')
    backend.copy('x.txt', 'y.bin')
    copied = store.bucket.get_blob('y.bin')
    assert [copied.cache_control, copied.metadata, copied.content_type] == [
        'no-store',
        {'color': 'blue'},
        'text/x-mine',
    ]


# --- What goes wrong on the way.


def test_a_created_file_whose_response_was_lost_is_recognized(backend: GCSBackend, proxy: FaultProxy) -> None:
    proxy.lose_response(when=lambda request: request.method == 'POST')
    backend.write('x', b'mine', overwrite=False)
    assert backend.read('x') == b'mine'
    assert len(sent(proxy, 'POST')) == 2


def test_an_upload_that_cannot_go_on_is_canceled(backend: GCSBackend, proxy: FaultProxy, store: Any) -> None:
    proxy.respond(403, times=1000, when=lambda request: request.method == 'PUT')
    with pytest.raises(fs.PermissionDenied):
        backend.write('x', LARGE)
    assert len(sent(proxy, 'DELETE')) == 1
    assert store.names_raw() == []


def test_a_source_that_fails_half_way_cancels_its_upload(backend: GCSBackend, proxy: FaultProxy, store: Any) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > CHUNK_BYTES:
                raise KeyError('mine')
            return super().read(1000)

    with pytest.raises(KeyError, match='mine'):
        backend.save(Failing(LARGE), 'x', overwrite=True)
    assert len(sent(proxy, 'DELETE')) == 1
    assert store.names_raw() == []


def _only_put(request: ProxiedRequest) -> bool:
    return request.method == 'PUT'


@pytest.mark.parametrize('kept', [0, CHUNK_BYTES // 3])
def test_a_piece_that_was_kept_in_part_is_sent_from_there(backend: GCSBackend, proxy: FaultProxy, kept: int) -> None:
    """Played without the emulator, which takes a piece whole and would append the rest to it."""
    pieces: list[tuple[str, int]] = []
    real = backend._bucket.client.session.request

    def request(method: str, url: str, **options: Any) -> Any:
        if method == 'PUT':
            pieces.append((options['headers']['Content-Range'], len(options['data'])))
            if len(pieces) == 1:
                options['data'] = options['data'][:kept]
                options['headers'] = {**options['headers'], 'Content-Range': f'bytes 0-{kept - 1}/*'}
        return real(method, url, **options)

    backend._bucket.client.session.request = request  # type: ignore[method-assign]
    try:
        if kept:
            backend.write('x', LARGE)
            assert pieces[:2] == [
                (f'bytes 0-{CHUNK_BYTES - 1}/*', CHUNK_BYTES),
                (f'bytes {kept}-{CHUNK_BYTES - 1}/*', CHUNK_BYTES - kept),
            ]
            assert backend.read('x') == LARGE
        else:
            proxy.respond(308, headers={'Content-Type': 'text/plain'}, when=_only_put)
            with pytest.raises(fs.BackendError, match='it reports 0 bytes'):
                backend.write('x', LARGE)
    finally:
        del backend._bucket.client.session.request


def test_other_bytes_than_were_sent_are_an_error(backend: GCSBackend, proxy: FaultProxy) -> None:
    """The emulator appends a piece that comes again; the store itself ignores it."""
    proxy.lose_response(when=_only_put)
    with pytest.raises(fs.ChecksumMismatch):
        backend.write('x', LARGE)


def test_no_url_of_an_upload_is_in_an_error(backend: GCSBackend, proxy: FaultProxy) -> None:
    proxy.cut_upload(after_bytes=1, times=1000, when=_only_put)
    with pytest.raises(fs.Unavailable) as caught:
        backend.write('x', LARGE)
    assert 'upload_id' not in f'{caught.value} {caught.value!r}'


Act = Callable[[BaseBackend], object]


@pytest.mark.parametrize(
    ('act', 'body'),
    [
        (lambda backend: backend.stat('x'), '<html>Log in</html>'),
        (lambda backend: backend.stat('x'), '{}'),
        (lambda backend: backend.read('x'), '<html>Log in</html>'),
        (lambda backend: list(backend.list_files()), '<html>Log in</html>'),
        (lambda backend: backend.copy('x', 'y'), '{}'),
        (lambda backend: backend.remove('x'), '<html>Log in</html>'),
    ],
)
def test_a_page_that_says_200_is_no_response_of_the_store(
    backend: GCSBackend, proxy: FaultProxy, act: Act, body: str
) -> None:
    backend.write('x', b'x')
    proxy.respond(200, body, times=1000)
    with pytest.raises(fs.BackendError):
        act(backend)


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        (Forbidden('x', errors=[{'message': 'app has no storage.objects.get'}]), fs.PermissionDenied),
        (PreconditionFailed('x'), fs.Replaced),
        (BadRequest('x', errors=[{'message': 'Provided MD5 hash does not match'}]), fs.ChecksumMismatch),
        (BadRequest('x'), fs.BackendError),
        (RetryError('x', Forbidden('x')), fs.PermissionDenied),
        (RefreshError('invalid_grant'), fs.PermissionDenied),
        (TransportError('x'), fs.Unavailable),
    ],
)
def test_errors_of_google_are_those_of_flask_fs(backend: GCSBackend, error: Exception, kind: type[fs.FSError]) -> None:
    assert type(backend.translated(error, 'x')) is kind


def test_a_name_beyond_the_limit_is_invalid(backend: GCSBackend) -> None:
    assert type(backend.translated(BadRequest('x'), 'x' * 1025)) is fs.InvalidFilename


# --- The bucket.


def test_a_bucket_that_must_not_be_created_is_named(store: Any) -> None:
    backend = store.make(bucket_name='kit-missing', create_bucket=False)
    with pytest.raises(fs.FileNotFound):
        backend.write('x', b'x')
    assert list(backend.list_files()) == []


def test_a_bucket_is_not_created_without_a_project(store: Any) -> None:
    settings = {**store.missing_settings(), 'project': None}
    with pytest.raises(fs.ConfigurationError, match='set KIT_FS_PROJECT'):
        GCSBackend('kit', settings).write('x', b'x')


def test_a_bucket_that_is_gone_is_no_absence(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('flask_fs.backends.presence.PRESUMED_S', 0)
    backend = store.make()
    backend.write('x', b'x')
    store.bucket.delete(force=True)
    acts: list[Act] = [
        lambda backend: backend.read('x'),
        lambda backend: backend.exists('x'),
        lambda backend: list(backend.list_files()),
        lambda backend: backend.write('x', b'x'),
        lambda backend: backend.remove('x'),
    ]
    for act in acts:
        with pytest.raises(fs.Unavailable, match='is gone'):
            act(backend)


def test_of_writers_that_create_a_small_file_one_wins(store: Any) -> None:
    backend, gate = store.make(), threading.Barrier(8)
    won: list[int] = []

    def create(number: int) -> None:
        gate.wait()
        try:
            backend.write('x', str(number), overwrite=False)
        except fs.FileExists:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [backend.read('x')] == [str(number).encode() for number in won]


def test_requests_are_as_the_reference_says(backend: GCSBackend, proxy: FaultProxy) -> None:
    def count(act: Act) -> int:
        before = len(proxy.requests)
        act(backend)
        return len(proxy.requests) - before

    assert count(lambda backend: backend.write('first', b'x')) == 1
    assert count(lambda backend: backend.write('large', LARGE)) == 5
    for act in (
        lambda backend: backend.write('x', b'x', overwrite=False),
        lambda backend: backend.read('x'),
        lambda backend: backend.stat('x'),
        lambda backend: list(backend.list_files()),
    ):
        assert count(act) == 1
    assert count(lambda backend: backend.copy('x', 'y', overwrite=False)) == 2
    assert count(lambda backend: backend.delete('x')) == 2
    assert json.dumps([info.name for info in backend.scan()]) == '["first", "large", "y"]'
