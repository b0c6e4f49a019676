"""How many requests each operation takes, counted between the driver and a real Swift."""

from __future__ import annotations

import io
import tarfile
import threading

import pytest

import flask_fs as fs
from flask_fs.backends import presence
from flask_fs_swift import backend as backend_module
from flask_fs_swift import client as client_module
from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

KIB = bytes(range(256)) * 4


def test_a_save_is_one_request(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    assert ['PUT'] == asked(lambda: backend.save(io.BytesIO(KIB), 'x', overwrite=True))
    assert ['PUT'] == asked(lambda: backend.save(io.BytesIO(KIB), 'x', overwrite=True))
    assert ['PUT'] == asked(lambda: backend.save(io.BytesIO(KIB), 'new', overwrite=False))


def test_a_save_of_a_file_or_a_stream_of_unknown_size_is_one_request(swift_harness, proxy, asked, tmp_path):
    (tmp_path / 'file').write_bytes(KIB * 2000)
    backend = swift_harness.make_counted(proxy, segment_bytes=10_000_000)
    with open(tmp_path / 'file', 'rb') as file:
        assert ['PUT'] == asked(lambda: backend.save(file, 'x', overwrite=True))
        assert file.read() == b''
        assert not file.closed
    stream = Pattern(len(KIB) * 2000)
    assert ['PUT'] == asked(lambda: backend.save(stream, 'y', overwrite=True))
    assert KIB * 2000 == swift_harness.get_raw('x')
    assert f'sha256:{stream.digest.hexdigest()}' == backend.stat('y').checksum


def test_looking_and_reading_are_one_request_each(swift_harness, proxy, asked, monkeypatch):
    monkeypatch.setattr(presence, 'PRESUMED_S', 3600)
    backend = swift_harness.make_counted(proxy)
    backend.write('x', KIB)
    assert ['HEAD'] == asked(lambda: backend.exists('x'))
    assert ['HEAD'] == asked(lambda: backend.exists('missing'))
    # A second one where the container was not seen of late: it may be what is missing.
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)
    assert ['HEAD', 'HEAD'] == asked(lambda: backend.exists('missing'))
    assert ['HEAD'] == asked(lambda: backend.stat('x'))
    assert ['HEAD'] == asked(lambda: dict(backend.metadata('x')))
    assert ['GET'] == asked(lambda: backend.read('x'))
    assert ['GET'] == asked(lambda: list(backend.read_chunks('x')))
    assert ['GET'] == asked(lambda: backend.open('x', 'rb').read())


def test_a_copy_is_one_request_inside_the_store(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    backend.write('x.txt', KIB)
    assert ['COPY'] == asked(lambda: backend.copy('x.txt', 'y.txt'))
    assert ['HEAD', 'COPY'] == asked(lambda: backend.copy('x.txt', 'z.txt', overwrite=False))
    assert ['COPY', 'DELETE'] == asked(lambda: backend.move('x.txt', 'moved.txt'))
    assert KIB == backend.read('y.txt') == backend.read('z.txt') == backend.read('moved.txt')
    assert backend.stat('y.txt').checksum == backend.stat('z.txt').checksum is not None


def test_a_copy_with_another_extension_looks_at_the_type_first(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    backend.write('x.txt', KIB)
    assert ['HEAD', 'COPY'] == asked(lambda: backend.copy('x.txt', 'x.png'))
    assert 'image/png' == backend.stat('x.png').mime
    backend.write('given.txt', KIB, mime='text/x-own')
    backend.copy('given.txt', 'given.png')
    assert 'text/x-own' == backend.stat('given.png').mime


def test_a_range_is_one_request_and_moves_its_own_bytes_only(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    content = KIB * 1000
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def read_range() -> None:
        assert content[5000:6000] == backend.read_range('x', 5000, 6000)

    assert ['GET'] == asked(read_range)
    assert 1000 == proxy.requests[-1].bytes_down


def test_a_few_bytes_of_a_large_file_move_little_more(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy, segment_bytes=3_000_000)
    content = KIB * 20 * 1024
    start = 12_345_678
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def seek() -> None:
        with backend.open('x', 'rb') as file:
            file.seek(start)
            assert content[start : start + 1000] == file.read(1000)

    before = len(proxy.requests)
    assert ['GET', 'GET'] == asked(seek)
    assert sum(request.bytes_down for request in proxy.requests[before:]) <= 64 * 1024
    for first, stop, size in ((start, start + 1000, 1000), (-1000, None, 1000), (len(content) - 7, None, 7)):
        assert ['GET'] == asked(lambda first=first, stop=stop: backend.read_range('x', first, stop))
        assert size == proxy.requests[-1].bytes_down
        assert content[first:stop] == backend.read_range('x', first, stop)


def test_a_whole_file_of_two_ranges_is_read_by_two_requests(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    content = KIB * 1000
    backend.save(io.BytesIO(content), 'x', overwrite=True)

    def read_all() -> None:
        with backend.open('x', 'rb') as file:
            assert content == file.read()

    assert ['GET', 'GET'] == asked(read_all)


def test_a_listing_is_one_request_for_each_page(swift_harness, proxy, asked, many):
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 25
    assert ['GET'] * 3 == asked(lambda: list(backend.list_files()))
    backend.page_size = 10_000
    assert ['GET'] == asked(lambda: list(backend.list_files('many/')))
    assert many == list(backend.list_files())


def test_a_listing_of_more_than_the_cluster_allows_takes_what_it_gives(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 10_001
    backend.write('x', b'')
    assert ['GET', 'GET', 'GET'] == asked(lambda: list(backend.list_files()))
    assert ['x'] == list(backend.list_files())


def test_deleting_one_file_is_a_request_and_a_look_for_files_under_it(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    backend.write('x', KIB)
    assert ['DELETE', 'GET'] == asked(lambda: backend.delete('x'))


def test_deleting_many_files_is_a_request_for_each_thousand(swift_harness, proxy, asked, many, monkeypatch):
    for module in (backend_module, client_module):
        monkeypatch.setattr(module, 'BULK_NAMES', 25)
    backend = swift_harness.make_counted(proxy)
    backend.page_size = 10_000
    assert ['DELETE', 'GET', 'POST', 'POST', 'POST'] == asked(lambda: backend.delete('many'))
    assert [] == swift_harness.names_raw()


def test_a_cluster_without_bulk_deletes_is_asked_one_by_one(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    for number in range(5):
        backend.write(f'a/{number}', b'')
    # What Swift answers to a change of the account's metadata, which this is without the middleware.
    proxy.answer(204, headers=swift_harness.trans_id, when=lambda request: request.method == 'POST')
    assert ['DELETE', 'GET', 'POST', *['DELETE'] * 5] == asked(lambda: backend.delete('a'))
    for number in range(2):
        backend.write(f'a/{number}', b'')
    assert ['DELETE', 'GET', 'DELETE', 'DELETE'] == asked(lambda: backend.delete('a'))
    assert [] == swift_harness.names_raw()


def test_names_that_bulk_deletes_leave_are_removed_one_by_one(swift_harness, proxy, asked):
    backend = swift_harness.make_counted(proxy)
    for number in range(3):
        backend.write(f'a/{number}', b'')
    told = '{"Number Deleted": 1, "Number Not Found": 0, "Errors": [["/c/a/1", "409 Conflict"]]}'
    proxy.answer(200, told, headers=swift_harness.trans_id, when=lambda request: request.method == 'POST')
    assert ['DELETE', 'GET', 'POST', *['DELETE'] * 3] == asked(lambda: backend.delete('a'))
    assert [] == swift_harness.names_raw()


def test_serving_is_one_request(swift_harness, proxy, asked):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.app_context():
        storage.write('x.txt', KIB)
    client = app.test_client()
    url = '/kit/x.txt'
    told = client.get(url)
    assert KIB == told.data
    for headers in ({}, {'Range': 'bytes=10-19'}, {'Range': 'bytes=-5'}, {'Range': 'bytes=1000-'}):
        assert ['GET'] == asked(lambda headers=headers: client.get(url, headers=headers).close())
    assert ['HEAD'] == asked(lambda: client.head(url))
    assert ['HEAD'] == asked(lambda: client.get(url, headers={'If-None-Match': told.headers['ETag']}))
    part = client.get(url, headers={'Range': 'bytes=10-19'})
    assert (206, KIB[10:20], 'bytes 10-19/1024') == (part.status_code, part.data, part.headers['Content-Range'])
    assert 10 == proxy.requests[-1].bytes_down
    assert 416 == client.get(url, headers={'Range': 'bytes=1024-'}).status_code
    assert KIB == client.get(url, headers={'Range': 'bytes=0-1,5-6'}).data
    assert KIB == client.get(url, headers={'Range': 'lines=0-1'}).data


def test_a_server_that_ignores_ranges_is_understood(swift_harness, proxy):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.app_context():
        storage.write('x.txt', KIB)
        backend = storage.backend
    whole = {**swift_harness.trans_id, 'ETag': swift_harness.facts('x.txt')['etag'], 'Content-Type': 'text/plain'}
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    assert KIB[10:20] == backend.read_range('x.txt', 10, 20)
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    with backend.open('x.txt', 'rb') as file:
        file.seek(-5, 2)
        assert KIB[-5:] == file.read()
    proxy.answer(200, KIB, headers=whole, when=lambda request: 'range' in request.headers)
    part = app.test_client().get('/kit/x.txt', headers={'Range': 'bytes=10-19'})
    assert (206, KIB[10:20]) == (part.status_code, part.data)
    assert 0 == backend._client.account.pool.in_use


def test_an_empty_file_is_served_and_read_in_ranges(swift_harness, proxy):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage)
    with app.app_context():
        storage.write('x.txt', b'')
        with storage.open('x.txt', 'rb') as file:
            assert b'' == file.read()
            assert 0 == file.seek(0, 2)
    told = app.test_client().get('/kit/x.txt')
    assert (200, b'') == (told.status_code, told.data)
    assert 416 == app.test_client().get('/kit/x.txt', headers={'Range': 'bytes=0-'}).status_code


def test_addresses_and_links_are_no_requests(swift_harness, proxy, asked):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage, authurl=swift_harness.make_counted(proxy).config['authurl'])
    with app.test_request_context():
        storage.write('x.txt', KIB)
        assert [] == asked(lambda: storage.url('x.txt'))
        assert [] == asked(lambda: storage.signed_url('x.txt'))
        assert [] == asked(lambda: storage.signed_url('x.txt', download_name='y.txt'))
        assert [] == asked(lambda: storage.signed_url('x.txt', method='PUT'))


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
    assert 1 == len(logins)


@pytest.fixture
def many(swift_harness):
    """More than two pages of small files, unpacked by Swift itself."""
    names = [f'many/{number:05}' for number in range(60)]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w') as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    status, _, told = swift_harness.raw.ask(
        'PUT', f'/{swift_harness.container}?extract-archive=tar', archive.getvalue(), {'Accept': 'application/json'}
    )
    assert 200 == status
    assert b'"Number Files Created": 60' in told
    return names


def test_a_file_that_is_replaced_while_it_is_served_is_served_anew(swift_harness, proxy, asked):
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
        assert ['HEAD', 'GET'] * min(times + 1, 5) == asked(get)
    assert [200, 200, 503] == statuses
