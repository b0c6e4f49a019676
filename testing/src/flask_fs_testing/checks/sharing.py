"""What threads, processes and applications share, including connections."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import socket
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES

from ..concurrency import CAN_FORK, in_processes, in_threads
from ..guarantees import broken, check
from ..harness import Harness
from ..sources import OnlyRead

#: How long a process waits for the other one, in seconds.
MEETING_S = 30
THREADS = 16
TURNS = 5


class SharingChecks:
    """Concurrent use."""

    @check(
        'threads',
        cause='All threads use one connection, cursor or open file. Check the client that the driver keeps.',
    )
    def test_threads_share_a_backend(self, harness: Harness) -> None:
        """Sixteen threads write, read, list and delete through one backend without interfering with each other."""
        backend = harness.make()

        def work(number: int) -> None:
            for turn in range(TURNS):
                name, content = f't{number}/{turn}', f'{number}-{turn}'.encode() * 500
                backend.write(name, content, overwrite=False)
                assert backend.read(name) == content
                assert name in set(backend.list_files(f't{number}/'))
            backend.delete(f't{number}')

        in_threads(THREADS, work)
        assert harness.names_raw() == []

    @check(
        'fork',
        cause='Both processes use one connection. Keep the client in a SharedClient, or create a new one when os.getpid() has changed.',
    )
    def test_a_backend_works_on_both_sides_of_a_fork(self, harness: Harness) -> None:
        """A backend that was used before a fork works after it, in the child and in the parent."""
        if not CAN_FORK:
            return
        backend = harness.make()
        backend.write('before', b'before')

        def write_and_read(_: int) -> bytes:
            backend.write('child', b'child')
            return backend.read('before')

        assert in_processes(1, write_and_read, lambda: backend.write('parent', b'parent')) == [b'before']
        assert backend.read('parent') == b'parent'
        if harness.shared_between_processes:
            assert backend.read('child') == b'child'

    @check(
        '_put',
        cause='Temporary names come from a counter, or a random state, that processes share after a fork, or '
        'only from the thread. Check how _put names temporary files and parts.',
    )
    def test_processes_that_store_at_once_keep_apart(self, harness: Harness) -> None:
        """If two processes store files at the same time, each file is complete, and under a common name it is that of one of them."""
        if not CAN_FORK or not harness.shared_between_processes:
            return
        backend = harness.make()
        backend.write('a/before', b'before')
        contents = [bytes([number]) * (CHUNK_BYTES + 300_000) for number in range(2)]
        gate = multiprocessing.get_context('fork').Barrier(2)

        def store(number: int) -> None:
            backend.save(_Meeting(contents[number], gate.wait), f'a/{number}', overwrite=True)
            # For one name, a store can refuse the second complete upload.
            with contextlib.suppress(fs.FSError):
                backend.save(_Meeting(contents[number], gate.wait), 'a/same', overwrite=True)

        in_processes(2, store)
        if [backend.read(f'a/{number}') for number in range(2)] != contents or backend.read('a/same') not in contents:
            broken('Expected the files of two processes as each stored them; saw other content.')

    @check(
        'construction',
        cause='__init__ makes the client connect, or looks up the container. Connect in the first hook that needs it.',
    )
    def test_nothing_is_connected_to_before_it_is_needed(self, harness: Harness) -> None:
        """Creating a backend, and setting up an application, sends no requests: applications start while their store is down."""
        # Clients of earlier tests might monitor their servers meanwhile, in separate threads, old and new.
        ours, start = {threading.current_thread()}, threading.Thread.start
        attempts: list[Any] = []

        def start_ours(thread: threading.Thread) -> None:
            if threading.current_thread() in ours:
                ours.add(thread)
            start(thread)

        def refused(real: Callable[..., Any]) -> Callable[..., Any]:
            def connect(*address: Any, **options: Any) -> Any:
                if threading.current_thread() not in ours:
                    return real(*address, **options)
                attempts.append(address[-1])
                raise AssertionError('a connection was opened before the first operation')

            return connect

        with (
            mock.patch.object(threading.Thread, 'start', start_ours),
            mock.patch.object(socket.socket, 'connect', refused(socket.socket.connect)),
            mock.patch.object(socket, 'getaddrinfo', refused(socket.getaddrinfo)),
        ):
            harness.make()
            harness.make_missing()
            harness.make_app(fs.Storage('kit'))
        # The caller might have swallowed the error.
        assert attempts == []

    @check(
        'applications',
        cause='State of one application is kept on the class or in the module, or the key prefix is omitted.',
    )
    def test_one_storage_stays_apart_in_two_applications(self, harness: Harness) -> None:
        """A storage in two applications uses the store of the current one; copying a storage returns the same object."""
        storage = fs.Storage('kit', fs.ALL)
        one, two = harness.make_app(storage, prefix='one'), harness.make_app(storage, prefix='two')
        with one.app_context():
            storage.write('x', b'one')
        with two.app_context():
            assert not storage.exists('x')
            storage.write('x', b'two')
        with one.app_context():
            assert storage.read('x') == b'one'
            assert copy.deepcopy([storage])[0] is storage


class _Meeting(OnlyRead):
    """Waits for another source, after more has been read than drivers read before they begin to store."""

    def __init__(self, content: bytes, meet: Callable[[float], object]) -> None:
        super().__init__(content, 100_000)
        self._meetings = [meet]

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if self._at > CHUNK_BYTES and self._meetings:
            self._meetings.pop()(MEETING_S)
        return super().read(size)
