"""How many pictures one process decodes at once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator

from flask_fs.errors import Unavailable


class Slots:
    """Limits how many threads of this process do something at once. The others wait, but not forever."""

    def __init__(self) -> None:
        self._released = threading.Condition()
        self._in_use = 0

    @contextlib.contextmanager
    def slot(self, limit: int | None, timeout_s: float, filename: str | None) -> Generator[None]:
        """Hold a slot, after waiting until fewer than *limit* are in use.

        :param limit: None is as many as this process may use processors.
        :raises Unavailable: If none was released for *timeout_s* seconds.
        """
        limit = limit or _processors()
        with self._released:
            if not self._released.wait_for(lambda: self._in_use < limit, timeout_s):
                raise Unavailable(
                    filename, reason=f'{limit} other pictures were being decoded for {timeout_s:g} s: try again later'
                )
            self._in_use += 1
        try:
            yield
        finally:
            with self._released:
                self._in_use -= 1
                self._released.notify_all()


def _processors() -> int:
    # A process may be restricted to some of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


decoding = Slots()
if hasattr(os, 'register_at_fork'):  # pragma: no branch - not on Windows
    # The other threads do not exist in a child.
    os.register_at_fork(after_in_child=decoding.__init__)  # type: ignore[misc]
