"""The urllib3 connections of a process. Each serves one request or stream at a time."""

from __future__ import annotations

import collections
import contextlib
import http.client
import queue
import threading
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.exceptions import (
    ConnectTimeoutError,
    EmptyPoolError,
    HTTPError,
    NewConnectionError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HTTPTimeout

from flask_fs.backends import ResponseStream

from .errors import Failure, PoolExhausted, Unreached
from .metadata import is_number
from .pieces import Piece

#: Errors that using a connection can raise.
_TRANSPORT = (OSError, HTTPError, http.client.HTTPException)


class Request(NamedTuple):
    """A request to Swift.

    :param path: The quoted path within the account, with the query: see :func:`path_of`.
    :param body: Bytes, or a piece of an upload. Both can be sent again.
    :param timeout_s: How long to wait for data, if not the default.
    :param expected_statuses: The statuses that are not failures, besides those that mean success.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | Piece = b''
    timeout_s: float | None = None
    expected_statuses: Collection[int] = ()


class Response(NamedTuple):
    """A response from Swift.

    :param headers: The headers, by lowercase name.
    :param content: The complete body, unless it is a stream.
    :param may_have_applied: Whether an earlier attempt, whose response was lost, may have been applied.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = b''
    body: BodyStream | None = None
    may_have_applied: bool = False


class BodyStream(ResponseStream):
    """The body of a response."""

    def __init__(self, response: Any, length: int) -> None:
        self._response = response
        super().__init__(length)

    def _receive(self, size: int) -> bytes:
        cause: Exception | None = None
        try:
            piece: bytes = self._response.read(size)
        except _TRANSPORT as error:
            piece, cause = b'', error
        if not piece:
            # urllib3 1 treats the end of the connection as the end of the body.
            raise Unreached('the connection was closed while the file was being read') from cause
        return piece

    def _release(self, *, reusable: bool) -> None:
        if reusable:
            self._response.drain_conn()
        else:
            self._response.close()
        self._response.release_conn()


class Slots:
    """The queue of a urllib3 pool. The connection used last is used next, so that few connections stay open.

    It uses no Python locks, because a stream can return its connection during garbage collection, which can happen at
    any point.
    """

    def __init__(self, maxsize: int) -> None:
        self._filled: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._slots: collections.deque[Any] = collections.deque()

    def put(self, slot: Any, block: bool = True, timeout: float | None = None) -> None:
        self._slots.append(slot)
        self._filled.put(None)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        self._filled.get(block, timeout)
        return self._slots.pop()

    def qsize(self) -> int:
        return self._filled.qsize()


class Pool:
    """At most ``pool_size`` connections to one server, opened when they are needed and kept for reuse.

    Proxies and certificates are taken from the environment, as in requests.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._size: int = config['pool_size']
        self._verify = False if config['insecure'] else config.get('cacert') or True
        self._lock = threading.Lock()
        self._server: tuple[str, urllib3.HTTPConnectionPool | None] = '', None

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        connections = self._server[1]
        return 0 if connections is None or connections.pool is None else self._size - connections.pool.qsize()

    def close(self) -> None:
        """Close the connections that are not in use."""
        _, connections = self._server
        if connections is not None:
            connections.close()

    def send(self, url: str, request: Request, token: str, *, stream: bool = False) -> Response:
        """The response to one attempt of *request*.

        :param url: The URL of the account.
        :param stream: Whether the caller reads and closes the body of a file.
        :raises Unreached: If there is no response or an incomplete one.
        :raises PoolExhausted: If no connection becomes free.
        """
        connections = self._connections(url)
        # A proxy that forwards requests, which it does without TLS, needs the full URL.
        is_forwarded = connections.proxy is not None and connections.scheme == 'http'
        target = (url if is_forwarded else urlsplit(url).path) + request.path
        headers = {'User-Agent': 'flask-fs-swift', 'X-Auth-Token': token, **request.headers}
        if any('\n' in value or '\r' in value for value in headers.values()):
            # The message of the HTTP library quotes the value, which can be a secret.
            raise Failure('the media type or the TempURL key contains a line break, so it cannot be sent in a header')
        if isinstance(request.body, Piece):
            headers['Content-Length'] = str(request.body.size)
        # HTTP clients encode text as Latin-1.
        headers = {name: value.encode().decode('latin-1') for name, value in headers.items()}
        timeout_s, pool_timeout_s = request.timeout_s or self._config['timeout_s'], self._config['pool_timeout_s']
        try:
            response = connections.urlopen(
                request.method, target, request.body or None, headers, retries=False, redirect=False,
                assert_same_host=False, timeout=timeout_s, pool_timeout=pool_timeout_s, preload_content=False, decode_content=False,
            )  # fmt: skip
        except EmptyPoolError:
            raise PoolExhausted(f'all {self._size} connections were in use for {pool_timeout_s:g} s') from None
        except Exception as error:
            if isinstance(request.body, Piece) and request.body.error is not None:
                raise request.body.error from None
            if isinstance(error, _TRANSPORT):
                raise unreached(error, timeout_s) from error
            raise
        return _received(request.method, response, stream=stream)

    def _connections(self, url: str) -> urllib3.HTTPConnectionPool:
        """The connections to the server of *url*. If the account moves to another server, the old ones are closed."""
        server = url.removesuffix(urlsplit(url).path)
        known, connections = self._server
        if connections is None or known != server:
            with self._lock:
                known, connections = self._server
                if connections is None or known != server:
                    self.close()
                    connections = self._connect(server)
                    self._server = server, connections
        return connections

    def _connect(self, server: str) -> urllib3.HTTPConnectionPool:
        with requests.Session() as session:
            environment = session.merge_environment_settings(server, {}, True, self._verify, None)
        proxy = select_proxy(server, environment['proxies'])
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._size, pool_block=True)
        manager = adapter.proxy_manager_for(proxy) if proxy else adapter.poolmanager
        manager.pool_classes_by_scheme = {
            scheme: type(kind.__name__, (kind,), {'QueueCls': Slots})
            for scheme, kind in manager.pool_classes_by_scheme.items()
        }
        connections = manager.connection_from_url(server)
        try:
            adapter.cert_verify(connections, server, environment['verify'], None)
        except OSError as error:
            # Its message names the certificate file that is missing.
            raise Unreached(str(error), is_temporary=False, may_have_applied=False) from error
        return connections


def _received(method: str, response: Any, *, stream: bool) -> Response:
    headers = {name.lower(): text_of(value) for name, value in response.headers.items()}
    length = headers.get('content-length', '')
    has_body, has_length = method != 'HEAD' and response.status not in (204, 304), is_number(length)
    body = BodyStream(response, int(length) if has_body and has_length else 0)
    if stream and has_length and response.status in (200, 206):
        return Response(response.status, headers, body=body)
    with body:
        content = body.read()
        if has_body and not has_length:
            content = response.read()
    return Response(response.status, headers, content)


def text_of(value: str) -> str:
    """The value of a header, which HTTP clients decode as Latin-1, on one line."""
    if value.isascii() and value.isprintable():
        return value
    with contextlib.suppress(UnicodeError):
        value = value.encode('latin-1').decode()
    return ' '.join(value.split())


def unreached(error: Exception, timeout_s: float, *, may_have_applied: bool = True) -> Unreached:
    """Translate an error of requests or urllib3.

    :param may_have_applied: Whether the request changes anything, if it was sent.
    """
    reason, is_refused, is_tls = 'the connection failed or was closed', False, False
    if isinstance(error, (SSLError, requests.exceptions.SSLError)):
        reason = 'TLS failed: the certificate was not accepted, or the connection broke'
        is_tls = True
        # TLS can also fail later, like any connection. A certificate is refused before anything is sent.
        is_refused = 'CERTIFICATE_VERIFY' in str(error)
    # urllib3 also reports a connection that was never made as a timeout.
    elif isinstance(error, (HTTPTimeout, requests.Timeout)) and not isinstance(error, NewConnectionError):
        reason = f'no response within {timeout_s:g} s'
    was_sent = not (is_refused or isinstance(error, (ConnectTimeoutError, NewConnectionError)))
    was_connected = was_sent and not is_tls
    return Unreached(
        reason,
        is_temporary=not is_refused,
        may_have_applied=may_have_applied and was_sent,
        was_connected=was_connected,
    )
