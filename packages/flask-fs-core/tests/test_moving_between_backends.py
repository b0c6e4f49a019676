"""The script of the page about moving files to another backend, on files that change, collide and fail meanwhile."""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends.base import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

PAGE = Path(__file__).parents[3] / 'docs' / 'how-to' / 'migrate-between-backends.md'
[SCRIPT] = [
    block
    for block in re.findall(r'^```python\n(.*?)^```$', PAGE.read_text(encoding='utf-8'), re.MULTILINE | re.DOTALL)
    if 'def copy_files(' in block
]
BOTH_WAYS = [(LocalBackend, MemoryBackend), (MemoryBackend, LocalBackend), (LocalBackend, LocalBackend)]

Place = Callable[..., fs.Storage]


@pytest.fixture(scope='module')
def script() -> SimpleNamespace:
    names: dict[str, Any] = {}
    exec(compile(SCRIPT, str(PAGE), 'exec'), names)  # The page's own block.
    return SimpleNamespace(**names)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Makes storages of one name, each with its own files."""
    roots = (tmp_path / str(number) for number in range(10))

    def make(backend: type[BaseBackend], **config: Any) -> fs.Storage:
        storage = fs.Storage('letters', fs.ALL)
        root = {'LETTERS_FS_ROOT': str(next(roots))} if issubclass(backend, LocalBackend) else {}
        storage.configure(SimpleNamespace(config={'FS_BACKEND': backend, **root, **config}))
        return storage

    return make


def contents(storage: fs.Storage) -> dict[str, bytes]:
    return {filename: storage.read(filename) for filename in storage.list_files()}


def counted(outcomes: Iterator[tuple[str, str, str]]) -> dict[str, int]:
    return dict(collections.Counter(outcome for _, outcome, _ in outcomes))


@pytest.mark.parametrize(('old', 'new'), BOTH_WAYS)
def test_every_file_arrives_and_a_second_run_finds_them_all(
    script: SimpleNamespace, place: Place, old: type[BaseBackend], new: type[BaseBackend]
) -> None:
    source, target = place(old), place(new)
    files = {'empty': b'', 'a/b/c.txt': b'text', 'Zoë ☕.bin': os.urandom(3 * 1024 * 1024), '.hidden': b'.'}
    for filename, content in files.items():
        source.write(filename, content)
    assert counted(script.copy_files(source, target, dry_run=True)) == {'to copy': 4}
    assert contents(target) == {}
    assert counted(script.copy_files(source, target)) == {'copied': 4}
    assert files == contents(target) == contents(source)
    assert counted(script.copy_files(source, target)) == {'same': 4}


def test_another_algorithm_for_checksums_does_not_make_files_differ(script: SimpleNamespace, place: Place) -> None:
    source, target = place(MemoryBackend, FS_CHECKSUM='md5'), place(MemoryBackend, FS_CHECKSUM='sha512')
    source.write('a', 'content')
    assert counted(script.copy_files(source, target)) == {'copied': 1}
    assert counted(script.copy_files(source, target)) == {'same': 1}


@pytest.mark.parametrize('content', [b'other', b'longer than before'])
def test_a_file_that_differs_is_kept_unless_the_source_is_right(
    script: SimpleNamespace, place: Place, content: bytes
) -> None:
    source, target = place(LocalBackend), place(MemoryBackend)
    source.write('a', b'words')
    target.write('a', content)
    assert list(script.copy_files(source, target)) == [('a', 'differs', '')]
    assert target.read('a') == content
    assert list(script.copy_files(source, target, dry_run=True)) == [('a', 'differs', '')]
    assert list(script.copy_files(source, target, dry_run=True, replace=True)) == [('a', 'to copy', '')]
    assert target.read('a') == content
    assert list(script.copy_files(source, target, replace=True)) == [('a', 'copied', '')]
    assert target.read('a') == b'words'


def test_a_run_that_loses_its_connection_leaves_nothing_half_copied_and_is_taken_up_again(
    script: SimpleNamespace, place: Place
) -> None:
    class Failing(MemoryBackend):
        puts = 0

        def _put(self, name: str, stream: Any, **options: Any) -> None:
            type(self).puts += 1
            if self.puts == 3:
                stream.read(10)
                raise self.error(fs.Unavailable, name)
            super()._put(name, stream, **options)

    source, target = place(LocalBackend), place(Failing)
    for number in range(6):
        source.write(f'{number}', 'content')
    with pytest.raises(fs.Unavailable):
        list(script.copy_files(source, target))
    assert len(contents(target)) == 2
    assert counted(script.copy_files(source, target)) == {'same': 2, 'copied': 4}
    assert contents(source) == contents(target)


KILLED_RUN = """
import sys
from types import SimpleNamespace
from flask_fs.backends import Source
from flask_fs.backends.local import LocalBackend

class Stopping(LocalBackend):
    left = 6

    def _put(self, name, stream, **options):
        Stopping.left -= 1
        super()._put(name, stream if self.left else Source(Cut(stream)), **options)

class Cut:
    def __init__(self, stream):
        self.stream, self.begun = stream, False

    def read(self, size):
        if self.begun:
            print('in the middle', flush=True)
            input()
        self.begun = True
        return self.stream.read(1000)

def place(backend, root):
    storage = fs.Storage('letters', fs.ALL)
    storage.configure(SimpleNamespace(config={'FS_BACKEND': backend, 'LETTERS_FS_ROOT': root}))
    return storage

for _ in copy_files(place(LocalBackend, sys.argv[1]), place(Stopping, sys.argv[2])):
    pass
"""


def test_a_run_killed_in_the_middle_of_a_file_is_taken_up_again(script: SimpleNamespace, place: Place) -> None:
    source, target = place(LocalBackend), place(LocalBackend)
    for number in range(20):
        source.write(f'{number % 3}/{number}', os.urandom(10_000))
    command = [sys.executable, '-c', SCRIPT + KILLED_RUN, str(source.root), str(target.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == 'in the middle\n'
        run.kill()
    whole, arrived = contents(source), contents(target)
    assert len(arrived) == 5
    assert arrived.items() <= whole.items()
    assert counted(script.copy_files(source, target)) == {'same': 5, 'copied': 15}
    assert contents(target) == whole


def test_a_file_replaced_while_it_is_copied_is_copied_again(script: SimpleNamespace, place: Place) -> None:
    source = place(LocalBackend)

    class Slow(MemoryBackend):
        def _put(self, name: str, stream: Any, **options: Any) -> None:
            super()._put(name, stream, **options)
            if source.read(name) == b'first':
                source.write(name, b'later', overwrite=True)

    source.write('a', b'first')
    target = place(Slow)
    assert list(script.copy_files(source, target, replace=True)) == [('a', 'copied', '')]
    assert target.read('a') == b'later'


def test_a_file_that_never_rests_is_told_and_does_not_hold_the_run_up(script: SimpleNamespace, place: Place) -> None:
    source = place(LocalBackend)

    class Slow(MemoryBackend):
        def _put(self, name: str, stream: Any, **options: Any) -> None:
            super()._put(name, stream, **options)
            source.write(name, source.read(name) + b'.', overwrite=True)

    source.write('a', b'first')
    assert list(script.copy_files(source, place(Slow), replace=True)) == [('a', 'differs', '')]


def test_a_file_deleted_while_it_is_copied_is_gone(script: SimpleNamespace, place: Place) -> None:
    class Vanishing(LocalBackend):
        def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Any:
            self._remove(name)
            return super()._open(name, start, stop, etag=etag)

    source, target = place(Vanishing), place(MemoryBackend)
    source.write('a', 'content')
    assert list(script.copy_files(source, target)) == [('a', 'gone', '')]
    assert contents(target) == {}


def test_what_the_target_refuses_is_told_and_the_rest_is_copied(script: SimpleNamespace, place: Place) -> None:
    source, target = place(MemoryBackend), place(LocalBackend, FS_MAX_BYTES=10)
    for filename, content in {'a': '1', 'a/b': '2', 'c' * 256: '3', 'd': 'more than ten bytes', 'e': '5'}.items():
        source.write(filename, content)
    outcomes = {filename: (outcome, why) for filename, outcome, why in script.copy_files(source, target)}
    assert {filename for filename, (outcome, _) in outcomes.items() if outcome == 'copied'} == {'a', 'e'}
    assert {filename for filename, (outcome, _) in outcomes.items() if outcome == 'rejected'} == {'a/b', 'c' * 256, 'd'}
    assert 'either a file or a folder' in outcomes['a/b'][1]
    assert 'longer than the file system allows' in outcomes['c' * 256][1]
    assert 'at most 10 bytes' in outcomes['d'][1]
    assert contents(target) == {'a': b'1', 'e': b'5'}


def test_quick_reads_nothing_that_was_copied_after_its_last_change(script: SimpleNamespace, place: Place) -> None:
    reads = []

    class Watched(LocalBackend):
        def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Any:
            reads.append(name)
            return super()._open(name, start, stop, etag=etag)

    source, target = place(Watched), place(MemoryBackend)
    for filename in ('old', 'replaced'):
        source.write(filename, 'words')
        os.utime(source.path(filename), (1_000_000, 1_000_000))
    assert counted(script.copy_files(source, target)) == {'copied': 2}
    source.write('replaced', 'WORDS', overwrite=True)
    reads.clear()
    assert counted(script.copy_files(source, target, quick=True, replace=True)) == {'same': 1, 'copied': 1}
    assert set(reads) == {'replaced'}
    assert contents(target) == {'old': b'words', 'replaced': b'WORDS'}


def test_a_prefix_copies_only_what_begins_with_it(script: SimpleNamespace, place: Place) -> None:
    source, target = place(MemoryBackend), place(LocalBackend)
    for filename in ('a/1', 'ab', 'b'):
        source.write(filename, 'content')
    assert counted(script.copy_files(source, target, prefix='a/')) == {'copied': 1}
    assert set(target.list_files()) == {'a/1'}
