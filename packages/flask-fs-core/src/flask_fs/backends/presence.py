"""Whether a container, such as a bucket, exists: one that was never created is told apart from one that vanished."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..errors import FSError, Unavailable

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


class Container(Presence):
    """Requests for a container and for what is in it, by which one that is not created yet is told apart from one that is gone.

    :param title: What it is, such as ``bucket 'files'``.
    :param error: The ``error`` of the backend.
    :param is_missing: Whether an error means that the container is missing, or may be.
    :param exists: Sends the request that finds out whether it does exist; None where the error alone says so.
    :param create: Creates it; None where the first write is not to. If another writer is faster, that is no error.
    """

    def __init__(
        self,
        title: str,
        error: Callable[..., FSError],
        is_missing: Callable[[Exception], bool],
        *,
        exists: Callable[[], bool] | None = None,
        create: Callable[[], object] | None = None,
    ) -> None:
        super().__init__()
        self.error = error
        self._title, self._is_missing, self._exists, self._create = title, is_missing, exists, create

    def request(self, name: str | None, send: Callable[[], T]) -> T:
        """What *send* returns, about the file *name* or a listing.

        :raises Unavailable: If the container was there, and is gone.
        """
        seen_at = self.seen_at
        try:
            response = send()
        except Exception as error:
            if self._is_missing(error) and self._vanished(seen_at):
                raise self.error(Unavailable, name, gone_reason(self._title)) from error
            raise
        self.mark_seen()
        return response

    def _vanished(self, seen_at: float | None) -> bool:
        return seen_at is not None if self._exists is None else self.is_gone(seen_at, self._exists)

    def store(self, name: str, send: Callable[[], T]) -> T:
        """What *send* returns, which stores the file *name*; where there is no container yet, it is created first."""
        create = self._create
        if create is None:
            return self.request(name, send)
        return self.write(lambda: self.request(name, send), create, self._is_missing)

    def pages(self, prefix: str, pages: Iterator[T]) -> Iterator[T]:
        """The *pages* of a listing, each of which is one request; none where there is no container yet."""
        try:
            while (page := self.request(prefix, lambda: next(pages, None))) is not None:
                yield page
        except Exception as error:
            if not self._is_missing(error):
                raise

    def entries(self, prefix: str, pages: Iterator[Iterable[T]]) -> Iterator[T]:
        """What is on all *pages* of a listing."""
        return itertools.chain.from_iterable(self.pages(prefix, pages))
