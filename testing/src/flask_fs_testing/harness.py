"""What the author of a backend tells the kit: how to make one, and how to look behind its back."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.settings import storage_prefix


class Harness(abc.ABC):
    """One fresh, empty place for files, and backends on it.

    A test makes one harness and any number of backends; all of them see the same files.

    :param folder: An empty one, for whatever the place needs on this machine.
    """

    #: The backend to prove.
    backend_class: ClassVar[type[BaseBackend]]
    #: How many names the store lists in one answer, if it lists by pages; more files than that are listed.
    page_size: ClassVar[int] = 1000
    #: The most memory that storing or reading 64 MiB may take, in bytes; None for a store that is itself in memory.
    memory_ceiling_bytes: ClassVar[int | None] = 16 * 1024 * 1024
    #: Sizes at which the store splits a file into parts, in bytes: contents around each are tried.
    borders_bytes: ClassVar[tuple[int, ...]] = ()
    #: How often threads, or processes, meet to race for a name. Fewer for a store that lets the losers of each race wait for
    #: seconds; 0 for one that is known to lose races, but so seldom that a run may not show it.
    race_rounds: ClassVar[int] = 60
    #: Whether other processes see the same files. A store inside the process has no other.
    shared_between_processes: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abc.abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The settings of a backend on this place, by lower-case key."""

    @abc.abstractmethod
    def missing_settings(self) -> Mapping[str, Any]:
        """The settings of a backend on a place that is not there yet: a folder, bucket, container or collection."""

    @abc.abstractmethod
    def put_raw(self, name: str, content: bytes) -> None:
        """Store a file without the backend, as another program would."""

    @abc.abstractmethod
    def get_raw(self, name: str) -> bytes:
        """The content of a file, read without the backend."""

    @abc.abstractmethod
    def names_raw(self) -> list[str]:
        """The name of everything in the place, read without the backend: temporary files and unfinished uploads too."""

    def make(self, **more: Any) -> BaseBackend:
        """A backend on this place, with *more* settings."""
        return self.backend_class('kit', {**self.settings(), **more})

    def make_missing(self) -> BaseBackend:
        """A backend on a place that is not there yet."""
        return self.backend_class('kit', self.missing_settings())

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        """An application whose *storage* is on this place, with *more* settings for the storage by lower-case key."""
        app = Flask('kit')
        prefix = storage_prefix(storage.name)
        settings = {**self.settings(), **more}
        app.config.update(SECRET_KEY='a key for the checks', FS_SERVE=True)
        app.config[f'{prefix}BACKEND'] = self.backend_class
        app.config.update({f'{prefix}{key.upper()}': value for key, value in settings.items()})
        fs.init_app(app, storage)
        return app
