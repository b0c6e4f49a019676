"""Records of everything that passes through the proxy, which tests can read meanwhile and afterward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ProxiedConnection:
    """One connection of a client, during and after it.

    :param number: Its number, starting at 0.
    :param bytes_up: The client's bytes that were passed on to the server, or discarded.
    :param bytes_down: The bytes sent to the client.
    """

    number: int
    bytes_up: int = 0
    bytes_down: int = 0
    is_open: bool = True


@dataclass
class ProxiedRequest:
    """One HTTP request, while it is in progress and after.

    :param path: As it was sent: quoted, and with its query.
    :param headers: By lowercase name.
    :param connection: The number of its connection.
    :param status: The status of the response, as soon as there is one.
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
    """All requests and connections of one proxy, in order of arrival. Code that changes them calls :meth:`note`."""

    def __init__(self) -> None:
        self.requests: list[ProxiedRequest] = []
        self.connections: list[ProxiedConnection] = []
        #: How many requests (or connections, without HTTP) are held.
        self.held = 0
        #: How many times all held ones were released.
        self.releases = 0
        #: Notified of every beginning and end.
        self.changed = threading.Condition()

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        return sum(connection.is_open for connection in self.connections)

    def note(self) -> None:
        """Make waiting threads check again."""
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, condition: Callable[[], Any], timeout_s: float) -> None:
        """Wait until *condition* holds.

        :raises TimeoutError: If it does not hold in time.
        """
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                seen = f'{len(self.requests)} requests, {self.held} held, {self.open_connections} connections open'
                raise TimeoutError(
                    f'the condition did not hold within {timeout_s} s: {seen} of {len(self.connections)}'
                )
