"""One folder at a time, and many files by few requests."""

from __future__ import annotations

import io
import json

import pytest

import flask_fs as fs

pytestmark = pytest.mark.slow

SEGMENT_BYTES = 200_000
LARGE = bytes(range(256)) * 2000


def pages(backend, prefix='', limit=1000):
    """What the pages of a folder hold, each in the order of names."""
    found, after = [], None
    while True:
        page = backend.folder(prefix, after=after, limit=limit)
        assert len(page.files) + len(page.folders) <= limit
        found.append(sorted([info.name for info in page.files] + [f'{name}/' for name in page.folders]))
        if (after := page.next) is None:
            return found


@pytest.mark.parametrize('limit', [1, 2, 3, 1000])
@pytest.mark.parametrize('prefix', ['', 'key prefix'])
def test_a_folder_is_listed_once_whatever_the_pages(swift_harness, limit, prefix):
    backend = swift_harness.make(prefix=prefix)
    for name in ('a', 'a/x', 'a/y/z', 'a-b', 'a-b/c', 'a0', 'b/1', 'b/2', 'ü/ %?'):
        backend.write(name, b'content')
    top = pages(backend, limit=limit)
    assert [name for page in top for name in page] == ['a', 'a-b', 'a-b/', 'a/', 'a0', 'b/', 'ü/']
    assert all(len(page) == limit for page in top[:-1])
    for below in ('a', 'a/'):
        assert [name for page in pages(backend, below, limit) for name in page] == ['a/x', 'a/y/']
    assert pages(backend, 'ü', limit) == [['ü/ %?']]
    assert pages(backend, 'missing', limit) == pages(backend, 'a0', limit) == [[]]


def test_marks_of_folders_and_impossible_names_are_left_out(swift_harness):
    backend = swift_harness.make()
    for name in ('empty', 'a/', 'a'):
        path = f'/{swift_harness.container}/{name}'
        swift_harness.raw.request('PUT', path, b'', {'Content-Type': 'application/directory'})
    for name in ('a/x', 'b/', '/c', 'd//e'):
        swift_harness.put_raw(name, b'content')
    assert pages(backend) == [['a/', 'b/', 'd/']]
    assert pages(backend, 'a') == [['a/x']]
    assert pages(backend, 'b') == pages(backend, 'd') == [[]]


def test_a_page_is_one_request(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    for name in ('a/1', 'a/2', 'a/b/3', 'c'):
        backend.write(name, b'')
    assert methods_of(lambda: pages(backend, limit=2)) == ['GET']
    assert methods_of(lambda: pages(backend, 'a', limit=2)) == ['GET', 'GET']
    # Of what the cluster's own page holds nothing says whether it is all.
    proxy.respond(412, '', headers=swift_harness.trans_id)
    assert methods_of(lambda: pages(backend, limit=2)) == ['GET'] * 3


def test_where_a_page_continues_cannot_lead_out_of_the_folder(swift_harness):
    backend = swift_harness.make()
    for name in ('a/1', 'b/1', 'c'):
        backend.write(name, b'')
    for after in ('', '../', 'zzz', '/', '\x00', 'a', '\U0010ffff'):
        try:
            page = backend.folder('b', after=after)
        except fs.FSError:
            continue
        assert {info.name for info in page.files} <= {'b/1'}
        assert page.folders == []


def test_a_missing_container_is_an_empty_folder(swift_harness):
    assert pages(swift_harness.make_missing()) == [[]]


FILE = {'name': 'a/x', 'bytes': 1, 'hash': '0' * 32, 'last_modified': '2026-11-23T08:15:58.000000'}


@pytest.mark.parametrize(
    'entries',
    [
        [{'subdir': 'b/'}],
        [{'subdir': 'a/x'}],
        [{'subdir': 'a/x/y/'}],
        [{'subdir': 7}],
        [{'subdir': 'a/x/'}, {'subdir': 'a/x/'}],
        [{**FILE, 'name': 'a/x/y'}],
        [FILE, {'subdir': 'a/b/'}],
    ],
)
def test_a_page_that_holds_what_was_not_requested_is_not_believed(swift_harness, proxy, entries):
    backend = swift_harness.make_counted(proxy)
    proxy.respond(200, json.dumps(entries), headers=swift_harness.trans_id)
    with pytest.raises(fs.BackendError, match='the listing of the container'):
        backend.folder('a')


def test_a_listing_of_files_has_no_folders(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    proxy.respond(200, json.dumps([FILE, {'subdir': 'a/y/'}]), headers=swift_harness.trans_id)
    with pytest.raises(fs.BackendError, match='the listing of the container'):
        list(backend.list_files('a'))


# --- Many files.


def test_many_files_are_removed_by_one_request(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    names = ['a', 'a/b', 'ü/ %?"', 'missing']
    for name in (*names[:-1], 'a/c'):
        backend.write(name, b'')
    assert methods_of(lambda: backend.remove_many(names)) == ['POST']
    assert swift_harness.names_raw() == ['a/c']
    backend.batch_size = 2
    assert methods_of(lambda: backend.remove_many(names)) == ['POST'] * 2
    assert methods_of(lambda: backend.remove_many([])) == []
    assert methods_of(lambda: backend.remove_many(['a/c'])) == ['DELETE']


def test_segments_of_many_large_files_go_too(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    for name in ('a/1', 'a/2', 'a/kept'):
        backend.save(io.BytesIO(LARGE), name)
    for name in ('a/3', 'a/4', 'a/5'):
        backend.write(name, b'')
    # One page shows which are large; then come their manifests, the files, and their segments.
    methods = methods_of(lambda: backend.remove_many([f'a/{number}' for number in range(1, 6)]))
    assert methods == ['GET', 'GET', 'GET', 'POST', 'POST']
    assert list(backend.list_files()) == ['a/kept']
    assert len(swift_harness.segments()) == 3
    assert backend.read('a/kept') == LARGE


def test_large_files_that_one_page_does_not_show_are_found(swift_harness, monkeypatch):
    backend = swift_harness.make(segment_bytes=SEGMENT_BYTES)
    for number in range(30):
        backend.write(f'a{number:02}', b'')
    backend.save(io.BytesIO(LARGE), 'z')
    assert backend.remove_many(['a00', 'z']) == {}
    assert swift_harness.segments() == []


def test_files_that_cannot_be_removed_are_named(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy, prefix='p', segment_bytes=SEGMENT_BYTES)
    for name in ('1', '2'):
        backend.save(io.BytesIO(LARGE), name)
    container = swift_harness.container
    report = {'Number Deleted': 1, 'Number Not Found': 1, 'Errors': [[f'/{container}/p/2', '403 Forbidden']]}
    proxy.respond(
        200, json.dumps(report), headers=swift_harness.trans_id, when=lambda request: request.method == 'POST'
    )
    proxy.respond(403, '', headers=swift_harness.trans_id, when=lambda request: request.method == 'DELETE')
    failures = backend.remove_many(['1', '2', '3'])
    assert {name: type(error) for name, error in failures.items()} == {'2': fs.PermissionDenied}
    assert failures['2'].filename == '2'
    # The segments of a file that is still there are its content.
    assert len(swift_harness.segments()) == 3
    assert backend.read('2') == LARGE


@pytest.mark.parametrize(
    ('bulk_deletes', 'count', 'requests'), [(None, 0, ['POST']), (False, 2, ['DELETE', 'DELETE', 'DELETE'])]
)
def test_a_store_that_went_away_is_not_tried_for_each_name(
    swift_harness, proxy, methods_of, bulk_deletes, count, requests
):
    backend = swift_harness.make_counted(proxy, retries=0)
    backend._client.account.bulk_deletes = bulk_deletes
    names = [f'{number}' for number in range(5)]
    for name in names:
        backend.write(name, b'')
    before, failures = len(proxy.requests), {}
    proxy.slow_down(times=99, when=lambda _: len(proxy.requests) > before + count)
    assert methods_of(lambda: failures.update(backend.remove_many(names))) == requests
    proxy.recover()
    assert sorted(failures) == swift_harness.names_raw() == names[count:]
    assert all(isinstance(error, fs.Unavailable) for error in failures.values())
