"""The backend for Azure Blob Storage."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Any, ClassVar, cast

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage import blob as azure

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    Container,
    FileInfo,
    Folder,
    Opened,
    ResponseStream,
    Source,
    attachment,
    changed_headers,
    changed_metadata,
)
from flask_fs.errors import BackendError, Changed, FileExists, FSError
from flask_fs.files import mime_type
from flask_fs.settings import setting_names, settings_error, warn_if_repeated

from .attributes import identified, info_from, metadata_from
from .client import ForeignResponse, service_for
from .errors import code_of, kind_of, misses_container, reason_for, status_of
from .settings import SETTINGS, container_name
from .uploads import matching, put

#: How many seconds to wait between checks of an asynchronous copy.
_COPY_PAUSE_S = 0.5


class AzureBackend(BaseBackend):
    """Stores files as block blobs in a container, under their names.

    The client is created with the backend, connects on first use, and is shared by all storages in the process that use
    the same account.
    """

    kind = 'azure'
    capabilities = Capability.ATOMIC_CREATE | Capability.COMPARE_AND_SWAP | Capability.CHECKSUM | Capability.MIME
    capabilities |= Capability.RANGE | Capability.NESTED_NAMES | Capability.ATTRIBUTES
    capabilities |= Capability.SERVER_COPY | Capability.SIGNED_URL
    settings = SETTINGS
    errors = (AzureError, ForeignResponse)
    signed_put_headers: ClassVar[Mapping[str, str]] = {'x-ms-blob-type': 'BlockBlob'}
    #: How many names a listing requests per page; Azure returns at most 5,000.
    page_size = 5000
    #: https://learn.microsoft.com/rest/api/storageservices/blob-batch
    batch_size = 256

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._namespace_by_storage('container')
        self._shared_service = service_for(self.config)
        try:
            self._container: str = self.config.get('container') or container_name(name.lower().replace('_', '-'))
            service = self._shared_service.get()
        except ValueError as error:
            keys = ('connection_string', 'account_url', 'container')
            names = ', '.join(setting_names(name, self.kind, key) for key in keys)
            raise settings_error(name, self.kind, f'cannot use its settings: check {names} ({error})') from None
        names, url = setting_names(name, self.kind, 'account_url'), self.config.get('account_url') or ''
        # The path of an emulator begins with the account.
        warn_if_repeated(url, self._container, names, start=1 if '.blob.' in url else 2)
        self._host = service.primary_hostname
        create = self._create_container if self.config.create_container else None
        self._requests = Container(f'container {self._container!r}', self.error, misses_container, create=create)
        if '?' in self.container.url:
            # Azurite does not support batches with a SAS token.
            self.batch_size = 1
        if not hasattr(service.credential, 'account_key'):
            # Other credentials would have to request a key for signing.
            self.drop_capability(Capability.SIGNED_URL)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The account, the container, and the prefix of names."""
        return (self.kind, self._host, self._container, self._prefix)

    def describe_location(self) -> str:
        return f'azure://{self._container}/{self._prefix} at {self._host}'

    @property
    def container(self) -> azure.ContainerClient:
        """The client of the container, for operations that storages don't offer."""
        return self._shared_service.get().get_container_client(self._container)

    def _blob(self, name: str) -> Any:
        return self._shared_service.get().get_blob_client(self._container, name)

    def _create_container(self) -> None:
        # Another writer might be faster.
        with contextlib.suppress(ResourceExistsError):
            self.container.create_container()

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if start < 0:
            # Azure does not support ranges relative to the end, so request the size first.
            info = self._stat(name)
            start, etag = self.range_start(info, start, etag), info.etag
        offset, length = (start, stop - start) if stop is not None else (start or None, None)
        # The bytes as stored, without decoding.
        download = partial(self._blob(name).download_blob, offset, length, decompress=False, **matching(etag))
        try:
            downloader = self._requests.request(name, download)
        except HttpResponseError as error:
            if status_of(error) not in (412, 416):
                raise
            # The file was replaced or removed, is shorter than the start, or is empty.
            return self.opened_empty(self._stat(name), start, etag)
        info = info_from(name, downloader.properties, int(downloader.properties.content_range.rpartition('/')[2]))
        self.range_start(info, start)
        # The library sends one request per piece, all for the same version, without holding a connection in between.
        return Opened(info, cast('IO[bytes]', ResponseStream(downloader.size, downloader.read)))

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        blob = self._requests.request(name, self._blob(name).get_blob_properties)
        return info_from(name, blob, blob.size)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        blobs = self.container.list_blobs(prefix or None, include=['metadata'], results_per_page=self.page_size)
        return (info_from(blob.name, blob, blob.size) for blob in self._requests.entries(prefix, blobs.by_page()))

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        blobs = self.container.walk_blobs(prefix or None, include=['metadata'], results_per_page=limit)
        pages: Any = blobs.by_page(after)
        folder = Folder([], [])
        for entry in next(self._requests.pages(prefix, pages), ()):
            if isinstance(entry, azure.BlobPrefix):
                folder.folders.append(entry.name[:-1])
            else:
                folder.files.append(info_from(entry.name, entry, entry.size))
        return replace(folder, next=pages.continuation_token or None)

    # --- Changes.

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo:
        return put(self._requests, self._blob(name), stream, attributes, '' if create else None, self.config)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo:
        if not etag.isalnum():
            # Not an ETag of Azure. In a header, it could be a wildcard or a list.
            raise self.error(Changed, name)
        return put(self._requests, self._blob(name), stream, attributes, etag, self.config)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        source, blob = self._blob(name), self._blob(target)
        headers = None
        if (suggested := mime_type(name)) != mime_type(target):
            # If the old name suggested the type, the copy gets the type that the new name suggests.
            found = self._requests.request(name, source.get_blob_properties).content_settings
            if found.content_type == suggested:
                found.content_type, headers = mime_type(target), found
        condition = matching('' if create else None)
        try:
            copied = self._requests.request(name, lambda: blob.start_copy_from_url(source.url, **condition))
        except HttpResponseError as error:
            if not create or status_of(error) not in (409, 412):
                raise
            raise self.error(FileExists, target) from error
        status, etag = copied['copy_status'], copied['etag']
        while status == 'pending':
            # This is rare within an account.
            time.sleep(_COPY_PAUSE_S)
            properties = blob.get_blob_properties()
            status, etag = properties.copy.status, properties.etag
        if status != 'success':
            raise self.error(BackendError, name, f'the store did not copy it to {target!r}: {status}')
        if headers is not None:
            # Don't change a blob that has replaced the copy in the meantime.
            with contextlib.suppress(ResourceModifiedError):
                blob.set_http_headers(headers, **matching(etag))

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        # If the blob is replaced in the meantime, or a repeated request has changed its ETag, the caller starts over.
        blob = self._blob(name)
        found = self._requests.request(name, blob.get_blob_properties)
        etag, settings = found.etag, found.content_settings
        if headers := changed_headers(changes, name):
            vars(settings).update(identified(headers))
            request = partial(blob.set_http_headers, settings, **matching(etag))
            etag = self._requests.request(name, request)['etag']
        if 'metadata' in changes:
            metadata = identified(changed_metadata(metadata_from(found), changes))
            self._requests.request(name, partial(blob.set_blob_metadata, metadata, **matching(etag)))

    def _remove(self, name: str) -> None:
        try:
            self._requests.request(name, lambda: self._blob(name).delete_blob(delete_snapshots='include'))
        except HttpResponseError as error:
            if code_of(error) not in ('BlobNotFound', 'ContainerNotFound'):
                raise

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        parts: Any = self.container.delete_blobs(*names, delete_snapshots='include', raise_on_any_failure=False)
        responses = [HttpResponseError(response=part) for part in parts]
        if len(responses) != len(names):
            return dict.fromkeys(names)
        found = zip(names, responses, strict=True)
        return {name: None for name, part in found if status_of(part) != 202 and code_of(part) != 'BlobNotFound'}

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        blob = self._blob(name)
        token = azure.generate_blob_sas(
            blob.account_name,
            self._container,
            name,
            account_key=blob.credential.account_key,
            # 'cw' is create and write, 'r' is read.
            permission='cw' if method == 'PUT' else 'r',
            expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires_s),
            content_disposition=None if download_name is None else attachment(download_name),
        )
        return f'{blob.url}?{token}'

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        return kind_of(error), reason_for(error, self._container, name, self.name, self.config)
