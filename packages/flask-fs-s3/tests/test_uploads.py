"""Uploads of known and unknown length, in one part and in many, and what is left of those that fail."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs_s3 import multipart, uploads
from flask_fs_testing.sources import Failing, OnlyRead, Pattern, SourceFailed

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
#: From this size on the harness has files sent in parts, of this size.
PART = 5 * MiB
ALWAYS = 1000
Watch = Callable[[Any], AbstractContextManager[list[str]]]


@pytest.fixture
def backend(store: Any, proxy: Any) -> Any:
    """A backend that takes the store for one that completes on condition, so that creating is in parts, too."""
    return store.make_via_proxy(f'{proxy.host}:{proxy.port}', conditional_completion=True)


class Generous(OnlyRead):
    """Gives more than requested, as files of archives and of networks do that have only whole blocks."""

    def read(self, size: int = -1) -> bytes:
        chunk, self._content = self._content[: 2 * PART + 77], self._content[2 * PART + 77 :]
        return chunk


def _content(size: int) -> bytes:
    return os.urandom(1024) * (size // 1024) + bytes(size % 1024)


def _is_part(request: Any) -> bool:
    return request.method == 'PUT' and 'partNumber=' in request.path


def _is_completion(request: Any) -> bool:
    return request.method == 'POST' and 'uploadId=' in request.path


# --- What arrives.


@pytest.mark.parametrize('size', [1, PART + 1, 2 * PART + 1])
@pytest.mark.parametrize('kind', ['memory', 'file', 'spooled'])
def test_a_storage_saves_the_same_file_twice(store: Any, tmp_path: Path, size: int, kind: str) -> None:
    """Whether it was sent in one part or in many: a file is left at the position that it had."""
    storage, content = fs.Storage('kit', fs.ALL), _content(size)
    prefix = 'KIT_FS_'
    config = {f'{prefix}{key.upper()}': value for key, value in store.settings().items()}
    storage.configure(SimpleNamespace(config={**config, f'{prefix}BACKEND': 's3'}))
    makers = {
        'memory': io.BytesIO,
        'file': lambda: (tmp_path / 'x').open('w+b'),
        'spooled': tempfile.SpooledTemporaryFile,
    }
    with makers[kind]() as file:
        file.write(b'skipped' + content)
        file.seek(7)
        for name in ('one', 'two'):
            storage.save(file, name)
            assert file.tell() == 7
            assert store.get_raw(name) == content
        with pytest.raises(fs.FileExists):
            storage.save(file, 'one')
        storage.write('one', file, overwrite=True)
        assert file.tell() == 7
    assert store.get_raw('one') == content


@pytest.mark.parametrize('size', [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_a_stream_of_unknown_length_arrives_whole(store: Any, size: int) -> None:
    content = _content(size)
    store.make().save(OnlyRead(content, step=700_001), 'x.bin', overwrite=True)
    assert store.get_raw('x.bin') == content


def test_a_created_stream_of_unknown_length_arrives_whole_at_the_second_attempt(store: Any, proxy: Any) -> None:
    """It passes through a temporary file of which the operating system forgets what it has written to the disk."""
    fault = proxy.cut_upload(after_bytes=15 * MiB, when=lambda request: request.method == 'PUT')
    backend = store.make_via_proxy(f'{proxy.host}:{proxy.port}')
    content = _content(20 * MiB + 1)
    backend.save(OnlyRead(content, step=700_001), 'x.bin', overwrite=False)
    assert fault.is_spent
    assert store.get_raw('x.bin') == content
    assert backend.stat('x.bin').checksum == f'sha256:{hashlib.sha256(content).hexdigest()}'


def test_a_source_that_gives_more_than_requested_arrives_whole(store: Any) -> None:
    content = _content(4 * PART + 3)
    store.make().save(Generous(content), 'x.bin', overwrite=True)
    assert store.get_raw('x.bin') == content


def _memory(content: bytes, folder: Path) -> Any:
    return io.BytesIO(content)


def _file(content: bytes, folder: Path) -> Any:
    path = folder / 'source'
    path.write_bytes(content)
    return path.open('rb')


def _spooled(content: bytes, folder: Path) -> Any:
    """As werkzeug keeps uploads."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=MiB))
        source.write(content)
        source.seek(0)
        stack.pop_all()
        return source


@pytest.mark.parametrize('make', [_memory, _file, _spooled])
@pytest.mark.parametrize('size', [10, PART, 2 * PART + 1])
def test_the_checksum_is_the_one_that_local_gives(
    store: Any, tmp_path: Path, make: Callable[[bytes, Path], Any], size: int
) -> None:
    content = _content(size)
    local = LocalBackend('kit', {'root': str(tmp_path / 'local')})
    local.write('x.bin', content)
    backend = store.make()
    with make(content, tmp_path) as source:
        backend.save(source, 'x.bin', overwrite=True)
        assert source.read() == b''
    assert local.metadata('x.bin')['checksum'] == backend.stat('x.bin').checksum
    assert local.metadata('x.bin')['checksum'] == backend.metadata('x.bin')['checksum']


def test_a_file_is_sent_from_where_it_stands(store: Any) -> None:
    content = _content(2 * PART)
    source = io.BytesIO(content)
    source.seek(1000)
    backend = store.make()
    backend.save(source, 'x.bin', overwrite=True)
    assert store.get_raw('x.bin') == content[1000:]
    assert backend.stat('x.bin').checksum == f'sha256:{hashlib.sha256(content[1000:]).hexdigest()}'


def test_the_checksum_of_a_long_stream_is_not_kept_but_true(store: Any) -> None:
    content = _content(PART + 1)
    backend = store.make()
    backend.save(OnlyRead(content, step=MiB), 'x.bin', overwrite=True)
    assert backend.stat('x.bin').checksum is None
    assert backend.metadata('x.bin')['checksum'] == f'sha256:{hashlib.sha256(content).hexdigest()}'


def test_another_algorithm_is_used_in_parts_too(store: Any) -> None:
    content = _content(PART + 1)
    backend = store.make(checksum='sha1')
    backend.write('x.bin', content)
    assert backend.stat('x.bin').checksum == f'sha1:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}'


@pytest.mark.parametrize('size', [10, PART + 1])
def test_type_and_own_metadata_are_kept_in_one_part_and_in_many(store: Any, size: int) -> None:
    backend = store.make(object_parameters={'Metadata': {'color': 'blue'}, 'CacheControl': 'max-age=60'})
    backend.save(OnlyRead(_content(size), step=MiB), 'x.bin', mime='image/x-odd', overwrite=True)
    assert backend.stat('x.bin').mime == 'image/x-odd'
    response = store.client.head_object(Bucket=store.bucket, Key='x.bin')
    assert response['Metadata']['color'] == 'blue'
    assert response['CacheControl'] == 'max-age=60'


def test_many_threads_upload_in_parts_at_once(store: Any) -> None:
    backend = store.make()
    contents = {f'{number}.bin': os.urandom(1000) + bytes(PART + number) for number in range(16)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: backend.write(name, contents[name], overwrite=False), contents))
    assert store.names_raw() == sorted(contents)
    for name, content in contents.items():
        assert backend.read(name) == content


# --- Sources that fail.


@pytest.mark.parametrize('after', [10, PART, 2 * PART + 10, 4 * PART])
@pytest.mark.parametrize('create', [False, True])
def test_a_source_that_fails_leaves_what_was_there(store: Any, after: int, create: bool) -> None:
    store.put_raw('x.bin', b'old')
    name = 'new.bin' if create else 'x.bin'
    with pytest.raises(SourceFailed):
        store.make().save(Failing(_content(4 * PART + 5), after), name, overwrite=not create)
    assert store.names_raw() == ['x.bin']
    assert store.get_raw('x.bin') == b'old'


@pytest.mark.parametrize('after', [10, 2 * PART + 10])
@pytest.mark.parametrize(
    'error',
    [
        ClientError({'Error': {'Code': 'NoSuchBucket'}, 'ResponseMetadata': {'HTTPStatusCode': 404}}, 'GetObject'),
        EndpointConnectionError(endpoint_url='http://elsewhere'),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_source_raises_is_passed_on_as_it_is(store: Any, error: BaseException, after: int) -> None:
    """Also errors of S3's own client: the source may be an object in another store."""

    class Source(OnlyRead):
        def read(self, size: int = -1) -> bytes:
            if chunk := super().read(size):
                return chunk
            raise error

    with pytest.raises(type(error)) as raised:
        store.make().save(Source(_content(after), step=MiB), 'x.bin', overwrite=True)
    assert raised.value is error
    assert store.names_raw() == []


def test_a_file_that_changes_while_it_is_sent_is_not_stored(store: Any, tmp_path: Path, hook: Any) -> None:
    store.put_raw('x.bin', b'old')
    path = tmp_path / 'x.bin'
    path.write_bytes(_content(3 * PART))
    backend = store.make()

    def rewrite(**_: Any) -> None:
        with open(path, 'r+b') as other:
            other.write(b'changed')
        os.utime(path, ns=(1, 1))

    hook(backend, 'before-send.s3.CreateMultipartUpload', rewrite)
    with open(path, 'rb') as file, pytest.raises(fs.BackendError, match='changed'):
        backend.save(file, 'x.bin', overwrite=True)
    assert store.names_raw() == ['x.bin']
    assert store.get_raw('x.bin') == b'old'


def test_a_stream_of_too_many_parts_is_too_large_and_leaves_nothing(store: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(multipart, 'MAX_PARTS', 2)
    monkeypatch.setattr(uploads, 'MAX_PARTS', 2)
    backend = store.make()
    backend.save(Pattern(2 * PART), 'fits.bin', overwrite=True)
    with pytest.raises(fs.FileTooLarge, match='PART_BYTES'):
        backend.save(Pattern(2 * PART + 1), 'x.bin', overwrite=True)
    assert store.names_raw() == ['fits.bin']


def test_a_file_of_known_size_gets_parts_as_large_as_it_needs(store: Any, monkeypatch: Any, sent: Watch) -> None:
    monkeypatch.setattr(multipart, 'MAX_PARTS', 2)
    monkeypatch.setattr(uploads, 'MAX_PARTS', 2)
    content = _content(3 * PART + 1)
    backend = store.make()
    with sent(backend) as operations:
        backend.save(io.BytesIO(content), 'x.bin', overwrite=True)
    assert operations.count('UploadPart') == 2
    assert store.get_raw('x.bin') == content


# --- Names that are taken.


def test_a_taken_name_is_refused_before_any_part_is_sent(store: Any, sent: Watch) -> None:
    store.put_raw('x.bin', b'old')
    backend = store.make()
    with sent(backend) as operations, pytest.raises(fs.FileExists):
        backend.save(Pattern(3 * PART), 'x.bin', overwrite=False)
    assert operations == ['HeadObject']
    assert store.get_raw('x.bin') == b'old'


def test_of_two_uploads_in_parts_to_one_new_name_one_wins(store: Any, hook: Any) -> None:
    """Completed one after the other: SeaweedFS looks and completes in two steps, so that at once both may win."""
    backend = store.make(conditional_completion=True)
    # Both have seen that the name is free before either is completed.
    together = threading.Barrier(2, timeout=30)
    completing = threading.Lock()
    begun: list[str] = []

    def begin(request: Any, **_: Any) -> None:
        # Once for each: a request that is repeated on a busy machine would wait for a second one in vain.
        if request.url not in begun:
            begun.append(request.url)
            together.wait()
            completing.acquire()

    def end(**_: Any) -> None:
        completing.release()

    hook(backend, 'before-send.s3.CompleteMultipartUpload', begin)
    hook(backend, 'after-call.s3.CompleteMultipartUpload', end)

    def save(letter: bytes) -> bytes | None:
        try:
            backend.save(OnlyRead(letter * (PART + 1), step=MiB), 'x.bin', overwrite=False)
        except fs.FileExists:
            return None
        return letter

    with ThreadPoolExecutor(2) as pool:
        winners = [letter for letter in pool.map(save, [b'a', b'b']) if letter]
    assert len(winners) == 1
    assert store.get_raw('x.bin') == winners[0] * (PART + 1)
    assert store.names_raw() == ['x.bin']


def test_a_name_taken_while_parts_are_sent_stays_with_its_first_writer(store: Any) -> None:
    class Overtaken(OnlyRead):
        def read(self, size: int = -1) -> bytes:
            if not (chunk := super().read(size)):
                store.put_raw('x.bin', b'first')
            return chunk

    with pytest.raises(fs.FileExists):
        store.make().save(Overtaken(_content(PART + 1), step=MiB), 'x.bin', overwrite=False)
    assert store.get_raw('x.bin') == b'first'
    assert store.names_raw() == ['x.bin']


# --- Networks that fail.


@pytest.mark.parametrize('create', [False, True])
def test_a_connection_cut_inside_a_part_leaves_what_was_there(
    store: Any, proxy: Any, backend: Any, create: bool
) -> None:
    store.put_raw('x.bin', b'old')
    fault = proxy.cut_upload(after_bytes=MiB, times=ALWAYS, when=_is_part)
    with pytest.raises(fs.Unavailable):
        backend.save(Pattern(3 * PART), 'new.bin' if create else 'x.bin', overwrite=not create)
    assert fault.struck
    assert store.names_raw() == ['x.bin']
    assert store.get_raw('x.bin') == b'old'


def test_a_connection_cut_once_inside_a_part_is_not_noticed(store: Any, proxy: Any, backend: Any) -> None:
    fault = proxy.cut_upload(after_bytes=MiB, when=_is_part)
    content = _content(2 * PART)
    backend.save(OnlyRead(content, step=MiB), 'x.bin', overwrite=True)
    assert fault.is_spent
    assert store.get_raw('x.bin') == content


def test_what_a_dead_store_kept_it_from_aborting_can_be_swept(
    store: Any, proxy: Any, backend: Any, caplog: Any
) -> None:
    class Unplugged(OnlyRead):
        def read(self, size: int = -1) -> bytes:
            if not (chunk := super().read(size)):
                proxy.down()
            return chunk

    with pytest.raises(fs.Unavailable):
        backend.save(Unplugged(_content(2 * PART), step=MiB), 'x.bin', overwrite=True)
    assert sum('sweep' in record.getMessage() for record in caplog.records) == 1
    assert store.names_raw() == ['upload of x.bin']
    proxy.up()
    assert list(backend.list_files()) == []
    assert backend.sweep() == 0
    assert backend.sweep(older_than_s=0) == 1
    assert store.names_raw() == []


def test_a_busy_store_is_sent_a_part_again(store: Any, proxy: Any, backend: Any) -> None:
    fault = proxy.slow_down(when=_is_part)
    content = _content(2 * PART + 1)
    backend.save(OnlyRead(content, step=MiB), 'x.bin', overwrite=True)
    assert fault.is_spent
    assert store.get_raw('x.bin') == content


@pytest.mark.parametrize('status', [500, 503])
def test_a_busy_store_gets_the_completion_again(store: Any, proxy: Any, backend: Any, status: int) -> None:
    fault = proxy.answer(status, '<Error><Code>InternalError</Code></Error>', when=_is_completion)
    backend.save(Pattern(PART + 1), 'x.bin', overwrite=False)
    assert fault.is_spent
    assert store.names_raw() == ['x.bin']


def test_an_error_in_a_response_of_status_200_is_an_error_all_the_same(store: Any, proxy: Any, backend: Any) -> None:
    """S3 may begin its response to CompleteMultipartUpload before its end is certain."""
    error = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>'
    fault = proxy.answer(200, error, headers={'Content-Type': 'application/xml'}, times=ALWAYS, when=_is_completion)
    with pytest.raises(fs.Unavailable):
        backend.save(Pattern(PART + 1), 'x.bin', overwrite=True)
    assert fault.struck
    assert store.names_raw() == []


def test_a_creation_whose_response_was_lost_has_succeeded(store: Any, proxy: Any, backend: Any) -> None:
    fault = proxy.lose_answer(when=lambda request: request.method == 'PUT')
    backend.write('x.txt', b'mine', overwrite=False)
    assert fault.is_spent
    assert store.get_raw('x.txt') == b'mine'


def test_a_creation_that_met_another_writer_after_a_lost_response_has_not(store: Any, proxy: Any, backend: Any) -> None:
    """The first attempt did not arrive; before the second one another writer stored even the same content."""

    def overtake(request: Any) -> bool:
        if request.method == 'PUT':
            store.put_raw('x.txt', b'same')
        return request.method == 'PUT'

    proxy.cut_upload(after_bytes=1, when=overtake)
    with pytest.raises(fs.FileExists):
        backend.write('x.txt', b'same', overwrite=False)


@pytest.mark.parametrize('create', [False, True])
def test_a_completion_whose_response_was_lost_has_succeeded(store: Any, proxy: Any, backend: Any, create: bool) -> None:
    fault = proxy.lose_answer(when=_is_completion)
    content = _content(PART + 1)
    backend.save(OnlyRead(content, step=MiB), 'x.bin', overwrite=not create)
    assert fault.is_spent
    assert store.get_raw('x.bin') == content
    assert store.names_raw() == ['x.bin']


def test_a_part_whose_response_was_lost_is_stored_once(store: Any, proxy: Any, backend: Any) -> None:
    fault = proxy.lose_answer(when=_is_part)
    content = _content(2 * PART)
    backend.save(OnlyRead(content, step=MiB), 'x.bin', overwrite=True)
    assert fault.is_spent
    assert store.get_raw('x.bin') == content


@pytest.fixture
def altering(store: Any) -> Iterator[str]:
    """The address of a relay that turns every ``AAAA`` on the way to the server into ``AABA``."""
    listener = socket.create_server(('127.0.0.1', 0))
    open_sockets = [listener]

    def carry(source: socket.socket, target: socket.socket, old: bytes, new: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data.replace(old, new))
        for end in (source, target):
            end.close()

    def accept() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection((store.host, store.port))
            open_sockets.extend((client, server))
            for ends in ((client, server, b'AAAA', b'AABA'), (server, client, b'\0', b'\0')):
                threading.Thread(target=carry, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    host, port = listener.getsockname()
    yield f'{host}:{port}'
    for one in open_sockets:
        with contextlib.suppress(OSError):
            # Wakes the thread that waits for it, which closing alone does not.
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.mark.parametrize('make', [io.BytesIO, OnlyRead])
@pytest.mark.parametrize('size', [100, PART + 1])
@pytest.mark.parametrize('checksum', ['sha256', 'sha1', 'md5'])
@pytest.mark.parametrize('overwrite', [True, False])
def test_what_was_altered_on_the_way_is_refused(
    store: Any, altering: str, make: Callable[[bytes], Any], size: int, checksum: str, overwrite: bool
) -> None:
    store.put_raw('x.bin', b'old')
    backend = store.make_via_proxy(altering, checksum=checksum)
    backend.save(make(b'C' * size), 'y.bin', overwrite=overwrite)
    assert store.get_raw('y.bin') == b'C' * size
    with pytest.raises(fs.ChecksumMismatch):
        backend.save(make(b'A' * size), 'x.bin' if overwrite else 'new.bin', overwrite=overwrite)
    assert store.names_raw() == ['x.bin', 'y.bin']
    assert store.get_raw('x.bin') == b'old'


# --- Processes that die.


def test_a_process_killed_inside_an_upload_leaves_what_was_there(store: Any, start: Callable[..., Any]) -> None:
    store.put_raw('x.bin', b'old')
    child = start(
        """
        from flask_fs_s3 import S3Backend

        class Endless:
            count = 0

            def read(self, size=-1):
                self.count += 1
                if self.count == 30:
                    print('sending', flush=True)
                    input()
                return bytes(2**20)

        S3Backend('kit', given).save(Endless(), 'x.bin', overwrite=True)
        """,
        dict(store.settings()),
    )
    assert child.stdout.readline() == 'sending\n'
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    backend = store.make()
    assert backend.read('x.bin') == b'old'
    assert list(backend.list_files()) == ['x.bin']
    assert store.names_raw() == ['upload of x.bin', 'x.bin']
    assert backend.sweep(older_than_s=0) == 1
    assert store.names_raw() == ['x.bin']
    assert backend.read('x.bin') == b'old'


def test_sweeping_spares_what_is_not_below_the_prefix(store: Any) -> None:
    for key in ('tenants/7/x', 'tenants/70/x', 'other'):
        store.client.create_multipart_upload(Bucket=store.bucket, Key=key)
    assert store.make(prefix='tenants/7').sweep(older_than_s=0) == 1
    assert store.names_raw() == ['upload of other', 'upload of tenants/70/x']


@pytest.mark.parametrize(('size', 'parts'), [(100, 13), (128, 16), (200, 16), (512, 16), (1024, 32)], ids=str)
def test_a_large_file_has_parts_that_are_few_but_enough_to_be_sent_at_once(size: int, parts: int) -> None:
    part_bytes = multipart.part_size(size * MiB, None)
    assert -(-size * MiB // part_bytes) == parts
    assert multipart.part_size(size * MiB, 5 * MiB) == 5 * MiB
