"""The backend for Google Cloud Storage."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from google.api_core.exceptions import NotFound, RequestRangeNotSatisfiable

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
    range_header,
    undone_by,
)
from flask_fs.errors import Changed, FSError
from flask_fs.files import mime_type
from flask_fs.settings import host_of, server_of, setting_names, warn_if_repeated

from .attributes import change_attributes, headers_from, info_from_blob, info_from_headers, set_attributes
from .bucket import Bucket
from .errors import SDK_ERRORS, translate
from .settings import SETTINGS
from .uploads import put

#: The fields of each object in listings.
_HEADERS = 'contentType,contentEncoding,contentLanguage,contentDisposition,cacheControl'
_ITEM = f'name,size,updated,generation,metadata,{_HEADERS}'


class GCSBackend(BaseBackend):
    """Stores files as objects in a bucket, under their names.

    The client is created on first use and shared by all storages in the process that use the same credentials. With the
    key of a service account, URLs are signed for the store; with other credentials, the application signs and serves
    them.
    """

    kind = 'gcs'
    capabilities = Capability.ATOMIC_CREATE | Capability.COMPARE_AND_SWAP | Capability.CHECKSUM | Capability.MIME
    capabilities |= Capability.RANGE | Capability.NESTED_NAMES | Capability.ATTRIBUTES
    capabilities |= Capability.SERVER_COPY | Capability.SIGNED_URL
    settings = SETTINGS
    errors = SDK_ERRORS
    #: https://cloud.google.com/storage/docs/batch
    batch_size = 100

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._bucket = Bucket(self.config.get('bucket_name') or name.lower().replace('_', '-'), self)
        for part in (self._bucket.name, 'v1'):
            warn_if_repeated(self.config.get('endpoint'), part, setting_names(name, self.kind, 'endpoint'))
        self._namespace_by_storage('bucket_name')
        if self.config.anonymous or not self.config.get('credentials'):
            self.drop_capability(Capability.SIGNED_URL)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The store, the bucket, and the key prefix."""
        return (self.kind, server_of(self.config.get('endpoint') or ''), self._bucket.name, self._prefix)

    def describe_location(self) -> str:
        host = host_of(self.config.get('endpoint') or '')
        return f'gs://{self._bucket.name}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        requested = None if start == 0 and stop is None else range_header(start, stop)
        # Without gzip, the store decompresses gzip content and sends neither its length nor ranges.
        headers = {'Accept-Encoding': 'gzip', 'Range': requested, 'X-Goog-If-Generation-Match': etag}
        # The XML API, because the JSON API does not return the metadata with the content.
        client, path = self._bucket.client, f'/{self._bucket.name}/{quote(name)}'
        try:
            response = self._bucket.request(name, lambda: client.request('GET', path, 200, 206, headers=headers))
        except RequestRangeNotSatisfiable:
            return self.opened_empty(self._stat(name), start, etag)
        with undone_by(response.close):
            info, length = info_from_headers(name, response.headers)
        # The bytes as stored, without decoding.
        stream: Any = ResponseStream(length, partial(response.raw.read, decode_content=False), response.close)
        return self.opened(Opened(info, stream), response.headers.get('Content-Range'), length, start, stop, etag)

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        return info_from_blob(self._bucket.find(name))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return map(info_from_blob, self._blobs(prefix, _ITEM))

    def _names(self, prefix: str) -> Iterator[str]:
        return (blob.name for blob in self._blobs(prefix, 'name'))

    def _blobs(self, prefix: str, fields: str) -> Iterator[Any]:
        listing = self._bucket.list(prefix, f'items({fields})', page_size=self.page_size)
        return self._bucket.entries(prefix, listing.pages)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        found = self._bucket.list(prefix, f'prefixes,items({_ITEM})', delimiter='/', page_size=limit, page_token=after)
        files = [info_from_blob(blob) for blob in next(self._bucket.pages(prefix, found.pages), ())]
        return Folder(files, [name[:-1] for name in sorted(found.prefixes)], found.next_page_token)

    # --- Changes.

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        put(self._bucket, name, stream, attributes, generation=0 if create else None)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        # Generation 0 means no object.
        if not (etag.isascii() and etag.isdecimal() and int(etag)):
            raise self.error(Changed, name)
        put(self._bucket, name, stream, attributes, generation=int(etag))

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        blob = self._bucket.find(name)
        change_attributes(blob, changes)
        # If the object changed in the meantime, or only the response was lost, the caller starts over.
        seen = {'if_generation_match': blob.generation, 'if_metageneration_match': blob.metageneration}
        self._bucket.request(name, lambda: blob.patch(**seen, **self._bucket.client.options))

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        source = self._bucket.find(name)
        headers = headers_from(source)
        if source.content_type == mime_type(name):
            # If the old name suggested the type, the copy gets the type that the new name suggests.
            headers['content-type'] = mime_type(target)
        generation = 0 if create else None
        conditions = {'if_generation_match': generation, 'if_source_generation_match': info_from_blob(source).etag}
        with self._bucket.replacing(target, generation) as metadata:
            # Also a new object for the source: one with a generation would be missing after it was replaced.
            copied, original, token = self._bucket.sdk.blob(target), self._bucket.sdk.blob(name), ''
            set_attributes(copied, headers, {**(source.metadata or {}), **metadata})
            while token is not None:
                token, _, _ = copied.rewrite(original, token=token, **conditions, **self._bucket.client.options)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(NotFound):
            self._bucket.request(name, lambda: self._bucket.sdk.delete_blob(name, **self._bucket.client.options))

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        return dict.fromkeys(self._bucket.remove_batch(names))

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        endpoint = self.config.get('public_endpoint') or self._bucket.client.endpoint
        disposition = None if download_name is None else attachment(download_name)
        options = {'version': 'v4', 'api_access_endpoint': endpoint, 'response_disposition': disposition}
        return str(self._bucket.sdk.blob(name).generate_signed_url(expires_s, method=method, **options))

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        kind, reason = translate(error, name, partial(setting_names, self.name, self.kind))
        return kind, reason and f'bucket {self._bucket.name!r}: {reason}'
