"""The HTTP connections of one process: lent one at a time, so never shared by two threads."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import weakref
from collections.abc import Callable
from typing import Any

from .errors import PoolExhausted


class Pool:
    """At most *size* connections, made when they are needed and kept for the next who needs one.

    Nothing here takes a lock of Python: streams give their connection back when they are collected as garbage, which
    may happen in the middle of anything.

    :param timeout_s: How long to wait when all are lent.
    """

    def __init__(self, size: int, timeout_s: float) -> None:
        self.size = size
        self.timeout_s = timeout_s
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        # One leave for each connection that may be lent; SimpleQueue may be entered again from a finalizer.
        self._leaves: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(self.size):
            self._leaves.put(None)
        # The one used last is used next, so that few stay open.
        self._idle: collections.deque[Any] = collections.deque()

    def lend(self, make: Callable[[], Any], *, fits: Callable[[Any], bool]) -> Lease:
        """A connection for the caller alone: an idle one that *fits*, or one that *make* gives.

        :raises PoolExhausted: If none was given back in time.
        """
        try:
            self._leaves.get(timeout=self.timeout_s)
        except queue.Empty:
            raise PoolExhausted(f'all {self.size} connections were in use for {self.timeout_s:g} s') from None
        try:
            connection = self._pop_idle()
            if connection is not None and not fits(connection):
                _close(connection)
                connection = None
            return Lease(self, self._leaves, make() if connection is None else connection)
        except BaseException:
            self._leaves.put(None)
            raise

    def _pop_idle(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    @property
    def lent(self) -> int:
        """How many connections are in use."""
        return self.size - self._leaves.qsize()

    def close(self) -> None:
        """Close the connections that are not in use."""
        while (connection := self._pop_idle()) is not None:
            _close(connection)

    def __del__(self) -> None:
        self.close()

    def _forked(self) -> None:
        """In a child: leave the connections to the parent, whose they are.

        Closing gives up this process's hold only; nothing is said on the wire, as no TLS session is ended in form.
        """
        idle = self._idle
        self._begin()
        for connection in idle:
            _close(connection)


class Lease:
    """A connection in use: given back once, or thrown away."""

    __slots__ = ('_leaves', '_pool', 'connection')

    def __init__(self, pool: Pool, leaves: queue.SimpleQueue[None], connection: Any) -> None:
        self.connection = connection
        self._pool = pool
        self._leaves = leaves

    @property
    def is_foreign(self) -> bool:
        """Whether the process was forked since: then the parent reads from this connection."""
        return self._leaves is not self._pool._leaves

    def give_back(self) -> None:
        """Let the next one use it: its last answer was read to the end."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        # The last answer holds on to what was sent.
        connection.resp = None
        if self.is_foreign:
            _close(connection)
        else:
            self._pool._idle.append(connection)
            self._leaves.put(None)

    def throw_away(self) -> None:
        """Close it: something on it was left half-way."""
        connection, self.connection = self.connection, None
        if connection is not None:
            _close(connection)
            self._leaves.put(None)


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):
        connection.close()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._forked()


if hasattr(os, 'register_at_fork'):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
