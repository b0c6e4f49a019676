"""Rows that a flush is about to write, which listeners of the application may still change."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session


class AboutToBeWritten(Protocol):
    """A row between the listeners of this package and the statement that writes it."""

    def changed(self, key: str, value: Any) -> None:
        """Called for each attribute with files that gets another *value*."""


_rows: weakref.WeakKeyDictionary[Session, dict[InstanceState[Any], Any]] = weakref.WeakKeyDictionary()


def watch(row: Any, about: AboutToBeWritten) -> None:
    """From now on, report changes of *row* to *about*, until it is written or its flush ends."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    _rows.setdefault(state.session, {})[state] = about


def unwatch(row: Any) -> Any:
    """End that, and return what changes of *row* were reported to."""
    state: InstanceState[Any] = inspect(row)
    assert state.session is not None
    return _rows.get(state.session, {}).pop(state, None)


def flush_ended(session: Session) -> None:
    """Nothing is about to be written in *session* any more."""
    _rows.pop(session, None)


def report(row: Any, key: str, value: Any) -> None:
    """Report that attribute *key* of *row* gets another *value*."""
    if not _rows:
        return
    state: InstanceState[Any] = inspect(row)
    about = None if state.session is None else _rows.get(state.session, {}).get(state)
    if about is not None:
        about.changed(key, value)
