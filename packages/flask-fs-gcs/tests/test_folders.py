"""One page of a folder, and many objects removed by few requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import flask_fs as fs
from flask_fs_gcs import GCSBackend
from flask_fs_testing.proxy import FaultProxy, ProxiedRequest


def _item(name: str) -> dict[str, str]:
    return {'name': name, 'size': '1', 'updated': '2026-11-29T08:00:00.123Z', 'generation': '17'}


def _queries(proxy: FaultProxy) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(request.path).query) for request in proxy.requests]


# --- Folders.


def test_a_folder_is_one_request(backend: GCSBackend, proxy: FaultProxy, store: Any) -> None:
    for name in ('a/x', 'a/b/y', 'a/b/z', 'a/é/y', 'a', 'ab/c'):
        backend.write(name, b'')
    # Some tools make such objects.
    for name in ('a/', 'a/b/', 'a/empty/'):
        store.put_raw(name, b'')
    before = len(proxy.requests)
    page = backend.folder('a')
    assert len(proxy.requests) == before + 1
    assert ([info.name for info in page.files], page.folders) == (['a/x'], ['a/b', 'a/empty', 'a/é'])
    assert page.files == [backend.stat('a/x')]
    assert page.next is None
    assert (backend.folder('missing').files, backend.folder().folders) == ([], ['a', 'ab'])


def test_pages_follow_the_token_of_the_store(backend: GCSBackend, proxy: FaultProxy) -> None:
    """Played without the emulator, which repeats folders on each page. A page may be empty."""
    replies = [
        {'items': [_item('a/x')], 'prefixes': ['a/b/'], 'nextPageToken': 'T0k=/?&'},
        {'nextPageToken': 'second'},
        {'items': [_item('a/z')]},
    ]
    found, after = [], None
    for reply in replies:
        proxy.respond(200, json.dumps(reply), headers={'Content-Type': 'application/json'})
        page = backend.folder('a', after=after, limit=2)
        found.append(([info.name for info in page.files], page.folders, page.next))
        after = page.next
    assert found == [(['a/x'], ['a/b'], 'T0k=/?&'), ([], [], 'second'), (['a/z'], [], None)]
    queries = _queries(proxy)
    assert [query.get('pageToken') for query in queries] == [None, ['T0k=/?&'], ['second']]
    assert all(
        (query['prefix'], query['delimiter'], query['maxResults']) == (['a/'], ['/'], ['2']) for query in queries
    )


def test_a_folder_of_a_bucket_that_is_not_there_is_empty(store: Any) -> None:
    backend = GCSBackend('kit', store.missing_settings())
    page = backend.folder()
    assert (page.files, page.folders, page.next) == ([], [], None)


def test_two_storages_in_one_bucket_have_folders_of_their_own(store: Any) -> None:
    one, two = store.make(prefix='app'), store.make(prefix='app2')
    for backend in (one, two):
        for name in ('x', 'a/y'):
            backend.write(name, b'')
    one.write('only', b'')
    assert ([info.name for info in one.folder().files], one.folder().folders) == (['only', 'x'], ['a'])
    assert ([info.name for info in two.folder().files], two.folder().folders) == (['x'], ['a'])
    assert one.remove_many(['x', 'a/y', 'missing']) == {}
    assert (list(one.list_files()), sorted(two.list_files())) == (['only'], ['a/y', 'x'])


# --- Many objects.


def _is_batch(request: ProxiedRequest) -> bool:
    return request.path.startswith('/batch/')


def _reply(proxy: FaultProxy, statuses: Sequence[tuple[str, str]]) -> None:
    """Respond to a batch with the id and the status line of each part."""
    parts = ''.join(
        f'--limit\r\nContent-Type: application/http\r\nContent-ID: {each}\r\n\r\nHTTP/1.1 {status}\r\n\r\n{{}}\r\n'
        for each, status in statuses
    )
    headers = {'Content-Type': 'multipart/mixed; boundary="limit"'}
    proxy.respond(200, f'{parts}--limit--\r\n', headers=headers, when=_is_batch)


def test_a_hundred_objects_are_removed_by_one_request(backend: GCSBackend, proxy: FaultProxy) -> None:
    names = [f'a/{number} é?&#%"' for number in range(150)]
    for name in (*names, 'a', 'a/below'):
        backend.write(name, b'')
    before = len(proxy.requests)
    assert backend.remove_many(names) == {}
    assert [request.path for request in proxy.requests[before:]] == ['/batch/storage/v1'] * 2
    assert sorted(backend.list_files()) == ['a', 'a/below']
    before = len(proxy.requests)
    assert backend.remove_many(['a', 'missing', 'missing too']) == {}
    # The first one that is not there shows whether the bucket is.
    assert [request.method for request in proxy.requests[before:]] == ['POST', 'DELETE']


def test_what_a_batch_does_not_confirm_is_removed_by_itself(backend: GCSBackend, proxy: FaultProxy) -> None:
    """Parts come in any order, and some may be missing, refused or of something else."""
    for number in range(6):
        backend.write(f'x{number}', b'')
    _reply(
        proxy,
        [
            ('<response-3>', '204 No Content'),
            ('<response-0>', '503 Busy'),
            ('other', '204'),
            ('<response-1>', '200 OK'),
        ],
    )
    before = len(proxy.requests)
    assert backend.remove_many([f'x{number}' for number in range(6)]) == {}
    assert [request.method for request in proxy.requests[before:]] == ['POST', *['DELETE'] * 4]
    # The store said of these that they are gone.
    assert list(backend.list_files()) == ['x1', 'x3']


@pytest.mark.parametrize(
    ('status', 'body', 'kind'),
    [
        (200, '<html>Log in</html>', 'text/html'),
        (200, '', 'multipart/mixed; boundary=x'),
        (404, 'no batches', 'text/plain'),
    ],
)
def test_without_batches_each_object_is_removed_by_itself(
    backend: GCSBackend, proxy: FaultProxy, status: int, body: str, kind: str
) -> None:
    for number in range(3):
        backend.write(f'x{number}', b'')
    proxy.respond(status, body, headers={'Content-Type': kind}, when=_is_batch)
    assert backend.remove_many(['x0', 'x1']) == {}
    assert list(backend.list_files()) == ['x2']


def test_of_many_objects_those_that_stay_are_named(backend: GCSBackend, proxy: FaultProxy) -> None:
    for number in range(3):
        backend.write(f'x{number}', b'')
    _reply(proxy, [('<response-0>', '403 Forbidden'), ('<response-1>', '403 Forbidden'), ('<response-2>', '204')])
    proxy.respond(
        403, '{}', when=lambda request: request.method == 'DELETE' and request.path.endswith('x1?prettyPrint=false')
    )
    failures = backend.remove_many(['x0', 'x1', 'x2'])
    assert {name: type(error) for name, error in failures.items()} == {'x1': fs.PermissionDenied}


def test_a_store_that_is_down_is_not_waited_for_by_each_batch(backend: GCSBackend, proxy: FaultProxy) -> None:
    names = [f'x{number}' for number in range(250)]
    backend.write('x0', b'')
    proxy.respond(403, '{}', when=_is_batch)
    assert {type(error) for error in backend.remove_many(names[:100]).values()} == {fs.PermissionDenied}
    before = len(proxy.requests)
    proxy.respond(503, '{}', times=1000)
    failures = backend.remove_many(names)
    assert list(failures) == names
    assert {type(error) for error in failures.values()} == {fs.Unavailable}
    # It tries again for RETRY_S, once.
    assert len(proxy.requests) - before < 10


def test_a_bucket_that_is_gone_has_not_removed_many(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('flask_fs.backends.presence.PRESUMED_S', 0)
    backend = store.make()
    backend.write('x', b'x')
    store.bucket.delete(force=True)
    assert {name: type(error) for name, error in backend.remove_many(['x', 'y']).items()} == {'x': fs.Unavailable}


def test_a_folder_is_deleted_by_batches(backend: GCSBackend, proxy: FaultProxy, store: Any) -> None:
    for name in ('a', 'a/b', 'a/c/d', 'ab'):
        backend.write(name, b'')
    # A mark of a folder goes with it.
    store.put_raw('a/c/', b'')
    before = len(proxy.requests)
    backend.delete('a')
    assert [request.method for request in proxy.requests[before:]] == ['GET', 'POST']
    assert store.names_raw() == ['ab']
