"""Which backend each storage has in which application."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Hashable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from flask import Flask

from .backends.contract import Capability, Driver
from .backends.documented import DocumentedVerbs
from .config import STORAGE_SETTINGS, Config, backend_of, default_root, resolve, storage_prefix
from .errors import ConfigurationError, UnknownBackend

#: Distributions announce their backends in these groups; the second is that of flask-storage.
ENTRY_POINT_GROUPS = ('fs.backend', 'storage.backend')

_BUILT_IN = {'local': 'LocalBackend', 'memory': 'MemoryBackend', 'mock': 'MockBackend'}
#: Stands for the application of a storage that was given a backend without being configured.
NO_APP = SimpleNamespace(config={})
_SIBLINGS = ('gridfs', 's3', 'swift')


class Binding(NamedTuple):
    """One storage in one application.

    :param app: The application, or whatever object with a ``config`` the storage was configured with.
    :param backend: The backend itself, as applications see it.
    :param driver: What the storage calls: the backend, or an adapter around one with the documented verbs alone.
    :param kind: The kind of backend that is configured.
    :param configured: What it was before the application was given another backend by assignment.
    """

    app: Any
    config: Config
    backend: Any
    driver: Driver
    kind: str
    configured: Binding | None = None

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        """Where the files are, if the backend says so; test doubles give anything."""
        location = getattr(self.driver, 'location', None)
        return location if isinstance(location, tuple) else None

    def with_backend(self, backend: Any, storage: str) -> Binding:
        """The same with another backend, which may be any object that has the documented verbs."""
        configured = self.configured or self
        if backend is configured.backend:
            return configured
        return self._replace(backend=backend, driver=driver_of(backend, storage), configured=configured)


class State(dict[str, Any]):
    """What Flask-FS keeps in an application's ``extensions['fs']``: its storages by name."""

    def __init__(self) -> None:
        super().__init__()
        self.bindings: dict[Any, Binding] = {}
        #: What ``init_app`` has put for ``FS_SERVE``: the application's DEBUG at that time, which may still change.
        self.default_serve: bool | None = None
        #: The storages that are about to be configured, maybe anew: where their files were is no matter.
        self.awaited: set[Any] = set()
        self._route: Callable[[str], None] | None = None

    def add(self, storage: Any, binding: Binding) -> None:
        """Make *storage* one of the application's, as *binding* says.

        :raises ConfigurationError: If the application has another storage of that name, or one with files in the same place.
        """
        # Replacing it would drop its `authorize` too, and so open what it protects.
        if self.get(storage.name, storage) is not storage:
            reason = (
                f'{binding.app.name!r} already has another storage named {storage.name!r}: give one of them another name, or pass '
                'the same object again.'
            )
            raise ConfigurationError(reason=reason)
        for other, bound in self.bindings.items():
            if (
                other is not storage
                and other not in self.awaited
                and binding.location is not None
                and binding.location == bound.location
            ):
                raise ConfigurationError(reason=_shared(other.name, storage.name, binding.kind))
        if storage.name not in self:
            # First, because it may refuse FS_PREFIX: nothing is then half there.
            if self._route is not None:
                self._route(storage.name)
            self[storage.name] = storage
        self.awaited.discard(storage)
        self.bindings[storage] = binding

    def route_with(self, route: Callable[[str], None]) -> None:
        """Have *route* give each storage, by its name, an address in the application: now, or when it is added."""
        self._route = route
        for name in self:
            route(name)


def _shared(name: str, other: str, kind: str) -> str:
    """The message about two storages that would share their files."""
    mine, theirs = storage_prefix(name), storage_prefix(other)
    advice = (
        f'Their settings both begin with {mine}: rename one of them.'
        if mine == theirs
        else f'Give one of them another bucket, container or collection, or a folder there: {mine}PREFIX or {theirs}PREFIX.'
    )
    return f'Storages {name!r} and {other!r} ({kind}) would keep their files in one place. {advice}'


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
    app_config = _app_config(app)
    wanted = backend_of(app_config, storage)
    backend_class = wanted if not isinstance(wanted, str) else _load(wanted, storage)
    kind = wanted if isinstance(wanted, str) else getattr(wanted, 'kind', '') or wanted.__name__
    settings = getattr(backend_class, 'settings', ())
    settings = settings if isinstance(settings, tuple) else ()
    config = resolve(app_config, storage, kind, (*STORAGE_SETTINGS, *settings))
    backend = backend_class(storage, config)
    driver = driver_of(backend, storage)
    if config.serving == 'redirect' and Capability.SIGNED_URL not in driver.capabilities:
        reason = (
            f"Storage {storage!r} ({kind}) cannot use {storage_prefix(storage)}SERVING = 'redirect': "
            "its backend signs no links. Use 'proxy'."
        )
        raise ConfigurationError(reason=reason)
    return Binding(app, config, backend, driver, kind)


def driver_of(backend: Any, storage: str) -> Driver:
    """What *storage* calls: *backend* itself, or an adapter around one with the documented verbs alone."""
    capabilities = getattr(backend, 'capabilities', None)
    # Not isinstance(), which is also true of what create_autospec() makes of them.
    declared = issubclass(type(capabilities), Capability) and capabilities
    driver: Driver = backend if declared else DocumentedVerbs(backend, storage)
    return driver


def unconfigured(backend: Any, storage: str) -> Binding:
    """*storage* on *backend*, for no application and with the default of every setting."""
    config = resolve(NO_APP.config, storage, '', STORAGE_SETTINGS)
    return Binding(NO_APP, config, backend, driver_of(backend, storage), type(backend).__name__)


def _app_config(app: Any) -> Mapping[str, Any]:
    """The settings of *app*, with the folder of all local storages where none is set."""
    config: Mapping[str, Any] = app.config
    changes: dict[str, Any] = {}
    if config.get('FS_ROOT') is None and (root := default_root(app)) is not None:
        changes['FS_ROOT'] = root
    if isinstance(app, Flask) and config.get('FS_SERVE') is state_of(app).default_serve:
        # Nobody has set it: whether files are served is decided by DEBUG, when they are asked for.
        changes['FS_SERVE'] = None
    return {**config, **changes} if changes else config


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
