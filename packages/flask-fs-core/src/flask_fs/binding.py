"""What a storage is in each of the applications that it serves."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from flask import Flask, current_app, has_app_context

from .config import Config, refresh
from .errors import ConfigurationError
from .registry import NO_APP, Binding, bind, state_of, unconfigured


class PerApplication:
    """Something with one name that is configured, and has a backend, in each application by itself.

    All that belongs to an application hangs on that application; this object only knows which ones to look at.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._detached: Binding | None = None

    def __copy__(self) -> PerApplication:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> PerApplication:
        return self

    def configure(self, app: Any) -> None:
        """Set the storage up for *app*; nothing is connected to yet. ``fs.init_app(app, storage)`` does this too.

        Its files have an address in *app* once ``fs.init_app(app)`` was called, whichever comes first.

        :param app: An application, or any object with a ``config`` mapping.
        :raises UnknownBackend: If no installed distribution offers the configured backend.
        :raises ConfigurationError: If a setting is missing or impossible, if *app* already has another storage of this
            name, or if both would keep their files in one place, such as a bucket.
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
        if has_app_context():
            binding = self._binding_in(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy
            if binding is None and (binding := self._detached) is None:
                raise self._unbound(f'is not configured for {current_app.name!r}')
            return binding
        if len(self._candidates()) > 1:
            # Applications that only wait to be collected are no choice.
            gc.collect()
        candidates = self._candidates()
        if len(candidates) != 1:
            several = f'is configured for {len(candidates)} applications, and none of them is current'
            raise self._unbound(several if candidates else 'is not configured for any application')
        return candidates[0]

    def _binding_in(self, app: Flask) -> Binding | None:
        state = app.extensions.get('fs')
        return None if state is None else state.bindings.get(self)

    def _candidates(self) -> list[Binding]:
        bindings = [self._detached, *(self._binding_in(app) for app in self._apps)]
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

        Tests may assign another one, a double for instance, to the current application: any object that has the
        documented verbs. Assigning the former one, ``del``, or configuring the storage anew takes it away again.
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
            # Not by item assignment, which is how storages are configured.
            dict.update(state_of(binding.app).bindings, {self: binding})
        else:
            self._detached = binding

    @property
    def config(self) -> Config:
        """The settings in the current application; empty before the storage is configured for any."""
        bound = self._configured()
        return Config() if bound is None else refresh(bound.config, bound.app.config, self.name, bound.kind)
