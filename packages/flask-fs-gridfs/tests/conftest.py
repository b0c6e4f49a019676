"""Databases and backends for the tests of GridFS."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from flask_fs_gridfs import GridFSBackend
from flask_fs_testing.servers import MongoService

BackendFactory = Callable[..., GridFSBackend]


class Commands(monitoring.CommandListener):
    """What was sent to the server: names of commands, with the collections that they are about."""

    def __init__(self) -> None:
        self.events: list[monitoring.CommandStartedEvent] = []
        self.answers: list[monitoring.CommandSucceededEvent] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        # Commands about connections and sessions are pymongo's own.
        if event.command_name not in ('hello', 'ismaster', 'ping', 'endSessions', 'saslStart', 'saslContinue'):
            self.events.append(event)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.answers.append(event)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    def taken(self) -> list[str]:
        """All since the last call, such as ``find files``."""
        reported = [self._shown(event) for event in self.events]
        self.events.clear()
        self.answers.clear()
        return reported

    def _shown(self, event: monitoring.CommandStartedEvent) -> str:
        place = event.command.get('collection') or event.command[event.command_name]
        return f'{event.command_name} {str(place).rpartition(".")[2]}'


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def database(mongo_service: MongoService, fresh_name: str) -> Iterator[Database[Any]]:
    """An empty database, on a client that is not the backend's."""
    client: MongoClient[Any] = MongoClient(mongo_service.url, serverSelectionTimeoutMS=10_000)
    try:
        yield client[fresh_name]
    finally:
        with contextlib.suppress(Exception):
            client.drop_database(fresh_name)
        client.close()


@pytest.fixture
def make(mongo_service: MongoService, database: Database[Any]) -> BackendFactory:
    """Makes backends on the collection ``docs`` of the database, with more settings."""

    def make(**more: Any) -> GridFSBackend:
        return GridFSBackend('docs', {'mongo_url': mongo_service.url, 'mongo_db': database.name, **more})

    return make


@pytest.fixture
def backend(make: BackendFactory) -> GridFSBackend:
    return make()
