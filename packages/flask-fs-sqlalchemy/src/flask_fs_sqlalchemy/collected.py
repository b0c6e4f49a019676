"""What is to be done about objects that were garbage collected.

The garbage collector may run in the middle of code that holds a lock which is needed for it. So it is done later.
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
    """Functions that are to be called some time after objects are gone, at the latest at the end of the process."""

    def __init__(self) -> None:
        # Unlike other queues, it can be used in the garbage collector.
        self._due: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        #: Whether the process ends: then it is done for objects that are still there, too.
        self.is_at_end = False
        atexit.register(self._end)

    def watch(self, thing: object, then: Callable[[], None]) -> weakref.finalize[..., Any]:
        """Have *then* called after *thing* is gone; ``detach()`` what this returns to have nothing called."""
        return weakref.finalize(thing, self._gone, os.getpid(), then)

    def settle(self) -> None:
        """Call what is due, in the order in which the objects went."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._due.get_nowait()()

    def _gone(self, process: int, then: Callable[[], None]) -> None:
        # A process that was forked has a copy of what belongs to another one.
        if os.getpid() == process:
            self._due.put(then)
            if self.is_at_end:
                self.settle()

    def _end(self) -> None:
        self.is_at_end = True
        self.settle()
