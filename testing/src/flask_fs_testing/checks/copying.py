"""Copying and moving files."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator
from typing import Any
from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, Capability
from flask_fs.files import mime_type

from ..guarantees import broken, check, declares
from ..harness import Harness
from ..measurements import sizes_of
from .content import content_of
from .operations import small_sizes

VERBS = ('copy', 'move')
#: The hooks with which BaseBackend, or a driver, can implement a copy or a move.
STEPS = ('_stat', '_open', '_put', '_copy', '_remove', '_delete')
OLD, NEW = b'what was there', b'what is copied or moved'
SPECIAL = 'text/x-special'


class CopyChecks:
    """Copies and moves."""

    @check(
        'copy and move onto themselves',
        cause='The target is removed first, or the file after it was copied, without comparing names. Override _copy and '
        '_move, which never get the same name twice, not the verbs.',
    )
    def test_copy_and_move_onto_themselves_lose_nothing(self, harness: Harness) -> None:
        """Copying or moving a file to its own name changes nothing, and raises FileNotFound if it does not exist."""
        backend = harness.make()
        backend.write('x', b'1', mime=SPECIAL)
        before = backend.stat('x')
        for verb in VERBS:
            _call(backend, verb, 'x', 'x')
            with pytest.raises(fs.FileExists):
                _call(backend, verb, 'x', 'x', overwrite=False)
            with pytest.raises(fs.FileNotFound):
                _call(backend, verb, 'missing', 'missing')
            assert backend.read('x') == b'1'
            assert backend.stat('x').mime == before.mime
        assert harness.names_raw() == ['x']

    @check(
        '_copy and _move',
        cause='_move does not remove its source, or _copy does; a missing folder or container of the target is not created; '
        'or create is ignored. Check _copy and _move.',
    )
    def test_copy_and_move_do_what_they_say(self, harness: Harness) -> None:
        """A copy is a second file; a moved file no longer has its old name; both replace the target unless overwrite is False, and files below the old name stay."""
        backend = harness.make()
        backend.write('x', b'1')
        backend.write('taken', b'2')
        backend.copy('x', 'a/copied')
        backend.copy('x', 'taken')
        backend.move('x', 'a/moved', overwrite=False)
        assert set(backend.list_files()) == {'a/copied', 'a/moved', 'taken'}
        assert {backend.read(name) for name in ('a/copied', 'a/moved', 'taken')} == {b'1'}
        backend.move('a/moved', 'b/c/d/moved')
        backend.move('a/copied', 'taken')
        assert set(harness.names_raw()) == {'b/c/d/moved', 'taken'}
        # Nothing is left of the former folder.
        backend.copy('taken', 'a')
        assert backend.read('a') == b'1'
        if declares(backend, Capability.NESTED_NAMES):
            backend.write('a/below', b'3')
            backend.move('a', 'moved')
            assert set(backend.list_files()) == {'a/below', 'b/c/d/moved', 'moved', 'taken'}
            assert (backend.read('a/below'), backend.read('moved')) == (b'3', b'1')

    @check(
        '_copy and _move',
        cause='The target is removed or emptied before the source is found, or a folder is renamed as if it were a file. '
        'Check the first step of _copy and _move.',
    )
    def test_copying_or_moving_what_is_not_there_changes_nothing(self, harness: Harness) -> None:
        """If the source is missing, or only a folder, FileNotFound is raised, and a file at the target is unchanged."""
        backend = harness.make()
        backend.write('taken', OLD, mime=SPECIAL)
        backend.write('folder/file', OLD)
        mime, names = backend.stat('taken').mime, set(harness.names_raw())
        for verb in VERBS:
            for source in ('missing', 'folder', 'taken/missing', 'missing/missing'):
                for target in ('new', 'taken', 'folder/file'):
                    with pytest.raises(fs.FileNotFound):
                        _call(backend, verb, source, target)
                with pytest.raises((fs.FileNotFound, fs.FileExists)):
                    _call(backend, verb, source, 'taken', overwrite=False)
                assert set(harness.names_raw()) == names
                assert (backend.read('taken'), backend.read('folder/file')) == (OLD, OLD)
                assert backend.stat('taken').mime == mime

    @check(
        '_copy and _move',
        cause='The source is removed, or the target cleared, before it is certain that the target can be written. '
        'Check the order of the steps in _move.',
    )
    def test_a_refused_copy_or_move_loses_nothing(self, harness: Harness) -> None:
        """If the target cannot be a file, FileExists is raised, and the source, other files and folders are unchanged."""
        backend = harness.make()
        kept = {'file': OLD, 'folder/below': OLD}
        for name, content in kept.items():
            backend.write(name, content)
        for verb in VERBS:
            for target in ('file/below', 'folder'):
                for overwrite in (True, False):
                    backend.write('x', NEW)
                    try:
                        _call(backend, verb, 'x', target, overwrite=overwrite)
                    except fs.FileExists:
                        assert backend.read('x') == NEW
                    else:
                        assert backend.read(target) == NEW
                        backend.remove(target)
                    assert {name: backend.read(name) for name in kept} == kept

    @check(
        '_copy and _move',
        cause='Only the bytes are replaced and the metadata of the target stays, or that of the source is not read. Check '
        'what _copy and _move store in addition to the bytes.',
    )
    def test_nothing_of_a_replaced_target_stays(self, harness: Harness) -> None:
        """If a copy or move replaces a file, nothing of that file stays: neither type nor checksum nor length, however much longer it was."""
        backend = harness.make()
        for verb in VERBS:
            for target in ('taken.png', 'a/taken.png'):
                backend.write('x.txt', NEW)
                backend.write(target, content_of(50_000), mime=SPECIAL)
                before = backend.stat(target)
                _call(backend, verb, 'x.txt', target)
                info = backend.stat(target)
                assert (backend.read(target), info.size, info.mime) == (NEW, len(NEW), 'image/png')
                assert info.etag is None or info.etag != before.etag
                assert info.checksum is None or info.checksum != before.checksum
                assert backend.metadata(target)['checksum'] == _checksum(NEW)
        backend.delete('a')
        backend.delete('taken.png')
        assert harness.names_raw() == []

    @check(
        '_copy and _move',
        proves=Capability.MIME,
        cause='The stored type is copied although only the old name suggested it, or the type is always guessed again. '
        'A copy keeps FileInfo.given_mime. Check _copy and _move.',
    )
    def test_a_given_type_goes_along_and_a_suggested_one_does_not(self, harness: Harness) -> None:
        """A copied or moved file has the type that its new name suggests, unless a type was given explicitly, which is kept."""
        backend = harness.make()
        large = content_of(sizes_of(harness)['parts'])
        for verb in VERBS:
            for overwrite in (True, False):
                content = NEW if overwrite else large
                backend.write('plain.txt', NEW)
                backend.write('special.txt', content, mime=SPECIAL)
                before = backend.stat('special.txt').given_mime
                for name in ('plain', 'special'):
                    _call(backend, verb, f'{name}.txt', f'to/{name}.json', overwrite=overwrite)
                seen = [backend.stat(f'to/{name}.json').mime for name in ('plain', 'special')]
                assert seen == ['application/json', before or 'application/json']
                if declares(backend, Capability.MIME):
                    assert seen[1] == SPECIAL
                assert mime_type('plain.json') == 'application/json'
                backend.delete('to')

    @check(
        '_copy',
        proves=Capability.CHECKSUM,
        cause='The copy refers to parts of its source, which are removed with it, or shares its bytes, or only the first part is '
        'copied. Check how _copy handles a file of several parts.',
    )
    def test_a_copy_is_a_file_of_its_own(self, harness: Harness) -> None:
        """A copy of any size is complete, has a correct checksum, and stays when its source is replaced, moved or removed."""
        backend = harness.make()
        sizes = sizes_of(harness)
        for size, overwrite in (('small', True), ('small', False), ('border', False), ('parts', True)):
            content = content_of(sizes[size])
            backend.write('source', content)
            backend.copy('source', 'a/copy', overwrite=overwrite)
            backend.write('source', OLD)
            assert backend.read('a/copy') == content
            backend.remove('source')
            backend.move('a/copy', 'moved', overwrite=overwrite)
            assert harness.get_raw('moved') == content
            stored = backend.stat('moved').checksum
            assert backend.metadata('moved')['checksum'] == _checksum(content)
            assert stored == _checksum(content) or (stored is None and not declares(backend, Capability.CHECKSUM))
            if size == 'small':
                # A change of the copy does not change its source either.
                backend.copy('moved', 'a/copy')
                backend.write('a/copy', OLD)
                assert backend.read('moved') == content
                backend.remove('a/copy')
            backend.remove('moved')
            assert harness.names_raw() == []

    @check(
        '_move',
        cause='The source or the old target is removed before the target is stored, or cleanup removes a name that '
        'belongs to another file. Check the order of the steps in _move, and its except blocks.',
    )
    def test_a_move_that_fails_half_way_loses_nothing(self, harness: Harness) -> None:
        """If a copy or move is interrupted at any of its steps, the content is under at least one of the names, and every file is complete."""
        backend, other = harness.make(), harness.make()
        unavailable = other.error(fs.Unavailable, 'x', 'as planned')
        for verb in VERBS:
            for step in STEPS:
                for error, is_done in ((unavailable, False), (KeyboardInterrupt(), False), (KeyboardInterrupt(), True)):
                    other.write('x', NEW)
                    other.write('taken', OLD)
                    with _interrupted(backend, step, error, is_done=is_done) as steps:
                        completed = _completes(backend, verb)
                    if not steps:
                        break
                    _judge(other, verb, completed, f'{verb} is interrupted {"after" if is_done else "before"} {step}')

    @check(
        '_move',
        cause='A source that is missing in the second step is treated as success, or the target is cleared first. Check what '
        '_move does when the store reports that there is no such file.',
    )
    def test_a_source_that_vanishes_leaves_the_target_whole(self, harness: Harness) -> None:
        """If another program removes the source meanwhile, the target is the old file or the new one; on success, it is the new one."""
        backend, other = harness.make(), harness.make()
        for verb in VERBS:
            for step in STEPS:
                other.write('x', NEW)
                other.write('taken', OLD)
                with after_hook(backend, step, lambda: other.remove('x')):
                    completed = _completes(backend, verb)
                seen = other.read('taken')
                if seen not in (OLD, NEW) or (completed and seen != NEW):
                    broken(
                        f'Expected one complete file at the target of a {verb} whose source disappears after {step}, and the new '
                        f'one if it succeeds; it {"succeeded" if completed else "failed"}; saw {seen!r}.'
                    )

    @check(
        '_copy',
        cause='The source is looked up by name more than once: for its metadata and its bytes, or for each part. Check '
        'what _copy requests after the first response, and specify the version.',
    )
    def test_a_copy_is_of_one_version(self, harness: Harness) -> None:
        """If the source of a copy is replaced meanwhile, the copy is one of the two versions, with its checksum and its attributes, or fails."""
        backend, other = harness.make(), harness.make()
        old = content_of(small_sizes(harness)['parts'])
        new = bytes(255 - byte for byte in old[:256]) * (len(old) // 256) + b'and more than before'
        keeps = declares(backend, Capability.ATTRIBUTES)
        given = {
            content: Attributes(metadata={'version': which}) for content, which in {old: 'old', new: 'new'}.items()
        }
        given = given if keeps else dict.fromkeys(given, NO_ATTRIBUTES)
        for step in ('_stat', '_open', '_copy'):
            other.write('x', old, attributes=given[old])
            other.write('taken', OLD)
            with after_hook(backend, step, lambda: other.write('x', new, attributes=given[new])):
                completed = _completes(backend, 'copy')
            seen = harness.get_raw('taken')
            if seen not in (old, new, OLD) or (completed and seen == OLD):
                broken(f'Expected one version of a file that is replaced after {step} during its copy; saw a mixture.')
            if (attributes := other.stat('taken').attributes) != given.get(seen, NO_ATTRIBUTES):
                broken(
                    f'Expected the attributes of the copied version when the source is replaced after {step}; saw {attributes}.'
                )
            for reported in (other.metadata('taken')['checksum'], other.stat('taken').checksum):
                if reported not in (None, _checksum(seen)):
                    broken(
                        f'Expected the checksum of the copied version when the source is replaced after {step}; saw another.'
                    )


def _call(backend: BaseBackend, verb: str, source: str, target: str, *, overwrite: bool = True) -> None:
    getattr(backend, verb)(source, target, overwrite)


def _completes(backend: BaseBackend, verb: str) -> bool:
    """Whether copying or moving the file ``x`` over ``taken`` succeeds."""
    try:
        _call(backend, verb, 'x', 'taken')
    except (fs.FSError, KeyboardInterrupt):
        return False
    return True


def _judge(backend: BaseBackend, verb: str, completed: bool, when: str) -> None:
    seen = {name: backend.read(name) if backend.exists(name) else None for name in ('x', 'taken')}
    if completed:
        possible = [(NEW if verb == 'copy' else None, NEW)]
    elif verb == 'copy':
        possible = [(NEW, OLD), (NEW, NEW)]
    else:
        possible = [(NEW, OLD), (NEW, NEW), (None, NEW)]
    if (seen['x'], seen['taken']) not in possible:
        broken(f'Expected source and target to be one of {possible} when a {when}; saw {tuple(seen.values())}.')


def _checksum(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


@contextlib.contextmanager
def _interrupted(backend: BaseBackend, step: str, error: BaseException, *, is_done: bool) -> Generator[list[str]]:
    """Make the hook *step* raise *error*, after its work or instead of it; the list records its calls."""
    real, calls = getattr(backend, step), list[str]()

    def interrupted(name: str, *args: Any, **kwargs: Any) -> None:
        calls.append(name)
        # Reading does not need to happen.
        if is_done and step not in ('_stat', '_open'):
            real(name, *args, **kwargs)
        raise error

    with mock.patch.object(backend, step, interrupted):
        yield calls


@contextlib.contextmanager
def after_hook(backend: BaseBackend, step: str, act: Callable[[], object]) -> Generator[None]:
    """Call *act* whenever the hook *step* has returned or failed."""
    real = getattr(backend, step)

    def act_after(*args: Any, **kwargs: Any) -> Any:
        try:
            return real(*args, **kwargs)
        finally:
            act()

    with mock.patch.object(backend, step, act_after):
        yield
