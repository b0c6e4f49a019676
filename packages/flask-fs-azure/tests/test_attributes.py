"""Attributes of blobs, and replacing one version only."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from azure.storage.blob import BlobClient, ContentSettings

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, changed
from flask_fs_azure import AzureBackend
from flask_fs_testing.proxy import FaultProxy

MiB = 1024 * 1024
pytestmark = pytest.mark.slow

ALL: dict[str, Any] = {
    'mime': 'text/x-own',
    'cache_control': 'public, max-age=60',
    'content_encoding': 'gzip',
    'content_language': 'de, en-US',
    'download_name': 'Größe "1".txt',
    'metadata': {'color': 'rötlich', 'size-px': '12', 'empty': '', 'word': '=?UTF-8?B?YQ==?='},
}
GIVEN = changed(NO_ATTRIBUTES, ALL)
LARGE = b'1' * 2 * MiB


@pytest.fixture(params=[b'small', LARGE], ids=['small', 'large'])
def content(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_attributes_are_kept_by_files_listings_and_copies(store: Any, content: bytes) -> None:
    backend = store.make()
    assert backend.write('x', content, attributes=GIVEN).attributes == GIVEN
    assert backend.write('created', content, False, attributes=GIVEN) == backend.stat('created')
    backend.copy('x', 'copy.txt')
    backend.move('created', 'moved.html')
    for name in ('x', 'copy.txt', 'moved.html'):
        info = backend.stat(name)
        assert info.attributes == GIVEN
        assert info.checksum is not None
        assert backend.open_whole(name).info == info
    assert list(backend.scan()) == [backend.stat(name) for name in ('copy.txt', 'moved.html', 'x')]
    backend.write('x', content)
    assert backend.stat('x').attributes == NO_ATTRIBUTES


def test_the_store_has_them_by_its_own_names(store: Any) -> None:
    store.make().write('x', b'content', attributes=GIVEN)
    found = store.client.get_blob_client('x').get_blob_properties()
    assert found.content_settings.cache_control == ALL['cache_control']
    assert found.content_settings.content_language == ALL['content_language']
    assert found.content_settings.content_disposition.startswith('attachment; filename="Groe \\"1\\".txt"')
    assert found.metadata['size_px'] == '12'


def test_a_change_leaves_all_else_as_it_is(store: Any, content: bytes) -> None:
    backend = store.make()
    backend.write('x', content, attributes=GIVEN)
    before = backend.stat('x')
    backend.set_attributes('x', {'cache_control': None, 'mime': 'text/x-new'})
    backend.set_attributes('x', {'metadata': {'new': 'one'}})
    after = backend.stat('x')
    changes = {'cache_control': None, 'mime': 'text/x-new', 'metadata': {'new': 'one'}}
    assert after.attributes == changed(GIVEN, changes)
    assert (after.size, after.checksum) == (before.size, before.checksum)
    assert backend.read('x') == content
    backend.set_attributes('x', dict.fromkeys(ALL))
    assert backend.stat('x').attributes == NO_ATTRIBUTES
    assert backend.stat('x').checksum == before.checksum


def test_what_other_programs_set_survives_a_change(store: Any) -> None:
    blob = store.client.get_blob_client('x')
    settings = ContentSettings('text/html; charset=latin1', content_disposition='inline; filename="x"')
    blob.upload_blob(b'content', content_settings=settings, metadata={'OddName': 'a b'})
    md5 = blob.get_blob_properties().content_settings.content_md5
    assert md5 is not None
    store.make().set_attributes('x', {'cache_control': 'no-store'})
    found = blob.get_blob_properties()
    assert found.content_settings.content_type == 'text/html; charset=latin1'
    assert found.content_settings.content_disposition == 'inline; filename="x"'
    assert found.content_settings.content_md5 == md5
    assert {key.lower(): value for key, value in found.metadata.items()} == {'oddname': 'a b'}


@pytest.mark.parametrize(
    ('changes', 'methods'),
    [
        ({'mime': 'text/x-new', 'cache_control': None}, ['HEAD', 'PUT']),
        ({'metadata': {'a': 'b'}}, ['HEAD', 'PUT']),
        ({'metadata': None, 'mime': None}, ['HEAD', 'PUT', 'PUT']),
    ],
)
def test_a_change_sends_no_content(
    store: Any, backend: AzureBackend, proxy: FaultProxy, changes: Any, methods: Any
) -> None:
    store.put_raw('x', LARGE)
    backend.set_attributes('x', changes)
    assert [request.method for request in proxy.requests] == methods
    assert sum(request.bytes_up for request in proxy.requests) == 0
    with pytest.raises(fs.FileNotFound):
        backend.set_attributes('missing', changes)


@pytest.mark.parametrize('request_of_two', ['set_http_headers', 'set_blob_metadata'])
def test_a_change_is_made_to_what_has_replaced_the_file(
    store: Any, request_of_two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, other = store.make(), store.make()
    backend.write('x', b'old')
    change, acts = getattr(BlobClient, request_of_two), [lambda: other.write('x', b'new', attributes=GIVEN)]

    def change_late(client: BlobClient, *args: Any, **options: Any) -> Any:
        if acts:
            acts.pop()()
        return change(client, *args, **options)

    monkeypatch.setattr(BlobClient, request_of_two, change_late)
    changes = {'mime': 'text/x-new', 'metadata': {'new': 'one'}}
    backend.set_attributes('x', changes)
    assert backend.read('x') == b'new'
    assert backend.stat('x').attributes == changed(GIVEN, changes)


def test_a_change_whose_response_was_lost_is_made(store: Any, backend: AzureBackend, proxy: FaultProxy) -> None:
    store.put_raw('x', b'content')
    for changes in ({'mime': 'text/x-new'}, {'metadata': {'new': 'one'}}):
        fault = proxy.lose_response(when=lambda request: request.method == 'PUT')
        backend.set_attributes('x', changes)
        assert fault.struck == 1
    assert backend.stat('x').attributes == changed(NO_ATTRIBUTES, {'mime': 'text/x-new', 'metadata': {'new': 'one'}})


def test_a_file_that_others_change_all_the_time_is_given_up(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = store.make()
    backend.write('x', b'content')
    change = BlobClient.set_http_headers

    def change_late(client: BlobClient, *args: Any, **options: Any) -> Any:
        store.put_raw('x', b'other')
        return change(client, *args, **options)

    monkeypatch.setattr(BlobClient, 'set_http_headers', change_late)
    with pytest.raises(fs.Unavailable, match='other writers keep changing it'):
        backend.set_attributes('x', {'mime': 'text/x-new'})
    assert backend.read('x') == b'other'


# --- One version only.


def test_a_version_is_replaced_once(store: Any, content: bytes) -> None:
    backend = store.make()
    first = backend.write('x', content).etag
    second = backend.write('x', content + b'2', if_match=first, attributes=GIVEN)
    assert second == backend.stat('x')
    assert second.attributes == GIVEN
    for stale in (first, '*', f'x", "{second.etag}', ''):
        with pytest.raises(fs.Changed):
            backend.write('x', content + b'3', if_match=stale)
    assert backend.read('x') == content + b'2'
    with pytest.raises(fs.Changed):
        backend.write('missing', content, if_match=first)
    backend.remove('x')
    with pytest.raises(fs.Changed):
        backend.write('x', content, if_match=second.etag)
    assert store.names_raw() == []
    with pytest.raises(fs.Changed):
        store.make_missing().write('x', content, if_match=first)


def test_of_many_who_replace_one_version_one_wins(store: Any, content: bytes) -> None:
    backends = [store.make() for _ in range(6)]
    etag, results = backends[0].write('x', b'').etag, []

    def replace(number: int) -> None:
        try:
            backends[number].write('x', content + bytes([number]), if_match=etag)
        except fs.Changed:
            return
        results.append(content + bytes([number]))

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [backends[0].read('x')]


def test_a_large_file_that_would_be_refused_is_not_sent(store: Any, backend: AzureBackend, proxy: FaultProxy) -> None:
    store.put_raw('x', b'content')
    with pytest.raises(fs.Changed):
        backend.save(io.BytesIO(LARGE), 'x', if_match='0x1')
    assert [request.method for request in proxy.requests] == ['HEAD']


def test_a_writer_whose_response_was_lost_has_replaced_its_version(
    backend: AzureBackend, proxy: FaultProxy, content: bytes
) -> None:
    backend.write('x', b'old')
    etag = backend.stat('x').etag
    fault = proxy.lose_response(when=lambda request: request.method == 'PUT' and 'comp=block&' not in request.path)
    info = backend.write('x', content, if_match=etag)
    assert fault.struck == 1
    assert info == backend.stat('x')
    assert backend.read('x') == content
