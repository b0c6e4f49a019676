"""The backend for Azure Blob Storage."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import IO, Any, ClassVar, cast

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage import blob as azure

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    Checksum,
    FileInfo,
    Opened,
    Presence,
    ResponseStream,
    Source,
    attachment,
    batched,
    gone_reason,
)
from flask_fs.errors import BackendError, FileExists, FSError, Unavailable
from flask_fs.files import mime_type
from flask_fs.settings import setting_names, settings_error, storage_prefix

from .client import ForeignResponse, service_for
from .errors import code_of, kind_of, reason_for, status_of
from .settings import SETTINGS, container_name
from .uploads import CHECKSUM_KEY, put

#: How many blobs Azure deletes by one request.
_BATCH_NAMES = 256
#: Why there may be nothing to delete.
_GONE = ('BlobNotFound', 'ContainerNotFound')
#: How long to wait between two looks at a copy that the store makes by and by, in seconds.
_COPY_PAUSE_S = 0.5


class AzureBackend(BaseBackend):
    """Keeps files as block blobs of a container, under their names.

    Its client is made when the backend is, connects when it is first needed, and is shared by all storages of a process with
    the same account.
    """

    kind = 'azure'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SERVER_COPY
        | Capability.SIGNED_URL
    )
    settings = SETTINGS
    errors = (AzureError, ForeignResponse)
    signed_put_headers: ClassVar[Mapping[str, str]] = {'x-ms-blob-type': 'BlockBlob'}
    #: How many names a listing requests at once; Azure gives at most 5,000.
    page_size = 5000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._namespace_by_storage('container')
        self._presence = Presence()
        self._shared_service = service_for(self.config)
        try:
            self._container: str = self.config.get('container') or container_name(name.lower().replace('_', '-'))
            service = self._shared_service.get()
        except ValueError as error:
            keys = ('connection_string', 'account_url', 'container')
            names = ', '.join(setting_names(name, self.kind, key) for key in keys)
            raise settings_error(name, self.kind, f'has no account or container: look at {names} ({error})') from None
        self._host = service.primary_hostname
        if not hasattr(service.credential, 'account_key'):
            # Others would have to request a key to sign with.
            self.drop_capability(Capability.SIGNED_URL)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The account, the container and the prefix of names."""
        return (self.kind, self._host, self._container, self._prefix)

    def describe_location(self) -> str:
        return f'azure://{self._container}/{self._prefix} at {self._host}'

    @property
    def container(self) -> azure.ContainerClient:
        """The client of the container, for what no storage offers."""
        return self._shared_service.get().get_container_client(self._container)

    def _blob(self, name: str) -> Any:
        return self._shared_service.get().get_blob_client(self._container, name)

    def _request(self, request: Callable[[], Any], name: str | None = None) -> Any:
        """What *request* returns.

        :raises Unavailable: If the container was there, and is gone.
        """
        seen_at = self._presence.seen_at
        try:
            response = request()
        except HttpResponseError as error:
            if seen_at is not None and code_of(error) == 'ContainerNotFound':
                raise self.error(Unavailable, name, gone_reason(f'container {self._container!r}')) from error
            raise
        self._presence.mark_seen()
        return response

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if start < 0:
            # Azure has no ranges that count from the end: one more request finds out where that is.
            info = self._stat(name)
            start, etag = self.range_start(info, start, etag), info.etag
        condition: Any = {} if etag is None else {'etag': f'"{etag}"', 'match_condition': MatchConditions.IfNotModified}
        offset, length = (start, stop - start) if stop is not None else (start or None, None)
        try:
            # The bytes as they are stored, encoded or not.
            download = partial(self._blob(name).download_blob, offset, length, decompress=False, **condition)
            downloader = self._request(download, name)
        except HttpResponseError as error:
            if status_of(error) not in (412, 416):
                raise
            # Another version, or none; the end of a shorter file, or all of an empty one.
            return self.opened_empty(self._stat(name), start, etag)
        total = int(str(downloader.properties.content_range).rpartition('/')[2])
        info = self._info(name, downloader.properties, total)
        self.range_start(info, start)
        return Opened(info, cast('IO[bytes]', _BlobStream(downloader)))

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        properties = self._request(self._blob(name).get_blob_properties, name)
        return self._info(name, properties, properties.size)

    def _info(self, name: str, properties: azure.BlobProperties, size: int) -> FileInfo:
        headers, etag = properties.content_settings, properties.etag.strip('"')
        mime, checksum = headers.content_type or mime_type(name), (properties.metadata or {}).get(CHECKSUM_KEY)
        return FileInfo(name, size, properties.last_modified, mime, checksum, etag, headers.content_encoding)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        blobs = self.container.list_blobs(prefix or None, include=['metadata'], results_per_page=self.page_size)
        pages = blobs.by_page()
        try:
            while (page := self._request(lambda: next(pages, None))) is not None:
                for blob in page:
                    yield self._info(blob.name, blob, blob.size)
        except HttpResponseError as error:
            if code_of(error) != 'ContainerNotFound':
                raise

    # --- Changes.

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo:
        checksum, mime = Checksum(self.config.checksum), attributes.mime or mime_type(name)
        taken = partial(self.error, FileExists, name) if create else None
        headers = {'content_settings': azure.ContentSettings(content_type=mime)}
        stored = put(self._blob(name), stream, self._write, taken, self.config.block_bytes, checksum, headers)
        etag = stored['etag'].strip('"')
        return FileInfo(name, checksum.size, stored['last_modified'], mime, str(checksum), etag)

    def _write(self, request: Callable[[], Any]) -> Any:
        """What *request* returns, for which the container is created where there is none yet."""

        def may_create(error: Exception) -> bool:
            return code_of(error) == 'ContainerNotFound' and self.config.create_container

        return self._presence.write(partial(self._request, request), self._create_container, may_create)

    def _create_container(self) -> None:
        # Another writer may be faster.
        with contextlib.suppress(ResourceExistsError):
            self.container.create_container()

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        source, blob = self._blob(name), self._blob(target)
        headers = None
        if (suggested := mime_type(name)) != mime_type(target):
            # A type that only the old name suggested gives way to the one that the new name suggests.
            found = self._request(source.get_blob_properties, name).content_settings
            if found.content_type == suggested:
                found.content_type, headers = mime_type(target), found
        condition = {'match_condition': MatchConditions.IfMissing} if create else {}
        try:
            copied = self._request(lambda: blob.start_copy_from_url(source.url, **condition), name)
        except HttpResponseError as error:
            if not create or status_of(error) not in (409, 412):
                raise
            raise self.error(FileExists, target) from error
        status, etag = copied['copy_status'], copied['etag']
        while status == 'pending':
            # Inside one account, that is rare.
            time.sleep(_COPY_PAUSE_S)
            properties = blob.get_blob_properties()
            status, etag = properties.copy.status, properties.etag
        if status != 'success':
            raise self.error(BackendError, name, f'the store did not copy it to {target!r}: {status}')
        if headers is not None:
            # Not those of what has replaced the copy meanwhile.
            with contextlib.suppress(ResourceModifiedError):
                blob.set_http_headers(headers, etag=etag, match_condition=MatchConditions.IfNotModified)

    def _remove(self, name: str) -> None:
        try:
            self._request(lambda: self._blob(name).delete_blob(delete_snapshots='include'), name)
        except HttpResponseError as error:
            if code_of(error) not in _GONE:
                raise

    def _delete(self, name: str) -> None:
        # Azurite has no batches with a SAS token.
        size = 1 if '?' in self.container.url else _BATCH_NAMES
        for batch in batched(itertools.chain((name,), self._names(f'{name}/')), size):
            if len(batch) == 1:
                self._remove(batch[0])
                continue
            parts = list(self.container.delete_blobs(*batch, delete_snapshots='include', raise_on_any_failure=False))
            if len(parts) != len(batch):
                # The store did not say of each that it is gone.
                raise ForeignResponse(202)
            for one, part in zip(batch, parts, strict=True):
                error = HttpResponseError(response=cast('Any', part))
                if part.status_code >= 300 and code_of(error) not in _GONE:
                    raise self.translated(error, one) from error

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        blob = self._blob(name)
        token = azure.generate_blob_sas(
            blob.account_name,
            self._container,
            name,
            account_key=blob.credential.account_key,
            # To create and to write, or to read.
            permission='cw' if method == 'PUT' else 'r',
            expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires_s),
            content_disposition=None if download_name is None else attachment(download_name),
        )
        return f'{blob.url}?{token}'

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        return kind_of(error), reason_for(error, self._container, name, storage_prefix(self.name))


class _BlobStream(ResponseStream):
    """The bytes of a blob, which the library receives by as many requests as there are pieces, all of one version."""

    def __init__(self, downloader: Any) -> None:
        super().__init__(downloader.size)
        self._downloader = downloader

    def _receive(self, size: int) -> bytes:
        return cast('bytes', self._downloader.read(size))

    def _release(self, *, reusable: bool) -> None:
        """No connection is kept between two requests."""
