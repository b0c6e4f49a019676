"""What threads and processes do to one name at once: nobody loses a file, and nothing is left behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

#: How long each race lasts, and how much each process does at least.
RACE_S = 0.75
MIN_TURNS = 11
TIMEOUT_S = 60
_fork = multiprocessing.get_context('fork')

Act = Callable[[GridFSBackend, int, random.Random], Any]


def content_of(number: int, turn: int) -> bytes:
    """Several chunks of 1,000 bytes that identify their writer, so that a mixture would show."""
    return f'{number:4}.{turn:6};'.encode() * 300


def is_whole(content: bytes) -> bool:
    return len(content) == 12 * 300 and content == content[:12] * 300


def _run(backend: GridFSBackend, number: int, act: Act, finished: Any) -> None:
    """Do *act* again and again; what it gave, or the first error."""
    chance, deadline = random.Random(number), time.monotonic() + RACE_S
    results: list[Any] = []
    try:
        while time.monotonic() < deadline or len(results) < MIN_TURNS:
            results.append(act(backend, len(results), chance))
        finished.put((number, results))
    except BaseException as error:
        finished.put((number, repr(error)))
        raise


def race(backend: GridFSBackend, *acts: Act) -> list[list[Any]]:
    """What each of *acts* gave, each run in a process of its own until the time is over."""
    finished = _fork.Queue()
    processes = [_fork.Process(target=_run, args=(backend, number, act, finished)) for number, act in enumerate(acts)]
    for process in processes:
        process.start()
    given = dict(finished.get(timeout=TIMEOUT_S) for _ in processes)
    for process in processes:
        process.join()
    assert {number: results for number, results in given.items() if isinstance(results, str)} == {}
    return [given[number] for number in range(len(acts))]


def replace(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    backend.write('x', content_of(chance.randrange(1000), turn))


def create(backend: GridFSBackend, turn: int, chance: random.Random) -> bool:
    with contextlib.suppress(fs.FileExists):
        backend.write('x', content_of(chance.randrange(1000), turn), overwrite=False)
        return True
    return False


def delete(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    time.sleep(chance.random() / 50)
    backend.delete('x')


def move_onto(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    name = f'other-{chance.random()}'
    backend.write(name, content_of(chance.randrange(1000), turn))
    backend.move(name, 'x')


def read_whole(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    assert is_whole(backend.read('x'))


def read_if_there(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    with contextlib.suppress(fs.FileNotFound):
        assert is_whole(backend.read('x'))


def read_by_pieces(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
    """A reader of pieces may get an error that the file was replaced, and never gets a mixture."""
    with contextlib.suppress(fs.Replaced):
        assert is_whole(b''.join(backend.read_chunks('x', 500)))


def swap(backend: GridFSBackend, turn: int, chance: random.Random) -> bool:
    with contextlib.suppress(fs.Changed, fs.FileNotFound):
        backend.write('x', content_of(chance.randrange(1000), turn), if_match=backend.stat('x').etag)
        return True
    return False


def count(backend: GridFSBackend, turn: int, chance: random.Random) -> bool:
    """Count one more in a file, unless others come first."""
    info, stream = backend.open_whole('counter')
    with stream:
        number = int(stream.read())
    with contextlib.suppress(fs.Changed):
        backend.write('counter', str(number + 1), if_match=info.etag)
        return True
    return False


@pytest.fixture
def backend(make: Callable[..., GridFSBackend]) -> GridFSBackend:
    backend = make(chunk_bytes=1000)
    backend.write('first', b'')
    backend.delete('first')
    return backend


def assert_nothing_else_is_left(database: Database[Any], *names: str) -> None:
    documents = list(database['docs.files'].find())
    assert sorted(names) == sorted(document['filename'] for document in documents)
    assert {document['_id'] for document in documents} == set(database['docs.chunks'].distinct('files_id'))


def test_a_file_that_is_only_replaced_is_there_at_every_moment(backend: GridFSBackend, database: Database[Any]) -> None:
    """Nobody sees a gap or a mixture, nobody creates it anew, and one revision is left."""
    backend.write('x', content_of(0, 0))
    outcome = race(backend, replace, replace, move_onto, create, create, read_whole, read_by_pieces)
    assert [created for created in outcome[3] + outcome[4] if created] == []
    assert min(len(results) for results in outcome) > 10
    assert_nothing_else_is_left(database, 'x')


def test_a_name_is_created_once_for_each_time_that_it_was_removed(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    """Whatever replaces the file meanwhile, no second writer creates it before it is gone."""
    deleted, *outcome = race(backend, delete, create, create, create, replace, read_if_there)
    created = sum(map(sum, outcome[:3]))
    assert 0 < created <= len(deleted) + 1
    backend.write('x', content_of(0, 0))
    assert_nothing_else_is_left(database, 'x')


def test_files_that_are_moved_about_are_never_lost(backend: GridFSBackend, database: Database[Any]) -> None:
    """Moving with create never writes over another file, whoever moves what where at the same time."""
    contents = sorted(content_of(number, 0) for number in range(5))
    for number, content in enumerate(contents):
        backend.write(f'place-{number}', content)

    def move(backend: GridFSBackend, turn: int, chance: random.Random) -> bool:
        with contextlib.suppress(fs.FileExists, fs.FileNotFound):
            backend.move(f'place-{chance.randrange(8)}', f'place-{chance.randrange(8)}', overwrite=False)
            return True
        return False

    outcome = race(backend, move, move, move, move)
    assert all(map(any, outcome))
    assert sorted(backend.read(name) for name in backend.list_files()) == contents
    assert_nothing_else_is_left(database, *backend.list_files())


def test_a_file_that_is_moved_away_while_it_is_replaced_keeps_its_content(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    """The writer of the old name removes what it replaced, and not what has another name by now."""

    def move(backend: GridFSBackend, turn: int, chance: random.Random) -> bool:
        with contextlib.suppress(fs.FileNotFound):
            backend.move('x', f'kept-{turn}')
            return True
        return False

    backend.write('x', content_of(0, 0))
    moved, *_ = race(backend, move, replace, replace, read_if_there)
    kept = [f'kept-{turn}' for turn, done in enumerate(moved) if done]
    assert kept
    assert all(is_whole(backend.read(name)) for name in kept)
    backend.delete('x')
    assert_nothing_else_is_left(database, *kept)


def test_processes_that_count_in_one_file_lose_none(backend: GridFSBackend, database: Database[Any]) -> None:
    backend.write('counter', '0')
    outcome = race(backend, count, count, count, count)
    assert int(backend.read('counter')) == sum(map(sum, outcome))
    # Whoever does not win has lost to another, who has beaten three at most.
    assert sum(map(sum, outcome)) >= MIN_TURNS
    assert_nothing_else_is_left(database, 'counter')


def test_a_file_that_is_swapped_and_replaced_is_there_at_every_moment(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    def replace_at_times(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
        # A swap that is always overtaken shows nothing.
        time.sleep(chance.random() / 5)
        replace(backend, turn, chance)

    backend.write('x', content_of(0, 0))
    swapped, swapped_too, _, created, _ = race(backend, swap, swap, replace_at_times, create, read_whole)
    assert any(swapped + swapped_too)
    assert not any(created)
    assert is_whole(backend.read('x'))
    assert_nothing_else_is_left(database, 'x')


def test_a_file_that_is_swapped_moved_and_removed_leaves_nothing(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    def move(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
        with contextlib.suppress(fs.FileNotFound):
            backend.move('x', 'y')

    def remove(backend: GridFSBackend, turn: int, chance: random.Random) -> None:
        backend.remove_many(['x', 'y'])

    race(backend, swap, swap, create, move, remove)
    for name in backend.list_files():
        assert is_whole(backend.read(name))
    assert_nothing_else_is_left(database, *backend.list_files())


def test_threads_that_replace_one_file_all_succeed(backend: GridFSBackend, database: Database[Any]) -> None:
    """Sixteen threads write one name at once, ten times each; the last one's content stays."""
    errors: list[BaseException] = []
    gate = threading.Barrier(16)

    def work(number: int) -> None:
        gate.wait()
        try:
            for turn in range(10):
                backend.write('x', content_of(number, turn))
        except BaseException as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert is_whole(backend.read('x'))
    assert_nothing_else_is_left(database, 'x')
