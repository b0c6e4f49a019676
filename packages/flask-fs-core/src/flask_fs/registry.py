"""Which backend each storage has in which application."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Flask

from .backends.contract import Capability, Driver
from .backends.documented import DocumentedVerbs
from .config import STORAGE_SETTINGS, Config, backend_of, resolve, storage_prefix
from .errors import ConfigurationError, UnknownBackend

#: Distributions announce their backends in these groups; the second is that of flask-storage.
ENTRY_POINT_GROUPS = ('fs.backend', 'storage.backend')

_BUILT_IN = {'local': 'LocalBackend', 'memory': 'MemoryBackend', 'mock': 'MockBackend'}
_SIBLINGS = ('gridfs', 's3', 'swift')


class Binding(NamedTuple):
    """One storage in one application.

    :param app: The application, or whatever object with a ``config`` the storage was configured with.
    :param backend: The backend itself, as applications see it.
    :param driver: What the storage calls: the backend, or an adapter around one with the documented verbs alone.
    """

    app: Any
    config: Config
    backend: Any
    driver: Driver


class State(dict[str, Any]):
    """What Flask-FS keeps in an application's ``extensions['fs']``: its storages by name.

    Of two storages with one name, the one configured last answers to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bindings: dict[Any, Binding] = {}
        #: The names of the storages that have an address in the application.
        self.routed: set[str] = set()


def state_of(app: Flask) -> State:
    """The state of *app*, made if it has none yet."""
    state = app.extensions.setdefault('fs', State())
    assert isinstance(state, State), "app.extensions['fs'] belongs to Flask-FS"
    return state


def bind(storage: str, app: Any) -> Binding:
    """A fresh backend for *storage*, configured from *app*. Nothing is connected to.

    :param app: An application, or any object with a ``config`` mapping.
    :raises UnknownBackend: If no installed distribution offers the configured backend.
    :raises ConfigurationError: If a setting is missing or impossible.
    """
    app_config = _with_defaults(app)
    wanted = backend_of(app_config, storage)
    backend_class = wanted if not isinstance(wanted, str) else _load(wanted, storage)
    kind = wanted if isinstance(wanted, str) else getattr(wanted, 'kind', '') or wanted.__name__
    settings = getattr(backend_class, 'settings', ())
    settings = settings if isinstance(settings, tuple) else ()
    config = resolve(app_config, storage, kind, (*STORAGE_SETTINGS, *settings))
    backend = backend_class(storage, config)
    capabilities = getattr(backend, 'capabilities', None)
    native = isinstance(capabilities, Capability) and bool(capabilities)
    driver: Driver = backend if native else DocumentedVerbs(backend, storage)
    if config.serving == 'redirect' and Capability.SIGNED_URL not in driver.capabilities:
        reason = (
            f"Storage {storage!r} ({kind}) cannot use {storage_prefix(storage)}SERVING = 'redirect': "
            "its backend signs no links. Use 'proxy'."
        )
        raise ConfigurationError(reason=reason)
    return Binding(app, config, backend, driver)


def _with_defaults(app: Any) -> Mapping[str, Any]:
    config: Mapping[str, Any] = app.config
    if config.get('FS_ROOT') is None and isinstance(instance_path := getattr(app, 'instance_path', None), str):
        return {**config, 'FS_ROOT': os.path.join(instance_path, 'fs')}
    return config


def _load(kind: str, storage: str) -> Any:
    # Classes are looked up anew each time: tests of applications replace them between two.
    if kind in _BUILT_IN:
        return getattr(importlib.import_module(f'flask_fs.backends.{kind}'), _BUILT_IN[kind])
    announced = _announced()
    if kind in announced:
        return announced[kind].load()
    found = ', '.join(sorted({*announced, *_BUILT_IN} - {'mock'}))
    install = f'Install it with pip install flask-fs-{kind}, or change' if kind in _SIBLINGS else 'Change'
    setting = f'{storage_prefix(storage)}BACKEND'
    reason = f'Storage {storage!r}: no backend named {kind!r} (found: {found}). {install} {setting} or FS_BACKEND.'
    raise UnknownBackend(reason=reason)


@functools.cache
def _announced() -> dict[str, Any]:
    """The entry point of each backend that an installed distribution announces, read once in a process."""
    # Reading the metadata of all distributions takes longer than all of `import flask_fs`.
    from importlib.metadata import entry_points

    return {point.name: point for group in reversed(ENTRY_POINT_GROUPS) for point in entry_points(group=group)}
