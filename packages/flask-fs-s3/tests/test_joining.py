"""Files made of what clients have sent, inside the store."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest
from botocore.exceptions import ClientError

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, FileInfo
from flask_fs.backends.incoming import Incoming
from flask_fs_s3 import S3Backend, joining

MiB = 1024 * 1024
FOLDER = '.fs-incoming/0123/'
Watch = Callable[[S3Backend], AbstractContextManager[list[str]]]


def put_pieces(store: Any, *contents: bytes) -> list[FileInfo]:
    """Pieces as clients store them, with what nobody has checked."""
    for number, content in enumerate(contents):
        store.client.put_object(
            Bucket=store.bucket,
            Key=f'{FOLDER}{number}',
            Body=content,
            ContentType='text/html',
            CacheControl='max-age=1',
            ContentDisposition='attachment',
            Metadata={'fs-checksum': 'sha256:00', 'note': 'forged'},
        )
    return sorted(store.make()._scan(FOLDER), key=lambda info: int(info.name.rpartition('/')[2]))


def join(
    backend: S3Backend,
    pieces: Sequence[FileInfo],
    target: str = 'a.txt',
    *,
    create: bool = True,
    attributes: Attributes = NO_ATTRIBUTES,
) -> None:
    backend._call_hook(lambda name: backend._join(pieces, name, create=create, attributes=attributes), target)


SHAPES = [
    (0,),
    (7,),
    (6 * MiB,),
    (6 * MiB, 5 * MiB, 7),
    (7, 8, 9),
    (0, 7, 0, 6 * MiB, 0),
    (0, 0),
    (7, 6 * MiB),
    (5 * MiB + 1, 1, 5 * MiB, 2, 5 * MiB - 1, 11 * MiB),
    (3 * MiB, 3 * MiB, 3 * MiB),
    (4 * MiB, 5 * MiB),
]


@pytest.mark.parametrize(
    ('shape', 'completes', 'create'),
    [
        *((shape, None, True) for shape in SHAPES),
        (SHAPES[0], None, False),
        *((SHAPES[3], completes, create) for completes, create in ((True, True), (True, False), (None, False))),
    ],
)
def test_a_file_has_the_bytes_of_its_pieces_in_their_order(
    store: Any, shape: tuple[int, ...], completes: bool | None, create: bool
) -> None:
    backend = store.make(conditional_completion=completes)
    contents = [os.urandom(size) for size in shape]
    join(backend, put_pieces(store, *contents), create=create)
    assert backend.read('a.txt') == b''.join(contents)
    assert store.names_raw() == [*sorted(f'{FOLDER}{number}' for number in range(len(shape))), 'a.txt']


@pytest.mark.parametrize('shape', [(7,), (6 * MiB, 7)])
@pytest.mark.parametrize('create', [True, False])
def test_nothing_that_clients_said_of_their_pieces_is_kept(store: Any, shape: tuple[int, ...], create: bool) -> None:
    backend = store.make(object_parameters={'CacheControl': 'private', 'Metadata': {'from': 'settings'}})
    pieces = put_pieces(store, *map(bytes, shape))
    join(backend, pieces, create=create, attributes=Attributes(download_name='b.txt', metadata={'page': '1'}))
    info = backend.stat('a.txt')
    assert info.attributes == Attributes(
        cache_control='private', download_name='b.txt', metadata={'page': '1', 'from': 'settings'}
    )
    assert (info.mime, info.checksum) == ('text/plain', None)
    join(backend, pieces, 'b.txt', attributes=Attributes(mime='image/png'))
    assert backend.stat('b.txt').mime == 'image/png'


def test_a_checksum_that_the_store_has_compared_is_kept(store: Any) -> None:
    digest = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
    store.client.put_object(
        Bucket=store.bucket,
        Key=f'{FOLDER}0',
        Body=b'hello',
        ChecksumSHA256='LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=',
        Metadata={'fs-checksum': 'sha256:00'},
    )
    backend = store.make()
    pieces = list(backend._scan(FOLDER))
    assert Incoming(backend, '0123').stat(pieces[0]).checksum == f'sha256:{digest}'
    join(backend, pieces)
    assert backend.stat('a.txt').checksum == f'sha256:{digest}'
    other = store.make(checksum='md5')
    join(other, pieces, 'b.txt')
    assert other.stat('b.txt').checksum is None


def test_a_forged_checksum_is_not_believed(store: Any) -> None:
    [piece] = put_pieces(store, b'hello')
    assert Incoming(store.make(), '0123').stat(piece).checksum is None


@pytest.mark.parametrize('shape', [(7,), (6 * MiB, 7)])
def test_a_file_that_is_there_is_kept(store: Any, sent: Watch, shape: tuple[int, ...]) -> None:
    backend = store.make()
    backend.write('a.txt', b'first')
    pieces = put_pieces(store, *map(bytes, shape))
    with sent(backend) as operations, pytest.raises(fs.FileExists):
        join(backend, pieces)
    assert operations == ['HeadObject']
    assert backend.read('a.txt') == b'first'


@pytest.mark.parametrize('shape', [(7,), (6 * MiB, 7)])
def test_a_file_that_comes_meanwhile_is_kept(store: Any, hook: Any, shape: tuple[int, ...]) -> None:
    backend = store.make()
    pieces = put_pieces(store, *map(bytes, shape))

    def come(**_: Any) -> None:
        store.put_raw('a.txt', b'first')

    hook(backend, 'before-call.s3.CopyObject', come)
    with pytest.raises(fs.FileExists):
        join(backend, pieces)
    assert backend.read('a.txt') == b'first'
    assert len(store.names_raw()) == len(shape) + 1


@pytest.mark.parametrize('create', [True, False])
@pytest.mark.parametrize('shape', [(7,), (6 * MiB, 7), (7, 6 * MiB)])
@pytest.mark.parametrize('change', ['replace', 'remove'])
def test_a_piece_that_changes_before_it_is_joined_is_an_error(
    store: Any, shape: tuple[int, ...], create: bool, change: str
) -> None:
    """Who may send a piece could replace what was checked, where the store or a form lets them."""
    backend = store.make()
    pieces = put_pieces(store, *map(bytes, shape))
    if change == 'replace':
        store.put_raw(pieces[0].name, b'evil')
    else:
        store.client.delete_object(Bucket=store.bucket, Key=pieces[0].name)
    with pytest.raises(fs.Replaced if change == 'replace' else fs.FileNotFound):
        join(backend, pieces, create=create)
    assert [name for name in store.names_raw() if not name.startswith(FOLDER)] == []


@pytest.mark.parametrize('change', ['replace', 'remove'])
@pytest.mark.parametrize('create', [True, False])
def test_a_piece_that_changes_while_it_is_copied_is_an_error(store: Any, hook: Any, create: bool, change: str) -> None:
    backend = store.make()
    [piece] = put_pieces(store, b'content')

    def change_it(**_: Any) -> None:
        if change == 'replace':
            store.put_raw(piece.name, b'evil')
        else:
            store.client.delete_object(Bucket=store.bucket, Key=piece.name)

    hook(backend, 'before-call.s3.CopyObject', change_it)
    with pytest.raises(fs.Replaced if change == 'replace' else fs.FileNotFound):
        join(backend, [piece], create=create)
    assert not backend.exists('a.txt')


@pytest.mark.parametrize('shape', [(7,), (5 * MiB, 7)])
def test_of_many_who_join_and_store_at_once_one_wins(store: Any, shape: tuple[int, ...]) -> None:
    backend = store.make()
    contents = [os.urandom(size) for size in shape]
    pieces = put_pieces(store, *contents)
    for turn in range(8):
        won: list[bytes] = []
        gate = threading.Barrier(4)

        def rival(number: int, turn: int = turn, gate: threading.Barrier = gate, won: list[bytes] = won) -> None:
            gate.wait()
            try:
                if number % 2:
                    join(backend, pieces, f'{turn}.txt')
                    won.append(b''.join(contents))
                else:
                    backend.write(f'{turn}.txt', b'%d' % number, overwrite=False)
                    won.append(b'%d' % number)
            except fs.FileExists:
                pass

        threads = [threading.Thread(target=rival, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [backend.read(f'{turn}.txt')] == won


@pytest.mark.parametrize('operation', ['UploadPartCopy', 'CompleteMultipartUpload', 'CopyObject'])
@pytest.mark.parametrize('completes', [None, True])
def test_an_interrupt_leaves_nothing_behind(store: Any, hook: Any, operation: str, completes: bool | None) -> None:
    backend = store.make(conditional_completion=completes, concurrency=1)
    pieces = put_pieces(store, bytes(5 * MiB), bytes(5 * MiB), b'end')
    before = store.names_raw()

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    hook(backend, f'before-call.s3.{operation}', interrupt)
    if completes and operation == 'CopyObject':
        join(backend, pieces)
        return
    with pytest.raises(KeyboardInterrupt):
        join(backend, pieces)
    assert store.names_raw() == before


def test_a_lost_response_to_a_copy_is_no_rival(store: Any, backend: S3Backend, proxy: Any) -> None:
    """The second attempt meets the object that the first one has made."""
    pieces = put_pieces(store, b'content')
    assert not backend.exists('a.txt')
    fault = proxy.lose_response(when=lambda request: request.method == 'PUT')
    join(backend, pieces)
    assert fault.is_spent
    assert backend.read('a.txt') == b'content'


def test_one_piece_is_copied_by_one_request(store: Any, sent: Watch) -> None:
    backend = store.make()
    pieces = put_pieces(store, b'content')
    with sent(backend) as operations:
        join(backend, pieces)
    assert operations == ['HeadObject', 'HeadObject', 'CopyObject']


@pytest.mark.parametrize(
    ('shape', 'read'),
    [
        ((7,), 0),
        ((20 * MiB,), 0),
        ((8 * MiB, 8 * MiB, 8 * MiB, 7), 0),
        ((5 * MiB, 5 * MiB), 0),
        # What is too small goes with the beginning of what follows.
        ((8 * MiB, 1 * MiB, 20 * MiB), 5 * MiB),
        ((1 * MiB, 1 * MiB), 2 * MiB),
    ],
)
def test_no_byte_passes_through_the_application_that_need_not(
    store: Any, backend: S3Backend, proxy: Any, shape: tuple[int, ...], read: int
) -> None:
    pieces = put_pieces(store, *map(bytes, shape))
    join(backend, pieces)
    assert backend.stat('a.txt').size == sum(shape)
    # Heads of requests and of responses, and the list of parts.
    small = 40 * 1024
    assert read <= sum(one.bytes_down for one in proxy.connections) < read + small
    assert read <= sum(one.bytes_up for one in proxy.connections) < read + small


def test_large_pieces_are_copied_in_several_parts(store: Any, sent: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, 'MAX_PART_BYTES', 12 * MiB)
    monkeypatch.setattr(joining, 'COPIED_PART_BYTES', 6 * MiB)
    content = os.urandom(17 * MiB)
    backend = store.make()
    pieces = put_pieces(store, content)
    with sent(backend) as operations:
        join(backend, pieces)
    assert operations.count('UploadPartCopy') == 3
    # More than a request can copy is completed where it is to be.
    assert 'CopyObject' not in operations
    assert backend.read('a.txt') == content


def test_more_pieces_than_parts_are_too_many(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('flask_fs_s3.multipart.MAX_PARTS', 1)
    backend = store.make()
    pieces = put_pieces(store, bytes(5 * MiB), b'more')
    with pytest.raises(fs.FileTooLarge, match='it was uploaded in more than'):
        join(backend, pieces)
    assert len(store.names_raw()) == 2


def test_pieces_without_an_etag_are_not_believed(store: Any) -> None:
    [piece] = put_pieces(store, b'content')
    listed = FileInfo(piece.name, piece.size, piece.modified)
    with pytest.raises(fs.OperationNotSupported, match='KIT_FS_CONDITIONAL_WRITES = False'):
        join(store.make(), [listed])


def test_a_bucket_of_one_key_prefix_joins_below_it(store: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    with store.make_app(storage, prefix='tenant').app_context():
        backend = storage.backend
        incoming = Incoming(backend, '0123')
        incoming.put(io.BytesIO(bytes(5 * MiB)))
        incoming.put(io.BytesIO(b'end'), 5 * MiB)
        incoming.create(incoming.pieces(), 'a.bin', create=True)
        incoming.discard()
        assert storage.read('a.bin') == bytes(5 * MiB) + b'end'
    assert store.names_raw() == ['tenant/a.bin']


def test_without_conditions_pieces_of_the_application_are_joined_too(store: Any) -> None:
    backend = store.make(conditional_writes=False)
    incoming = Incoming(backend, '0123')
    incoming.put(io.BytesIO(b'hello'))
    incoming.create(incoming.pieces(), 'one.txt', create=True)
    assert backend.stat('one.txt').checksum.startswith('sha256:')  # type: ignore[union-attr]
    incoming.put(io.BytesIO(bytes(5 * MiB)))
    incoming.put(io.BytesIO(b'end'), 5 * MiB)
    incoming.create(incoming.pieces(), 'two.bin', create=True)
    assert backend.read('two.bin') == bytes(5 * MiB) + b'end'
    with pytest.raises(fs.FileExists):
        incoming.create(incoming.pieces(), 'two.bin', create=True)


def test_conflicts_at_the_same_moment_are_tried_again(store: Any, hook: Any) -> None:
    """As Amazon responds where two writers are at one key."""
    backend = store.make()
    pieces = put_pieces(store, b'content')
    attempts: list[str] = []

    def conflict(**_: Any) -> None:
        attempts.append('copy')
        if len(attempts) < 3:
            response: Any = {
                'Error': {'Code': 'ConditionalRequestConflict'},
                'ResponseMetadata': {'HTTPStatusCode': 409},
            }
            raise ClientError(response, 'CopyObject')

    hook(backend, 'before-call.s3.CopyObject', conflict)
    join(backend, pieces)
    assert len(attempts) == 3
    assert backend.read('a.txt') == b'content'
