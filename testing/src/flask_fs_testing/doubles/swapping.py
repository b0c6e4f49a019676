"""Other backends in the place of those that an application configured, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import TypeVar

from flask import Flask, current_app, has_app_context

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.bindings import Binding, state_of
from flask_fs.registry import driver_of

B = TypeVar('B', bound=BaseBackend)


@contextlib.contextmanager
def wrap(storage: fs.Storage, wrapper: Callable[[BaseBackend], B], *, app: Flask | None = None) -> Generator[B]:
    """Put *wrapper* around the backend of *storage*, for a ``with`` block that is given it.

    :param wrapper: Makes a backend from the one that is there: :class:`FaultyBackend`, :class:`RecordingBackend`, or
        any function.
    :param app: In which application; by default the current one.
    :raises ConfigurationError: If there is no current application, or the storage is not configured for it.
    """
    app = _current() if app is None else app
    bindings = state_of(app).bindings
    before = bindings.get(storage)
    if before is None:
        raise fs.ConfigurationError(reason=f'Storage {storage.name!r} is not configured for {app.name!r}.')
    backend = wrapper(before.backend)
    wrapped = rebound(before, backend)
    # Not by assignment, which is how storages are configured: see InMemory.
    dict.update(bindings, {storage: wrapped})
    try:
        yield backend
    finally:
        if bindings.get(storage) is wrapped:
            dict.update(bindings, {storage: before})


def rebound(binding: Binding, backend: BaseBackend) -> Binding:
    """*binding* with another backend."""
    return binding._replace(backend=backend, driver=driver_of(backend, backend.name))


def _current() -> Flask:
    if not has_app_context():
        raise fs.ConfigurationError(reason='wrap() needs app.app_context(), or an application: wrap(…, app=app).')
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's documented way out
    return app
