"""For backends whose store is reached over a network: what the kit needs besides, and all checks in one class."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.settings import storage_prefix

from .checks.faults import FaultChecks
from .conformance import BackendConformance
from .harness import Harness


class NetworkHarness(Harness):
    """A place for files in a store that the checks may stand in front of, to let connections fail."""

    #: Whether the store speaks HTTP/1. With another protocol, no refusals and no busy store are imitated.
    http: ClassVar[bool] = True
    #: How long an operation may take, with all its attempts, before it gives up on a silent store.
    patience_s: ClassVar[float] = 30
    #: Settings with which a backend gives up on a silent store within a second or so, as the checks wait for that many times.
    #: With those of :meth:`make_through` alone it may wait as long as in applications: then a busy machine is no silent one.
    impatient: ClassVar[Mapping[str, Any]] = {}
    #: Where the real server is.
    host: str
    #: Where the real server is.
    port: int
    #: What no message may hold: passwords, keys, tokens.
    secrets: tuple[str, ...] = ()

    @abc.abstractmethod
    def make_through(self, endpoint: str, **more: Any) -> BaseBackend:
        """A backend on this place that reaches its store at *endpoint*, ``HOST:PORT``, with *more* settings.

        It tries again what can be tried again, as it does in applications. With :attr:`impatient` it gives up on a silent
        store within a second or so.
        """

    def make_app_through(self, endpoint: str, storage: fs.Storage, *others: fs.Storage) -> Flask:
        """An application whose *storage* reaches its store at *endpoint*, and whose other storages are in memory."""
        app = Flask('kit')
        app.config.update(SECRET_KEY='a key for the checks', FS_SERVE=True, FS_BACKEND='memory')
        prefix = storage_prefix(storage.name)
        app.config.update(
            {f'{prefix}{key.upper()}': value for key, value in self.make_through(endpoint).config.items()},
        )
        app.config[f'{prefix}SERVE'] = True
        app.config[f'{prefix}BACKEND'] = self.backend_class
        fs.init_app(app, storage, *others)
        return app


class NetworkConformance(BackendConformance, FaultChecks):
    """Every guarantee of a backend whose store is reached over a network.

    Subclass it as ``Test…`` and give it a fixture ``harness`` that makes a :class:`NetworkHarness`.
    """
