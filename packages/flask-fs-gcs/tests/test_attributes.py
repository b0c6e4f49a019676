"""Attributes as the properties of an object, as the headers of its bytes, and how they are changed."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes
from flask_fs_gcs import GCSBackend
from flask_fs_testing.proxy import FaultProxy, ProxiedRequest

LARGE = bytes(range(256)) * 8000
ALL = Attributes(
    'text/x-a', 'no-store', 'gzip', 'de, en-US', 'Übersicht "1".txt', {'owner': 'Zoë', 'empty': '', 'plain': 'x'}
)
REFUSED = json.dumps({'error': {'code': 412, 'message': 'conditionNotMet', 'errors': [{'message': 'conditionNotMet'}]}})


def seen(backend: GCSBackend, name: str) -> list[Attributes]:
    """The attributes of a file as each verb returns them."""
    info, stream = backend.open_whole(name)
    stream.close()
    listed = next(found for found in backend.scan() if found.name == name)
    shown = next(found for found in backend.folder().files if found.name == name)
    return [found.attributes for found in (info, backend.stat(name), listed, shown)]


def patches(proxy: FaultProxy) -> list[ProxiedRequest]:
    return [request for request in proxy.requests if request.method == 'PATCH']


@pytest.fixture
def sent(backend: GCSBackend, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the bodies of patches say."""
    bodies: list[Any] = []
    session = backend._bucket.client.session
    real = session.request

    def request(method: str, url: str, **options: Any) -> Any:
        if method == 'PATCH':
            bodies.append(json.loads(options['data']))
        return real(method, url, **options)

    monkeypatch.setattr(session, 'request', request)
    return bodies


@pytest.mark.parametrize('content', [gzip.compress(b'hello ' * 1000), LARGE], ids=['small', 'large'])
def test_all_verbs_report_the_attributes_and_the_bytes_as_stored(
    backend: GCSBackend, store: Any, content: bytes
) -> None:
    backend.write('x', content, attributes=ALL)
    assert seen(backend, 'x') == [ALL] * 4
    assert (backend.read('x'), backend.read_range('x', 5, 50)) == (content, content[5:50])
    assert (backend.stat('x').size, store.get_raw('x')) == (len(content), content)
    blob = store.bucket.get_blob('x')
    assert [blob.content_type, blob.cache_control, blob.content_encoding, blob.content_language] == [
        'text/x-a', 'no-store', 'gzip', 'de, en-US',
    ]  # fmt: skip
    assert blob.content_disposition.startswith('attachment; filename="Ubersicht')
    # Headers have nothing but ASCII.
    assert all(value.isascii() and value for value in blob.metadata.values())
    backend.copy('x', 'y.txt')
    backend.write('x', content)
    assert seen(backend, 'x') == [NO_ATTRIBUTES] * 4
    assert seen(backend, 'y.txt') == [ALL] * 4


def test_attributes_take_no_further_request(backend: GCSBackend, proxy: FaultProxy) -> None:
    counts = []
    for attributes in (NO_ATTRIBUTES, ALL):
        for content in (b'x', LARGE):
            backend.write('x', content)
            before = len(proxy.requests)
            backend.write('x', content, attributes=attributes)
            backend.stat('x')
            backend.read('x')
            counts.append(len(proxy.requests) - before)
    assert counts[:2] == counts[2:]


def test_what_other_programs_set_is_the_same_by_all_verbs(backend: GCSBackend, store: Any) -> None:
    blob = store.bucket.blob('x')
    blob.metadata = {'Color': 'blau', 'name': 'Zoë €', 'odd': '=?UTF-8?B?%?='}
    blob.content_disposition = 'attachment; filename="Übersicht.txt"'
    blob.upload_from_string(b'x', content_type='application/octet-stream')
    metadata = {'color': 'blau', 'name': 'Zoë €', 'odd': '=?UTF-8?B?%?='}
    assert seen(backend, 'x') == [Attributes(download_name='Übersicht.txt', metadata=metadata)] * 4
    blob.content_disposition = 'inline'
    blob.patch()
    assert backend.stat('x').download_name is None


@pytest.mark.parametrize('value', ['private, max-age=0', 'public, max-age=3600'])
def test_a_cache_control_of_the_store_itself_is_not_taken_for_a_given_one(
    backend: GCSBackend, store: Any, value: str
) -> None:
    """The service sends these with objects that have none; the emulator does not, so another program sets them here."""
    blob = store.bucket.blob('x')
    blob.cache_control = value
    blob.upload_from_string(b'x')
    assert seen(backend, 'x')[0].cache_control is None
    backend.write('x', b'x', attributes=Attributes(cache_control=value))
    assert [attributes.cache_control for attributes in seen(backend, 'x')] == [value] * 4
    backend.copy('x', 'y')
    assert seen(backend, 'y')[0].cache_control == value
    backend.write('x', b'x')
    backend.set_attributes('x', {'cache_control': value})
    assert [attributes.cache_control for attributes in seen(backend, 'x')] == [value] * 4


# --- Changes.


def test_a_change_names_what_it_changes_and_what_it_has_seen(
    backend: GCSBackend, proxy: FaultProxy, store: Any, sent: list[Any]
) -> None:
    """The emulator does not remove what is null, and heeds no condition."""
    backend.write('x.txt', b'content', attributes=ALL, overwrite=False)
    blob = store.bucket.get_blob('x.txt')
    backend.set_attributes('x.txt', {'cache_control': 'no-cache', 'metadata': {'owner': 'Zoë', 'new': ''}})
    backend.set_attributes('x.txt', {'mime': None, 'download_name': None, 'content_encoding': None})
    assert sent == [
        {'cacheControl': 'no-cache', 'metadata': {'empty': None, 'plain': None, 'new': '=?UTF-8?B??='}},
        {'contentType': 'text/plain', 'contentDisposition': None, 'contentEncoding': None},
    ]
    query = parse_qs(urlsplit(patches(proxy)[0].path).query)
    assert query['ifGenerationMatch'] == [str(blob.generation)]
    assert query['ifMetagenerationMatch'] == [str(blob.metageneration)]
    assert backend.read('x.txt') == b'content'
    assert backend.stat('x.txt').etag == str(blob.generation)
    assert backend.stat('x.txt').checksum


def test_a_change_takes_two_requests(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('x', b'x')
    before = len(proxy.requests)
    backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert [request.method for request in proxy.requests[before:]] == ['GET', 'PATCH']


def test_a_change_is_looked_at_again_when_others_were_faster(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('x', b'x')
    proxy.respond(412, REFUSED, times=2, when=lambda request: request.method == 'PATCH')
    before = len(proxy.requests)
    backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert [request.method for request in proxy.requests[before:]] == ['GET', 'PATCH'] * 3
    assert backend.stat('x').cache_control == 'no-cache'


def test_a_change_that_others_always_come_before_is_given_up(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('x', b'x')
    proxy.respond(412, REFUSED, times=1000, when=lambda request: request.method == 'PATCH')
    with pytest.raises(fs.Unavailable, match='other writers keep changing it'):
        backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert backend.stat('x').cache_control is None


def test_a_change_whose_response_was_lost_is_made(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('x', b'x')
    proxy.lose_response(when=lambda request: request.method == 'PATCH')
    backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert backend.stat('x').cache_control == 'no-cache'
    with pytest.raises(fs.FileNotFound):
        backend.set_attributes('missing', {'cache_control': 'no-cache'})
