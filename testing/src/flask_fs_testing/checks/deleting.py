"""Deleting: exactly the files that were meant."""

from __future__ import annotations

from flask_fs.backends import Capability

from ..guarantees import check, declares
from ..harness import Harness


class DeleteChecks:
    """Which files are removed."""

    @check(
        '_remove',
        cause='The error that the store raises for missing files is passed on. Check _remove, and _delete if it is overridden.',
    )
    def test_deleting_what_is_not_there_is_no_error(self, harness: Harness) -> None:
        """Deleting raises no error if there is nothing to delete."""
        backend = harness.make()
        backend.delete('never')
        backend.delete('never/there')
        backend.write('x', b'')
        backend.delete('x')
        backend.delete('x')
        assert not backend.exists('x')
        backend.remove('x')
        backend.write('a/x', b'')
        for missing in ('never/there', 'a/missing', 'a/x/missing', 'a/missing/too'):
            backend.remove(missing)
            backend.delete(missing)
        assert harness.names_raw() == ['a/x']

    @check(
        '_remove',
        cause='Everything that begins with the name, or a folder, is removed. Check _remove, which removes one file.',
    )
    def test_remove_removes_exactly_one_file(self, harness: Harness) -> None:
        """remove('a') removes a, but not a/b where both can be files, and raises no error if there is no file a."""
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

    @check(
        'delete',
        cause='Everything that begins with the name is deleted, even without a slash after it. Check _delete: names in a folder '
        'begin with its name and a slash.',
    )
    def test_delete_spares_names_sharing_a_prefix(self, harness: Harness) -> None:
        """delete('a') removes a and everything under a/, but never ab, a.b or a folder with such a name."""
        backend = harness.make()
        spared = {'ab', 'a.b', 'a b', 'A/x', 'aa/x', 'b/a', 'a-', 'a0', 'c/a/x'}
        for name in spared:
            backend.write(name, b'')
        for also in ((), ('a', 'a/b')) if declares(backend, Capability.NESTED_NAMES) else ((),):
            for name in ('a/1', 'a/b/2', 'a/b/c/3', *also):
                backend.write(name, b'')
            backend.delete('a')
            assert set(backend.list_files()) == spared
            assert set(harness.names_raw()) == spared

    @check(
        'delete',
        cause='The name is used in a syntax with special characters (LIKE, a glob, a regular expression, a '
        'URL). Check how _delete and _remove find their files.',
    )
    def test_a_name_to_delete_is_literal_text(self, harness: Harness) -> None:
        """delete() and remove() use a name literally: not as a pattern or with escapes, and case-sensitively."""
        backend = harness.make()
        spared = {'axb/1', 'AB/1', 'a/b/1', 'ab/1', 'b', 'aab/1'}
        deleted = ('a*b', 'a_b', 'a%b', 'a.b', 'a?b', '[a]b', 'a%2Fb', 'aB', 'a+b', '^a', 'a#b', '*', '%', '_', '.*')
        for name in (*spared, *(f'{name}/1' for name in deleted)):
            backend.write(name, b'')
        for name in deleted:
            backend.delete(name)
        assert set(harness.names_raw()) == spared
        for name in deleted:
            backend.write(name, b'')
        for name in deleted:
            backend.remove(name)
        assert set(harness.names_raw()) == spared

    @check(
        '_remove and _delete',
        cause='Removing a folder that becomes empty also removes its siblings, or the empty folder blocks a file with its '
        'name. Check what _remove and _delete do with parent folders, and _put with an empty one.',
    )
    def test_empty_folders_are_neither_seen_nor_in_the_way(self, harness: Harness) -> None:
        """When the last file in a folder is removed, the folder's siblings stay, the folder is not listed, and a file can have its name."""
        backend = harness.make()
        siblings = {'a/d', 'a/bb', 'e', 'f/h/2'}
        for name in siblings:
            backend.write(name, b'')
        for verb in (backend.remove, backend.delete):
            backend.write('a/b/c/1', b'1')
            verb('a/b/c/1')
            assert set(backend.list_files()) == {info.name for info in backend.scan()} == siblings
            assert list(backend.list_files('a/b/')) == []
            assert not any(backend.exists(name) for name in ('a/b', 'a/b/c', 'a'))
            backend.write('a/b', b'file')
            assert backend.read('a/b') == b'file'
            verb('a/b')
            backend.write('f/g/1', b'1')
            verb('f/g/1')
        assert set(harness.names_raw()) == siblings
        for name in siblings:
            backend.remove(name)
        assert list(backend.list_files()) == []
        backend.write('a', b'file')
        assert backend.read('a') == b'file'

    @check(
        '_put',
        cause='With create, a folder with that name, even an empty one, counts as a file. Check how _put determines whether the '
        'name exists.',
    )
    def test_a_name_that_only_a_folder_has_can_be_created(self, harness: Harness) -> None:
        """A file can be created with the name of an empty folder and, with NESTED_NAMES, with that of any folder."""
        backend = harness.make()
        backend.write('a/b/c/1', b'1')
        backend.remove('a/b/c/1')
        backend.write('a/b', b'file', overwrite=False)
        assert backend.read('a/b') == b'file'
        if declares(backend, Capability.NESTED_NAMES):
            backend.write('folder/below', b'below')
            backend.write('folder', b'file', overwrite=False)
            assert (backend.read('folder'), backend.read('folder/below')) == (b'file', b'below')
