"""Retrying operations that were sent on a dead connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo.errors import AutoReconnect, NetworkTimeout

T = TypeVar('T')


def retry_once(act: Callable[[], T], again: Callable[[], Any] | None = None) -> T:
    """The result of *act*, or, if the connection turns out to be dead, of *again*, which is *act* by default.

    MongoDB's own retryable writes require a replica set. Doing both must be harmless, because *act* may have succeeded.
    """
    try:
        return act()
    except NetworkTimeout:
        raise
    except AutoReconnect:
        result: T = (again or act)()
        return result
