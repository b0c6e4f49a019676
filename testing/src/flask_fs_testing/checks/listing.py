"""Deleting and listing: all that was meant, and nothing else."""

from __future__ import annotations

import itertools

from flask_fs.backends import Capability

from ..guarantees import check, declares
from ..harness import Harness


class DeleteChecks:
    """What is removed."""

    @check('_remove')
    def test_deleting_what_is_not_there_is_no_error(self, harness: Harness) -> None:
        """Deleting is silent when there is nothing to delete."""
        backend = harness.make()
        backend.delete('never')
        backend.delete('never/there')
        backend.write('x', b'')
        backend.delete('x')
        backend.delete('x')
        assert not backend.exists('x')
        assert harness.names_raw() == []

    @check('_remove')
    def test_remove_removes_exactly_one_file(self, harness: Harness) -> None:
        """remove('a') removes a and spares a/b where both may be files, and is silent when there is no file a."""
        backend = harness.make()
        spared = {'a/b', 'a/c/d', 'ab', 'A'}
        for name in spared:
            backend.write(name, name.encode())
        backend.remove('a')
        if declares(backend, Capability.NESTED_NAMES):
            backend.write('a', b'')
            backend.remove('a')
        backend.write('other', b'')
        backend.remove('other')
        backend.remove('other')
        backend.remove('other/there')
        assert not backend.exists('a')
        assert set(harness.names_raw()) == spared
        assert {name: backend.read(name) for name in spared} == {name: name.encode() for name in spared}

    @check('delete')
    def test_delete_spares_names_sharing_a_prefix(self, harness: Harness) -> None:
        """delete('a') removes a and everything under a/, and never ab, a.b or a folder of such a name."""
        backend = harness.make()
        spared = {'ab', 'a.b', 'a b', 'A/x', 'aa/x', 'b/a', 'a-'}
        for name in (*spared, 'a/1', 'a/b/2', 'a/b/c/3'):
            backend.write(name, b'')
        backend.delete('a')
        assert set(backend.list_files()) == spared
        assert set(harness.names_raw()) == spared

    @check('delete')
    def test_a_whole_folder_goes_however_many_files_it_has(self, harness: Harness) -> None:
        """Deleting a folder removes all of its files, also when the store lists them by pages."""
        backend = harness.make()
        for number in range(harness.page_size + 5):
            backend.write(f'many/{number}', b'')
        backend.write('other', b'')
        backend.delete('many')
        assert harness.names_raw() == ['other']


class ListChecks:
    """What is listed."""

    @check('_scan')
    def test_every_page_is_listed(self, harness: Harness) -> None:
        """All files are listed, each once, however many there are."""
        backend = harness.make()
        expected = {f'many/{number:05}' for number in range(harness.page_size + 5)}
        for name in expected:
            backend.write(name, b'')
        listed = list(backend.list_files())
        assert len(listed) == len(expected)
        assert set(listed) == expected
        assert {info.name for info in backend.scan()} == expected
        assert len(list(itertools.islice(backend.list_files(), 3))) == 3

    @check('_scan')
    def test_a_prefix_is_literal_text(self, harness: Harness) -> None:
        """A prefix selects the names that begin with it, letter by letter: no pattern, no folder."""
        backend = harness.make()
        names = ['a', 'a+b/x', 'ab/y', 'ab/cd/z', 'aXb', '.a', 'a.b', 'é', '(a', 'a*b', 'A']
        for name in names:
            backend.write(name, b'')
        for prefix in (
            '',
            *['a', 'ab', 'ab/', 'ab/c', 'a.', 'a+', 'a*', '(', '.', '.*', 'é', 'A', 'b', '/', '../', 'a[', '^a'],
        ):
            expected = sorted(name for name in names if name.startswith(prefix))
            assert sorted(backend.list_files(prefix)) == expected
            assert sorted(info.name for info in backend.scan(prefix)) == expected

    @check('_scan')
    def test_only_files_are_listed(self, harness: Harness) -> None:
        """A folder is no file: it is not listed, has no metadata, and does not exist."""
        backend = harness.make()
        backend.write('folder/file', b'')
        assert list(backend.list_files()) == ['folder/file']
        assert not backend.exists('folder')
        backend.delete('folder/file')
        assert list(backend.list_files()) == []
        assert not backend.exists('folder/file')

    @check('_scan')
    def test_files_of_other_programs_are_listed_and_read(self, harness: Harness) -> None:
        """What another program put into the store is a file like any other, unless no verb takes its name."""
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
