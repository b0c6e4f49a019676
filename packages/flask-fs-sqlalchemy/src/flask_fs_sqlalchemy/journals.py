"""Which journal the files of a row are noted in: each application has its own."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from flask import Flask, current_app, has_app_context
from sqlalchemy.orm import Session, object_session

from .journal import BoundJournal

# The applications with a journal. What belongs to one is kept there; this only remembers where to look.
_apps: weakref.WeakSet[Flask] = weakref.WeakSet()
_EXTENSION = 'flask_fs_sqlalchemy'

#: A journal, if there is one, and whether it is that of a mapped class.
_Added = tuple['BoundJournal | None', Callable[[type], bool]]


def add_journal(app: Flask, source: Hashable, journal: BoundJournal | None, concerns: Callable[[type], bool]) -> None:
    """Note the files of the mapped classes that *concerns* returns True for in *journal*, in application *app*.

    :param source: What adds it; one that equals it is replaced.
    """
    _apps.add(app)
    app.extensions.setdefault(_EXTENSION, {})[source] = (journal, concerns)


def journal_of(given: Any) -> BoundJournal | None:
    """The journal of the current application for the files of *given*, a row or a session; None if it has none.

    What is settled is a part of the transaction of the session, if there is one.
    """
    apps: list[Flask] = [current_app] if has_app_context() else list(_apps)
    # Outside of an application context, a storage is that of the only application, too.
    added: dict[Hashable, _Added] = apps[0].extensions.get(_EXTENSION, {}) if len(apps) == 1 else {}
    session = given if isinstance(given, Session) else object_session(given)
    for bound, concerns in added.values():
        found = bound if bound is None or session is None else bound.of_session(session)
        if given is not session:
            if concerns(type(given)):
                return found
        elif found is not None and found.has_database():
            return found
    return None
