"""Interrupts at a chosen moment: KeyboardInterrupt, and what gevent raises in a killed greenlet."""

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
    """Replaces greenlet's GreenletExit if greenlet is not installed."""


def _greenlet_exit() -> type[BaseException]:
    with contextlib.suppress(ImportError):
        found: type[BaseException] = importlib.import_module('greenlet').GreenletExit
        return found
    return _Killed


GreenletExit = _greenlet_exit()
#: Errors that are not Exceptions, and can be raised anywhere.
INTERRUPTS: tuple[type[BaseException], ...] = (KeyboardInterrupt, GreenletExit)

# Audit events right before calls of the operating system, where Python raises a pending interrupt. Removing files is not
# among them: backends clean up with it, which would be impossible if it were interrupted too.
_CALLS = frozenset(
    (
        'open', 'os.chmod', 'os.link', 'os.listdir', 'os.mkdir', 'os.rename', 'os.scandir', 'os.symlink', 'os.truncate',
        'os.utime', 'socket.getaddrinfo',
    )
)  # fmt: skip
_SENDING, _RECEIVING = ('send', 'sendall'), ('recv', 'recv_into')


class Moments:
    """The moments of one thread at which an interrupt can be raised: it is raised at number *at*, counted from 1.

    :param error: The interrupt.
    :param at: None only counts the moments.
    """

    def __init__(self, error: type[BaseException], at: int | None) -> None:
        self._error = error
        self._at = at
        #: How many moments there were.
        self.count = 0
        #: Whether the interrupt was raised, and whether there was a server connection.
        self.struck = self.on_network = False

    def come(self, *, on_network: bool = False) -> None:
        """Called at each moment."""
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
    """Raise *error* in the block, right before call number *at* of this thread to the operating system.

    Sending counts before anything is sent, and receiving when a response has begun to arrive: the request has then been
    carried out, and is not carried out later. Other threads are not interrupted, as in Python.
    """
    _install_hook()
    sockets: dict[str, Any] = {name: _patched(getattr(socket.socket, name), before=True) for name in _SENDING}
    sockets |= {name: _patched(getattr(socket.socket, name), before=False) for name in _RECEIVING}
    # In a finalizer it would be lost.
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
    # It stays for the life of the process: audit hooks cannot be removed.
    sys.addaudithook(_audit)


def _audit(event: str, _: tuple[Any, ...], calls: frozenset[str] = _CALLS, armed: _Armed = _armed) -> None:
    # Parameters, because at the end of Python, globals are cleared before the hook is.
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
