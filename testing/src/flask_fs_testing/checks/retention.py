"""Retention of deleted files: hidden, restored on request, and removed after their time."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import itertools
from collections.abc import Callable, Iterator
from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, DeletedFile

from ..guarantees import broken, check, declares
from ..harness import Harness
from ..interrupts import INTERRUPTS, interrupting
from .content import content_of
from .copying import after_hook
from .interrupts import spread
from .metadata import far_away
from .operations import small_sizes

#: At how many of its calls each verb is interrupted.
MOMENTS = 3
DAYS = 7


class RetentionChecks:
    """Deleting with the setting ``RETENTION_DAYS``."""

    @check(
        '_retain',
        cause='Deleted files are removed, or only a part of them is kept: check _retain, which moves a file to a hidden name. Or '
        'the time is a local one, or without a zone: check _deleted.',
    )
    def test_what_was_deleted_can_be_restored(self, harness: Harness) -> None:
        """A deleted file is listed with the time of its deletion in UTC, and can be restored as it was, under its name, once, whichever verb deleted it."""
        backend = harness.make(retention_days=DAYS)
        deleting: dict[str, Callable[[], object]] = {
            'd/removed.txt': lambda: backend.remove('d/removed.txt'),
            'd/many.txt': lambda: backend.remove_many(['d/many.txt', 'd/nothing']),
            'd/deleted.txt': lambda: backend.delete('d/deleted.txt'),
            'f/below.txt': lambda: backend.delete('f'),
            'Ü 日本 +%.tar.gz': lambda: backend.delete('Ü 日本 +%.tar.gz'),
        }
        sizes = itertools.cycle((0, *small_sizes(harness).values()))
        contents = {name: content_of(next(sizes)) for name in deleting}
        before = datetime.datetime.now(datetime.timezone.utc)
        with far_away():
            for name, delete in deleting.items():
                backend.write(name, contents[name])
                delete()
                if backend.exists(name):
                    broken(f'Expected {name!r} to be gone after it was deleted; it still exists.')
            kept = {file.name: file for file in backend.deleted()}
        if (seen := {name: file.size for name, file in kept.items()}) != {k: len(v) for k, v in contents.items()}:
            broken(f'Expected deleted() to return the sizes of {sorted(contents)}; saw {seen}.')
        skew = datetime.timedelta(minutes=10)
        for file in kept.values():
            in_utc = file.deleted.utcoffset() == datetime.timedelta(0)
            if not (in_utc and before - skew < file.deleted < datetime.datetime.now(datetime.timezone.utc) + skew):
                broken(f'Expected the time of deletion of {file.name!r} to be now, in UTC; saw {file.deleted}.')
        for name, content in contents.items():
            backend.restore(name)
            if backend.read(name) != content:
                broken(f'Expected {name!r} to have its content back; saw {len(backend.read(name))} other bytes.')
            with pytest.raises((fs.FileNotFound, fs.FileExists)):
                backend.restore(name)
        assert [file.name for file in backend.deleted()] == []
        # A folder is not a file, and a name selects only itself.
        for name in ('nothing', 'd', 'd/del', 'f/below'):
            backend.remove(name)
        backend.delete('nothing')
        if (left := sorted(backend.list_files())) != sorted(contents):
            broken(f'Expected {sorted(contents)} to stay when the name of a folder is removed; saw {left}.')
        with pytest.raises(fs.FileNotFound):
            backend.restore('nothing')

    @check(
        '_deleted',
        cause='Kept files have names that verbs accept, or listings do not omit them. Keep them under names.DELETED_PREFIX.',
    )
    def test_deleted_files_are_hidden(self, harness: Harness) -> None:
        """No verb, listing or response shows deleted files, or accepts the names under which they are kept."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, retention_days=DAYS)
        with app.app_context():
            backend = storage.backend
            for name in ('a.txt', 'd/b.txt', 'there.txt'):
                backend.write(name, b'secret')
            raw = set(harness.names_raw())
            backend.remove('a.txt')
            backend.delete('d')
            hidden = {*harness.names_raw()} - raw
            seen = {*backend.list_files(), *(info.name for info in backend.scan())}
            page = backend.folder()
            # Another check covers folders whose last file was removed.
            seen |= {*(info.name for info in page.files), *page.folders} - {'d'}
            if seen != {'there.txt'}:
                broken(f'Expected listings to show only there.txt after the others were deleted; saw {sorted(seen)}.')
            for prefix in ('.', '.fs', '.fs-deleted', '.fs-deleted/'):
                if found := [*backend.list_files(prefix), *backend.scan(prefix)]:
                    broken(f'Expected nothing under {prefix!r}; saw {found}.')
            client = app.test_client()
            for name in ('a.txt', 'd/b.txt', *hidden):
                with client.get(f'/kit/{name}') as response:
                    if response.status_code != 404:
                        broken(f'Expected 404 for the deleted {name!r}; saw {response.status_code}.')
                with pytest.raises((fs.FileNotFound, fs.InvalidFilename)):
                    backend.read(name)
            for name in hidden:
                for verb in (backend.remove, backend.delete, functools.partial(backend.write, content=b'')):
                    with pytest.raises(fs.InvalidFilename):
                        verb(name)
        assert storage.backend is not None

    @check(
        '_restore',
        cause='The kept file replaces one that was stored meanwhile. Check _restore: it must only create the name, and '
        'the store must decide.',
    )
    def test_restoring_never_replaces_a_file(self, harness: Harness) -> None:
        """If a new file was stored under the name, even while the deleted one is restored, restoring does not replace it; the deleted one is kept until the name is free."""
        backend = harness.make(retention_days=DAYS)
        backend.write('x.txt', b'old')
        backend.remove('x.txt')
        backend.write('x.txt', b'new')
        with pytest.raises(fs.FileExists):
            backend.restore('x.txt')
        if (seen := backend.read('x.txt')) != b'new':
            broken(f"Expected restore() not to change the new file, b'new'; saw {seen!r}.")
        backend.move('x.txt', 'y.txt')
        backend.restore('x.txt')
        assert (backend.read('x.txt'), backend.read('y.txt')) == (b'old', b'new')
        if declares(backend, Capability.ATOMIC_CREATE):
            rival = harness.make()
            for step in ('_deleted', '_stat', '_open'):
                backend.write('z.txt', b'old')
                backend.remove('z.txt')
                expected = b'rival' if _restored_while_created(backend, rival, 'z.txt', step) else b'old'
                if (seen := rival.read('z.txt')) != expected:
                    broken(f'Expected {expected!r} when another writer creates the name after {step}; saw {seen!r}.')
                rival.remove('z.txt')
                backend.purge('z.txt')

    @check(
        '_deleted',
        cause='Names are matched by their beginning, or names in subfolders are confused with those above. Check _deleted.',
    )
    def test_purging_removes_one_name_for_good(self, harness: Harness) -> None:
        """purge(name) removes all kept files with that name, and no file with any other name, deleted or not."""
        backend = harness.make(retention_days=DAYS)
        names = [
            'a.txt',
            'a.txt/b' if Capability.NESTED_NAMES in backend.capabilities else 'a/b',
            'a.txtx',
            'aa.txt',
            'A.txt',
        ]
        for content in (b'1', b'2'):
            for name in names:
                backend.write(name, content)
                backend.remove(name)
        backend.write('a.txt', b'3')
        backend.purge('a.txt')
        if (seen := sorted({file.name for file in backend.deleted()})) != sorted({*names} - {'a.txt'}):
            broken(f'Expected purge() of a.txt to leave {sorted({*names} - {"a.txt"})} restorable; saw {seen}.')
        assert backend.read('a.txt') == b'3'
        backend.purge('nothing')
        for name in names[1:]:
            backend.restore(name)
            # If several were deleted, the newest one is restored.
            assert backend.read(name) == b'2'
            backend.remove(name)
            backend.purge(name)
        assert harness.names_raw() == ['a.txt']

    @check(
        'sweep',
        cause='Kept files are removed too early, or never. Check _purge, and the time that _deleted returns.',
    )
    def test_deleted_files_are_swept_when_their_time_is_over(self, harness: Harness) -> None:
        """Sweeping removes files that were deleted more than RETENTION_DAYS ago, and nothing else, such as newer ones with the same name."""
        backend = harness.make(retention_days=DAYS)
        for name in ('d/x.txt', 'kept.txt'):
            backend.write(name, b'old')
        backend.delete('d')
        # Nor as files that a process left behind.
        early = (backend.sweep() or 0) + (backend.sweep(older_than_s=0) or 0)
        if early or [file.name for file in backend.deleted()] != ['d/x.txt']:
            broken(f'Expected nothing that was just deleted to be swept, with {DAYS} days; saw {early} removed.')
        backend.write('d/x.txt', b'newer')
        backend.remove('d/x.txt')
        real, age = backend._deleted, datetime.timedelta(days=DAYS + 1)

        def first_is_old(prefix: str) -> Iterator[DeletedFile]:
            return (
                dataclasses.replace(file, deleted=file.deleted - age) if file.size == len(b'old') else file
                for file in real(prefix)
            )

        with mock.patch.object(backend, '_deleted', first_is_old):
            swept = backend.sweep()
        if swept != 1 or [file.size for file in backend.deleted()] != [len(b'newer')]:
            broken(
                f'Expected 1 of 2 deleted files with one name to be swept after its time; saw {swept}, and '
                f'{list(backend.deleted())}.'
            )
        backend.config.retention_days = -1
        swept = backend.sweep()
        if swept != 1 or list(backend.deleted()):
            broken(f'Expected 1 file to be swept after its time; saw {swept}, and {list(backend.deleted())}.')
        assert harness.names_raw() == ['kept.txt']

    @check(
        '_retain',
        cause='The file is removed before it is kept. Check _retain and _restore: one of the two files must always exist.',
    )
    def test_an_interrupt_loses_no_deleted_file(self, harness: Harness) -> None:
        """If deleting or restoring is interrupted at any of its calls, the file still exists or can be restored."""
        content = content_of(small_sizes(harness)['parts'])
        verbs: dict[str, Callable[[BaseBackend], object]] = {
            'remove': lambda backend: backend.remove('d/x.bin'),
            'delete': lambda backend: backend.delete('d'),
            'restore': lambda backend: backend.restore('d/x.bin'),
        }
        errors = itertools.cycle(INTERRUPTS)
        for name, verb in verbs.items():
            _prepare(harness, name, content)
            with interrupting(KeyboardInterrupt) as moments:
                verb(harness.make(retention_days=DAYS))
            _clear(harness)
            steps: tuple[str | int, ...] = ('_remove', *spread(moments.count, MOMENTS))
            for at in steps:
                _prepare(harness, name, content)
                with contextlib.suppress(*INTERRUPTS):
                    _interrupt(harness.make(retention_days=DAYS), verb, next(errors), at)
                backend = harness.make(retention_days=DAYS)
                if not backend.exists('d/x.bin'):
                    if not list(backend.deleted('d/x.bin')):
                        broken(
                            f'Expected the file to exist or be restorable after {name} was interrupted at call {at}; saw neither.'
                        )
                    backend.restore('d/x.bin')
                if backend.read('d/x.bin') != content:
                    broken(f'Expected complete content after {name} was interrupted at call {at}; saw other content.')
                _clear(harness)


def _restored_while_created(backend: BaseBackend, rival: BaseBackend, name: str, step: str) -> bool:
    """Whether *rival* could create *name* while *backend* restored it: after the hook *step*."""
    created = list[str]()

    def create() -> None:
        with contextlib.suppress(fs.FileExists):
            rival.write(name, b'rival', overwrite=False)
            created.append(name)

    with contextlib.suppress(fs.FileExists), after_hook(backend, step, create):
        backend.restore(name)
    return bool(created)


def _interrupt(
    backend: BaseBackend, verb: Callable[[BaseBackend], object], error: type[BaseException], at: str | int
) -> None:
    """Raise *error* at a call of *verb*: that with a number, or the one that follows a hook."""

    def strike() -> None:
        raise error

    with after_hook(backend, at, strike) if isinstance(at, str) else interrupting(error, at):
        verb(backend)


def _prepare(harness: Harness, verb: str, content: bytes) -> None:
    """Store the file that *verb* will delete or restore."""
    backend = harness.make(retention_days=DAYS)
    backend.write('d/x.bin', content)
    if verb == 'restore':
        backend.remove('d/x.bin')


def _clear(harness: Harness) -> None:
    backend = harness.make(retention_days=DAYS)
    backend.remove('d/x.bin')
    backend.purge('d/x.bin')
