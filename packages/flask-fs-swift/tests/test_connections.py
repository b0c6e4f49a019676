"""Connections and tokens: shared, renewed, given back, and refused with a reason."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request

import pytest
import urllib3

import flask_fs as fs
from flask_fs.backends import checksum_of, chunks_of
from flask_fs.backends.swift import PoolExhaustedError
from flask_fs_swift import ETagMismatchError, SwiftBackend
from flask_fs_testing.servers import SwiftServer
from flask_fs_testing.servers.base import http_status
from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

#: More than the sockets and the client library hold.
LARGE = bytes(range(256)) * 20_000


def connections_in_use(backend):
    return backend._client.account.pool.in_use


def test_streams_give_their_connection_back(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=1, pool_timeout_s=5)
    backend.save(io.BytesIO(LARGE), 'x', overwrite=True)
    backend.write('small', b'0123456789')
    for name in ('x', 'small'):
        backend.read_chunks(name, 5)
        next(backend.read_chunks(name, 5))
        stream = backend._open(name).stream
        stream.read(3)
        stream.close()
        stream.close()
        with backend.open(name, 'rb') as file:
            file.read(1)
        list(backend.read_chunks(name))
        gc.collect()
        assert connections_in_use(backend) == 0
    assert backend.read('small') == b'0123456789'
    assert proxy.open_connections <= 1


def test_a_closed_stream_gives_nothing_more(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    backend.write('x', b'0123456789')
    stream = backend._open('x').stream
    stream.close()
    with pytest.raises(ValueError, match='this file is closed'):
        stream.read(1)


def test_a_cut_response_is_noticed_where_the_http_library_does_not(swift_harness, proxy, monkeypatch):
    """urllib3 1 takes the end of the connection for the end of the response."""
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def as_urllib3_1_does(self, *args, **options):
        response = urlopen(self, *args, **options)
        response.enforce_content_length = False
        return response

    backend = swift_harness.make_counted(proxy, retries=1)
    names = ['n' * 900, 'x']
    for name in names:
        backend.save(io.BytesIO(LARGE), name, overwrite=True)
    monkeypatch.setattr(urllib3.HTTPConnectionPool, 'urlopen', as_urllib3_1_does)
    proxy.cut_download(after_bytes=100_000, when=lambda request: request.path.endswith('/x'))
    with pytest.raises(fs.Unavailable, match='the connection was closed while the file was being read'):
        backend.read('x')
    # A listing is read at once, so it is requested again.
    fault = proxy.cut_download(after_bytes=900, when=lambda request: 'format=json' in request.path)
    assert list(backend.list_files()) == names
    assert fault.is_spent
    assert connections_in_use(backend) == 0


def test_a_connection_with_a_small_remainder_is_kept_and_one_with_much_is_closed(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=1)
    backend.save(io.BytesIO(LARGE), 'x', overwrite=True)
    backend.write('small', b'0123456789' * 1000)
    before = len(proxy.connections)
    with backend._open('small').stream as stream:
        stream.read(1)
    assert backend.read('small') == b'0123456789' * 1000
    assert len(proxy.connections) == before
    with backend._open('x').stream as stream:
        stream.read(1)
    assert backend.read('small') == b'0123456789' * 1000
    assert len(proxy.connections) == before + 1


def test_when_all_connections_are_in_use_the_error_says_so(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=2, pool_timeout_s=0.2)
    backend.save(io.BytesIO(LARGE), 'x', overwrite=True)
    streams = [backend._open('x').stream for _ in range(2)]
    with pytest.raises(PoolExhaustedError) as caught:
        backend.read('x')
    assert isinstance(caught.value, fs.Unavailable)
    assert repr(caught.value) == repr(pickle.loads(pickle.dumps(caught.value)))
    assert 'all 2 connections were in use for 0.2 s' in str(caught.value)
    assert 'KIT_FS_POOL_SIZE or FS_SWIFT_POOL_SIZE' in str(caught.value)
    streams.pop().close()
    assert backend.read('x') == LARGE
    streams.pop().close()
    assert connections_in_use(backend) == 0


def test_failures_give_their_connection_back(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=1, pool_timeout_s=1, retries=0)
    backend.write('x', b'')
    for strike in (
        lambda: proxy.answer(500),
        lambda: proxy.answer(403),
        proxy.cut_download,
        proxy.lose_answer,
    ):
        strike()
        with pytest.raises(fs.FSError):
            list(backend.list_files())
        assert list(backend.list_files()) == ['x']
    with pytest.raises(fs.FileNotFound):
        backend.read('missing')
    assert connections_in_use(backend) == 0


def test_an_expired_token_is_renewed_unnoticed(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    old = backend._client.account.login.access().token
    for action in (
        lambda: backend.write('x', b'1'),
        lambda: backend.save(Pattern(3_000_000), 'y', overwrite=True),
        lambda: backend.read('x'),
        lambda: list(backend.list_files()),
        lambda: backend.copy('x', 'z'),
    ):
        proxy.answer(401)
        action()
    assert backend.read('z') == b'1'
    assert backend.stat('y').size == 3_000_000
    assert len([request for request in proxy.requests if request.path.startswith('/auth/')]) == 6
    assert backend._client.account.login.access().token != old


def test_threads_whose_token_expired_get_one_new_one(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    backend.write('x', b'1')
    stale = backend._client.account.login.access()._replace(token='AUTH_stale')
    backend._client.account.login.known = stale
    # A tempauth that keeps its tokens in themselves takes a broken one for its own failure.
    proxy.answer(401, times=8, when=lambda request: request.headers.get('x-auth-token') == 'AUTH_stale')
    found = []
    threads = [threading.Thread(target=lambda: found.append(backend.read('x'))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b'1'] * 8
    assert len([request for request in proxy.requests if request.path.startswith('/auth/')]) == 2


def test_a_token_that_is_refused_again_is_an_error(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    proxy.answer(401, times=2, when=lambda request: request.method == 'HEAD')
    with pytest.raises(fs.PermissionDenied):
        backend.exists('x')


def test_a_wrong_key_is_refused_with_the_names_of_the_settings(swift_harness):
    backend = swift_harness.make(key='a wrong secret')
    for call in (backend.exists, backend.read, backend.signed_url):
        with pytest.raises(fs.PermissionDenied) as caught:
            call('x')
        for text in ('KIT_FS_USER or FS_SWIFT_USER', 'KEY', 'AUTHURL'):
            assert text in str(caught.value)
        assert 'a wrong secret' not in f'{caught.value!r} {caught.value}'


def test_a_url_without_authentication_is_reported(swift_harness):
    backend = swift_harness.make(authurl=f'http://{swift_harness.host}:{swift_harness.port}/nothing/here')
    with pytest.raises(fs.BackendError, match='AUTHURL'):
        backend.exists('x')


def test_a_child_leaves_its_parents_connections_alone(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=2)
    backend.save(io.BytesIO(LARGE), 'x', overwrite=True)
    backend.write('small', b'small')
    stream = backend._open('x').stream
    seen = stream.read(1000)
    logins = len([request for request in proxy.requests if request.path.startswith('/auth/')])
    context = multiprocessing.get_context('fork')
    results = context.Queue()

    def work():
        # The parent's stream is dropped here without a word on its connection.
        stream.close()
        results.put(
            (
                connections_in_use(backend),
                backend.read('small'),
                backend.read('x') == LARGE,
                connections_in_use(backend),
            )
        )

    children = [context.Process(target=work) for _ in range(3)]
    for child in children:
        child.start()
    for _ in children:
        assert results.get(timeout=60) == (0, b'small', True, 0)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert seen + stream.read() == LARGE
    assert backend.read('small') == b'small'
    assert connections_in_use(backend) == 0
    assert len([request for request in proxy.requests if request.path.startswith('/auth/')]) == logins


@pytest.mark.parametrize(('policy', 'stays'), [('log', True), ('raise', True), ('raise_and_delete', False)])
def test_another_etag_than_that_of_what_was_sent_is_handled_by_policy(swift_harness, proxy, policy, stays, caplog):
    backend = swift_harness.make_counted(proxy, etag_mismatch_policy=policy)
    swift_harness.put_raw('x', b'what arrived')
    proxy.answer(
        201, headers={**swift_harness.trans_id, 'ETag': '0' * 32}, when=lambda request: request.method == 'PUT'
    )
    if policy == 'log':
        backend.write('x', b'what was sent')
        assert "'x' does not match its checksum" in caplog.text
    else:
        with pytest.raises(ETagMismatchError) as caught:
            backend.write('x', b'what was sent')
        assert caught.value.filename == 'x'
    assert backend.exists('x') == stays


@pytest.mark.parametrize('policy', ['raise', 'raise_and_delete'])
def test_a_segment_with_another_etag_leaves_nothing(swift_harness, proxy, policy):
    backend = swift_harness.make_counted(proxy, etag_mismatch_policy=policy, segment_bytes=1_000_000)
    backend.write('x', b'old')
    proxy.answer(
        201, headers={**swift_harness.trans_id, 'ETag': '0' * 32}, when=lambda request: request.path.endswith('/000001')
    )
    with pytest.raises(ETagMismatchError):
        backend.save(io.BytesIO(LARGE), 'x', overwrite=True)
    assert swift_harness.names_raw() == ['x']
    assert backend.read('x') == b'old'


def test_what_arrives_otherwise_than_it_was_sent_is_refused_by_the_store(swift_harness, tmp_path):
    """The file changes between the look at it and its sending: Swift compares, and keeps what it has."""
    backend = swift_harness.make(segment_bytes=100_000_000)
    backend.write('x', b'old')
    (tmp_path / 'file').write_bytes(LARGE)
    send = backend._client.account.request

    def changed(request, **options):
        if request.method == 'PUT':
            with open(tmp_path / 'file', 'r+b') as other:
                other.write(b'!')
        return send(request, **options)

    backend._client.account.request = changed
    with open(tmp_path / 'file', 'rb') as file, pytest.raises(ETagMismatchError):
        backend.save(file, 'x', overwrite=True)
    assert backend.read('x') == b'old'


def test_an_upload_is_sent_again_from_its_beginning(swift_harness, proxy, tmp_path):
    (tmp_path / 'file').write_bytes(LARGE)
    backend = swift_harness.make_counted(proxy, segment_bytes=100_000_000)
    with open(tmp_path / 'file', 'rb') as file:
        for name, source in (('file', file), ('memory', io.BytesIO(LARGE)), ('stream', Pattern(len(LARGE)))):
            proxy.cut_upload(after_bytes=2_000_000, when=lambda request: request.method == 'PUT')
            proxy.answer(503, when=lambda request: request.method == 'PUT')
            backend.save(source, name, overwrite=True)
            checksum = swift_harness.headers(name)['x-object-meta-fs-checksum']
            with backend.open(name, 'rb') as stored:
                assert checksum == checksum_of(chunks_of(stored), 'sha256')
    assert swift_harness.get_raw('file') == swift_harness.get_raw('memory') == LARGE


def test_a_file_that_becomes_shorter_is_its_owners_error(swift_harness, proxy, tmp_path):
    backend = swift_harness.make_counted(proxy, segment_bytes=100_000_000)
    backend.write('x', b'old')
    (tmp_path / 'file').write_bytes(LARGE)
    send = backend._client.account.request

    def shortened(request, **options):
        if request.method == 'PUT':
            os.truncate(tmp_path / 'file', 1000)
        return send(request, **options)

    backend._client.account.request = shortened
    with open(tmp_path / 'file', 'rb') as file, pytest.raises(OSError, match='truncated') as caught:
        backend.save(file, 'x', overwrite=True)
    assert not isinstance(caught.value, fs.FSError)
    assert backend.read('x') == b'old'
    assert connections_in_use(backend) == 0


def test_a_creation_whose_response_is_lost_is_recognized(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    proxy.lose_answer(when=lambda request: request.method == 'PUT')
    backend.write('x', b'mine', overwrite=False)
    assert backend.read('x') == b'mine'
    proxy.answer(503, when=lambda request: request.method == 'PUT')
    with pytest.raises(fs.FileExists):
        backend.write('x', b'mine', overwrite=False)


def test_what_the_store_says_becomes_errors_of_flask_fs(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, retries=0)
    for status, kind in (
        (400, fs.BackendError), (403, fs.PermissionDenied), (404, fs.Unavailable), (409, fs.BackendError),
        (413, fs.FileTooLarge), (422, ETagMismatchError), (429, fs.Unavailable), (498, fs.Unavailable),
        (500, fs.Unavailable), (503, fs.Unavailable), (507, fs.Unavailable),
    ):  # fmt: skip
        proxy.answer(status, headers=swift_harness.trans_id, times=2, when=lambda request: request.path.endswith('/x'))
        with pytest.raises(kind) as caught:
            backend.write('x', b'')
        proxy.recover()
        assert type(caught.value) is kind
        # 404 for a file that is stored means that its container is gone, as it was there before.
        gone = (
            f'the container {swift_harness.container!r} is gone, with all of its files; create it again to start over'
        )
        cause = gone if status == 404 else f'the store responded with status {status}'
        assert str(caught.value.__cause__) == cause


def test_a_full_temporary_folder_is_reported_and_changes_nothing(swift_harness, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    backend = swift_harness.make()
    backend.write('x', b'old')
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, 'write', full)
    with pytest.raises(fs.BackendError, match='No space left'):
        backend.save(Pattern(3_000_000), 'x', overwrite=True)
    assert backend.read('x') == b'old'


def test_a_store_that_moved_is_found_after_the_next_authentication(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, pool_size=1)
    backend.write('x', b'1')
    login = backend._client.account.login
    there = login.access()
    # As if the token were of a cluster that has gone since.
    login.known = there._replace(url='http://127.0.0.1:9/v1/AUTH_gone')
    with pytest.raises(fs.Unavailable):
        backend.read('x')
    login.known = None
    assert backend.read('x') == b'1'
    assert backend._client.account.pool.in_use == 0


def test_a_media_type_that_no_header_holds_is_an_error_and_sends_nothing(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    before = len(proxy.requests)
    with pytest.raises(fs.BackendError, match='media type') as caught:
        backend.write('x', b'', mime='text/x\r\nX-Delete-After: 1')
    assert type(caught.value) is fs.BackendError
    assert len(proxy.requests) == before


def test_a_store_that_speaks_no_tls_is_unavailable(swift_harness):
    backend = swift_harness.make(storage_url=f'https://{swift_harness.host}:{swift_harness.port}/v1/AUTH_x', retries=0)
    with pytest.raises(fs.Unavailable, match='TLS failed'):
        backend.exists('x')


def test_a_name_longer_than_the_cluster_allows_is_reported(swift_harness):
    backend = swift_harness.make(prefix='tenants/7')
    with pytest.raises(fs.InvalidFilename, match='longer than the cluster allows'):
        backend.write('n' * 1020, b'')


def test_a_missing_container_is_reported_by_what_needs_it(swift_harness):
    backend = swift_harness.make_missing()
    with pytest.raises(fs.FileNotFound, match='does not exist yet'):
        backend.read('x')
    strict = SwiftBackend('kit', {**swift_harness.missing_settings(), 'create_container': False})
    with pytest.raises(fs.BackendError, match='KIT_FS_CREATE_CONTAINER'):
        strict.write('x', b'')


def test_a_container_that_a_write_makes_gets_the_key_of_links(swift_harness):
    backend = swift_harness.make_missing()
    backend.save(io.BytesIO(LARGE[:1_200_000]), 'x', overwrite=True)
    with urllib.request.urlopen(backend.signed_url('x', download_name='ü.txt')) as response:
        assert response.read() == LARGE[:1_200_000]
        assert "filename*=UTF-8''%C3%BC.txt" in response.headers['Content-Disposition']
    head = urllib.request.Request(backend.signed_url('x', method='HEAD'), method='HEAD')
    with urllib.request.urlopen(head) as response:
        assert response.headers['Content-Disposition'] == 'inline'


def test_marks_of_folders_are_no_files(swift_harness):
    backend = swift_harness.make()
    for name in ('folder', 'folder/'):
        swift_harness.raw.request(
            'PUT', f'/{swift_harness.container}/{name}', headers={'Content-Type': 'application/directory'}
        )
    backend.write('folder/x', b'')
    assert list(backend.list_files()) == ['folder/x']
    assert not backend.exists('folder')
    for call in (backend.read, backend.open, backend.stat):
        with pytest.raises(fs.FileNotFound):
            call('folder')
    backend.delete('folder')
    assert swift_harness.names_raw() == []


def test_names_that_no_request_reaches_are_left_alone(swift_harness):
    """Swift keeps such names, and HTTP clients resolve them: deleting one would delete another file."""
    backend = swift_harness.make()
    backend.write('victim', b'')
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w') as tar:
        for name in ('a/../victim', 'a/x'):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    swift_harness.raw.request('PUT', f'/{swift_harness.container}?extract-archive=tar', archive.getvalue())
    assert swift_harness.names_raw() == ['a/../victim', 'a/x', 'victim']
    assert list(backend.list_files()) == ['a/x', 'victim']
    backend.delete('a')
    assert swift_harness.names_raw() == ['a/../victim', 'victim']


def test_checksums_by_md5_are_returned_for_other_programs_files_too(swift_harness):
    swift_harness.put_raw('x', b'theirs')
    assert swift_harness.make().stat('x').checksum is None
    reported = swift_harness.make(checksum='md5').stat('x').checksum
    assert reported == checksum_of([b'theirs'], 'md5')
    assert swift_harness.make().metadata('x')['checksum'].startswith('sha256:')


def test_work_goes_on_after_a_real_server_was_stopped_and_started():
    with SwiftServer() as server:
        service = server.service
        backend = SwiftBackend(
            'kit',
            {'authurl': service.auth_url, 'user': service.user, 'key': service.key, 'retries': 0, 'timeout_s': 20},
        )
        backend.write('x', b'before')
        assert backend.read('x') == b'before'
        os.kill(server.pids['proxy'], 9)
        while http_status(server._ports['proxy'], '/healthcheck') is not None:
            time.sleep(0.01)
        for call in (backend.read, backend.exists):
            with pytest.raises(fs.Unavailable, match='the connection failed'):
                call('x')
        restarted = restart(server)
        try:
            assert backend.read('x') == b'before'
            backend.write('x', b'after')
            assert backend.read('x') == b'after'
        finally:
            restarted.kill()
            restarted.wait()


def restart(server):
    """Its proxy again, in a process of this test."""
    command = [
        sys.executable, '-c', 'import sys; from swift.proxy.server import main; sys.exit(main())',
        str(server.folder / 'proxy.conf'), 'verbose',
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=server.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while http_status(server._ports['proxy'], '/healthcheck') != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process
