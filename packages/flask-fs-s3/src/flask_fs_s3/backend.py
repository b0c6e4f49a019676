"""The backend for S3."""

from __future__ import annotations

import datetime
import io
import itertools
import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import IO, Any, cast

from botocore.exceptions import ClientError

from flask_fs.backends import (
    NO_ATTRIBUTES,
    STALE_S,
    Attributes,
    BaseBackend,
    Capability,
    FileInfo,
    Opened,
    Source,
    attachment,
    limited,
)
from flask_fs.errors import BackendError, FSError, RangeNotSatisfiable, Replaced
from flask_fs.files import mime_type
from flask_fs.settings import host_of, server_of, setting_names, settings_error, storage_prefix

from .bucket import CHECKSUM_KEY, Bucket
from .copying import copy
from .failures import SDK_ERRORS, kind_of, reason_for, status_of
from .listing import OBJECTS, UPLOADS, entries
from .multipart import abort_abandoned
from .ranges import answers_range, span, whole_size
from .removing import remove, remove_many
from .settings import SETTINGS
from .streams import BodyStream
from .uploads import put

_logger = logging.getLogger(__name__)
#: What S3 says of objects that came without a type.
_NO_TYPE = ('', 'binary/octet-stream')


class S3Backend(BaseBackend):
    """Keeps files as objects of a bucket, under their names.

    Its client is made when it is first needed, and shared by all storages of a process with the same account.
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
    )
    settings = SETTINGS
    #: How many keys to ask for at once; S3 tells at most 1,000.
    page_keys = 1000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._settings = storage_prefix(name)
        for one, other in (('access_key', 'secret_key'), ('secret_key', 'access_key')):
            if self.config.get(one) and not self.config.get(other):
                raise settings_error(name, self.kind, f'needs {setting_names(name, self.kind, other)} too')
        self._bucket = Bucket(self.config.get('bucket_name') or name.lower().replace('_', '-'), self)
        self._keep_apart('bucket_name')
        if not self.config.conditional_writes:
            self.capabilities = self.capabilities & ~Capability.ATOMIC_CREATE

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The store, the bucket and the key prefix."""
        store = server_of(self.config.get('endpoint') or '')
        # On Amazon, a bucket's name is its own in all regions.
        store = '' if store.endswith('.amazonaws.com') else store
        return (self.kind, store, self._bucket.name, self._prefix)

    @property
    def bucket(self) -> Any:
        """boto3's resource for the bucket, for what no storage offers."""
        return self._bucket.account.bucket(self._bucket.name)

    def describe_location(self) -> str:
        host = host_of(self.config.get('endpoint') or '')
        return f's3://{self._bucket.name}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        part = None if start == 0 and stop is None else span(start, stop)
        answer = self._get(name, part, **({} if etag is None else {'IfMatch': f'"{etag}"'}))
        if answer is not None:
            info, stream = self._info(name, answer), self._stream(name, answer)
            if stop is not None and 'ContentRange' not in answer:
                stream = limited(stream, stop)
            return Opened(info, stream)
        info = self._stat(name)
        if info.size and start >= info.size:
            raise self.error(RangeNotSatisfiable, name)
        if info.size or etag not in (None, info.etag):
            raise self.error(Replaced, name)
        if start > 0:
            raise self.error(RangeNotSatisfiable, name)
        return Opened(info, io.BytesIO())

    def _get(self, name: str, part: str | None = None, **conditions: str) -> Any:
        """The answer with an object, or or its part as in a Range header; None if it has no such part."""
        given: dict[str, Any] = conditions if part is None else {'Range': part, **conditions}
        with self._bucket.translated(name):
            try:
                answer: Any = self._bucket.client.get_object(**self._bucket.at(name), **given)
            except ClientError as error:
                if status_of(error) != 416:
                    raise
                return None
        if not answers_range(part, answer):
            answer['Body'].close()
            reason = 'the store sent another part of the file than the one that was asked for'
            raise self.error(BackendError, name, reason)
        return answer

    def _stream(self, name: str, answer: Any) -> IO[bytes]:
        length = answer['ContentLength']
        return cast('IO[bytes]', BodyStream(answer['Body'], length, lambda error: self.translate(error, name)))

    # --- Facts.

    def _stat(self, name: str) -> FileInfo:
        with self._bucket.translated(name):
            return self._info(name, self._bucket.client.head_object(**self._bucket.at(name)))

    def _info(self, name: str, answer: Any) -> FileInfo:
        mime = answer.get('ContentType', '')
        return FileInfo(
            name,
            whole_size(answer),
            answer['LastModified'].astimezone(datetime.timezone.utc),
            mime_type(name) if mime in _NO_TYPE else mime,
            answer.get('Metadata', {}).get(CHECKSUM_KEY),
            answer['ETag'].strip('"'),
            answer.get('ContentEncoding'),
        )

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        for found in self._objects(prefix):
            if not (name := found['Key']).endswith('/'):
                modified = found['LastModified'].astimezone(datetime.timezone.utc)
                etag = found.get('ETag', '').strip('"') or None
                yield FileInfo(name, found['Size'], modified, mime_type(name), None, etag)

    def _names(self, prefix: str) -> Iterator[str]:
        return (found['Key'] for found in self._objects(prefix))

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        """What the bucket lists of each object, also of those that stand for folders or have no possible name."""
        where: Any = {'Bucket': self._bucket.name, 'Prefix': prefix, 'MaxKeys': self.page_keys}
        found = entries(OBJECTS, prefix, lambda **more: self._bucket.client.list_objects_v2(**where, **more))
        return self._bucket.listed(found)

    # --- Changes.

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        put(self._bucket, name, stream, create=create, mime=attributes.mime)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        copy(self._bucket, name, target, create=create)

    def _remove(self, name: str) -> None:
        remove(self._bucket, name)

    def _delete(self, name: str) -> None:
        below = (found['Key'] for found in self._objects(f'{name}/'))
        if (first := next(below, None)) is None:
            self._remove(name)
        else:
            self._remove_many(itertools.chain((name, first), below))

    def _remove_many(self, names: Iterable[str]) -> None:
        remove_many(self._bucket, names)

    def sweep(self, *, older_than_s: float = STALE_S) -> int:
        """Abort uploads in parts that were begun so long ago and never completed, and return how many there were.

        They are left by processes that were killed, are in no listing and cost storage.
        """
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        where: Any = {'Bucket': self._bucket.name, 'Prefix': self._prefix}
        found = entries(
            UPLOADS, self._prefix, lambda **more: self._bucket.client.list_multipart_uploads(**where, **more)
        )
        return abort_abandoned(self._bucket, self._bucket.listed(found), limit)

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        params: dict[str, Any] = self._bucket.at(name)
        if download_name is not None:
            params['ResponseContentDisposition'] = attachment(download_name)
        try:
            return self._bucket.signing_client.generate_presigned_url(
                f'{method.lower()}_object', Params=params, ExpiresIn=expires_s, HttpMethod=method
            )
        except SDK_ERRORS as error:
            raise self.translate(error, name) from error

    # --- Errors.

    def translate(self, error: Exception, name: str | None) -> FSError:
        """The error of Flask-FS for one of botocore, about the file *name*."""
        reason = reason_for(
            error,
            bucket=self._bucket.name,
            key=name,
            settings=self._settings,
            create_bucket=self.config.create_bucket,
        )
        return self.error(kind_of(error), name, reason)

    def narrow(self) -> None:
        """Take back ATOMIC_CREATE: the store was seen to know no conditional writes."""
        self.capabilities = self.capabilities & ~Capability.ATOMIC_CREATE
        _logger.warning(
            'Storage %r (s3): the store answers 501 to conditional writes, so that creating a file can lose a race. '
            'Set %sCONDITIONAL_WRITES = False to spare it the question.',
            self.name,
            self._settings,
        )
