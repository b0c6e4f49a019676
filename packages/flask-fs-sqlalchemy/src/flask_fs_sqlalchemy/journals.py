"""The journal in which the files of a row are recorded: each application has its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Any

from flask import Flask, current_app, has_app_context
from sqlalchemy.orm import Session, class_mapper, object_session

from flask_fs import Storage
from flask_fs.errors import ConfigurationError

from .bound_journal import BoundJournal

_EXTENSION = 'flask_fs_sqlalchemy'

#: A journal, if there is one, and whether it is for a mapped class.
_Added = tuple['BoundJournal | None', Callable[[type], bool]]


def add_journal(app: Flask, source: Hashable, journal: BoundJournal | None, concerns: Callable[[type], bool]) -> None:
    """In application *app*, use *journal* for the files of the mapped classes that *concerns* returns True for.

    :param source: The source that adds it. It replaces the journal of a source that is equal to it.
    """
    app.extensions.setdefault(_EXTENSION, {})[source] = (journal, concerns)


def journal_of(row: Any, session: Session | None = None) -> BoundJournal | None:
    """The journal for the files of *row* in its application; None if there is none.

    If there is a session, entries are settled in its transaction.

    :param session: The session, if *row* is not in it.
    """
    app = _application_of(row)
    added: dict[Hashable, _Added] = {} if app is None else app.extensions.get(_EXTENSION, {})
    session = session or object_session(row)
    for bound, concerns in added.values():
        if concerns(type(row)):
            return bound if bound is None or session is None else bound._of_session(session)
    return None


def _application_of(row: Any) -> Flask | None:
    """The current application or, without one, that of the storages of *row*."""
    if has_app_context():
        return current_app
    for column in class_mapper(type(row)).columns:
        storage = getattr(column.type, 'fs', None)
        if isinstance(storage, Storage):
            # If there are several, storing the file raises an error.
            with contextlib.suppress(ConfigurationError):
                app = storage._bound().app
                return app if isinstance(app, Flask) else None
    return None
