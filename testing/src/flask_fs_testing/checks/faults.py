"""Failing networks and busy servers: connections that are refused, or silent, and responses with errors."""

from __future__ import annotations

import io
import operator
import socket
from collections.abc import Callable, Generator, Mapping
from urllib.parse import quote

import pytest

import flask_fs as fs

from ..concurrency import in_threads
from ..guarantees import broken, check
from ..harness import NetworkHarness
from ..proxy import FaultProxy
from ..sources import OnlyRead
from .content import content_of
from .operations import OLD, small_sizes
from .verbs import FEW, MANY, READS, SOME, WRITES, Verb, all_of, all_raise, outcome
from .via_proxy import (
    ACCESS_DENIED,
    ALWAYS,
    has_body,
    once_available,
    reach,
    via_proxy,
    with_short_timeouts,
    within,
)

TIMEOUT_S = 10


class FaultChecks:
    """A store that cannot be reached, does not respond, or is busy."""

    @check(
        'errors',
        cause='Every error of a request is treated as 404, or an empty listing hides one. Check _translate, and what _scan and _remove suppress.',
    )
    def test_a_refusal_is_no_absence(self, harness: NetworkHarness) -> None:
        """With a response of 403, every verb raises PermissionDenied, also exists(): none reports that there is no such file."""
        if not harness.http:
            return  # Other protocols have other error responses.
        with via_proxy(harness) as (proxy, backend):
            verbs = {**all_of(harness), **MANY}
            proxy.respond(403, ACCESS_DENIED, headers={'Content-Type': 'application/xml'}, times=ALWAYS)
            all_raise(fs.PermissionDenied, backend, verbs, 'the store responds with 403')
            _nothing_changed(harness)

    @check(
        'errors',
        cause='ConnectionError is not in `errors`, or is treated as a missing file. Check _translate, and what _remove and _scan suppress.',
    )
    def test_a_store_that_refuses_connections_is_no_absence(self, harness: NetworkHarness) -> None:
        """While nothing listens, every verb raises Unavailable, and none reports that there is no such file."""
        with via_proxy(harness) as (proxy, _):
            backend, verbs = with_short_timeouts(harness, proxy), {**all_of(harness), **MANY}
            proxy.down()
            all_raise(fs.Unavailable, backend, verbs, 'connections are refused')
            _nothing_changed(harness)

    @check(
        'errors',
        cause='The client library has no timeout by default, or raises a separate class for it. Check how the client is created, and _translate.',
    )
    def test_a_store_that_does_not_answer_is_no_absence(self, harness: NetworkHarness) -> None:
        """If a store never responds, Unavailable is raised after the timeout, and its files are not reported missing."""
        with via_proxy(harness) as (proxy, _):
            backend = with_short_timeouts(harness, proxy)
            # A backend that signs in or connects for all threads would make them wait one after the other.
            once_available(lambda: backend.exists('x'), harness)
            proxy.hang(times=ALWAYS)
            verbs = [*SOME.items()]

            def give_up(number: int) -> None:
                name, verb = verbs[number]
                with within(harness.timeout_s, name, proxy):
                    all_raise(fs.Unavailable, backend, {name: verb}, 'the store does not respond')

            # All at the same time, because each waits for its timeout.
            in_threads(len(verbs), give_up)
            _nothing_changed(harness)

    @check(
        'errors',
        cause='A connection that failed, or the state that the store is down, is kept. Check what the backend keeps between calls.',
    )
    def test_a_backend_works_again_when_its_store_does(self, harness: NetworkHarness) -> None:
        """After its store was down, or silent, a backend works again, without being created again."""
        with via_proxy(harness) as (proxy, backend):
            assert backend.read('x') == OLD
            proxy.down()
            outcome(backend, READS['read'])
            proxy.up()
            assert backend.read('x') == OLD
            # Pooled connections are gone, and the backend has not noticed yet.
            proxy.down()
            proxy.up()
            assert backend.read('x') == OLD
            backend = with_short_timeouts(harness, proxy)
            proxy.hang(times=ALWAYS)
            with within(harness.timeout_s, 'stat', proxy):
                outcome(backend, READS['stat'])
            proxy.recover()
            assert once_available(lambda: backend.exists('x'), harness)
            once_available(lambda: backend.write('x', b'new content'), harness)
            assert harness.get_raw('x') == b'new content'

    @check(
        'errors',
        cause='The client library does not retry by default, or not after 503: check how the client is created. Or a retry '
        'rewinds a source too far, or sends only what is left of it: check what _put gives to the client library.',
    )
    def test_a_busy_store_is_asked_again(self, harness: NetworkHarness) -> None:
        """A single 503 Slow Down does not reach the caller of methods that read, which are retried; storing a file stores all of it, or raises an error."""
        if not harness.http:
            return
        with via_proxy(harness) as (proxy, backend):
            for name, verb in READS.items():
                undisturbed = verb(backend)
                fault = proxy.slow_down()
                error, result = outcome(backend, verb)
                if error is not None:
                    broken(f'Expected {name} to be retried after one 503; saw {error!r}.')
                assert result == undisturbed
                assert fault.struck == 1
            for size in small_sizes(harness).values():
                content = content_of(size)
                for source in (_half_read(content), OnlyRead(content)):
                    proxy.slow_down(when=has_body)
                    error, _ = outcome(backend, operator.methodcaller('save', source, 'new'))
                    proxy.recover()
                    seen = harness.get_raw('new') if backend.exists('new') else None
                    if seen != (None if error else content):
                        broken(
                            f'Expected {len(content)} bytes to be stored after one 503, or an error and nothing stored; saw '
                            f'{error!r} and {"no file" if seen is None else f"{len(seen)} bytes"}.'
                        )
                    backend.delete('new')

    @check(
        'errors',
        cause='`errors` lacks a class that the client library raises, or _translate returns its message, which quotes a request. Check both.',
    )
    def test_errors_are_of_flask_fs_with_a_cause_and_without_secrets(self, harness: NetworkHarness) -> None:
        """Every failure of the network is an FSError whose cause is the error of the client library, and contains no secret."""
        hidden = {form for secret in harness.secrets for form in (secret, quote(secret, safe=''))}
        for what, error in _all_errors(harness):
            if not isinstance(error, fs.FSError):
                broken(f'Expected an FSError from {what}; saw {error!r}.')
            elif error.__cause__ is None:
                broken(
                    f'Expected {error!r} from {what} to have the error of the client library as its cause; saw none.'
                )
            message = f'{error!r} {error} {getattr(error, "reason", "")}'
            if any(secret in message for secret in hidden):
                broken(f'Expected no secret in the message of {type(error).__name__} from {what}; saw one.')

    @check(
        'construction',
        cause='The constructor makes a request, or a client that connects immediately. Check __init__.',
    )
    def test_an_application_starts_while_its_store_is_down(self, harness: NetworkHarness) -> None:
        """An application starts while its store is down, without connecting; its other storages are served meanwhile."""
        with via_proxy(harness) as (proxy, _):
            endpoint = f'{proxy.host}:{proxy.port}'
            harness.make_app_via_proxy(endpoint, fs.Storage('kit', fs.ALL))
            _knock(proxy)
            # Connections are accepted in order: ours is the last.
            assert len(proxy.connections) == 1
            proxy.down()
            storage, other = fs.Storage('kit', fs.ALL), fs.Storage('other', fs.ALL)
            app = harness.make_app_via_proxy(endpoint, storage, other)
            with app.app_context():
                other.write('y.txt', b'other')
                with pytest.raises(fs.Unavailable):
                    storage.read('x')
            client = app.test_client()
            assert client.get('/other/y.txt').data == b'other'
            assert client.get('/kit/x').status_code == 503
            proxy.up()
            assert client.get('/kit/x').data == OLD


def _half_read(content: bytes) -> io.BytesIO:
    source = io.BytesIO(b'header' + content)
    source.seek(len(b'header'))
    return source


def _nothing_changed(harness: NetworkHarness) -> None:
    assert harness.names_raw() == ['x']
    assert harness.get_raw('x') == OLD


def _all_errors(harness: NetworkHarness) -> Generator[tuple[str, Exception]]:
    """Every error of every verb with every fault, with a description."""
    harness.put_raw('x', OLD)
    verbs_of_all = all_of(harness)
    faults: dict[str, tuple[Callable[[FaultProxy], object], Mapping[str, Verb]]] = {
        'the store was down': (FaultProxy.down, verbs_of_all),
        'the store did not respond': (lambda proxy: proxy.hang(times=ALWAYS), FEW),
        'an upload was cut': (lambda proxy: proxy.cut_upload(after_bytes=1, times=ALWAYS), WRITES),
        'a download was cut': (lambda proxy: proxy.cut_download(after_bytes=1, times=ALWAYS), READS),
    }
    if harness.http:
        faults |= {
            'the store responded with 403': (lambda proxy: proxy.respond(403, times=ALWAYS), verbs_of_all),
            'the store responded with 500': (lambda proxy: proxy.respond(500, times=ALWAYS), SOME),
            'the store responded with 503': (lambda proxy: proxy.slow_down(times=ALWAYS), SOME),
            'responses were lost': (lambda proxy: proxy.lose_response(times=ALWAYS), SOME),
        }
    for fault, (strike, verbs) in faults.items():
        with via_proxy(harness) as (proxy, _):
            # Whether a verb succeeds is irrelevant here.
            backend = with_short_timeouts(harness, proxy)
            for name, verb in verbs.items():
                reach(backend, harness)
                strike(proxy)
                with within(harness.timeout_s, name, proxy):
                    error, _ = outcome(backend, verb)
                proxy.recover()
                harness.put_raw('x', OLD)
                if error is not None:
                    yield f'{name} when {fault}', error


def _knock(proxy: FaultProxy) -> None:
    """Connect, send nothing, and wait until the other side closes the connection."""
    with socket.create_connection((proxy.host, proxy.port), timeout=TIMEOUT_S) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass  # pragma: no cover - there is no response without a request
