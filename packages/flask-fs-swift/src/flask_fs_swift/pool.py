"""The HTTP connections of one process, by urllib3: each serves one request or stream at a time."""

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

#: What may be raised while a connection is used.
_TRANSPORT = (OSError, HTTPError, http.client.HTTPException)


class Request(NamedTuple):
    """What Swift is requested to do.

    :param path: Within the account, quoted, with its query: see :func:`path_of`.
    :param body: Bytes, or a piece of an upload; either can be sent again.
    :param timeout_s: How long the store may be silent, if not as long as always.
    :param expected_statuses: What is no failure, besides the statuses that mean success.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | Piece = b''
    timeout_s: float | None = None
    expected_statuses: Collection[int] = ()


class Response(NamedTuple):
    """What Swift responds.

    :param headers: By lower-case name.
    :param content: The whole body, unless it is given as a stream.
    :param may_have_applied: Whether an earlier attempt may have been carried out, whose response was lost.
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
            # urllib3 1 takes the end of the connection for the end of the body.
            raise Unreached('the connection was cut while the file was read') from cause
        return piece

    def _release(self, *, reusable: bool) -> None:
        if reusable:
            self._response.drain_conn()
        else:
            self._response.close()
        self._response.release_conn()


class Slots:
    """Where urllib3 keeps the connections of a pool: the one used last is used next, so that few stay open.

    Nothing here takes a lock of Python: streams give their connection back when they are collected as garbage, which may
    happen in the middle of anything.
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
    """At most ``pool_size`` connections to one server, made when they are needed and kept for the next who needs one.

    Proxies and certificates are those of the environment, as with requests, which reads them.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._size: int = config['pool_size']
        self._verify = False if config['insecure'] else config.get('cacert') or True
        self._lock = threading.Lock()
        self._server: tuple[str, urllib3.HTTPConnectionPool | None] = '', None

    @property
    def in_use(self) -> int:
        """How many connections are in use."""
        connections = self._server[1]
        return 0 if connections is None or connections.pool is None else self._size - connections.pool.qsize()

    def close(self) -> None:
        """Close the connections that are not in use."""
        _, connections = self._server
        if connections is not None:
            connections.close()

    def send(self, url: str, request: Request, token: str, *, stream: bool = False) -> Response:
        """The response to one attempt of *request*.

        :param url: That of the account.
        :param stream: Whether the body of a file is to be read by the caller, who closes it.
        :raises Unreached: When there was no response, or not all of it.
        :raises PoolExhausted: When no connection got free.
        """
        connections = self._connections(url)
        # A proxy that forwards requests, which it does without TLS, is given the whole URL.
        is_forwarded = connections.proxy is not None and connections.scheme == 'http'
        target = (url if is_forwarded else urlsplit(url).path) + request.path
        headers = {'User-Agent': 'flask-fs-swift', 'X-Auth-Token': token, **request.headers}
        if any('\n' in value or '\r' in value for value in headers.values()):
            # What the HTTP library says about it quotes the value, which may be a secret.
            raise Failure('the media type, or the TempURL key, cannot be sent in a header')
        if isinstance(request.body, Piece):
            headers['Content-Length'] = str(request.body.size)
        # HTTP clients send text as Latin-1.
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
        """Those to the server of *url*; the one of before is forgotten when the account moves."""
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
            # It names the file of certificates that is missing.
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
    """The value of a header, which HTTP clients read as Latin-1, in one line."""
    if value.isascii() and value.isprintable():
        return value
    with contextlib.suppress(UnicodeError):
        value = value.encode('latin-1').decode()
    return ' '.join(value.split())


def unreached(error: Exception, timeout_s: float, *, may_have_applied: bool = True) -> Unreached:
    """What an error of requests or urllib3 means.

    :param may_have_applied: Whether what was requested changes anything, if it was sent.
    """
    reason, is_refused = 'it cannot be connected to, or closed the connection', False
    if isinstance(error, (SSLError, requests.exceptions.SSLError)):
        reason = 'TLS failed: its certificate is not accepted, or the connection broke'
        # TLS fails half-way too, as any connection does; a certificate is refused before anything is sent.
        is_refused = 'CERTIFICATE_VERIFY' in str(error)
    # A connection that was never made is an error of time for urllib3, too.
    elif isinstance(error, (HTTPTimeout, requests.Timeout)) and not isinstance(error, NewConnectionError):
        reason = f'it did not respond within {timeout_s:g} s'
    was_sent = not (is_refused or isinstance(error, (ConnectTimeoutError, NewConnectionError)))
    return Unreached(reason, is_temporary=not is_refused, may_have_applied=may_have_applied and was_sent)
