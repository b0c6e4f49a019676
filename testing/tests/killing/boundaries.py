"""Where a process can be killed: around everything by which it changes what outlives it."""

from __future__ import annotations

import functools
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

__all__ = ['Boundaries']

#: Hooks of a backend that change files, or read them in the middle of such a change.
_HOOKS = (
    '_put', '_remove', '_remove_batch', '_remove_many', '_delete', '_swap', '_copy', '_move', '_set_attributes', '_stat', '_scan', '_names', '_open',
)  # fmt: skip
#: Audit events that are raised right before a call of the operating system.
_CALLS = frozenset(
    (
        'open', 'os.chmod', 'os.link', 'os.mkdir', 'os.remove', 'os.rename', 'os.rmdir', 'os.setxattr', 'os.truncate',
        'os.utime', 'socket.connect', 'sqlite3.connect',
    )
)  # fmt: skip
_SENDING = ('send', 'sendall', 'sendmsg')
_RECEIVING = ('recv', 'recv_into')
_DIALECT = ('do_begin', 'do_commit', 'do_execute', 'do_executemany', 'do_release_savepoint', 'do_rollback',
            'do_rollback_to_savepoint', 'do_savepoint')  # fmt: skip


#: Where a process is killed that never reaches the boundary that was chosen for it.
_LAST = 1000


class Boundaries:
    """Counts the boundaries of the main thread, and kills the process at one of them.

    That is one of a kind that *rng* chooses among those of *request*, or, half of the time and if there are none, the one of a
    number that it chooses: the former reaches those that are rare, the latter finds others.

    :param rng: What decides.
    :param request: ``kinds``, and ``mean``, the average of such a number.
    :param report: Called with the kind of each.
    """

    def __init__(self, rng: random.Random, request: dict[str, Any], report: Callable[[str], None]) -> None:
        number = 1 + int(rng.expovariate(1 / request['mean']))
        kind, repetition = rng.choice(request['kinds'] or ['']), rng.choice((1, 1, 2, 5))
        by_number = rng.random() < 0.5 or not kind
        self._kill_at = number if by_number else _LAST
        self._kind, self._repetition = '' if by_number else kind, repetition
        self._report = report
        self._count = self._count_of_kind = 0
        self._thread = threading.get_ident()
        self._is_on = False

    def start(self) -> None:
        """From here on. What is sent, received, and called in the operating system counts, whoever does it."""
        for name in _SENDING + _RECEIVING:
            self._wrap(socket.socket, name, f'socket.{name}')
        sys.addaudithook(self._audit)
        self._is_on = True

    def watch_backend(self, backend: Any) -> None:
        """Count the hooks of *backend*."""
        for name in _HOOKS:
            if hasattr(backend, name):
                self._wrap(backend, name, f'storage.{name}')

    def watch_engine(self, engine: Any, what: str) -> None:
        """Count what *engine* of SQLAlchemy does to its database."""
        for name in _DIALECT:
            self._wrap(engine.dialect, name, f'{what}.{name}')

    def _wrap(self, owner: Any, name: str, label: str) -> None:
        real = getattr(owner, name)

        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.reached(f'before {label}')
            result = real(*args, **kwargs)
            self.reached(f'after {label}')
            return result

        mock.patch.object(owner, name, call).start()

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CALLS and self._is_on and not (event == 'open' and not _writes(args)):
            self.reached(f'before {event}')

    def reached(self, label: str) -> None:
        """Called at each boundary."""
        if not self._is_on or threading.get_ident() != self._thread:
            return
        self._count += 1
        self._report(label)
        self._count_of_kind += label == self._kind
        if self._count >= self._kill_at or self._count_of_kind == self._repetition:
            os.kill(os.getpid(), signal.SIGKILL)


def _writes(args: tuple[Any, ...]) -> bool:
    """Whether the audit event of a call of open() is that of a file to be written."""
    flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
