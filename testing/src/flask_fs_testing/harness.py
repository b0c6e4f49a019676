"""What the author of a backend provides to the kit: how to create a backend, and how to access its store without it."""

from __future__ import annotations

import abc
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.settings import storage_prefix

from .former_names import keep_former_names

#: The names that attributes of harnesses had in 1.0: subclasses can still define them, and tests use them, by these names.
_NAMES_IN_1_0 = {
    'borders_bytes': 'part_sizes',
    'patience_s': 'timeout_s',
    'impatient': 'short_timeouts',
    'make_through': 'make_via_proxy',
    'make_app_through': 'make_app_via_proxy',
}


class Harness(abc.ABC):
    """A new, empty store, and backends on it.

    A test creates one harness and any number of backends; all of them see the same files.

    :param folder: An empty folder, for anything that the store needs on this machine.
    """

    #: The backend to check.
    backend_class: ClassVar[type[BaseBackend]]
    #: How many names the store lists in one response, if it lists in pages. The checks list more files than that.
    page_size: ClassVar[int] = 1000
    #: How many files the store removes in one request, if it can remove many. The checks remove more files than that.
    batch_size: ClassVar[int] = 1000
    #: The maximum memory, in bytes, for storing or reading 64 MiB; None for a store that is itself in memory.
    memory_ceiling_bytes: ClassVar[int | None] = 16 * 1024 * 1024
    #: Sizes in bytes at which the backend splits a file into parts. The checks try sizes around each.
    part_sizes: ClassVar[tuple[int, ...]] = ()
    #: The maximum traffic, in bytes, for reading a range in addition to its content, and for copying inside the store: headers
    #: of requests, what opening a file reads ahead, and the rest of the blocks in which the store keeps content.
    overhead_bytes: ClassVar[int] = 128 * 1024
    #: How many times threads, or processes, race for a name. Use fewer for a store that makes the losers of each race wait
    #: for seconds; 0 for a store that is known to let several win, but so rarely that a run might not show it.
    race_rounds: ClassVar[int] = 60
    #: How many sequences of verbs are compared with a model of the backend.
    sequences: ClassVar[int] = 30
    #: The names in these sequences. They are few, so that operations meet: a file and one below it, one that shares its
    #: prefix, and one that URLs have to quote.
    sequence_names: ClassVar[tuple[str, ...]] = ('a', 'a/b', 'ab', 'é f/g')
    #: Whether other processes see the same files. For a store inside the process, there are none.
    shared_between_processes: ClassVar[bool] = True
    #: Guarantees that the store is known not to keep: the names of checks, each with the reason. They run, their failures
    #: count as expected, and the report shows them; if one passes, the report says that its limit seems to be gone.
    known_limits: ClassVar[Mapping[str, str]] = MappingProxyType({})

    borders_bytes = part_sizes

    def __init_subclass__(cls) -> None:
        keep_former_names(cls, _NAMES_IN_1_0)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abc.abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The settings of a backend on this store, by lowercase key."""

    @abc.abstractmethod
    def missing_settings(self) -> Mapping[str, Any]:
        """The settings of a backend whose folder, bucket, container or collection does not exist yet."""

    @abc.abstractmethod
    def put_raw(self, name: str, content: bytes) -> None:
        """Store a file without the backend, as another program would. Replaces a file with that name."""

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        """Store content that is already encoded, such as with gzip, with *encoding* as its Content-Encoding in the store.

        :raises NotImplementedError: If the store has no such metadata, which is the default.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def get_raw(self, name: str) -> bytes:
        """The content of a file, read without the backend."""

    @abc.abstractmethod
    def names_raw(self) -> list[str]:
        """The name of everything in the store, read without the backend, including temporary files and unfinished uploads."""

    def make(self, **more: Any) -> BaseBackend:
        """A backend on this store, with *more* settings."""
        return self.backend_class('kit', {**self.settings(), **more})

    def make_missing(self) -> BaseBackend:
        """A backend whose folder, bucket, container or collection does not exist yet."""
        return self.backend_class('kit', self.missing_settings())

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        """An application whose *storage* is on this store, with *more* settings for the storage, by lowercase key."""
        return self._app({**self.settings(), **more}, storage)

    def _app(self, settings: Mapping[str, Any], storage: fs.Storage, *others: fs.Storage, **more: Any) -> Flask:
        app = Flask('kit')
        prefix = storage_prefix(storage.name)
        app.config.update(SECRET_KEY='a key for the checks', FS_SERVE=True, **more)
        settings = {'backend': self.backend_class, **settings}
        app.config.update({f'{prefix}{key.upper()}': value for key, value in settings.items()})
        fs.init_app(app, storage, *others)
        return app


class NetworkHarness(Harness):
    """A store that the checks can put a proxy in front of, to make connections fail."""

    sequences: ClassVar[int] = 10
    batch_size: ClassVar[int] = 25
    #: Whether the store speaks HTTP/1. With another protocol, the checks do not imitate error responses and a busy store.
    http: ClassVar[bool] = True
    #: The time after which an operation, with all its attempts, must give up on a store that does not respond.
    timeout_s: ClassVar[float] = 30
    #: Settings with which a backend gives up on such a store within a second or so, because the checks wait for it many times.
    #: With only those of :meth:`make_via_proxy` it can wait as long as in applications: a busy machine is not a silent store.
    short_timeouts: ClassVar[Mapping[str, Any]] = {}
    #: The maximum number of HTTP requests of an operation on a small file, once the backend has been used. Operations are
    #: ``save``, ``save_large`` (a file of several parts), ``create``, ``replace``, ``read``, ``open``, ``exists``, ``stat``,
    #: ``list`` (ten files), ``folder`` (one page, however much is below it), ``copy``, ``move``, ``remove``, ``remove_many`` (ten
    #: files), ``delete``, ``accept`` (an upload in one piece, including the removal of the uploaded object), ``set_attributes``
    #: and ``swap`` (including reading the etag). The default for ``read`` and ``stat`` is one request.
    max_requests: ClassVar[Mapping[str, int]] = {}
    #: Where the real server is.
    host: str
    #: Where the real server is.
    port: int
    #: What no message can contain: passwords, keys, tokens.
    secrets: tuple[str, ...] = ()

    @abc.abstractmethod
    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        """A backend that connects to this store at *endpoint*, ``HOST:PORT``, with *more* settings.

        It retries everything that it retries in applications. With :attr:`short_timeouts` it gives up on a silent store
        within a second or so.
        """

    def make_app_via_proxy(self, endpoint: str, storage: fs.Storage, *others: fs.Storage) -> Flask:
        """An application whose *storage* connects to its store at *endpoint*, and whose other storages are in memory."""
        settings = {**self.make_via_proxy(endpoint).config, 'serve': True, 'backend': self.backend_class}
        return self._app(settings, storage, *others, FS_BACKEND='memory')


class LocalHarness(Harness):
    """The local backend, or one derived from it, in a folder."""

    backend_class: ClassVar[type[BaseBackend]] = LocalBackend

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._root = Path(folder, 'root')

    def settings(self) -> Mapping[str, Any]:
        """The folder as the root."""
        return {'root': str(self._root)}

    def missing_settings(self) -> Mapping[str, Any]:
        """A root that does not exist."""
        return {'root': str(Path(self.folder, 'missing', 'root'))}

    def put_raw(self, name: str, content: bytes) -> None:
        """Write to the folder."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def get_raw(self, name: str) -> bytes:
        """Read from the folder."""
        return (self._root / name).read_bytes()

    def names_raw(self) -> list[str]:
        """Every file under the folder."""
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob('*') if not path.is_dir())


class MemoryHarness(Harness):
    """The memory backend, or one derived from it. All backends of one harness share their files, as with a real store."""

    backend_class: ClassVar[type[BaseBackend]] = MemoryBackend
    memory_ceiling_bytes = None
    shared_between_processes = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._store = MemoryBackend('kit')

    def settings(self) -> Mapping[str, Any]:
        """No settings."""
        return {}

    def missing_settings(self) -> Mapping[str, Any]:
        """No settings: memory is always there."""
        return {}

    def make(self, **more: Any) -> BaseBackend:
        """A backend on the files of this harness."""
        backend = super().make(**more)
        cast('MemoryBackend', backend).share(self._store)
        return backend

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        """An application on the files of this harness."""
        app = super().make_app(storage, **more)
        with app.app_context():
            storage.backend.share(self._store)
        return app

    def put_raw(self, name: str, content: bytes) -> None:
        """Write to the store, without a prefix."""
        self._store._put(name, Source(io.BytesIO(content)))

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        """Write to the store, with metadata that no backend writes."""
        self._store._put(name, Source(io.BytesIO(content)))
        info, _ = self._store._files[name]
        self._store._files[name] = dataclasses.replace(info, content_encoding=encoding), content

    def get_raw(self, name: str) -> bytes:
        """Read from the store."""
        return self._store._open(name).stream.read()

    def names_raw(self) -> list[str]:
        """List the store."""
        return [info.name for info in self._store._scan()]
