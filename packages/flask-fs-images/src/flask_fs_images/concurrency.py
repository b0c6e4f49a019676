"""How many pictures one process decodes at once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator

from flask_fs.errors import Unavailable


class Slots:
    """Counts what is going on in this process. Whoever comes when all slots are taken waits, but not without end."""

    def __init__(self) -> None:
        self._freed = threading.Condition()
        self._taken = 0

    @contextlib.contextmanager
    def taken(self, limit: int | None, timeout_s: float, filename: str | None) -> Generator[None]:
        """Wait until fewer than *limit* slots are taken, and take one.

        :param limit: None is as many as there are processors for this process.
        :raises Unavailable: If there was none for *timeout_s* seconds.
        """
        limit = limit or _processors()
        with self._freed:
            if not self._freed.wait_for(lambda: self._taken < limit, timeout_s):
                raise Unavailable(
                    filename, reason=f'{limit} other pictures were being decoded for {timeout_s:g} s: try again later'
                )
            self._taken += 1
        try:
            yield
        finally:
            with self._freed:
                self._taken -= 1
                self._freed.notify_all()


def _processors() -> int:
    # A process may be confined to some of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


decoding = Slots()
if hasattr(os, 'register_at_fork'):  # pragma: no branch - not on Windows
    # No other thread goes on in a child.
    os.register_at_fork(after_in_child=decoding.__init__)  # type: ignore[misc]
