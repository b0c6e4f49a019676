"""What crashed processes leave behind, and what sweeping removes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable

from flask_fs.backends import BaseBackend
from flask_fs.names import is_valid

from ..concurrency import CAN_FORK, TIMEOUT_S, Background
from ..guarantees import broken, check
from ..harness import Harness
from ..sources import OnlyRead
from .content import content_of
from .operations import OLD, left_behind, small_sizes

#: How long others can need to store the file of a killed process, in seconds: many times what it takes on a busy machine.
PATIENCE_S = 30
#: Names of files that look like leftovers of a store, a driver, an editor or an operating system.
LOOKS_LEFT_OVER = (
    'tmp', 'tmp1234', '.tmp', '.tmp-1', 'tmp/x', 'x.tmp', 'x.part', '.x.swp', 'x~', '.~lock.x#', '.nfs0001', '.DS_Store', 'draft',
    'drafts/1', 'upload', 'upload-1', 'uploads/1', 'incoming/x', 'deleted/x', '.trash/x', 'x.lock', 'lock/x',
    'segments/x', 'chunks/1', 'blocks/1', 'fs-tmp-1', 'x.fs-tmp-1', 'a/fs-tmp-1', '0' * 32, 'lost+found/x',
)  # fmt: skip


class LeftoverChecks:
    """Killed processes, and sweeping."""

    @check(
        '_sweep',
        cause='The old file is changed before the new one is complete, the name stays locked or reserved, or _sweep does not remove '
        'what an upload keeps until it is complete. Check what _put creates first, and _sweep.',
    )
    def test_a_killed_process_leaves_a_file_old_and_its_name_usable(self, harness: Harness) -> None:
        """If a process is killed while it stores a file, the old file is intact, others can store that file, and sweeping removes what is left."""
        if not CAN_FORK or not harness.shared_between_processes:
            return
        backend, other = harness.make(), harness.make()
        backend.write('x', OLD)
        content = content_of(size := small_sizes(harness)['parts'])
        for name, after in (('x', size // 2), ('new', size)):
            _kill(lambda name=name, after=after: backend.save(_Deadly(content, after), name, overwrite=name == 'x'))  # type: ignore[misc]  # bound now
            what = f'a process was killed when it had read {after} of {size} bytes for {name!r}'
            if (seen := list(other.list_files())) != ['x'] or harness.get_raw('x') != OLD:
                broken(
                    f'Expected only the old x after {what}; saw {seen}, of which x has {len(harness.get_raw("x"))} bytes.'
                )
            storing = Background(lambda name=name: _store_again(other, name))  # type: ignore[misc]  # bound now
            if not storing.wait(PATIENCE_S):
                broken(f'Expected {name!r} to be usable after {what}; saw it wait for {PATIENCE_S} s.')
            storing.result()
            if left := left_behind(harness, harness.make(), 'x'):
                broken(f'Expected only x in the store after {what}, and sweep() was called; saw {left[:5]}.')

    @check(
        '_sweep',
        cause='_sweep recognizes leftovers by names that files can also have, or by their age alone. Keep unfinished uploads '
        'under names that no file can have, such as those below names.TEMPORARY_PREFIX.',
    )
    def test_sweeping_removes_no_file(self, harness: Harness) -> None:
        """Sweeping removes no file, however old, whatever its name, and even if it is named like an unfinished upload in the store."""
        backend, other = harness.make(), harness.make()
        during: list[str] = []

        def look() -> None:
            during.extend(harness.names_raw())

        other.save(_Looking(content_of(size := small_sizes(harness)['parts']), size - 1, look), 'x')
        similar = (name for draft in during for name in (draft, f'{draft}-2', draft[:-1]))
        names = [*dict.fromkeys(name for name in (*LOOKS_LEFT_OVER, *similar, 'x') if is_valid(name))]
        # Skip names below other names, which some stores reject.
        names = [name for name in names if not any(each.startswith(f'{name}/') for each in names)]
        for name in names:
            backend.write(name, name.encode())
        # Also treat them as if they were stored a minute ago.
        for sweeper, older_than_s in itertools.product((backend, other), (0, -60)):
            sweeper.sweep(older_than_s=older_than_s)
            if gone := sorted({*names} - {*other.list_files()}):
                broken(f'Expected sweep() to remove no file; saw {gone[:5]} removed.')
        assert {name: other.read(name) for name in names} == {name: name.encode() for name in names}


class _Deadly(OnlyRead):
    """Kills its process when *after* bytes were read."""

    def __init__(self, content: bytes, after: int) -> None:
        super().__init__(content, step=100_000)
        self._after = after

    def read(self, size: int = -1) -> bytes:
        if self._at >= self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)


class _Looking(OnlyRead):
    """Calls *look* once, when *after* bytes were read."""

    def __init__(self, content: bytes, after: int, look: Callable[[], None]) -> None:
        super().__init__(content, step=after)
        self._looks = [look]

    def read(self, size: int = -1) -> bytes:
        if self._at and self._looks:
            self._looks.pop()()
        return super().read(size)


def _kill(store: Callable[[], object]) -> None:
    """Call *store* in a fork, which it kills."""
    # A daemon: Python waits for other processes when it ends.
    process = multiprocessing.get_context('fork').Process(target=store, daemon=True)
    process.start()
    process.join(TIMEOUT_S)
    if process.exitcode != -signal.SIGKILL:
        process.kill()
        process.join()
        broken(f'Expected the source to be read to its end by save(); saw its process end with {process.exitcode}.')
    process.close()


def _store_again(backend: BaseBackend, name: str) -> None:
    for content in (b'stored by another process', OLD):
        backend.write(name, content)
        assert backend.read(name) == content
    if name != 'x':
        backend.remove(name)
