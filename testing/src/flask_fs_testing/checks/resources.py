"""Releasing files, connections, threads and temporary files, after success, after failure and if reading stops early."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend

from ..concurrency import CAN_FORK, Background, in_processes
from ..doubles import BackendWrapper
from ..guarantees import check
from ..harness import Harness, NetworkHarness
from ..leaks import ALLOWED, Act, leaves_nothing
from ..metering import through_proxy
from ..sources import Failing, OnlyRead, SourceFailed
from .content import content_of
from .via_proxy import ALWAYS, is_get

#: More than sockets and pipes buffer: a stream that is not read to its end has content left.
LARGE = 3_000_000
TIMEOUT_S = 30


def _read(backend: BaseBackend, filename: str, mode: str = 'rb') -> None:
    with backend.open(filename, mode) as file:
        file.read()


def _write(backend: BaseBackend, filename: str) -> None:
    with backend.open(filename, 'wb') as file:
        file.write(b'content')


def _local(backend: BaseBackend, filename: str) -> None:
    with backend.local_file(filename) as path, open(path, 'rb') as file:
        file.read()


#: All operations, each with its own file every time.
_OPERATIONS: Mapping[str, Callable[[BaseBackend, str], object]] = {
    'write': lambda backend, mine: backend.write(mine, b'content'),
    'save': lambda backend, mine: backend.save(OnlyRead(b'content', step=3), mine, overwrite=True),
    'open for writing': _write,
    'read': lambda backend, mine: backend.read(mine),
    'read_range': lambda backend, mine: backend.read_range(mine, 2, 5),
    'read_range of the end': lambda backend, mine: backend.read_range(mine, -2),
    'read_chunks': lambda backend, mine: list(backend.read_chunks(mine, 3)),
    'open': _read,
    'open for text': lambda backend, mine: _read(backend, mine, 'r'),
    'local_file': _local,
    'exists': lambda backend, mine: backend.exists(mine),
    'stat': lambda backend, mine: backend.stat(mine),
    'metadata': lambda backend, mine: backend.metadata(mine)['checksum'],
    'list_files': lambda backend, mine: list(backend.list_files()),
    'scan': lambda backend, mine: list(backend.scan()),
    'the first page of a folder': lambda backend, mine: backend.folder(limit=1),
    'copy': lambda backend, mine: backend.copy(mine, f'{mine}-copied'),
    'move': lambda backend, mine: backend.move(f'{mine}-copied', f'{mine}-moved'),
    'remove': lambda backend, mine: backend.remove(f'{mine}-moved'),
    'delete': lambda backend, mine: backend.delete(mine),
    'save with create': lambda backend, mine: backend.save(io.BytesIO(b'content'), mine, overwrite=False),
    'remove_many': lambda backend, mine: backend.remove_many([mine, f'{mine}-moved']),
}
_FAILURES: Mapping[str, Callable[[BaseBackend, bytes], object]] = {
    'read of a missing file': lambda backend, large: backend.read('missing'),
    'read_chunks of a missing file': lambda backend, large: backend.read_chunks('missing'),
    'open of a missing file': lambda backend, large: backend.open('missing'),
    'stat of a missing file': lambda backend, large: backend.stat('missing'),
    'local_file of a missing file': lambda backend, large: _local(backend, 'missing'),
    'copy of a missing file': lambda backend, large: backend.copy('missing', 'z'),
    'move of a missing file': lambda backend, large: backend.move('missing', 'z'),
    'a range beyond the end': lambda backend, large: backend.read_range('x', 100),
    'another version': lambda backend, large: BackendWrapper(backend).pass_on('open', backend._key('x'), etag='other'),
    'an existing name': lambda backend, large: backend.save(io.BytesIO(b'other'), 'x', overwrite=False),
    'copy to an existing name': lambda backend, large: backend.copy('y', 'x', overwrite=False),
    'another version to replace': lambda backend, large: backend.write('x', b'other', if_match='other'),
    'attributes of a missing file': lambda backend, large: backend.set_attributes(
        'missing', {'cache_control': 'no-store'}
    ),
    'an invalid name': lambda backend, large: backend.write('../x', b'other'),
    'content of a wrong type': lambda backend, large: backend.write('z', None),
    'a source that fails': lambda backend, large: backend.save(Failing(large, 10), 'z'),
    'a source that fails late': lambda backend, large: backend.save(Failing(large, len(large) - 1), 'z'),
}


class ResourceChecks:
    """Nothing is left open, and no files are left behind."""

    @check(
        'every verb',
        cause='A hook opens a file, a connection or a temporary file and does not close it in a with block or finally.',
    )
    def test_operations_leave_nothing_open(self, harness: Harness) -> None:
        """Operations that run many times leave no open file, connection, thread or temporary file, and nothing in the store."""
        backend = harness.make()
        backend.write('x', b'0123456789')

        def bound(act: Callable[[BaseBackend, str], object]) -> Act:
            return lambda number: act(backend, f'file-{number}')

        # Many times, to show rare leaks.
        leaves_nothing(harness, {name: bound(act) for name, act in _OPERATIONS.items()}, in_threads=True)
        for size in harness.part_sizes[:1]:
            large = content_of(size + 5)

            def save_parts(_: int, large: bytes = large) -> None:
                backend.save(io.BytesIO(large), 'large', overwrite=True)

            leaves_nothing(harness, {'saving a file of several parts': save_parts})

    @check(
        'every verb',
        cause='An error leaves the hook, or its with block, before it has closed or removed what it opened.',
    )
    def test_failures_leave_nothing_open(self, harness: Harness) -> None:
        """Operations that fail leave no open file, connection, thread or temporary file, and nothing new in the store."""
        backend = harness.make()
        backend.write('x', b'0123456789')
        backend.write('y', b'0123456789')
        large = content_of(min(harness.part_sizes, default=CHUNK_BYTES) + 5)

        def failing(act: Callable[[BaseBackend, bytes], object]) -> Act:
            def fail(_: int) -> None:
                with contextlib.suppress(fs.FSError, SourceFailed, TypeError):
                    act(backend, large)

            return fail

        leaves_nothing(harness, {name: failing(act) for name, act in _FAILURES.items()})
        assert backend.read('x') == b'0123456789'

    @check(
        'read_chunks',
        cause='The stream of _open keeps its file, connection or thread when it is closed or dropped before its end.',
    )
    def test_streams_give_back_what_they_hold(self, harness: Harness) -> None:
        """Closing, dropping or exhausting a stream, a listing or a response releases its file or connection."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage)
        client = app.test_client()
        with app.app_context():
            backend = storage.backend
            backend.write('x', content_of(LARGE))

            def half_written(_: int) -> None:
                backend.open('dropped', 'wb').write(b'content')

            def left(_: int) -> None:
                with contextlib.suppress(SourceFailed), backend.local_file('x'):
                    raise SourceFailed

            def closed(stream: Callable[[], Any]) -> Act:
                def act(_: int) -> None:
                    chunks = stream()
                    next(chunks)
                    chunks.close()

                return act

            leaves_nothing(
                harness,
                {
                    'chunks never read': lambda _: backend.read_chunks('x', 1000),
                    'chunks dropped': lambda _: next(backend.read_chunks('x', 1000)),
                    'chunks closed': closed(lambda: backend.read_chunks('x', 1000)),
                    'chunks exhausted': lambda _: list(backend.read_chunks('x', 1_000_000)),
                    'a file dropped': lambda _: backend.open('x', 'rb').read(10),
                    'a file closed': lambda _: _read_a_little(backend),
                    'a file being written dropped': half_written,
                    'a local file whose block ends with an error': left,
                    'names dropped': lambda _: next(backend.list_files()),
                    'metadata dropped': lambda _: next(backend.scan()),
                    'a response closed': lambda _: client.get('/kit/x', buffered=False).close(),
                    'a response read a little': closed(lambda: client.get('/kit/x', buffered=False).response),
                    'a response without content': lambda _: client.head('/kit/x').close(),
                },
            )

    @check(
        'threads',
        cause='The driver keeps a connection, client or pool for each thread that ever called it, by thread ID.',
    )
    def test_a_thread_that_ends_leaves_nothing_open(self, harness: Harness) -> None:
        """When a thread that used a backend ends, as those of web servers do, no connection and no other thread is left."""
        backend = harness.make()
        backend.write('x', b'0123456789')

        def work() -> None:
            backend.write('y', b'content')
            backend.read('x')
            list(backend.list_files())
            backend.remove('y')

        def in_a_thread(_: int) -> None:
            Background(work).result()

        leaves_nothing(harness, {'a thread': in_a_thread})

    @check(
        'fork',
        cause='A lock is held while a source is read, or the child closes, removes or continues something that belongs to its parent.',
    )
    def test_a_fork_in_the_middle_of_an_upload_harms_neither(self, harness: Harness) -> None:
        """A process that is forked while a thread stores a file can read and write, and the file is stored completely."""
        if not CAN_FORK:
            return
        backend = harness.make()
        backend.write('x', b'0123456789')
        content = content_of(LARGE)
        begun, forked = threading.Event(), threading.Event()

        class Waiting(OnlyRead):
            def read(self, size: int = -1) -> bytes:
                if self._at > LARGE // 2:
                    begun.set()
                    forked.wait(TIMEOUT_S)
                return super().read(size)

        def read_and_write(_: int) -> bytes:
            backend.write('child', b'child')
            return backend.read('x')

        uploading = Background(lambda: backend.save(Waiting(content, step=1_000_000), 'large'))
        try:
            assert begun.wait(TIMEOUT_S)
            assert in_processes(1, read_and_write) == [b'0123456789']
        finally:
            forked.set()
        uploading.result()
        assert backend.read('large') == content
        if harness.shared_between_processes:
            assert backend.read('child') == b'child'


class NetworkResourceChecks:
    """The same if the network fails."""

    @check(
        'errors',
        cause='The error, or a list of errors, keeps the response, and with it the connection; or only streams that were read to '
        'the end are closed.',
    )
    def test_failures_of_the_network_leave_nothing_open(self, harness: NetworkHarness) -> None:
        """If the store refuses a request, or the connection is cut while reading, no open connection, file or thread is left."""
        reads: dict[str, Callable[[BaseBackend], object]] = {
            'read': lambda backend: backend.read('x'),
            'read_chunks': lambda backend: list(backend.read_chunks('x', 100_000)),
            'open': lambda backend: _read(backend, 'x'),
        }
        others: dict[str, Callable[[BaseBackend], object]] = {
            'stat': lambda backend: backend.stat('x'),
            'list_files': lambda backend: list(backend.list_files()),
            'write': lambda backend: backend.write('y', b'content'),
        }
        with through_proxy(harness) as (proxy, backend):
            harness.put_raw('x', content_of(LARGE))

            def failing(strike: Callable[[], object], act: Callable[[BaseBackend], object]) -> Act:
                def fail(_: int) -> None:
                    strike()
                    with contextlib.suppress(fs.FSError):
                        act(backend)
                    proxy.recover()

                return fail

            # Once: some wait longer after each attempt.
            cut = partial(proxy.cut_download, after_bytes=100_000, when=is_get if harness.http else None)
            acts = {'read_chunks that is cut': failing(cut, reads['read_chunks'])}
            if harness.http:
                refuse = partial(proxy.respond, 403, times=ALWAYS)
                acts |= {f'{name} that is refused': failing(refuse, act) for name, act in {**reads, **others}.items()}
            # Each connection of the backend counts three times, because the proxy has two for it.
            leaves_nothing(harness, acts, allowed=3 * ALLOWED)


def _read_a_little(backend: BaseBackend) -> None:
    with backend.open('x', 'rb') as file:
        file.read(10)
