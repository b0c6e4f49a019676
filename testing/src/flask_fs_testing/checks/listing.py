"""Listing: exactly the files that were meant."""

from __future__ import annotations

import functools
from collections.abc import Callable

from flask_fs.backends import BaseBackend

from ..concurrency import Background
from ..guarantees import broken, check
from ..harness import Harness
from ..sources import OnlyRead

#: How long using other files can take during an upload, in seconds: many times what it takes on a busy machine.
PATIENCE_S = 30
HIDDEN = ('.hidden', '.git/config', '.git/.hidden', 'a/.hidden', 'a/.b/c', '..a', '...')
VISIBLE = ('a/b', 'b')


class ListChecks:
    """Which files are listed."""

    @check(
        '_scan',
        cause='The prefix is used in a syntax with special characters (LIKE, a glob, a regular expression), with a '
        'collation, or as a folder. Check _scan and _names.',
    )
    def test_a_prefix_is_literal_text(self, harness: Harness) -> None:
        """A prefix selects the names that begin with exactly this text: it is not a pattern and not a folder."""
        backend = harness.make()
        names = [
            'a', 'a+b/x', 'ab/y', 'ab/cd/z', 'aXb', '.a', 'a.b', 'é', '(a', 'a*b', 'A', 'a_b', 'a%b', 'ab%2Fy', 'éa/ü b',
            'ab🎉', 'é\U00020000', 'x y/1', 'x&y=z/1', "x'y/1", 'x"y', 'x#y', 'x?y', '日/本.txt', '日本', '🎉/1', 'x/yy', 'x-y', 'x0',
        ]  # fmt: skip
        for name in names:
            backend.write(name, b'')
        for prefix in (
            '', 'a', 'ab', 'ab/', 'ab/c', 'ab/cd/z', 'ab/cd/zz', 'a.', 'a+b/', 'a*', '(', '.', '.*', 'é', 'éa/ü ', 'e', 'A', 'b',
            '/', '../', 'a[', '^a', 'a_', 'a%', '%', 'ab%2F', 'x y', 'x&y=', "x'y/", 'x"', 'x#', 'x?', '日', '日/', '🎉', 'x/y', 'x-',
        ):  # fmt: skip
            expected = sorted(name for name in names if name.startswith(prefix))
            assert (prefix, sorted(backend.list_files(prefix))) == (prefix, expected)
            assert (prefix, sorted(info.name for info in backend.scan(prefix))) == (prefix, expected)

    @check(
        '_scan',
        cause='Folders, or markers for them in the store, are listed or count as files. Check _scan and _names, and '
        'what _stat returns for a folder.',
    )
    def test_only_files_are_listed(self, harness: Harness) -> None:
        """A folder is not a file: it is not listed, has no metadata, and does not exist."""
        backend = harness.make()
        backend.write('folder/file', b'')
        assert list(backend.list_files()) == ['folder/file']
        assert not backend.exists('folder')
        backend.delete('folder/file')
        assert list(backend.list_files()) == []
        assert not backend.exists('folder/file')
        assert not backend.exists('folder')

    @check(
        '_scan',
        cause='Names that begin with a dot are omitted, as a glob or a shell does. Check _scan, _names and _delete.',
    )
    def test_hidden_names_are_names_like_others(self, harness: Harness) -> None:
        """Files and folders whose name begins with a dot are listed, found by prefix and deleted like all others."""
        backend = harness.make()
        for name in (*HIDDEN, *VISIBLE):
            backend.write(name, name.encode())
        assert sorted(backend.list_files()) == sorted((*HIDDEN, *VISIBLE))
        assert sorted(info.name for info in backend.scan()) == sorted((*HIDDEN, *VISIBLE))
        assert sorted(backend.list_files('.')) == sorted(name for name in HIDDEN if name.startswith('.'))
        assert {name: backend.read(name) for name in HIDDEN} == {name: name.encode() for name in HIDDEN}
        backend.delete('a')
        backend.delete('.git')
        assert sorted(harness.names_raw()) == ['...', '..a', '.hidden', 'b']

    @check(
        '_scan',
        cause='The backend lists only its own writes, from memory, or returns names that no verb accepts. Check _scan and '
        '_names: list the store itself.',
    )
    def test_files_of_other_programs_are_listed_and_read(self, harness: Harness) -> None:
        """A file that another program put into the store is like any other, unless its name is not valid."""
        backend = harness.make()
        harness.put_raw('theirs/x.txt', b'theirs')
        harness.put_raw('theirs/.fs-tmp-1', b'')
        assert list(backend.list_files()) == ['theirs/x.txt']
        assert [info.name for info in backend.scan()] == ['theirs/x.txt']
        assert backend.read('theirs/x.txt') == b'theirs'
        assert backend.stat('theirs/x.txt').size == 6
        backend.delete('theirs/x.txt')
        assert 'theirs/x.txt' not in harness.names_raw()
        assert harness.get_raw('theirs/.fs-tmp-1') == b''


class UnfinishedChecks:
    """What is visible of a file that is not complete yet."""

    @check(
        '_put',
        cause='A file is created under its final name before it is complete, or a lock or a transaction is held while the source '
        'is read, which can take minutes; or _sweep ignores the age. Check what _put does before the last byte.',
    )
    def test_a_writer_at_work_is_neither_seen_nor_waited_for(self, harness: Harness) -> None:
        """While a file is being stored, it is not listed, not swept and does not exist, and other files can be listed, read, written and removed."""
        backend, other = harness.make(), harness.make()
        backend.write('a/there', b'there')
        for looking in (backend, other):
            with backend.open('a/open', 'wb') as file:
                file.write(b'not yet')
                _look(looking)
                file.write(b' whole')
            assert backend.read('a/open') == b'not yet whole'
            backend.delete('a/open')
            source = _Pausing(b'0123456789' * 300_000, functools.partial(_look, looking))
            backend.save(source, 'a/saved')
            assert source.has_paused
            assert backend.stat('a/saved').size == 3_000_000
            backend.delete('a/saved')
        assert harness.names_raw() == ['a/there']


class _Pausing(OnlyRead):
    """Calls *act* in the middle."""

    def __init__(self, content: bytes, act: Callable[[], None]) -> None:
        super().__init__(content, 100_000)
        self._half, self._act = len(content) // 2, act
        self.has_paused = False

    def read(self, size: int = -1) -> bytes:
        if self._at > self._half and not self.has_paused:
            self.has_paused = True
            self._act()
        return super().read(size)


def _look(backend: BaseBackend) -> None:
    """Fail if *backend* shows a file that is not complete yet, or waits for it."""

    def seen() -> tuple[object, ...]:
        backend.write('a/meanwhile', b'')
        # An upload that just began is not abandoned.
        backend.sweep()
        names = sorted(backend.list_files('a/'))
        scanned = sorted(info.name for info in backend.scan())
        found = [name for name in ('a/open', 'a/saved') if backend.exists(name)]
        content = backend.read('a/there')
        # Others can store the same file meanwhile.
        for name in ('a/meanwhile', 'a/open', 'a/saved'):
            backend.write(name, b'')
            backend.remove(name)
        return names, scanned, found, content

    expected: tuple[object, ...] = (['a/meanwhile', 'a/there'], ['a/meanwhile', 'a/there'], [], b'there')
    looking = Background(seen)
    # When this returns, the source is read on, which ends the wait.
    if not looking.wait(PATIENCE_S):
        broken(f'Expected other files to be usable while one is stored; saw them wait for {PATIENCE_S} s.')
    result = looking.result()
    if result != expected:
        broken(
            f'Expected names, scanned names, unfinished files and content {expected}; saw {result} while a file is stored.'
        )
