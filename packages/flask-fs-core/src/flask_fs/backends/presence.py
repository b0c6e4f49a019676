"""Find out whether a container, such as a bucket, exists, was never created, or disappeared."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..errors import FSError, Unavailable

T = TypeVar('T')

#: How long a container is assumed to exist after it responded, in seconds, when an object in it is missing.
PRESUMED_S = 5.0


class Presence:
    """Records when a container last responded.

    Stores often respond with 404 without saying whether the object or its container is missing. A container that was never
    seen is simply not created yet: it has no files, and the first write creates it. If a container that was seen is missing,
    all of its files are gone: this is an error, and nothing creates it again.
    """

    def __init__(self) -> None:
        #: The time by the monotonic clock, or None if it was never seen. Read it before the request whose result you want to
        #: interpret, because another thread might create the container during the request.
        self.seen_at: float | None = None

    def mark_seen(self) -> None:
        """Record that the container just responded."""
        self.seen_at = time.monotonic()

    def is_gone(self, seen_at: float | None, exists: Callable[[], bool]) -> bool:
        """Whether the container, last seen at *seen_at*, has disappeared since then.

        :param exists: Sends a request to find out. Not called if the container responded a moment ago.
        """
        if seen_at is None or time.monotonic() - seen_at < PRESUMED_S:
            return False
        if not exists():
            return True
        self.mark_seen()
        return False

    def write(self, write: Callable[[], T], create: Callable[[], object], is_missing: Callable[[Exception], bool]) -> T:
        """The result of *write*, which is called again after *create* if the container doesn't exist yet.

        :param is_missing: Whether an error of *write* means that the container is missing, and can be created.
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
    """The reason in the error about a *container* that disappeared, such as ``bucket 'files'``."""
    return f'the {container} is gone, with all of its files; create it again to start over'


class Container(Presence):
    """Sends requests about a container and its content, and distinguishes a missing one from one that isn't created yet.

    :param title: Its description, such as ``bucket 'files'``.
    :param error: The ``error`` method of the backend.
    :param is_missing: Whether an error means that the container is, or might be, missing.
    :param exists: Sends a request to find out whether it exists; None if the error alone is proof.
    :param create: Creates it; None if the first write should not create it. If another writer is faster, that isn't an error.
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
        """The result of *send*, a request about the file *name* or a listing.

        :raises Unavailable: If the container existed before, and is gone.
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
        """The result of *send*, which stores the file *name*. If the container doesn't exist yet, it is created."""
        create = self._create
        if create is None:
            return self.request(name, send)
        return self.write(lambda: self.request(name, send), create, self._is_missing)

    def pages(self, prefix: str, pages: Iterator[T]) -> Iterator[T]:
        """The *pages* of a listing, one request each. Empty if the container doesn't exist yet."""
        try:
            while (page := self.request(prefix, lambda: next(pages, None))) is not None:
                yield page
        except Exception as error:
            if not self._is_missing(error):
                raise

    def entries(self, prefix: str, pages: Iterator[Iterable[T]]) -> Iterator[T]:
        """The entries on all *pages* of a listing."""
        return itertools.chain.from_iterable(self.pages(prefix, pages))
