"""The settings and the backend of a storage in each application that uses it, and where they are stored."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Hashable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from flask import Flask, current_app

from .backends.contract import Capability
from .config import STORAGE_SETTINGS, Config, backend_of, default_root, refresh, resolve, storage_settings
from .errors import ConfigurationError, UnknownBackend
from .registry import Driver, backend_class_of, driver_of
from .settings import Setting, settings_error, storage_prefix

#: Returns the current application itself, not the proxy. Looked up once, because every storage operation calls it.
current_application: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined]  # a proxy
#: The application of a storage that was given a backend without being configured.
NO_APP = SimpleNamespace(config={})


class Binding(NamedTuple):
    """One storage in one application.

    :param app: The application, or the object with a ``config`` that configured the storage.
    :param backend: The backend itself, as applications see it.
    :param driver: What the storage calls: the backend, or an adapter for a backend that only has the documented methods.
    :param kind: The configured kind of backend.
    :param configured: The binding before another backend was assigned.
    """

    app: Any
    config: Config
    backend: Any
    driver: Driver
    kind: str
    configured: Binding | None = None

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        """The location of the files, if the backend reports it. A backend that isn't a ``BaseBackend`` can return anything."""
        location = getattr(self.driver, 'location', None)
        return location if isinstance(location, tuple) else None

    def keeps_more_at(self, location: tuple[Hashable, ...] | None) -> bool:
        """Whether the backend stores data at *location* that another storage there would treat as its own files."""
        reserved = getattr(self.driver, 'reserved_location', None)
        return isinstance(reserved, tuple) and location is not None and location[: len(reserved)] == reserved

    def with_backend(self, backend: Any, storage: str) -> Binding:
        """The same binding with another backend, which can be any object that has the documented methods."""
        configured = self.configured or self
        if backend is configured.backend:
            return configured
        return self._replace(backend=backend, driver=driver_of(backend, storage), configured=configured)


class State(dict[str, Any]):
    """The contents of an application's ``extensions['fs']``: its storages by name."""

    def __init__(self) -> None:
        super().__init__()
        self.bindings: dict[Any, Binding] = {}
        #: The value that ``init_app`` set ``FS_SERVE`` to: the application's DEBUG at that time, which can still change.
        self.default_serve: bool | None = None
        #: Whether the log already explains why files are not served.
        self.has_explained_serving = False
        #: The storages that are about to be configured, perhaps again. Their previous locations don't count as conflicts.
        self.pending: set[Any] = set()
        #: Returns the binding to use when one is added. Test tools set it to give storages other backends temporarily.
        self.replace: Callable[[Any, Binding], Binding] = lambda storage, binding: binding
        #: The arguments of ``fs.uploads()``, by storage name.
        self.upload_routes: dict[str, Any] = {}
        #: The arguments of ``fs.tus()``, by storage name.
        self.tus_routes: dict[str, Any] = {}
        #: The databases whose rows or documents refer to files: see :mod:`flask_fs.consistency.sources`.
        self.sources: list[Any] = []
        self._route: Callable[[str], None] | None = None

    def add(self, storage: Any, binding: Binding) -> None:
        """Add *storage* to the application with *binding*.

        :raises ConfigurationError: If the application has another storage with that name, or one with files in the same
            location.
        """
        # Replacing it would also drop its `authorize`, and expose the files that this protects.
        if self.get(storage.name, storage) is not storage:
            reason = (
                f'{binding.app.name!r} already has another storage named {storage.name!r}: rename one of them, or pass the '
                'same object again.'
            )
            raise ConfigurationError(reason=reason)
        for other, bound in self.bindings.items():
            if other is storage or other in self.pending:
                continue
            is_reserved = binding.keeps_more_at(bound.location) or bound.keeps_more_at(binding.location)
            if is_reserved or (binding.location is not None and binding.location == bound.location):
                raise ConfigurationError(reason=_same_location(other.name, storage.name, binding.kind, is_reserved))
        if storage.name not in self:
            # First, because it raises if FS_PREFIX is invalid, and then nothing else must have changed.
            if self._route is not None:
                self._route(storage.name)
            self[storage.name] = storage
        self.pending.discard(storage)
        self.bindings[storage] = self.replace(storage, binding)

    def route_with(self, route: Callable[[str], None]) -> None:
        """Call *route* with the name of each storage, now or when it is added, to give its files URLs in the application."""
        self._route = route
        for name in self:
            route(name)


def _same_location(name: str, other: str, kind: str, is_reserved: bool) -> str:
    """The message about two storages that would share their files."""
    mine, theirs = storage_prefix(name), storage_prefix(other)
    if mine == theirs:
        advice = f'Their settings both begin with {mine}: rename one of them.'
    elif is_reserved:
        advice = (
            'One of them stores parts of its files there: use a separate bucket, container or collection for those.'
        )
    else:
        advice = f'Use a separate bucket, container or collection for one of them, or a folder: {mine}PREFIX or {theirs}PREFIX.'
    return f'Storages {name!r} and {other!r} ({kind}) would store their files in the same location. {advice}'


def state_of(app: Flask) -> State:
    """The state of *app*, created if necessary."""
    state = app.extensions.setdefault('fs', State())
    assert isinstance(state, State), "app.extensions['fs'] belongs to Flask-FS"
    return state


def bind(storage: str, app: Any) -> Binding:
    """A new backend for *storage*, configured from *app*. It opens no connection.

    :param app: An application, or any object with a ``config`` mapping.
    :raises UnknownBackend: If no installed distribution provides the configured backend.
    :raises ConfigurationError: If a setting is missing or invalid.
    """
    app_config = _app_config(app)
    kind, backend_class = _backend_class(app_config, storage)
    config = resolve(app_config, storage, kind, (*storage_settings(), *_settings_of(backend_class)))
    backend = backend_class(storage, config)
    driver = driver_of(backend, storage)
    if config.serving == 'redirect' and Capability.SIGNED_URL not in driver.capabilities:
        setting = f"{storage_prefix(storage)}SERVING = 'redirect'"
        raise settings_error(storage, kind, f"cannot use {setting}: its backend cannot sign links. Use 'proxy'")
    if config.retention_days and not driver.capabilities:
        setting = f'{storage_prefix(storage)}RETENTION_DAYS'
        raise settings_error(
            storage, kind, f"cannot keep deleted files: its legacy backend doesn't support this. Set {setting} = 0"
        )
    return Binding(app, config, backend, driver, kind)


def unconfigured(backend: Any, storage: str) -> Binding:
    """A binding of *storage* to *backend* without an application, with the default of every setting."""
    config = resolve(NO_APP.config, storage, '', STORAGE_SETTINGS)
    return Binding(NO_APP, config, backend, driver_of(backend, storage), type(backend).__name__)


def setting_keys(app_config: Mapping[str, Any], storage: str) -> set[str]:
    """The keys of all settings of *storage*, including those of its configured backend if that exists."""
    settings = storage_settings()
    with contextlib.suppress(UnknownBackend):
        settings += _settings_of(_backend_class(app_config, storage)[1])
    return {setting.key for setting in settings}


def _backend_class(app_config: Mapping[str, Any], storage: str) -> tuple[str, Any]:
    """The kind and the class of the backend that is configured for *storage*."""
    wanted = backend_of(app_config, storage)
    if isinstance(wanted, str):
        return wanted, backend_class_of(wanted, storage)
    return getattr(wanted, 'kind', '') or wanted.__name__, wanted


def _settings_of(backend_class: Any) -> tuple[Setting, ...]:
    """The settings that the class declares. One that isn't a ``BaseBackend`` can have anything there."""
    settings = getattr(backend_class, 'settings', ())
    return settings if isinstance(settings, tuple) else ()


def _app_config(app: Any) -> Mapping[str, Any]:
    """The settings of *app*, with the default folder of local storages if none is set."""
    config: Mapping[str, Any] = app.config
    changes: dict[str, Any] = {}
    if config.get('FS_ROOT') is None and (root := default_root(app)) is not None:
        changes['FS_ROOT'] = root
    if isinstance(app, Flask) and config.get('FS_SERVE') is state_of(app).default_serve:
        # The application hasn't set it: DEBUG decides, on each request.
        changes['FS_SERVE'] = None
    return {**config, **changes} if changes else config


class AppBound:
    """A named object with separate settings and a separate backend in each application.

    All data of an application is stored on the application. This object only remembers the applications.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._detached: Binding | None = None

    def __deepcopy__(self, _: dict[int, Any] | None = None) -> AppBound:
        return self

    __copy__ = __deepcopy__

    def configure(self, app: Any) -> None:
        """Set up the storage for *app*, without opening a connection. ``fs.init_app(app, storage)`` does this too.

        Its files get URLs in *app* once ``fs.init_app(app)`` is called, before or after this method.

        :param app: An application, or any object with a ``config`` mapping.
        :raises UnknownBackend: If no installed distribution provides the configured backend.
        :raises ConfigurationError: If a setting is missing or invalid, if *app* already has another storage with this
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
            # Applications that are only waiting for garbage collection don't count.
            del candidates
            gc.collect()
            candidates = self._candidates()
        if len(candidates) != 1:
            several = f'is configured for {len(candidates)} applications, and none of them is the current one'
            raise self._unbound(several if candidates else 'is not configured for any application', bool(candidates))
        return candidates[0]

    def _candidates(self) -> list[Binding]:
        bindings = [self._detached, *(state_of(app).bindings.get(self) for app in self._apps)]
        return [binding for binding in bindings if binding is not None]

    def _unbound(self, what: str, elsewhere: bool = False) -> ConfigurationError:
        advice = 'Use it within app.app_context().' if elsewhere else 'Pass it to fs.init_app(app, storage) at startup.'
        return ConfigurationError(reason=f'Storage {self.name!r} {what}. {advice}')

    def _configured(self) -> Binding | None:
        """The binding in the current application, or None before the storage is configured for any application."""
        try:
            return self._bound()
        except ConfigurationError:
            if self._candidates():
                raise
            return None

    @property
    def backend(self) -> Any:
        """The backend in the current application, or None before the storage is configured for any application.

        Tests can assign another one for the current application, such as a mock: any object with the documented methods.
        To restore the original, assign it again, use ``del``, or configure the storage again.
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
            raise AttributeError(
                f'storage {self.name!r} uses its configured backend: there is no assigned one to delete'
            )
        if bound.configured is None:
            self._detached = None
        else:
            self._rebind(bound.configured)

    @property
    def backend_name(self) -> str | None:
        """The configured kind of backend in the current application, such as ``local``."""
        bound = self._configured()
        return None if bound is None else bound.kind

    def _rebind(self, binding: Binding) -> None:
        if isinstance(binding.app, Flask):
            state_of(binding.app).bindings[self] = binding
        else:
            self._detached = binding

    @property
    def config(self) -> Config:
        """The settings in the current application; empty before the storage is configured for any application."""
        bound = self._configured()
        return Config() if bound is None else refresh(bound.config, bound.app.config, self.name, bound.kind)
