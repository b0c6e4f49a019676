"""Whether a container, such as a bucket, exists: one that was never created is told apart from one that vanished."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')

#: For how long a container that responded is presumed to exist when an object in it is missing, in seconds.
PRESUMED_S = 5.0


class Presence:
    """When a container last responded.

    Stores often answer 404 without saying whether the object or its container is missing. A container that was never
    seen is simply not created yet: it has no files, and the first write creates it. One that was seen and is missing
    took all of its files along: that is an error, and nothing creates it again.
    """

    def __init__(self) -> None:
        #: By the monotonic clock; None if it was never seen. Read it before the request that is to be judged by it:
        #: another thread may create the container while that is on its way.
        self.seen_at: float | None = None

    def mark_seen(self) -> None:
        """Note that the container responded just now."""
        self.seen_at = time.monotonic()

    def is_gone(self, seen_at: float | None, exists: Callable[[], bool]) -> bool:
        """Whether the container, last seen at *seen_at*, vanished since.

        :param exists: Sends the request that finds out; not called if the container responded a moment ago.
        """
        if seen_at is None or time.monotonic() - seen_at < PRESUMED_S:
            return False
        if not exists():
            return True
        self.mark_seen()
        return False

    def write(self, write: Callable[[], T], create: Callable[[], object], is_missing: Callable[[Exception], bool]) -> T:
        """The result of *write*, called again after *create* if the container does not exist yet.

        :param is_missing: Whether an error of *write* means that, and the container may be created.
        """
        seen_at = self.seen_at
        try:
            return write()
        except Exception as error:
            if seen_at is not None or not is_missing(error):
                raise
        create()
        return write()


def gone_reason(container: str) -> str:
    """The reason of the error for a vanished container, such as ``bucket 'files'``."""
    return f'the {container} is gone, with all of its files; create it again to start over'
