"""Connections to MongoDB: one client per process and configuration, made when first used."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import weakref
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from flask_fs.errors import ConfigurationError
from flask_fs.settings import host_of, storage_prefix

from .settings import CLIENT_OPTIONS, DATABASE


class SharedClient:
    """A client for everyone in this process with the same settings; it is closed when nobody keeps this any more."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.client: MongoClient[Any] = MongoClient(url, **_completed(url, options))
        # At the end of the process the sockets are closed anyway; a server that is away would hold it up.
        weakref.finalize(self, _close, self.client, os.getpid()).atexit = False


class _Clients:
    """The shared clients of this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a child must not speak on its parent's connections, whose lock another thread may have held."""
        # Reentrant: making a database asks for a client.
        self.lock = threading.RLock()
        self.shared: weakref.WeakValueDictionary[bytes, SharedClient] = weakref.WeakValueDictionary()


_clients = _Clients()
#: Clients of the parent that nobody uses in this child.
_inherited: list[Any] = []
if hasattr(os, 'register_at_fork'):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_clients.forget)


def shared_client(url: str, options: Mapping[str, Any]) -> SharedClient:
    """The client that everyone in this process with these settings shares; keep it to keep it open."""
    # A digest: there are passwords in both, and nobody needs to find them here.
    key = hashlib.sha256(repr((url, sorted(options.items()))).encode()).digest()
    with _clients.lock:
        shared = _clients.shared.get(key)
        if shared is None:
            shared = _clients.shared[key] = SharedClient(url, options)
        return shared


def _close(client: MongoClient[Any], pid: int) -> None:
    if pid == os.getpid():
        client.close()
    else:
        # Closing would end the parent's sessions at the server.
        _inherited.append(client)


def _completed(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """*options* with our defaults for those that they and the URL leave open; to pymongo, options beat the URL."""
    given = {key.lower() for key in (*options, *dict(parse_qsl(urlsplit(url).query)))}
    return {**{key: value for key, value in CLIENT_OPTIONS.items() if key.lower() not in given}, **options}


class Connection:
    """Where a storage's database comes from: the URL, a given client, or MongoEngine.

    :param storage: The storage's name, for messages.
    """

    def __init__(self, storage: str, config: Mapping[str, Any]) -> None:
        self._storage = storage
        self._config = config
        self._pid: int | None = None
        self._database: Database[Any] | None = None
        #: What keeps the client open.
        self.keeper: SharedClient | None = None

    @property
    def location(self) -> tuple[Hashable, Hashable]:
        """Which server and which database, as far as that can be said without a connection."""
        database = self._config.get('mongo_db')
        for key in ('mongoengine_alias', 'mongo_client'):
            if (given := self._config.get(key)) is not None:
                # None is then the database that the client or the alias has by itself.
                return (key, given if isinstance(given, str) else id(given)), database
        url = self._config['mongo_url']
        if not url.startswith('mongodb://'):
            # Its servers are known to the name service only.
            parts = urlsplit(url)
            return parts.netloc.rpartition('@')[2].lower(), database or parts.path.strip('/') or DATABASE
        parsed = parse_uri(url)
        return frozenset(parsed['nodelist']), database or parsed['database'] or DATABASE

    def describe(self) -> str:
        """Which database it is, as far as that can be said without connecting, and without any secret."""
        name = self._config.get('mongo_db')
        if (alias := self._config.get('mongoengine_alias')) is not None:
            return f"{name or 'the database'} of MongoEngine's connection {alias!r}"
        if self._config.get('mongo_client') is not None:
            return f"{name or 'the database'} of the application's client"
        url = self._config['mongo_url']
        if not (host := host_of(url)):
            return str(name or 'the database of its URL')
        return f'{name or urlsplit(url).path.strip("/") or DATABASE} at {host}'

    def database(self) -> Database[Any]:
        """The database, on a client of this process."""
        if (alias := self._config.get('mongoengine_alias')) is not None:
            # Asked each time: an application may disconnect and connect anew.
            return self._named(self._of_mongoengine(alias))
        if self._pid != os.getpid():
            with _clients.lock:
                if self._pid != os.getpid():
                    self._database = self._connected()
                    self._pid = os.getpid()
        assert self._database is not None
        return self._database

    def _connected(self) -> Database[Any]:
        given = self._config.get('mongo_client')
        if given is None:
            try:
                self.keeper = shared_client(self._config['mongo_url'], self._config['mongo_options'])
            except (OSError, PyMongoError, TypeError, ValueError) as error:
                raise self._refused(error) from None
            client = self.keeper.client
        else:
            client = given() if _gives_clients(given) else given
        if (name := self._config.get('mongo_db')) is not None:
            return client.get_database(name)
        return client.get_default_database(DATABASE)

    def _refused(self, error: Exception) -> ConfigurationError:
        """The error for a client that cannot be made, with what pymongo says about it unless that quotes a setting."""
        credentials, _, rest = self._config['mongo_url'].partition('://')[2].rpartition('@')
        hidden = [*re.split(r'[:/@?&=]', credentials), *(value for _, value in parse_qsl(urlsplit(f'//{rest}').query))]
        hidden += map(str, self._config['mongo_options'].values())
        told = str(error)
        quotes = any(len(part) > 2 and part in told for part in hidden)
        prefix = storage_prefix(self._storage)
        reason = f'pymongo refuses {prefix}MONGO_URL or {prefix}MONGO_OPTIONS ({type(error).__name__})'
        return ConfigurationError(
            reason=f'Storage {self._storage!r} (gridfs): {reason if quotes else f"{reason}: {told}"}'
        )

    def _named(self, database: Database[Any]) -> Database[Any]:
        name = self._config.get('mongo_db')
        return database if name is None else database.client.get_database(name)

    def _of_mongoengine(self, alias: str) -> Database[Any]:
        # Not imported: an alias can only be there if the application has imported MongoEngine and connected.
        connection = sys.modules.get('mongoengine.connection')
        if connection is None:
            raise self._no_alias(alias)
        try:
            database: Database[Any] = connection.get_db(alias)
        except connection.ConnectionFailure as error:
            raise self._no_alias(alias) from error
        return database

    def _no_alias(self, alias: str) -> ConfigurationError:
        cure = f'Call mongoengine.connect(alias={alias!r}) before the storage is used'
        return ConfigurationError(
            reason=f'Storage {self._storage!r} (gridfs) found no connection {alias!r} of MongoEngine. {cure}.'
        )


def _gives_clients(given: Any) -> bool:
    # A class of clients has get_database too, and so has a client.
    return isinstance(given, type) or not hasattr(type(given), 'get_database')
