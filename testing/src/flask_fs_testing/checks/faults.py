"""Failing networks and busy servers: connections that are refused, silent, or cut midway."""

from __future__ import annotations

import contextlib
import io
import itertools
import operator
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend, Capability

from ..concurrency import in_threads
from ..guarantees import broken, check, declares
from ..harness import NetworkHarness
from ..proxy import FaultProxy, ProxiedRequest
from ..sources import OnlyRead
from .content import content_of
from .operations import OLD, left_behind, small_sizes

#: More than any backend retries.
ALWAYS = 1000
TIMEOUT_S = 10
#: More than the network buffers, so that a response that is cut has not been read yet.
LARGE = 2 * CHUNK_BYTES + 5
ACCESS_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'

Verb = Callable[[BaseBackend], object]
T = TypeVar('T')


def _opened(backend: BaseBackend) -> bytes:
    with backend.open('x', 'rb') as file:
        return b''.join(iter(lambda: file.read(100_000), b''))


def _opened_at_once(backend: BaseBackend) -> object:
    with backend.open('x', 'rb') as file:
        return file.read()


def _first_page(folder: fs.Folder) -> tuple[Iterator[str], bool]:
    return (info.name for info in folder.files), folder.next is None


def _local(backend: BaseBackend) -> bytes:
    with backend.local_file('x') as path, open(path, 'rb') as file:
        return file.read()


def _raise_first(failures: Mapping[str, fs.FSError]) -> None:
    for error in failures.values():
        raise error


#: All verbs that return the content of the file ``x``.
DOWNLOADS: Mapping[str, Verb] = {
    'read': lambda backend: backend.read('x'),
    'read_chunks': lambda backend: b''.join(backend.read_chunks('x', 10_000)),
    'open, read in pieces': _opened,
    'open, read at once': _opened_at_once,
    'local_file': _local,
}
READS: Mapping[str, Verb] = {
    **DOWNLOADS,
    'exists': lambda backend: backend.exists('x'),
    'stat': lambda backend: backend.stat('x'),
    'metadata': lambda backend: backend.metadata('x'),
    'list_files': lambda backend: list(backend.list_files()),
    'scan': lambda backend: list(backend.scan()),
    'folder': lambda backend: backend.folder(''),
    'deleted': lambda backend: list(backend.deleted()),
}
#: The names that each verb lists, and whether they are said to be all.
LISTINGS: Mapping[str, Callable[[BaseBackend], tuple[Iterator[str], bool]]] = {
    'list_files': lambda backend: (backend.list_files(), True),
    'scan': lambda backend: ((info.name for info in backend.scan()), True),
    'folder': lambda backend: _first_page(backend.folder('')),
}
WRITES: Mapping[str, Verb] = {
    'write': lambda backend: backend.write('x', b'other'),
    'write with create': lambda backend: backend.write('new', b'other', overwrite=False),
    'save': lambda backend: backend.save(io.BytesIO(bytes(LARGE)), 'x', overwrite=True),
    'copy': lambda backend: backend.copy('x', 'copied'),
    'move': lambda backend: backend.move('x', 'moved'),
    'remove': lambda backend: backend.remove('x'),
    'delete': lambda backend: backend.delete('x'),
}
ALL: Mapping[str, Verb] = {**READS, **WRITES}
#: It returns its errors.
MANY: Mapping[str, Verb] = {'remove_many': lambda backend: _raise_first(backend.remove_many(['x', 'y']))}
#: One verb of each kind, for faults with which each call can take a timeout or several attempts.
SOME: Mapping[str, Verb] = {
    name: ALL[name] for name in ('read', 'read_chunks', 'exists', 'stat', 'list_files', 'write', 'delete')
}
FEW: Mapping[str, Verb] = {name: ALL[name] for name in ('read', 'exists', 'write')}


class FaultChecks:
    """A store that cannot be reached, does not respond, or disappears midway."""

    @check(
        'errors',
        cause='Every error of a request is treated as 404, or an empty listing hides one. Check _translate, and what _scan and _remove suppress.',
    )
    def test_a_refusal_is_no_absence(self, harness: NetworkHarness) -> None:
        """With a response of 403, every verb raises PermissionDenied, also exists(): none reports that there is no such file."""
        if not harness.http:
            return  # Other protocols have other error responses.
        with via_proxy(harness) as (proxy, backend):
            verbs = {**_all_of(harness), **MANY}
            proxy.respond(403, ACCESS_DENIED, headers={'Content-Type': 'application/xml'}, times=ALWAYS)
            _all_raise(fs.PermissionDenied, backend, verbs, 'the store responds with 403')
            _nothing_changed(harness)

    @check(
        'errors',
        cause='ConnectionError is not in `errors`, or is treated as a missing file. Check _translate, and what _remove and _scan suppress.',
    )
    def test_a_store_that_refuses_connections_is_no_absence(self, harness: NetworkHarness) -> None:
        """While nothing listens, every verb raises Unavailable, and none reports that there is no such file."""
        with via_proxy(harness) as (proxy, _):
            backend, verbs = with_short_timeouts(harness, proxy), {**_all_of(harness), **MANY}
            proxy.down()
            _all_raise(fs.Unavailable, backend, verbs, 'connections are refused')
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
            _once_available(lambda: backend.exists('x'), harness)
            proxy.hang(times=ALWAYS)
            verbs = [*SOME.items()]

            def give_up(number: int) -> None:
                name, verb = verbs[number]
                with _within(harness.timeout_s, name, proxy):
                    _all_raise(fs.Unavailable, backend, {name: verb}, 'the store does not respond')

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
            _outcome(backend, READS['read'])
            proxy.up()
            assert backend.read('x') == OLD
            # Pooled connections are gone, and the backend has not noticed yet.
            proxy.down()
            proxy.up()
            assert backend.read('x') == OLD
            backend = with_short_timeouts(harness, proxy)
            proxy.hang(times=ALWAYS)
            with _within(harness.timeout_s, 'stat', proxy):
                _outcome(backend, READS['stat'])
            proxy.recover()
            assert _once_available(lambda: backend.exists('x'), harness)
            _once_available(lambda: backend.write('x', b'new content'), harness)
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
                error, result = _outcome(backend, verb)
                if error is not None:
                    broken(f'Expected {name} to be retried after one 503; saw {error!r}.')
                assert result == undisturbed
                assert fault.struck == 1
            for size in small_sizes(harness).values():
                content = content_of(size)
                for source in (_half_read(content), OnlyRead(content)):
                    proxy.slow_down(when=_has_body)
                    error, _ = _outcome(backend, operator.methodcaller('save', source, 'new'))
                    proxy.recover()
                    seen = harness.get_raw('new') if backend.exists('new') else None
                    if seen != (None if error else content):
                        broken(
                            f'Expected {len(content)} bytes to be stored after one 503, or an error and nothing stored; saw '
                            f'{error!r} and {"no file" if seen is None else f"{len(seen)} bytes"}.'
                        )
                    backend.delete('new')

    @check(
        '_put',
        cause='An upload is visible before it is complete, or its temporary file is hidden, but sweep() does not remove it. '
        'Check _put and _sweep.',
    )
    def test_an_upload_that_is_cut_leaves_what_was_there(self, harness: NetworkHarness) -> None:
        """If all connections are cut midway, the caller gets an FSError, the old file is intact, and nothing new is visible.

        A temporary file that the client could not remove is hidden, and sweeping removes it.
        """
        content = content_of(max(harness.part_sizes, default=0) + LARGE)
        uploads: dict[str, Verb] = {
            'a replacement': lambda backend: backend.save(io.BytesIO(content), 'x', overwrite=True),
            'a new file': lambda backend: backend.save(io.BytesIO(content), 'new', overwrite=True),
            'a created file': lambda backend: backend.save(io.BytesIO(content), 'new', overwrite=False),
        }
        with via_proxy(harness) as (proxy, backend):
            struck = quick_to_fail(harness, proxy, backend)
            for name, upload in uploads.items():
                for after_bytes in (1, CHUNK_BYTES // 2):
                    reach(struck, harness)
                    proxy.cut_upload(after_bytes=after_bytes, times=ALWAYS, when=_has_body if harness.http else None)
                    _all_raise(fs.FSError, struck, {name: upload}, 'uploads are cut')
                    proxy.recover()
                    assert list(backend.list_files()) == ['x']
                    assert backend.read('x') == harness.get_raw('x') == OLD
                    assert not backend.exists('new')
                    if left := left_behind(harness, harness.make(), 'x'):
                        broken(f'Expected only x in the store after {name} was cut and sweep() called; saw {left[:5]}.')

    @check(
        '_scan',
        cause='An error of a later page ends the listing as if there were no more. Check the loop over pages of _scan, _names and '
        '_folder, and what it suppresses.',
    )
    def test_a_listing_that_fails_midway_is_never_taken_for_whole(self, harness: NetworkHarness) -> None:
        """If the store disappears, or responds with an error, while files are listed, the listing raises an FSError, and does not end."""
        names = {'x', *(f'{number}.txt' for number in range(harness.page_size + 5))}
        with via_proxy(harness) as (proxy, backend):
            struck = quick_to_fail(harness, proxy, backend)
            for name in names:
                harness.put_raw(name, OLD)
            for verb, listed in LISTINGS.items():
                reach(struck, harness)
                if harness.http:
                    proxy.slow_down(times=ALWAYS, when=_after_the_first())
                with contextlib.suppress(fs.FSError):
                    found, whole = listed(struck)
                    seen = set(itertools.islice(found, 1))
                    if not harness.http:
                        proxy.down()
                    seen.update(found)
                    if whole and seen != names:
                        broken(
                            f'Expected {verb} to return {len(names)} names, or to raise an FSError, when the store fails midway; '
                            f'saw {len(seen)} names.'
                        )
                proxy.recover()

    @check(
        '_open',
        cause='The end of the connection is treated as the end of the file: compare with its size. Or the rest is requested without '
        'the etag of the version that was opened. Check the stream of _open.',
    )
    def test_a_download_that_is_cut_is_never_taken_for_whole(self, harness: NetworkHarness) -> None:
        """If the connection is cut midway, reading raises an FSError, or continues at the same position of the same version: nothing is missing."""
        content = content_of(LARGE)

        def copied(backend: BaseBackend) -> bytes:
            backend.copy('x', 'copied')
            return harness.get_raw('copied')

        with via_proxy(harness) as (proxy, backend):
            harness.put_raw('x', content)
            struck = quick_to_fail(harness, proxy, backend)
            for after_bytes in (0, 100_000, LARGE - 1):
                for name, verb in {**DOWNLOADS, 'copy': copied}.items():
                    reach(struck, harness)
                    proxy.cut_download(after_bytes=after_bytes, times=ALWAYS, when=_is_get if harness.http else None)
                    error, result = _outcome(struck, verb)
                    proxy.recover()
                    if error is None and content != result:
                        size = len(result) if isinstance(result, bytes) else 0
                        broken(
                            f'Expected an FSError from {name} when the connection is cut after {after_bytes} bytes; '
                            f'saw {size} of {LARGE} bytes, and no error.'
                        )
                    if error is not None:
                        if not isinstance(error, fs.FSError):
                            broken(f'Expected an FSError from {name} when the connection is cut; saw {error!r}.')
                        if left := left_behind(harness, harness.make(), 'x'):
                            broken(
                                f'Expected only x in the store after {name} was cut and sweep() called; saw {left[:5]}.'
                            )
                    # Not through the proxy: the backend might not have reconnected yet.
                    harness.make().delete('copied')
            reach(struck, harness)
            # Once, so that the rest could be read.
            proxy.cut_download(after_bytes=100_000, when=_is_get if harness.http else None)
            with contextlib.suppress(fs.FSError):
                chunks = struck.read_chunks('x', 10_000)
                seen = next(chunks)
                harness.put_raw('x', content[::-1])
                seen += b''.join(chunks)
                if seen != content:
                    broken(
                        'Expected an FSError or the opened version if it is replaced and the connection cut; saw a mixture.'
                    )

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
        _once_available(lambda: backend.exists('x'), harness)


def _once_available(act: Callable[[], T], harness: NetworkHarness) -> T:
    """What *act* returns once the store is reached: with short timeouts, a busy machine can seem like a silent store."""
    deadline = time.monotonic() + harness.timeout_s
    while True:
        try:
            return act()
        except fs.Unavailable:
            if time.monotonic() > deadline:
                raise


def _half_read(content: bytes) -> io.BytesIO:
    source = io.BytesIO(b'header' + content)
    source.seek(len(b'header'))
    return source


def _outcome(backend: BaseBackend, verb: Verb) -> tuple[Exception | None, object]:
    try:
        return None, verb(backend)
    except Exception as error:  # noqa: BLE001  # judged by the caller
        return error, None


def _all_raise(kind: type[fs.FSError], backend: BaseBackend, verbs: Mapping[str, Verb], when: str) -> None:
    for name, verb in verbs.items():
        error, result = _outcome(backend, verb)
        if not isinstance(error, kind):
            seen = repr(error) if error is not None else f'no error, and the result {str(result)[:80]!r}'
            broken(f'Expected {kind.__name__} from {name} while {when}; saw {seen}.')


def _all_of(harness: NetworkHarness) -> Mapping[str, Verb]:
    """All verbs, including those that need a capability, for the current version of the file ``x``."""
    backend, found = harness.make(), dict(ALL)
    if declares(backend, Capability.ATTRIBUTES):
        found['set_attributes'] = lambda backend: backend.set_attributes('x', {'cache_control': 'no-store'})
    if declares(backend, Capability.COMPARE_AND_SWAP):
        etag = str(backend.stat('x').etag)
        found['write with if_match'] = lambda backend: backend.write('x', b'other', if_match=etag)
    return found


def _nothing_changed(harness: NetworkHarness) -> None:
    assert harness.names_raw() == ['x']
    assert harness.get_raw('x') == OLD


def _all_errors(harness: NetworkHarness) -> Generator[tuple[str, Exception]]:
    """Every error of every verb with every fault, with a description."""
    harness.put_raw('x', OLD)
    verbs_of_all = _all_of(harness)
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
                with _within(harness.timeout_s, name, proxy):
                    error, _ = _outcome(backend, verb)
                proxy.recover()
                harness.put_raw('x', OLD)
                if error is not None:
                    yield f'{name} when {fault}', error


@contextlib.contextmanager
def _within(timeout_s: float, name: str, proxy: FaultProxy) -> Generator[None]:
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


def _knock(proxy: FaultProxy) -> None:
    """Connect, send nothing, and wait until the other side closes the connection."""
    with socket.create_connection((proxy.host, proxy.port), timeout=TIMEOUT_S) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass  # pragma: no cover - there is no response without a request


def _has_body(request: ProxiedRequest) -> bool:
    return 'transfer-encoding' in request.headers or request.headers.get('content-length', '0') != '0'


def _after_the_first() -> Callable[[ProxiedRequest], bool]:
    requests = itertools.count()
    return lambda _: next(requests) > 0


def _is_get(request: ProxiedRequest) -> bool:
    return request.method == 'GET'
