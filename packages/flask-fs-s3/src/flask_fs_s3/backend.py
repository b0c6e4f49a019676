"""The backend for S3."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import IO, Any, cast

from botocore.exceptions import ClientError

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    DeletedFile,
    FileInfo,
    Folder,
    Opened,
    SignedRequest,
    Source,
    attachment,
    range_header,
)
from flask_fs.errors import FSError
from flask_fs.files import mime_type
from flask_fs.names import INCOMING_PREFIX
from flask_fs.settings import host_of, server_of, setting_names, settings_error, warn_if_repeated

from .attributes import info_from, stored_sha256
from .bucket import Bucket
from .client import bucket_resource
from .copying import change_attributes, copy
from .cors import allow_origins
from .errors import SDK_ERRORS, kind_of, reason_for, status_of
from .joining import join
from .listing import OBJECTS, UPLOADS, entries, folder_page
from .multipart import abort_abandoned
from .removal import BATCH_KEYS, remove, remove_batch
from .responses import BodyStream
from .settings import SETTINGS
from .signing import signed_part, signed_upload
from .uploads import put
from .versions import Versions
from .writes import Creation, Swap, Write, require_swaps


class S3Backend(BaseBackend):
    """Stores files as objects in a bucket, under their names.

    The client is created on first use and shared by all storages in the process that use the same account.
    """

    kind = 's3'
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
        | Capability.SIGNED_UPLOAD
    )
    settings = SETTINGS
    errors = SDK_ERRORS
    batch_size = BATCH_KEYS
    #: The legacy name of ``page_size``, for subclasses that set it.
    page_keys: int | None = None

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.page_size = self.page_keys or self.page_size
        for one, other in (('access_key', 'secret_key'), ('secret_key', 'access_key')):
            if self.config.get(one) and not self.config.get(other):
                raise settings_error(name, self.kind, f'also needs {setting_names(name, self.kind, other)}')
        self._bucket = Bucket(self.config.get('bucket_name') or name.lower().replace('_', '-'), self)
        warn_if_repeated(self.config.get('endpoint'), self._bucket.name, setting_names(name, self.kind, 'endpoint'))
        self._namespace_by_storage('bucket_name')
        self._versions = Versions(self._bucket) if self.config.retention_by == 'versions' else None
        if not self.config.conditional_writes:
            # Attributes cannot be changed without a race either.
            self.drop_capability(Capability.ATOMIC_CREATE | Capability.COMPARE_AND_SWAP | Capability.ATTRIBUTES)
            self.drop_capability(Capability.SIGNED_UPLOAD)
        if self.config.signature_version != 's3v4':
            # Only this version signs the length and the conditions.
            self.drop_capability(Capability.SIGNED_UPLOAD)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The store, the bucket and the key prefix."""
        store = server_of(self.config.get('endpoint') or '')
        # On Amazon, bucket names are unique across all regions.
        store = '' if store.endswith('.amazonaws.com') else store
        return (self.kind, store, self._bucket.name, self._prefix)

    @property
    def bucket(self) -> Any:
        """boto3's resource for the bucket, for operations that storages don't offer."""
        return bucket_resource(self.config, self._bucket.name)

    def describe_location(self) -> str:
        host = host_of(self.config.get('endpoint') or '')
        return f's3://{self._bucket.name}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        parameters = {} if etag is None else {'IfMatch': f'"{etag}"'}
        if start != 0 or stop is not None:
            parameters['Range'] = range_header(start, stop)
        try:
            response = self._bucket.request('get_object', name, **parameters)
        except ClientError as error:
            if status_of(error) != 416:
                raise
            return self.opened_empty(self._stat(name), start, etag)
        length = response['ContentLength']
        given = Opened(info_from(name, response), cast('IO[bytes]', BodyStream(response['Body'], length)))
        return self.opened(given, response.get('ContentRange'), length, start, stop, etag)

    # --- Metadata.

    def _stat(self, name: str) -> FileInfo:
        if not name.startswith(f'{self._prefix}{INCOMING_PREFIX}/'):
            return info_from(name, self._bucket.head(name))
        # A client stored it, so only the checksum that the store computed can be trusted.
        found = self._bucket.head(name, ChecksumMode='ENABLED')
        return dataclasses.replace(info_from(name, found), checksum=stored_sha256(found))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (_listed(entry) for entry in self._objects(prefix) if not entry['Key'].endswith('/'))

    def _names(self, prefix: str) -> Iterator[str]:
        return (entry['Key'] for entry in self._objects(prefix))

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        """The listing entry of each object, including objects that mark folders or have invalid names."""
        return entries(self._bucket, OBJECTS, prefix, MaxKeys=self.page_size)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        found, folders, token = folder_page(self._bucket, prefix, after, limit)
        return Folder([_listed(entry) for entry in found], folders, token)

    # --- Changes.

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        put(self._bucket, name, stream, attributes, Creation(self._bucket, name) if create else None)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        require_swaps(self._bucket, name, self._prefix)
        put(self._bucket, name, stream, attributes, Swap(self._bucket, name, etag))

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        change_attributes(self._bucket, name, changes, self._prefix)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        copy(self._bucket, name, target, create=create)

    def _remove(self, name: str) -> None:
        remove(self._bucket, name)

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        return remove_batch(self._bucket, names)

    def _sweep(self, older_than_s: float) -> int:
        """Abort multipart uploads that were started that long ago and never completed, and return how many there were.

        Killed processes leave them behind. They appear in no listing, and cost storage.
        """
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        return abort_abandoned(self._bucket, entries(self._bucket, UPLOADS, self._prefix), limit)

    # --- Deleted files.

    def _retain(self, name: str) -> None:
        super()._retain(name) if self._versions is None else self._versions.retain(name)

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        return super()._deleted(prefix) if self._versions is None else self._versions.deleted(prefix)

    def _restore(self, file: DeletedFile) -> None:
        super()._restore(file) if self._versions is None else self._versions.restore(file)

    def _purge(self, file: DeletedFile) -> None:
        super()._purge(file) if self._versions is None else self._versions.purge(file)

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        params: dict[str, Any] = self._bucket.at(name)
        if download_name is not None:
            params['ResponseContentDisposition'] = attachment(download_name)
        return self._bucket.signing_client.generate_presigned_url(
            f'{method.lower()}_object', Params=params, ExpiresIn=expires_s, HttpMethod=method
        )

    # --- Uploads by clients.

    def _signed_upload(
        self,
        name: str,
        *,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int,
    ) -> SignedRequest:
        return signed_upload(
            self._receiving_bucket,
            name,
            size=size,
            max_bytes=max_bytes,
            mime=mime,
            checksum=checksum,
            expires_s=expires_s,
        )

    def _signed_part(
        self,
        name: str,
        *,
        method: str,
        upload_id: str | None,
        part_number: int | None,
        mime: str | None,
        expires_s: int,
    ) -> SignedRequest:
        return signed_part(
            self._receiving_bucket,
            name,
            method=method,
            upload_id=upload_id,
            part_number=part_number,
            mime=mime,
            expires_s=expires_s,
        )

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        return allow_origins(self._signing_bucket, origins, dry_run=dry_run)

    @property
    def _signing_bucket(self) -> Bucket:
        """The bucket, if clients can upload to it."""
        if Capability.SIGNED_UPLOAD not in self.capabilities:
            reason = 'this store does not support signed conditions; clients send their files to the application'
            raise self.unsupported(None, reason)
        return self._bucket

    @property
    def _receiving_bucket(self) -> Bucket:
        """The same bucket, created if it does not exist."""
        bucket = self._signing_bucket
        bucket.ensure()
        return bucket

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        if len(pieces) == 1 and not self.config.conditional_writes:
            # No client can have stored it. The application did, with a checksum.
            super()._join(pieces, target, create=create, attributes=attributes)
            return
        write = Creation(self._bucket, target) if create else Write(self._bucket, target)
        join(self._bucket, pieces, attributes, write, self._open_piece)

    def _open_piece(self, piece: FileInfo, start: int, stop: int) -> IO[bytes]:
        return self._open(piece.name, start, stop, etag=piece.etag).stream

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        reason = reason_for(
            error,
            bucket=self._bucket.name,
            key=name,
            settings=self._bucket.settings,
            create_bucket=self.config.create_bucket,
        )
        return kind_of(error), reason

    #: The name in 1.0, for backward compatibility.
    translate = BaseBackend.translated

    def narrow(self) -> None:
        """Drop ATOMIC_CREATE. The predecessor of :meth:`drop_capability` in 1.0."""
        self.drop_capability(Capability.ATOMIC_CREATE)


def _listed(entry: Mapping[str, Any]) -> FileInfo:
    """The metadata of a file, from a listing."""
    modified = entry['LastModified'].astimezone(datetime.timezone.utc)
    name, etag = entry['Key'], entry.get('ETag', '').strip('"') or None
    return FileInfo(name, entry['Size'], modified, mime_type(name), None, etag)
