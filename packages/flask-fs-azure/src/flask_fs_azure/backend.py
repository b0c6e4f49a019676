"""The backend for Azure Blob Storage."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
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
    Folder,
    Opened,
    Presence,
    Source,
    attachment,
    batched,
    gone_reason,
    with_attributes,
)
from flask_fs.errors import BackendError, Changed, FileExists, FSError, Unavailable
from flask_fs.files import mime_type
from flask_fs.settings import setting_names, settings_error, storage_prefix

from .attributes import CHECKSUM_KEY, attributes_from, changed_metadata, changed_settings, metadata_of, settings_of
from .client import ForeignResponse, service_for
from .errors import code_of, kind_of, reason_for, status_of
from .removal import BATCH_NAMES, remove_batch
from .settings import SETTINGS, container_name
from .streams import BlobStream
from .uploads import Condition, put, unmodified

#: Why there may be nothing to delete.
_GONE = ('BlobNotFound', 'ContainerNotFound')
#: How long to wait between two looks at a copy that the store makes by and by, in seconds.
_COPY_PAUSE_S = 0.5
#: How often attributes are changed again where another writer came in between.
_MAX_CHANGES = 5


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
        | Capability.ATTRIBUTES
        | Capability.COMPARE_AND_SWAP
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
        condition = {} if etag is None else unmodified(f'"{etag}"')
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
        return Opened(info, cast('IO[bytes]', BlobStream(downloader)))

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        properties = self._request(self._blob(name).get_blob_properties, name)
        return self._info(name, properties, properties.size)

    def _info(self, name: str, properties: azure.BlobProperties, size: int) -> FileInfo:
        headers, etag = properties.content_settings, properties.etag.strip('"')
        mime, checksum = headers.content_type or mime_type(name), (properties.metadata or {}).get(CHECKSUM_KEY)
        return FileInfo(name, size, properties.last_modified, mime, checksum, etag, **attributes_from(properties))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        blobs = self.container.list_blobs(prefix or None, include=['metadata'], results_per_page=self.page_size)
        pages = blobs.by_page()
        while (page := self._page(pages)) is not None:
            for blob in page:
                yield self._info(blob.name, blob, blob.size)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        blobs = self.container.walk_blobs(prefix or None, include=['metadata'], results_per_page=limit)
        pages: Any = blobs.by_page(after)
        page = self._page(pages) or []
        return Folder(
            files=[self._info(each.name, each, each.size) for each in page if not isinstance(each, azure.BlobPrefix)],
            folders=[each.name[:-1] for each in page if isinstance(each, azure.BlobPrefix)],
            next=pages.continuation_token or None,
        )

    def _page(self, pages: Iterator[Iterable[Any]]) -> list[Any] | None:
        """The next page, which may be empty; None after the last one, and where there is no container."""
        try:
            page = self._request(lambda: next(pages, None))
        except HttpResponseError as error:
            if code_of(error) != 'ContainerNotFound':
                raise
            return None
        return None if page is None else list(page)

    # --- Changes.

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo:
        is_free, error = {'match_condition': MatchConditions.IfMissing}, partial(self.error, FileExists, name)
        condition = Condition(is_free, lambda found: found is None, error) if create else None
        return self._store(name, stream, attributes, condition)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo:
        def is_same(found: azure.BlobProperties | None) -> bool:
            return found is not None and found.etag == f'"{etag}"'

        if not etag.isalnum():
            # None of Azure's own: in a header it may be a pattern, or a list.
            raise self.error(Changed, name)
        condition = Condition(unmodified(f'"{etag}"'), is_same, partial(self.error, Changed, name))
        return self._store(name, stream, attributes, condition)

    def _store(self, name: str, stream: Source, attributes: Attributes, condition: Condition | None) -> FileInfo:
        checksum, headers = Checksum(self.config.checksum), (settings_of(attributes, name), metadata_of(attributes))
        stored = put(self._blob(name), stream, self._write, condition, self.config.block_bytes, checksum, *headers)
        etag = stored['etag'].strip('"')
        info = FileInfo(name, checksum.size, stored['last_modified'], checksum=str(checksum), etag=etag)
        return with_attributes(info, attributes)

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
                blob.set_http_headers(headers, **unmodified(etag))

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        blob = self._blob(name)
        for _ in range(_MAX_CHANGES):
            found = self._request(blob.get_blob_properties, name)
            settings, metadata = changed_settings(found, changes, name), changed_metadata(found, changes)
            etag = found.etag
            # If it is another version meanwhile, or a request that was sent again has made it one, all is done again.
            with contextlib.suppress(ResourceModifiedError):
                if settings is not None:
                    request = partial(blob.set_http_headers, settings, **unmodified(etag))
                    etag = self._request(request, name)['etag']
                if metadata is not None:
                    self._request(partial(blob.set_blob_metadata, metadata, **unmodified(etag)), name)
                return
        raise self.error(Unavailable, name, 'other writers change it all the time')

    def _remove(self, name: str) -> None:
        try:
            self._request(lambda: self._blob(name).delete_blob(delete_snapshots='include'), name)
        except HttpResponseError as error:
            if code_of(error) not in _GONE:
                raise

    def _delete(self, name: str) -> None:
        for _, error in self._failures(itertools.chain((name,), self._names(f'{name}/'))):
            raise error

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        return dict(self._failures(names))

    def _failures(self, names: Iterable[str]) -> Iterator[tuple[str, FSError]]:
        """Remove files by batches, and give the errors of those that are still there."""
        # Azurite has no batches with a SAS token.
        left, size = iter(names), 1 if '?' in self.container.url else BATCH_NAMES
        for batch in batched(left, size):
            failures = self._remove_batch(batch)
            yield from failures.items()
            if any(isinstance(error, Unavailable) for error in failures.values()):
                # It would take the same time for each of them to fail.
                yield from zip(left, itertools.repeat(next(reversed(failures.values()))))

    def _remove_batch(self, names: Sequence[str]) -> dict[str, FSError]:
        if len(names) > 1:
            try:
                names = self._call_hook(lambda _: remove_batch(self.container, names), '')
            except FSError as error:
                return dict.fromkeys(names, error)
        # Whatever did not go is removed one by one, which also shows why it cannot be.
        return super()._remove_many(names)

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
