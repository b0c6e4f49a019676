"""Deferred callbacks for objects that were garbage collected.

The garbage collector can interrupt code that holds a lock which the callback needs. So callbacks run later.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import weakref
from collections.abc import Callable
from typing import Any


class Collected:
    """Callbacks that run some time after objects were garbage collected, at the latest at the end of the process."""

    def __init__(self) -> None:
        # Unlike other queues, this one is safe to use in the garbage collector.
        self._due: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        #: Whether the process is ending. Then callbacks also run for objects that still exist.
        self.is_at_end = False
        atexit.register(self._end)

    def watch(self, thing: object, then: Callable[[], None]) -> weakref.finalize[..., Any]:
        """Have *then* called after *thing* is gone; ``detach()`` what this returns to have nothing called."""
        return weakref.finalize(thing, self._gone, os.getpid(), then)

    def settle(self) -> None:
        """Run the callbacks that are due, in the order in which the objects were collected."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._due.get_nowait()()

    def _gone(self, process: int, then: Callable[[], None]) -> None:
        # A forked process has copies of its parent's objects.
        if os.getpid() == process:
            self._due.put(then)
            if self.is_at_end:
                self.settle()

    def _end(self) -> None:
        self.is_at_end = True
        self.settle()
