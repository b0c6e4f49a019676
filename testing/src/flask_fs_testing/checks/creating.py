"""Create-only writes: a file that exists stays unchanged."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend, Capability

from ..concurrency import Background, in_threads
from ..guarantees import broken, check, declares, works_undeclared
from ..harness import Harness
from ..measurements import sizes_of
from ..sources import OnlyRead, Pattern
from .content import content_of
from .copying import after_hook
from .ranges import expect_bytes

#: How long a source waits for another writer to finish: many times what that takes on a busy machine.
MEETING_S = 2
#: How many files are saved under one name. All of them must be kept.
FILES_TO_KEEP = 4


class _Counting(fs.Storage):
    """Does not check whether a name exists, so that the backend has to refuse each name that does."""

    def resolve_conflict(self, target_folder: str, basename: str) -> str:
        self.tried = getattr(self, 'tried', 0) + 1
        return f'same_{self.tried}.txt'


class CreateChecks:
    """Names that already exist."""

    @check(
        '_put with create',
        cause='create is not passed on to the store, or its refusal is not translated to FileExists, or ignored if the existing '
        'file looks like the one of an earlier attempt: see _put, _copy and _move.',
    )
    def test_create_keeps_the_first_writer(self, harness: Harness) -> None:
        """With create, an existing file raises FileExists, and keeps its content, also if it is empty, or equal to the new one."""
        backend = harness.make()
        for name, first in {'x': b'first', 'empty': b''}.items():
            backend.write(name, first, overwrite=False)
            attempts: tuple[Callable[[], object], ...] = (
                partial(backend.write, name, b'second', overwrite=False),
                partial(backend.save, OnlyRead(b'second' * 1000), name, overwrite=False),
                # Equal content doesn't make it this writer's file.
                partial(backend.write, name, first, overwrite=False),
                partial(backend.copy, 'y', name, overwrite=False),
                partial(backend.move, 'y', name, overwrite=False),
            )
            for again in attempts:
                backend.write('y', b'second')
                with pytest.raises(fs.FileExists) as caught:
                    again()
                assert caught.value.filename == name
                assert backend.read(name) == first
                assert backend.read('y') == b'second'
        assert set(backend.list_files()) == {'x', 'empty', 'y'}

    @check(
        '_put with create',
        cause='When _put raises FileExists, it closes the source, or sets a reason, which means that the obstacle is not a file.',
    )
    def test_keeping_both_gives_each_file_a_name_of_its_own(self, harness: Harness) -> None:
        """Files saved with conflict='rename' each get their own name and are complete, also when several are saved at the same time."""
        backend = harness.make()
        contents = [f'file {number}\n'.encode() * 500 for number in range(FILES_TO_KEEP)]

        def keep(number: int) -> str:
            content, storage = contents[number], _Counting('both', fs.ALL)
            storage.backend = backend
            source = OnlyRead(content) if number % 2 else io.BytesIO(content)
            try:
                return storage.save(source, 'same.txt', conflict='rename')
            except fs.FileExists as error:
                broken(f'Expected the next available name for a file; saw {error!r}: {error}')

        numbers = range(FILES_TO_KEEP)
        at_once = declares(backend, Capability.ATOMIC_CREATE)
        names = in_threads(FILES_TO_KEEP, keep) if at_once else [keep(number) for number in numbers]
        if len(set(names)) < FILES_TO_KEEP or 'same.txt' not in names:
            broken(f'Expected same.txt and {FILES_TO_KEEP - 1} other names; saw {names}.')
        for name, content in zip(names, contents, strict=True):
            expect_bytes(backend.read(name), content, f'reading {name!r}')

    @check(
        '_put with create',
        cause='Only the last step, or the response to the last byte, shows that the file exists: call self.refuse_early() '
        'at the beginning of _put.',
    )
    def test_a_large_file_is_refused_before_it_is_read(self, harness: Harness) -> None:
        """Creating a large file fails if the name already exists, before more than one part of it was read."""
        backend = harness.make()
        harness.make().write('taken', b'first')
        # A part, and what is read ahead.
        allowed = max((CHUNK_BYTES, *harness.part_sizes)) + CHUNK_BYTES
        source = Pattern(size := 2 * allowed)
        with pytest.raises(fs.FileExists) as caught:
            backend.save(source, 'taken', overwrite=False)
        assert caught.value.filename == 'taken'
        if (read := size - source.left) > allowed:
            broken(
                f'Expected at most {allowed:,} of {size:,} bytes to be read for a name that exists; saw {read:,} read.'
            )
        assert backend.read('taken') == b'first'

    @check(
        '_put with create',
        proves=Capability.ATOMIC_CREATE,
        cause='The name is looked up before the source is read: let the store decide in the step that makes the file visible.',
    )
    def test_a_name_taken_while_the_source_is_read_is_refused(self, harness: Harness) -> None:
        """If another writer creates the name while the source is read, at any point, their file stays, and nothing else is left."""
        backend, other = harness.make(), harness.make()
        sizes = sizes_of(harness)
        for size in (sizes['small'], sizes['border'] + 1):
            for point in (0, size // 2, size):
                name = f'{size}-{point}'
                rivals: list[Background[bool]] = []

                def strike(name: str = name, rivals: list[Background[bool]] = rivals) -> None:
                    rivals.append(Background(lambda: _wins(lambda: other.write(name, b'theirs', overwrite=False))))
                    # A store might admit one writer at a time: then it comes second.
                    rivals[0].wait(MEETING_S)

                source = Interrupted(content_of(size), point, strike)
                won = _wins(partial(backend.save, source, name, overwrite=False))
                contents = [
                    content for content, wins in ((content_of(size), won), (b'theirs', rivals[0].result())) if wins
                ]
                what = f'a file of {size} bytes whose name is created by another writer when {point} of them were read'
                if declares(backend, Capability.ATOMIC_CREATE) and len(contents) != 1:
                    broken(f'Expected one writer to win {what}; saw {len(contents)}.')
                if backend.read(name) not in contents:
                    broken(f'Expected the content of the winner of {what}; saw other content.')
                backend.remove(name)
        assert harness.names_raw() == []

    @check(
        '_copy and _move with create',
        proves=Capability.ATOMIC_CREATE,
        cause='Files above some size are copied in parts, or in another request, which lacks the condition. Check the last step of '
        'each path through _copy and _move.',
    )
    def test_a_copy_or_move_of_any_size_replaces_nothing(self, harness: Harness) -> None:
        """With overwrite=False, copying or moving a file of any size to an existing name raises FileExists, also if the name was created meanwhile."""
        backend, other = harness.make(), harness.make()
        # Others need the condition only for small files.
        content = content_of(size := sizes_of(harness)['parts'])
        rivals = (None, *(('_stat', '_open') if declares(backend, Capability.ATOMIC_CREATE) else ()))
        for verb, step in itertools.product(('copy', 'move'), rivals):
            if not other.exists('x'):
                other.write('x', content)
            create = partial(_wins, partial(other.write, 'taken', b'first', overwrite=False))
            if step is None:
                create()
            with after_hook(backend, step, create) if step else nullcontext():
                copied = _wins(partial(getattr(backend, verb), 'x', 'taken', overwrite=False))
            what = f'the {verb} of a file of {size} bytes to a name that ' + (
                f'is created after {step}' if step else 'exists'
            )
            # A backend can copy without that step.
            if (step is None and copied) or (other.exists('taken') and (other.stat('taken').size != size) == copied):
                broken(f'Expected {what} to be refused; saw {"no error" if copied else "the name replaced"}.')
            if not copied:
                expect_bytes(other.read('x'), content, f'reading the source after {what} was refused,')
            other.remove('taken')

    @check(
        'open',
        cause='open() with x looks for the file once, and then stores as with w: pass create on to _put.',
    )
    def test_a_file_opened_to_be_created_replaces_nothing(self, harness: Harness) -> None:
        """open() with x raises FileExists if the file exists, immediately or when closed, and always if another writer created it meanwhile."""
        backend, other = harness.make(), harness.make()
        backend.write('taken', b'first')
        large = content_of(sizes_of(harness)['border'] + 1)
        contents: tuple[tuple[str, Any], ...] = (('x', 'text'), ('xb', b'bytes'), ('xb', large))
        for mode, content in contents:
            with pytest.raises(fs.FileExists) as caught, backend.open('taken', mode) as file:
                file.write(content)
            assert caught.value.filename == 'taken'
            with pytest.raises(fs.FileExists):
                _create_late(backend, 'meanwhile', mode, content, partial(other.write, 'meanwhile', b'first'))
            for name in ('taken', 'meanwhile'):
                assert backend.read(name) == b'first'
            backend.remove('meanwhile')
            with backend.open('new', mode) as file:
                file.write(content)
            expect_bytes(
                backend.read('new'), content.encode() if isinstance(content, str) else content, 'what was created'
            )
            backend.remove('new')
        assert harness.names_raw() == ['taken']
        storage = fs.Storage('kit', fs.ALL)
        with harness.make_app(storage).app_context(), pytest.raises(fs.FileExists):
            # Before anything is written.
            storage.open('taken', 'xb')

    @check(
        'NESTED_NAMES',
        proves=Capability.NESTED_NAMES,
        cause='The store has folders, and a name is either a file or a folder: do not declare it, and translate the error to FileExists in _put.',
    )
    def test_a_file_and_a_folder_of_one_name(self, harness: Harness) -> None:
        """With NESTED_NAMES, a name can be both a file and a folder; without it, the second is refused and the first stays."""
        backend = harness.make()
        backend.write('a', b'file')
        backend.write('b/c', b'below')
        if declares(backend, Capability.NESTED_NAMES):
            for overwrite in (False, True):
                backend.write('a/b', b'below', overwrite=overwrite)
                backend.write('b', b'file', overwrite=overwrite)
            assert set(backend.list_files()) == {'a', 'a/b', 'b', 'b/c'}
        else:
            refused = [name for name in ('a/b', 'b') if _is_refused(backend, name)]
            if not refused:
                works_undeclared(backend, Capability.NESTED_NAMES)
        assert {'a', 'b/c'} <= set(backend.list_files())
        assert backend.read('a') == b'file'
        assert backend.read('b/c') == b'below'


def _is_refused(backend: BaseBackend, name: str) -> bool:
    try:
        backend.write(name, b'other', overwrite=False)
    except fs.FileExists:
        return True
    return False


def _create_late(backend: BaseBackend, name: str, mode: str, content: Any, strike: Callable[[], object]) -> None:
    with backend.open(name, mode) as file:
        file.write(content)
        strike()


def _wins(create: Callable[[], object]) -> bool:
    """Whether *create* succeeds, because its name does not exist yet."""
    try:
        create()
    except fs.FileExists:
        return False
    return True


class Interrupted(OnlyRead):
    """Calls *strike* once, when *after* bytes were read, before it returns more."""

    def __init__(self, content: bytes, after: int, strike: Callable[[], object]) -> None:
        super().__init__(content, step=after or len(content))
        self._strikes = [strike]
        self._after = after

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if self._strikes and self._at >= self._after:
            self._strikes.pop()()
        return super().read(size)
