"""Clients of stores: one per process and settings, made when it is first needed and left alone in a forked child."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

C = TypeVar('C')
S = TypeVar('S')


class SharedClient(Generic[C]):
    """One client for everyone in this process who asked for the same one: see :func:`shared_client`.

    Its repr shows no settings, and it cannot be pickled: there may be passwords in it.
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
        """The client of this process. Whoever calls this first makes it; what that raises is tried again next time."""
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
            # When the process ends its sockets are closed anyway; a server that is away would hold it up.
            self._finalizer.atexit = False
        self._client = client

    def _after_fork(self) -> None:
        # Another thread of the parent may have held the lock.
        self._lock = threading.Lock()
        client, self._client = self._client, None
        if self._finalizer is not None:
            # Closing may end sessions at the server, which are the parent's.
            self._finalizer.detach()
        if client is not None and self._inherit is not None and (inherited := self._inherit(client)) is not None:
            self._adopt(inherited)


class _Registry:
    """The shared clients of this process, each for as long as somebody keeps it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # A list of references, which can be gone through while others are collected as garbage.
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
    """What gives the client that everyone in this process with equal *settings* shares; it connects to nothing.

    Keep it, and not the client: the client is dropped with the last one who keeps this, and a forked child has another.

    :param make: Makes a client from *settings*; a function of a module, as only equal functions share.
    :param close: Called with the client once nobody keeps it, except at the end of the process.
    :param inherit: Called in a forked child with the parent's client, whose connections must not be used: gives what the
        child goes on with, or None if it is to make a client of its own.
    """
    with _registry.lock:
        live = _registry.live()
        for shared in live:
            if shared._make == make and shared._settings == settings:
                return shared
        shared = SharedClient(make, settings, close, inherit)
        _registry.known = [*map(weakref.ref, live), weakref.ref(shared)]
        return shared
