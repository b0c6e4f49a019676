"""Every verb that changes files, with every network fault, at its first request and at its last."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from functools import partial

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..guarantees import broken, check
from ..harness import NetworkHarness
from ..leaks import open_files
from ..proxy import Fault, FaultProxy, ProxiedRequest
from .operations import Operation, Stage, writing_operations
from .via_proxy import ACCESS_DENIED, ALWAYS, quick_to_fail, reach, via_proxy


class FaultMatrixChecks:
    """Each verb that changes files × each fault × each class of sizes."""

    @check(
        '_put, _swap, _copy, _move, _set_attributes, _remove, _remove_many and _delete',
        cause='Requests that have succeeded are not undone when a later one fails, or a lost response is treated as a '
        'rejected request. Check the hook of the verb, and what it does in its `except` and `finally`.',
    )
    def test_a_fault_at_any_request_leaves_a_file_old_or_new(self, harness: NetworkHarness) -> None:
        """If a request is refused or cut midway, or its response is lost, each file is complete, old or new, and nothing else is left."""
        stage = Stage(harness)
        with via_proxy(harness) as (proxy, backend):
            struck = quick_to_fail(harness, proxy, backend)
            stage.files()
            gc.collect()
            files = open_files()
            for operation in writing_operations(harness):
                faults = _faults_of_requests if harness.http else _faults_of_bytes
                for fault, strike in faults(stage, proxy, backend, operation).items():
                    stage.set_up(operation.before)
                    reach(struck, harness)
                    strike(proxy)
                    error = _error_of(operation, struck)
                    proxy.recover()
                    operation.judge(stage.files(), fault, succeeded=error is None)
                    if error is not None and not isinstance(error, fs.FSError):
                        broken(f'Expected an FSError from {operation.name}, when {fault}; saw {error!r}.')
                stage.clear(operation, 'requests were refused, cut, or not responded to', sweep=True)
            gc.collect()
            # A pool can grow by a few connections, which count in the proxy too; a leak would add one for each fault.
            if open_files() > files + 20:
                broken(f'Expected about {files} open files and connections after all faults; saw {open_files()}.')


def _error_of(operation: Operation, backend: BaseBackend) -> Exception | None:
    try:
        operation.run(backend)
    except Exception as error:  # noqa: BLE001  # judged by the caller
        return error
    return None


def _faults_of_requests(
    stage: Stage, proxy: FaultProxy, backend: BaseBackend, operation: Operation
) -> dict[str, Callable[[FaultProxy], object]]:
    """Faults of the first and the last request of *operation*, which runs once to count them."""
    requests = [(request.bytes_up, request.bytes_down) for request in _measured(stage, proxy, backend, operation)]
    found: dict[str, Callable[[FaultProxy], object]] = {}
    for number in sorted({0, len(requests) - 1}):
        which = f'request {number + 1} of {len(requests)}'
        found[f'{which} was refused'] = partial(refuse_request, number=number)
        found[f'the response to {which} was lost'] = partial(_lose, number=number)
        up, down = requests[number]
        if up > 1:
            found[f'{which} was cut after {up // 2} bytes'] = partial(_cut_up, number=number, after_bytes=up // 2)
        elif down > 1:
            found[f'the response to {which} was cut'] = partial(_cut_down, number=number, after_bytes=down // 2)
    return found


def _faults_of_bytes(
    stage: Stage, proxy: FaultProxy, backend: BaseBackend, operation: Operation
) -> dict[str, Callable[[FaultProxy], object]]:
    """Faults of the connections of *operation*, which runs once to measure what it sends."""
    before = sum(connection.bytes_up for connection in proxy.connections)
    _measured(stage, proxy, backend, operation)
    half = (sum(connection.bytes_up for connection in proxy.connections) - before) // 2
    return {
        f'connections were cut after {half} bytes': lambda proxy: proxy.cut_upload(after_bytes=half, times=ALWAYS),
        'all responses were lost': lambda proxy: proxy.cut_download(times=ALWAYS),
    }


def _measured(stage: Stage, proxy: FaultProxy, backend: BaseBackend, operation: Operation) -> list[ProxiedRequest]:
    """The requests of *operation* without a fault."""
    stage.set_up(operation.before)
    before = len(proxy.requests)
    operation.run(backend)
    operation.judge(stage.files(), 'there was no fault', succeeded=True)
    return proxy.requests[before:]


def nth(number: int) -> Callable[[ProxiedRequest], bool]:
    """True for one request: the one after *number* others."""
    counted = itertools.count()
    return lambda _: next(counted) == number


def refuse_request(proxy: FaultProxy, number: int) -> Fault:
    """Refuse the request after *number* others."""
    return proxy.respond(403, ACCESS_DENIED, headers={'Content-Type': 'application/xml'}, when=nth(number))


def _lose(proxy: FaultProxy, number: int) -> object:
    return proxy.lose_response(when=nth(number))


def _cut_up(proxy: FaultProxy, number: int, after_bytes: int) -> object:
    return proxy.cut_upload(after_bytes=after_bytes, when=nth(number))


def _cut_down(proxy: FaultProxy, number: int, after_bytes: int) -> object:
    return proxy.cut_download(after_bytes=after_bytes, when=nth(number))
