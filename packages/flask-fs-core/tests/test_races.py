"""Writers that meet: threads, processes, and a rival who strikes between any two system calls."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_fs import FileExists, FileNotFound
from flask_fs.backends import symlinks
from flask_fs.backends.base import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

# The kit has races on every Python.
pytestmark = pytest.mark.once

NAMES = [f'file-{number}.txt' for number in range(1000)]
THREADS = 16
NAMES_OF_THREADS = NAMES[:250]

# What LocalBackend asks of the operating system, and so where something else can happen in between.
SYSTEM_CALLS = [
    'close',
    'copy_file_range',
    'fstat',
    'link',
    'lstat',
    'mkdir',
    'open',
    'rename',
    'replace',
    'rmdir',
    'scandir',
    'stat',
    'unlink',
    'write',
]  # fmt: skip

Act = Callable[[LocalBackend], object]


def local(root: Path | str, *, unnamed: bool) -> LocalBackend:
    backend = LocalBackend('races', {'root': str(root)})
    # False: as on file systems that cannot write files without a name.
    backend._filesystem.unnamed = backend._filesystem.unnamed and unnamed
    return backend


@pytest.fixture(params=['unnamed drafts', 'named drafts'])
def unnamed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == 'unnamed drafts')


@pytest.fixture
def backend(tmp_path: Path, unnamed: bool) -> LocalBackend:
    return local(tmp_path / 'root', unnamed=unnamed)


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 1000)
    yield
    sys.setswitchinterval(interval)


def together(*acts: Callable[[], object]) -> list[BaseException]:
    """What went wrong in *acts*, each run in a thread of its own from the same moment on."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def claim(backend: BaseBackend, who: str, names: list[str]) -> list[str]:
    """Those of *names* that *who* created first."""
    won = []
    for name in names:
        with contextlib.suppress(FileExists):
            backend.save(io.BytesIO(f'{who} made {name}'.encode()), name, overwrite=False)
            won.append(name)
    return won


# --- One winner for each name.


def assert_each_name_has_one_winner(backend: BaseBackend, won: dict[str, list[str]], names: list[str] = NAMES) -> None:
    assert sorted(itertools.chain.from_iterable(won.values())) == sorted(names)
    winner_of = {name: who for who, theirs in won.items() for name in theirs}
    assert {name: backend.read(name).decode() for name in backend.list_files()} == {
        name: f'{winner_of[name]} made {name}' for name in names
    }


def race_of_threads(backend: BaseBackend) -> dict[str, list[str]]:
    won: dict[str, list[str]] = {}

    def run(who: str) -> None:
        won[who] = claim(backend, who, NAMES_OF_THREADS)

    assert together(*(lambda who=f'thread {n}': run(who) for n in range(THREADS))) == []
    return won


@pytest.mark.usefixtures('eager_threads')
def test_of_sixteen_threads_that_create_a_name_on_disk_one_wins(backend: LocalBackend) -> None:
    assert_each_name_has_one_winner(backend, race_of_threads(backend), NAMES_OF_THREADS)


@pytest.mark.usefixtures('eager_threads')
def test_of_sixteen_threads_that_create_a_name_in_memory_one_wins() -> None:
    backend = MemoryBackend('races')
    assert_each_name_has_one_winner(backend, race_of_threads(backend), NAMES_OF_THREADS)


# Each process says that it is ready, begins with the others when its input ends, and tells what it has won.
CLAIMANT = """
import contextlib, io, json, sys
from flask_fs import FileExists
from flask_fs.backends.local import LocalBackend

root, unnamed, who, count = sys.argv[1:]
backend = LocalBackend('races', {'root': root})
backend._filesystem.unnamed = backend._filesystem.unnamed and unnamed == 'True'
names = [f'file-{number}.txt' for number in range(int(count))]
won = []
print('ready', flush=True)
sys.stdin.read()
for name in names:
    with contextlib.suppress(FileExists):
        backend.save(io.BytesIO(f'{who} made {name}'.encode()), name, overwrite=False)
        won.append(name)
print(json.dumps(won))
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, '-c', program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin_together(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()


def told(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    with process.stdout as output:
        text = output.read()
    assert process.wait() == 0
    return json.loads(text)


def test_of_two_processes_that_create_a_name_one_wins(backend: LocalBackend, unnamed: bool) -> None:
    processes = {who: started(CLAIMANT, backend.root, unnamed, who, len(NAMES)) for who in ('one', 'two')}
    begin_together(list(processes.values()))
    won = {who: told(process) for who, process in processes.items()}
    assert_each_name_has_one_winner(backend, won)


# --- Whole contents only.

# Of different lengths, so that a shorter one does not cover a longer one; the last takes several writes.
CONTENTS = [bytes([65 + number]) * size for number, size in enumerate((1, 1000, 70_000, 1_500_000))]

REPLACER = """
import io, json, sys
from flask_fs.backends.local import LocalBackend

root, unnamed, letter, size = sys.argv[1:]
backend = LocalBackend('races', {'root': root})
backend._filesystem.unnamed = backend._filesystem.unnamed and unnamed == 'True'
content = letter.encode() * int(size)
print('ready', flush=True)
sys.stdin.read()
for _ in range(100):
    backend.save(io.BytesIO(content), 'a/b.txt', overwrite=True)
print(json.dumps('done'))
"""


def test_processes_that_replace_a_file_never_show_a_mixed_or_partial_one(backend: LocalBackend, unnamed: bool) -> None:
    backend.write('a/b.txt', CONTENTS[0])
    processes = [started(REPLACER, backend.root, unnamed, chr(content[0]), len(content)) for content in CONTENTS[1:]]
    begin_together(processes)
    seen = set()
    while any(process.poll() is None for process in processes):
        seen.add(backend.read('a/b.txt'))
    assert [told(process) for process in processes] == ['done'] * len(processes)
    seen.add(backend.read('a/b.txt'))
    assert {(content[:1], len(content)) for content in seen - set(CONTENTS)} == set()
    assert list(backend.list_files()) == ['a/b.txt']


def race_of_replacers(backend: BaseBackend) -> set[bytes]:
    """Every content that readers saw while threads were replacing a file."""
    backend.write('a/b.txt', CONTENTS[0])
    seen = set()

    def replace(content: bytes) -> None:
        for _ in range(50):
            backend.save(io.BytesIO(content), 'a/b.txt', overwrite=True)

    def read() -> None:
        for _ in range(200):
            seen.add(backend.read('a/b.txt'))

    writers = [lambda content=content: replace(content) for content in CONTENTS]
    assert together(*writers, read, read) == []
    return seen


@pytest.mark.usefixtures('eager_threads')
def test_threads_that_replace_a_file_on_disk_never_show_a_mixed_or_partial_one(backend: LocalBackend) -> None:
    assert race_of_replacers(backend) - set(CONTENTS) == set()


@pytest.mark.usefixtures('eager_threads')
def test_threads_that_replace_a_file_in_memory_never_show_a_mixed_or_partial_one() -> None:
    assert race_of_replacers(MemoryBackend('races')) - set(CONTENTS) == set()


@pytest.mark.usefixtures('eager_threads')
def test_threads_that_save_into_a_folder_and_delete_it_do_not_disturb_each_other(backend: LocalBackend) -> None:
    def save(who: int) -> None:
        for number in range(100):
            backend.save(io.BytesIO(b'new'), f'a/b/{who}-{number}.txt', overwrite=False)
            backend.save(io.BytesIO(b'new'), 'a/b/shared.txt', overwrite=True)

    def delete() -> None:
        for _ in range(100):
            backend.delete('a')

    savers = [lambda who=who: save(who) for who in range(4)]
    assert together(*savers, delete, delete) == []
    assert {b'new'} >= {backend.read(name) for name in backend.list_files()}


# --- A rival at every step: before each system call in turn, somebody else does a whole operation.


class Rival:
    """Does *act* before each of the system calls of :mod:`os` whose numbers are in *strikes*, counted from 1."""

    def __init__(self, strikes: tuple[int, ...], act: Callable[[], object]) -> None:
        self._strikes = strikes
        self._act = act
        self._acting = False
        self.calls = 0

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """*call*, counted."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not self._acting:
                self.calls += 1
                if self.calls in self._strikes:
                    self._acting = True
                    try:
                        self._act()
                    finally:
                        self._acting = False
            return call(*args, **kwargs)

        return wrapper


class Arena:
    """Runs an operation again and again, each time on a fresh storage and with the rival striking elsewhere."""

    def __init__(self, folder: Path, unnamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._unnamed = unnamed
        self._monkeypatch = monkeypatch

    def rounds(self, operation: Act, rival: Act, *, prepare: Act, strikes: int = 1) -> Iterator[LocalBackend]:
        """Each storage after *operation*, which *rival* interrupted at one place, or at two."""
        for number in itertools.count():
            first, second = (number + 1, 0) if strikes == 1 else (number // 12 + 1, number // 12 + 2 + number % 12)
            backend = local(self._folder / str(number), unnamed=self._unnamed)
            prepare(backend)
            struck = Rival((first, second), functools.partial(rival, backend))
            with self._monkeypatch.context() as patch:
                for name in SYSTEM_CALLS:
                    if hasattr(os, name):
                        patch.setattr(os, name, struck.before(getattr(os, name)))
                if (openat2 := symlinks._openat2()) is not None:
                    patch.setattr(symlinks, '_openat2', functools.partial(struck.before, openat2))
                operation(backend)
            if struck.calls < first:
                return
            yield backend


@pytest.fixture
def arena(tmp_path: Path, unnamed: bool, monkeypatch: pytest.MonkeyPatch) -> Arena:
    return Arena(tmp_path, unnamed, monkeypatch)


def content_of(backend: LocalBackend, name: str) -> bytes | None:
    try:
        return backend.read(name)
    except FileNotFound:
        return None


def put(name: str, content: bytes, *, create: bool = False) -> Act:
    return lambda backend: backend.save(io.BytesIO(content), name, overwrite=not create)


def in_order(*acts: Act) -> Act:
    def act(backend: LocalBackend) -> None:
        for one in acts:
            one(backend)

    return act


def old_files(backend: LocalBackend) -> None:
    backend.write('a/b/old.txt', b'old')
    backend.write('source.txt', b'new')


ARRIVALS: dict[str, tuple[str, Act]] = {
    'create': ('a/b/new.txt', put('a/b/new.txt', b'new', create=True)),
    'save': ('a/b/new.txt', put('a/b/new.txt', b'new')),
    'replace': ('a/b/old.txt', put('a/b/old.txt', b'new')),
    'copy': ('a/b/new.txt', lambda backend: backend.copy('source.txt', 'a/b/new.txt', overwrite=False)),
    'copy over': ('a/b/old.txt', lambda backend: backend.copy('source.txt', 'a/b/old.txt')),
    'move': ('a/b/new.txt', lambda backend: backend.move('source.txt', 'a/b/new.txt', overwrite=False)),
    'move over': ('a/b/old.txt', lambda backend: backend.move('source.txt', 'a/b/old.txt')),
}


@pytest.mark.parametrize('folder', ['a', 'a/b'])
@pytest.mark.parametrize('strikes', [1, 2], ids=['once', 'twice'])
@pytest.mark.parametrize('arrival', ARRIVALS)
def test_deleting_its_folder_at_any_moment_neither_fails_nor_loses_a_file(
    arena: Arena, arrival: str, strikes: int, folder: str
) -> None:
    """A delete takes away what was there before it, and not what came after."""
    name, operation = ARRIVALS[arrival]
    arrived_before: list[bool] = []

    def rival(backend: LocalBackend) -> None:
        arrived_before.append(content_of(backend, name) == b'new')
        backend.delete(folder)

    rounds = 0
    for backend in arena.rounds(operation, rival, prepare=old_files, strikes=strikes):
        rounds += 1
        assert (None if any(arrived_before) else b'new') == content_of(backend, name)
        assert [path.name for path in Path(backend.root).rglob('.fs-tmp-*')] == []
        arrived_before.clear()
    assert rounds > 0


DELETES: dict[str, Act] = {
    'a file': lambda backend: backend.delete('a/b/old.txt'),
    'a folder': lambda backend: backend.delete('a'),
    'a folder below': lambda backend: backend.delete('a/b'),
}
RIVALS: dict[str, Act] = {
    'the same delete': lambda backend: backend.delete('a'),
    'a delete below': lambda backend: backend.delete('a/b'),
    'a new file': put('a/b/new.txt', b'new'),
    'a file in its place': in_order(lambda backend: backend.delete('a'), put('a', b'new')),
    'a folder in place of a file': in_order(
        lambda backend: backend.delete('a/b/old.txt'), put('a/b/old.txt/new.txt', b'new')
    ),
}


@pytest.mark.parametrize('rival', RIVALS)
@pytest.mark.parametrize('delete', DELETES)
def test_a_delete_succeeds_whatever_happens_meanwhile(arena: Arena, delete: str, rival: str) -> None:
    rounds = 0
    for backend in arena.rounds(DELETES[delete], RIVALS[rival], prepare=old_files):
        rounds += 1
        assert {'source.txt': b'new'}.items() <= {name: backend.read(name) for name in backend.list_files()}.items()
        assert content_of(backend, 'a/b/old.txt') is None
    assert rounds > 0


def test_a_file_takes_the_place_of_an_empty_folder_that_vanishes_at_any_moment(arena: Arena) -> None:
    def prepare(backend: LocalBackend) -> None:
        os.makedirs(backend.path('a/b/c'))

    def rival(backend: LocalBackend) -> None:
        if os.path.isdir(backend.path('a')):
            backend.delete('a')

    for backend in arena.rounds(put('a', b'new', create=True), rival, prepare=prepare):
        assert content_of(backend, 'a') == b'new'


def test_listing_goes_on_whatever_is_deleted_meanwhile(arena: Arena) -> None:
    def listing(backend: LocalBackend) -> None:
        listed = [*backend.list_files(), *(info.name for info in backend.scan())]
        assert [name for name in listed if name == 'source.txt'] == ['source.txt'] * 2

    for backend in arena.rounds(listing, lambda backend: backend.delete('a'), prepare=old_files):
        assert list(backend.list_files()) == ['source.txt']


def test_of_two_movers_of_a_file_neither_loses_it(arena: Arena) -> None:
    """The slower one either finds nothing to move, or its copy is whole."""

    def move(backend: LocalBackend) -> None:
        with contextlib.suppress(FileNotFound):
            backend.move('source.txt', 'slow.txt', overwrite=False)

    for backend in arena.rounds(move, lambda backend: backend.move('source.txt', 'quick.txt'), prepare=old_files):
        found = {name: backend.read(name) for name in backend.list_files() if name != 'a/b/old.txt'}
        assert set(found.values()) == {b'new'}
        assert 'source.txt' not in found
