"""Interrupts at a chosen moment: KeyboardInterrupt, and what gevent raises in a greenlet that is killed."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import socket
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any
from unittest import mock

__all__ = ['INTERRUPTS', 'GreenletExit', 'Moments', 'interrupting']


class _Killed(BaseException):
    """In place of greenlet's GreenletExit, where that is not installed."""


def _greenlet_exit() -> type[BaseException]:
    with contextlib.suppress(ImportError):
        found: type[BaseException] = importlib.import_module('greenlet').GreenletExit
        return found
    return _Killed


GreenletExit = _greenlet_exit()
#: What is no Exception, and may be raised anywhere.
INTERRUPTS: tuple[type[BaseException], ...] = (KeyboardInterrupt, GreenletExit)

# Audit events raised right before a call of the operating system: an interrupt of which Python has learned is raised
# there. Removing is not among them: that is how a backend tidies up, which nothing could do if it were interrupted too.
_CALLS = frozenset(
    (
        'open', 'os.chmod', 'os.link', 'os.listdir', 'os.mkdir', 'os.rename', 'os.scandir', 'os.symlink', 'os.truncate',
        'os.utime', 'socket.getaddrinfo',
    )
)  # fmt: skip
_SENDING, _RECEIVING = ('send', 'sendall'), ('recv', 'recv_into')


class Moments:
    """The moments of one thread at which an interrupt may come: it comes at number *at*, counted from 1.

    :param error: What is raised then.
    :param at: None only counts.
    """

    def __init__(self, error: type[BaseException], at: int | None) -> None:
        self._error = error
        self._at = at
        #: How many there were.
        self.count = 0
        #: Whether the interrupt came, and whether a server was spoken to.
        self.struck = self.on_network = False

    def come(self, *, on_network: bool = False) -> None:
        """Called at each of them."""
        self.count += 1
        self.on_network |= on_network
        if self.count == self._at:
            self.struck = True
            raise self._error


class _Armed(threading.local):
    moments: Moments | None = None


_armed = _Armed()


@contextlib.contextmanager
def interrupting(error: type[BaseException], at: int | None = None) -> Generator[Moments]:
    """Raise *error* in the block, where this thread is about to call the operating system for the time number *at*.

    Sending counts before anything is sent, and receiving when a response has begun to come: what was requested is then
    done, and is not done at some time later. Other threads are left alone, as they are by Python.
    """
    _install_hook()
    sockets: dict[str, Any] = {name: _patched(getattr(socket.socket, name), before=True) for name in _SENDING}
    sockets |= {name: _patched(getattr(socket.socket, name), before=False) for name in _RECEIVING}
    # Raised in a finalizer it would be lost.
    gc.disable()
    try:
        with mock.patch.multiple(socket.socket, **sockets):
            _armed.moments = moments = Moments(error, at)
            try:
                yield moments
            finally:
                _armed.moments = None
    finally:
        gc.enable()


@functools.cache
def _install_hook() -> None:
    # It stays for the life of the process: there is no way to remove one.
    sys.addaudithook(_audit)


def _audit(event: str, _: tuple[Any, ...], calls: frozenset[str] = _CALLS, armed: _Armed = _armed) -> None:
    # Parameters: when Python ends, globals go before the hook does.
    if event in calls and (moments := armed.moments) is not None:
        moments.come()


def _patched(real: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        moments = _armed.moments
        if moments is not None and before:
            moments.come(on_network=True)
        result = real(*args, **kwargs)
        if moments is not None and not before:
            moments.come(on_network=True)
        return result

    return call
