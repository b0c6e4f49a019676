"""What passed through the proxy: counted for tests to look at while it happens, and after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ProxiedConnection:
    """One connection of a client, while it lasts and after.

    :param number: Its number, from 0 on.
    :param bytes_up: What of the client's bytes went on to the server, or was thrown away for it.
    :param bytes_down: What the client was sent.
    """

    number: int
    bytes_up: int = 0
    bytes_down: int = 0
    is_open: bool = True


@dataclass
class ProxiedRequest:
    """One HTTP request, while it is in progress and after.

    :param path: As it was sent: quoted, and with its query.
    :param headers: By lower-case name.
    :param connection: The number of the connection that it came on.
    :param status: Of the response, as soon as there is one.
    :param bytes_up: The size of the request's body so far, its framing included.
    :param bytes_down: The size of the response's body so far, its framing included.
    :param fault: The kind of fault that struck it, or None.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    connection: int
    status: int | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    fault: str | None = None


class Records:
    """All requests and connections of one proxy, in the order in which they came. Whoever changes them calls :meth:`note`."""

    def __init__(self) -> None:
        self.requests: list[ProxiedRequest] = []
        self.connections: list[ProxiedConnection] = []
        #: How many requests (or connections, without HTTP) are kept waiting.
        self.held = 0
        #: How often all that wait were let go on.
        self.releases = 0
        #: Notified of every beginning and end.
        self.changed = threading.Condition()

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        return sum(connection.is_open for connection in self.connections)

    def note(self) -> None:
        """Let whoever waits look again."""
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, condition: Callable[[], Any], timeout_s: float) -> None:
        """Wait until *condition* holds.

        :raises TimeoutError: If it does not in time.
        """
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                seen = f'{len(self.requests)} requests, {self.held} held, {self.open_connections} connections open'
                raise TimeoutError(
                    f'the condition did not hold within {timeout_s} s: {seen} of {len(self.connections)}'
                )
