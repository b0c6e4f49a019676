"""ETags of local files change with every change, also within one tick of the clock that files get their times from."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import etags, local_files
from flask_fs.backends.local import LocalBackend

ROUNDS = 300


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('docs', fs.ALL, overwrite=True)


@pytest.fixture
def app(make_app: Callable[..., Flask], storage: fs.Storage) -> Iterator[Flask]:
    app = make_app(storage)
    with app.app_context():
        yield app


@pytest.fixture
def backend(app: Flask, storage: fs.Storage) -> Any:
    return storage.backend


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the times of files as rough as told, in nanoseconds, and the clock too."""

    def set_(step: int) -> None:
        def rough(ns: int) -> int:
            return ns // step * step

        def look(real: Callable[..., os.stat_result]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                facts = real(*args, **kwargs)
                names = [name for name in dir(facts) if name.startswith('st_')]
                values = {name: getattr(facts, name) for name in names}
                values |= {name: rough(values[name]) for name in ('st_mtime_ns', 'st_ctime_ns')}
                return type('Facts', (), values)()

            return call

        for name in ('fstat', 'lstat'):
            monkeypatch.setattr(os, name, look(getattr(os, name)))

    return set_


def in_place(backend: LocalBackend, content: bytes) -> None:
    with open(backend.path('a'), 'r+b') as file:
        file.write(content)


def _sleep_by(monkeypatch: pytest.MonkeyPatch, sleep: Callable[[float], object]) -> None:
    """Have *sleep* called where this thread would sleep; clients of other tests may have threads that go on sleeping."""
    here, real = threading.get_ident(), time.sleep
    monkeypatch.setattr(time, 'sleep', lambda s: sleep(s) if threading.get_ident() == here else real(s))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as changed a moment ago, however slow the machine is."""
    monkeypatch.setattr(local_files, 'settled_in_ns', lambda facts: 1)


CHANGES: dict[str, Callable[[Any, bytes], None]] = {
    'replaced': lambda backend, content: backend.write('a', content),
    'removed and created': lambda backend, content: (backend.remove('a'), backend.write('a', content, False)),
    'written in place': in_place,
    'moved': lambda backend, content: (backend.write('b', content), backend.move('b', 'a')),
}


@pytest.mark.parametrize('how', CHANGES)
@pytest.mark.parametrize('step', [1, 1_000_000, 10_000_000], ids=['as it is', 'milliseconds', 'hundredths'])
def test_no_two_contents_share_an_etag(
    app: Flask, storage: fs.Storage, backend: Any, coarse: Callable[[int], None], how: str, step: int
) -> None:
    coarse(step)
    backend.write('a', b'%08d' % 0)
    client, url, seen = app.test_client(), storage.url('a'), {}
    for number in range(ROUNDS if (how, step) == ('replaced', 1) else ROUNDS // 10):
        content = b'%08d' % number
        CHANGES[how](backend, content)
        etag = client.get(url).headers.get('ETag')
        if etag is None:
            # A time that happens to look like one in whole seconds.
            assert step > 1
            continue
        assert seen.setdefault(etag, content) == content
        # A second change, at once: what was sent is no longer what is there.
        CHANGES[how](backend, content[::-1])
        later = client.get(url, headers={'If-None-Match': etag})
        if content != content[::-1]:
            assert (later.status_code, later.data) == (200, content[::-1])


@contextlib.contextmanager
def writers(backend: Any, how: str, count: int) -> Iterator[None]:
    """Processes that write on and on, each time something else."""
    context = multiprocessing.get_context('fork')
    stop = context.Event()

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            CHANGES[how](backend, b'%d%07d' % (writer, number))

    processes = [context.Process(target=write, args=(writer,)) for writer in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join()


def test_an_etag_always_comes_with_the_same_content_while_other_processes_replace_it(
    app: Flask, storage: fs.Storage, backend: Any
) -> None:
    client, url, seen = app.test_client(), storage.url('a'), {}
    backend.write('a', b'%08d' % 0)
    with writers(backend, 'replaced', 2):
        answers = 0
        # A busy machine gives the writers few turns: it is asked until they have had some.
        while answers < ROUNDS or len(seen) <= 10:
            answers += 1
            response = client.get(url)
            assert response.data == seen.setdefault(response.headers['ETag'], response.data)


def test_what_was_seen_while_others_wrote_in_place_is_confirmed_only_if_it_is_right(
    app: Flask, storage: fs.Storage, backend: Any
) -> None:
    client, url = app.test_client(), storage.url('a')
    backend.write('a', b'%08d' % 0)
    for _ in range(10):
        seen = []
        with writers(backend, 'written in place', 1):
            for _ in range(20):
                response = client.get(url)
                seen.append((response.headers.get('ETag', '"none"'), response.data))
        for etag, content in seen:
            response = client.get(url, headers={'If-None-Match': etag})
            assert response.status_code == 200 or client.get(url).data == content


def test_a_range_of_an_older_version_is_never_completed_by_a_newer_one(
    app: Flask, storage: fs.Storage, backend: Any
) -> None:
    client, url = app.test_client(), storage.url('a')
    for number in range(ROUNDS // 3):
        backend.write('a', b'a%07d' % number)
        etag = client.get(url, headers={'Range': 'bytes=0-3'}).headers['ETag']
        backend.write('a', b'b%07d' % number)
        response = client.get(url, headers={'Range': 'bytes=4-', 'If-Range': etag})
        assert (response.status_code, response.data) == (200, b'b%07d' % number)
        with pytest.raises(fs.Replaced):
            backend._open('a', 4, etag=etag.strip('"'))


def test_an_unchanged_file_keeps_its_etag(app: Flask, storage: fs.Storage, backend: Any) -> None:
    backend.write('a', b'content')
    etag = backend.stat('a').etag
    assert etag == backend.stat('a').etag == next(backend.scan()).etag
    assert app.test_client().get(storage.url('a')).headers['ETag'] == f'"{etag}"'
    assert app.test_client().head(storage.url('a')).headers['ETag'] == f'"{etag}"'
    assert LocalBackend('docs', {'root': backend.root}).stat('a').etag == etag
    with backend._open('a', etag=etag).stream as stream:
        assert stream.read() == b'content'


def test_the_etag_of_a_file_that_was_closed_is_the_one_that_it_has(backend: Any, fresh: None) -> None:
    backend.write('a', b'content')
    info, stream = backend.open_whole('a')
    stream.close()
    assert info.etag == backend.stat('a').etag
    info, stream = backend.open_whole('a')
    stream.close()
    backend.write('a', b'other')
    assert info.etag not in (None, backend.stat('a').etag)


def test_only_who_asks_for_an_etag_waits_for_it(backend: Any, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    _sleep_by(monkeypatch, waits.append)
    monkeypatch.setattr(etags, 'settled_in_ns', lambda facts: 0 if waits else 3_000_000)
    for number in range(50):
        backend.write(f'{number}', b'content')
    assert backend.exists('0')
    assert backend.read('0') == b'content'
    found = list(backend.scan())
    assert [info.size for info in found] == [7] * 50
    backend.metadata('0')
    backend.copy('0', 'copy')
    backend.move('copy', 'moved')
    assert waits == []
    # Once for all.
    assert all(info.etag for info in found)
    assert waits == [0.003]


def test_many_fresh_files_are_waited_for_once(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = time.sleep

    def wait(duration_s: float) -> None:
        waits.append(duration_s)
        sleep(duration_s)

    _sleep_by(monkeypatch, wait)
    for number in range(200):
        backend.write(f'{number}', b'content')
    assert len({info.etag for info in backend.scan()}) == 200
    assert sum(waits) < 10 * 0.004


def test_the_metadata_of_a_version_that_is_gone_have_an_etag_of_their_own(backend: Any, fresh: None) -> None:
    backend.write('a', b'one')
    info = backend.stat('a')
    assert isinstance(info, etags.UnsettledInfo)
    backend.write('a', b'two')
    assert info.etag not in (None, backend.stat('a').etag)
    with pytest.raises(fs.Replaced):
        backend._open('a', etag=info.etag)
    backend.write('b', b'one')
    info = backend.stat('b')
    backend.remove('b')
    assert info.etag is not None


def test_metadata_that_wait_for_their_etag_are_like_others(backend: Any, fresh: None) -> None:
    backend.write('a', b'content')
    kinds = [backend.stat('a') for _ in range(6)]
    settled = fs.FileInfo(**{field.name: getattr(kinds[0], field.name) for field in dataclasses.fields(fs.FileInfo)})
    assert all(type(info) is etags.UnsettledInfo for info in kinds)
    assert kinds[1] == settled
    assert settled == kinds[2]
    assert kinds[1] == kinds[2]
    assert len({*kinds, settled}) == 1
    assert repr(settled) == repr(kinds[3])
    assert settled == pickle.loads(pickle.dumps(kinds[4])) == copy.deepcopy(kinds[5])
    assert type(pickle.loads(pickle.dumps(kinds[4]))) is fs.FileInfo
    assert dataclasses.asdict(settled) == dataclasses.asdict(kinds[1])
    assert dataclasses.replace(kinds[1], name='b').name == 'b'
    with pytest.raises(dataclasses.FrozenInstanceError):
        kinds[1].etag = 'other'


def test_a_file_from_the_future_has_no_etag(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was set back would give it the same times once more."""
    backend.write('a', b'content')
    monkeypatch.setattr(etags, '_now_ns', lambda: time.time_ns() - 3_600_000_000_000)
    assert backend.stat('a').etag is None


def test_nobody_waits_for_a_clock_that_stands_still(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.write('a', b'content')
    now_ns, waits = time.time_ns() - 10_000_000, list[float]()
    monkeypatch.setattr(etags, '_now_ns', lambda: now_ns)
    _sleep_by(monkeypatch, waits.append)
    assert backend.stat('a').etag is None
    assert 0 < len(waits) <= 10


@pytest.mark.parametrize('step', [1_000_000_000, 2_000_000_000], ids=['seconds', 'two seconds'])
def test_a_fresh_file_has_no_etag_where_times_are_rough(
    app: Flask,
    storage: fs.Storage,
    backend: Any,
    coarse: Callable[[int], None],
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coarse(step)
    backend.write('a', b'content')
    changed_ns = os.lstat(backend.path('a')).st_ctime_ns
    _sleep_by(monkeypatch, lambda _: pytest.fail('nobody waits so long'))
    for later_ns in (0, 1, 1_500_000_000, 1_949_000_000):
        monkeypatch.setattr(etags, '_now_ns', lambda now_ns=changed_ns + later_ns: now_ns)
        assert backend.stat('a').etag is None
        response = app.test_client().get(storage.url('a'))
        assert 'ETag' not in response.headers
        assert 'Last-Modified' in response.headers
    monkeypatch.setattr(etags, '_now_ns', lambda: changed_ns + 2_000_000_000)
    assert backend.stat('a').etag is not None
    assert 'ETag' in app.test_client().get(storage.url('a')).headers


def test_a_file_system_without_times_gives_no_etags(backend: Any, coarse: Callable[[int], None]) -> None:
    coarse(1 << 63)
    backend.write('a', b'content')
    assert backend.stat('a').etag is None


def test_files_named_while_they_are_written_get_times_of_their_own(tmp_path: Path) -> None:
    """That is how they are written where times may be those of a server's clock."""
    backend = LocalBackend('docs', {'root': str(tmp_path)})
    backend._filesystem.unnamed = False
    times = set()
    for _ in range(ROUNDS):
        backend.write('a', b'content')
        times.add(os.stat(backend.path('a')).st_mtime_ns)
    assert len(times) == ROUNDS


def test_threads_that_read_a_file_just_written_agree(app: Flask, storage: fs.Storage, backend: Any) -> None:
    def etag(_: int) -> str:
        return app.test_client().get(storage.url('a')).headers['ETag']

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            backend.write('a', b'%08d' % number)
            assert len(set(pool.map(etag, range(8)))) == 1
