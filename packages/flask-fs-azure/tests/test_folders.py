"""One folder at a time, and many files by few requests."""

from __future__ import annotations

from typing import Any

import pytest

import flask_fs as fs
from flask_fs_azure import AzureBackend
from flask_fs_testing.proxy import FaultProxy

pytestmark = pytest.mark.slow


def pages(backend: AzureBackend, prefix: str = '', limit: int = 1000) -> list[list[str]]:
    """What the pages of a folder hold, each in the order of names."""
    found: list[list[str]] = []
    after: str | None = None
    while True:
        page = backend.folder(prefix, after=after, limit=limit)
        assert len(page.files) + len(page.folders) <= limit
        found.append(sorted([info.name for info in page.files] + [f'{name}/' for name in page.folders]))
        if (after := page.next) is None:
            return found


def entries(backend: AzureBackend, prefix: str = '', limit: int = 1000) -> list[str]:
    return sorted(name for page in pages(backend, prefix, limit) for name in page)


@pytest.mark.parametrize('limit', [1, 2, 3, 1000])
@pytest.mark.parametrize('prefix', ['', 'key prefix'])
def test_a_folder_is_listed_once_whatever_the_pages(store: Any, limit: int, prefix: str) -> None:
    backend = store.make(prefix=prefix)
    for name in ('a', 'a/x', 'a/y/z', 'a-b', 'a-b/c', 'a0', 'b/1', 'b/2', 'ü/ %?'):
        backend.write(name, b'content')
    assert entries(backend, limit=limit) == ['a', 'a-b', 'a-b/', 'a/', 'a0', 'b/', 'ü/']
    assert entries(backend, 'a', limit) == entries(backend, 'a/', limit) == ['a/x', 'a/y/']
    assert entries(backend, 'ü', limit) == ['ü/ %?']
    assert pages(backend, 'missing', limit) == pages(backend, 'a0', limit) == [[]]
    [info] = backend.folder('ü').files
    assert info == backend.stat('ü/ %?')


def test_a_page_is_one_request(store: Any, backend: AzureBackend, proxy: FaultProxy) -> None:
    for name in ('a/1', 'a/2', 'a/b/3', 'c'):
        store.put_raw(name, b'')
    assert pages(backend) == [['a/', 'c']]
    assert len(proxy.requests) == 1
    assert [len(page) for page in pages(backend, 'a', limit=2)] == [2, 1]
    assert len(proxy.requests) == 3


def test_where_a_page_continues_cannot_lead_out_of_the_folder(store: Any) -> None:
    backend = store.make()
    for name in ('a/1', 'b/1', 'c'):
        backend.write(name, b'')
    for after in ('', '../', 'zzz', '/', '\x00', 'a', 'a/', '\U0010ffff'):
        try:
            page = backend.folder('b', after=after)
        except fs.FSError:
            continue
        assert {info.name for info in page.files} <= {'b/1'}
        assert page.folders == []


def test_a_missing_container_is_an_empty_folder_and_one_that_is_gone_is_not(store: Any) -> None:
    backend = store.make_missing()
    assert pages(backend) == [[]]
    assert backend.remove_many(['a', 'b']) == {}
    backend = store.make()
    backend.write('x', b'')
    store.client.delete_container()
    with pytest.raises(fs.Unavailable):
        backend.folder()
    assert {type(error) for error in backend.remove_many(['a', 'b']).values()} == {fs.Unavailable}


def test_many_files_are_removed_by_few_requests(store: Any, backend: AzureBackend, proxy: FaultProxy) -> None:
    names = ['a', 'a/b', 'ü/ %?"', 'missing', 'x']
    for name in (*names, 'a/c'):
        store.put_raw(name, b'')
    store.client.delete_blob('missing')
    backend.batch_size = 3
    assert backend.remove_many(names) == {}
    assert [request.method for request in proxy.requests] == ['POST', 'POST']
    assert store.names_raw() == ['a/c']
    assert backend.remove_many([]) == {}


def test_files_that_cannot_be_removed_are_named(store: Any) -> None:
    backend = store.make(prefix='p')
    for name in ('1', '2', '3'):
        backend.write(name, b'')
    lease = store.client.get_blob_client('p/2').acquire_lease()
    failures = backend.remove_many(['1', '2', '3', '4'])
    lease.release()
    assert {name: type(error) for name, error in failures.items()} == {'2': fs.PermissionDenied}
    assert failures['2'].filename == '2'
    assert store.names_raw() == ['p/2']


def test_a_store_that_went_away_is_not_tried_for_each_name(
    store: Any, backend: AzureBackend, proxy: FaultProxy
) -> None:
    backend.batch_size = 2
    names = [f'{number}' for number in range(6)]
    for name in names:
        store.put_raw(name, b'')
    fault = proxy.slow_down(times=99, when=lambda _: len(proxy.requests) > 1)
    failures = backend.remove_many(names)
    assert fault.struck == 2
    assert sorted(failures) == store.names_raw() == names[2:]
    assert {type(error) for error in failures.values()} == {fs.Unavailable}


@pytest.mark.parametrize('status', [200, 202])
def test_what_is_no_report_of_the_store_removes_nothing(
    store: Any, backend: AzureBackend, proxy: FaultProxy, status: int
) -> None:
    for name in ('a', 'b'):
        store.put_raw(name, b'')
    proxy.respond(status, '<html>Log in</html>', headers={'Content-Type': 'text/html'}, times=9)
    assert {type(error) for error in backend.remove_many(['a', 'b']).values()} == {fs.BackendError}
    assert store.names_raw() == ['a', 'b']
