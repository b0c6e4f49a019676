"""Repeating what was sent on a connection that turned out to be dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo.errors import AutoReconnect, NetworkTimeout

T = TypeVar('T')


def retry_once(act: Callable[[], T], again: Callable[[], Any] | None = None) -> T:
    """The result of *act*; of *again*, by default the same once more, if the connection turns out to be dead.

    MongoDB's own retries of writes need a replica set. Doing both must do no harm, as *act* may have been carried out.
    """
    try:
        return act()
    except NetworkTimeout:
        raise
    except AutoReconnect:
        result: T = (again or act)()
        return result
