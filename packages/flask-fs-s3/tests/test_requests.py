"""How many requests each operation sends, counted by botocore's own events, and what they move."""

from __future__ import annotations

import importlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import presence

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
Watch = Callable[[Any], AbstractContextManager[list[str]]]


@pytest.fixture
def app(store: Any) -> Flask:
    return store.make_app(fs.Storage('kit', fs.ALL))


@pytest.fixture
def storage(app: Flask) -> Iterator[fs.Storage]:
    with app.app_context():
        yield fs.by_name('kit')


@pytest.fixture
def storage_through(store: Any, proxy: Any) -> Iterator[fs.Storage]:
    """A storage behind the proxy, which counts bytes and connections."""
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage, endpoint=proxy.endpoint)
    with app.app_context():
        yield storage


# --- Writing.


def test_saving_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    with sent(storage.backend) as operations:
        storage.save(io.BytesIO(b'content'), 'a.txt', overwrite=True)
    assert operations == ['PutObject']


def test_saving_only_what_is_new_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    with sent(storage.backend) as operations:
        storage.save(io.BytesIO(b'content'), 'a.txt')
    assert operations == ['PutObject']


def test_being_refused_a_taken_name_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'old')
    with sent(storage.backend) as operations, pytest.raises(fs.FileExists):
        storage.write('a.txt', b'new')
    assert operations == ['PutObject']
    assert storage.read('a.txt') == b'old'


def test_an_upload_just_below_the_threshold_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    with sent(storage.backend) as operations:
        storage.write('a.bin', bytes(5 * MiB - 1))
    assert operations == ['PutObject']


def test_an_upload_in_parts_costs_two_requests_more_than_it_has_parts(storage: fs.Storage, sent: Watch) -> None:
    with sent(storage.backend) as operations:
        storage.save(io.BytesIO(bytes(12 * MiB)), 'a.bin', overwrite=True)
    assert operations == ['CreateMultipartUpload', *['UploadPart'] * 3, 'CompleteMultipartUpload']


def test_making_the_bucket_costs_two_requests_once(store: Any, sent: Watch) -> None:
    backend = store.make_missing()
    with sent(backend) as operations:
        backend.write('a', b'1', overwrite=False)
        backend.write('b', b'2', overwrite=False)
    assert operations == ['PutObject', 'CreateBucket', 'PutObject', 'PutObject']


# --- Looking and reading.


def test_exists_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        assert storage.exists('a.txt')
    assert operations == ['HeadObject']


def test_exists_of_what_is_missing_looks_for_a_bucket_that_was_seen_some_time_ago(
    storage: fs.Storage, sent: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the bucket that is missing, and a response to HEAD does not say which."""
    monkeypatch.setattr(presence, 'PRESUMED_S', 3600)
    with sent(storage.backend) as operations:
        assert not storage.exists('missing.txt')
        storage.write('a.txt', b'content')
        assert not storage.exists('missing.txt')
    assert operations == ['HeadObject', 'PutObject', 'HeadObject']
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)
    with sent(storage.backend) as operations:
        assert not storage.exists('missing.txt')
    assert operations == ['HeadObject', 'HeadBucket']


@pytest.mark.parametrize('size', [0, 10, 3 * MiB])
def test_reading_is_one_request(storage: fs.Storage, sent: Watch, size: int) -> None:
    content = os.urandom(size)
    storage.write('a.bin', content)
    with sent(storage.backend) as operations:
        assert storage.read('a.bin') == content
        assert b''.join(storage.read_chunks('a.bin', 100_000)) == content
    assert operations == ['GetObject'] * 2


def test_metadata_is_one_request_and_reads_no_content(storage_through: fs.Storage, proxy: Any, sent: Watch) -> None:
    storage_through.write('a.bin', bytes(MiB))
    before = len(proxy.requests)
    with sent(storage_through.backend) as operations:
        assert MiB == storage_through.stat('a.bin').size
        assert storage_through.metadata('a.bin')['checksum'].startswith('sha256:')
    assert operations == ['HeadObject'] * 2
    assert [request.bytes_down for request in proxy.requests[before:]] == [0, 0]


@pytest.mark.parametrize('size', [7, 54 * 1024])
def test_opening_and_reading_a_small_file_is_one_request(storage: fs.Storage, sent: Watch, size: int) -> None:
    content = os.urandom(size // 2 + 1).hex()[:size]
    storage.write('a.txt', content)
    for mode, expected in (('r', content), ('rb', content.encode())):
        with sent(storage.backend) as operations, storage.open('a.txt', mode) as file:
            assert file.read() == expected
        assert operations == ['GetObject']


def test_opening_and_reading_a_large_file_at_once_is_two_requests(storage: fs.Storage, sent: Watch) -> None:
    content = os.urandom(3 * MiB)
    storage.write('a.bin', content)
    with sent(storage.backend) as operations, storage.open('a.bin', 'rb') as file:
        assert file.read() == content
    assert operations == ['GetObject'] * 2


def test_2500_files_are_listed_by_three_requests_and_deleted_by_six(amazon: Any, sent: Watch) -> None:
    backend = amazon.make()
    names = [f'many/{number:04}' for number in range(2500)]
    # Put where moto keeps them: sending each takes seconds, and so does listing them more than twice.
    kept = importlib.import_module('moto.s3.models').s3_backends['123456789012']['aws']
    for name in names:
        kept.put_object(amazon.bucket, name, b'')
    backend.write('manyfold', b'spared')
    with sent(backend) as operations:
        assert list(backend.list_files()) == [*names, 'manyfold']
    assert operations == ['ListObjectsV2'] * 3
    with sent(backend) as operations:
        assert next(backend.scan('many/')).name == 'many/0000'
    assert operations == ['ListObjectsV2']
    with sent(backend) as operations:
        backend.delete('many')
    assert len(operations) <= 6
    assert list(backend.list_files()) == ['manyfold']


# --- Changes inside the store.


def test_copying_is_one_request(storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        storage.copy('a.txt', 'b.txt', overwrite=True)
    assert operations == ['CopyObject']


def test_copying_only_to_new_names_is_two_requests_on_amazon(amazon: Any, sent: Watch) -> None:
    backend = amazon.make()
    backend.write('a.txt', b'content')
    with sent(backend) as operations:
        backend.copy('a.txt', 'b.txt', overwrite=False)
    assert operations == ['HeadObject', 'CopyObject']


def test_copying_only_to_new_names_is_two_requests_elsewhere(storage: fs.Storage, sent: Watch) -> None:
    """A store whose conditions on copies are not known to hold gets a conditional write."""
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        storage.copy('a.txt', 'b.txt')
    assert operations == ['GetObject', 'PutObject']


def test_moving_is_two_requests(storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        storage.move('a.txt', 'b.txt', overwrite=True)
    assert operations == ['CopyObject', 'DeleteObject']


@pytest.mark.parametrize('name', ['a.txt', 'missing.txt'])
def test_deleting_is_at_most_two_requests(storage: fs.Storage, sent: Watch, name: str) -> None:
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        storage.delete(name)
    assert len(operations) <= 2


# --- Serving and URLs.


@pytest.mark.parametrize('size', [0, 10, 3 * MiB])
def test_serving_is_one_request(app: Flask, storage: fs.Storage, sent: Watch, size: int) -> None:
    content = os.urandom(size)
    storage.write('a.bin', content)
    with sent(storage.backend) as operations:
        assert app.test_client().get('/kit/a.bin').data == content
    assert operations == ['GetObject']


def test_serving_a_head_is_one_request(app: Flask, storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'content')
    with sent(storage.backend) as operations:
        assert app.test_client().head('/kit/a.txt').content_length == 7
    assert operations == ['HeadObject']


def test_serving_what_the_browser_has_is_one_request(app: Flask, storage: fs.Storage, sent: Watch) -> None:
    storage.write('a.txt', b'content')
    client = app.test_client()
    etag = client.get('/kit/a.txt').headers['ETag']
    with sent(storage.backend) as operations:
        assert client.get('/kit/a.txt', headers={'If-None-Match': etag}).status_code == 304
    assert operations == ['HeadObject']


def test_serving_1000_bytes_is_one_request_that_moves_1000_bytes(store: Any, proxy: Any, sent: Watch) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage, endpoint=proxy.endpoint)
    content = os.urandom(2 * MiB)
    store.put_raw('a.bin', content)
    with app.app_context(), sent(storage.backend) as operations:
        response = app.test_client().get('/kit/a.bin', headers={'Range': 'bytes=700000-700999'})
        assert response.data == content[700_000:701_000]
    assert operations == ['GetObject']
    assert [request.bytes_down for request in proxy.requests] == [1000]
    assert 1000 <= proxy.connections[0].bytes_down < 3000


def test_urls_and_links_send_nothing(app: Flask, storage: fs.Storage, sent: Watch) -> None:
    with sent(storage.backend) as operations, app.test_request_context():
        assert storage.url('a.txt') == '/kit/a.txt'
        for method in ('GET', 'HEAD', 'PUT'):
            assert storage.signed_url('a.txt', method=method).startswith('http')
    assert operations == []


# --- Files that are read here and there.


def test_a_few_bytes_of_a_large_file_move_little_more(storage_through: fs.Storage, store: Any, proxy: Any) -> None:
    content, start = os.urandom(MiB) * 20, 12_345_678
    store.put_raw('large.bin', content)
    with storage_through.open('large.bin', 'rb') as file:
        file.seek(start)
        assert file.read(1000) == content[start : start + 1000]
    assert len(proxy.requests) <= 2
    assert sum(request.bytes_down for request in proxy.requests) <= 64 * 1024
    # Heads included.
    assert sum(connection.bytes_down for connection in proxy.connections) <= 64 * 1024


@pytest.mark.parametrize(
    ('start', 'stop', 'size'),
    [(0, 1000, 1000), (12_345_678, 12_346_678, 1000), (-1000, None, 1000), (20 * MiB - 7, None, 7), (-7, None, 7)],
)
def test_a_range_is_one_request_that_moves_its_own_bytes(
    storage_through: fs.Storage, store: Any, proxy: Any, start: int, stop: int | None, size: int
) -> None:
    content = os.urandom(MiB) * 20
    store.put_raw('large.bin', content)
    assert storage_through.read_range('large.bin', start, stop) == content[start:stop]
    assert [request.bytes_down for request in proxy.requests] == [size]


def test_a_range_beyond_the_end_is_an_error(storage: fs.Storage) -> None:
    storage.write('a.txt', b'0123456789')
    for start in (10, 11):
        with pytest.raises(fs.RangeNotSatisfiable):
            storage.read_range('a.txt', start)
    assert storage.read_range('a.txt', 7, 1000) == b'789'
    storage.write('empty.txt', b'')
    assert storage.read_range('empty.txt', 0) == storage.read_range('empty.txt', -3) == b''
    with pytest.raises(fs.RangeNotSatisfiable):
        storage.read_range('empty.txt', 1)


def test_an_archive_is_listed_and_a_member_read_by_few_small_requests(
    storage_through: fs.Storage, store: Any, proxy: Any
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as archive:
        for number in range(20):
            archive.writestr(f'{number}.bin', os.urandom(MiB))
        archive.writestr('wanted.txt', b'wanted')
    store.put_raw('big.zip', packed.getvalue())
    with storage_through.open('big.zip', 'rb') as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 21
        assert archive.read('wanted.txt') == b'wanted'
    assert len(proxy.requests) <= 3
    assert sum(request.bytes_down for request in proxy.requests) < MiB


def test_a_picture_gives_its_size_by_its_first_bytes(storage_through: fs.Storage, store: Any, proxy: Any) -> None:
    image = pytest.importorskip('PIL.Image')
    drawn = io.BytesIO()
    image.frombytes('RGB', (900, 1000), os.urandom(900 * 1000 * 3)).save(drawn, 'PNG')
    assert len(drawn.getvalue()) > 2 * MiB
    store.put_raw('big.png', drawn.getvalue())
    with storage_through.open('big.png', 'rb') as file, image.open(file) as picture:
        assert picture.size == (900, 1000)
    assert len(proxy.requests) == 1
    assert proxy.requests[0].bytes_down < 200_000


# --- Connections.


def test_operations_in_sequence_share_one_connection(storage_through: fs.Storage, proxy: Any) -> None:
    storage = storage_through
    storage.write('a.txt', b'content')
    for _ in range(3):
        assert storage.read('a.txt') == b'content'
        assert b''.join(storage.read_chunks('a.txt')) == b'content'
        assert storage.exists('a.txt')
        assert not storage.exists('missing')
        with storage.open('a.txt', 'rb') as file:
            assert file.read(3) == b'con'
        with pytest.raises(fs.FileNotFound):
            storage.read('missing')
        with pytest.raises(fs.FileExists):
            storage.write('a.txt', b'other')
        assert list(storage.list_files()) == ['a.txt']
    storage.copy('a.txt', 'b.txt')
    storage.move('a.txt', 'c.txt')
    storage.delete('b.txt')
    assert len(proxy.connections) == 1


def test_an_empty_file_gives_its_connection_back(storage_through: fs.Storage, proxy: Any) -> None:
    storage = storage_through
    storage.write('empty', b'')
    for _ in range(3):
        assert storage.read('empty') == b''
        assert list(storage.read_chunks('empty')) == []
        with storage.open('empty', 'rb') as file:
            assert file.read() == b''
    assert len(proxy.connections) == 1


def test_a_picture_of_which_little_was_read_gives_its_connection_back(storage_through: fs.Storage, proxy: Any) -> None:
    storage_through.write('a.bin', bytes(MiB))
    for _ in range(3):
        with storage_through.open('a.bin', 'rb') as file:
            file.read(100)
    assert len(proxy.connections) == 1


def test_import_construction_and_init_app_open_no_socket(python: Callable[..., str]) -> None:
    output = python(
        """
        import socket

        def refuse(*args, **kwargs):
            raise AssertionError('the network was used')

        socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
        import flask, flask_fs as fs, flask_fs_s3
        backend = flask_fs_s3.S3Backend('direct', {'endpoint': 'http://store.invalid:9', 'region': 'nowhere-1'})
        storage = fs.Storage('files')
        app = flask.Flask('kit')
        app.config.update(FS_BACKEND=flask_fs_s3.S3Backend, FS_S3_ENDPOINT='http://store.invalid:9')
        fs.init_app(app, storage)
        with app.app_context():
            print(storage.backend.name)
        """
    )
    assert output == 'files'
