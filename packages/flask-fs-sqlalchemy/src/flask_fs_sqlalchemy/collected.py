"""Deferred callbacks for objects that were garbage collected.

The garbage collector can interrupt code that holds a lock which the callback needs. So callbacks run later.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
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
        self._renew_lock()
        atexit.register(self._end)
        if hasattr(os, 'register_at_fork'):
            # Another thread can hold it.
            os.register_at_fork(after_in_child=self._renew_lock)

    def watch(self, thing: object, then: Callable[[], None]) -> weakref.finalize[..., Any]:
        """Have *then* called after *thing* is gone; ``detach()`` what this returns to have nothing called."""
        return weakref.finalize(thing, self._gone, os.getpid(), then)

    def settle(self) -> None:
        """Run the callbacks that are due, in the order in which the objects were collected.

        Several can concern the same files, so one runs at a time. If another thread, or a caller of this one, is running them, it
        runs the rest too.
        """
        if not self._running.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._due.get_nowait()()
        finally:
            self._running.release()

    def _renew_lock(self) -> None:
        self._running = threading.Lock()

    def _gone(self, process: int, then: Callable[[], None]) -> None:
        # A forked process has copies of its parent's objects.
        if os.getpid() == process:
            self._due.put(then)
            if self.is_at_end:
                self.settle()

    def _end(self) -> None:
        self.is_at_end = True
        self.settle()
