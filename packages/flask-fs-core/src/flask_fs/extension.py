"""Setting Flask-FS up for an application."""

from __future__ import annotations

from flask import Flask, current_app

from .cli import COMMANDS
from .errors import UnknownStorage
from .registry import State, state_of
from .signing import check_fallbacks
from .storage import Storage
from .urls import ENDPOINT
from .views import blueprint, get_file

for _command in COMMANDS:
    blueprint.cli.add_command(_command)


def init_app(app: Flask, *storages: Storage) -> None:
    """Set *storages* up for *app*; call it again for more. No store is connected to.

    :raises UnknownBackend: If no installed distribution offers a configured backend.
    :raises ConfigurationError: If a setting is missing or impossible.
    """
    check_fallbacks(app)
    state = state_of(app)
    if blueprint.name not in app.blueprints:
        app.register_blueprint(blueprint)
        app.view_functions[ENDPOINT] = get_file
    for storage in storages:
        storage.configure(app)
        _route(app, state, storage)


def by_name(name: str) -> Storage:
    """The storage of that name in the current application.

    :raises UnknownStorage: If there is none; it is a ConfigurationError and a KeyError.
    """
    state = state_of(current_app)
    try:
        storage: Storage = state[name]
    except KeyError:
        found = ', '.join(sorted(state)) or 'none'
        reason = f'No storage named {name!r} in {current_app.name!r} (found: {found}). Pass it to fs.init_app(app, …).'
        raise UnknownStorage(reason=reason) from None
    return storage


def _route(app: Flask, state: State, storage: Storage) -> None:
    """Give *storage* its address in *app*: ``{FS_PREFIX}/{name}/{filename}``.

    Each has a route of its own, so that every other address is left to the application's own routes.
    """
    if storage.name in state.routed:
        return
    prefix = (app.config.get('FS_PREFIX') or '').strip('/')
    path = f'/{prefix}/{storage.name}/<path:filename>' if prefix else f'/{storage.name}/<path:filename>'
    rule = app.url_rule_class(path, endpoint=ENDPOINT, defaults={'fs': storage.name}, methods=['GET', 'OPTIONS'])
    rule.provide_automatic_options = True  # type: ignore[attr-defined]  # what Flask's dispatch looks at
    # Not add_url_rule(), which refuses once a request was handled: init_app may be called again then.
    app.url_map.add(rule)
    state.routed.add(storage.name)
