"""Replacing one version of a file: on condition of its ETag, with one winner, and refused where the store cannot."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
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
ROUNDS = 5
XML = {'Content-Type': 'application/xml'}
ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>x</Message></Error>'
Watch = Callable[[Any], AbstractContextManager[list[str]]]
SOURCES: dict[str, Callable[[bytes], Any]] = {
    'one request': lambda byte: byte * 7,
    'a file': lambda byte: io.BytesIO(byte * (PART + 1)),
    'a stream': lambda byte: OnlyRead(byte * (PART + 1), step=MiB),
}
source = pytest.mark.parametrize('source', SOURCES.values(), ids=SOURCES)


@pytest.fixture(params=['store', 'by parts', 'amazon'])
def swapping(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A fresh bucket, and a backend on it that compares and swaps."""
    place = request.getfixturevalue('amazon' if request.param == 'amazon' else 'store')
    return place, place.make(conditional_completion=True) if request.param == 'by parts' else place.make()


def _is_swap(request: Any) -> bool:
    return 'if-match' in request.headers and 'if-match' not in request.path


@source
def test_one_version_is_replaced(swapping: Any, source: Callable[[bytes], Any]) -> None:
    place, backend = swapping
    backend.write('a.bin', b'old')
    first = backend.stat('a.bin').etag
    backend.write('a.bin', source(b'1'), if_match=first)
    second = backend.stat('a.bin').etag
    assert second != first
    content = place.get_raw('a.bin')
    assert content == b'1' * len(content)
    for etag in (first, 'nonsense', '*', '', 'a"b', 'é', 'W/"x"', 'a\r\nb'):
        with pytest.raises(fs.Changed) as raised:
            backend.write('a.bin', source(b'2'), if_match=etag)
        assert raised.value.filename == 'a.bin'
    assert backend.stat('a.bin').etag == second
    backend.save(source(b'3') if not isinstance(source(b'3'), bytes) else io.BytesIO(b'3'), 'a.bin', if_match=second)
    assert place.get_raw('a.bin')[:1] == b'3'
    assert place.names_raw() == ['a.bin']


@source
def test_a_file_that_is_gone_has_changed(swapping: Any, source: Callable[[bytes], Any]) -> None:
    place, backend = swapping
    backend.write('a.bin', b'old')
    etag = backend.stat('a.bin').etag
    backend.remove('a.bin')
    with pytest.raises(fs.Changed):
        backend.write('a.bin', source(b'1'), if_match=etag)
    assert place.names_raw() == []


@source
def test_without_a_bucket_it_has_changed_and_none_is_made(store: Any, source: Callable[[bytes], Any]) -> None:
    backend = store.make_missing()
    with pytest.raises(fs.Changed):
        backend.write('a.bin', source(b'1'), if_match='0' * 32)
    assert backend.config.bucket_name not in [each['Name'] for each in store.client.list_buckets()['Buckets']]


def test_a_swap_is_one_request_and_one_once_to_know_the_store(store: Any, sent: Watch) -> None:
    backend = store.make()
    backend.write('a.txt', b'0')
    for expected in (['PutObject'] * 2, ['PutObject']):
        etag = backend.stat('a.txt').etag
        with sent(backend) as operations:
            backend.write('a.txt', etag, if_match=etag)
        assert operations == expected
    assert store.names_raw() == ['a.txt']


def test_amazon_is_known(amazon: Any, sent: Watch) -> None:
    backend = amazon.make()
    backend.write('a.txt', b'0')
    etag = backend.stat('a.txt').etag
    with sent(backend) as operations:
        backend.write('a.txt', b'1', if_match=etag)
    assert operations == ['PutObject']


@pytest.mark.parametrize('completes', [True, False])
def test_a_large_file_is_refused_before_it_is_sent(store: Any, sent: Watch, completes: bool) -> None:
    backend = store.make(conditional_completion=completes)
    backend.write('a.bin', b'0')
    backend.write('a.bin', b'1', if_match=backend.stat('a.bin').etag)
    stream = OnlyRead(bytes(3 * PART), step=MiB)
    with sent(backend) as operations, pytest.raises(fs.Changed):
        backend.write('a.bin', stream, if_match='0' * 32)
    assert operations == ['HeadObject']
    assert len(stream.read(3 * PART)) > 0


@source
def test_attributes_go_with_a_swap(store: Any, source: Callable[[bytes], Any]) -> None:
    backend = store.make()
    backend.write('a.bin', b'0')
    attributes = fs.backends.Attributes(cache_control='no-store', metadata={'a': 'ö'})
    backend.write('a.bin', source(b'1'), if_match=backend.stat('a.bin').etag, attributes=attributes)
    assert backend.stat('a.bin').attributes == attributes
    assert backend.stat('a.bin').checksum is not None


# --- Stores that cannot.


def test_swift_does_not_support_it(swift: Any, caplog: pytest.LogCaptureFixture) -> None:
    backend = swift.make(conditional_writes=True)
    backend.write('a.txt', b'0')
    etag = backend.stat('a.txt').etag
    with caplog.at_level(logging.WARNING), pytest.raises(fs.OperationNotSupported, match='501 to If-Match'):
        backend.write('a.txt', b'1', if_match=etag)
    assert Capability.COMPARE_AND_SWAP not in backend.capabilities
    assert Capability.ATOMIC_CREATE in backend.capabilities
    assert '501 to If-Match' in caplog.text
    with pytest.raises(fs.OperationNotSupported):
        backend.write('a.txt', b'1', if_match=etag)
    assert swift.get_raw('a.txt') == b'0'
    assert swift.names_raw() == ['a.txt']


@source
def test_a_store_that_ignores_the_condition_is_found_out_and_nothing_replaced(
    store: Any, hook: Any, source: Callable[[bytes], Any]
) -> None:
    backend = store.make()

    def ignore(params: Any, **_: Any) -> None:
        params['headers'].pop('If-Match', None)

    hook(backend, 'before-call.s3.PutObject', ignore)
    backend.write('a.bin', b'0')
    for etag in (backend.stat('a.bin').etag, '0' * 32):
        with pytest.raises(fs.OperationNotSupported):
            backend.write('a.bin', source(b'1'), if_match=etag)
    assert Capability.COMPARE_AND_SWAP not in backend.capabilities
    assert store.get_raw('a.bin') == b'0'
    assert store.names_raw() == ['a.bin']
    with pytest.raises(fs.OperationNotSupported):
        backend.set_attributes('a.bin', {'cache_control': 'no-store'})


def test_without_conditional_writes_nothing_is_sent(store: Any, sent: Watch) -> None:
    backend = store.make(conditional_writes=False)
    assert Capability.COMPARE_AND_SWAP not in backend.capabilities
    with sent(backend) as operations, pytest.raises(fs.OperationNotSupported):
        backend.write('a.txt', b'1', if_match='0' * 32)
    assert operations == []


# --- Responses that are lost, and rare ones.


@source
@pytest.mark.parametrize('completes', [True, False], ids=['by parts', 'by one request'])
def test_a_swap_whose_response_is_lost_has_succeeded(
    store: Any, proxy: Any, source: Callable[[bytes], Any], completes: bool
) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', conditional_completion=completes)
    backend.write('a.bin', b'0')
    fault = proxy.lose_response(when=_is_swap)
    backend.write('a.bin', source(b'1'), if_match=backend.stat('a.bin').etag)
    assert fault.is_spent
    assert store.get_raw('a.bin')[:1] == b'1'
    assert store.names_raw() == ['a.bin']


def test_one_that_was_replaced_since_its_response_was_lost_has_lost(store: Any, proxy: Any, backend: Any) -> None:
    backend.write('a.bin', b'0')
    etag = backend.stat('a.bin').etag
    backend.write('a.bin', b'0', if_match=etag)

    def replace(request: Any) -> bool:
        if is_swap := _is_swap(request):
            store.put_raw('a.bin', b'2')
        return is_swap

    lost = proxy.lose_response(when=_is_swap)
    # What the next attempt meets.
    busy = proxy.respond(412, ERROR.format('PreconditionFailed'), headers=XML, when=replace)
    with pytest.raises(fs.Changed):
        backend.write('a.bin', b'1', if_match=etag)
    assert lost.is_spent
    assert busy.is_spent
    assert store.get_raw('a.bin') == b'2'


@pytest.mark.parametrize(
    ('status', 'code', 'expected'),
    [
        (412, 'PreconditionFailed', fs.Changed),
        (404, 'NoSuchKey', fs.Changed),
        (409, 'ConditionalRequestConflict', fs.Unavailable),
        (403, 'AccessDenied', fs.PermissionDenied),
        (501, 'NotImplemented', fs.OperationNotSupported),
    ],
)
@pytest.mark.parametrize('source', [SOURCES['one request'], SOURCES['a file']], ids=['small', 'parts'])
def test_what_a_refusal_means(
    store: Any, proxy: Any, source: Callable[[bytes], Any], status: int, code: str, expected: type[Exception]
) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', conditional_completion=True)
    backend.write('a.bin', b'0')
    proxy.respond(status, ERROR.format(code), headers=XML, times=ALWAYS, when=_is_swap)
    with pytest.raises(expected):
        backend.write('a.bin', source(b'1'), if_match=backend.stat('a.bin').etag)
    assert store.get_raw('a.bin') == b'0'
    assert store.names_raw() == ['a.bin']


@pytest.mark.parametrize('source', [SOURCES['one request'], SOURCES['a file']], ids=['small', 'parts'])
def test_a_conflict_with_one_who_has_won_is_a_change(store: Any, proxy: Any, source: Callable[[bytes], Any]) -> None:
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}', conditional_completion=True)
    backend.write('a.bin', b'0')
    etag = backend.stat('a.bin').etag

    def conflicts(request: Any) -> bool:
        if is_swap := _is_swap(request):
            store.put_raw('a.bin', b'2')
        return is_swap

    proxy.respond(409, ERROR.format('ConditionalRequestConflict'), headers=XML, times=ALWAYS, when=conflicts)
    with pytest.raises(fs.Changed):
        backend.write('a.bin', source(b'1'), if_match=etag)
    assert store.get_raw('a.bin') == b'2'
    assert store.names_raw() == ['a.bin']


def test_a_conflict_is_tried_again(store: Any, proxy: Any, backend: Any) -> None:
    backend.write('a.bin', b'0')
    fault = proxy.respond(409, ERROR.format('ConditionalRequestConflict'), headers=XML, times=2, when=_is_swap)
    backend.write('a.bin', b'1', if_match=backend.stat('a.bin').etag)
    assert fault.is_spent
    assert store.get_raw('a.bin') == b'1'


# --- Rivals.

#: Two rivals in each of two processes, each with an application of its own; what one of them stores is its number.
RIVALS = """
import io, sys, threading
import flask_fs as fs
from concurrent.futures import ThreadPoolExecutor
from flask import Flask
from flask_fs_testing.sources import OnlyRead

storages = [fs.Storage('kit', fs.ALL) for _ in range(2)]
apps = []
for storage in storages:
    app = Flask('rival')
    app.config.update({f'KIT_FS_{key.upper()}': value for key, value in given['settings'].items()}, KIT_FS_BACKEND='s3')
    fs.init_app(app, storage)
    apps.append(app)
together = threading.Barrier(2, timeout=60)

def swap(number, name, etag):
    content = bytes([number]) * given['sizes'][number]
    app, storage = apps[number % 2], storages[number % 2]
    together.wait()
    with app.app_context():
        try:
            storage.write(name, OnlyRead(content, step=2**20) if number % 2 else content, if_match=etag)
        except fs.Changed:
            return 'lost'
        except Exception as error:
            return repr(error)
    return 'won'

print('ready', flush=True)
with ThreadPoolExecutor(2) as pool:
    for line in sys.stdin:
        print(json.dumps(list(pool.map(lambda number: swap(number, *line.split()), given['own']))), flush=True)
"""


@pytest.mark.parametrize('sizes', [(10, 10, 10, 10), (PART, PART, PART, PART), (10, PART, 10, PART)])
def test_of_those_who_replace_one_version_one_wins(
    store: Any, start: Callable[..., Any], sizes: tuple[int, ...]
) -> None:
    given = {'settings': dict(store.settings()), 'sizes': sizes}
    children = [start(RIVALS, {**given, 'own': own}) for own in ((0, 1), (2, 3))]
    assert [child.stdout.readline() for child in children] == ['ready\n'] * 2
    backend = store.make()
    store.put_raw('x', b'before')
    for _ in range(ROUNDS):
        etag = backend.stat('x').etag
        for child in children:
            child.stdin.write(f'x {etag}\n')
            child.stdin.flush()
        results = [result for child in children for result in json.loads(child.stdout.readline())]
        assert sorted(results) == ['lost', 'lost', 'lost', 'won']
        winner = results.index('won')
        assert store.get_raw('x') == bytes([winner]) * sizes[winner]
        store.put_raw('x', b'before')
    assert store.names_raw() == ['x']
