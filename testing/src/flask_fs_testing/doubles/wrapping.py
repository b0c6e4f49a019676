"""Temporarily put a double around the configured backend of an application."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from flask import Flask, current_app, has_app_context

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.bindings import Binding, state_of

B = TypeVar('B', bound=BaseBackend)

#: The former binding of each double whose block ended while another one was assigned.
_ended: WeakKeyDictionary[Any, Binding] = WeakKeyDictionary()


@contextlib.contextmanager
def wrap(storage: fs.Storage, wrapper: Callable[[BaseBackend], B], *, app: Flask | None = None) -> Generator[B]:
    """Put *wrapper* around the backend of *storage* in a ``with`` block, which gets the wrapper.

    :param wrapper: Creates a backend from the current one: :class:`FaultyBackend`, :class:`RecordingBackend`, or any
        function.
    :param app: The application; by default the current one.
    :raises ConfigurationError: If there is no current application, or the storage is not configured for it.
    """
    if app is None and not has_app_context():
        raise fs.ConfigurationError(reason='wrap() needs app.app_context(), or an application: wrap(…, app=app).')
    app = app or current_app
    bindings = state_of(app).bindings
    if (before := bindings.get(storage)) is None:
        raise fs.ConfigurationError(reason=f'Storage {storage.name!r} is not configured for {app.name!r}.')
    backend = wrapper(before.backend)
    bindings[storage] = before.with_backend(backend, storage.name)
    try:
        yield backend
    finally:
        if bindings[storage].backend is backend:
            bindings[storage] = still_valid(before)
        else:
            _ended[backend] = before


def still_valid(binding: Binding) -> Binding:
    """*binding*, or the one that it wraps if the block of its double has ended."""
    while (below := _ended.get(binding.backend)) is not None:
        binding = below
    return binding
