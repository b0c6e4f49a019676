"""The planned faults of connections, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .records import ProxiedRequest

#: The body of S3's response to a client that sends too many requests.
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
)

#: What a fault does.
Kind = Literal['cut_upload', 'cut_download', 'lose_response', 'delay', 'respond', 'hang']
#: Whether a fault is for a request.
When = Callable[[ProxiedRequest], bool]


@dataclass(eq=False)
class Fault:
    """One fault, which strikes ``times`` times.

    :param struck: How many times it has struck so far.
    """

    kind: Kind
    times: int = 1
    when: When | None = None
    after_bytes: int = 0
    delay_s: float = 0
    status: int = 0
    body: bytes = b''
    headers: Mapping[str, str] = field(default_factory=dict)
    struck: int = 0
    #: Without requests to count by: how much each connection has moved since the fault was planned.
    moved: dict[int, int] = field(default_factory=dict, repr=False)

    @property
    def is_spent(self) -> bool:
        """Whether it has struck as many times as planned."""
        return self.struck >= self.times


class Faults:
    """The faults that have not struck yet.

    :param changed: Notified when one strikes.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._queue: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add *fault* after all others."""
        if fault.times < 1:
            raise ValueError(f'times must be 1 or more, not {fault.times}')
        if fault.after_bytes < 0:
            raise ValueError(f'after_bytes must be 0 or more, not {fault.after_bytes}')
        with self._changed:
            self._queue.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults that have not struck yet."""
        with self._changed:
            self._queue.clear()

    def for_request(self, request: ProxiedRequest) -> Fault | None:
        """The first fault for *request*, which then strikes it."""
        for fault in list(self._queue):
            # Called without the lock, because the predicate of a test can use the proxy.
            if (fault.when is None or fault.when(request)) and self._strike(fault):
                request.fault = fault.kind
                return fault
        return None

    def for_bytes(self, kinds: tuple[Kind, ...], connection: int, size: int) -> tuple[Fault, int] | None:
        """The first fault of *kinds* that strikes while a connection transfers *size* bytes, and how many pass before it."""
        for fault in [fault for fault in list(self._queue) if fault.kind in kinds]:
            allowed = fault.after_bytes - fault.moved.get(connection, 0)
            if size >= allowed and self._strike(fault):
                fault.moved.clear()
                return fault, allowed
            fault.moved[connection] = fault.after_bytes - allowed + size
        return None

    def _strike(self, fault: Fault) -> bool:
        """Count that *fault* strikes, unless it was removed meanwhile."""
        with self._changed:
            if fault not in self._queue:
                return False
            fault.struck += 1
            if fault.is_spent:
                self._queue.remove(fault)
            self._changed.notify_all()
            return True
