"""What is special about Azure: blocks, versions, copies, tokens, and responses of something else."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import logging
import threading
from typing import Any

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobClient,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
)

import flask_fs as fs
from flask_fs_azure import AzureBackend, uploads
from flask_fs_azure import backend as backend_module
from flask_fs_testing.proxy import FaultProxy

MiB = 1024 * 1024
pytestmark = pytest.mark.slow


class Interrupted(io.BytesIO):
    """A source that does something when half of it was read."""

    def __init__(self, size: int, act: Any) -> None:
        super().__init__(bytes(size))
        self._half, self._act = size // 2, act

    def read(self, size: int | None = -1, /) -> bytes:
        if self._act is not None and self.tell() >= self._half:
            act, self._act = self._act, None
            act()
        return super().read(size)


# --- Blocks.


def test_blocks_of_an_upload_that_failed_are_no_file(store: Any) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    backend = store.make()
    for overwrite in (True, False):
        with pytest.raises(ZeroDivisionError):
            backend.save(Interrupted(4 * MiB, fail), 'x', overwrite=overwrite)
        assert not backend.exists('x')
        assert list(backend.list_files()) == store.names_raw() == []
    backend.save(io.BytesIO(bytes(2 * MiB)), 'x')
    assert backend.stat('x').size == 2 * MiB


@pytest.mark.parametrize(('overwrite', 'error'), [(True, fs.Unavailable), (False, fs.FileExists)])
def test_of_two_who_send_blocks_the_file_of_the_first_to_end_stays(
    store: Any, overwrite: bool, error: type[fs.FSError]
) -> None:
    backend = store.make()
    with pytest.raises(error):
        backend.save(
            Interrupted(4 * MiB, lambda: backend.write('x', b'1' * 3 * MiB)), 'x', overwrite=overwrite
        )  # fmt: skip
    assert backend.read('x') == b'1' * 3 * MiB


def test_blocks_grow_where_there_would_be_too_many(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, '_BLOCKS_OF_ONE_SIZE', 2)
    backend = store.make(block_bytes=10)
    content = bytes(range(97))
    backend.save(io.BytesIO(content), 'x')
    blocks, _ = store.client.get_blob_client('x').get_block_list()
    assert [block.size for block in blocks] == [10, 10, 20, 20, 30, 7]
    assert backend.read('x') == content
    assert backend.metadata('x')['checksum'] == f'sha256:{hashlib.sha256(content).hexdigest()}'


def test_a_writer_whose_response_was_lost_has_created_its_file(backend: AzureBackend, proxy: FaultProxy) -> None:
    for size in (10, 2 * MiB):
        fault = proxy.lose_response(when=lambda request: request.method == 'PUT' and 'comp=block&' not in request.path)
        backend.save(io.BytesIO(bytes(size)), f'{size}', overwrite=False)
        assert fault.struck == 1
        assert backend.stat(f'{size}').size == size


# --- Versions.


def test_a_file_that_is_replaced_while_it_is_read_is_never_mixed(store: Any) -> None:
    backend = store.make()
    backend.save(io.BytesIO(b'1' * 9 * MiB), 'x')
    chunks = backend.read_chunks('x', MiB)
    assert next(chunks) == b'1' * MiB
    backend.write('x', b'2' * 9 * MiB)
    with pytest.raises(fs.Replaced):
        b''.join(chunks)


def test_what_is_stored_encoded_is_read_as_it_is(store: Any) -> None:
    content = gzip.compress(b'content' * 1000)
    store.client.upload_blob('x.txt', content, content_settings=ContentSettings('text/plain', 'gzip'))
    backend = store.make()
    assert backend.read('x.txt') == content
    assert backend.read_range('x.txt', 3, 7) == content[3:7]
    found = [backend.stat('x.txt'), *backend.scan()]
    assert [(info.mime, info.content_encoding) for info in found] == [('text/plain', 'gzip')] * 2


def test_listings_report_what_stat_does(store: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'content')
    backend.write('b', b'content', mime='image/png')
    assert list(backend.scan()) == [backend.stat('a.txt'), backend.stat('b')]


# --- Copies, and many files at once.


def test_a_type_is_kept_by_copies_unless_the_name_alone_suggested_it(store: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'content')
    backend.write('given.txt', b'content', mime='image/png')
    for source in ('a.txt', 'given.txt'):
        backend.copy(source, f'{source}.html', overwrite=False)
    assert backend.stat('a.txt.html').mime == 'text/html'
    assert backend.stat('given.txt.html').mime == 'image/png'
    assert backend.stat('a.txt.html').checksum == backend.stat('a.txt').checksum is not None


def test_a_copy_that_is_replaced_at_once_keeps_its_own_type(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = store.make()
    backend.write('a.txt', b'content')
    set_http_headers = BlobClient.set_http_headers

    def set_late(client: BlobClient, *args: Any, **options: Any) -> Any:
        backend.write('b.html', b'other', mime='image/png')
        return set_http_headers(client, *args, **options)

    monkeypatch.setattr(BlobClient, 'set_http_headers', set_late)
    backend.copy('a.txt', 'b.html')
    assert (backend.read('b.html'), backend.stat('b.html').mime) == (b'other', 'image/png')


@pytest.mark.parametrize('ended', ['success', 'failed'])
def test_a_copy_that_takes_the_store_a_while_is_waited_for(
    store: Any, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = store.make()
    backend.write('a', b'content')
    monkeypatch.setattr(backend_module, '_COPY_PAUSE_S', 0)
    monkeypatch.setattr(BlobClient, 'start_copy_from_url', lambda *_, **__: {'copy_status': 'pending', 'etag': '"1"'})
    states = iter(['pending', ended])
    properties = BlobClient.get_blob_properties

    def look(client: BlobClient, **options: Any) -> Any:
        found = properties(store.client.get_blob_client('a'), **options)
        found.copy.status = next(states)
        return found

    monkeypatch.setattr(BlobClient, 'get_blob_properties', look)
    if ended == 'success':
        backend.copy('a', 'b')
    else:
        with pytest.raises(fs.BackendError, match=r"did not copy it to 'b': failed"):
            backend.copy('a', 'b')
    assert next(states, None) is None


def test_many_files_are_deleted_by_few_requests(store: Any, backend: AzureBackend, proxy: FaultProxy) -> None:
    backend.batch_size = 3
    for name in ('a', 'a/1', 'a/2', 'a/3', 'a/4', 'a/ü %?', 'ab'):
        store.put_raw(name, b'')
    proxy.requests.clear()
    backend.delete('a')
    assert [request.method for request in proxy.requests] == ['GET', 'POST', 'POST']
    assert store.names_raw() == ['ab']


def test_a_file_that_cannot_be_deleted_is_named(store: Any) -> None:
    backend = store.make()
    for name in ('a/1', 'a/2', 'a/3'):
        backend.write(name, b'')
    lease = store.client.get_blob_client('a/2').acquire_lease()
    for verb in (backend.delete, lambda _: backend.remove('a/2')):
        with pytest.raises(fs.PermissionDenied, match='LeaseIdMissing') as raised:
            verb('a')
        assert raised.value.filename == 'a/2'
    assert store.names_raw() == ['a/2']
    lease.release()


# --- The container.


def test_a_container_that_is_gone_took_its_files_along(store: Any) -> None:
    backend = store.make()
    backend.write('x', b'content')
    store.client.delete_container()
    for verb in (backend.read, backend.exists, backend.delete, lambda name: backend.write(name, b'')):
        with pytest.raises(fs.Unavailable, match=f"container '{store.container}' is gone"):
            verb('x')
    with pytest.raises(fs.Unavailable):
        list(backend.list_files())


def test_a_container_is_created_by_whom_it_is_to_be(store: Any) -> None:
    backend = store.backend_class('kit', {**store.missing_settings(), 'create_container': False})
    assert list(backend.list_files()) == []
    with pytest.raises(fs.FileNotFound, match='CREATE_CONTAINER'):
        backend.write('x', b'content')
    backend = store.make_missing()
    threads = [threading.Thread(target=backend.write, args=(f'{number}', b'')) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(backend.list_files()) == ['0', '1', '2', '3']


# --- Tokens.


def test_a_token_is_enough_for_all_but_links(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    token = generate_account_sas(
        store.service.account,
        store.service.key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=10),
    )
    settings = {'account_url': store.service.endpoint, 'sas_token': token, 'container': store.container}
    backend = AzureBackend('kit', {**settings, 'block_bytes': MiB})
    with caplog.at_level(logging.DEBUG):
        backend.save(io.BytesIO(bytes(2 * MiB)), 'a/x')
        backend.copy('a/x', 'a/y')
        assert backend.read('a/y') == bytes(2 * MiB)
        assert sorted(backend.list_files()) == ['a/x', 'a/y']
        backend.delete('a')
    assert store.names_raw() == []
    assert token.rpartition('sig=')[2].partition('&')[0] not in caplog.text


# --- Responses of something else.


VERBS: dict[str, Any] = {
    'read': lambda backend: backend.read('x'),
    'read_range': lambda backend: backend.read_range('x', 1, 2),
    'exists': lambda backend: backend.exists('x'),
    'list': lambda backend: list(backend.list_files()),
    'write': lambda backend: backend.write('x', b'other'),
    'move': lambda backend: backend.move('x', 'y'),
    'remove': lambda backend: backend.remove('x'),
    'delete': lambda backend: backend.delete('x'),
}


@pytest.mark.parametrize('status', [200, 404])
@pytest.mark.parametrize('verb', VERBS.values(), ids=VERBS)
def test_a_web_page_is_no_azure(backend: AzureBackend, proxy: FaultProxy, store: Any, verb: Any, status: int) -> None:
    store.put_raw('x', b'content')
    fault = proxy.respond(status, '<html>Log in</html>', headers={'Content-Type': 'text/html'}, times=9)
    with pytest.raises(fs.BackendError, match=r'not Azure Blob Storage.*KIT_FS_CONNECTION_STRING') as raised:
        verb(backend)
    assert not isinstance(raised.value, fs.Unavailable)
    # It is not worth another attempt.
    assert fault.struck == 1
    proxy.recover()
    assert store.get_raw('x') == b'content'


def test_a_whole_file_in_place_of_a_range_is_no_answer(backend: AzureBackend, proxy: FaultProxy) -> None:
    proxy.respond(200, 'content', headers={'x-ms-request-id': '1', 'Content-Length': '7'}, times=9)
    with pytest.raises(fs.BackendError):
        backend.read_range('x', 1, 2)


@pytest.mark.parametrize('retries', [0, 2])
def test_a_busy_store_is_tried_as_often_as_configured(store: Any, proxy: FaultProxy, retries: int) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', retries=retries)
    fault = proxy.slow_down(times=9)
    with pytest.raises(fs.Unavailable):
        backend.stat('x')
    assert fault.struck == retries + 1


# --- Requests, as the reference counts them.


@pytest.mark.parametrize(
    ('act', 'methods'),
    [
        (lambda backend: backend.read('empty'), 'GET GET'),
        (lambda backend: backend.open('empty', 'rb').read(), 'GET HEAD'),
        (lambda backend: backend.read('large'), 'GET GET GET'),
        (lambda backend: backend.read_range('large', 5, 6), 'GET'),
        (lambda backend: backend.read_range('large', -3), 'HEAD GET'),
        (lambda backend: backend.save(io.BytesIO(bytes(2 * MiB)), 'new'), 'HEAD PUT PUT PUT'),
        (lambda backend: backend.copy('empty', 'new.txt'), 'HEAD PUT PUT'),
        (lambda backend: list(backend.scan()), 'GET'),
        (lambda backend: backend.delete('empty'), 'GET DELETE'),
        (lambda backend: backend.signed_url('empty'), ''),
    ],
    ids=['empty', 'open empty', 'large', 'range', 'suffix', 'blocks', 'copy', 'scan', 'delete', 'link'],
)
def test_operations_take_the_requests_that_the_reference_counts(
    store: Any, backend: AzureBackend, proxy: FaultProxy, act: Any, methods: str
) -> None:
    store.put_raw('empty', b'')
    store.put_raw('large', bytes(9 * MiB))
    act(backend)
    assert [request.method for request in proxy.requests] == methods.split()
