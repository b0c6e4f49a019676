"""A backend that reaches its store only through a proxy, which can fail in each way that a network can."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..guarantees import broken
from ..harness import NetworkHarness
from ..proxy import FaultProxy, ProxiedRequest
from .operations import OLD

#: More than any backend retries.
ALWAYS = 1000
ACCESS_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'

T = TypeVar('T')


@contextlib.contextmanager
def via_proxy(harness: NetworkHarness) -> Generator[tuple[FaultProxy, BaseBackend]]:
    """A proxy in front of the store, and a backend that connects only through it; the file ``x`` exists."""
    harness.put_raw('x', OLD)
    with FaultProxy(harness.host, harness.port, http=harness.http) as proxy:
        yield proxy, harness.make_via_proxy(f'{proxy.host}:{proxy.port}')


def with_short_timeouts(harness: NetworkHarness, proxy: FaultProxy) -> BaseBackend:
    """A backend that does not wait long for a silent store."""
    return harness.make_via_proxy(f'{proxy.host}:{proxy.port}', **harness.short_timeouts)


def quick_to_fail(harness: NetworkHarness, proxy: FaultProxy, backend: BaseBackend) -> BaseBackend:
    """*backend* if a cut connection is an immediate error; otherwise one that does not try to reconnect for long."""
    return backend if harness.http else with_short_timeouts(harness, proxy)


def reach(backend: BaseBackend, harness: NetworkHarness) -> None:
    """Reconnect *backend* after a fault, so that the next fault hits its operation, not its connecting."""
    if not harness.http:
        once_available(lambda: backend.exists('x'), harness)


def once_available(act: Callable[[], T], harness: NetworkHarness) -> T:
    """What *act* returns once the store is reached: with short timeouts, a busy machine can seem like a silent store."""
    deadline = time.monotonic() + harness.timeout_s
    while True:
        try:
            return act()
        except fs.Unavailable:
            if time.monotonic() > deadline:
                raise


@contextlib.contextmanager
def within(timeout_s: float, name: str, proxy: FaultProxy) -> Generator[None]:
    """Fail if the block takes longer; cut off a backend that would wait forever."""
    begun = time.monotonic()
    timer = threading.Timer(timeout_s, proxy.down)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if time.monotonic() - begun >= timeout_s:
        broken(f'Expected {name} to give up on a silent store within {timeout_s} s; saw it waiting.')


def has_body(request: ProxiedRequest) -> bool:
    """Whether content follows, as with an upload."""
    return 'transfer-encoding' in request.headers or request.headers.get('content-length', '0') != '0'


def is_get(request: ProxiedRequest) -> bool:
    """Whether content is requested, as with a download."""
    return request.method == 'GET'
