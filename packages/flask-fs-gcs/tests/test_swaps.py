"""Replacing one generation of an object only."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_gcs import GCSBackend
from flask_fs_testing.proxy import FaultProxy, ProxiedRequest

LARGE = bytes(range(256)) * 8000


def _is_upload(request: ProxiedRequest) -> bool:
    return request.method == 'POST'


@pytest.mark.parametrize('content', [b'new', LARGE], ids=['small', 'large'])
def test_a_swap_sends_the_generation_that_it_replaces(backend: GCSBackend, proxy: FaultProxy, content: bytes) -> None:
    backend.write('x', b'old')
    etag, before = backend.stat('x').etag, len(proxy.requests)
    backend.write('x', content, if_match=etag)
    sent = proxy.requests[before:]
    assert [f'ifGenerationMatch={etag}' in request.path for request in sent if _is_upload(request)] == [True]
    assert len(sent) == (1 if content == b'new' else 5)
    assert backend.read('x') == content
    assert backend.stat('x').etag != etag


def test_another_generation_is_changed(backend: GCSBackend) -> None:
    backend.write('x', b'old')
    etag = backend.stat('x').etag
    backend.write('x', b'new')
    for name in ('x', 'missing'):
        with pytest.raises(fs.Changed):
            backend.write(name, b'mine', if_match=etag)
    assert backend.read('x') == b'new'
    assert list(backend.list_files()) == ['x']


@pytest.mark.parametrize('etag', ['', '0', '-1', 'text', '1.5', '٣'])
def test_an_etag_that_no_object_has_is_changed(backend: GCSBackend, proxy: FaultProxy, etag: str) -> None:
    """Zero means that there is no object: it must not create one."""
    with pytest.raises(fs.Changed):
        backend.write('x', b'mine', if_match=etag)
    assert list(backend.list_files()) == []
    assert not any(map(_is_upload, proxy.requests))


def test_a_swap_whose_response_was_lost_is_recognized(backend: GCSBackend, proxy: FaultProxy) -> None:
    backend.write('x', b'old')
    etag = backend.stat('x').etag
    proxy.lose_response(when=_is_upload)
    backend.write('x', b'mine', if_match=etag)
    assert backend.read('x') == b'mine'


def test_a_swap_that_lost_to_one_that_replaced_its_object_is_changed(
    backend: GCSBackend, proxy: FaultProxy, store: Any
) -> None:
    backend.write('x', b'old')
    etag = backend.stat('x').etag
    refused = json.dumps({'error': {'code': 412, 'message': 'conditionNotMet'}})
    proxy.respond(412, refused, when=_is_upload)
    store.put_raw('x', b'theirs')
    with pytest.raises(fs.Changed):
        backend.write('x', b'mine', if_match=etag)
    assert backend.read('x') == b'theirs'


def test_of_writers_that_swap_one_small_file_one_wins(store: Any) -> None:
    backend, gate, won = store.make(), threading.Barrier(8), list[int]()
    backend.write('x', b'old')
    etag = backend.stat('x').etag

    def swap(number: int) -> None:
        gate.wait()
        try:
            backend.write('x', str(number), if_match=etag)
        except fs.Changed:
            return
        won.append(number)

    threads = [threading.Thread(target=swap, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [backend.read('x')] == [str(number).encode() for number in won]
