"""Containers in an emulated storage account for the tests of the Azure backend."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings

from flask_fs_azure import AzureBackend
from flask_fs_testing import NetworkHarness
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.servers import AzureService

MiB = 1024 * 1024
#: How long to wait before another attempt, at most.
PAUSE_S = 0.02


class SmallPages(AzureBackend):
    """The backend, asking for short pages, so that a few files fill more than one."""

    page_size = 30


class PlainHarness(NetworkHarness):
    """A fresh container for the backend as applications get it."""

    backend_class = AzureBackend
    page_size = 5000
    batch_size = 256
    part_sizes = (MiB, 2 * MiB)
    # The library reserves eight bytes for each of the 4 MiB that it receives at once, and touches few of them.
    memory_ceiling_bytes = 44 * MiB
    timeout_s = 20
    max_requests: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(('save', 'create', 'replace', 'read', 'open', 'exists', 'stat', 'list', 'copy', 'remove'), 1),
        # Four blocks, and the list of them.
        'save_large': 5,
        'move': 2,
        'delete': 2,
        **dict.fromkeys(('folder', 'remove_many'), 1),
        # Their versions are looked at before.
        **dict.fromkeys(('set_attributes', 'swap'), 2),
    }
    known_limits: ClassVar[Mapping[str, str]] = {
        'test_an_interrupted_change_leaves_old_or_new_attributes': 'Azure changes properties and metadata by a request each',
    }
    short_timeouts: ClassVar[Mapping[str, Any]] = {'connect_timeout_s': 0.3, 'read_timeout_s': 0.3}

    def __init__(self, folder: Path, service: AzureService) -> None:
        super().__init__(folder)
        self.service = service
        address = urlsplit(service.endpoint)
        self.host, self.port = address.hostname or '', address.port or 0
        self.secrets = (service.key,)
        self.container = f'kit-{secrets.token_hex(6)}'
        self.account = BlobServiceClient.from_connection_string(service.connection_string)
        self.client = self.account.get_container_client(self.container)
        self.client.create_container()

    def close(self) -> None:
        self.account.close()

    def settings(self) -> Mapping[str, Any]:
        return {
            'connection_string': self.service.connection_string,
            'container': self.container,
            'block_bytes': MiB,
        }

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'container': f'{self.container}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> AzureBackend:
        service = dataclasses.replace(self.service, endpoint=f'http://{endpoint}/{self.service.account}')
        settings = {**self.settings(), 'connection_string': service.connection_string, 'retries': 1}
        return self.backend_class('kit', {**settings, **more})

    def put_raw(self, name: str, content: bytes) -> None:
        self.client.upload_blob(name, content, overwrite=True)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        settings = ContentSettings(content_encoding=encoding)
        self.client.upload_blob(name, content, overwrite=True, content_settings=settings)

    def get_raw(self, name: str) -> bytes:
        return self.client.download_blob(name, decompress=False).readall()

    def names_raw(self) -> list[str]:
        """Every blob. Blocks that were sent and not committed are none: Azure drops them, and no client can."""
        return sorted(self.client.list_blob_names())


class AzureHarness(PlainHarness):
    """A fresh container, listed by short pages."""

    backend_class = SmallPages
    page_size = 30


@pytest.fixture
def harness(tmp_path: Path, azure_service: AzureService, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureHarness]:
    """A fresh container for the conformance kit, of a backend that hardly waits before it tries again."""
    monkeypatch.setattr('flask_fs_azure.client._MAX_PAUSE_S', PAUSE_S)
    # One second, whatever the policy says.
    monkeypatch.setattr('azure.storage.blob._download.time', SimpleNamespace(sleep=lambda _: time.sleep(PAUSE_S)))
    harness = AzureHarness(tmp_path, azure_service)
    yield harness
    harness.close()


@pytest.fixture
def store(tmp_path: Path, azure_service: AzureService) -> Iterator[PlainHarness]:
    """A fresh container."""
    harness = PlainHarness(tmp_path, azure_service)
    yield harness
    harness.close()


@pytest.fixture
def proxy(store: PlainHarness) -> Iterator[FaultProxy]:
    """A proxy in front of the server of ``store``."""
    with FaultProxy(store.host, store.port) as proxy:
        yield proxy


@pytest.fixture
def backend(store: PlainHarness, proxy: FaultProxy) -> AzureBackend:
    """A backend on the container of ``store``, through the proxy."""
    return store.make_via_proxy(f'{proxy.host}:{proxy.port}')
