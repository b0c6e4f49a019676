"""Changes by others are visible immediately: nothing about a file is cached."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import time
from collections.abc import Callable, Mapping

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..concurrency import CAN_FORK, in_processes
from ..guarantees import broken, check
from ..harness import Harness

#: How long the time of a replaced file can stay the same, in seconds: some stores have a resolution of two seconds.
STEP_S = 3
#: What the verbs show for a missing file.
ABSENT = None

View = Callable[[BaseBackend], object]


def _opened(backend: BaseBackend) -> bytes:
    with backend.open('a/x', 'rb') as file:
        return bytes(file.read())


def _local(backend: BaseBackend) -> bytes:
    with backend.local_file('a/x') as path, open(path, 'rb') as file:
        return file.read()


#: The verbs that show the content of a file, its size, and whether it exists.
CONTENT: Mapping[str, View] = {
    'read': lambda backend: backend.read('a/x'),
    'read_range': lambda backend: backend.read_range('a/x', 0, 100),
    'read_chunks': lambda backend: b''.join(backend.read_chunks('a/x', 100)),
    'open': _opened,
    'local_file': _local,
}
SIZE: Mapping[str, View] = {
    'stat': lambda backend: backend.stat('a/x').size,
    'metadata': lambda backend: backend.metadata('a/x')['size'],
    'scan': lambda backend: next((info.size for info in backend.scan() if info.name == 'a/x'), ABSENT),
}
CHECKSUM: Mapping[str, View] = {
    "metadata, its 'checksum'": lambda backend: backend.metadata('a/x')['checksum'],
    # Where none is stored with the file, it is the one of metadata.
    "stat, its 'checksum'": lambda backend: backend.stat('a/x').checksum or backend.metadata('a/x')['checksum'],
}
PRESENCE: Mapping[str, View] = {
    'exists': lambda backend: backend.exists('a/x') or ABSENT,
    'list_files': lambda backend: 'a/x' in list(backend.list_files()) or ABSENT,
    'list_files of its folder': lambda backend: 'a/x' in list(backend.list_files('a/')) or ABSENT,
}


class FreshnessChecks:
    """Several backends, processes and programs on one store."""

    @check(
        '_stat, _open and _scan',
        cause='Data that was read or written is cached in the backend, and used instead of the store. Cache clients and '
        'connections, but nothing about files.',
    )
    def test_what_another_backend_does_is_seen_at_once(self, harness: Harness) -> None:
        """Every verb immediately sees what another backend on the same store writes, replaces and removes."""
        backend, other = harness.make(), harness.make()
        _follow(backend, lambda content: other.write('a/x', content), lambda: other.delete('a'))

    @check(
        '_stat, _open and _scan',
        cause='Data that was read or written is cached in memory that all backends of a process share, or in a separate index '
        'of files. Read from the store itself.',
    )
    def test_what_another_program_does_is_seen_at_once(self, harness: Harness) -> None:
        """Every verb immediately sees what another program stores, even if it replaces a file of the backend."""
        backend = harness.make()
        backend.write('a/x', b'its own content')
        _expect(backend, b'its own content')
        harness.put_raw('a/x', b'of the other program')
        _expect(backend, b'of the other program')
        backend.remove('a/x')
        _follow(backend, lambda content: harness.put_raw('a/x', content), lambda: backend.remove('a/x'))

    @check(
        '_stat, _open and _scan',
        cause='Data that was read or written is cached in memory that all backends of a process share. Read from the store itself.',
    )
    def test_what_another_process_does_is_seen_at_once(self, harness: Harness) -> None:
        """Every verb immediately sees what another process writes, replaces and removes."""
        if not CAN_FORK or not harness.shared_between_processes:
            return
        backend = harness.make()

        def in_another(act: Callable[[BaseBackend], object]) -> None:
            def act_in_turn(_: int) -> None:
                act(harness.make())

            in_processes(1, act_in_turn)

        _follow(
            backend,
            lambda content: in_another(lambda other: other.write('a/x', content)),
            lambda: in_another(lambda other: other.remove('a/x')),
        )

    @check(
        '_stat',
        cause='The etag consists only of size and time, and the time is in seconds or not updated; or the previous etag is '
        'cached. Use the etag of the store, or add something that distinguishes versions.',
    )
    def test_an_etag_changes_with_every_change(self, harness: Harness) -> None:
        """Different versions of a file have different etags, even with the same size, at the same moment and from different writers."""
        backend, other = harness.make(), harness.make()

        def move(name: str, content: bytes) -> None:
            other.write('other', content)
            other.move('other', name)

        def copy(name: str, content: bytes) -> None:
            other.write('other', content)
            other.copy('other', name)

        def make_anew(name: str, content: bytes) -> None:
            other.remove(name)
            other.write(name, content, overwrite=False)

        writes: tuple[Callable[[str, bytes], object], ...] = (
            backend.write, backend.write, other.write, harness.put_raw, harness.put_raw, backend.write, move, copy, make_anew,
        )  # fmt: skip
        etags: dict[str, bytes] = {}
        for number, write in enumerate(itertools.chain(writes, writes)):
            content = b'version %03d' % number
            write('x', content)
            etag = backend.stat('x').etag
            if etag is None:
                continue
            if etag in etags:
                broken(f'Expected different etags for {content!r} and {etags[etag]!r}; saw {etag!r} for both.')
            etags[etag] = content
            assert other.stat('x').etag == etag
            [scanned] = (info for info in backend.scan('x') if info.name == 'x')
            assert scanned.etag in (None, etag)

    @check(
        '_stat',
        cause='The time of the first version is returned, or that of its source, or the first time that was read is cached. '
        'Check what _stat and _scan return as modified.',
    )
    def test_the_time_moves_on_when_a_file_is_replaced(self, harness: Harness) -> None:
        """The modification time is when a file was last written: it never goes back, and is later for a replacement a few seconds later."""
        backend, other = harness.make(), harness.make()
        backend.write('x', b'first')
        first = latest = _times(backend)
        deadline = time.monotonic() + STEP_S
        while not all(now > then for now, then in zip(latest, first, strict=True)):
            is_over = time.monotonic() > deadline
            other.write('x', b'other')
            now = _times(backend)
            if any(time_now < before for time_now, before in zip(now, latest, strict=True)):
                broken(
                    f'Expected the time of a replaced file not to go back; saw {latest} and then {now} from stat and scan.'
                )
            latest = now
            if is_over and not all(now > then for now, then in zip(latest, first, strict=True)):
                broken(
                    f'Expected another time for a file that was replaced {STEP_S} s later; saw {first} from stat and scan, and '
                    f'now {latest}.'
                )


def _follow(backend: BaseBackend, put: Callable[[bytes], object], remove: Callable[[], object]) -> None:
    """Expect *backend* to show what *put* and *remove* changed."""
    _expect(backend, ABSENT)
    for content in (b'first', b'other', b'longer than before'):
        put(content)
        _expect(backend, content)
    remove()
    _expect(backend, ABSENT)
    put(b'again')
    _expect(backend, b'again')
    remove()


def _expect(backend: BaseBackend, content: bytes | None) -> None:
    """Expect every verb of *backend* to show a file with this content, or none."""
    expected = {
        **dict.fromkeys(PRESENCE, ABSENT if content is None else True),
        **dict.fromkeys(SIZE, ABSENT if content is None else len(content)),
        **dict.fromkeys(CHECKSUM, ABSENT if content is None else f'sha256:{hashlib.sha256(content).hexdigest()}'),
        **dict.fromkeys(CONTENT, content),
    }
    views = {**PRESENCE, **SIZE, **CHECKSUM, **CONTENT}
    # In both orders in turn, because one verb can refresh what another one has cached.
    for verb in sorted(views, reverse=len(content or b'') % 2 == 1):
        try:
            seen = views[verb](backend)
        except fs.FileNotFound:
            seen = ABSENT
        if seen != expected[verb]:
            broken(f'Expected {verb} to show {expected[verb]!r}, after a change by another writer; saw {seen!r}.')


def _times(backend: BaseBackend) -> list[datetime.datetime]:
    [scanned] = backend.scan()
    times = [backend.stat('x').modified, scanned.modified]
    return [time for time in times if time is not None]
