"""Rivals that create one name at the same moment, in threads and processes: one wins, and each of the others learns it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_s3 import S3Backend, uploads
from flask_fs_testing.sources import OnlyRead

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
PART = 5 * MiB
ROUNDS = 3
#: Two rivals in each of two processes; what one of them stores is its number again and again.
RIVALS = """
import io, sys, threading
import flask_fs as fs
from concurrent.futures import ThreadPoolExecutor
from flask_fs_s3 import S3Backend
from flask_fs_testing.sources import OnlyRead

backend = S3Backend('kit', given['settings'])
backend.exists('x')
together = threading.Barrier(2, timeout=60)

def create(number, name):
    kind, size = given['rivals'][number]
    together.wait()
    try:
        if kind == 'copy':
            backend.copy(f'source of {number}', name, overwrite=False)
        else:
            content = bytes([number]) * size
            file = io.BytesIO(content) if kind == 'file' else OnlyRead(content, step=2**20)
            backend.save(file, name)
    except fs.FileExists:
        return 'lost'
    except Exception as error:
        return repr(error)
    return 'won'

print('ready', flush=True)
with ThreadPoolExecutor(2) as pool:
    for name in sys.stdin:
        print(json.dumps(list(pool.map(lambda number: create(number, name.strip()), given['own']))), flush=True)
"""


@pytest.mark.parametrize(
    ('kinds', 'size'),
    [
        (('file', 'file', 'file', 'file'), 17 * MiB),
        (('stream', 'stream', 'stream', 'stream'), PART),
        (('file', 'small', 'stream', 'small'), 17 * MiB),
        (('copy', 'file', 'copy', 'small'), PART),
    ],
    ids=['files', 'streams', 'small and large', 'copies'],
)
def test_of_those_who_create_a_large_file_one_wins(
    store: Any, start: Callable[..., Any], kinds: tuple[str, ...], size: int
) -> None:
    rivals = [('file', 1000) if kind == 'small' else (kind, size) for kind in kinds]
    for number, kind in enumerate(kinds):
        if kind == 'copy':
            store.put_raw(f'source of {number}', bytes([number]) * size)
    given = {'settings': dict(store.settings()), 'rivals': rivals}
    children = [start(RIVALS, {**given, 'own': own}) for own in ((0, 1), (2, 3))]
    assert [child.stdout.readline() for child in children] == ['ready\n'] * 2
    for turn in range(ROUNDS):
        name = f'round {turn}'
        for child in children:
            child.stdin.write(f'{name}\n')
            child.stdin.flush()
        results = [result for child in children for result in json.loads(child.stdout.readline())]
        assert sorted(results) == ['lost', 'lost', 'lost', 'won']
        winner = results.index('won')
        content = store.get_raw(name)
        assert bytes([winner]) * rivals[winner][1] == content
    # Nothing is left of the losers, in temporary names or as parts.
    sources = [f'source of {number}' for number, kind in enumerate(kinds) if kind == 'copy']
    assert sorted((*(f'round {turn}' for turn in range(ROUNDS)), *sources)) == store.names_raw()


# --- How that is done.


@pytest.mark.parametrize('stream', [False, True], ids=['file', 'stream'])
def test_what_must_not_overwrite_is_sent_by_one_request(store: Any, sent: Any, stream: bool) -> None:
    backend: S3Backend = store.make()
    with sent(backend) as operations:
        _create(backend, stream)
    assert operations == ['HeadObject', 'PutObject']
    assert backend.stat('x').size == 12 * MiB
    assert backend.stat('x').checksum is not None


@pytest.mark.parametrize('stream', [False, True], ids=['file', 'stream'])
def test_where_completing_is_known_to_be_safe_it_is_sent_in_parts(store: Any, sent: Any, stream: bool) -> None:
    backend: S3Backend = store.make(conditional_completion=True)
    with sent(backend) as operations:
        _create(backend, stream)
    assert operations == ['HeadObject', 'CreateMultipartUpload', *['UploadPart'] * 3, 'CompleteMultipartUpload']


def test_amazon_completes_on_condition_and_is_sent_parts(amazon: Any, sent: Any) -> None:
    backend: S3Backend = amazon.make()
    with sent(backend) as operations:
        _create(backend, stream=True)
    assert operations == ['HeadObject', 'CreateMultipartUpload', *['UploadPart'] * 3, 'CompleteMultipartUpload']


@pytest.mark.parametrize('stream', [False, True], ids=['file', 'stream'])
def test_what_is_too_large_for_one_request_is_sent_in_parts(
    store: Any, sent: Any, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, 'MAX_REQUEST_BYTES', 11 * MiB)
    backend: S3Backend = store.make()
    with sent(backend) as operations:
        content = _create(backend, stream)
    assert operations == ['HeadObject', 'CreateMultipartUpload', *['UploadPart'] * 3, 'CompleteMultipartUpload']
    assert store.get_raw('x') == content


def test_a_request_that_fails_is_sent_again_from_its_beginning(store: Any, proxy: Any) -> None:
    backend: S3Backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}')
    fault = proxy.cut_upload(after_bytes=3 * MiB)
    content = _create(backend, stream=False)
    assert fault.struck
    assert store.get_raw('x') == content


def test_a_file_that_changes_while_it_is_sent_is_not_stored(store: Any, hook: Any, tmp_path: Path) -> None:
    backend: S3Backend = store.make()
    path = tmp_path / 'changing'
    path.write_bytes(bytes(6 * MiB))

    def change(**_: Any) -> None:
        with path.open('r+b') as file:
            file.seek(4 * MiB)
            file.write(b'other')

    hook(backend, 'before-send.s3.PutObject', change)
    with path.open('rb') as file, pytest.raises(fs.BackendError, match='changed while it was being uploaded'):
        backend.save(file, 'x')
    assert store.names_raw() == []


@pytest.mark.parametrize('request_checksums', ['when_supported', 'when_required'])
def test_memory_that_changes_while_it_is_sent_is_not_stored(store: Any, hook: Any, request_checksums: str) -> None:
    """Nothing but its bytes shows it, and not every store is given a CRC-32 to compare."""
    backend: S3Backend = store.make(request_checksums=request_checksums)
    file = io.BytesIO(bytes(6 * MiB))

    def change(**_: Any) -> None:
        with file.getbuffer() as content:
            content[4 * MiB] = 1

    hook(backend, 'before-send.s3.PutObject', change)
    with pytest.raises(fs.BackendError):
        backend.save(file, 'x')
    assert store.names_raw() == []


def test_a_file_that_shrinks_while_it_is_sent_is_not_stored(store: Any, hook: Any, tmp_path: Path) -> None:
    backend: S3Backend = store.make()
    path = tmp_path / 'shrinking'
    path.write_bytes(bytes(6 * MiB))
    hook(backend, 'before-send.s3.PutObject', lambda **_: os.truncate(path, PART))
    with path.open('rb') as file, pytest.raises(fs.BackendError, match='changed while it was being uploaded'):
        backend.save(file, 'x')
    assert store.names_raw() == []


def test_a_store_that_accepts_no_such_request_is_reported_with_the_setting(store: Any, proxy: Any) -> None:
    """As a web server in front of it does, which limits how large a request may be."""
    backend: S3Backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}')
    proxy.answer(413, when=lambda request: request.method == 'PUT')
    with pytest.raises(fs.BackendError, match='KIT_FS_CONDITIONAL_COMPLETION = True'):
        _create(backend, stream=False)


def _create(backend: S3Backend, stream: bool) -> bytes:
    content = os.urandom(MiB) * 12
    backend.save(OnlyRead(content, step=MiB) if stream else io.BytesIO(content), 'x')
    return content
