"""Buckets on an emulator of Google Cloud Storage for the tests of its backend."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from flask_fs.backends import Capability, FileInfo, Folder
from flask_fs.errors import FileExists
from flask_fs_gcs import GCSBackend
from flask_fs_testing import NetworkHarness
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.servers import GCSService

#: How much is sent at once.
CHUNK_BYTES = 768 * 1024


class SmallPages(GCSBackend):
    """The backend, asking for short pages, so that a few files fill more than one."""

    page_size = 30


class OnEmulator(SmallPages):
    """What fake-gcs-server 1.54 lacks of Google's service.

    It checks no signatures. It has conditions for small uploads alone, none for uploads in pieces and for copies: so those
    look first, as the service itself does, and creating is not free of races. It has no pages of folders.
    """

    capabilities = GCSBackend.capabilities & ~(
        Capability.SIGNED_URL | Capability.ATOMIC_CREATE | Capability.COMPARE_AND_SWAP
    )

    def _put(self, name: str, stream: Any, *, create: bool = False, **options: Any) -> None:
        head = stream.take(self.config.chunk_bytes)
        stream.unread(head)
        if create and len(head) == self.config.chunk_bytes:
            self._refuse_if_taken(name)
        super()._put(name, stream, create=create, **options)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if create:
            self._stat(name)
            self._refuse_if_taken(target)
        super()._copy(name, target, create=create)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        # Each page has all folders, whatever its limit: a page is cut from the first one, which has room for all.
        found = super()._folder(prefix, None, 1000)
        assert found.next is None
        entries: dict[str, FileInfo | None] = {info.name: info for info in found.files}
        entries |= dict.fromkeys(f'{folder}/' for folder in found.folders)
        names = sorted(name for name in entries if after is None or name > after)
        page = names[:limit]
        files = [info for name in page if (info := entries[name]) is not None]
        folders = [name[:-1] for name in page if entries[name] is None]
        return Folder(files, folders, page[-1] if len(names) > limit else None)

    def _refuse_if_taken(self, name: str) -> None:
        try:
            self._stat(name)
        except NotFound:
            return
        raise self.error(FileExists, name)


class GCSHarness(NetworkHarness):
    """A fresh bucket on the emulator."""

    backend_class = OnEmulator
    page_size = 30
    part_sizes = (CHUNK_BYTES, 2 * CHUNK_BYTES)
    # Of hundreds of races for a large file, or a copy, a few have several winners.
    race_rounds = 0
    timeout_s = 20
    known_limits: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                'test_a_change_of_attributes_changes_only_what_it_names',
                'test_an_interrupted_change_leaves_old_or_new_attributes',
                'test_an_interrupt_at_any_call_leaves_a_file_old_or_new',
                'test_any_sequence_of_verbs_does_what_a_dictionary_would',
                'test_attributes_are_honored_by_signed_links',
            ),
            'fake-gcs-server 1.54 ignores null, with which a patch removes a field',
        ),
        'test_a_change_of_attributes_never_brings_replaced_bytes_back': 'fake-gcs-server 1.54 reads an object for a patch '
        'and stores it again, whatever came in between',
    }
    max_requests: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(('save', 'create', 'replace', 'read', 'open', 'exists', 'stat', 'list', 'remove'), 1),
        # The beginning, four pieces, and the checksum.
        'save_large': 6,
        'copy': 2,
        'move': 3,
        'delete': 2,
        'folder': 1,
        # As some of them are not there.
        'remove_many': 2,
        'set_attributes': 2,
    }
    short_timeouts: ClassVar[Mapping[str, Any]] = {'connect_timeout_s': 0.3, 'read_timeout_s': 0.3, 'retry_s': 0.2}

    def __init__(self, folder: Path, service: GCSService) -> None:
        super().__init__(folder)
        self.service = service
        address = urlsplit(service.endpoint)
        self.host, self.port = address.hostname or '', address.port or 0
        self.client = Client(service.project, AnonymousCredentials(), client_options={'api_endpoint': service.endpoint})
        self.bucket = self.client.create_bucket(f'kit-{secrets.token_hex(6)}')

    def settings(self) -> Mapping[str, Any]:
        return {
            'endpoint': self.service.endpoint,
            'project': self.service.project,
            'anonymous': True,
            'bucket_name': self.bucket.name,
            'chunk_bytes': CHUNK_BYTES,
        }

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'bucket_name': f'{self.bucket.name}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> GCSBackend:
        settings = {**self.settings(), 'endpoint': f'http://{endpoint}', 'retry_s': 0.5}
        return self.backend_class('kit', {**settings, **more})

    def put_raw(self, name: str, content: bytes) -> None:
        self.bucket.blob(name).upload_from_string(content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        blob = self.bucket.blob(name)
        blob.content_encoding = encoding
        blob.upload_from_string(content)

    def get_raw(self, name: str) -> bytes:
        content: bytes = self.bucket.blob(name).download_as_bytes(raw_download=True)
        return content

    def names_raw(self) -> list[str]:
        """Every object. Uploads that are not complete are listed nowhere."""
        return sorted(blob.name for blob in self.bucket.list_blobs())


@pytest.fixture
def emulator(tmp_path: Path, gcs_service: GCSService) -> GCSHarness:
    """A fresh bucket on fake-gcs-server, or on the emulator that the environment names."""
    return GCSHarness(tmp_path, gcs_service)


class PlainHarness(GCSHarness):
    """A fresh bucket on the emulator for the backend as applications get it."""

    backend_class = GCSBackend
    page_size = 1000


@pytest.fixture
def store(tmp_path: Path, gcs_service: GCSService) -> PlainHarness:
    """A fresh bucket on the emulator, for the tests of this backend alone."""
    return PlainHarness(tmp_path, gcs_service)


@pytest.fixture
def proxy(store: PlainHarness) -> Iterator[FaultProxy]:
    """A proxy in front of the server of ``store``."""
    with FaultProxy(store.host, store.port) as proxy:
        yield proxy


@pytest.fixture
def backend(store: PlainHarness, proxy: FaultProxy) -> GCSBackend:
    """A backend on the bucket of ``store``, through the proxy."""
    return store.make_via_proxy(f'{proxy.host}:{proxy.port}')
