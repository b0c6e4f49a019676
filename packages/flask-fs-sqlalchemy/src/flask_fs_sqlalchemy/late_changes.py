"""Rows that a flush is about to write, but that the application's listeners can still change."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session


class AboutToBeWritten(Protocol):
    """A row between this package's listeners and the statement that writes it."""

    def changed(self, key: str, value: Any) -> None:
        """Called when an attribute with files gets another *value*."""


_rows: weakref.WeakKeyDictionary[Session, dict[InstanceState[Any], Any]] = weakref.WeakKeyDictionary()


def watch(row: Any, about: AboutToBeWritten) -> None:
    """From now on, report changes of *row* to *about*, until it is written or its flush ends."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    _rows.setdefault(state.session, {})[state] = about


def unwatch(row: Any) -> Any:
    """Stop reporting changes of *row*, and return the object that they were reported to."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    return _rows.get(state.session, {}).pop(state, None)


def flush_ended(session: Session) -> None:
    """Stop reporting changes of all rows in *session*, because its flush has ended."""
    _rows.pop(session, None)


def report(row: Any, key: str, value: Any) -> None:
    """Report that attribute *key* of *row* gets another *value*."""
    if not _rows:
        return
    state: InstanceState[Any] = inspect(row)
    about = None if state.session is None else _rows.get(state.session, {}).get(state)
    if about is not None:
        about.changed(key, value)
