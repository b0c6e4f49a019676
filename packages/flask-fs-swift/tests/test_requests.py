"""How many requests each operation takes, counted between the driver and a real Swift."""

from __future__ import annotations

import io
import tarfile
import threading

import pytest

import flask_fs as fs
from flask_fs.backends import presence
from flask_fs_swift import bulk
from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

KIB = bytes(range(256)) * 4


def test_a_save_is_one_request(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    assert methods_of(lambda: backend.save(io.BytesIO(KIB), 'x', overwrite=True)) == ['PUT']
    assert methods_of(lambda: backend.save(io.BytesIO(KIB), 'x', overwrite=True)) == ['PUT']
    assert methods_of(lambda: backend.save(io.BytesIO(KIB), 'new', overwrite=False)) == ['PUT']


def test_a_save_of_a_file_or_a_stream_of_unknown_size_is_one_request(swift_harness, proxy, methods_of, tmp_path):
    (tmp_path / 'file').write_bytes(KIB * 2000)
    backend = swift_harness.make_counted(proxy, segment_bytes=10_000_000)
    with open(tmp_path / 'file', 'rb') as file:
        assert methods_of(lambda: backend.save(file, 'x', overwrite=True)) == ['PUT']
        assert file.read() == b''
        assert not file.closed
    stream = Pattern(len(KIB) * 2000)
    assert methods_of(lambda: backend.save(stream, 'y', overwrite=True)) == ['PUT']
    assert swift_harness.get_raw('x') == KIB * 2000
    assert backend.stat('y').checksum == f'sha256:{stream.digest.hexdigest()}'


def test_looking_and_reading_are_one_request_each(swift_harness, proxy, methods_of, monkeypatch):
    monkeypatch.setattr(presence, 'PRESUMED_S', 3600)
    backend = swift_harness.make_counted(proxy)
    backend.write('x', KIB)
    assert methods_of(lambda: backend.exists('x')) == ['HEAD']
    assert methods_of(lambda: backend.exists('missing')) == ['HEAD']
    # A second one where the container was not seen of late: it may be what is missing.
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)
    assert methods_of(lambda: backend.exists('missing')) == ['HEAD', 'HEAD']
    assert methods_of(lambda: backend.stat('x')) == ['HEAD']
    assert methods_of(lambda: dict(backend.metadata('x'))) == ['HEAD']
    assert methods_of(lambda: backend.read('x')) == ['GET']
    assert methods_of(lambda: list(backend.read_chunks('x'))) == ['GET']
    assert methods_of(lambda: backend.open('x', 'rb').read()) == ['GET']


def test_a_copy_is_one_request_inside_the_store(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    backend.write('x.txt', KIB)
    assert methods_of(lambda: backend.copy('x.txt', 'y.txt')) == ['COPY']
    assert methods_of(lambda: backend.copy('x.txt', 'z.txt', overwrite=False)) == ['HEAD', 'COPY']
    assert methods_of(lambda: backend.move('x.txt', 'moved.txt')) == ['COPY', 'DELETE']
    assert backend.read('y.txt') == backend.read('z.txt') == backend.read('moved.txt') == KIB
    assert backend.stat('y.txt').checksum == backend.stat('z.txt').checksum is not None


def test_a_copy_with_another_extension_looks_at_the_type_first(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    backend.write('x.txt', KIB)
    assert methods_of(lambda: backend.copy('x.txt', 'x.png')) == ['HEAD', 'COPY']
    assert backend.stat('x.png').mime == 'image/png'
    backend.write('given.txt', KIB, mime='text/x-own')
    backend.copy('given.txt', 'given.png')
    assert backend.stat('given.png').mime == 'text/x-own'


def test_a_range_is_one_request_and_moves_its_own_bytes_only(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    content = KIB * 1000
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def read_range() -> None:
        assert backend.read_range('x', 5000, 6000) == content[5000:6000]

    assert methods_of(read_range) == ['GET']
    assert proxy.requests[-1].bytes_down == 1000


def test_a_few_bytes_of_a_large_file_move_little_more(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy, segment_bytes=3_000_000)
    content = KIB * 20 * 1024
    start = 12_345_678
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def seek() -> None:
        with backend.open('x', 'rb') as file:
            file.seek(start)
            assert file.read(1000) == content[start : start + 1000]

    before = len(proxy.requests)
    assert methods_of(seek) == ['GET', 'GET']
    assert sum(request.bytes_down for request in proxy.requests[before:]) <= 64 * 1024
    for first, stop, size in ((start, start + 1000, 1000), (-1000, None, 1000), (len(content) - 7, None, 7)):
        assert methods_of(lambda first=first, stop=stop: backend.read_range('x', first, stop)) == ['GET']
        assert proxy.requests[-1].bytes_down == size
        assert backend.read_range('x', first, stop) == content[first:stop]


@pytest.mark.parametrize(('kib', 'requests'), [(1, 1), (54, 1), (55, 2), (1000, 2)])
def test_a_whole_file_is_read_by_one_request_or_two(swift_harness, proxy, methods_of, kib, requests):
    backend = swift_harness.make_counted(proxy)
    content = KIB * kib
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def read_all() -> None:
        with backend.open('x', 'rb') as file:
            assert file.read() == content

    assert methods_of(read_all) == ['GET'] * requests


def test_a_listing_is_one_request_for_each_page(swift_harness, proxy, methods_of, many):
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 25
    assert methods_of(lambda: list(backend.list_files())) == ['GET'] * 3
    backend.page_size = 10_000
    assert methods_of(lambda: list(backend.list_files('many/'))) == ['GET']
    assert list(backend.list_files()) == many


def test_a_listing_of_more_than_the_cluster_allows_gets_what_it_gives(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 10_001
    backend.write('x', b'')
    assert methods_of(lambda: list(backend.list_files())) == ['GET', 'GET', 'GET']
    assert list(backend.list_files()) == ['x']


def test_deleting_one_file_is_a_request_and_a_look_for_files_under_it(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    backend.write('x', KIB)
    assert methods_of(lambda: backend.delete('x')) == ['DELETE', 'GET']


def test_deleting_many_files_is_a_request_for_each_thousand(swift_harness, proxy, methods_of, many, monkeypatch):
    monkeypatch.setattr(bulk, 'BULK_NAMES', 25)
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 10_000
    assert methods_of(lambda: backend.delete('many')) == ['DELETE', 'GET', 'POST', 'POST', 'POST']
    assert swift_harness.names_raw() == []


def test_a_cluster_without_bulk_deletes_removes_files_one_by_one(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    for number in range(5):
        backend.write(f'a/{number}', b'')
    # What Swift responds to a change of the account's metadata, which this is without the middleware.
    proxy.answer(204, headers=swift_harness.trans_id, when=lambda request: request.method == 'POST')
    assert methods_of(lambda: backend.delete('a')) == ['DELETE', 'GET', 'POST', *['DELETE'] * 5]
    for number in range(2):
        backend.write(f'a/{number}', b'')
    assert methods_of(lambda: backend.delete('a')) == ['DELETE', 'GET', 'DELETE', 'DELETE']
    assert swift_harness.names_raw() == []


def test_names_that_bulk_deletes_leave_are_removed_one_by_one(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    for number in range(3):
        backend.write(f'a/{number}', b'')
    report = '{"Number Deleted": 1, "Number Not Found": 0, "Errors": [["/c/a/1", "409 Conflict"]]}'
    proxy.answer(200, report, headers=swift_harness.trans_id, when=lambda request: request.method == 'POST')
    assert methods_of(lambda: backend.delete('a')) == ['DELETE', 'GET', 'POST', *['DELETE'] * 3]
    assert swift_harness.names_raw() == []


def test_serving_is_one_request(swift_harness, proxy, methods_of):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.app_context():
        storage.write('x.txt', KIB)
    client = app.test_client()
    url = '/kit/x.txt'
    whole_response = client.get(url)
    assert whole_response.data == KIB
    for headers in ({}, {'Range': 'bytes=10-19'}, {'Range': 'bytes=-5'}, {'Range': 'bytes=1000-'}):
        assert methods_of(lambda headers=headers: client.get(url, headers=headers).close()) == ['GET']
    assert methods_of(lambda: client.head(url)) == ['HEAD']
    assert methods_of(lambda: client.get(url, headers={'If-None-Match': whole_response.headers['ETag']})) == ['HEAD']
    part = client.get(url, headers={'Range': 'bytes=10-19'})
    assert (part.status_code, part.data, part.headers['Content-Range']) == (206, KIB[10:20], 'bytes 10-19/1024')
    assert proxy.requests[-1].bytes_down == 10
    assert client.get(url, headers={'Range': 'bytes=1024-'}).status_code == 416
    assert client.get(url, headers={'Range': 'bytes=0-1,5-6'}).data == KIB
    assert client.get(url, headers={'Range': 'lines=0-1'}).data == KIB


def test_a_server_that_ignores_ranges_is_understood(swift_harness, proxy):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.app_context():
        storage.write('x.txt', KIB)
        backend = storage.backend
    whole = {**swift_harness.trans_id, 'ETag': swift_harness.headers('x.txt')['etag'], 'Content-Type': 'text/plain'}
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    assert backend.read_range('x.txt', 10, 20) == KIB[10:20]
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    with backend.open('x.txt', 'rb') as file:
        file.seek(-5, 2)
        assert file.read() == KIB[-5:]
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    part = app.test_client().get('/kit/x.txt', headers={'Range': 'bytes=10-19'})
    assert (part.status_code, part.data) == (206, KIB[10:20])
    assert backend._client.account.pool.in_use == 0


def test_an_empty_file_is_served_and_read_in_ranges(swift_harness, proxy):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage)
    with app.app_context():
        storage.write('x.txt', b'')
        with storage.open('x.txt', 'rb') as file:
            assert file.read() == b''
            assert file.seek(0, 2) == 0
    whole_response = app.test_client().get('/kit/x.txt')
    assert (whole_response.status_code, whole_response.data) == (200, b'')
    assert app.test_client().get('/kit/x.txt', headers={'Range': 'bytes=0-'}).status_code == 416


def test_urls_and_links_are_no_requests(swift_harness, proxy, methods_of):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.test_request_context():
        storage.write('x.txt', KIB)
        assert methods_of(lambda: storage.url('x.txt')) == []
        assert methods_of(lambda: storage.signed_url('x.txt')) == []
        assert methods_of(lambda: storage.signed_url('x.txt', download_name='y.txt')) == []
        assert methods_of(lambda: storage.signed_url('x.txt', method='PUT')) == []


def test_all_requests_of_a_process_need_one_authentication(swift_harness, proxy):
    backends = [swift_harness.make_counted(proxy, prefix=prefix) for prefix in ('', 'a', 'b')]
    gate = threading.Barrier(12)

    def work(number: int) -> None:
        gate.wait()
        backends[number % 3].write(f'{number}', KIB)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logins = [request for request in proxy.requests if request.path.startswith('/auth/')]
    assert len(logins) == 1


@pytest.fixture
def many(swift_harness):
    """More than two pages of small files, unpacked by Swift itself."""
    names = [f'many/{number:05}' for number in range(60)]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w') as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    status, _, report = swift_harness.raw.request(
        'PUT', f'/{swift_harness.container}?extract-archive=tar', archive.getvalue(), {'Accept': 'application/json'}
    )
    assert status == 200
    assert b'"Number Files Created": 60' in report
    return names


def test_a_file_that_is_replaced_while_it_is_served_is_served_anew(swift_harness, proxy, methods_of):
    """And is unavailable if that never ends: a 503, by which clients come again."""
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.test_request_context():
        storage.write('x.txt', KIB)
        url = storage.url('x.txt')
    client = app.test_client()
    statuses = []

    def get() -> None:
        statuses.append(client.get(url, headers={'If-None-Match': '"other"'}).status_code)

    for times in (0, 1, 1000):
        if times:
            is_pinned = {'when': lambda request: 'if-match' in request.headers}
            proxy.answer(412, headers=swift_harness.trans_id, times=times, **is_pinned)
        assert methods_of(get) == ['HEAD', 'GET'] * min(times + 1, 5)
    assert statuses == [200, 200, 503]


def test_a_condition_that_was_not_set_cannot_fail(swift_harness, proxy):
    """A proxy in between that responds with 412 to a plain request: the file was not replaced."""
    backend = swift_harness.make_counted(proxy, retries=0)
    backend.write('x', b'x')
    proxy.answer(412, headers=swift_harness.trans_id, times=1000)
    with pytest.raises(fs.FSError) as caught:
        backend.read('x')
    proxy.recover()
    assert not isinstance(caught.value, fs.Replaced)
