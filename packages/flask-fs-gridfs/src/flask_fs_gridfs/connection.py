"""Connections to MongoDB: one client per process and settings, created on first use."""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from flask_fs.backends import SharedClient, shared_client
from flask_fs.errors import ConfigurationError
from flask_fs.settings import host_of, storage_prefix

from .settings import CLIENT_OPTIONS, DATABASE

#: Clients of the parent process. A child keeps them unused, because closing them would end the parent's sessions.
_inherited: list[MongoClient[Any]] = []


def _make_client(settings: tuple[str, Mapping[str, Any]]) -> MongoClient[Any]:
    url, options = settings
    return MongoClient(url, **_completed(url, options))


def _client_of(given: Any) -> MongoClient[Any]:
    # A client class also has get_database, like a client.
    makes_clients = isinstance(given, type) or not hasattr(type(given), 'get_database')
    client: MongoClient[Any] = given() if makes_clients else given
    return client


def _completed(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """*options*, with our defaults for those that neither they nor the URL set. In pymongo, options override URLs."""
    given = {key.lower() for key in (*options, *dict(parse_qsl(urlsplit(url).query)))}
    return {**{key: value for key, value in CLIENT_OPTIONS.items() if key.lower() not in given}, **options}


class Connection:
    """A storage's database: from its URL, the application's client, or MongoEngine.

    :param storage: The storage's name, for messages.
    """

    def __init__(self, storage: str, config: Mapping[str, Any]) -> None:
        self._storage = storage
        self._config = config
        self._database: Database[Any] | None = None
        #: The shared client; unused with MongoEngine, which has its own.
        self.client: SharedClient[MongoClient[Any]]
        if (given := config.get('mongo_client')) is not None:
            # Not shared with other storages: pymongo treats clients of a server as equal, even with different users.
            self.client = shared_client(lambda _: _client_of(given), None, inherit=_inherited.append)
        else:
            settings = config.get('mongo_url') or '', config['mongo_options']
            self.client = shared_client(_make_client, settings, close=MongoClient.close, inherit=_inherited.append)

    @property
    def setting(self) -> str:
        """The key of the setting that determines the connection."""
        keys = ('mongoengine_alias', 'mongo_client')
        return next((key for key in keys if self._config.get(key) is not None), 'mongo_url')

    @property
    def location(self) -> tuple[Hashable, Hashable]:
        """The server and the database, as far as they are known without a connection."""
        database = self._config.get('mongo_db')
        for key in ('mongoengine_alias', 'mongo_client'):
            if (given := self._config.get(key)) is not None:
                # None is then the default database of the client or the alias.
                return (key, given if isinstance(given, str) else id(given)), database
        url = self._config['mongo_url']
        if not url.startswith('mongodb://'):
            # Only DNS can resolve its servers.
            parts = urlsplit(url)
            return parts.netloc.rpartition('@')[2].lower(), database or parts.path.strip('/') or DATABASE
        parsed = parse_uri(url)
        return frozenset(parsed['nodelist']), database or parsed['database'] or DATABASE

    def describe(self) -> str:
        """A short description of the database, without secrets, as far as it is known without a connection."""
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
            # Looked up each time, because an application can disconnect and connect again.
            return self._named(self._of_mongoengine(alias))
        try:
            client = self.client.get()
        except (OSError, PyMongoError, TypeError, ValueError) as error:
            if self._config.get('mongo_client') is not None:
                raise
            raise self._rejected(error) from None
        database = self._database
        if database is None or database.client is not client:
            name = self._config.get('mongo_db')
            database = client.get_default_database(DATABASE) if name is None else client.get_database(name)
            self._database = database
        return database

    def _rejected(self, error: Exception) -> ConfigurationError:
        """The error for a client that cannot be created, with pymongo's message unless it quotes a setting."""
        credentials, _, rest = self._config['mongo_url'].partition('://')[2].rpartition('@')
        hidden = [*re.split(r'[:/@?&=]', credentials), *(value for _, value in parse_qsl(urlsplit(f'//{rest}').query))]
        hidden += map(str, self._config['mongo_options'].values())
        message = str(error)
        quotes = any(len(part) > 2 and part in message for part in hidden)
        prefix = storage_prefix(self._storage)
        reason = f'pymongo rejects {prefix}MONGO_URL or {prefix}MONGO_OPTIONS ({type(error).__name__})'
        return ConfigurationError(
            reason=f'Storage {self._storage!r} (gridfs): {reason if quotes else f"{reason}: {message}"}'
        )

    def _named(self, database: Database[Any]) -> Database[Any]:
        name = self._config.get('mongo_db')
        return database if name is None else database.client.get_database(name)

    def _of_mongoengine(self, alias: str) -> Database[Any]:
        # Not imported: an alias exists only if the application has imported MongoEngine and connected.
        connection = sys.modules.get('mongoengine.connection')
        if connection is None:
            raise self._no_alias(alias)
        try:
            database: Database[Any] = connection.get_db(alias)
        except connection.ConnectionFailure as error:
            raise self._no_alias(alias) from error
        return database

    def _no_alias(self, alias: str) -> ConfigurationError:
        cure = f'Call mongoengine.connect(alias={alias!r}) before you use the storage'
        return ConfigurationError(
            reason=f'Storage {self._storage!r} (gridfs) found no MongoEngine connection {alias!r}. {cure}.'
        )
