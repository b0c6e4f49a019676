"""Backends in several processes, threads, greenlets and applications, and while their store is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs_s3 import S3Backend

pytestmark = pytest.mark.slow

MiB = 1024 * 1024


# --- Processes.


def test_a_child_and_its_parent_both_work_after_a_fork(store: Any, proxy: Any, python: Callable[..., str]) -> None:
    output = python(
        """
        import os
        from flask_fs_s3 import S3Backend

        backend = S3Backend('kit', given)
        backend.write('parent', b'before')
        before = backend._bucket.client
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                for number in range(20):
                    backend.write(f'child {number}', b'content')
                    assert b'before' == backend.read('parent')
                same = backend._bucket.client is before
                os.write(writer, b'the same client' if same else b'another client')
            finally:
                os._exit(0)
        for number in range(20):
            backend.write(f'parent {number}', b'content')
            assert b'before' == backend.read('parent')
        assert before is backend._bucket.client
        assert 0 == os.waitpid(child, 0)[1]
        print(os.read(reader, 100).decode())
        """,
        {**store.settings(), 'endpoint': proxy.endpoint},
    )
    assert output == 'another client'
    assert len(store.names_raw()) == 41
    # One of each process: nobody speaks on a connection of the other.
    assert len(proxy.connections) == 2


def test_a_fork_while_other_threads_make_clients_does_not_lock_the_child(
    store: Any, python: Callable[..., str]
) -> None:
    output = python(
        """
        import os, signal, threading, warnings
        from flask_fs_s3 import S3Backend

        # Forking with threads is what is tried here; newer versions of Python warn of it.
        warnings.simplefilter('ignore', DeprecationWarning)
        stop = threading.Event()

        def make_clients():
            number = 0
            while not stop.is_set():
                number += 1
                S3Backend('kit', {**given, 'read_timeout_s': number})._bucket.client

        thread = threading.Thread(target=make_clients)
        thread.start()
        states = []
        for number in range(3):
            child = os.fork()
            if not child:
                # A child that waits for ever is ended by this, and seen by its status.
                signal.alarm(90)
                S3Backend('kit', given).write(f'{number}', b'content')
                os._exit(0)
            states.append(os.waitpid(child, 0)[1])
        stop.set()
        thread.join()
        print(states)
        """,
        dict(store.settings()),
    )
    assert output == '[0, 0, 0]'
    assert len(store.names_raw()) == 3


# --- Threads and greenlets.


def test_threads_work_on_one_backend_at_once(store: Any, proxy: Any) -> None:
    backend = store.make(endpoint=proxy.endpoint)

    def work(number: int) -> None:
        content = f'content of {number}'.encode() * 1000
        for turn in range(5):
            name = f'{number}/{turn}.txt'
            backend.write(name, content, overwrite=False)
            assert backend.read(name) == content
            assert b''.join(backend.read_chunks(name, 999)) == content
            assert backend.stat(name).size == len(content)
            backend.copy(name, f'{name}.copy')
            assert list(backend.list_files(name)) == [name, f'{name}.copy']
        backend.delete(f'{number}')

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.names_raw() == []
    assert len(proxy.connections) <= 8


def test_greenlets_work_on_one_backend_at_once(store: Any, python: Callable[..., str]) -> None:
    pytest.importorskip('gevent')
    output = python(
        """
        from gevent import monkey
        monkey.patch_all()
        import gevent.pool
        from flask_fs_s3 import S3Backend

        backend = S3Backend('kit', given)
        seen = []

        def work(number):
            content = b'%d' % number * 1000
            backend.write(f'{number}.txt', content, overwrite=False)
            seen.append(number)
            assert content == backend.read(f'{number}.txt')
            with backend.open(f'{number}.txt', 'rb') as file:
                assert content == file.read()
            if number % 20 == 0:
                backend.write(f'{number}.bin', bytes(6 * 2**20))
                assert 6 * 2**20 == backend.stat(f'{number}.bin').size
            backend.copy(f'{number}.txt', f'{number}.copy')
            backend.delete(f'{number}.txt')
            assert not backend.exists(f'{number}.txt')

        greenlets = [gevent.spawn(work, number) for number in range(100)]
        gevent.joinall(greenlets, raise_error=True)
        # They took turns while they waited for the store.
        assert len(seen) == 100
        print('together' if seen != sorted(seen) else 'in turn')
        """,
        dict(store.settings()),
    )
    assert output == 'together'
    assert len(store.names_raw()) == 105


# --- Applications.


def test_an_application_starts_without_its_store_and_works_when_that_is_back(store: Any, proxy: Any) -> None:
    store.put_raw('a.txt', b'remote')
    proxy.down()
    remote, local = fs.Storage('kit', fs.ALL), fs.Storage('docs', fs.ALL)
    app = store.make_app(remote, endpoint=proxy.endpoint, retries=1)
    app.config['DOCS_FS_ROOT'] = str(store.folder / 'docs')
    fs.init_app(app, remote, local)
    client = app.test_client()
    with app.app_context():
        local.write('a.txt', b'local')
        with pytest.raises(fs.Unavailable, match='connect'):
            remote.write('b.txt', b'content')
        with pytest.raises(fs.Unavailable):
            remote.exists('a.txt')
        assert remote.signed_url('a.txt').startswith('http')
    assert ((response := client.get('/docs/a.txt')).status_code, response.data) == (200, b'local')
    assert client.get('/kit/a.txt').status_code == 503
    proxy.up()
    assert ((response := client.get('/kit/a.txt')).status_code, response.data) == (200, b'remote')
    with app.app_context():
        remote.write('b.txt', b'content')
    assert store.names_raw() == ['a.txt', 'b.txt']
    proxy.down()
    assert client.get('/kit/a.txt').status_code == 503
    proxy.up()
    assert client.get('/kit/a.txt').status_code == 200


def test_one_storage_of_two_applications_has_two_buckets_and_one_client(store: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    backends: list[S3Backend] = []
    apps: list[Flask] = [store.make_app(storage, bucket_name=f'{store.bucket}-{number}') for number in range(2)]
    for number, app in enumerate(apps):
        with app.app_context():
            storage.write('a.txt', f'of {number}')
            backends.append(storage.backend)
    for number, app in enumerate(apps):
        assert f'of {number}'.encode() == app.test_client().get('/kit/a.txt').data
    assert backends[0] is not backends[1]
    assert backends[0]._bucket.client is backends[1]._bucket.client


def test_several_threads_may_read_one_application_at_once(store: Any) -> None:
    content = bytes(range(256)) * 4096 * 6
    store.put_raw('a.bin', content)
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage)
    together = threading.Barrier(4, timeout=30)

    def fetch(start: int) -> bytes:
        together.wait()
        response = app.test_client().get('/kit/a.bin', headers={'Range': f'bytes={start}-'})
        return response.data

    with ThreadPoolExecutor(4) as pool:
        starts = [0, 1, 1000, 5 * MiB]
        assert [content[start:] for start in starts] == list(pool.map(fetch, starts))


def test_the_client_of_an_application_is_gone_with_it(python: Callable[..., str]) -> None:
    """Tests and servers that reload make many applications in one process."""
    output = python(
        """
        import gc, json, weakref
        from flask_fs_s3 import S3Backend

        backend = S3Backend('kit', given)
        client = weakref.ref(backend._bucket.client)
        assert client() is not None
        del backend
        gc.collect()
        print(json.dumps(client() is None))
        """,
        {'endpoint': 'http://127.0.0.1:9', 'region': 'us-east-1', 'access_key': 'a', 'secret_key': 'b'},
    )
    assert json.loads(output)
