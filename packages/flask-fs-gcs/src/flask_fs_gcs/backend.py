"""The backend for Google Cloud Storage."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import IO, Any, cast
from urllib.parse import quote

from google.api_core.exceptions import NotFound, PreconditionFailed, RequestRangeNotSatisfiable
from requests import Response
from urllib3.exceptions import ProtocolError

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    FileInfo,
    Folder,
    Opened,
    ResponseStream,
    Source,
    attachment,
    batched,
    changed,
    range_header,
    undone_by,
)
from flask_fs.errors import Changed, FSError, Unavailable
from flask_fs.files import mime_type
from flask_fs.settings import host_of, server_of

from .attributes import set_attributes
from .batches import MAX_CALLS, delete
from .bucket import Bucket, info_from_blob, info_from_headers
from .errors import SDK_ERRORS, translate
from .settings import SETTINGS
from .uploads import put

#: What a copy takes over from its source.
_KEPT = ('cache_control', 'content_disposition', 'content_encoding', 'content_language', 'content_type')
#: What is listed of each object.
_FIELDS = (
    'items(name,size,updated,generation,metadata,contentType,contentEncoding,contentLanguage,contentDisposition,'
    'cacheControl),nextPageToken'
)
#: How often to look again at an object that others change.
_MAX_CHANGES = 20


class GCSBackend(BaseBackend):
    """Keeps files as objects of a bucket, under their names.

    Its client is made when it is first needed, and shared by all storages of a process with the same credentials. With
    the key of a service account the store signs links; with other credentials the application does.
    """

    kind = 'gcs'
    capabilities = (
        Capability.ATOMIC_CREATE | Capability.CHECKSUM | Capability.MIME | Capability.RANGE
        | Capability.NESTED_NAMES | Capability.SERVER_COPY | Capability.SIGNED_URL
        | Capability.ATTRIBUTES | Capability.COMPARE_AND_SWAP
    )  # fmt: skip
    settings = SETTINGS
    errors = SDK_ERRORS

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._bucket = Bucket(self.config.get('bucket_name') or name.lower().replace('_', '-'), self)
        self._namespace_by_storage('bucket_name')
        if self.config.anonymous or not self.config.get('credentials'):
            self.drop_capability(Capability.SIGNED_URL)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The store, the bucket and the key prefix."""
        return (self.kind, server_of(self.config.get('endpoint') or ''), self._bucket.name, self._prefix)

    def describe_location(self) -> str:
        host = host_of(self.config.get('endpoint') or '')
        return f'gs://{self._bucket.name}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        headers = {
            # Else what is stored as gzip comes decompressed, with no length, and without ranges.
            'Accept-Encoding': 'gzip',
            'Range': None if start == 0 and stop is None else range_header(start, stop),
            'X-Goog-If-Generation-Match': etag,
        }
        # By the XML API: that of JSON does not return the metadata with the content.
        client, path = self._bucket.client, f'/{self._bucket.name}/{quote(name)}'
        try:
            response = self._bucket.request(name, lambda: client.request('GET', path, 200, 206, headers=headers))
        except RequestRangeNotSatisfiable:
            return self.opened_empty(self._stat(name), start, etag)
        with undone_by(response.close):
            info, length = info_from_headers(name, response.headers)
        given = Opened(info, cast('IO[bytes]', _Body(response, length)))
        return self.opened(given, response.headers.get('Content-Range'), length, start, stop, etag)

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        return info_from_blob(self._bucket.find(name))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return map(info_from_blob, self._blobs(prefix, _FIELDS))

    def _names(self, prefix: str) -> Iterator[str]:
        return (blob.name for blob in self._blobs(prefix, 'items(name),nextPageToken'))

    def _blobs(self, prefix: str, fields: str) -> Iterator[Any]:
        """What the bucket lists, but for objects that only mark folders; nothing if there is no bucket yet."""
        options = {'page_size': self.page_size, 'fields': fields, **self._bucket.client.options}
        pages = self._bucket.sdk.list_blobs(prefix=prefix, **options).pages
        with contextlib.suppress(NotFound):
            while (page := self._bucket.request(prefix, lambda: next(pages, None))) is not None:
                yield from (blob for blob in page if not blob.name.endswith('/'))

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        options = {'page_size': limit, 'page_token': after, 'fields': f'prefixes,{_FIELDS}'}
        found = self._bucket.sdk.list_blobs(prefix=prefix, delimiter='/', **options, **self._bucket.client.options)
        page: Iterable[Any] = ()
        with contextlib.suppress(NotFound):
            page = self._bucket.request(prefix, lambda: next(found.pages, ()))
        files = [info_from_blob(blob) for blob in page if not blob.name.endswith('/')]
        return Folder(files, [name[:-1] for name in sorted(found.prefixes)], found.next_page_token)

    # --- Changes.

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        put(self._bucket, name, stream, attributes, generation=0 if create else None)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        # Of no object, that is 0.
        if not (etag.isascii() and etag.isdecimal() and int(etag)):
            raise self.error(Changed, name)
        put(self._bucket, name, stream, attributes, generation=int(etag))

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        for _ in range(_MAX_CHANGES):
            blob = self._bucket.find(name)
            set_attributes(blob, changed(info_from_blob(blob).attributes, changes), changes)
            seen = {'if_generation_match': blob.generation, 'if_metageneration_match': blob.metageneration}
            # What has changed meanwhile is looked at again; so is the change itself, if only its response was lost.
            with contextlib.suppress(PreconditionFailed):
                self._bucket.request(name, lambda: blob.patch(**seen, **self._bucket.client.options))  # noqa: B023  # at once
                return
        raise self.error(Unavailable, name, 'too many others change it at the same time')

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        source = self._bucket.find(name)

        def rewrite(metadata: dict[str, str], generation: int | None) -> None:
            # A new object for the source, too: one with a generation would be missing once it was replaced.
            made, original, token = self._bucket.sdk.blob(target), self._bucket.sdk.blob(name), ''
            for field in _KEPT:
                setattr(made, field, getattr(source, field))
            if source.content_type == mime_type(name):
                # A type that only the old name suggested gives way to the one that the new name suggests.
                made.content_type = mime_type(target)
            made.metadata = {**(source.metadata or {}), **metadata}
            conditions = {'if_generation_match': generation, 'if_source_generation_match': info_from_blob(source).etag}
            while token is not None:
                token, _, _ = made.rewrite(original, token=token, **conditions, **self._bucket.client.options)

        self._bucket.store(target, rewrite, generation=0 if create else None)

    def _remove(self, name: str) -> None:
        blob = self._bucket.sdk.blob(name)
        with contextlib.suppress(NotFound):
            self._bucket.request(name, lambda: blob.delete(**self._bucket.client.options))

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        failures: dict[str, FSError] = {}
        left = iter(names)
        for batch in batched(left, MAX_CALLS):
            try:
                unconfirmed = delete(self._bucket, batch)
            except NotFound:
                # Some emulators have no batches.
                unconfirmed = batch
            except SDK_ERRORS as error:
                failures |= {name: self.translated(error, name) for name in batch}
                if isinstance(failures[batch[0]], Unavailable):
                    # It would take the same time for each batch to fail.
                    failures |= {name: self.translated(error, name) for name in left}
                continue
            failures |= super()._remove_many(unconfirmed)
        return failures

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        endpoint = self.config.get('public_endpoint') or self._bucket.client.endpoint
        options: dict[str, Any] = {'expiration': datetime.timedelta(seconds=expires_s), 'api_access_endpoint': endpoint}
        if download_name is not None:
            options['response_disposition'] = attachment(download_name)
        return str(self._bucket.sdk.blob(name).generate_signed_url(version='v4', method=method, **options))

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        kind, reason = translate(error, name)
        return kind, reason and f'bucket {self._bucket.name!r}: {reason}'


class _Body(ResponseStream):
    """The body of a response, as it is stored."""

    def __init__(self, response: Response, length: int) -> None:
        self._response = response
        super().__init__(length)

    def _receive(self, size: int) -> bytes:
        piece: bytes = self._response.raw.read(size, decode_content=False)
        if not piece:
            raise ProtocolError('the response ended early')
        return piece

    def _release(self, *, reusable: bool) -> None:
        self._response.close()
