"""Clients of stores: one per process and settings, created on first use, and not reused in forked children."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

C = TypeVar('C')
S = TypeVar('S')


class SharedClient(Generic[C]):
    """A client that is shared by all users with the same settings in this process: see :func:`shared_client`.

    Its repr shows no settings, and it can't be pickled, because it can contain passwords.
    """

    __slots__ = ('__weakref__', '_client', '_close', '_finalizer', '_inherit', '_lock', '_make', '_settings')

    def __init__(
        self,
        make: Callable[[Any], C],
        settings: Any,
        close: Callable[[C], object] | None,
        inherit: Callable[[C], C | None] | None,
    ) -> None:
        self._make = make
        self._settings = settings
        self._close = close
        self._inherit = inherit
        self._client: C | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._lock = threading.Lock()

    def get(self) -> C:
        """The client of this process. The first call creates it; if that raises, the next call tries again."""
        client = self._client
        if client is None:
            with self._lock:
                client = self._client
                if client is None:
                    client = self._make(self._settings)
                    self._adopt(client)
        return client

    def _adopt(self, client: C) -> None:
        if self._close is not None:
            self._finalizer = weakref.finalize(self, self._close, client)
            # At exit, the process closes its sockets anyway. An unavailable server would delay it.
            self._finalizer.atexit = False
        self._client = client

    def _after_fork(self) -> None:
        # Another thread of the parent might have held the lock.
        self._lock = threading.Lock()
        client, self._client = self._client, None
        if self._finalizer is not None:
            # Closing could end sessions at the server, which belong to the parent.
            self._finalizer.detach()
        if client is not None and self._inherit is not None and (inherited := self._inherit(client)) is not None:
            self._adopt(inherited)


class _Registry:
    """The shared clients of this process, as long as something refers to them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # A list of weak references, which can be iterated over while objects are garbage-collected.
        self.known: list[weakref.ref[SharedClient[Any]]] = []

    def live(self) -> list[SharedClient[Any]]:
        return [shared for reference in self.known if (shared := reference()) is not None]

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        for shared in self.live():
            shared._after_fork()


_registry = _Registry()
if hasattr(os, 'register_at_fork'):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_registry.after_fork)


def shared_client(
    make: Callable[[S], C],
    settings: S,
    *,
    close: Callable[[C], object] | None = None,
    inherit: Callable[[C], C | None] | None = None,
) -> SharedClient[C]:
    """The holder of a client that is shared by everyone in this process with equal *settings*. It opens no connection.

    Keep the returned object instead of the client: the client is dropped with the last reference to it, and a forked child
    gets another one.

    :param make: Creates a client from *settings*. Use a module-level function, because only equal functions share a client.
    :param close: Called with the client after the last reference is gone, except at the end of the process.
    :param inherit: Called in a forked child with the parent's client, whose connections must not be used. Returns the client
        for the child, or None to create a new one.
    """
    with _registry.lock:
        live = _registry.live()
        for shared in live:
            if shared._make == make and shared._settings == settings:
                return shared
        shared = SharedClient(make, settings, close, inherit)
        _registry.known = [*map(weakref.ref, live), weakref.ref(shared)]
        return shared
