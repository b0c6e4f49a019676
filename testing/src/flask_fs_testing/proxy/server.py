"""The proxy itself, which a test starts, plans faults with and inspects."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from .faults import SLOW_DOWN, Fault, Faults, When
from .http_relay import HttpRelay
from .records import ProxiedConnection, ProxiedRequest, Records
from .relay import Relay

#: How long :meth:`FaultProxy.wait_until` waits by default.
TIMEOUT_S = 10


class FaultProxy:
    """A proxy between a client and the server at *host* and *port*, on a free port of loopback.

    Everything passes unchanged, in bounded memory, except for planned faults: each strikes the next request that
    matches, as many times as planned, and several strike in the order planned. The proxy runs immediately; leaving its
    ``with`` block, or :meth:`close`, ends it with all its connections.

    :param host: The host of the server.
    :param port: The port of the server.
    :param http: Whether the protocol is HTTP/1. Any other passes too (``http=False``); then faults strike connections:
        ``after_bytes`` counts what one connection transfers, and there is no ``when``.
    """

    def __init__(self, host: str, port: int, *, http: bool = True) -> None:
        self.http = http
        self._server = (host, port)
        self._records = Records()
        self._faults = Faults(self._records.changed)
        self._relays: dict[asyncio.Task[None], Relay] = {}
        # Reserves the port while nothing listens on it. Only after bind(): another proxy must not get it.
        self._reservation = socket.socket()
        self._reservation.bind(('127.0.0.1', 0))
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        #: Where it listens.
        self.host: str
        self.port: int
        self.host, self.port = self._reservation.getsockname()
        self._listener: socket.socket | None = None
        # Not the default loop of Windows, which watches no sockets.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f'fault-proxy-{self.port}', daemon=True)
        self._thread.start()
        self.up()

    def __repr__(self) -> str:
        host, port = self._server
        return f'<FaultProxy {self.endpoint} to {host}:{port}>'

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and wait until nothing of the proxy is left."""
        if not self._loop.is_closed():
            try:
                self.down()
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
                self._reservation.close()

    @property
    def endpoint(self) -> str:
        """Where clients connect: ``http://127.0.0.1:PORT``, or without HTTP ``127.0.0.1:PORT``."""
        address = f'{self.host}:{self.port}'
        return f'http://{address}' if self.http else address

    @property
    def requests(self) -> list[ProxiedRequest]:
        """Every request so far, in order of arrival."""
        return self._records.requests

    @property
    def connections(self) -> list[ProxiedConnection]:
        """Every connection so far."""
        return self._records.connections

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        return self._records.open_connections

    @property
    def held(self) -> int:
        """How many requests (or connections, without HTTP) wait for :meth:`release`."""
        return self._records.held

    # --- Faults.

    def cut_upload(self, *, after_bytes: int = 0, times: int = 1, when: When | None = None) -> Fault:
        """Close both sides when *after_bytes* of a request's body have passed, or at its end if it is shorter."""
        return self._plan(Fault('cut_upload', times, when, after_bytes))

    def cut_download(self, *, after_bytes: int = 0, times: int = 1, when: When | None = None) -> Fault:
        """Close both sides when *after_bytes* of a response's body have passed, or at its end if it is shorter."""
        return self._plan(Fault('cut_download', times, when, after_bytes))

    def lose_response(self, *, times: int = 1, when: When | None = None) -> Fault:
        """Let the server process a request, and close the connection instead of passing on its response."""
        return self._plan(Fault('lose_response', times, when))

    #: What it was called in 1.0.
    lose_answer = lose_response

    def delay(self, delay_s: float, *, times: int = 1, when: When | None = None) -> Fault:
        """Delay a response by this time."""
        return self._plan(Fault('delay', times, when, delay_s=delay_s))

    def respond(
        self,
        status: int,
        body: str | bytes = b'',
        *,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        when: When | None = None,
    ) -> Fault:
        """Respond instead of the server, which does not get the request."""
        content = body.encode() if isinstance(body, str) else body
        return self._plan(Fault('respond', times, when, status=status, body=content, headers=headers or {}))

    #: What it was called in 1.0.
    answer = respond

    def slow_down(self, *, times: int = 1, when: When | None = None) -> Fault:
        """Respond with 503 Slow Down as S3 does; the server does not get the request."""
        return self.respond(503, SLOW_DOWN, headers={'Content-Type': 'application/xml'}, times=times, when=when)

    def hang(self, *, times: int = 1, when: When | None = None) -> Fault:
        """Hold a request until :meth:`release`. If the client gives up before, it is never passed on."""
        return self._plan(Fault('hang', times, when))

    def release(self) -> None:
        """Pass on everything that is held."""
        self._records.releases += 1
        for relay in list(self._relays.values()):
            self._loop.call_soon_threadsafe(relay.wake)

    def down(self) -> None:
        """End all connections and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._end_connections(), self._loop).result()

    async def _end_connections(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        relays, self._relays = self._relays, {}
        for relay in relays.values():
            relay.stop()
        # An error of a test's predicate is raised here.
        await asyncio.gather(*relays)

    def up(self) -> None:
        """Accept connections again, on the same port as before."""
        if self._listener is None:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((self.host, self.port))
            self._listener.listen(128)
            self._listener.setblocking(False)
            self._loop.call_soon_threadsafe(self._loop.add_reader, self._listener, self._accept, self._listener)

    def recover(self) -> None:
        """Remove all faults that have not struck yet, release what is held, and accept connections."""
        self._faults.clear()
        self.release()
        self.up()

    def wait_until(self, condition: Callable[[], Any], *, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until *condition* holds, such as ``lambda: proxy.open_connections == 0``.

        It is checked again whenever a connection, a request or a response begins or ends, or a fault strikes.

        :raises TimeoutError: If it does not hold in time.
        """
        self._records.wait_until(condition, timeout_s)

    def _plan(self, fault: Fault) -> Fault:
        if not self.http and (fault.when is not None or fault.kind in ('respond', 'lose_response')):
            what = 'when=' if fault.when is not None else f'{fault.kind}()'
            raise ValueError(f'{what} needs HTTP requests: this proxy was created with http=False')
        return self._faults.add(fault)

    def _accept(self, listener: socket.socket) -> None:
        # The client might already be gone.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            kind = HttpRelay if self.http else Relay
            relay = kind(listener.accept()[0], self._server, self._faults, self._records)
            self._relays[self._loop.create_task(relay.run())] = relay
