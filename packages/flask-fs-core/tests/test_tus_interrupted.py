"""Resumable uploads whose requests are cut off, are late, or die while they make a file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from tus_client import Tus

import flask_fs as fs
from flask_fs.arrivals import ArrivedUpload
from flask_fs.backends.incoming import Incoming
from flask_fs.resumable import bodies


class Killed(BaseException):
    """What ends a process at some point."""


@pytest.fixture
def tus(app: Flask, storage: fs.Storage) -> Tus:
    fs.tus(app, storage, authorize=lambda announced: True)
    return Tus(app)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, 'PIECE_BYTES', 5)
    monkeypatch.setattr(bodies, 'CHUNK_BYTES', 1)


def stored(storage: fs.Storage) -> list[tuple[str, int]]:
    """The hidden files of all uploads, with their sizes."""
    return [(info.name.split('/')[-1], info.size) for info in storage.backend._scan('.fs-incoming/')]


@contextlib.contextmanager
def killed_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> Iterator[None]:
    """Have the process die when it calls a method, or when that has returned, for the ``with`` block."""
    method = getattr(owner, name)

    def die(*args: Any, **kwargs: Any) -> None:
        if after:
            method(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        yield


@pytest.mark.usefixtures('small_pieces')
def test_a_large_file_has_no_more_pieces_than_stores_join(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, 'MAX_PIECES', 4)
    content = bytes(range(40))
    url = tus.create(len(content)).headers['Location']
    for start in range(0, 36, 6):
        assert tus.patch(url, start, content[start : start + 6]).status_code == 204
    assert [size for _, size in sorted(stored(storage), key=lambda each: int(each[0].partition('-')[0]))] == [
        10,
        10,
        10,
        6,
    ]
    assert tus.patch(url, 36, content[36:]).status_code == 204
    assert storage.read('a.txt') == content


@pytest.mark.usefixtures('small_pieces')
def test_pieces_are_as_large_as_stores_want_them(tus: Tus, storage: fs.Storage) -> None:
    content = bytes(range(40))
    url = tus.create(len(content)).headers['Location']
    offset = 0
    for size, expected in (
        (3, [('0-0', 3)]),
        (1, [('0-3', 4)]),
        (9, [('0-4', 5), ('10-10', 3), ('5-5', 5)]),
        (1, [('0-4', 5), ('10-13', 4), ('5-5', 5)]),
        (17, [('0-4', 5), ('10-14', 5), ('15-15', 5), ('20-20', 5), ('25-25', 5), ('30-30', 1), ('5-5', 5)]),
    ):
        assert tus.patch(url, offset, content[offset : offset + size]).status_code == 204
        offset += size
        assert sorted(stored(storage)) == expected
        assert tus.head(url).headers['Upload-Offset'] == str(offset)
    name = tus.patch(url, offset, content[offset:]).headers['Upload-Filename']
    assert storage.read(name) == content


@pytest.mark.usefixtures('small_pieces')
def test_what_arrived_before_the_client_went_away_stays(tus: Tus, storage: fs.Storage) -> None:
    content = bytes(range(40))
    url, offset = tus.create(len(content)).headers['Location'], 0
    for sent in (0, 1, 7, 0, 12, 3):
        tus.request(
            'PATCH',
            url,
            content[offset : offset + sent],
            Upload_Offset=offset,
            Content_Type='application/offset+octet-stream',
            Content_Length=len(content) - offset,
        )
        offset += sent
        assert tus.head(url).headers['Upload-Offset'] == str(offset)
    name = tus.patch(url, offset, content[offset:]).headers['Upload-Filename']
    assert storage.read(name) == content


@pytest.mark.usefixtures('small_pieces')
def test_a_slow_client_has_what_arrives_stored_again_and_again(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, 'PIECE_S', -1)
    url = tus.create(9).headers['Location']
    assert tus.patch(url, 0, b'slow hell').headers['Upload-Filename'] == 'a.txt'
    assert storage.read('a.txt') == b'slow hell'


@pytest.mark.usefixtures('small_pieces')
def test_a_late_request_takes_nothing_back(tus: Tus, storage: fs.Storage) -> None:
    """It stores what other requests have stored meanwhile, from an earlier byte and to another end."""
    content = bytes(range(30))
    url = tus.create(len(content)).headers['Location']
    for start, stop in ((0, 2), (2, 5), (5, 13)):
        assert tus.patch(url, start, content[start:stop]).status_code == 204
    upload_id = next(iter(storage.backend._scan('.fs-incoming/'))).name.split('/')[1]
    incoming = Incoming(storage.backend, upload_id)
    incoming.put(io.BytesIO(content[:8]), 0, offset=1)
    assert tus.head(url).headers['Upload-Offset'] == '13'
    incoming.put(io.BytesIO(content[:20]), 0, offset=3)
    assert tus.head(url).headers['Upload-Offset'] == '20'
    name = tus.patch(url, 20, content[20:]).headers['Upload-Filename']
    assert storage.read(name) == content


def test_of_two_requests_for_the_same_bytes_one_is_refused(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tus.create(5, data=b'h').headers['Location']
    upload_id = next(iter(storage.backend._scan('.fs-incoming/'))).name.split('/')[1]
    read = bodies.Body.read

    def read_while_another_stores(body: Any, size: int = -1) -> bytes:
        with contextlib.suppress(fs.FileExists):
            Incoming(storage.backend, upload_id).put(io.BytesIO(b'hel'), 0, offset=1)
        return read(body, size)

    monkeypatch.setattr(bodies.Body, 'read', read_while_another_stores)
    assert tus.patch(url, 1, b'ello').status_code == 409
    monkeypatch.undo()
    assert tus.head(url).headers['Upload-Offset'] == '3'
    assert tus.patch(url, 3, b'lo').headers['Upload-Filename'] == 'a.txt'
    assert storage.read('a.txt') == b'hello'


@pytest.mark.parametrize('how', ['before it', 'after it', 'before the note', 'after the note'])
@pytest.mark.parametrize('parts', [1, 2])
def test_a_process_that_dies_while_it_makes_the_file_leaves_one_file(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch, how: str, parts: int
) -> None:
    url = tus.create(11, data=b'hello').headers['Location']
    if parts == 2:
        monkeypatch.setattr(bodies, 'PIECE_BYTES', 5)
    owner, name = (ArrivedUpload, 'create') if how.endswith('it') else (Incoming, 'end')
    with killed_in(monkeypatch, owner, name, after=how.startswith('after')), pytest.raises(Killed):
        tus.patch(url, 5, b' world')
    head = tus.head(url)
    assert (head.status_code, head.headers['Upload-Offset'], head.headers['Upload-Filename']) == (200, '11', 'a.txt')
    assert list(storage.list_files()) == ['a.txt']
    assert storage.read('a.txt') == b'hello world'
    assert [name for name, _ in stored(storage)] == ['ended']


def test_another_file_that_took_the_name_meanwhile_is_not_the_upload(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tus.create(5).headers['Location']
    with killed_in(monkeypatch, ArrivedUpload, 'create'), pytest.raises(Killed):
        tus.patch(url, 0, b'hello')
    storage.write('a.txt', b'other')
    name = tus.head(url).headers['Upload-Filename']
    assert name != 'a.txt'
    assert (storage.read('a.txt'), storage.read(name)) == (b'other', b'hello')


def test_clients_wait_while_another_process_makes_the_file(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tus.create(5, data=b'he').headers['Location']
    upload_id = next(iter(storage.backend._scan('.fs-incoming/'))).name.split('/')[1]
    with Incoming(storage.backend, upload_id).claimed():
        response = tus.patch(url, 2, b'llo')
        assert (response.status_code, 'Retry-After' in response.headers) == (423, True)
        assert tus.head(url).status_code == tus.request('DELETE', url).status_code == 423
    assert tus.head(url).headers['Upload-Filename'] == 'a.txt'


def test_a_receiver_that_fails_does_not_make_a_second_file(tus: Tus, app: Flask, storage: fs.Storage) -> None:
    def fail(sender: Any, info: Any) -> None:
        raise RuntimeError('a bug of the application')

    fs.file_saved.connect(fail, storage)
    url = tus.create(5).headers['Location']
    assert tus.patch(url, 0, b'hello').status_code == 500
    assert tus.head(url).headers['Upload-Filename'] == 'a.txt'
    assert list(storage.list_files()) == ['a.txt']


def test_a_file_of_parts_of_which_one_was_given_up_is_not_said_to_be_made(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [tus.create(2, None, data, Upload_Concat='partial').headers['Location'] for data in (b'he', b'll')]
    with killed_in(monkeypatch, ArrivedUpload, 'create'), pytest.raises(Killed):
        tus.create(None, Upload_Concat=f'final;{" ".join(urls)}')
    assert tus.request('DELETE', urls[0]).status_code == 204
    assert tus.create(None, Upload_Concat=f'final;{" ".join(urls)}').status_code == 409
    assert not list(storage.list_files())


@pytest.mark.parametrize('how', ['before it', 'after it', 'before the note', 'after the note'])
@pytest.mark.parametrize('parts', [1, 2])
def test_a_process_that_dies_while_it_joins_parts_leaves_one_file(
    tus: Tus, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch, how: str, parts: int
) -> None:
    urls = [tus.create(2, None, b'he', Upload_Concat='partial').headers['Location'] for _ in range(parts)]
    final = f'final;{" ".join(urls)}'
    owner, name = (ArrivedUpload, 'create') if how.endswith('it') else (Incoming, 'end')
    with killed_in(monkeypatch, owner, name, after=how.startswith('after')), pytest.raises(Killed):
        tus.create(None, Upload_Concat=final)
    made = tus.create(None, Upload_Concat=final)
    assert (made.status_code, made.headers['Upload-Filename']) == (201, 'a.txt')
    assert list(storage.list_files()) == ['a.txt']
    assert storage.read('a.txt') == b'he' * parts
