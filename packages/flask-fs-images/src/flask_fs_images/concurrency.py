"""A limit on how many images a process decodes at the same time."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator

from flask_fs.errors import Unavailable


class Slots:
    """Limits how many threads of this process do something at the same time. The others wait, up to a timeout."""

    def __init__(self) -> None:
        self._released = threading.Condition()
        self._in_use = 0

    @contextlib.contextmanager
    def slot(self, limit: int | None, timeout_s: float, filename: str | None) -> Generator[None]:
        """Wait until fewer than *limit* slots are in use, then hold one during the block.

        :param limit: None for the number of processors that this process can use.
        :raises Unavailable: If no slot becomes free within *timeout_s* seconds.
        """
        limit = limit or _processors()
        with self._released:
            if not self._released.wait_for(lambda: self._in_use < limit, timeout_s):
                raise Unavailable(
                    filename, reason=f'{limit} other images were being decoded for {timeout_s:g} s; try again later'
                )
            self._in_use += 1
        try:
            yield
        finally:
            with self._released:
                self._in_use -= 1
                self._released.notify_all()


def _processors() -> int:
    # A process may be restricted to some of the processors.
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


decoding = Slots()
if hasattr(os, 'register_at_fork'):  # pragma: no branch - not on Windows
    # A child process does not have the parent's other threads.
    os.register_at_fork(after_in_child=decoding.__init__)  # type: ignore[misc]
