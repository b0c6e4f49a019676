"""Set up Flask-FS for an application."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from flask import Flask, current_app, request_started

from .bindings import State, setting_keys, state_of
from .cli import group
from .config import DEFAULT_BACKEND, default_root, hint_at_storages
from .errors import ConfigurationError, UnknownStorage
from .signing import check_fallbacks
from .storage import Storage
from .urls import ENDPOINT, UPLOAD_ENDPOINT, add_route
from .views import blueprint, get_file, receive_upload

blueprint.cli.add_command(group)


def init_app(app: Flask, *storages: Storage) -> None:
    """Set up *storages* for *app*. You can call it again to add more. It opens no connections.

    It adds the documented defaults of the global settings to ``app.config``. Storages that you configure for *app*
    separately, before or after this call, get URLs too.

    :raises UnknownBackend: If no installed distribution provides a configured backend.
    :raises ConfigurationError: If a setting is missing or invalid, if *app* already has another storage with one of these
        names, or if two storages would store their files in the same location, such as a bucket.
    """
    arguments: tuple[Any, ...] = (app, *storages)
    if not isinstance(arguments[0], Flask) or not all(hasattr(storage, 'configure') for storage in storages):
        given = ', '.join(type(value).__name__ for value in arguments)
        raise TypeError(f'fs.init_app(app, storage, ...) needs a Flask application and storages, not ({given}).')
    check_fallbacks(app)
    state = state_of(app)
    _put_defaults(app, state)
    if blueprint.name not in app.blueprints:
        app.register_blueprint(blueprint)
        app.view_functions[ENDPOINT] = get_file
        app.view_functions[UPLOAD_ENDPOINT] = receive_upload
        state.route_with(functools.partial(add_route, app))
    state.pending = set(storages)
    try:
        for storage in storages:
            storage.configure(app)
    except ConfigurationError:
        # A missing setting may be one with a misspelled storage.
        _check_storage_names(app, {*state, *(storage.name for storage in storages)})
        raise
    finally:
        state.pending.clear()
    # Another call can add the storage that a setting names. The first request comes after all calls.
    request_started.connect(_check_at_first_request, app)


def by_name(name: str) -> Storage:
    """The storage with that name in the current application.

    :raises UnknownStorage: If there is none. It is a ConfigurationError and a KeyError.
    """
    state = state_of(current_app)
    try:
        storage: Storage = state[name]
    except KeyError:
        found = ', '.join(sorted(state)) or 'none'
        reason = f'No storage named {name!r} in {current_app.name!r} (found: {found}). Pass it to fs.init_app(app, …).'
        raise UnknownStorage(reason=reason) from None
    return storage


def _check_at_first_request(app: Flask, **_: Any) -> None:
    request_started.disconnect(_check_at_first_request, app)
    _check_storage_names(app, state_of(app))


def _check_storage_names(app: Flask, names: Iterable[str]) -> None:
    """Warn about settings that misspell one of the *names* of storages."""
    known = {name: setting_keys(app.config, name) for name in list(names)}
    hint_at_storages(app.config, known, f'any storage in {app.name!r}')


def _put_defaults(app: Flask, state: State) -> None:
    """Add the documented defaults of global settings to ``app.config``."""
    app.config.setdefault('FS_ROOT', default_root(app))
    app.config.setdefault('FS_PREFIX', None)
    app.config.setdefault('FS_URL', None)
    app.config.setdefault('FS_BACKEND', DEFAULT_BACKEND)
    app.config.setdefault('FS_IMAGES_OPTIMIZE', False)
    if 'FS_SERVE' not in app.config:
        app.config['FS_SERVE'] = state.default_serve = app.debug
