"""What a storage is in each of the applications that use it: its settings, its backend, and where both are kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Hashable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from flask import Flask, current_app

from .backends.contract import Capability
from .config import STORAGE_SETTINGS, Config, backend_of, default_root, refresh, resolve, storage_settings
from .errors import ConfigurationError
from .registry import Driver, backend_class_of, driver_of
from .settings import settings_error, storage_prefix

#: Returns the current application itself, not the proxy. Looked up once, as every operation of every storage calls it.
current_application: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined]  # a proxy
#: The application of a storage that was given a backend without being configured.
NO_APP = SimpleNamespace(config={})


class Binding(NamedTuple):
    """One storage in one application.

    :param app: The application, or whatever object with a ``config`` the storage was configured with.
    :param backend: The backend itself, as applications see it.
    :param driver: What the storage calls: the backend, or an adapter for one that only has the documented verbs.
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
        """Where the files are, if the backend says so; one that is no ``BaseBackend`` may say anything."""
        location = getattr(self.driver, 'location', None)
        return location if isinstance(location, tuple) else None

    def keeps_more_at(self, location: tuple[Hashable, ...] | None) -> bool:
        """Whether another storage with its files at *location* would find there what is no file of its own."""
        reserved = getattr(self.driver, 'reserved_location', None)
        return isinstance(reserved, tuple) and location is not None and location[: len(reserved)] == reserved

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
        #: What ``init_app`` set ``FS_SERVE`` to: the application's DEBUG at that time, which may still change.
        self.default_serve: bool | None = None
        #: The storages that are about to be configured, maybe again: where their files were does not matter.
        self.pending: set[Any] = set()
        #: Makes the binding to use of one that is added: for tools of tests, which give storages other backends for a while.
        self.replace: Callable[[Any, Binding], Binding] = lambda storage, binding: binding
        #: What ``fs.uploads()`` was called with, by the name of the storage.
        self.upload_routes: dict[str, Any] = {}
        #: The same for ``fs.tus()``.
        self.tus_routes: dict[str, Any] = {}
        #: Where rows or documents refer to files: see :mod:`flask_fs.consistency.sources`.
        self.sources: list[Any] = []
        self._route: Callable[[str], None] | None = None

    def add(self, storage: Any, binding: Binding) -> None:
        """Make *storage* one of the application's, as *binding* says.

        :raises ConfigurationError: If the application has another storage of that name, or one with files in the same location.
        """
        # Replacing it would drop its `authorize` too, and so open what it protects.
        if self.get(storage.name, storage) is not storage:
            reason = (
                f'{binding.app.name!r} already has another storage named {storage.name!r}: give one of them another name, or pass '
                'the same object again.'
            )
            raise ConfigurationError(reason=reason)
        for other, bound in self.bindings.items():
            if other is storage or other in self.pending:
                continue
            is_reserved = binding.keeps_more_at(bound.location) or bound.keeps_more_at(binding.location)
            if is_reserved or (binding.location is not None and binding.location == bound.location):
                raise ConfigurationError(reason=_same_location(other.name, storage.name, binding.kind, is_reserved))
        if storage.name not in self:
            # First, because it may refuse FS_PREFIX, and then nothing may be left behind.
            if self._route is not None:
                self._route(storage.name)
            self[storage.name] = storage
        self.pending.discard(storage)
        self.bindings[storage] = self.replace(storage, binding)

    def route_with(self, route: Callable[[str], None]) -> None:
        """Call *route* with the name of each storage, to give its files URLs in the application: now, or when it is added."""
        self._route = route
        for name in self:
            route(name)


def _same_location(name: str, other: str, kind: str, is_reserved: bool) -> str:
    """The message about two storages that would share their files."""
    mine, theirs = storage_prefix(name), storage_prefix(other)
    if mine == theirs:
        advice = f'Their settings both begin with {mine}: rename one of them.'
    elif is_reserved:
        advice = 'One of them keeps parts of its files there: give it another bucket, container or collection for that.'
    else:
        advice = f'Give one of them another bucket, container or collection, or a folder there: {mine}PREFIX or {theirs}PREFIX.'
    return f'Storages {name!r} and {other!r} ({kind}) would store their files in the same location. {advice}'


def state_of(app: Flask) -> State:
    """The state of *app*, made if it has none yet."""
    state = app.extensions.setdefault('fs', State())
    assert isinstance(state, State), "app.extensions['fs'] belongs to Flask-FS"
    return state


def bind(storage: str, app: Any) -> Binding:
    """A new backend for *storage*, configured from *app*; no connection is opened.

    :param app: An application, or any object with a ``config`` mapping.
    :raises UnknownBackend: If no installed distribution offers the configured backend.
    :raises ConfigurationError: If a setting is missing or invalid.
    """
    app_config = _app_config(app)
    wanted = backend_of(app_config, storage)
    backend_class = wanted if not isinstance(wanted, str) else backend_class_of(wanted, storage)
    kind = wanted if isinstance(wanted, str) else getattr(wanted, 'kind', '') or wanted.__name__
    settings = getattr(backend_class, 'settings', ())
    settings = settings if isinstance(settings, tuple) else ()
    config = resolve(app_config, storage, kind, (*storage_settings(), *settings))
    backend = backend_class(storage, config)
    driver = driver_of(backend, storage)
    if config.serving == 'redirect' and Capability.SIGNED_URL not in driver.capabilities:
        setting = f"{storage_prefix(storage)}SERVING = 'redirect'"
        raise settings_error(storage, kind, f"cannot use {setting}: its backend signs no links. Use 'proxy'")
    if config.retention_days and not driver.capabilities:
        setting = f'{storage_prefix(storage)}RETENTION_DAYS'
        raise settings_error(
            storage, kind, f'cannot keep deleted files: its backend is a legacy one. Set {setting} = 0'
        )
    return Binding(app, config, backend, driver, kind)


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
        # The application has not set it: DEBUG decides at each request.
        changes['FS_SERVE'] = None
    return {**config, **changes} if changes else config


class AppBound:
    """Something with one name that has settings and a backend of its own in each application.

    All that belongs to an application is stored on the application; this object only remembers which ones to look at.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._detached: Binding | None = None

    def __deepcopy__(self, _: dict[int, Any] | None = None) -> AppBound:
        return self

    __copy__ = __deepcopy__

    def configure(self, app: Any) -> None:
        """Set the storage up for *app*, without opening a connection. ``fs.init_app(app, storage)`` does this too.

        Its files have URLs in *app* once ``fs.init_app(app)`` was called, whichever comes first.

        :param app: An application, or any object with a ``config`` mapping.
        :raises UnknownBackend: If no installed distribution offers the configured backend.
        :raises ConfigurationError: If a setting is missing or invalid, if *app* already has another storage of this
            name, or if both would store their files in the same location, such as a bucket.
        """
        binding = bind(self.name, app)
        if isinstance(app, Flask):
            state_of(app).add(self, binding)
            if self._detached is not None and self._detached.app is NO_APP:
                self._detached = None
            self._apps.add(app)
        else:
            self._detached = binding

    def _bound(self) -> Binding:
        try:
            bindings: dict[Any, Binding] = current_application().extensions['fs'].bindings
            return bindings[self]
        except RuntimeError:
            return self._only_binding()
        except KeyError:
            if self._detached is not None:
                return self._detached
            raise self._unbound(f'is not configured for {current_application().name!r}') from None

    def _only_binding(self) -> Binding:
        """The binding outside of an application context."""
        if len(candidates := self._candidates()) > 1:
            # Applications that are only waiting for garbage collection do not count.
            del candidates
            gc.collect()
            candidates = self._candidates()
        if len(candidates) != 1:
            several = f'is configured for {len(candidates)} applications, and none of them is current'
            raise self._unbound(several if candidates else 'is not configured for any application')
        return candidates[0]

    def _candidates(self) -> list[Binding]:
        bindings = [self._detached, *(state_of(app).bindings.get(self) for app in self._apps)]
        return [binding for binding in bindings if binding is not None]

    def _unbound(self, what: str) -> ConfigurationError:
        advice = 'Call fs.init_app(app, storage), and use it within app.app_context() where there are several.'
        return ConfigurationError(reason=f'Storage {self.name!r} {what}. {advice}')

    def _configured(self) -> Binding | None:
        """What the storage is in the current application; None before it is configured for any."""
        try:
            return self._bound()
        except ConfigurationError:
            if self._candidates():
                raise
            return None

    @property
    def backend(self) -> Any:
        """The backend in the current application; None before the storage is configured for any.

        Tests may assign another one, such as a mock, for the current application: any object with the documented
        verbs. Assigning the previous one, ``del``, or configuring the storage again restores it.
        """
        bound = self._configured()
        return None if bound is None else bound.backend

    @backend.setter
    def backend(self, backend: Any) -> None:
        bound = self._configured()
        if bound is None:
            self._detached = unconfigured(backend, self.name)
        else:
            self._rebind(bound.with_backend(backend, self.name))

    @backend.deleter
    def backend(self) -> None:
        bound = self._configured()
        if bound is None or (bound.configured is None and bound.app is not NO_APP):
            raise AttributeError(f'storage {self.name!r} has the backend that was configured')
        if bound.configured is None:
            self._detached = None
        else:
            self._rebind(bound.configured)

    @property
    def backend_name(self) -> str | None:
        """The kind of backend that is configured in the current application, such as ``local``."""
        bound = self._configured()
        return None if bound is None else bound.kind

    def _rebind(self, binding: Binding) -> None:
        if isinstance(binding.app, Flask):
            state_of(binding.app).bindings[self] = binding
        else:
            self._detached = binding

    @property
    def config(self) -> Config:
        """The settings in the current application; empty before the storage is configured for any."""
        bound = self._configured()
        return Config() if bound is None else refresh(bound.config, bound.app.config, self.name, bound.kind)
