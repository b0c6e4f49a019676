"""Changes that the application's listeners make to rows that a flush is about to write."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session


class Observer(Protocol):
    """Receives the changes of one row."""

    def changed(self, key: str, value: Any) -> None:
        """Called when attribute *key*, which has files, gets another *value*."""


_observers: weakref.WeakKeyDictionary[Session, dict[InstanceState[Any], Any]] = weakref.WeakKeyDictionary()


def watch(row: Any, observer: Observer) -> None:
    """Report changes of *row* to *observer* from now on, until :func:`unwatch` is called or the flush ends."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    _observers.setdefault(state.session, {})[state] = observer


def unwatch(row: Any) -> Any:
    """Stop reporting changes of *row*, and return its observer."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    return _observers.get(state.session, {}).pop(state, None)


def flush_ended(session: Session) -> None:
    """Stop reporting changes of all rows in *session*, because its flush has ended."""
    _observers.pop(session, None)


def report(row: Any, key: str, value: Any) -> None:
    """Report that attribute *key* of *row* gets another *value*."""
    if not _observers:
        return
    state: InstanceState[Any] = inspect(row)
    observer = None if state.session is None else _observers.get(state.session, {}).get(state)
    if observer is not None:
        observer.changed(key, value)
