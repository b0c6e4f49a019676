"""Stores that lack what Amazon has: conditional writes, conditions on copies, checksums of newer kinds."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs_testing.sources import OnlyRead

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
PART = 5 * MiB
ALWAYS = 1000
NOT_IMPLEMENTED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NotImplemented</Code>'
    '<Message>A header you provided implies functionality that is not implemented.</Message></Error>'
)
Watch = Callable[[Any], AbstractContextManager[list[str]]]


@pytest.fixture
def old(proxy: Any) -> Any:
    """The proxy, in front of a store that responds with 501 to conditional writes."""
    proxy.answer(
        501,
        NOT_IMPLEMENTED,
        headers={'Content-Type': 'application/xml'},
        times=ALWAYS,
        when=lambda request: request.method in ('PUT', 'POST') and 'if-none-match' in request.headers,
    )
    return proxy


def _large() -> OnlyRead:
    return OnlyRead(bytes(PART + 1), step=MiB)


SOURCES: dict[str, Callable[[], Any]] = {
    'one part': lambda: io.BytesIO(b'content'),
    'many parts': _large,
    'a file in many parts': lambda: io.BytesIO(bytes(PART + 1)),
}
source = pytest.mark.parametrize('source', SOURCES.values(), ids=SOURCES)


# --- 501 to conditional writes.


@source
def test_an_old_server_accepts_what_is_new(store: Any, old: Any, backend: Any, source: Callable[[], Any]) -> None:
    backend.save(source(), 'x', overwrite=False)
    assert store.names_raw() == ['x']


@source
@pytest.mark.parametrize('narrowed', [False, True])
def test_an_old_server_still_refuses_a_taken_name(
    store: Any, old: Any, backend: Any, source: Callable[[], Any], narrowed: bool
) -> None:
    if narrowed:
        backend.write('other', b'', overwrite=False)
        backend.delete('other')
    store.put_raw('x', b'old')
    with pytest.raises(fs.FileExists):
        backend.save(source(), 'x', overwrite=False)
    assert store.get_raw('x') == b'old'
    assert store.names_raw() == ['x']


@source
def test_what_an_old_server_lacks_is_dropped_by_that_instance_alone(
    store: Any, old: Any, backend: Any, source: Callable[[], Any]
) -> None:
    other = store.make()
    assert Capability.ATOMIC_CREATE in backend.capabilities
    backend.save(source(), 'x', overwrite=False)
    assert Capability.ATOMIC_CREATE not in backend.capabilities
    assert Capability.CHECKSUM in backend.capabilities
    assert Capability.ATOMIC_CREATE in other.capabilities
    assert Capability.ATOMIC_CREATE in type(backend).capabilities


def test_an_old_server_is_reported_once_and_tried_once(old: Any, backend: Any, caplog: Any) -> None:
    for number in range(3):
        backend.write(f'{number}', b'content', overwrite=False)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelname == 'WARNING'
    assert 'KIT_FS_CONDITIONAL_WRITES = False' in caplog.records[0].getMessage()
    assert sum('if-none-match' in request.headers for request in old.requests) == 1


def test_threads_that_meet_an_old_server_at_once_report_it_once(old: Any, backend: Any, caplog: Any, hook: Any) -> None:
    together = threading.Barrier(4, timeout=30)

    def wait(request: Any, **_: Any) -> None:
        if 'If-None-Match' in request.headers:
            together.wait()

    hook(backend, 'before-send.s3.PutObject', wait)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: backend.write(f'{number}', b'content', overwrite=False), range(4)))
    assert sorted(backend.list_files()) == ['0', '1', '2', '3']
    assert len(caplog.records) == 1


@pytest.mark.parametrize('content', [b'', b'content'], ids=['empty', 'full'])
def test_an_old_server_copies_to_new_names_and_refuses_taken_ones(
    store: Any, old: Any, backend: Any, content: bytes
) -> None:
    store.put_raw('x.txt', content)
    store.put_raw('taken.txt', b'old')
    for _ in range(2):
        with pytest.raises(fs.FileExists) as raised:
            backend.copy('x.txt', 'taken.txt', overwrite=False)
        assert raised.value.filename == 'taken.txt'
    backend.copy('x.txt', 'y.txt', overwrite=False)
    assert store.get_raw('y.txt') == content
    assert store.get_raw('taken.txt') == b'old'
    assert store.names_raw() == ['taken.txt', 'x.txt', 'y.txt']


# --- Conditions that are not heeded.


def test_without_conditional_writes_a_name_is_looked_up_first(store: Any, sent: Watch) -> None:
    backend = store.make(conditional_writes=False)
    assert Capability.ATOMIC_CREATE not in backend.capabilities
    with sent(backend) as operations:
        backend.write('x.txt', b'first', overwrite=False)
        with pytest.raises(fs.FileExists):
            backend.write('x.txt', b'second', overwrite=False)
        with pytest.raises(fs.FileExists):
            backend.save(_large(), 'x.txt', overwrite=False)
        backend.copy('x.txt', 'y.txt', overwrite=False)
        with pytest.raises(fs.FileExists):
            backend.copy('x.txt', 'y.txt', overwrite=False)
    assert operations == ['HeadObject', 'PutObject', *['HeadObject'] * 3, 'CopyObject', 'HeadObject']
    assert store.get_raw('x.txt') == b'first'


def test_without_conditional_writes_no_condition_is_sent(proxy: Any, store: Any) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', conditional_writes=False)
    backend.write('x.txt', b'content', overwrite=False)
    backend.save(_large(), 'y.txt', overwrite=False)
    backend.copy('x.txt', 'z.txt', overwrite=False)
    assert not any('if-none-match' in request.headers for request in proxy.requests)


@pytest.mark.parametrize('size', [0, 10, PART - 1, PART, PART + 1])
def test_a_store_that_ignores_conditions_on_copies_still_refuses(store: Any, proxy: Any, size: int) -> None:
    """As SeaweedFS does, and many others: what is small is written, and what is not is copied in parts, on condition."""
    backend = store.make(endpoint=proxy.endpoint, conditional_completion=True)
    store.put_raw('x.txt', b'x' * size)
    store.put_raw('taken.txt', b'old')
    with pytest.raises(fs.FileExists):
        backend.copy('x.txt', 'taken.txt', overwrite=False)
    backend.copy('x.txt', 'y.txt', overwrite=False)
    assert store.get_raw('taken.txt') == b'old'
    assert store.get_raw('y.txt') == b'x' * size
    assert store.names_raw() == ['taken.txt', 'x.txt', 'y.txt']
    # Past the threshold no content passes through here.
    assert all(request.bytes_up < PART for request in proxy.requests)


# --- What older stores require, and what they do not support.


def test_deleting_many_files_carries_the_digest_that_older_stores_require(proxy: Any, store: Any, backend: Any) -> None:
    store.put_raw('x/1', b'')
    store.put_raw('x/2', b'')
    backend.delete('x')
    assert store.names_raw() == []
    assert ['content-md5' in request.headers for request in proxy.requests if request.method == 'POST'] == [True]


@pytest.mark.parametrize('given', [None, 'when_required'])
def test_a_store_at_an_endpoint_is_sent_no_trailers(store: Any, proxy: Any, given: str | None) -> None:
    """Bodies are checked by a plain header, or, for stores that do not know it, by the signature."""
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', request_checksums=given)
    backend.write('x', b'content', overwrite=False)
    backend.save(_large(), 'y', overwrite=True)
    backend.save(io.BytesIO(bytes(PART + 1)), 'z', overwrite=True)
    backend.delete('x')
    for request in proxy.requests:
        headers = request.headers
        assert not {'x-amz-trailer', 'transfer-encoding', 'content-encoding'} & set(headers)
        assert 'STREAMING' not in headers['x-amz-content-sha256']
        assert (given is None) == (headers['x-amz-content-sha256'] == 'UNSIGNED-PAYLOAD')
        if request.method == 'PUT':
            assert (given is None) == ('x-amz-checksum-crc32' in headers)


@pytest.mark.parametrize(('given', 'used'), [(None, 'when_required'), ('when_supported', 'when_supported')])
def test_a_store_at_an_endpoint_can_be_sent_them_by_a_setting(store: Any, given: str | None, used: str) -> None:
    backend = store.make(request_checksums=given)
    backend.write('x', b'content')
    assert backend._bucket.client.meta.config.request_checksum_calculation == used
    assert backend.read('x') == store.get_raw('x') == b'content'
