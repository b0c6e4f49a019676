"""GridFS passes the kit, on a MongoDB-compatible server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from flask_fs.backends import BaseBackend
from flask_fs_gridfs import GridFSBackend
from flask_fs_testing import NetworkConformance, NetworkHarness
from flask_fs_testing.servers import MongoService

pytestmark = pytest.mark.slow

CHUNK_BYTES = 255 * 1024
BATCH_BYTES = 8 * CHUNK_BYTES


class SmallPages(GridFSBackend):
    """Lists few files at once, so that few make several pages."""

    page_size = 100


def _options(*, selection_s: float, timeout_s: float) -> dict[str, Any]:
    """How pymongo reaches a server through a proxy, how long it looks for one that was lost, and waits for a response."""
    return {
        # Where it is not one server alone, pymongo would go on to those that it names, past the proxy.
        'directConnection': True,
        # Its watch over the server would notice only after half a second that it is to look again.
        'serverMonitoringMode': 'poll',
        'serverSelectionTimeoutMS': int(selection_s * 1000),
        'connectTimeoutMS': int(timeout_s * 1000),
        'socketTimeoutMS': int(timeout_s * 1000),
    }


class GridFSHarness(NetworkHarness):
    """A database of its own."""

    backend_class: ClassVar[type[BaseBackend]] = SmallPages
    page_size = SmallPages.page_size
    http = False
    part_sizes = (CHUNK_BYTES, BATCH_BYTES)
    # Opening a file fetches a batch of chunks, and reading elsewhere whole ones.
    overhead_bytes = BATCH_BYTES + 2 * CHUNK_BYTES
    short_timeouts: ClassVar[Mapping[str, Any]] = {'mongo_options': _options(selection_s=0.1, timeout_s=0.3)}

    def __init__(self, folder: Path, service: MongoService, database: str) -> None:
        super().__init__(folder)
        self._url = service.url
        [(self.host, port)] = parse_uri(service.url)['nodelist']
        self.port = port or 27017
        password = parse_uri(service.url)['password']
        self.secrets = (password,) if password else ()
        self.client: MongoClient[Any] = MongoClient(service.url)
        self._database = self.client[database]

    def settings(self) -> Mapping[str, Any]:
        return {'mongo_url': self._url, 'mongo_db': self._database.name, 'collection': 'kit'}

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'collection': 'missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        host, _, port = endpoint.rpartition(':')
        url = self._url.replace(f'{self.host}:{self.port}', f'{host}:{port}')
        return self.make(mongo_url=url, **{'mongo_options': _options(selection_s=0.8, timeout_s=20), **more})

    def put_raw(self, name: str, content: bytes) -> None:
        files = GridFS(self._database, 'kit')
        for old in list(files.find({'filename': name})):
            files.delete(old._id)
        files.put(content, filename=name)

    def get_raw(self, name: str) -> bytes:
        return GridFS(self._database, 'kit').get_last_version(name).read()

    def names_raw(self) -> list[str]:
        """Every revision of every file, and what has chunks only."""
        documents = list(self._database['kit.files'].find())
        known = {document['_id'] for document in documents}
        lost = {chunk['files_id'] for chunk in self._database['kit.chunks'].find({}, {'files_id': 1})} - known
        return sorted([document['filename'] for document in documents] + [f'chunks of {each}' for each in lost])

    def close(self) -> None:
        self.client.drop_database(self._database.name)
        self.client.close()


class TestGridFS(NetworkConformance):
    @pytest.fixture
    def harness(
        self, tmp_path: Path, mongo_service: MongoService, fresh_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[GridFSHarness]:
        # pymongo looks for a server that was lost at most every half second; its own tests shorten that so.
        monkeypatch.setattr('pymongo.common.MIN_HEARTBEAT_INTERVAL', 0.05)
        harness = GridFSHarness(tmp_path, mongo_service, fresh_name)
        yield harness
        harness.close()
