"""What the journal of a check keeps, and that it changes nothing."""

from __future__ import annotations

import gc
import io
import multiprocessing
import sys
import threading
import weakref
from pathlib import Path

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing.journal import LAST, VERBS, Journal


class Careful(MemoryBackend):
    """Has a verb of its own, which calls others."""

    def write(self, filename, content, overwrite=True, *, mime=None):  # type: ignore[no-untyped-def]
        if self.exists(filename):
            self.remove(filename)
        return super().write(filename, content, overwrite, mime=mime)


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_calls_are_kept_with_what_came_of_them(journal: Journal) -> None:
    backend = Careful('kit')
    with journal.recording(('', Careful, VERBS)):
        backend.write('x', b'0' * 1000)
        backend.save(io.BytesIO(b''), 'a' * 100, overwrite=True)
        backend.exists('x')
        with pytest.raises(fs.FileNotFound):
            backend.read('y')
    backend.exists('after')
    assert str(journal).splitlines() == [
        "write('x', <1000 bytes>) -> <FileInfo of 1000 bytes>",
        f"save(<BytesIO>, '{'a' * 59}…', overwrite=True) -> <FileInfo of 0 bytes>",
        "exists('x') -> True",
        "read('y') raises FileNotFound: 'y' is not in storage 'kit' (memory).",
    ]


def test_only_the_last_calls_are_kept(journal: Journal) -> None:
    backend = MemoryBackend('kit')
    with journal.recording(('', MemoryBackend, VERBS)):
        for number in range(LAST + 8):
            backend.exists(str(number))
    lines = str(journal).splitlines()
    assert lines[:2] == [f'(the last {LAST} of {LAST + 8} calls)', "exists('8') -> False"]
    assert len(lines) == LAST + 1


def test_backends_and_threads_are_told_apart(journal: Journal) -> None:
    one, two = MemoryBackend('kit'), MemoryBackend('kit')
    with journal.recording(('', MemoryBackend, VERBS)):
        one.exists('x')
        thread = threading.Thread(target=two.exists, args=['y'], name='writer')
        thread.start()
        thread.join()
    assert str(journal).splitlines() == [
        "backend 1: exists('x') -> False",
        "backend 2: [writer] exists('y') -> False",
    ]


def test_a_fork_goes_on_and_the_journal_of_its_parent_stays(journal: Journal) -> None:
    backend = MemoryBackend('kit')
    with journal.recording(('', MemoryBackend, VERBS)):
        child = multiprocessing.get_context('fork').Process(target=backend.exists, args=['child'])
        child.start()
        child.join()
        backend.exists('parent')
    assert child.exitcode == 0
    assert str(journal) == "exists('parent') -> False"


def test_nothing_is_changed_for_long_and_nothing_kept_alive(journal: Journal, tmp_path: Path) -> None:
    before = [dict(vars(cls)) for cls in (BaseBackend, LocalBackend)]
    with journal.recording(('', LocalBackend, VERBS)):
        backend = LocalBackend('kit', {'root': tmp_path})
        # It compares its class's verbs with those of the template.
        assert not backend._overrides('read')
        assert vars(backend).keys() == vars(LocalBackend('kit', {'root': tmp_path})).keys()
        assert not backend.exists('x')
        kept = weakref.ref(backend)
        del backend
        gc.collect()
        assert kept() is None
    assert [dict(vars(cls)) for cls in (BaseBackend, LocalBackend)] == before


def test_an_error_that_cannot_be_shown_is_still_that_error(journal: Journal) -> None:
    class Unshowable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Broken(MemoryBackend):
        def exists(self, filename: str) -> bool:
            raise Unshowable

    with journal.recording(('', Broken, VERBS)), pytest.raises(Unshowable):
        Broken('kit').exists('x')
    assert str(journal) == "exists('x') raises Unshowable"


def test_what_a_check_does_while_a_verb_reads_its_source_is_kept_too(journal: Journal) -> None:
    backend = MemoryBackend('kit')
    source = io.BytesIO(b'content')
    names = {'__name__': 'flask_fs_testing.checks.content', 'backend': backend, 'read': source.read}
    exec('def read_and_look(size=-1):\n    backend.exists("x")\n    return read(size)', names)
    source.read = names['read_and_look']  # type: ignore[method-assign]
    with journal.recording(('', MemoryBackend, VERBS)):
        backend.save(source, 'x')
    assert [line.partition('(')[0] for line in str(journal).splitlines()][:2] == ['save', 'exists']


def test_recording_a_call_takes_microseconds(journal: Journal) -> None:
    class Idle(MemoryBackend):
        def exists(self, filename: str) -> bool:
            return True

    backend, steps = Idle('kit'), 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    with journal.recording(('', Idle, VERBS)):
        sys.setprofile(count)
        try:
            backend.exists('x')
        finally:
            sys.setprofile(None)
    # Calls of functions and their returns.
    assert steps < 100
