"""Copies inside the store: what they keep, whom they refuse, and what is left of those that fail."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

import flask_fs as fs
from flask_fs_s3 import copying

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
PART = 5 * MiB
ALWAYS = 1000
TOO_LARGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRequest</Code><Message>The specified copy source is '
    'larger than the maximum allowable size for a copy source: 5368709120</Message></Error>'
)
Watch = Callable[[Any], AbstractContextManager[list[str]]]
creating = pytest.mark.parametrize('create', [False, True], ids=['replace', 'create'])


@pytest.fixture
def limited(proxy: Any, backend: Any, monkeypatch: Any) -> Any:
    """The backend, on a store whose CopyObject takes only files up to 5 MiB."""
    monkeypatch.setattr(copying, 'MAX_PART_BYTES', PART)
    monkeypatch.setattr(copying, 'COPIED_PART_BYTES', 2 * PART)
    proxy.answer(
        400,
        TOO_LARGE,
        headers={'Content-Type': 'application/xml'},
        times=ALWAYS,
        when=lambda request: 'x-amz-copy-source' in request.headers and 'partNumber' not in request.path,
    )
    return backend


# --- What copies keep.


@creating
@pytest.mark.parametrize('content', [b'', b'content'], ids=['empty', 'full'])
def test_a_copy_keeps_type_checksum_and_metadata(store: Any, create: bool, content: bytes) -> None:
    backend = store.make(object_parameters={'Metadata': {'color': 'blue'}, 'CacheControl': 'max-age=60'})
    backend.write('a.bin', content, mime='image/x-odd')
    store.make().copy('a.bin', 'b.bin', overwrite=not create)
    before, after = backend.stat('a.bin'), backend.stat('b.bin')
    assert before.checksum is not None
    assert (before.size, before.mime, before.checksum) == (after.size, after.mime, after.checksum)
    response = store.client.head_object(Bucket=store.bucket, Key='b.bin')
    assert (response['Metadata']['color'], response['CacheControl']) == ('blue', 'max-age=60')
    assert store.get_raw('b.bin') == content


@creating
def test_a_type_that_the_old_name_suggested_gives_way(store: Any, create: bool) -> None:
    backend = store.make()
    backend.write('a.txt', b'content')
    backend.copy('a.txt', 'b.html', overwrite=not create)
    assert backend.stat('b.html').mime == 'text/html'
    assert backend.stat('a.txt').checksum == backend.stat('b.html').checksum


@creating
def test_a_type_that_was_given_stays_whatever_the_new_name_suggests(store: Any, create: bool) -> None:
    backend = store.make()
    backend.write('a.txt', b'content', mime='image/x-odd')
    backend.copy('a.txt', 'b.html', overwrite=not create)
    assert backend.stat('b.html').mime == 'image/x-odd'


@creating
def test_a_file_of_unknown_type_becomes_no_page(store: Any, create: bool) -> None:
    """SeaweedFS takes the type from the name if it is given as application/octet-stream."""
    backend = store.make()
    backend.write('x.html', b'<script>', mime='application/octet-stream')
    backend.copy('x.html', 'y.html', overwrite=not create)
    backend.write('unknown', b'', overwrite=not create)
    backend.copy('unknown', '.env', overwrite=not create)
    assert {backend.stat(name).mime for name in ('x.html', 'y.html', 'unknown', '.env')} == {'application/octet-stream'}


@creating
def test_names_with_every_odd_character_are_copied(store: Any, create: bool) -> None:
    backend = store.make()
    name = "a+b %41/ü ?#&=;@!$'()*,~[x]{y}|^`<>.txt"
    backend.write(name, b'content')
    backend.copy(name, f'copy of/{name}', overwrite=not create)
    assert store.get_raw(f'copy of/{name}') == b'content'


def test_finding_out_what_a_store_heeds_leaves_the_file_as_it_was(store: Any, metadata_of: Any) -> None:
    backend = store.make()
    backend.write('a.bin', b'content', mime='image/x-odd')
    before = metadata_of(store, 'a.bin')
    backend.copy('a.bin', 'b.bin', overwrite=False)
    assert metadata_of(store, 'a.bin') == before


@pytest.fixture
def metadata_of() -> Callable[[Any, str], dict[str, Any]]:
    """All that a store reports about a file."""

    def read(store: Any, name: str) -> dict[str, Any]:
        response = store.client.head_object(Bucket=store.bucket, Key=name)
        return {key: response.get(key) for key in ('ContentType', 'ETag', 'LastModified', 'Metadata', 'ContentLength')}

    return read


def test_a_move_leaves_one_file_with_the_metadata_of_the_old_one(store: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'content')
    before = backend.stat('a.txt')
    backend.move('a.txt', 'b.txt', overwrite=False)
    assert store.names_raw() == ['b.txt']
    assert (before.checksum, before.mime) == (backend.stat('b.txt').checksum, backend.stat('b.txt').mime)


# --- Names that are taken, and files that are missing.


@pytest.mark.parametrize('act', ['copy', 'move'])
@pytest.mark.parametrize('content', [b'', b'content'], ids=['empty', 'full'])
def test_a_taken_name_is_refused_and_named(store: Any, act: str, content: bytes) -> None:
    backend = store.make()
    store.put_raw('a.txt', content)
    store.put_raw('taken.txt', b'old')
    with pytest.raises(fs.FileExists) as raised:
        getattr(backend, act)('a.txt', 'taken.txt', overwrite=False)
    assert raised.value.filename == 'taken.txt'
    assert store.names_raw() == ['a.txt', 'taken.txt']
    assert store.get_raw('taken.txt') == b'old'


def test_a_name_taken_at_the_last_moment_is_refused_by_the_store(
    amazon: Any, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Amazon refuses it; moto does not know the condition, so the response is made here."""
    backend = amazon.make()
    monkeypatch.setattr(backend._bucket, 'refuse_if_taken', lambda key: None)

    def heed(request: Any, **_: Any) -> AWSResponse | None:

        if 'If-None-Match' not in request.headers or request.url.rpartition('/')[2] not in amazon.names_raw():
            return None
        # Whatever the response is, moto gets the request as well: let that change nothing.
        request.method = 'HEAD'
        body = b'<Error><Code>PreconditionFailed</Code><Message>x</Message></Error>'
        return AWSResponse(request.url, 412, {}, HTTPResponse(io.BytesIO(body), preload_content=False))

    hook(backend, 'before-send.s3.CopyObject', heed)
    backend.write('a.txt', b'content')
    backend.write('taken.txt', b'old')
    backend.write('taken.html', b'old')
    for target in ('taken.txt', 'taken.html'):
        with pytest.raises(fs.FileExists) as raised:
            backend.copy('a.txt', target, overwrite=False)
        assert target == raised.value.filename
        assert amazon.get_raw(target) == b'old'
    backend.copy('a.txt', 'b.txt', overwrite=False)
    assert amazon.get_raw('b.txt') == b'content'


@creating
@pytest.mark.parametrize('act', ['copy', 'move'])
@pytest.mark.parametrize('target', ['b.txt', 'b.html'])
def test_a_missing_file_is_named_and_nothing_is_left(store: Any, act: str, target: str, create: bool) -> None:
    store.put_raw('taken.txt', b'old')
    with pytest.raises(fs.FileNotFound) as raised:
        getattr(store.make(), act)('missing.txt', target, overwrite=not create)
    assert raised.value.filename == 'missing.txt'
    assert store.names_raw() == ['taken.txt']
    assert store.get_raw('taken.txt') == b'old'


@creating
@pytest.mark.parametrize('target', ['b.txt', 'b.html'])
def test_a_missing_file_is_named_where_the_store_heeds_conditions(amazon: Any, target: str, create: bool) -> None:
    with pytest.raises(fs.FileNotFound) as raised:
        amazon.make().copy('missing.txt', target, overwrite=not create)
    assert raised.value.filename == 'missing.txt'
    assert amazon.names_raw() == []


def test_of_many_copies_to_one_new_name_one_wins(store: Any) -> None:
    backend = store.make()
    together = threading.Barrier(8, timeout=60)
    for number in range(8):
        backend.write(f'{number}.txt', f'{number}'.encode())

    def attempt(number: int) -> int | None:
        together.wait()
        try:
            backend.copy(f'{number}.txt', target, overwrite=False)
        except fs.FileExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            target = f'target {turn}.txt'
            winners = [number for number in pool.map(attempt, range(8)) if number is not None]
            assert len(winners) == 1
            assert f'{winners[0]}'.encode() == backend.read(target)
    assert len(store.names_raw()) == 18


# --- Files that are too large for CopyObject.


@creating
def test_a_large_file_is_copied_in_parts(store: Any, limited: Any, sent: Watch, create: bool) -> None:
    content = bytes(range(256)) * 4096 * 11 + b'rest'
    limited.write('a.bin', content, mime='image/x-odd')
    with sent(limited) as operations:
        limited.copy('a.bin', 'b.bin', overwrite=not create)
    assert operations.count('UploadPartCopy') == 2
    assert store.get_raw('b.bin') == content
    before, after = limited.stat('a.bin'), limited.stat('b.bin')
    assert before.checksum is not None
    assert (before.checksum, before.mime) == (after.checksum, after.mime)
    assert store.names_raw() == ['a.bin', 'b.bin']


def test_a_large_file_is_copied_in_parts_with_the_type_of_its_new_name(store: Any, limited: Any) -> None:
    limited.write('a.txt', bytes(PART + 1))
    limited.copy('a.txt', 'b.html')
    assert limited.stat('b.html').mime == 'text/html'


def test_a_small_file_that_cannot_be_copied_is_an_error(store: Any, limited: Any) -> None:
    limited.write('a.bin', b'content')
    with pytest.raises(fs.BackendError, match='InvalidRequest'):
        limited.copy('a.bin', 'b.bin')
    assert store.names_raw() == ['a.bin']


@creating
@pytest.mark.parametrize('action', ['replace', 'delete'])
def test_a_file_that_changes_while_it_is_copied_in_parts_is_no_mixture(
    store: Any, limited: Any, hook: Any, create: bool, action: str
) -> None:
    store.put_raw('b.bin', b'old')
    target = 'c.bin' if create else 'b.bin'
    limited.write('a.bin', b'1' * 3 * PART)
    changed: list[bool] = []

    def change(**_: Any) -> None:
        if not changed:
            changed.append(True)
            if action == 'replace':
                store.put_raw('a.bin', b'2' * 3 * PART)
            else:
                store.client.delete_object(Bucket=store.bucket, Key='a.bin')

    hook(limited, 'before-send.s3.UploadPartCopy', change)
    with pytest.raises(fs.FSError) as raised:
        limited.copy('a.bin', target, overwrite=not create)
    assert changed
    assert not isinstance(raised.value, fs.FileExists)
    assert store.get_raw('b.bin') == b'old'
    assert store.names_raw() == [*(['a.bin'] if action == 'replace' else []), 'b.bin']


def test_a_file_that_changes_while_its_type_is_changed_is_an_error(store: Any, hook: Any) -> None:
    """Its metadata was that of the old content: the new one would be given a wrong checksum."""
    backend = store.make()
    backend.write('a.txt', b'first')

    def change(**_: Any) -> None:
        store.put_raw('a.txt', b'second')

    hook(backend, 'before-send.s3.CopyObject', change)
    with pytest.raises(fs.BackendError, match='replaced in the meantime'):
        backend.copy('a.txt', 'b.html')
    assert store.names_raw() == ['a.txt']


@creating
def test_a_copy_in_parts_whose_completion_is_lost_has_succeeded(
    store: Any, proxy: Any, limited: Any, create: bool
) -> None:
    limited.write('a.bin', bytes(PART + 1))
    fault = proxy.lose_answer(when=lambda request: request.method == 'POST' and 'uploadId=' in request.path)
    limited.copy('a.bin', 'b.bin', overwrite=not create)
    assert fault.is_spent
    assert store.names_raw() == ['a.bin', 'b.bin']


def test_a_copy_in_parts_that_is_cut_off_leaves_nothing(store: Any, proxy: Any, limited: Any) -> None:
    limited.write('a.bin', bytes(2 * PART))
    proxy.slow_down(times=ALWAYS, when=lambda request: 'partNumber=' in request.path)
    with pytest.raises(fs.Unavailable):
        limited.copy('a.bin', 'b.bin')
    assert store.names_raw() == ['a.bin']


def test_an_error_in_a_response_of_status_200_is_no_copy(store: Any, proxy: Any, backend: Any) -> None:
    """S3 may begin its response to CopyObject before its end is certain."""
    store.put_raw('a.txt', b'content')
    error = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>'
    proxy.answer(200, error, headers={'Content-Type': 'application/xml'}, times=ALWAYS)
    with pytest.raises(fs.Unavailable):
        backend.move('a.txt', 'b.txt')
    assert store.names_raw() == ['a.txt']
